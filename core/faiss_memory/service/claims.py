"""Who owns which project's name: no two repositories or folders share one by accident.

The first that asks for a name has it. Another that would have it too gets one with a short suffix, always the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from pathlib import Path
from threading import Lock

from faiss_memory import schema
from faiss_memory.project_name import Place, is_gone, place_of
from faiss_memory.project_name.owners import FILE, Claimed, Owners, read_owners

log = logging.getLogger("faiss_memory.service")


class Claims:
    """Gives names to places, and keeps them in the data folder. `there` names the projects that hold memories."""

    def __init__(self, folder: Path, there: Callable[[], Collection[str]]) -> None:
        self._folder = folder
        self._there = there
        self._lock = Lock()
        self._owners: Owners | None = None

    def claim(self, place: Place, instead_of: str = "") -> Claimed:
        """Return the project of a place, which is its owner's from now on.

        `instead_of` is an owner that is no more, such as a folder that was moved: its name is free. Raises NotReady.
        """
        with self._lock:
            owners = self._loaded()
            claimed = owners.claim(place, self._there, instead_of)
            self._save(owners)
            return claimed

    def rename(self, old: str, new: str) -> None:
        """Let a project's owners have it under its new name. Raises NotReady."""
        with self._lock:
            owners = self._loaded()
            owners.rename(old, new)
            self._save(owners)

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

    def _loaded(self) -> Owners:
        if self._owners is None:
            try:
                self._owners = read_owners(self._folder)
            except (OSError, ValueError) as error:
                # Nobody's memories are lost with it: names are given anew, to whoever asks first.
                log.warning("%s cannot be read (%s): who owns which project is asked anew", self._path, error)
                self._owners = Owners()
        return self._owners

    @property
    def _path(self) -> Path:
        return self._folder / FILE

    def _save(self, owners: Owners) -> None:
        try:
            if owners.unsaved:
                owners.save(self._folder)
        except OSError as error:
            log.warning("%s cannot be written (%s)", self._path, error)
