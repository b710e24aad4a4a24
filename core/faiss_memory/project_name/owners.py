"""Who owns which project's name: the file in the data folder that says it, and how a name is given.

The service keeps it. Where that does not answer, the command line reads it, so that both name a folder alike.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from threading import Lock
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from faiss_memory.private import write_private
from faiss_memory.project_name.folders import DEFAULT, Place
from faiss_memory.safe_files import read_own
from faiss_memory.schema.fields import ProjectName
from faiss_memory.schema.names import suffixed
from faiss_memory.schema.strict_json import decode_strictly

log = logging.getLogger("faiss_memory")

FILE = "projects.json"
MOST = 10_000
_MOST_BYTES = 1 << 26
"""Owners that are remembered: who asks in ever new folders must not fill the disk."""


class Claimed(NamedTuple):
    """The project of a place; `owned_by` is who has the name that the place would have had."""

    project: str
    owned_by: str = ""


class Owners:
    """Which name each owner has."""

    def __init__(self, names: dict[str, str] | None = None) -> None:
        self._names = names if names is not None else {}
        self.unsaved = False

    def claim(self, place: Place, there: Callable[[], Collection[str]], instead_of: str = "") -> Claimed:
        """Return the project of a place, and note whose it is. `there` names the projects that hold memories.

        `instead_of` is an owner that is no more, such as a folder that was moved: its name is free.
        """
        if not place.owner:
            return Claimed(place.name)
        names = self._names
        if instead_of and instead_of != place.owner and names.pop(instead_of, ""):
            names.pop(place.owner, "")  # the makeshift it had beside the other
            self.unsaved = True
        owned_by = "" if place.name == DEFAULT else self._other(place.name, place.owner)
        project = names.get(place.owner)
        if project is None:
            project = self._free(place, there)
            if len(names) < MOST:
                names[place.owner] = project
                self.unsaved = True
        return Claimed(project, owned_by if project != place.name else "")

    def rename(self, old: str, new: str) -> None:
        """Let a project's owners have it under its new name."""
        owners = [owner for owner, name in self._names.items() if name == old]
        self._names.update(dict.fromkeys(owners, new))
        self.unsaved |= bool(owners)

    def take_over(self, names: dict[str, str], *, with_folders: bool) -> int:
        """Let the owners of a restored state have their names again; those of since keep theirs where these are free.

        Without `with_folders` only remotes count: the folders are those of another machine, and how many they are is
        returned.
        """
        restored = {owner: name for owner, name in names.items() if with_folders or not _is_folder(owner)}
        taken = set(restored.values()) - {DEFAULT}
        since = {owner: name for owner, name in self._names.items() if name not in taken}
        self._names = dict([*({**since, **restored}).items()][-MOST:])
        self.unsaved = True
        return len(names) - len(restored)

    def _free(self, place: Place, there: Callable[[], Collection[str]]) -> str:
        """Choose the name of a place that has none: that of its memories, or the wished one, or that with a suffix."""
        if place.name == DEFAULT:
            return DEFAULT
        if place.former:
            held = there()
            for name in place.former:
                if name in held and not self._other(name, place.owner):
                    return name
        if not self._other(place.name, place.owner):
            return place.name
        return suffixed(place.name, place.owner)

    def _other(self, name: str, owner: str) -> str:
        return next((other for other, taken in self._names.items() if taken == name and other != owner), "")

    def save(self, folder: Path) -> None:
        """Write the file in a data folder. Raises OSError."""
        write_private(folder / FILE, msgspec.json.encode(self._names).decode())
        self.unsaved = False


class OwnersFile:
    """The owners as one service keeps them, in its data folder. Their file goes along with the backups."""

    name = FILE

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._owners: Owners | None = None

    @contextmanager
    def changing(self) -> Iterator[Owners]:
        """Yield the owners, to one caller at a time, and write what it has changed; what cannot be is logged."""
        with self._lock:
            if self._owners is None:
                self._owners = self._read()
            yield self._owners
            try:
                if self._owners.unsaved:
                    self._owners.save(self._folder)
            except OSError as error:
                log.warning("%s cannot be written (%s)", self._folder / FILE, error)

    def _read(self) -> Owners:
        try:
            return read_owners(self._folder)
        except (OSError, ValueError) as error:
            # Nobody's memories are lost with it: names are given anew, to whoever asks first.
            path = self._folder / FILE
            log.warning("%s cannot be read (%s): who owns which project is asked anew", path, error)
            return Owners()

    def check(self, content: bytes) -> None:
        """Raise ValueError for what are no owners and their projects."""
        decode_strictly(content, _Names, _MOST_BYTES)

    def take_over(self, content: bytes, *, is_own: bool) -> Sequence[str]:
        """Let the owners of a restored backup have their names again; its folders only if it is of this data folder."""
        names = decode_strictly(content, _Names, _MOST_BYTES)
        with self.changing() as owners:
            folders = owners.take_over(names, with_folders=is_own)
        which = "one folder is" if folders == 1 else f"{folders:,} folders are"
        return [f"which project {which}: the paths are those of another machine"] if folders else []


_Names = Annotated[dict[Annotated[str, Meta(max_length=4096)], ProjectName], Meta(max_length=MOST)]


def _is_folder(owner: str) -> bool:
    """Return whether an owner is a folder, of whichever system."""
    return PurePosixPath(owner).is_absolute() or PureWindowsPath(owner).is_absolute()


def read_owners(folder: Path) -> Owners:
    """Read the file in a data folder; none are known where it is missing. Raises OSError, and ValueError for damage."""
    try:
        return Owners(msgspec.json.decode(read_own(folder / FILE), type=dict[str, str]))
    except FileNotFoundError:
        return Owners()
