"""What is kept on the disk is the user's alone, whatever the umask is and whatever was there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from faiss_memory.errors import ConfigError
from faiss_memory.private import make_private, make_tree_private, write_private
from tests.cli.conftest import environment
from tests.cli.terminals import CommandLine
from tests.running import RunningService

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")


def open_to_others(*folders: Path) -> list[str]:
    """Everything in and with these folders that somebody else has a right on."""
    parts = [part for folder in folders for part in (folder, *folder.rglob("*"))]
    found = [part for part in parts if not part.is_symlink() and part.stat().st_mode & 0o077]
    return [f"{stat.filemode(part.stat().st_mode)} {part}" for part in found]


@pytest.fixture
def loose_umask():
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def careless(tmp_path):
    """A data folder of somebody who let everybody in; gives the folders that must be private in the end."""
    data = tmp_path / "data"
    for folder in (data, data / "backups", data / "indexes" / "old", tmp_path / "faiss-memory"):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
    (data / "indexes").chmod(0o777)
    for name in ("recall.db", "notes.txt"):
        (data / name).write_bytes(b"")
        (data / name).chmod(0o644)
    state = tmp_path / ".local/state/faiss-memory"
    state.mkdir(parents=True)
    state.chmod(0o755)
    return data, tmp_path / "faiss-memory", state


def test_a_service_leaves_nothing_open(careless, tmp_path, loose_umask):
    data, *others = careless
    log = tmp_path / "log" / "faiss-memory.log"
    with RunningService(data, fake=True, log_file=str(log)) as service:
        assert open_to_others(data, *others, log.parent) == []
        service.call("POST", "/memory/add", {"text": "a", "project": "till"})
        service.call("POST", "/backup")
        event = {"hook_event_name": "UserPromptSubmit", "prompt": "a", "session_id": "1"}
        service.call("POST", "/adapters/claude-code/hook", event)
        command = CommandLine(tmp_path, environment(tmp_path, tmp_path))
        assert command("backup", "--to", str(tmp_path / "archive.tar")).code == 0
        assert open_to_others(data, *others, log.parent) == []
        assert open_to_others(tmp_path / "archive.tar") == []
        assert service.stop() == 0
    assert open_to_others(data, *others, log.parent) == []
    assert "could be reached by other users" in service.log.read_text()


def test_a_log_that_was_there_is_closed(tmp_path, loose_umask):
    log = tmp_path / "faiss-memory.log"
    for path in (log, tmp_path / "faiss-memory.log.1"):
        path.write_text("")
        path.chmod(0o644)
    script = "import sys; from faiss_memory.logs import *; start_logging(log_path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", script, str(log)], check=True)
    assert open_to_others(log, tmp_path / "faiss-memory.log.1") == []


def test_a_record_of_what_was_installed_is_private(tmp_path, loose_umask):
    state = tmp_path / ".local/state/faiss-memory"
    state.mkdir(parents=True)
    state.chmod(0o755)
    folder = tmp_path / "folder"
    folder.mkdir()
    ended = CommandLine(folder, environment(tmp_path, tmp_path))("install", "cursor", "--yes")
    assert ended.code == 0, ended.err
    assert (state / "installed.json").exists()
    assert open_to_others(state) == []


def test_links_are_not_followed(tmp_path):
    (tmp_path / "outside").write_text("")
    (tmp_path / "outside").chmod(0o644)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "outside")
    make_tree_private(folder)
    assert stat.S_IMODE((tmp_path / "outside").stat().st_mode) == 0o644


def test_a_folder_for_everybody_is_left_alone(tmp_path):
    tmp_path.chmod(0o1777)
    with pytest.raises(ConfigError, match="everybody"):
        make_private(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777
    tmp_path.chmod(0o700)


def test_a_small_file_is_written_anew_and_not_through_a_link(tmp_path, loose_umask):
    (tmp_path / "target").write_text("kept")
    (tmp_path / "file").symlink_to(tmp_path / "target")
    write_private(tmp_path / "file", "secret")
    assert (tmp_path / "target").read_text() == "kept"
    assert stat.S_IMODE((tmp_path / "file").lstat().st_mode) == 0o600
    assert not (tmp_path / "file").is_symlink()


@needs_root
def test_root_is_told_of_a_folder_of_another_user(tmp_path, caplog):
    os.chown(tmp_path, 12345, 12345)
    make_private(tmp_path)
    assert "belongs to another user (number 12345)" in caplog.text


@needs_root
def test_a_folder_of_another_user_is_refused(tmp_path):
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for folder, user in ((mine, 12346), (theirs, 12345)):
        folder.mkdir()
        os.chown(folder, user, user)
        folder.chmod(0o777)
    # What makes a folder reachable for the test's users: pytest's own are root's alone.
    for parent in [*list(tmp_path.parents)[:3], tmp_path]:
        if parent != Path("/tmp"):
            parent.chmod(stat.S_IMODE(parent.stat().st_mode) | 0o011)
    os.seteuid(12346)
    try:
        make_private(mine)
        with pytest.raises(ConfigError, match="belongs to another user"):
            make_private(theirs)
    finally:
        os.seteuid(0)
    assert stat.S_IMODE(mine.stat().st_mode) == 0o700
