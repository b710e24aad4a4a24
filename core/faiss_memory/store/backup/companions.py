"""Companions: small files of the data folder that are no records and go along with every backup.

The store does not read them: who keeps such a file hands it in, and takes it over again at a restore. In a backup its
name begins with a part of its digest, so that copying a backup by hand puts it in the place of nothing, and what lies
in a backup never changes. A companion that is lost or damaged keeps no records from being restored.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

from msgspec import Struct

from faiss_memory.contracts.backups import Companion
from faiss_memory.safe_files import open_own, read_own

log = logging.getLogger("faiss_memory.store")

PATTERN = "companion-*"
Opened: TypeAlias = tuple[BinaryIO, str, int | None]
"""A file of a backup, what it is called there, and how many of its bytes count; None means all."""


class CompanionEntry(Struct, frozen=True):
    """A companion as a manifest names it: what it is called in the data folder, its size and its digest."""

    name: str
    bytes: int
    sha256: str

    @property
    def file(self) -> str:
        """What it is called in a backup."""
        return f"companion-{self.sha256[:8]}-{self.name}"


class Kept(NamedTuple):
    """A companion that lies in a backup."""

    entry: CompanionEntry
    path: Path


class ReadCompanions(NamedTuple):
    """What a backup holds of the companions, by name, and what of them stays behind, with the reasons."""

    found: Mapping[str, bytes]
    left_behind: Sequence[str]


class Companions:
    """The companions of a data folder."""

    def __init__(self, folder: Path, files: Sequence[Companion] = ()) -> None:
        self._folder = folder
        self._files = {file.name: file for file in reversed(files)}  # of two of a name the first counts
        self._described: dict[tuple[int, ...], CompanionEntry] = {}

    def put_into(self, backup: Path, *, links: bool) -> list[CompanionEntry]:
        """Link the present files into a backup's folder, or copy them where there are no links; gives their entries.

        They are only ever replaced as a whole, so that a link stays as it is.
        """
        return [entry for name in self._files if (entry := self._put(name, backup, links)) is not None]

    def _put(self, name: str, backup: Path, links: bool) -> CompanionEntry | None:
        fresh = backup / f".{name}.new"
        try:
            fresh.unlink(missing_ok=True)
            if links:
                os.link(self._folder / name, fresh)
            else:
                fresh.write_bytes(read_own(self._folder / name))
            entry = self._describe(name, fresh)
            if (backup / entry.file).exists():
                fresh.unlink()
            else:
                fresh.rename(backup / entry.file)
        except FileNotFoundError:
            return None
        except OSError as error:
            fresh.unlink(missing_ok=True)
            log.warning("%s does not go along with %s: %s", name, backup.name.strip("."), error)
            return None
        return entry

    def _describe(self, name: str, path: Path) -> CompanionEntry:
        found = path.stat(follow_symlinks=False)
        key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        if key not in self._described:
            content = read_own(path)
            self._described = {key: _entry(name, content)} | {
                one: entry for one, entry in self._described.items() if entry.name != name
            }
        return self._described[key]

    def open(self) -> tuple[list[CompanionEntry], list[Opened]]:
        """Open the present files, to be copied; gives their entries as well."""
        return _open((name, self._folder / name) for name in self._files)

    def read(self, kept: Iterable[Kept]) -> ReadCompanions:
        """Read what a backup holds of them. What is damaged, or unknown here, is left behind."""
        found, left = {}, []
        for entry, path in kept:
            if entry.name not in self._files:
                left.append(f"{entry.name}: nothing here knows such a file; its plugin may be disabled")
                continue
            try:
                content = read_own(path)
                if _entry(entry.name, content) != entry:
                    raise ValueError("it is not as it was when the backup was made")
                self.check(entry.name, content)
                found[entry.name] = content
            except (OSError, ValueError) as error:
                left.append(f"{entry.name}: {error}")
        return ReadCompanions(found, left)

    def check(self, name: str, content: bytes) -> None:
        """Raise ValueError for a content that could not be taken over; what is unknown here is left alone."""
        if name in self._files:
            self._files[name].check(content)

    def take_over(self, read: ReadCompanions, *, is_own: bool) -> tuple[str, ...]:
        """Hand what was read to who keeps it; returns what stays behind, which is logged as well.

        `is_own` says that it was written in this data folder.
        """
        left = [*read.left_behind]
        for name, content in read.found.items():
            try:
                left += (f"{name}: {said}" for said in self._files[name].take_over(content, is_own=is_own))
            except Exception as error:  # a guest's: the records are restored already
                log.exception("%s cannot be taken over", name)
                left.append(f"{name}: {type(error).__name__}: {error}")
        for said in left:
            log.warning("not restored: %s", said)
        return tuple(left)


def is_whole(entry: CompanionEntry, path: Path) -> bool:
    """Return whether a file holds what a manifest says of a companion."""
    try:
        return _entry(entry.name, read_own(path)) == entry
    except OSError:
        return False


def open_kept(kept: Sequence[Kept]) -> tuple[list[CompanionEntry], list[Opened]]:
    """Open what a backup holds, to be copied; what is lost or damaged is left out, which is logged."""
    wanted = {one.entry.file: one.path for one in kept}
    entries, opened = _open((one.entry.name, one.path) for one in kept)
    for file, name, _ in opened:
        if name not in wanted:
            file.close()
    for lost in wanted.keys() - {entry.file for entry in entries}:
        log.error("%s is lost or damaged, and left out", wanted[lost])
    return [entry for entry in entries if entry.file in wanted], [one for one in opened if one[1] in wanted]


def _open(files: Iterable[tuple[str, Path]]) -> tuple[list[CompanionEntry], list[Opened]]:
    entries: list[CompanionEntry] = []
    opened: list[Opened] = []
    for name, path in files:
        try:
            file = open_own(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            log.warning("%s does not go along: %s", path, error)
            continue
        entry = _entry(name, file.read())
        file.seek(0)
        entries.append(entry)
        opened.append((file, entry.file, entry.bytes))
    return entries, opened


def _entry(name: str, content: bytes) -> CompanionEntry:
    return CompanionEntry(name, len(content), hashlib.sha256(content).hexdigest())
