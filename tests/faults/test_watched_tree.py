"""A watched tree, whatever befalls it and its service, comes to what a fresh build makes of it."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.running import RunningService
from tests.store.oracle import until

QUICK = {
    "plugins.ingest.watch.settle_seconds": "0.05",
    "plugins.ingest.watch.gone_seconds": "0.5",
    "plugins.ingest.watch.poll_seconds": "0.05",
}
PATIENCE = 300
"""Seconds; a watch rests between builds for four times as long as they took."""
LICENCE = "## Licence\n\nYou may use this as you like"
WHO = {f"GIT_{who}_{what}": "a" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
IDLE_SECONDS = 30


class Tree:
    """A git repository of notes, and what people and programs do to it."""

    def __init__(self, folder: Path, files: int) -> None:
        self.folder, self._chance = folder, random.Random(files)
        folder.mkdir()
        for number in range(files):
            self.write(self.place(number), number, "first")
        self.git("init", "-q", "-b", "main")
        self.commit()

    def place(self, number: int) -> str:
        kind = "py" if number % 10 == 9 else "md"
        return f"area{number % 7}/topic{number % 3}/{number}.{kind}"

    def write(self, name: str, number: int, word: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".py":
            lines = [f"def task_{number}_{n}():\n    return '{word} {number} {n}'\n\n\n" for n in range(30)]
            path.write_text("".join(lines))
        else:
            tags = f"---\ntags: [{word}, t{number % 5}]\n---\n" if number % 4 == 0 else ""
            path.write_text(f"{tags}# N{number}\n\n{word} {number}\n\n## More\n\nof {number}\n\n{LICENCE}\n")

    def git(self, *arguments: str) -> None:
        environment = {**os.environ, **WHO}
        subprocess.run(["git", *arguments], cwd=self.folder, check=True, capture_output=True, env=environment)

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", "so far")

    def some(self, share: float) -> list[Path]:
        files = sorted(
            path for path in self.folder.rglob("*.*") if path.is_file() and path.suffix in (".md", ".py")
        )
        return self._chance.sample(files, max(1, round(share * len(files))))

    def edit(self, share: float, word: str) -> None:
        for number, path in enumerate(self.some(share)):
            self.write(str(path.relative_to(self.folder)), number, word)

    def branch(self) -> None:
        """Make a branch in which a quarter of the files is another, is gone, is new, or lies elsewhere."""
        self.git("checkout", "-qb", "other")
        self.edit(0.1, "branched")
        for path in self.some(0.05):
            path.unlink()
        for path in self.some(0.05):
            path.rename(path.with_name(f"renamed-{path.name}"))
        for number in range(10):
            self.write(f"new/{number}.md", 10_000 + number, "only there")
        self.commit()
        self.git("checkout", "-q", "main")

    def save_as_editors_do(self) -> None:
        for number, path in enumerate(self.some(0.03)):
            beside = path.with_name(f".{path.name}.swp")
            self.write(str(beside.relative_to(self.folder)), number, "saved")
            beside.replace(path)

    def rename_folders(self) -> None:
        (self.folder / "area1").rename(self.folder / "moved1")
        (self.folder / "area2/topic0").rename(self.folder / "moved1/inside")
        # Two change places.
        (self.folder / "area3").rename(self.folder / "between")
        (self.folder / "area4").rename(self.folder / "area3")
        (self.folder / "between").rename(self.folder / "area4")

    def turn_files_into_folders(self) -> None:
        for number, path in enumerate(self.some(0.01)):
            path.unlink()
            self.write(str(path.relative_to(self.folder) / Path("inside.md")), 20_000 + number, "was a file")

    def turn_folders_into_files(self) -> None:
        shutil.rmtree(self.folder / "area6/topic1")
        (self.folder / "area6/topic1").write_text("no kind of file that a build reads by its name\n")
        shutil.rmtree(self.folder / "area6/topic2")
        (self.folder / "area6/topic2.md").write_text("# Topic\n\nit was a folder\n")

    def mirror(self) -> None:
        """Have another copy take this one's place, with its times, as `rsync -a --delete` does."""
        copy = Tree.__new__(Tree)
        copy.folder, copy._chance = self.folder.with_name("copy"), self._chance
        shutil.copytree(self.folder, copy.folder)
        copy.edit(0.05, "synced")
        for path in copy.some(0.03):
            path.unlink()
        for path in copy.some(0.05):
            os.utime(path, (1_700_000_000, 1_700_000_000))
        if shutil.which("rsync"):
            subprocess.run(["rsync", "-a", "--delete", f"{copy.folder}/", f"{self.folder}/"], check=True)
        else:
            for path in list(self.folder.rglob("*.*")):
                if path.is_file() and not (copy.folder / path.relative_to(self.folder)).exists():
                    path.unlink()
            shutil.copytree(copy.folder, self.folder, dirs_exist_ok=True)
        shutil.rmtree(copy.folder)

    @contextmanager
    def empty(self) -> Iterator[None]:
        """Have nothing in it for a while: another file system hides it, or else what it holds lies elsewhere."""
        command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(self.folder)]
        if os.getuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0:
            try:
                yield
            finally:
                subprocess.run(["umount", "-l", str(self.folder)], check=True)
            return
        kept = self.folder.with_name("kept")
        self.folder.rename(kept)
        self.folder.mkdir()
        yield
        self.folder.rmdir()
        kept.rename(self.folder)


class Watching:
    """A service that watches a tree, and another that builds it afresh."""

    def __init__(self, service: RunningService, fresh: RunningService, tree: Tree) -> None:
        self._service, self._fresh, self._tree = service, fresh, tree
        self._built = ""

    def state(self) -> dict[str, Any]:
        return self._service.call("GET", "/index/watches")[1]["watches"][0]

    def comes_to_be(self, state: str) -> None:
        until(lambda: self.state()["state"] == state, state, PATIENCE)

    def count(self) -> int:
        return self._service.call("GET", "/stats?project=*")[1]["total_memories"]

    def is_settled(self) -> bool:
        state = self.state()
        return state["state"] == "watching" and not state["message"]

    def follows(self) -> None:
        """Wait until it was built once more, whatever of the last changes that has seen."""
        before = self._built
        until(lambda: self.is_settled() and self._last() != before, "it is built", PATIENCE)
        self._built = self._last()

    def _last(self) -> str:
        time.sleep(0.05)
        built = self.state()["last_build"]
        return built["ended_at"] if built else ""

    def _is_built_afresh(self) -> bool:
        time.sleep(0.05)
        builds = self._fresh.call("GET", "/index/build")[1]
        return not builds["running"] and builds["last"]["state"] == "done"

    def comes_to_a_fresh_build(self) -> None:
        """Wait until both hold the same."""
        request = {"sources": [str(self._tree.folder)], "wait": False}
        status, answer = self._fresh.call("POST", "/index/build", request)
        assert status in (200, 202), answer
        until(self._is_built_afresh, "a fresh build", PATIENCE)
        expected = held(self._fresh)
        assert max(expected.values()) == 1

        def is_same() -> bool:
            time.sleep(0.05)
            return self.is_settled() and held(self._service) == expected

        try:
            until(is_same, "the same as a fresh build", PATIENCE)
        except AssertionError as error:
            found = held(self._service)
            told = self.state(), sorted(found - expected)[:5], sorted(expected - found)[:5]
            raise AssertionError(told) from error


def held(service: RunningService) -> Counter[tuple[str, ...]]:
    """Return what a service's memories say, each with the file and the lines it comes from, and how often."""
    found: Counter[tuple[str, ...]] = Counter()
    cursor = ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        _, page = service.call("GET", f"/memories?limit=1000{more}")
        for each in page["memories"]:
            found[each["source"], each["text"], *sorted(each["tags"]), str(each["metadata"])] += 1
        cursor = page["next_cursor"]
    return found


def cpu_seconds(pid: int) -> float:
    """Return how long a process has computed so far, in its own code and in the system's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("files", [70, pytest.param(2_000, marks=pytest.mark.faults)])
def test_whatever_befalls_a_watched_tree_it_comes_to_the_state_of_a_fresh_build(tmp_path, tally, files):
    tree = Tree(tmp_path / "notes", files)
    tree.branch()
    roots = {"plugins.ingest.roots": str(tmp_path)}
    with (
        RunningService(tmp_path / "watching", fake=True, **QUICK, **roots) as service,
        RunningService(tmp_path / "fresh", fake=True, **roots) as fresh,
    ):
        both = Watching(service, fresh, tree)
        assert service.call("POST", "/index/watches", {"path": str(tree.folder)})[0] == 200
        both.follows()

        tree.edit(0.05, "edited")
        tree.save_as_editors_do()
        tree.commit()
        tree.git("checkout", "-q", "other")
        both.follows()
        for _ in range(3):  # quicker than anybody builds
            tree.git("checkout", "-q", "main")
            tree.git("checkout", "-q", "other")
        tree.git("checkout", "-q", "main")
        tree.rename_folders()
        both.follows()

        tree.turn_files_into_folders()
        tree.turn_folders_into_files()
        tree.mirror()
        both.follows()

        count = both.count()
        with tree.empty():
            both.comes_to_be("waiting")
            time.sleep(1)
            assert both.count() == count

        tree.edit(0.2, "while it is built")
        until(lambda: both.state()["state"] == "building" or both.is_settled(), "a build")
        service.kill()
        tree.commit()
        tree.git("checkout", "-q", "main~1")
        service.start()
        tree.git("checkout", "-q", "main")
        until(lambda: both.state()["state"] != "starting", "the watch begins")
        service.kill()
        for path in tree.some(0.05):
            path.unlink()
        service.start()
        both.comes_to_a_fresh_build()
        tally(f"a watched tree of {files:,} files: kill -9, an unmount, checkouts", 2)

        if files > 100 and Path("/proc/self/stat").exists():
            assert service.process is not None
            before = cpu_seconds(service.process.pid)
            time.sleep(IDLE_SECONDS)
            share = (cpu_seconds(service.process.pid) - before) / IDLE_SECONDS
            tally("seconds in which a service only watched", IDLE_SECONDS, f"{share:.2%} of a core")
            assert share < 0.01
