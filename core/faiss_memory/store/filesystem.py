"""What differs by operating system and file system: locks, syncing, replacing a file whole."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

NETWORK_FILE_SYSTEMS = ("fuse", "9p", "virtiofs", "nfs", "cifs", "smb")


def sync_file(descriptor: int) -> None:
    """Bring a file's content to the medium; on macOS fsync alone stops at the drive's cache."""
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def sync_data(descriptor: int) -> None:
    """Bring what was appended to a file to the medium, with the length that is needed to read it again."""
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(descriptor)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the medium, so that a rename outlives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Put a new file in place of another at once: a reader sees the old one or the new one, whole."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        fresh.unlink(missing_ok=True)
        with fresh.open("xb") as file:
            write(file)
            file.flush()
            sync_file(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)


def set_aside(path: Path) -> Path | None:
    """Rename a file that cannot be used, so that it can be looked at later; gives the new name."""
    if not path.exists():
        return None
    number = 1
    while (aside := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    path.rename(aside)
    return aside


def is_full(error: Exception) -> bool:
    """Return whether an error, of SQLite or not, means that there is no room left."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock of an open file, or say that another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def network_file_system(folder: Path) -> str | None:
    """Name the file system a folder lies on if it is shared or emulated, where mapped files misbehave."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None  # macOS: Docker's shared folders are met on the Linux side
    best, kind = Path("/"), ""
    real = folder.resolve()
    for line in mounts:
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].encode().decode("unicode_escape"))
        if real.is_relative_to(point) and len(point.parts) >= len(best.parts):
            best, kind = point, after.split()[0]
    return kind if kind.startswith(NETWORK_FILE_SYSTEMS) else None


def boot_id() -> str:
    """Name this run of the machine: what was not synced is there as long as it is the same."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        found = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True
        )
        return found.stdout.strip()
