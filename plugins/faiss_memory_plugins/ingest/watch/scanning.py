"""What a folder looks like: enough to tell whether a build would find anything new, without reading a file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass

from faiss_memory_plugins.ingest.ignoring import Rules
from faiss_memory_plugins.ingest.listing import list_files
from faiss_memory_plugins.ingest.sources import Roots, Source

MOST_FOLDERS = 20_000
"""Of one watch: the system keeps something in its own memory for each."""


class TooLarge(Exception):
    """More folders than can be watched."""


@dataclass(frozen=True, slots=True)
class Scan:
    """The files that a build would read, in a digest; and the folders that hold them, each with its inode."""

    digest: bytes
    files: int
    folders: tuple[tuple[str, int], ...]
    unreadable: tuple[str, ...]
    """Folders that nobody may look into, each with the reason."""


def scan(source: Source, roots: Roots, rules: Rules, go_on: Callable[[], None]) -> Scan:
    """Look at every file of a source, as a build lists them. Raises TooLarge, and what `go_on` raises."""
    folders: list[tuple[str, int]] = []

    def enter(folder: str) -> None:
        go_on()
        if len(folders) >= MOST_FOLDERS:
            raise TooLarge
        folders.append((folder, _inode(folder)))

    digest, files, unreadable = hashlib.blake2b(digest_size=16), 0, []
    for entry in list_files(source, roots, rules, enter):
        if entry.unreadable:
            unreadable.append(f"{entry.path}: {entry.left_out}")
        if not entry.left_out:
            files += 1
            digest.update(f"{entry.path}\0{_stamp(entry.path)}\0".encode())
    return Scan(digest.digest(), files, tuple(folders), tuple(unreadable))


def _inode(folder: str) -> int:
    try:
        return os.lstat(folder).st_ino
    except OSError:
        return 0


def _stamp(file: str) -> str:
    """Return what changes whenever the file does; that of the file itself, where it is a link."""
    try:
        found = os.stat(file)
    except OSError:
        return ""
    return f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_mode}"
