"""Steering `preload.c`: which calls to the disk are harmed, and how, and what the clock says."""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KINDS = ("fsync", "fdatasync", "write", "rename", "link", "ftruncate", "unlink", "mkdir", "open")
ACTIONS = ("nothing", "fail", "cut short", "skip", "kill before", "kill after")


class _Values(ctypes.Structure):
    """As `struct control` in preload.c has it."""

    _fields_ = (
        ("folder", ctypes.c_char * 512),
        ("part", ctypes.c_char * 64),
        *((name, ctypes.c_int64) for name in ("kinds", "first", "times", "action", "error", "clock")),
        *((name, ctypes.c_int64) for name in ("passed", "harmed")),
    )


class Control:
    """A few bytes shared with every process that was started with `environment`."""

    def __init__(self, folder: Path, library: Path | None) -> None:
        self.library = library
        self._path = folder / "control"
        self._path.write_bytes(bytes(ctypes.sizeof(_Values)))
        with self._path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self._values = _Values.from_buffer(self._memory)

    @property
    def environment(self) -> dict[str, str]:
        if self.library is None:
            return {}
        return {"LD_PRELOAD": str(self.library), "FAULTS_CONTROL": str(self._path)}

    def watch(self, folder: Path, *kinds: str, part: str = "") -> None:
        """Count calls of these kinds on paths under a folder, and harm none."""
        self._values.action = 0
        self._values.folder, self._values.part = os.fsencode(folder), part.encode()
        self._values.kinds = sum(1 << KINDS.index(kind) for kind in kinds or KINDS)
        self._values.passed = self._values.harmed = 0

    def harm(self, action: str, first: int, *, times: int = 1, error: int = 0) -> None:
        """Harm the calls that are watched from the n-th on; `times` 0 means all of them."""
        self._values.passed = self._values.harmed = 0
        self._values.first, self._values.times, self._values.error = first, times, error
        self._values.action = ACTIONS.index(action)

    def rest(self) -> None:
        """Harm and count nothing more."""
        self._values.action = self._values.kinds = 0

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Whatever happens inside, nothing is harmed afterwards."""
        try:
            yield
        finally:
            self.rest()
            self._values.clock = 0

    def shift_clock(self, seconds: float) -> None:
        self._values.clock = int(seconds * 1e9)

    @property
    def passed(self) -> int:
        return int(self._values.passed)

    @property
    def harmed(self) -> int:
        return int(self._values.harmed)


def compiled(folder: Path) -> tuple[Path | None, str]:
    """Compile preload.c, or say why that cannot be done."""
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux") or compiler is None:
        return None, "calls to the disk can only be harmed on Linux, with a C compiler (`cc`)"
    library = folder / "preload.so"
    source = Path(__file__).with_name("preload.c")
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"]
    made = subprocess.run(command, capture_output=True, text=True)
    return (library, "") if made.returncode == 0 else (None, f"preload.c does not compile: {made.stderr}")
