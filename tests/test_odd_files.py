"""Every place where a file of others is read or written: what is no file there hangs nothing, and nothing leads out."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import faiss_memory
from faiss_memory import project_of
from faiss_memory.errors import ConfigError, InstallError, StoreLocked
from faiss_memory.http.server import RunningFile
from faiss_memory.install import RecordFile
from faiss_memory.log_tail import LogTail
from faiss_memory.logs import LogFile
from faiss_memory.store.backup.manifests import read_manifests
from faiss_memory.store.lock import FolderLock
from faiss_memory.store.purge.purge import read_intent
from faiss_memory_adapters.client_files import read_json, read_toml, read_yaml, trouble_with
from tests import odd_files
from tests.cli.conftest import environment
from tests.cli.terminals import CommandLine
from tests.odd_files import EVERY_KIND, LEADING_OUT, NOT_FILES, SECRET
from tests.store.oracle import EmbeddedHome, add

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes in folders")


class WaitsForEver(BaseException):
    """Nobody takes it for an error of the file."""


@pytest.fixture(autouse=True)
def _is_not_waited_for():
    """What waits for a pipe would wait for ever: then the test ends here."""

    def give_up(*_):
        raise WaitsForEver

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


@pytest.fixture
def top(tmp_path):
    """A repository that others made, and that says nothing yet."""
    top = tmp_path / "cloned"
    (top / ".git").mkdir(parents=True)
    (top / ".git/HEAD").write_text("ref: refs/heads/main\n")
    return top


# Which project a folder belongs to.


@pytest.mark.parametrize("name", [".git/config", ".git/commondir", ".git"])
@pytest.mark.parametrize("make", EVERY_KIND)
def test_the_name_of_a_repository_is_not_read_out_of_what_is_no_file(top, outside, name, make):
    if name == ".git":
        (top / ".git/HEAD").unlink()
        (top / ".git").rmdir()
    make(top / name, outside)
    assert project_of(top) in ("cloned", "default")


def test_a_link_to_anothers_configuration_names_no_project(top, outside):
    (outside / "config").write_text('[remote "origin"]\n\turl = git@example.com:owner/private.git\n')
    (top / ".git/config").symlink_to(outside / "config")
    assert project_of(top) == "cloned"
    (top / ".git/config").unlink()
    (outside / "config").rename(top / ".git/real")
    (top / ".git/config").symlink_to("real")
    assert project_of(top) == "owner.private", "a link that stays inside is followed"


# What others' programs keep.


@pytest.mark.parametrize("make", [odd_files.pipe, odd_files.unix_socket, odd_files.link_to_device])
def test_configuration_of_an_assistant_that_is_no_file_says_nothing(tmp_path, outside, make):
    make(tmp_path / "config.toml", outside)
    assert read_json(tmp_path / "config.toml") == {}
    assert read_toml(tmp_path / "config.toml") == {}
    assert read_yaml(tmp_path / "config.toml") == {}
    assert "cannot be read" in trouble_with(tmp_path / "config.toml")


@pytest.mark.parametrize("make", [odd_files.pipe, odd_files.unix_socket, odd_files.link_to_device])
def test_a_record_that_is_no_file_is_told(tmp_path, outside, make):
    make(tmp_path / "installed.json", outside)
    with pytest.raises(InstallError, match="cannot be read"):
        RecordFile(tmp_path).load()


# The command line, in a folder that others made.


@pytest.fixture
def cloned(top, tmp_path):
    """A person in the repository, with a program that stands in for aider, and no service."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "aider").write_text(
        f"#!{sys.executable}\nimport pathlib, sys\n"
        "pathlib.Path('started').write_text('\\n'.join(sys.argv[1:]))\n"
    )
    (programs / "aider").chmod(stat.S_IRWXU)
    subprocess.run(["git", "init", "-q", top], check=True)
    given = environment(tmp_path, tmp_path)
    return CommandLine(top, {**given, "PATH": f"{programs}{os.pathsep}{given['PATH']}"})


@pytest.mark.parametrize("name", ["context.md", "load.aider", ".gitignore"])
@pytest.mark.parametrize("make", LEADING_OUT)
def test_aiders_files_are_not_written_through_a_link(cloned, outside, name, make):
    (cloned.folder / ".faiss-memory").mkdir()
    make(cloned.folder / ".faiss-memory" / name, outside)
    ended = cloned("aider")
    if name == ".gitignore":
        assert ended.code == 0, "it is there, and read by git alone"
    else:
        assert "cannot be written" in ended.failure(1)
        assert name in ended.err
        assert not (cloned.folder / "started").exists()
    assert all(file.read_text() == SECRET for file in outside.iterdir())


@pytest.mark.parametrize("target", ["outside", "cloned/.git/hooks"])
def test_aiders_folder_is_no_link(cloned, outside, target):
    (cloned.folder / ".faiss-memory").symlink_to(cloned.folder.parent / target)
    before = sorted((cloned.folder.parent / target).iterdir())
    assert "is a link" in cloned("aider").failure(1)
    assert sorted((cloned.folder.parent / target).iterdir()) == before


@pytest.mark.parametrize("reads", ["", "read: .faiss-memory/context.md\n"])
def test_a_load_file_that_a_repository_names_is_told_of_and_not_run(cloned, reads):
    (cloned.folder / ".aider.conf.yml").write_text(f"{reads}load: 'evil.aider'\n")
    (cloned.folder / "evil.aider").write_text("/run touch hacked\n")
    ended = cloned("aider")
    assert ended.code == 0
    assert "names the load file evil.aider, which is not run" in ended.err
    arguments = (cloned.folder / "started").read_text().split("\n")
    assert arguments == ["--load", str(cloned.folder / ".faiss-memory/load.aider")]
    assert "evil" not in (cloned.folder / ".faiss-memory/load.aider").read_text()
    assert cloned("aider", "--", "--load", "evil.aider").code == 0
    assert "/load evil.aider" in (cloned.folder / ".faiss-memory/load.aider").read_text()


def test_a_load_file_that_a_repository_brings_in_our_name_is_written_anew(cloned):
    (cloned.folder / ".faiss-memory").mkdir()
    (cloned.folder / ".faiss-memory/load.aider").write_text("/run touch hacked\n")
    (cloned.folder / ".aider.conf.yml").write_text("load: ./.faiss-memory/load.aider\n")
    assert cloned("aider").code == 0
    assert "/run" not in (cloned.folder / ".faiss-memory/load.aider").read_text()
    assert "/load" not in (cloned.folder / ".faiss-memory/load.aider").read_text()


def test_an_assistant_is_not_installed_through_a_link_nor_into_a_pipe(cloned, outside):
    odd_files.link_out(cloned.folder / "CLAUDE.md", outside)
    odd_files.pipe(cloned.folder / ".mcp.json", outside)
    ended = cloned("install", "claude-code", "--shared", "--yes")
    assert ended.code == 1
    assert (outside / "secret.txt").read_text() == SECRET


@pytest.mark.parametrize("way", ["file", "folder"])
def test_a_package_is_not_written_through_a_link(cloned, outside, way):
    assert cloned("package", "claude-code", "--to", "plugin").code == 0
    written = next(path for path in (cloned.folder / "plugin").rglob("*.json") if path.is_file())
    if way == "file":
        written.unlink()
        odd_files.link_out(written, outside)
    else:
        written.parent.rename(outside / "moved")
        written.parent.symlink_to(outside / "moved")
    before = {file: file.read_bytes() for file in outside.rglob("*") if file.is_file()}
    ended = cloned("package", "claude-code", "--to", "plugin")
    assert ended.code == 1
    assert {file: file.read_bytes() for file in outside.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("make", EVERY_KIND)
def test_an_archive_is_not_written_over_what_is_no_file(cloned, outside, make):
    make(cloned.folder / "memories.tar", outside)
    there = cloned.folder / "memories.tar"
    kind = stat.S_IFMT(there.lstat().st_mode)
    ended = cloned("backup", "--to", "memories.tar", "--force")
    if make is not odd_files.folder:
        assert "is no file that could be written over" in ended.failure(1)
    assert stat.S_IFMT(there.lstat().st_mode) == kind
    assert all(file.read_text() == SECRET for file in outside.iterdir())


@pytest.mark.parametrize("make", [odd_files.pipe, odd_files.unix_socket, odd_files.folder])
def test_an_archive_that_is_no_file_is_not_brought_back(cloned, outside, make):
    make(cloned.folder / "memories.tar", outside)
    assert "is not there, or is not a file" in cloned("restore", "memories.tar", "--yes").err


@pytest.mark.parametrize("make", [odd_files.pipe, odd_files.unix_socket, odd_files.link_to_device])
def test_settings_that_are_no_file_are_told(cloned, outside, make):
    make(cloned.folder / "settings.yaml", outside)
    ended = cloned("config", FAISS_MEMORY_CONFIG="settings.yaml")
    assert "there is no such configuration file" in ended.failure(2)


@pytest.mark.parametrize("make", [odd_files.pipe, odd_files.unix_socket, odd_files.link_to_device])
def test_where_the_service_runs_is_not_read_out_of_what_is_no_file(cloned, tmp_path, outside, make):
    (tmp_path / "faiss-memory").mkdir()
    make(tmp_path / "faiss-memory/service.json", outside)
    assert cloned("health").code == 4


@pytest.mark.parametrize("make", [odd_files.pipe, odd_files.unix_socket, odd_files.folder])
def test_a_log_is_not_written_into_what_is_no_file(tmp_path, outside, make):
    make(tmp_path / "x.log", outside)
    with pytest.raises(ConfigError, match="cannot be written"):
        LogFile(tmp_path / "x.log")


@pytest.mark.parametrize(
    "make", [odd_files.pipe, odd_files.unix_socket, odd_files.folder, odd_files.link_to_device]
)
def test_a_log_is_not_read_out_of_what_is_no_file(tmp_path, outside, make):
    make(tmp_path / "x.log", outside)
    with pytest.raises(OSError, match="not a file"):
        LogTail(tmp_path / "x.log")


# The data folder is ours; but it may have come from elsewhere, and what lies in it may change while the service runs.


def test_no_file_of_a_data_folder_is_opened_without_looking_at_what_it_is():
    """`safe_files` opens all that is read. What is left out here is the kernel's own, or was looked at just before."""
    found = []
    for path in (Path(faiss_memory.__file__).parent / "store").rglob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [line.strip() for line in lines if re.search(r"read_(bytes|text)\(|\.open\(\"r", line)]
    assert [line for line in found if "/proc/" not in line] == ['with path.open("r+b") as file:']


@pytest.mark.parametrize("make", EVERY_KIND)
def test_a_lock_that_is_no_file_is_told(tmp_path, outside, make):
    make(tmp_path / ".lock", outside)
    with pytest.raises((StoreLocked, IsADirectoryError)):
        FolderLock(tmp_path)
    if make is odd_files.link_out:
        assert (outside / "secret.txt").read_text() == SECRET


@pytest.mark.parametrize("make", NOT_FILES)
def test_what_becomes_no_file_while_a_store_runs_holds_nothing_up(tmp_path, outside, make):
    home = EmbeddedHome(tmp_path / "data")
    store = home.open()
    add(store, "one")
    store.backup("by hand")
    backups = home.folder / "backups"
    for path in [*backups.glob("[!.]*/manifest.json"), *backups.glob(".store/base-*.json")]:
        path.unlink()
        make(path, outside)
    make(backups / ".store/purging.json", outside)
    with pytest.raises(OSError, match="it is not a file"):
        read_intent(home.folder)
    assert read_manifests(backups) == []
    add(store, "two")
    store.backup("by hand again")
    home.close()


@pytest.mark.parametrize("make", EVERY_KIND)
def test_the_end_of_a_service_waits_for_no_file_at_its_address(tmp_path, outside, make, monkeypatch):
    monkeypatch.setattr("faiss_memory.http.server.runtime_folders", lambda: [tmp_path / "run"])
    running = RunningFile("http://127.0.0.1:1", "secret")
    (tmp_path / "run/service.json").unlink()
    make(tmp_path / "run/service.json", outside)
    running.remove()
    assert (tmp_path / "run/service.json").is_symlink() or (tmp_path / "run/service.json").exists()
