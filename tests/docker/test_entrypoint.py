"""The first process of the container, with another data folder, and stand-ins for what needs root."""

from __future__ import annotations

import os
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs.documents import ROOT, blocks

SCRIPT = ROOT / "docker" / "entrypoint.sh"
IS_ROOT = os.getuid() == 0


class Container:
    """A folder as /data, and programs that stand before the system's own on the path."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.log = folder / "log"
        self._bin = folder / "bin"
        self._bin.mkdir()
        self._script = folder / "entrypoint.sh"
        text = SCRIPT.read_text(encoding="utf-8")
        assert text.count("\ndata=/data\n") == 1
        self._script.write_text(text.replace("\ndata=/data\n", f"\ndata={self.data}\n"))

    def stand_in(self, name: str, body: str) -> None:
        path = self._bin / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def as_root(self, owner: int, group: int = 0) -> None:
        """Root's rights are played: who owns the folder is said, and what would be changed is noted."""
        self.stand_in("id", "echo 0")
        self.stand_in("stat", f'case "$2" in %u) echo {owner} ;; %g) echo {group} ;; esac')
        self.stand_in("chown", f'echo "$@" >>{self.log}')
        self.stand_in("setpriv", 'echo "setpriv $@"')

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(self._script), *arguments],
            env={"PATH": f"{self._bin}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
        )

    @property
    def noted(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


@pytest.fixture
def container(tmp_path):
    return Container(tmp_path)


# As root.


@pytest.mark.parametrize(
    ("owner", "group", "user"), [(0, 0, "1000:1000"), (4321, 99, "4321:99"), (4321, 0, "4321:1000")]
)
def test_roots_folder_is_given_to_user_1000_and_anybody_elses_stays_theirs(container, owner, group, user):
    container.data.mkdir()
    (container.data / "memory.db").touch()
    container.as_root(owner, group)
    done = container.run("faiss-memory", "serve")
    uid, _, gid = user.partition(":")
    assert done.stdout.startswith(f"setpriv --reuid {uid} --regid {gid} --clear-groups --no-new-privs ")
    assert done.stdout.strip().endswith("faiss-memory serve")
    if os.getuid() != int(uid):
        assert container.noted.split() == [
            "-h", user, str(container.data), str(container.data / "memory.db")
        ]  # fmt: skip


def test_a_folder_that_is_not_there_is_made(container):
    container.as_root(0)
    assert container.run("faiss-memory", "serve").returncode == 0
    assert container.data.is_dir()


def test_what_is_owned_already_is_left_alone(container):
    container.data.mkdir()
    (container.data / "memory.db").touch()
    container.as_root(os.getuid() or 1000)
    if IS_ROOT:
        for path in (container.data, container.data / "memory.db"):
            os.chown(path, 1000, 1000)
    container.run("faiss-memory", "serve")
    assert container.noted == ""


def test_what_its_owner_may_not_write_is_made_writable(container, tmp_path):
    """Such as a backup's files that were copied in with `cp -a` from a read-only place."""
    (container.data / "kept").mkdir(parents=True)
    (tmp_path / "elsewhere").touch()
    (container.data / "link").symlink_to(tmp_path / "elsewhere")
    for path in (container.data / "kept" / "base.db", tmp_path / "elsewhere"):
        path.touch()
        path.chmod(0o444)
    container.as_root(4321)
    container.run("faiss-memory", "serve")
    assert (container.data / "kept" / "base.db").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o444


def test_a_link_is_taken_over_and_not_what_it_leads_to(container, tmp_path):
    container.data.mkdir()
    (tmp_path / "elsewhere").touch()
    (container.data / "link").symlink_to(tmp_path / "elsewhere")
    container.as_root(4321)
    container.run("faiss-memory", "serve")
    assert "elsewhere" not in container.noted
    assert container.noted.startswith("-h ")


# As somebody.


def test_the_program_takes_the_place_of_the_script_with_its_arguments(container):
    container.data.mkdir()
    container.stand_in("id", "echo 4321")
    container.stand_in("faiss-memory", 'echo "$PPID" "$@"')
    done = container.run("faiss-memory", "search", "two words", "--json")
    parent, *rest = done.stdout.split()
    assert parent == str(os.getpid()), "a shell that stays would keep the signals for itself"
    assert rest == ["search", "two", "words", "--json"]


def test_the_exit_code_is_the_programs(container):
    container.data.mkdir()
    container.stand_in("id", "echo 4321")
    container.stand_in("faiss-memory", "exit 74")
    assert container.run("faiss-memory", "serve").returncode == 74


def _refused(container: Container) -> str:
    container.stand_in("faiss-memory", "echo started")
    done = container.run("faiss-memory", "serve", "--port", "9000")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("faiss-memory: ")
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def test_a_folder_that_cannot_be_written_is_refused_with_the_way_out(container):
    container.data.mkdir()
    container.stand_in("id", "echo 4321")
    container.stand_in("find", f"echo {container.data}")  # as find says it, for root may write anywhere
    said = _refused(container)
    for words in (f"{container.data} cannot be written by user 4321", "sudo chown -R 4321", "user:"):
        assert words in said


@pytest.mark.skipif(IS_ROOT, reason="root may write anywhere")
def test_a_file_that_cannot_be_written_is_found(container):
    container.data.mkdir()
    (container.data / "memory.db").touch(mode=0o444)
    container.stand_in("id", "echo 4321")
    assert "memory.db cannot be written" in _refused(container)


def test_no_folder_is_refused_with_the_way_out(container):
    container.stand_in("id", "echo 4321")
    assert f"-v ./data:{container.data}" in _refused(container)


def test_what_does_not_serve_needs_no_folder(container):
    container.stand_in("id", "echo 4321")
    container.stand_in("faiss-memory", "echo 1.2.3")
    assert container.run("faiss-memory", "version").stdout == "1.2.3\n"


def test_the_line_that_connects_assistants_runs_setup(container):
    """As docs/docker.md has it: the home folder at its place, as its owner, and the service by its address."""
    container.stand_in("faiss-memory", 'echo "ran $@"')
    container.stand_in("id", "echo 1000")
    (line,) = (one.text for one in blocks("docs/docker.md") if "faiss-memory setup" in one.text)
    words = shlex.split(line.replace("\\\n", " "))
    assert words[:2] == ["docker", "run"]
    assert words[-2:] == ["faiss-memory", "setup"], "the image, and what it runs"
    pairs = set(pairwise(words))
    assert pairs >= {
        ("-v", "$HOME:$HOME"), ("-e", "HOME"), ("-w", "$PWD"), ("--user", "$(id -u):$(id -g)"),
        ("--network", "host"), ("-e", "FAISS_MEMORY_URL=http://127.0.0.1:8900"),
        ("-e", "FAISS_MEMORY_PUBLISHED_ON=127.0.0.1"),
    }  # fmt: skip
    assert container.run("setup", "--undo").stdout == "ran setup --undo\n"
    container.stand_in("id", "echo 0")
    container.stand_in("setpriv", "echo somebody else")
    assert container.run("setup").stdout == "ran setup\n", "root's home is written as root"
