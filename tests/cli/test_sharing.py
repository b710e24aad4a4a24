"""`faiss-memory share`: memories that go from one machine to another by a repository's folder `.memory/`."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.cli.conftest import environment
from tests.cli.terminals import CommandLine
from tests.running import RunningService

GIT = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The fresh service of somebody else, such as one in CI; it may read everything that the tests write."""
    base = tmp_path_factory.getbasetemp()
    data = tmp_path_factory.mktemp("other") / "data"
    with RunningService(data, fake=True, home=base) as service:
        yield service


class Both:
    """Two checkouts of one repository, each with the command line of its owner."""

    def __init__(self, mine: CommandLine, theirs: CommandLine) -> None:
        self.mine, self.theirs = mine, theirs

    def git(self, who: CommandLine, *words: str) -> None:
        subprocess.run([*GIT, *words], cwd=who.folder, check=True, capture_output=True)

    def commit(self) -> None:
        """Bring what I have to them."""
        self.git(self.mine, "add", "-A")
        self.git(self.mine, "commit", "-m", "share")
        if not self.theirs.folder.exists():
            self.git(self.mine, "clone", ".", str(self.theirs.folder))
        else:
            self.git(self.theirs, "pull", "--ff-only")

    def read(self, *words: str) -> dict[str, int]:
        ended = self.theirs("share", *words, "--read", "--json")
        assert ended.code == 0, ended.err
        counts: dict[str, int] = json.loads(ended.out)["read"]["memories"]
        return counts

    def texts(self) -> list[str]:
        listed = json.loads(self.theirs("list", "--json").out)["memories"]
        return sorted(one["text"] for one in listed)


@pytest.fixture
def both(running, other, tmp_path):
    mine = CommandLine(tmp_path / f"mine-{tmp_path.name}", environment(tmp_path, running.data.parent))
    theirs = CommandLine(tmp_path / f"theirs-{tmp_path.name}", environment(tmp_path, other.data.parent))
    mine.folder.mkdir()
    pair = Both(mine, theirs)
    pair.git(mine, "init")
    return pair


def files(who):
    return sorted(path.name for path in (who.folder / ".memory").iterdir())


def test_what_one_shares_another_reads_with_a_fresh_service_until_a_commit_takes_it_back(both):
    mine, theirs = both.mine, both.theirs
    one = mine.added("orders live in postgres", "-t", "db", "--cue", "where do orders live?")
    two = mine.added("tests run in parallel", "-t", "ci")
    mine.added("my own plans")
    ended = mine("share", one)
    assert (ended.code, ended.out.split("\t")[0]) == (0, "written")
    assert mine("share", "--tag", "ci").code == 0
    names = files(mine)
    assert (len(names), ".gitignore" in names, "index.md" in names) == (4, True, True)
    assert "[orders live in postgres](<orders-live" in (mine.folder / ".memory/index.md").read_text()
    both.commit()
    assert "index.md" not in files(theirs)  # which every branch would change
    refused = theirs("share", "--read")
    assert (refused.code, "not trusted" in refused.err) == (1, True)
    assert both.texts() == []
    assert both.read("--trust")["removed"] == 0
    assert both.texts() == ["orders live in postgres", "tests run in parallel"]
    (found,) = json.loads(theirs("list", "--tag", "db", "--json").out)["memories"]
    assert (found["tags"], found["by"]) == (["db", "shared"], "shared")
    assert found["cues"] == ["where do orders live?"]
    assert "orders live in postgres" in theirs("search", "postgres").out
    assert mine("share", "--remove", two).out.startswith("removed\ttests-run-in-parallel-")
    both.commit()
    assert both.read()["removed"] in (0, 1)  # or the watch was there before
    assert both.texts() == ["orders live in postgres"]
    (left,) = (name for name in files(mine) if name.startswith("orders"))
    assert mine("share", "--remove", f".memory/{left}").code == 0
    both.commit()
    both.read()
    assert both.texts() == []
    assert theirs("share", "--untrust").code == 0
    assert theirs("share", "--read").code == 1


def test_a_corrected_memory_keeps_its_file_and_a_newer_one_takes_its_place(both):
    mine = both.mine
    one = mine.added("orders live in postgres")
    mine("share", one)
    (name,) = (name for name in files(mine) if name.startswith("orders"))
    assert mine("share", one).out == f"kept\t{name}\t\n"
    mine("edit", one, "--text", "the orders lie in mysql")
    assert mine("share", one).out == f"written\t{name}\t\n"
    newer = mine.added("orders live in sqlite", "--supersedes", one)
    assert "superseded by" in mine("share", one).failure(1)
    dry = json.loads(mine("share", newer, "--dry-run", "--json").out)
    assert (dry["removed"], files(mine)) == ([name], [".gitignore", "index.md", name])
    assert [row.split("\t")[0] for row in mine("share", newer).out.splitlines()] == ["written", "removed"]
    assert [row[2] for row in mine("share").rows] == ["orders live in sqlite"]


def test_two_branches_that_share_merge_without_a_conflict(both):
    mine = both.mine
    both.git(mine, "commit", "--allow-empty", "-m", "begin")
    for branch in ("a", "b"):
        both.git(mine, "checkout", "-b", branch, "main")
        mine("share", mine.added(f"branch {branch} has its own memory"))
        both.git(mine, "add", "-A")
        both.git(mine, "commit", "-m", branch)
    both.git(mine, "merge", "a")
    assert len([name for name in files(mine) if name.startswith("branch")]) == 2


def test_a_secret_stops_all_of_it(both):
    mine = both.mine
    token = "ghp_" + "aB3dE5fG7hI9jK1mN3pQ5rS7tU9vW1xY3zA5"
    good = mine.added("orders live in postgres", "-t", "all")
    bad = mine.added(f"the token is {token}", "-t", "all", "--keep-secrets")
    for words in (("--tag", "all"), (good, bad)):
        said = mine("share", *words).failure(1)
        assert ("GitHub token in its text" in said, token in said) == (True, False)
        assert not (mine.folder / ".memory").exists()


def test_nothing_leaves_the_folder_and_what_is_no_memory_of_it_is_named(both, tmp_path):
    mine = both.mine
    one = mine.added("orders live in postgres", "--source", f"{mine.folder}/docs/db.md")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (mine.folder / ".memory").symlink_to(elsewhere)
    assert "is a link" in mine("share", one).failure(1)
    (mine.folder / ".memory").unlink()
    mine("share", one)
    (name,) = (name for name in files(mine) if name.startswith("orders"))
    place = mine.folder / ".memory" / name
    assert 'sources: ["docs/db.md"]' in place.read_text()
    (elsewhere / "kept").write_text(place.read_text())
    place.unlink()
    place.symlink_to(elsewhere / "kept")
    assert "is a link" in mine("share", one).failure(1)
    assert [path.name for path in elsewhere.iterdir()] == ["kept"]
    strange = mine.added("whales sing", "--project", "elsewhere")
    assert "--project elsewhere" in mine("share", strange).failure(1)
    assert "not shared here" in mine("share", "--remove", "whales.md").failure(1)


def test_outside_a_repository_and_without_a_folder_it_says_what_is_missing(cli, both):
    assert "in no git repository" in cli("share").failure(1)
    assert "Nothing is shared here" in both.mine("share", "--trust").failure(1)
    assert both.mine("share", "7", "--read").code == 2
    assert both.mine("share", "--dry-run").code == 2
    assert both.mine("share", "7", "--tag", "a").code == 2
