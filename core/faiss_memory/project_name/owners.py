"""Who owns which project's name: the file in the data folder that says it, and how a name is given.

The service keeps it. Where that does not answer, the command line reads it, so that both name a folder alike.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import msgspec

from faiss_memory.private import write_private
from faiss_memory.project_name.folders import DEFAULT, Place
from faiss_memory.safe_files import read_own
from faiss_memory.schema.names import suffixed

FILE = "projects.json"
MOST = 10_000
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


def read_owners(folder: Path) -> Owners:
    """Read the file in a data folder; none are known where it is missing. Raises OSError, and ValueError for damage."""
    try:
        return Owners(msgspec.json.decode(read_own(folder / FILE), type=dict[str, str]))
    except FileNotFoundError:
        return Owners()
