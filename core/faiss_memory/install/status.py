"""How the files stand that are recorded: as installed, edited, outdated, or missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faiss_memory.contracts.config_files import InstallContext
from faiss_memory.errors import CannotMerge, InstallError
from faiss_memory.install.assistants import Assistants
from faiss_memory.install.disk import read_content
from faiss_memory.install.formats import Content, Part, state
from faiss_memory.install.installer import by_path, context_of
from faiss_memory.install.marked_text import IgnoredPaths
from faiss_memory.install.merging import is_edited
from faiss_memory.install.places import project_in
from faiss_memory.install.plan import locate
from faiss_memory.install.record import FileRecord, Installed, Owner, as_recorded, stored
from faiss_memory.settings import Settings

FileState = Literal["installed", "edited", "outdated", "missing", "unreadable"]


@dataclass(frozen=True, slots=True)
class OwnedFile:
    """A file and how it stands."""

    path: str
    state: FileState


@dataclass(frozen=True, slots=True)
class InstalledAssistant:
    """An assistant in one place, its files, and what the person still has to do."""

    owner: Owner
    title: str
    project: str
    files: Sequence[OwnedFile]
    steps: Sequence[str]


def report(installed: Installed, assistants: Assistants, settings: Settings) -> list[InstalledAssistant]:
    """Look at every file that is recorded; nothing is changed."""
    found = []
    for owner in installed.owners():
        project = project_in(installed, owner.folder)
        context = context_of(settings, owner.scope, owner.folder, project)
        try:
            wanted = _located(owner, assistants, context)
            steps = assistants.steps(owner.assistant, context)
        except InstallError:  # its adapter is gone, or is disabled: nothing can be newer than what is there
            wanted, steps = None, ()
        files = [
            OwnedFile(path, _state(installed.files[path], owner, path, parts, wanted))
            for path, parts in sorted(installed.of(owner).items())
            if not any(isinstance(part, IgnoredPaths) for part in parts)
        ]
        missing = [path for path in wanted or {} if path not in installed.of(owner)]
        files += [OwnedFile(path, "missing") for path in missing]
        found.append(InstalledAssistant(owner, assistants.title(owner.assistant), project, files, steps))
    return found


def _located(owner: Owner, assistants: Assistants, context: InstallContext) -> dict[str, list[Part]]:
    found: dict[str, list[Part]] = {}
    for declared, parts in by_path(assistants.files(owner.assistant, context)).items():
        found.setdefault(locate(declared, owner.folder), []).extend(as_recorded(parts))
    return found


def _state(
    record: FileRecord, owner: Owner, path: str, parts: Sequence[Part], wanted: dict[str, list[Part]] | None
) -> FileState:
    try:
        content = read_content(Path(path))
        if content.raw is None:
            return "missing"
        if any(is_edited(content, record, part) for part in parts):
            return "edited"
        if any(_is_gone(content, part) for part in parts):
            return "missing"
    except CannotMerge:
        return "unreadable"
    if wanted is not None and [stored(part) for part in wanted.get(path, [])] != [
        stored(part) for part in parts
    ]:
        return "outdated"
    return "installed"


def _is_gone(content: Content, part: Part) -> bool:
    return state(content, part) == "absent"
