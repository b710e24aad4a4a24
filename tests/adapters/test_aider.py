"""aider: a context file within its budget, a configuration that hides nothing, and the command that starts it."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from faiss_memory import InstallContext, OwnFile, YamlItem, YamlMember, count_tokens
from faiss_memory.framing import NAME
from faiss_memory_adapters.aider import adapter
from tests.cli.conftest import environment
from tests.cli.terminals import CommandLine
from tests.frames import lines_inside
from tests.running import RunningService

CALL = "/adapters/aider/context.md"


# The context file.


@pytest.fixture
def stored(client):
    for text, project in (
        ("money is kept in integer cents", "website"),
        ("two lines about sessions:\nthey live in redis", "website"),
        ("the person likes short answers", "default"),
        ("a secret of another project", "other"),
    ):
        client.post("/memory/add", {"text": text, "project": project, "source": "notes.md"})


def written(client, **params):
    answer = client.get(CALL, params={"project": "website", **params})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/markdown")
    return answer.text


def test_what_fits_comes_first_then_the_newest_and_nothing_twice(client, stored):
    text = written(client, query="money in cents")
    head, notes = text.split(f"<{NAME}>\n")
    assert head.startswith("# Project memory: website\n")
    assert "first what fits “money in cents”, then the newest of website and default." in notes
    assert lines_inside(notes_of(text))[1] == "> money is kept in integer cents"
    for said in ("integer cents", "they live in redis", "short answers"):
        assert text.count(said) == 1
    assert "another project" not in text
    assert text.endswith("\n")


def test_without_a_query_it_has_the_newest_of_the_project_and_of_the_shared_one(client, stored):
    text = written(client)
    assert text.index("sessions") < text.index("cents") < text.index("short answers")


def test_what_is_not_valid_any_more_is_not_in_it(client, stored):
    over = {"text": "money is kept in euros", "project": "website", "valid_until": "2026-01-31T00:00:00Z"}
    client.post("/memory/add", over)
    for text in (written(client), written(client, query="money is kept in euros")):
        assert "euros\n" not in text[text.index("[memory") :]
        assert "integer cents" in text


def test_each_memory_is_a_note_with_its_date_source_and_id(client, stored):
    first, *lines = lines_inside(notes_of(written(client)))
    assert re.fullmatch(r"\[memory 2 \| \d{4}-\d\d-\d\d \| notes\.md\]", first)
    assert lines[:2] == ["> two lines about sessions:", "> they live in redis"]


def notes_of(text):
    """The notes in their frame, below the head of the file."""
    return text[text.index(f"<{NAME}>") :].rstrip("\n")


def test_it_never_costs_more_than_was_allowed(client):
    memories = [
        {"text": f"fact {number}: " + "wörter " * number, "project": "website"} for number in range(60)
    ]
    client.post("/memory/add-batch", {"memories": memories})
    sizes = {
        tokens: count_tokens(written(client, query="fact", tokens=str(tokens)))
        for tokens in (400, 1500, 5000)
    }
    assert all(size <= tokens for tokens, size in sizes.items())
    assert sizes[400] < sizes[1500] < sizes[5000]


def test_with_nothing_remembered_it_says_so(client):
    assert "Nothing is remembered yet." in written(client)
    assert client.get(CALL, params={"tokens": "1"}).json["field"] == "tokens"


# What is installed.


def declared(home, folder, monkeypatch, scope="personal", **given):
    monkeypatch.setenv("HOME", str(home))
    context = InstallContext(
        url="http://127.0.0.1:8900", project="website", scope=scope, folder=str(folder), **given
    )
    first, *own = adapter.files(context)
    assert all(isinstance(file, OwnFile) and file.path.startswith(".faiss-memory/") for file in own)
    assert first.path == ".aider.conf.yml"
    return first, {file.path: file for file in own}


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "website"
    folder.mkdir()
    return folder


def test_the_file_is_added_to_the_list_in_the_project(home, project, monkeypatch):
    entry, own = declared(home, project, monkeypatch)
    assert entry == YamlItem(".aider.conf.yml", ("read",), ".faiss-memory/context.md")
    assert "*" in own[".faiss-memory/.gitignore"].text.splitlines()
    assert own[".faiss-memory/context.md"].refreshed
    assert not own[".faiss-memory/.gitignore"].refreshed


def test_a_list_in_the_home_folder_stays_in_force(home, project, monkeypatch):
    (home / ".aider.conf.yml").write_text("read: [mine.md]\n")
    entry, _ = declared(home, project, monkeypatch)
    assert entry == YamlMember(".aider.conf.yml", ("load",), ".faiss-memory/load.aider")
    (project / ".aider.conf.yml").write_text("load: .faiss-memory/load.aider\n")
    assert declared(home, project, monkeypatch)[0] == entry, "the second time too"


@pytest.mark.parametrize("theirs", ["read: CONVENTIONS.md\n", "load: theirs.aider\n"])
def test_where_the_project_has_a_list_or_a_load_file_of_its_own_it_is_added_to_the_list(
    home, project, monkeypatch, theirs
):
    (home / ".aider.conf.yml").write_text("read: [mine.md]\n")
    (project / ".aider.conf.yml").write_text(theirs)
    assert isinstance(declared(home, project, monkeypatch)[0], YamlItem)


def test_what_others_share_does_not_depend_on_ones_own_home_folder(home, project, monkeypatch):
    (home / ".aider.conf.yml").write_text("read: [mine.md]\n")
    assert isinstance(declared(home, project, monkeypatch, scope="shared")[0], YamlItem)


@pytest.mark.parametrize("broken", ["read: [", "- a list\n", "\t", b"\xff\xfe"])
def test_a_configuration_that_cannot_be_read_changes_nothing(home, project, monkeypatch, broken):
    (home / ".aider.conf.yml").write_bytes(broken if isinstance(broken, bytes) else broken.encode())
    assert isinstance(declared(home, project, monkeypatch)[0], YamlItem)


def test_beside_a_container_the_step_is_a_call():
    given = {"url": "http://127.0.0.1:8900", "project": "website"}
    (step,) = adapter.steps(InstallContext(**given, command=""))
    assert f"http://127.0.0.1:8900{CALL}?project=website" in step
    assert "faiss-memory aider" in adapter.steps(InstallContext(**given))[0]


# The command.

STAND_IN = """\
import json, pathlib, sys
pathlib.Path("started.json").write_text(json.dumps(sys.argv[1:]))
sys.exit(7)
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with RunningService(tmp_path_factory.mktemp("aider") / "data", fake=True) as service:
        yield service


@pytest.fixture
def shop(running, tmp_path, home):
    """A person in the repository of a shop, with a stand-in for aider on the path that ends with 7."""
    programs = tmp_path / "bin"
    programs.mkdir()
    stand_in = programs / "aider"
    stand_in.write_text(f"#!{sys.executable}\n{STAND_IN}")
    stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
    folder = tmp_path / "shop"
    (folder / "src").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "-b", "fix/money_rounding"], cwd=folder, check=True)
    given = environment(home, running.data.parent)
    return CommandLine(folder, {**given, "PATH": f"{programs}{os.pathsep}{given['PATH']}"})


def started(cli, folder=None):
    """The arguments that the stand-in was started with, and the commands of the load file among them."""
    arguments = json.loads(((folder or cli.folder) / "started.json").read_text())
    if "--load" not in arguments:
        return arguments, []
    at = arguments.index("--load")
    load = Path(arguments[at + 1]).read_text()
    return arguments[:at] + arguments[at + 2 :], [line for line in load.splitlines() if line[0] == "/"]


def context_of(cli):
    return (cli.folder / ".faiss-memory/context.md").read_text()


READ = "/read-only .faiss-memory/context.md"


def test_it_starts_aider_with_what_was_found_for_the_message(shop):
    shop("add", "money is kept in integer cents")
    ended = shop("aider", "--", "--message", "how is money kept?", "--model", "sonnet", "src/app.py")
    assert (ended.code, ended.err) == (7, "")
    arguments, commands = started(shop)
    assert arguments == ["--message", "how is money kept?", "--model", "sonnet", "src/app.py"]
    assert commands == [READ]
    assert "first what fits “how is money kept? fix money rounding”" in context_of(shop)
    assert "integer cents" in context_of(shop)


def test_without_a_message_it_searches_for_the_repository_and_the_branch(shop):
    assert shop("aider").code == 7
    assert re.search("^# Project memory: shop(-[0-9a-f]{4})?\n", context_of(shop)), (
        "another folder may have that name"
    )
    assert shop("aider", "--project", "another").code == 7
    assert "# Project memory: another\n" in context_of(shop)
    assert shop("aider", "--", "--message=in one word").code == 7


def test_nothing_of_it_is_seen_by_git(shop):
    shop("aider")
    (shop.folder / "started.json").unlink()
    ended = subprocess.run(
        ["git", "status", "--short"], cwd=shop.folder, capture_output=True, text=True, check=True
    )
    assert ended.stdout == ""


def test_from_a_folder_inside_the_file_of_the_repository_is_used(shop):
    assert shop("aider", folder=shop.folder / "src").code == 7
    arguments, commands = started(shop, shop.folder / "src")
    assert (arguments, commands) == ([], [READ])
    assert not (shop.folder / "src/.faiss-memory").exists()


@pytest.mark.parametrize(
    "given", [("--load", "mine.aider"), ("--load=mine.aider",)], ids=["two words", "one word"]
)
def test_a_load_file_of_ones_own_is_run_too(shop, given):
    shop("aider", "--", *given, "--dark-mode")
    assert started(shop) == (["--dark-mode"], [READ, "/load mine.aider"])
    shop("aider")
    assert started(shop) == ([], [READ])


def test_so_is_one_that_the_configuration_names(shop, home):
    (home / ".aider.conf.yml").write_text("# load: not this\nload: 'mine.aider'  # mine\n")
    shop("aider")
    assert started(shop) == ([], [READ, "/load mine.aider"])
    (shop.folder / ".aider.conf.yml").write_text("load: .faiss-memory/load.aider\n")
    shop("aider")
    assert started(shop) == ([], [READ])


def test_where_the_configuration_names_the_file_nothing_is_added(shop):
    (shop.folder / ".aider.conf.yml").write_text(
        yaml.safe_dump({"read": ["a.md", ".faiss-memory/context.md"]})
    )
    shop("aider", "--", "--dark-mode")
    assert started(shop) == (["--dark-mode"], [])
    shop("aider", "--", "--read", "b.md")
    assert started(shop)[1] == [READ], "an argument puts the list out of force"


def test_without_the_service_aider_starts_with_what_was_found_the_last_time(shop):
    shop("add", "sessions are kept in redis")
    shop("aider", "--refresh")
    (shop.folder / ".faiss-memory/load.aider").unlink()
    ended = shop("aider", FAISS_MEMORY_URL="http://127.0.0.1:1")
    assert ended.code == 7
    assert "FAISS Memory does not answer" in ended.err
    assert "aider reads what was found the last time" in ended.err
    assert "sessions are kept in redis" in context_of(shop)
    assert started(shop) == ([], [READ])


def test_without_the_service_and_a_file_it_starts_with_an_empty_one(shop):
    ended = shop("aider", FAISS_MEMORY_URL="http://127.0.0.1:1")
    assert ended.code == 7
    assert "aider starts without memories" in ended.err
    assert "Nothing was found yet" in context_of(shop)


def test_refreshing_alone_starts_nothing_and_fails_where_it_cannot(shop):
    assert shop("aider", "--refresh").code == 0
    assert not (shop.folder / "started.json").exists()
    shop("aider", "--refresh", FAISS_MEMORY_URL="http://127.0.0.1:1").failure(4)


def test_what_is_installed_has_the_newest_memories_at_once_and_nothing_twice(shop):
    shop("add", "invoices are numbered without gaps")
    shop("install", "aider", "--yes", FAISS_MEMORY_URL="http://127.0.0.1:1")
    assert "Nothing was searched for yet" in context_of(shop)
    shop("uninstall", "aider")
    assert not (shop.folder / ".faiss-memory").exists()
    assert shop("install", "aider", "--yes").code == 0
    assert "invoices are numbered without gaps" in context_of(shop)
    assert "Nothing to do" in shop("install", "aider", "--yes").out
    assert "installed" in shop("status").out
    shop("uninstall", "aider")
    assert not (shop.folder / ".faiss-memory").exists()


def test_without_aider_it_says_where_to_get_it(shop):
    said = shop("aider", PATH="/nowhere").failure(1)
    assert "there is no aider on the PATH" in said


def test_a_folder_that_cannot_be_written_is_named(shop):
    (shop.folder / ".faiss-memory").write_text("a file in the way")
    assert ".faiss-memory cannot be written" in shop("aider").failure(1)
