"""`faiss-memory install`, `uninstall` and `status`, as people type them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import environment
from tests.cli.terminals import SCRIPT, CommandLine
from tests.install.places import repository


@pytest.fixture
def cli(tmp_path):
    """Somebody in a repository, without a service."""
    folder = tmp_path / "website"
    folder.mkdir()
    repository(folder)
    return CommandLine(folder, environment(tmp_path, tmp_path))


def record(cli):
    return Path(cli.environment["HOME"], ".local/state/faiss-memory/installed.json")


def test_install_shows_what_it_writes_and_uninstall_removes_it(cli):
    notes = cli.folder / "AGENTS.md"
    notes.write_bytes(b"# Hello\r\n")
    ended = cli("install", "generic", "--yes")
    assert ended.code == 0, ended.err
    assert "+<!-- faiss-memory:start -->" in ended.out
    assert f"Wrote {notes}" in ended.out
    assert '"project": ["website", "default"]' in notes.read_text()
    assert cli("install", "generic", "--yes").out == "Nothing to do: everything is as it should be.\n"
    assert ["generic", "personal", "website", "installed", str(notes)] in cli("status").rows
    listed = json.loads(cli("status", "--json").out)
    assert {"path": str(notes), "state": "installed"} in listed["installed"][0]["files"]
    ended = cli("uninstall", "generic")
    assert (ended.code, notes.read_bytes()) == (0, b"# Hello\r\n")
    assert not record(cli).exists()
    assert cli("status").rows == []


@pytest.mark.parametrize("options", [["--dry-run", "--verbose"], ["--print"]])
def test_what_is_only_shown_is_not_written(cli, options):
    ended = cli("install", "generic", *options)
    assert ended.code == 0, ended.err
    assert "faiss-memory:start" in ended.out
    assert not (cli.folder / "AGENTS.md").exists()
    assert not record(cli).exists()


def test_nobody_is_overrun_where_nobody_can_be_asked(cli):
    ended = cli("install", "generic")
    assert ended.code == 2
    assert "give --yes" in ended.err
    assert not (cli.folder / "AGENTS.md").exists()


def test_at_a_terminal_it_asks(cli):
    terminal = cli.at_terminal("install", "generic")
    terminal.until("Write this?")
    terminal.type("n\n")
    assert terminal.ended().code == 5
    assert not (cli.folder / "AGENTS.md").exists()
    terminal = cli.at_terminal("install", "generic")
    terminal.until("Write this?")
    terminal.type("y\n")
    assert terminal.ended().code == 0
    assert (cli.folder / "AGENTS.md").exists()


def test_a_file_that_cannot_be_merged_is_left_and_the_snippet_is_shown(cli):
    (cli.folder / "AGENTS.md").write_bytes(b"\xff\xfe")
    ended = cli("install", "generic", "--yes")
    assert ended.code == 1
    assert "generic was left out" in ended.err
    assert "it is not UTF-8" in ended.err
    assert "<!-- faiss-memory:end -->" in ended.err
    assert (cli.folder / "AGENTS.md").read_bytes() == b"\xff\xfe"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["install", "genric", "--yes"], 1, "did you mean `generic`?"),
        (["install"], 2, "Name assistants"),
        (["install", "generic", "--all"], 2, "Name assistants"),
        (["install", "generic", "--user", "--shared"], 2, "--user is for all projects"),
        (["install", "generic", "--project", "nowhere", "--yes"], 1, "there is no such folder"),
        (["install", "generic", "--project", "..", "--yes"], 1, "is no project"),
        (["install", "generic", "--name", "Not a name", "--yes"], 1, "a project has a name of"),
    ],
)
def test_wrong_usage_is_said(cli, words, code, said):
    ended = cli(*words)
    assert ended.code == code
    assert said in ended.err
    assert not record(cli).exists()


def test_from_a_folder_within_the_repository_its_top_is_meant(cli):
    inner = cli.folder / "src"
    inner.mkdir()
    assert CommandLine(inner, cli.environment)("install", "generic", "--yes").code == 0
    assert (cli.folder / "AGENTS.md").exists()
    assert CommandLine(inner, cli.environment)("uninstall", "--all").code == 0
    assert not (cli.folder / "AGENTS.md").exists()


def test_where_else_it_is_installed_is_said(cli):
    cli("install", "generic", "--yes")
    ended = cli("uninstall", "generic", "--shared", "--project", "src")
    assert ended.code == 1
    (cli.folder / "src").mkdir()
    ended = cli("uninstall", "generic", "--shared", "--project", "src")
    assert f"generic is installed elsewhere: {cli.folder}" in ended.err


def test_a_name_that_another_project_has_gets_a_short_ending(cli, tmp_path):
    other = tmp_path / "other" / "website"
    other.mkdir(parents=True)
    repository(other)
    assert cli("install", "generic", "--yes").code == 0
    again = CommandLine(other, cli.environment)
    for _ in range(2):
        assert again("install", "generic", "--yes").code == 0
        assert re.search(r'"website-[0-9a-f]{4}"', (other / "AGENTS.md").read_text())
    assert again("install", "generic", "--yes", "--name", "website-2").code == 0
    assert '"website-2"' in (other / "AGENTS.md").read_text()
    assert again("install", "generic", "--yes").code == 0
    assert '"website-2"' in (other / "AGENTS.md").read_text()


@pytest.fixture
def starter(cli, tmp_path):
    """The same person with a package of a stranger, whose assistant starts our commands."""
    package = tmp_path / "package"
    (package / "made_up.dist-info").mkdir(parents=True)
    (package / "made_up.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: made-up\nVersion: 1\n")
    (package / "made_up.dist-info/entry_points.txt").write_text("[faiss_memory]\nmade_up = made_up:adapter\n")
    (package / "made_up.py").write_text(
        "from faiss_memory import Adapter, Detection, JsonMember, PromptTemplate\n"
        "def files(context):\n"
        "    value = {'command': context.command, 'args': ['mcp'], 'hook': context.hook_command}\n"
        "    return [JsonMember('~/.made-up.json' if context.scope == 'user' else '.made-up.json',\n"
        "                       ('servers', 'faiss-memory'), value)]\n"
        "adapter = Adapter(name='made-up', title='Made up', prompt=PromptTemplate('made-up', ''), files=files,\n"
        "                  steps=lambda context: ['Reload the window.'], detection=Detection(paths=('~/.made-up',)))\n"
    )
    return CommandLine(cli.folder, {**cli.environment, "PYTHONPATH": str(package)})


def test_personal_files_start_our_command_by_its_path_and_shared_ones_by_its_name(starter):
    ended = starter("install", "made-up", "--yes")
    assert ended.code == 0, ended.err
    written = json.loads((starter.folder / ".made-up.json").read_text())["servers"]["faiss-memory"]
    assert written["command"] == SCRIPT
    assert "made-up: Reload the window." in ended.err
    assert "/.made-up.json" in (starter.folder / ".git/info/exclude").read_text().splitlines()
    starter("uninstall", "made-up")
    ended = starter("install", "made-up", "--shared", "--yes")
    written = json.loads((starter.folder / ".made-up.json").read_text())["servers"]["faiss-memory"]
    assert (written["command"], written["hook"]) == ("faiss-memory", "faiss-memory-hook")
    assert not (starter.folder / ".git/info/exclude").exists()
    assert ended.code == 0


def test_the_users_own_files_are_for_all_projects(starter):
    mine = Path(starter.environment["HOME"], ".made-up.json")
    mine.write_text('{"servers": {}}')
    mine.chmod(0o600)
    assert starter("install", "made-up", "--user", "--yes").code == 0
    assert "faiss-memory" in json.loads(mine.read_text())["servers"]
    assert mine.stat().st_mode & 0o777 == 0o600
    assert starter("status").rows[0][:4] == ["made-up", "user", "default", "installed"]
    assert starter("uninstall", "made-up", "--user").code == 0
    assert mine.read_text() == '{"servers": {}}'


def test_all_takes_the_assistants_that_are_found(starter):
    ended = starter("install", "--all", "--yes")
    assert ended.code == 1
    assert "no assistant was found" in ended.err
    Path(starter.environment["HOME"], ".made-up").mkdir()
    assert starter("install", "--all", "--yes").code == 0
    assert (starter.folder / ".made-up.json").exists()


def test_a_command_that_a_desktop_app_cannot_start_is_said(starter):
    ended = starter("install", "made-up", "--shared", "--yes")
    if subprocess.run(
        ["which", "faiss-memory"], env={"PATH": "/usr/local/bin:/usr/bin:/bin"}, capture_output=True
    ).stdout:
        pytest.skip("faiss-memory is installed for everybody here")
    assert "`faiss-memory` is not found by an app that was not started from a shell" in ended.err
    assert "--link" in ended.err


# What it says first, and which assistants it finds.


def test_a_summary_comes_first_then_what_existed_and_the_rest_on_demand(cli):
    (cli.folder / "AGENTS.md").write_text("# Hello\n")
    for words in (["--dry-run"], ["--yes"]):
        shown = cli("install", "codex", "--shared", *words).out
        assert shown.splitlines()[0] == "1 file changes, 3 are new, 3 hooks, 1 server"
        assert "+<!-- faiss-memory:start -->" in shown
        assert f"new: {cli.folder / '.codex/config.toml'}" in shown
        assert "[mcp_servers.faiss-memory]" not in shown
    cli("uninstall", "codex", "--shared")
    assert "[mcp_servers.faiss-memory]" in cli("install", "codex", "--shared", "--dry-run", "--verbose").out
    ended = cli("install", "claude-code", "--dry-run")
    assert "5 hooks, 1 server" in ended.out.splitlines()[0]


def test_without_a_name_it_lists_what_it_has_found(cli):
    Path(cli.environment["HOME"], ".codex").mkdir()
    (cli.folder / "opencode.jsonc").write_text("{} // mine\n")
    ended = cli("install")
    assert ended.code == 2
    for said in ("codex", "OpenAI Codex", "opencode", "faiss-memory install codex --yes"):
        assert said in ended.err
    assert "cursor" not in ended.err
    terminal = cli.at_terminal("install")
    terminal.until("Which ones?")
    terminal.type("nothing\n")
    terminal.until("There are aider")
    terminal.type("opencode\n")
    terminal.until("Write this?")
    terminal.type("y\n")
    assert terminal.ended().code == 0
    assert "faiss-memory" in (cli.folder / "opencode.jsonc").read_text()
    assert not (cli.folder / "opencode.json").exists()


def test_assistants_are_known_by_the_names_that_people_give_them(cli):
    for name, path in {
        "vscode": ".vscode/mcp.json", "gemini": ".gemini/settings.json", "opencode": "opencode.json",
        "copilot": ".github/mcp.json",
    }.items():  # fmt: skip
        assert cli("install", name, "--yes").code == 0
        assert "faiss-memory" in (cli.folder / path).read_text()
        assert cli("uninstall", name).code == 0
        assert not (cli.folder / path).exists()


def test_all_writes_only_for_what_is_there(cli):
    (cli.folder / ".gemini").mkdir()
    shared = CommandLine(cli.folder, {**cli.environment, "PATH": "/usr/bin:/bin"})
    assert shared("install", "--all", "--yes").code == 0
    assert (cli.folder / ".gemini/settings.json").exists()
    assert not (cli.folder / ".vscode").exists()
    assert not (cli.folder / "AGENTS.md").exists()


def test_what_is_done_is_not_told_again(cli):
    home = Path(cli.environment["HOME"])
    first = cli("install", "claude-code", "--yes")
    assert "trust it" in first.err
    assert "Start Claude Code again" in first.err
    state = json.loads((home / ".claude.json").read_text())
    state["projects"][str(cli.folder)]["hasTrustDialogAccepted"] = True
    (home / ".claude.json").write_text(json.dumps(state, indent=4))
    again = cli("install", "claude-code", "--yes")
    assert again.out == "Nothing to do: everything is as it should be.\n"
    assert "trust it" not in again.err + cli("status").err
    assert "Start Claude Code again" not in again.err


def test_a_variable_of_the_environment_is_followed_from_install_to_uninstall(cli, tmp_path):
    chosen = {"CODEX_HOME": str(tmp_path / "chosen")}
    Path(chosen["CODEX_HOME"]).mkdir()
    assert cli("install", "codex", "--user", "--yes", **chosen).code == 0
    config = Path(chosen["CODEX_HOME"], "config.toml")
    assert "faiss-memory" in config.read_text()
    assert not Path(cli.environment["HOME"], ".codex").exists()
    assert str(config) in {row[4] for row in cli("status", **chosen).rows}
    assert cli("uninstall", "codex", "--user").code == 0
    assert not config.exists()


def test_several_scopes_at_once_are_told(cli):
    assert "both are in force" not in cli("install", "cursor", "--user", "--yes").err
    assert "both are in force there" in cli("install", "cursor", "--yes").err
    assert "both are in force there" in cli("status").err
    assert json.loads(cli("status", "--json").out)["conflicts"]


def test_what_an_uninstall_keeps_is_shown_and_stays(cli):
    cli("install", "generic", "--yes")
    notes = cli.folder / "AGENTS.md"
    notes.write_text(notes.read_text().replace("## Project memory", "## My memory, and how I use it"))
    mine = notes.read_text()
    for _ in range(2):
        assert "edited since" in cli("uninstall", "generic").err
        assert notes.read_text() == mine
    assert [row[3:] for row in cli("status").rows] == [["kept", str(notes)]]
    assert cli("uninstall", "generic", "--force").code == 0
    assert not notes.exists()


def noted(cli, **names):
    """What a service of this person has noted, before it was stopped."""
    data = Path(cli.environment["HOME"], ".local/share/faiss-memory")
    data.mkdir(parents=True)
    (data / "projects.json").write_text(json.dumps(names))
    (data / "projects.json").chmod(0o600)


def test_with_the_service_away_a_folder_has_the_name_that_it_gave(cli):
    (cli.folder / ".git/config").write_text('[remote "origin"]\n\turl = git@github.com:Acme/Website.git\n')
    noted(cli, **{"github.com/acme/website": "shop", "gitlab.com/acme/website": "acme.website"})
    assert '"project": ["shop", "default"]' in cli("install", "generic", "--print").out
    assert cli("install", "generic", "--yes").code == 0
    assert '"project": ["shop", "default"]' in (cli.folder / "AGENTS.md").read_text()
    assert cli("status").rows[0][2] == "shop"


def test_with_the_service_away_a_name_that_another_owns_gets_its_ending(cli):
    (cli.folder / ".git/config").write_text('[remote "origin"]\n\turl = git@github.com:Acme/Website.git\n')
    noted(cli, **{"gitlab.com/acme/website": "acme.website"})
    assert cli("install", "generic", "--yes").code == 0
    assert re.search(r'"project": \["acme.website-[0-9a-f]{4}"', (cli.folder / "AGENTS.md").read_text())
