"""Processes under a trace of their system calls: what they ask the network for, and which files they make.

It is `strace` that looks on, so nothing is missed for being done in C, by a thread or by a child process.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

NETWORK = ("connect", "sendto", "sendmsg", "sendmmsg", "bind")
MAKING = (
    "creat", "mkdir", "mkdirat", "mknod", "mknodat", "link", "linkat", "symlink", "symlinkat",
    "rename", "renameat", "renameat2", "truncate",
)  # fmt: skip
OPENING = ("open", "openat", "openat2")

RESOLVERS = re.compile(r"/(?:run|var/run)/(?:systemd/resolve|avahi-daemon|dbus/system_bus_socket)")
"""Sockets on this machine whose owners look names up for others."""
DEVICES = re.compile(r"/dev/(?:null|tty|pts/\d+|shm/sem\.\w+|shm/sem\.[\w-]+)|/proc/self/.*|/proc/\d+/.*")
"""No files: terminals, and semaphores of Python's multiprocessing, whose name is gone at once."""


@dataclass(frozen=True, slots=True)
class Call:
    """One system call: who made it, its name, its arguments as strace writes them, and what it returned."""

    process: str
    name: str
    arguments: str
    returned: str


@cache
def _cannot_trace() -> str:
    """Say why nothing can be traced here; empty where it can."""
    if not sys.platform.startswith("linux"):
        return "strace is Linux's"
    if shutil.which("strace") is None:
        return "strace is not installed: sudo apt-get install strace"
    tried = subprocess.run(
        ["strace", "-ff", "--seccomp-bpf", "-y", "-o", "/dev/null", "true"], capture_output=True, text=True
    )
    return f"strace may not trace here: {tried.stderr.strip()}" if tried.returncode else ""


class Trace:
    """Traces the commands that are given its prefix, with all their threads and children, into files of a folder.

    Where nothing can be traced the commands run all the same, and a test is skipped when it asks what they called.
    """

    def __init__(self, folder: Path) -> None:
        self._reason = _cannot_trace()
        self.folder = folder
        folder.mkdir()
        self._ended, self._held = os.pipe()
        os.set_inheritable(self._held, True)

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in (self._ended, self._held):
            os.close(descriptor)

    @property
    def descriptors(self) -> Sequence[int]:
        """To be passed on to each command: that nobody holds it any more tells that all has been written down."""
        return (self._held,)

    def prefix(self, name: str) -> list[str]:
        """What comes before a command, so that it is traced under a name of its own.

        The command stays the child of whoever starts it, and takes its signals; strace itself is a grandchild (-D).
        """
        if self._reason:
            return []
        calls = ",".join((*NETWORK, *MAKING, *OPENING, "execve"))
        return [
            "strace", "-D", "-ff", "--seccomp-bpf", "-qq", "-y", "-s", "128",
            "-e", f"trace={calls}", "-e", "signal=none", "-o", str(self.folder / name),
        ]  # fmt: skip

    def calls(self, name: str = "*") -> Iterator[Call]:
        """What was traced under a name, when all those processes have ended. Only calls that did something count,
        or tried to reach somebody."""
        if self._reason:
            pytest.skip(self._reason)
        os.close(self._held)
        os.read(self._ended, 1)
        self._ended, self._held = os.pipe()
        for path in sorted(self.folder.glob(f"{name}.*")):
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                if found := re.match(r"(\w+)\((.*)\)\s+= (-?\w+|\?)", line):
                    yield Call(path.name, *found.groups())


def reaches_out(call: Call) -> str | None:
    """Say whom a call asks, or listens to, beyond this machine's own programs; None if nobody.

    Opening /etc/resolv.conf counts: that is how a look-up begins, also where no server for names is set.
    """
    if call.name in OPENING:
        return "a look-up of a name" if '"/etc/resolv.conf"' in call.arguments else None
    if call.name not in NETWORK:
        return None
    if local := re.search(r'sun_path=@?"([^"]*)"', call.arguments):
        return local[1] if RESOLVERS.match(local[1]) else None
    addresses = re.findall(r'(?:inet_addr|inet_pton)\((?:AF_INET6?, )?"([^"]+)"', call.arguments)
    far = [address for address in addresses if not re.match(r"127\.|::1$|::ffff:127\.", address)]
    return ", ".join(far) or None


def makes(call: Call, folder: Path) -> Path | None:
    """Say which file or folder a call has made, or opened for writing; `folder` is where relative paths begin."""
    if call.returned.startswith("-") or call.name not in (*MAKING, *OPENING):
        return None
    if call.name in OPENING and not re.search(r"O_(?:CREAT|WRONLY|RDWR|TMPFILE)", call.arguments):
        return None
    places = re.findall(r'(?:(?:AT_FDCWD|\d+)(?:<([^>]*)>)?, )?"((?:[^"\\]|\\.)*)"', call.arguments)
    base, name = places[-1]
    made = Path(base or folder, name.encode().decode("unicode_escape"))
    if "O_TMPFILE" in call.arguments:
        made /= "a file without a name"
    return None if DEVICES.fullmatch(str(made)) else Path(os.path.normpath(made))


def wrong(calls: Iterable[Call], own: Sequence[Path], folder: Path) -> dict[str, set[str]]:
    """Say for each traced name whom it asked beyond this machine, and what it made outside our own folders.

    Empty if nothing. `folder` is where the processes were started.
    """
    found: dict[str, set[str]] = {}
    for call in calls:
        what = reaches_out(call)
        if what is None and (made := makes(call, folder)) and outside([made], own):
            what = f"made {made}"
        if what is not None:
            found.setdefault(call.process.rpartition(".")[0], set()).add(what)
    return found


def outside(made: Iterable[Path], own: Sequence[Path]) -> set[Path]:
    """List what lies neither in the folders nor on the way to them, nor is Python's own cache of a module."""
    return {
        path
        for path in made
        if "__pycache__" not in path.parts
        and not any(path.is_relative_to(folder) or folder.is_relative_to(path) for folder in own)
    }


def bare_environment(home: Path, **more: str) -> Mapping[str, str]:
    """The environment of somebody with an empty home, behind a proxy that nothing may ask, who wants no silence."""
    for folder in (home, home / "runtime", home / "temporary"):
        folder.mkdir(mode=0o700, exist_ok=True)
    proxy = "http://192.0.2.1:9"
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home / "runtime"),
        "TMPDIR": str(home / "temporary"),
        "LANG": "C.UTF-8",
        "ORT_DISABLE_TELEMETRY": "0",
        **{f"{kind}_proxy": proxy for kind in ("http", "https", "all")},
        **more,
    }
