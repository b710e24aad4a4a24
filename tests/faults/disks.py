"""File systems of the tests' own: small ones in memory, and ext4 on a block image whose power can be cut."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

IMAGE_MB = 40


def run(*command: str | Path) -> str:
    """Run a tool of the system; skips the test where it is missing or refuses."""
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"`{command[0]}` is not installed")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"`{' '.join(map(str, command))}` does not work here: {done.stderr.strip()}")
    return done.stdout.strip()


def only_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount file systems")


@contextmanager
def in_memory() -> Iterator[Path]:
    """A folder that costs no disk, where there is such a thing: for copies that are looked at once."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="faults-", dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


@contextmanager
def small_tmpfs(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system of this size in memory."""
    only_root()
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


class Disk:
    """ext4 on a loop device over a file. What was written to the device is in the file, and nothing else is.

    A file system keeps what was not synced in the page cache of its files, above the device; so a copy of the
    image is what a power cut would have left, if the device counts everything it has completed as durable.
    """

    def __init__(self, image: Path, mounted: Path, options: str) -> None:
        self.image, self.mounted = image, mounted
        mounted.mkdir(exist_ok=True)
        self._device = Path(run("losetup", "--find", "--show", image))
        try:
            run("mount", "-t", "ext4", "-o", options, self._device, mounted)
        except BaseException:
            self._detach()
            raise

    def _detach(self) -> None:
        subprocess.run(["losetup", "--detach", self._device], check=True)

    def _writes(self) -> str:
        """What the device has done and has in hand; the same before and after means that it did nothing."""
        return (Path("/sys/block") / self._device.name / "stat").read_text()

    def cut(self, target: Path) -> None:
        """Copy the image at one moment, without syncing anything. Nothing may be writing to files meanwhile."""
        for _ in range(100):
            before = self._writes()
            shutil.copyfile(self.image, target)
            if before == self._writes() and before.split()[8] == "0":
                return
        raise AssertionError("the device never rested while its image was copied")

    def unmount(self) -> None:
        """Write everything out, and let go of the device."""
        subprocess.run(["umount", self.mounted], check=True)
        self._detach()


def formatted(image: Path, megabytes: int = IMAGE_MB) -> Path:
    """Make an empty ext4 in a file."""
    only_root()
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    run("mkfs.ext4", "-q", "-F", "-J", "size=4", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
    return image
