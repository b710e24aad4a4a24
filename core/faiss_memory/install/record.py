"""The record of what was installed: one private file, so that every step is taken whole or not at all.

It has the bytes that each file had before, who put what into it since, and, while a command is at work, what is still
to be written: whoever comes next finishes that.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import msgspec
from msgspec import Struct

from faiss_memory.contracts.config_files import Scope
from faiss_memory.errors import InstallError
from faiss_memory.install.formats import KINDS, Content, Part
from faiss_memory.private import make_private
from faiss_memory.safe_files import located, read_file, remove_file, write_file
from faiss_memory.settings import state_folder

_KINDS = {kind.__name__: kind for kind in KINDS}
_SECONDS = 20


class Owner(Struct, frozen=True, order=True):
    """An assistant in one place: a project's folder, or an empty one for the user's own files."""

    assistant: str
    scope: Scope
    folder: str = ""

    @property
    def options(self) -> str:
        """The options of a command that mean this place, with a space before them."""
        if self.scope == "user":
            return " --user"
        return f" --project {shlex.quote(self.folder)}{' --shared' if self.scope == 'shared' else ''}"


class Entry(Struct):
    """What an owner has in a file."""

    owner: Owner
    parts: list[dict[str, Any]]
    edited: list[dict[str, Any]] = []
    """Those that the person has edited, which are left alone."""
    kept: bool = False
    """Whether it was uninstalled, and these are what the person had edited of it."""

    def read(self) -> list[Part]:
        """Return the parts as values."""
        return [restored(part) for part in self.parts]

    def untouched(self) -> list[Part]:
        """Return the parts that are there as declared."""
        return [restored(part) for part in self.parts if part not in self.edited]


class FileRecord(Struct):
    """A file that something of ours is in."""

    original: bytes | None
    """What it held before, or None if it was not there."""
    written: str
    """The digest of what we last wrote."""
    entries: list[Entry]
    """In the order they were put in."""

    @property
    def is_edited(self) -> bool:
        """Whether the person has edited anything of ours in it."""
        return any(entry.edited for entry in self.entries)

    def entry(self, owner: Owner) -> Entry | None:
        """Find what an owner has in it."""
        return next((entry for entry in self.entries if entry.owner == owner), None)

    def others(self, owner: Owner) -> list[Part]:
        """Return the parts of all other owners."""
        return [part for entry in self.entries if entry.owner != owner for part in entry.read()]


class Change(Struct):
    """A file that is to be written, or removed where `after` is None; it held what has the digest `before`."""

    path: str
    before: str
    after: bytes | None
    former: FileRecord | None
    """What was recorded of it, in case it cannot be written."""


class Link(Struct):
    """A link to a command, made where programs are looked for."""

    target: str
    owners: list[Owner]


class Project(Struct):
    """The name by which a folder's project goes, and what makes it this project and no other."""

    name: str
    identity: str


class Installed(Struct):
    """All that is recorded."""

    files: dict[str, FileRecord] = {}
    """By absolute path, links followed."""
    folders: list[str] = []
    """Those that were made on the way; they go when they are empty."""
    links: dict[str, Link] = {}
    projects: dict[str, Project] = {}
    """By folder."""
    pending: list[Change] = []

    def owners(self) -> list[Owner]:
        """List who has anything in any file."""
        return sorted({entry.owner for record in self.files.values() for entry in record.entries})

    def of(self, owner: Owner) -> dict[str, list[Part]]:
        """Return an owner's parts by file."""
        found = ((path, record.entry(owner)) for path, record in self.files.items())
        return {path: entry.read() for path, entry in found if entry is not None}

    def left_of(self, owner: Owner) -> dict[str, list[Part]]:
        """Return what the person had edited of an owner's parts when that was uninstalled, by file."""
        return {path: parts for path, parts in self.of(owner).items() if self._entry(path, owner).kept}

    def _entry(self, path: str, owner: Owner) -> Entry:
        entry = self.files[path].entry(owner)
        assert entry is not None
        return entry


class RecordFile:
    """Where the record is kept."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or state_folder()
        self.path = self.folder / "installed.json"

    def load(self) -> Installed:
        """Read it; nothing is recorded where there is none. Raises InstallError for one that is damaged."""
        try:
            return msgspec.json.decode(read_file(located(self.path)), type=Installed)
        except FileNotFoundError:
            return Installed()
        except OSError as error:
            raise InstallError(
                f"the record of what was installed cannot be read: {self.path}: {error.strerror}"
            ) from None
        except (msgspec.MsgspecError, ValueError):
            raise InstallError(
                f"the record of what was installed is damaged: {self.path}. Move it away: what was installed is then "
                "recognised by its marks"
            ) from None

    def save(self, installed: Installed) -> None:
        """Write it, synced; only its owner can read it, because it holds what stands in config files."""
        self._make_folder()
        if installed == Installed():
            remove_file(located(self.path))
        else:
            write_file(located(self.path), msgspec.json.encode(installed), private=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from installing meanwhile. Raises InstallError if somebody is at it for long."""
        self._make_folder()
        try:
            with filelock.FileLock(self.folder / "installed.lock", timeout=_SECONDS, mode=0o600):
                yield
        except filelock.Timeout:
            raise InstallError(
                "another `faiss-memory install` or `uninstall` is at work; try again when it is done"
            ) from None

    def _make_folder(self) -> None:
        try:
            make_private(self.folder)
        except OSError as error:
            raise InstallError(
                f"{self.folder} cannot be made, where it is recorded what was installed: {error.strerror}"
            ) from None


def digest(content: Content) -> str:
    """Name what a file holds; empty where there is none."""
    return "" if content.raw is None else hashlib.sha256(content.raw).hexdigest()


def stored(part: Part) -> dict[str, Any]:
    """Write a part for the record, as it comes back from there: with lists for tuples."""
    fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(part))
    return {"kind": type(part).__name__, **fields}


def restored(stored_part: dict[str, Any]) -> Part:
    """Read a part from the record."""
    fields = {name: value for name, value in stored_part.items() if name != "kind"}
    part: Part = msgspec.convert(fields, _KINDS[stored_part["kind"]])
    return part


def as_recorded(parts: Sequence[Part]) -> list[Part]:
    """Return parts as they come back from the record: lists for tuples in their values."""
    return [restored(stored(part)) for part in parts]
