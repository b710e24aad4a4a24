"""The project of a folder, for a program outside the service: it knows the folder, and the service the names."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from faiss_memory.address import service_address
from faiss_memory.cli.client import Client
from faiss_memory.cli.failures import CommandFailed
from faiss_memory.errors import MemoryServiceError
from faiss_memory.peers import is_loopback
from faiss_memory.project_name import DEFAULT, Place, find_repository, is_gone, may_be_a_project, place_of
from faiss_memory.project_name.owners import Claimed, Owners, read_owners
from faiss_memory.safe_files import located, read_file, write_file
from faiss_memory.settings import Settings, load_settings
from faiss_memory.settings.environment import state_folder

_TOLD = "told-folders.txt"
_MOST_TOLD = 1000


PATIENCE = 3.0
"""Seconds to wait for the service's word on a name; without it there is one as well."""


def project_here(client: Client, folder: Path, *, is_root: bool = False) -> Claimed:
    """Return the project of a folder; with `is_root` an assistant says that it works there.

    Where a service of this machine cannot be asked, by what it has noted; else the name that the folder has by itself.
    """
    try:
        folder = folder.resolve()
    except (OSError, RuntimeError, ValueError):
        return Claimed(DEFAULT)
    place = place_of(folder)
    if find_repository(folder) is None and may_be_a_project(folder):
        place = place_of(folder, _marks(), is_root=is_root)
    if not place.owner:
        return Claimed(place.name)
    try:
        claimed = _claimed(client, place)
        if claimed.owned_by and is_gone(claimed.owned_by):
            claimed = _claimed(client, place, claimed.owned_by)
    except (CommandFailed, MemoryServiceError):
        return _noted(client).claim(place, lambda: ())
    return claimed


def namer(settings: Settings) -> Callable[[Path], str]:
    """Return what names the project of a folder that an assistant is to work in."""

    @cache
    def named(folder: Path) -> str:
        return project_here(Client(service_address(settings), PATIENCE), folder, is_root=True).project

    return named


def _noted(client: Client) -> Owners:
    """Return who owns which name, as the service of this machine has last noted it."""
    host = urlsplit(client.address.url).hostname or ""
    if host != "localhost" and not is_loopback(host):
        return Owners()
    try:
        return read_owners(load_settings().data_folder)
    except (OSError, ValueError, MemoryServiceError):
        return Owners()


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


def _claimed(client: Client, place: Place, instead_of: str = "") -> Claimed:
    asked = {
        "name": place.name,
        "owner": place.owner,
        "former": list(place.former),
        "instead_of": instead_of,
    }
    answer = client.call("POST", "/projects/claim", asked, patient=False)
    return Claimed(str(answer.get("project") or place.name), answer.get("owned_by") or "")


@cache
def _marks() -> list[str]:
    """Return the assistants' own files and folders, by which a folder without git is known for a project."""
    from faiss_memory.plugin_host import PluginHost

    try:
        adapters = PluginHost(load_settings().plugins.disabled).adapters
    except MemoryServiceError:  # which the service says, or a command that needs them
        return []
    return [mark for adapter in adapters.values() for mark in adapter.marks]
