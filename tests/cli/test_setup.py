"""From nothing to a recalled note in one command, and back to the same bytes."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import environment
from tests.cli.terminals import SCRIPT, CommandLine
from tests.running import RunningService, closed_port

PROGRAMS = ("claude", "codex", "opencode")


def files(folder: Path) -> dict[str, bytes]:
    """What stands in the files of a home, except what the service itself keeps there."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not re.match(r"\.(local|cache)/|\.faiss", str(path.relative_to(folder)))
    }


@pytest.fixture
def person(tmp_path, model_cache):
    """Somebody with three assistants, on a machine that starts nothing at login."""
    home, programs = tmp_path / "home", tmp_path / "bin"
    (home / ".claude").mkdir(parents=True)
    (home / ".claude/settings.json").write_text('{\n  "model": "opus"\n}\n')
    (home / ".codex").mkdir()
    (home / ".codex/config.toml").write_text('# mine\nmodel = "gpt-5"\n')
    programs.mkdir()
    for name in PROGRAMS:
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    for name in ("git", "sh", "bash", "env"):
        (programs / name).symlink_to(str(shutil.which(name)))
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    folder = home / "work"
    folder.mkdir()
    with closed_port() as port:
        given = {
            **environment(home, runtime),
            "PATH": f"{programs}{os.pathsep}{Path(os.__file__).parent}",
            "PORT": str(port),
            "FAISS_MEMORY_CACHE_DIR": str(model_cache),
        }
    yield CommandLine(folder, given)
    CommandLine(folder, given)("setup", "--undo")


def test_one_command_leads_to_a_recalled_note_and_its_undo_to_the_same_bytes(person):
    home = person.folder.parent
    before = files(home)
    terminal = person.at_terminal("setup", most_seconds=180)
    terminal.until("Which ones?")
    terminal.type("claude-code codex\n")
    terminal.until("For all your projects?")
    terminal.type("y\n")
    terminal.until("Write this?")
    terminal.type("y\n")
    ended = terminal.ended()
    assert ended.code == 0, ended.shown
    assert "comes back by itself" in ended.shown
    assert "is remembered" in ended.shown
    assert person("status", "--json").out.count('"installed"') > 1
    assert person("health").code == 0

    again = person("setup", "codex", "--yes")
    assert again.code == 0
    assert "The service runs on" in again.out

    undone = person("setup", "--undo")
    assert (undone.code, "The service is stopped" in undone.out) == (0, True), undone
    assert files(home) == before
    assert person("health").code != 0
    assert "nothing that could be taken back" in person("setup", "--undo").out


def test_where_nobody_can_be_asked_it_asks_for_an_answer(person):
    ended = person("setup")
    assert (ended.code, "--yes" in ended.err) == (2, True)


def test_what_was_there_before_is_not_taken_back(person):
    assert person("install", "codex", "--user", "--yes").code == 0
    kept = files(person.folder.parent)
    assert person("setup", "codex", "claude-code", "--yes", "--no-login").code == 0
    assert person("setup", "--undo").code == 0
    assert files(person.folder.parent) == kept


@pytest.fixture
def containers_guest(person, tmp_path):
    """The same person, with a service behind a container's port and none of our programs."""
    with RunningService(tmp_path / "data", fake=True) as service:
        given = {
            **person.environment,
            "FAISS_MEMORY_URL": f"http://127.0.0.1:{service.port}",
            "FAISS_MEMORY_PUBLISHED_ON": "127.0.0.1",
        }
        yield CommandLine(person.folder, given)


def test_from_inside_a_container_files_name_the_address_and_no_program(containers_guest):
    home = containers_guest.folder.parent
    url = containers_guest.environment["FAISS_MEMORY_URL"]
    before = files(home)
    ended = containers_guest("setup", "claude-code", "codex", "--yes")
    assert ended.code == 0, ended
    assert f"The service is the one at {url}" in ended.out
    written = {path: text.decode() for path, text in files(home).items() if text != before.get(path)}
    assert json.loads(written[".claude.json"])["mcpServers"]["faiss-memory"]["url"] == f"{url}/mcp"
    assert f"{url}/mcp" in written[".codex/config.toml"]
    for path in (".claude/settings.json", ".codex/hooks.json"):
        assert f"{url}/adapters/" in written[path]
        assert "curl" in written[path]
    script = str(Path(SCRIPT).parent)
    assert not [path for path, text in written.items() if "faiss-memory-hook" in text or script in text]
    undone = containers_guest("setup", "--undo")
    assert (undone.code, f"Your memories stay in {url}" in undone.err) == (0, True), undone
    assert files(home) == before
