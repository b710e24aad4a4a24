"""The place that files are written into, the name of the project there, and what generated files may speak of."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Literal

from faiss_memory.address import service_address, settled_address
from faiss_memory.contracts.config_files import InstallContext, Scope
from faiss_memory.errors import InstallError
from faiss_memory.install.commands import COMMAND, HOOK_COMMAND, command_for
from faiss_memory.install.formats import Part
from faiss_memory.install.record import Installed, Project
from faiss_memory.memory import PROJECT_NAME, PROJECT_NAME_IN_WORDS
from faiss_memory.project_name import DEFAULT, find_repository, place_of, remote_address
from faiss_memory.schema.names import suffixed
from faiss_memory.settings import Settings, environment_with

System = Literal["linux", "darwin", "windows"]

_NAME = re.compile(PROJECT_NAME)


def folder_for(scope: Scope, given: Path | None, known: Collection[str] = ()) -> str:
    """Find the folder: the given one, else the top of the repository around the current one; none for user files.

    One of the `known` folders may be gone since. Raises InstallError for any other that is not there, and for the home
    folder, which is no project.
    """
    if scope == "user":
        return ""
    folder = os.path.realpath(given or Path.cwd())
    if folder not in known:
        check_folder(folder)
    repository = find_repository(Path(folder)) if given is None else None
    if repository is not None:
        folder = os.path.realpath(repository.top)
    if folder in (os.path.realpath(Path.home()), os.path.realpath("/")):
        raise InstallError(
            f"{folder} is no project: go into one, or give --project DIR, or --user for all of them"
        )
    return folder


def folder_here() -> str:
    """Return the folder of the project that one is in; an empty text where that is none."""
    try:
        return folder_for("shared", None)
    except InstallError:
        return ""


def check_folder(folder: str) -> None:
    """Raise InstallError for a project's folder that is not there."""
    if folder and not os.path.isdir(folder):
        raise InstallError(f"{folder}: there is no such folder")


def stands_alone(folder: str) -> bool:
    """Return whether a folder is no subfolder or further working tree of a repository."""
    repository = find_repository(Path(folder)) if folder else None
    if repository is None:
        return True
    top = os.path.realpath(repository.top)
    return top == folder and os.path.realpath(repository.shared) == os.path.join(top, ".git")


Namer = Callable[[Path], str]
"""What names the project of a folder that an assistant is to work in."""


def own_name(folder: Path) -> str:
    """Return the name that a folder has by itself, whoever else may have it."""
    return place_of(folder, is_root=True).name


def project_in(installed: Installed, folder: str, named: Namer = own_name) -> str:
    """Name the project of a folder: as it was installed, else by `named`."""
    if not folder:
        return DEFAULT
    known = installed.projects.get(folder)
    return known.name if known else named(Path(folder))


def name_project(
    installed: Installed, scope: Scope, folder: str, given: str | None, named: Namer = own_name
) -> str:
    """Choose the project's name, and record it: what another folder has already gets a short ending.

    Raises InstallError for a name that no project can have.
    """
    if given is not None and not _NAME.fullmatch(given):
        raise InstallError(f"--name {given}: a project has {PROJECT_NAME_IN_WORDS}")
    if not folder:
        return given or DEFAULT
    name = given or project_in(installed, folder, named)
    identity = _identity(folder)
    others = [
        other
        for other, project in installed.projects.items()
        if project.name == name and project.identity != identity and os.path.isdir(other)
    ]
    if others and given is None and name != DEFAULT and folder not in installed.projects:
        name = suffixed(name, place_of(Path(folder), is_root=True).owner)
    installed.projects[folder] = Project(name, identity)
    return name


def _identity(folder: str) -> str:
    """Return what makes a folder one project with others: clones of one remote, and worktrees, are."""
    repository = find_repository(Path(folder))
    if repository is None:
        return folder
    return remote_address(repository) or str(repository.shared)


def context_of(settings: Settings, scope: Scope, folder: str, project: str) -> InstallContext:
    """Return what generated files may speak of. Others' services are where the settings say, one's own where it is."""
    url = settled_address(settings) if scope == "shared" else service_address(settings).url
    # What runs in a container writes into folders of the machine, which has none of its programs.
    has_programs = not settings.published_on
    return InstallContext(
        url=url,
        project=project,
        scope=scope,
        folder=folder,
        stands_alone=stands_alone(folder),
        command=command_for(COMMAND, scope) if has_programs else "",
        hook_command=command_for(HOOK_COMMAND, scope) if has_programs else "",
        has_token=bool(settings.token),
        public_url=settings.public_url,
        system=system(),
        sections=tuple(settings.plugins.sections),
        environment=environment_with({}),
    )


def system() -> System:
    """Name the operating system."""
    named: dict[str, System] = {"darwin": "darwin", "win32": "windows"}
    return named.get(sys.platform, "linux")


def by_path(parts: Iterable[Part]) -> dict[str, list[Part]]:
    """Group parts by the path they are declared with."""
    found: dict[str, list[Part]] = {}
    for part in parts:
        found.setdefault(part.path, []).append(part)
    return found
