"""A home folder, and stand-ins for the tools of the system."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forking

STAND_IN = Path(__file__).with_name("stand_in.py")
COMMAND = Path(sys.executable).with_name("faiss-memory")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home folder; nothing of this shell's environment counts."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in list(os.environ):
        if name.startswith(("FAISS_MEMORY_", "XDG_")) or name in (
            "PORT",
            "MODEL_NAME",
            "DATA_DIR",
            "MAX_BACKUPS",
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.chdir(folder)
    return folder


class Tools:
    """The stand-ins' state, and what they were asked."""

    def __init__(self, folder: Path, path: Path) -> None:
        self.folder, self.path = folder, path
        self.set("pid", str(os.getpid()))

    def add(self, *names: str) -> None:
        """Put stand-ins on the path."""
        for name in names:
            script = self.path / name
            words = [sys.executable, "-S", "-E", str(STAND_IN), str(self.folder), name]
            script.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
            script.chmod(0o755)

    def set(self, name: str, text: str = "1") -> None:
        """Write a file of the state."""
        (self.folder / name).write_text(text)

    def drop(self, name: str) -> None:
        """Remove a file of the state."""
        (self.folder / name).unlink()

    def has(self, name: str) -> bool:
        """Say whether a file of the state is there."""
        return (self.folder / name).exists()

    def calls(self) -> list[str]:
        """What was asked since the last time, without questions that change nothing."""
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        file.write_text("")
        return [
            line for line in lines if " show " not in line and " print " not in line and "/Query" not in line
        ]


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """No tool of the system's own is found, only stand-ins that a test adds."""
    path, state = tmp_path / "bin", tmp_path / "state"
    path.mkdir()
    state.mkdir()
    monkeypatch.setenv("PATH", str(path))
    return Tools(state, path)


@pytest.fixture
def faiss_memory():
    """Run the console script; gives the ended process."""

    def run(*words: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        command, given = [str(COMMAND), *words], {**os.environ, **forking.INTERPRETER, **more}
        ended, *said = forking.run(command, Path.cwd(), given, None, 120)
        out, err = (each.decode() for each in said)
        assert ended == code, f"{words}: {ended}\n{out}{err}"
        assert "Traceback" not in err
        return subprocess.CompletedProcess(command, ended, out, err)

    return run
