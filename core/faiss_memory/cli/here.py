"""The project of a folder, for a program outside the service: it knows the folder, and the service the names."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from faiss_memory.cli.client import Client
from faiss_memory.cli.failures import CommandFailed
from faiss_memory.errors import MemoryServiceError
from faiss_memory.project_name import DEFAULT, Place, find_repository, is_gone, may_be_a_project, place_of
from faiss_memory.safe_files import located, read_file, write_file
from faiss_memory.settings.environment import state_folder

_TOLD = "told-folders.txt"
_MOST_TOLD = 1000


class Here(NamedTuple):
    """A folder's project; `owned_by` has the name that it would have had."""

    project: str
    owned_by: str = ""


def project_here(client: Client, folder: Path, *, is_root: bool = False) -> Here:
    """Return the project of a folder; with `is_root` an assistant says that it works there.

    Where the service cannot be asked, the name that the folder has by itself.
    """
    try:
        folder = folder.resolve()
    except (OSError, RuntimeError, ValueError):
        return Here(DEFAULT)
    place = place_of(folder)
    if find_repository(folder) is None and may_be_a_project(folder):
        place = place_of(folder, _marks(), is_root=is_root)
    if not place.owner:
        return Here(place.name)
    try:
        claimed = _claimed(client, place)
        if claimed.owned_by and is_gone(claimed.owned_by):
            claimed = _claimed(client, place, claimed.owned_by)
    except (CommandFailed, MemoryServiceError):
        return Here(place.name)
    return claimed


def is_first_time(folder: Path) -> bool:
    """Return whether a folder without a project is met for the first time, and note that it was met."""
    if not may_be_a_project(folder):
        return False
    path = state_folder() / _TOLD
    told: list[str] = []
    with suppress(OSError, ValueError):
        told = read_file(located(path)).decode().splitlines()
    if str(folder) in told:
        return False
    with suppress(OSError, ValueError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_file(located(path), "\n".join([*told, str(folder)][-_MOST_TOLD:]).encode(), private=True)
    return True


def _claimed(client: Client, place: Place, instead_of: str = "") -> Here:
    asked = {
        "name": place.name,
        "owner": place.owner,
        "former": list(place.former),
        "instead_of": instead_of,
    }
    answer = client.call("POST", "/projects/claim", asked, patient=False)
    return Here(str(answer.get("project") or place.name), answer.get("owned_by") or "")


@cache
def _marks() -> list[str]:
    """Return the assistants' own files and folders, by which a folder without git is known for a project."""
    from faiss_memory.plugin_host import PluginHost
    from faiss_memory.settings import load_settings

    try:
        adapters = PluginHost(load_settings().plugins.disabled).adapters
    except MemoryServiceError:  # which the service says, or a command that needs them
        return []
    return [mark for adapter in adapters.values() for mark in adapter.marks]
