"""Who owns which project's name: no two repositories or folders share one by accident.

The first that asks for a name has it. Another that would have it too gets one with a short suffix, always the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import msgspec

from faiss_memory import schema
from faiss_memory.private import write_private
from faiss_memory.project_name import DEFAULT, Place, is_gone, place_of
from faiss_memory.safe_files import read_own
from faiss_memory.schema.names import suffixed

log = logging.getLogger("faiss_memory.service")

FILE = "projects.json"
MOST = 10_000
"""Owners that are remembered: who asks in ever new folders must not fill the disk."""


class Claimed(NamedTuple):
    """The project of a place; `owned_by` is who has the name that the place would have had."""

    project: str
    owned_by: str = ""


class Claims:
    """The file in the data folder that says who owns which name. `there` names the projects that hold memories."""

    def __init__(self, folder: Path, there: Callable[[], Collection[str]]) -> None:
        self._path = folder / FILE
        self._there = there
        self._lock = Lock()
        self._names: dict[str, str] | None = None
        """By owner."""

    def claim(self, place: Place, instead_of: str = "") -> Claimed:
        """Return the project of a place, which is its owner's from now on.

        `instead_of` is an owner that is no more, such as a folder that was moved: its name is free. Raises NotReady.
        """
        if not place.owner:
            return Claimed(place.name)
        with self._lock:
            names = self._loaded()
            if instead_of and instead_of != place.owner and names.pop(instead_of, ""):
                names.pop(place.owner, "")  # the makeshift it had beside the other
            known = names.get(place.owner)
            owned_by = "" if place.name == DEFAULT else self._other(names, place.name, place.owner)
            if known is not None:
                return Claimed(known, owned_by if known != place.name else "")
            project = self._free(names, place)
            if len(names) < MOST:
                names[place.owner] = project
                self._save(names)
            return Claimed(project, owned_by if project != place.name else "")

    def rename(self, old: str, new: str) -> None:
        """Let a project's owners have it under its new name. Raises NotReady."""
        with self._lock:
            names = self._loaded()
            owners = [owner for owner, name in names.items() if name == old]
            if owners:
                names.update(dict.fromkeys(owners, new))
                self._save(names)

    def answer(self, request: schema.ClaimRequest) -> schema.ClaimAnswer:
        """Return the project of a place that a program of ours has looked at, and note whose it is."""
        place = Place(request.name, request.owner, tuple(request.former))
        claimed = self.claim(place, request.instead_of)
        return schema.ClaimAnswer(project=claimed.project, owned_by=claimed.owned_by or None)

    def at(self, folder: Path, marks: Collection[str]) -> str:
        """Return the project of a folder of this machine that a client works in."""
        place = place_of(folder, marks, is_root=True)
        claimed = self.claim(place)
        if claimed.owned_by and is_gone(claimed.owned_by):
            claimed = self.claim(place, instead_of=claimed.owned_by)
        return claimed.project

    def _free(self, names: dict[str, str], place: Place) -> str:
        """Choose the name of a place that has none: that of its memories, or the wished one, or that with a suffix."""
        if place.name == DEFAULT:
            return DEFAULT
        if place.former:
            there = self._there()
            for name in place.former:
                if name in there and not self._other(names, name, place.owner):
                    return name
        if not self._other(names, place.name, place.owner):
            return place.name
        return suffixed(place.name, place.owner)

    @staticmethod
    def _other(names: dict[str, str], name: str, owner: str) -> str:
        return next((other for other, taken in names.items() if taken == name and other != owner), "")

    def _loaded(self) -> dict[str, str]:
        if self._names is None:
            try:
                self._names = msgspec.json.decode(read_own(self._path), type=dict[str, str])
            except FileNotFoundError:
                self._names = {}
            except (OSError, ValueError) as error:
                # Nobody's memories are lost with it: names are given anew, to whoever asks first.
                log.warning("%s cannot be read (%s): who owns which project is asked anew", self._path, error)
                self._names = {}
        return self._names

    def _save(self, names: dict[str, str]) -> None:
        try:
            write_private(self._path, msgspec.json.encode(names).decode())
        except OSError as error:
            log.warning("%s cannot be written (%s)", self._path, error)
