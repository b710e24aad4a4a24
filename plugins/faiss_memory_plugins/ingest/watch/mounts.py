"""Which file system a folder lies on: whether it tells of changes, and whether it is still the same one."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from faiss_memory_plugins.ingest.sources import is_below

TABLE = Path("/proc/self/mountinfo")
"""Linux's table of what is mounted; proc(5) describes it."""
QUIET = {
    "9p", "drvfs", "virtiofs", "vboxsf", "prl_fs", "fakeowner", "osxfs",  # another machine's, beneath a virtual one
    "nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afpfs", "webdav", "ncpfs", "afs", "ceph", "glusterfs", "lustre",
}  # fmt: skip
"""Kinds of file system where a change that is made on another machine is told to nobody."""


@dataclass(frozen=True, slots=True)
class Mount:
    """What is mounted at `point`: the kind of file system, and the device or share it comes from."""

    point: str
    kind: str
    device: str

    @property
    def tells(self) -> bool:
        """Whether the system tells of every change in it."""
        return self.kind not in QUIET and (not self.kind.startswith("fuse") or self.kind == "fuseblk")

    @property
    def identity(self) -> str:
        """What stays the same as long as it is this that is mounted here; empty where nothing is known."""
        return f"{self.device} ({self.kind}) at {self.point}" if self.point else ""


UNKNOWN = Mount("", "", "")


def mount_of(folder: str) -> Mount:
    """Return what a resolved folder lies on; `UNKNOWN` where the system does not say."""
    around = [mount for mount in _mounts() if is_below(folder, mount.point)]
    # Of two at one place, the later one hides the earlier.
    return max(enumerate(around), key=lambda each: (len(each[1].point), each[0]), default=(0, UNKNOWN))[1]


def mounted_in(folder: str) -> dict[str, str]:
    """Return the identity of what is mounted somewhere inside a resolved folder, by the place."""
    inside = (mount for mount in _mounts() if mount.point != folder and is_below(mount.point, folder))
    return {mount.point: mount.identity for mount in inside}


def _mounts() -> list[Mount]:
    return _linux() if sys.platform == "linux" else _others()


def _linux() -> list[Mount]:
    try:
        lines = TABLE.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    return [mount for line in lines if (mount := _linux_mount(line)) is not None]


def _linux_mount(line: str) -> Mount | None:
    before, _, after = line.partition(" - ")
    fields, about = before.split(" "), after.split(" ")
    if len(fields) < 5 or len(about) < 2:
        return None
    return Mount(_unescaped(fields[4]), about[0], _unescaped(about[1]))


def _unescaped(written: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), written)


def _others() -> list[Mount]:
    """Ask `mount`, which on macOS and the BSDs prints `DEVICE on POINT (KIND, …)`."""
    try:
        printed = subprocess.run(
            ["/sbin/mount"], capture_output=True, text=True, timeout=5, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    found = (re.fullmatch(r"(.+?) on (/.*) \(([^,)]+).*\)", line) for line in printed.splitlines())
    return [Mount(match[2], match[3], match[1]) for match in found if match]
