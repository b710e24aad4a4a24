"""Who owns which project's name: no two repositories or folders share one by accident.

The first that asks for a name has it. Another that would have it too gets one with a short suffix, always the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from faiss_memory import schema
from faiss_memory.project_name import Place, is_gone, place_of
from faiss_memory.project_name.owners import Claimed, OwnersFile


class Claims:
    """Gives names to places, and keeps them. `there` names the projects that hold memories."""

    def __init__(self, owners: OwnersFile, there: Callable[[], Collection[str]]) -> None:
        self._owners = owners
        self._there = there

    def claim(self, place: Place, instead_of: str = "") -> Claimed:
        """Return the project of a place, which is its owner's from now on.

        `instead_of` is an owner that is no more, such as a folder that was moved: its name is free. Raises NotReady.
        """
        with self._owners.changing() as owners:
            return owners.claim(place, self._there, instead_of)

    def rename(self, old: str, new: str) -> None:
        """Let a project's owners have it under its new name. Raises NotReady."""
        with self._owners.changing() as owners:
            owners.rename(old, new)

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
