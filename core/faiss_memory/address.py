"""Where the running service can be found, and what it must prove before it is asked anything."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from faiss_memory.peers import is_loopback
from faiss_memory.settings import Positive, Settings, address_in_environment, runtime_folders

FILE = "service.json"
MOST_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """Where the service should answer, and what says so; `gone` tells of a service that ended without saying so."""

    url: str
    origin: str
    gone: str = ""
    secret: str = field(default="", repr=False)
    """What the service there must know, and prove; empty if nothing is known of it."""
    is_guess: bool = False
    """Nobody has named this address: without a proof it is told nothing."""
    token: str = field(default="", repr=False)
    """What requests bear there."""


def service_address(settings: Settings) -> ServiceAddress:
    """Find the service: `FAISS_MEMORY_URL`, else what the running one has left, else the port of the settings."""
    named = address_in_environment()
    if named:
        return named_address(named, "environment FAISS_MEMORY_URL", settings)
    gone = ""
    for path in _paths():
        left = _read(path)
        if left is not None and is_ours(left.pid):
            return ServiceAddress(left.url, str(path), secret=left.secret, token=left.secret)
        if left is not None and not gone:
            gone = f"{path} names process {left.pid} at {left.url}, which has ended, or is not yours"
        elif not gone and os.path.lexists(path):
            gone = f"{path} should say where it runs, and cannot be read, or is not yours alone"
    return ServiceAddress(
        f"http://127.0.0.1:{settings.port}", "setting `port`", gone, settings.token,
        # In the service's own container nobody else is there to take its port.
        is_guess=not settings.published_on, token=settings.token,
    )  # fmt: skip


def settled_address(settings: Settings) -> str:
    """Return where the settings say that the service answers: a container's port may be another on this machine."""
    return f"http://127.0.0.1:{settings.published_port or settings.port}"


def named_address(url: str, origin: str, settings: Settings) -> ServiceAddress:
    """Take an address that the person has named; it must prove what is known of it: its run's secret, or the token."""
    left = left_address()
    if left is not None and _is_same_place(left.url, url) and is_ours(left.pid):
        return ServiceAddress(url, origin, secret=left.secret, token=left.secret)
    return ServiceAddress(url, origin, secret=settings.token, token=settings.token)


def _is_same_place(one: str, other: str) -> bool:
    """Return whether two addresses mean the same service: all names of this machine's own loopback are one."""
    try:
        return _place(one) == _place(other)
    except ValueError:
        return False


def _place(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    own = host == "localhost" or is_loopback(host)
    return parts.scheme, "127.0.0.1" if own else host, parts.port, parts.path.rstrip("/")


class LeftAddress(Struct, frozen=True):
    """What a running service says about itself in `service.json`."""

    url: str
    pid: Positive
    secret: str
    """What it proves to know; a new one at each start."""
    started: str = ""
    """ISO 8601."""


def left_address() -> LeftAddress | None:
    """Read what the last service of this user left; its process may have ended since. None if there is nothing."""
    return next((left for path in _paths() if (left := _read(path)) is not None), None)


def is_ours(pid: int) -> bool:
    """Return whether a process runs and is this user's. On Windows, where asking would interrupt it, always true."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except (OSError, OverflowError):
        return False  # gone, or another user's
    if sys.platform != "linux":
        return True
    with suppress(OSError):
        # One that has ended stays a zombie where nobody waits for it, as under a container's first process.
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1]
        return state not in (b"Z", b"X") and os.stat(f"/proc/{pid}").st_uid == os.geteuid()
    return False


def _paths() -> Iterator[Path]:
    return (folder / FILE for folder in runtime_folders())


def _read(path: Path) -> LeftAddress | None:
    """Read a file that only this user could have written, and only this user can read; None for any other."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    try:
        if not _is_private(os.fstat(descriptor)):
            return None
        left = msgspec.json.decode(os.read(descriptor, MOST_BYTES), type=LeftAddress)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
    finally:
        os.close(descriptor)
    return left if left.secret else None


def _is_private(found: os.stat_result) -> bool:
    if not stat.S_ISREG(found.st_mode):
        return False
    return os.name != "posix" or (found.st_uid == os.geteuid() and not found.st_mode & 0o077)
