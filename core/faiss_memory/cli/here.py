"""The project of a folder, for a program outside the service: it knows the folder, and the service the names."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from faiss_memory.cli.client import Client
from faiss_memory.errors import MemoryServiceError
from faiss_memory.project_name import NOWHERE, Place, find_repository, is_gone, place_of


class Here(NamedTuple):
    """A folder's project; `owned_by` has the name that it would have had; `is_new` if it was never asked for."""

    project: str
    owned_by: str = ""
    is_new: bool = False


def project_here(client: Client, folder: Path, *, is_root: bool = False) -> Here:
    """Return the project of a folder; with `is_root` an assistant says that it works there.

    Where the service cannot be asked, the name that the folder has by itself.
    """
    try:
        folder = folder.resolve()
    except (OSError, RuntimeError, ValueError):
        return Here(NOWHERE.name)
    place = place_of(folder)
    try:
        if find_repository(folder) is None:
            adapters = client.call("GET", "/adapters")["adapters"]
            marks = [mark for adapter in adapters for mark in adapter.get("marks", ())]
            place = place_of(folder, marks, is_root=is_root)
        if not place.owner:
            return Here(place.name)
        claimed = _claimed(client, place)
        if claimed.owned_by and is_gone(claimed.owned_by):
            claimed = _claimed(client, place, claimed.owned_by)
    except (MemoryServiceError, OSError, KeyError):
        return Here(place.name)
    return claimed


def _claimed(client: Client, place: Place, instead_of: str = "") -> Here:
    asked = {**asdict(place), "former": list(place.former), "instead_of": instead_of}
    answer = client.call("POST", "/projects/claim", asked)
    return Here(answer["project"], answer.get("owned_by") or "", bool(answer.get("is_new")))
