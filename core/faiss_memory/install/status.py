"""How the files stand that are recorded: as installed, edited, outdated, or missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from faiss_memory.contracts.config_files import (
    MARK,
    InstallContext,
    JsonDefault,
    JsonMember,
    OwnFile,
    TomlTable,
    YamlDefault,
    YamlMember,
)
from faiss_memory.errors import CannotMerge, InstallError
from faiss_memory.install.assistants import Assistants
from faiss_memory.install.disk import read_content, tracked
from faiss_memory.install.formats import Content, Part, state
from faiss_memory.install.marked_text import IgnoredPaths
from faiss_memory.install.merging import is_edited
from faiss_memory.install.moves import locate
from faiss_memory.install.places import by_path, context_of, project_in
from faiss_memory.install.record import FileRecord, Installed, Owner, as_recorded
from faiss_memory.project_name import find_repository
from faiss_memory.settings import Settings

FileState = Literal["installed", "edited", "outdated", "missing", "unreadable", "kept", "yours"]
"""`kept` is what an uninstall has left, because the person had edited it; `yours` a file of theirs in our place."""


@dataclass(frozen=True, slots=True)
class OwnedFile:
    """A file and how it stands."""

    path: str
    state: FileState


@dataclass(frozen=True, slots=True)
class InstalledAssistant:
    """An assistant in one place, its files, what is ours in them, and what the person still has to do."""

    owner: Owner
    title: str
    project: str
    files: Sequence[OwnedFile]
    steps: Sequence[str]
    parts: Mapping[str, Sequence[Part]]
    is_recorded: bool = True
    """Whether it was installed from here; else others have committed the files."""

    @property
    def is_left_over(self) -> bool:
        """Whether it was uninstalled, and only what the person had edited is there."""
        return bool(self.files) and all(file.state == "kept" for file in self.files)


def report(
    installed: Installed, assistants: Assistants, settings: Settings, folder: str = ""
) -> list[InstalledAssistant]:
    """Look at every file that is recorded, and at what others have committed in a folder; nothing is changed."""
    found = [_recorded(installed, owner, assistants, settings) for owner in installed.owners()]
    return [*found, *(_committed(installed, folder, assistants, settings) if folder else ())]


def conflicts(owners: Collection[Owner]) -> list[str]:
    """Return which assistants are installed more than once for one folder: each of them is in force there."""
    return [
        f"{mine.assistant} is installed {_in_words(mine)}, and also {_in_words(other)}: both are in force there, and "
        f"memories may come twice. Keep one: `faiss-memory uninstall {mine.assistant}{mine.options}`, or "
        f"`faiss-memory uninstall {other.assistant}{other.options}`"
        for mine in sorted(owners)
        for other in sorted(owners)
        if mine.assistant == other.assistant
        and (
            (mine.scope == "personal" and other.scope == "shared" and mine.folder == other.folder)
            or (mine.scope != "user" and other.scope == "user")
        )
    ]


def _in_words(owner: Owner) -> str:
    if owner.scope == "user":
        return "for all projects"
    return f"in {owner.folder} for {'yourself' if owner.scope == 'personal' else 'everybody'}"


def _recorded(
    installed: Installed, owner: Owner, assistants: Assistants, settings: Settings
) -> InstalledAssistant:
    project = project_in(installed, owner.folder)
    context = context_of(settings, owner.scope, owner.folder, project)
    wanted: dict[str, list[Part]] | None = None
    steps: Sequence[str] = ()
    with suppress(
        InstallError
    ):  # its adapter is gone, or is disabled: nothing can be newer than what is there
        wanted = _located(owner, assistants, context)
        steps = assistants.steps(owner.assistant, context)
    there, kept = installed.of(owner), installed.left_of(owner)
    if kept and kept.keys() == there.keys():
        wanted, steps = None, ()
    files = [
        OwnedFile(
            path,
            "kept" if path in kept else _state(installed.files[path], path, parts, wanted),
        )
        for path, parts in sorted(there.items())
        if not any(isinstance(part, IgnoredPaths) for part in parts)
    ]
    files += [
        OwnedFile(path, _without_us(path, parts))
        for path, parts in (wanted or {}).items()
        if path not in there
    ]
    return InstalledAssistant(owner, assistants.title(owner.assistant), project, files, steps, there)


def _committed(
    installed: Installed, folder: str, assistants: Assistants, settings: Settings
) -> list[InstalledAssistant]:
    """Recognise what others have committed: what git tracks, or where git cannot say, what is there wholly.

    Of several assistants that have the same files, one is enough.
    """
    repository = find_repository(Path(folder))
    project = project_in(installed, folder)
    context = context_of(settings, "shared", folder, project)
    candidates = []
    for name, adapter in assistants.adapters.items():
        owner = Owner(name, "shared", folder)
        if "shared" not in adapter.scopes or owner in installed.owners():
            continue
        with suppress(CannotMerge):
            located = _located(owner, assistants, context)
            parts = {path: some for path, some in located.items() if path not in installed.files}
            there = {path for path, some in parts.items() if any(_is_recognised(path, part) for part in some)}
            whole = all(_committed_state(path, some) == "installed" for path, some in parts.items())
            if there and (whole or (repository is not None and tracked(repository, there))):
                candidates.append((len(parts) - len(there), -len(there), owner, parts, there))
    found, known = [], set[str]()
    for _, _, owner, parts, there in sorted(candidates, key=lambda candidate: candidate[:3]):
        if there <= known:
            continue
        known |= there
        files = [OwnedFile(path, _committed_state(path, some)) for path, some in sorted(parts.items())]
        steps = assistants.steps(owner.assistant, context)
        found.append(
            InstalledAssistant(owner, assistants.title(owner.assistant), project, files, steps, parts, False)
        )
    return found


def _is_recognised(path: str, part: Part) -> bool:
    """Return whether a part is there: an entry by its name, anything else as it would be written."""
    try:
        found = state(read_content(Path(path)), part)
    except CannotMerge:
        return False
    named = isinstance(part, JsonMember | TomlTable | YamlMember) and MARK in part.keys
    return (found == "same" and not isinstance(part, JsonDefault | YamlDefault)) or (
        named and found == "other"
    )


def _committed_state(path: str, parts: Sequence[Part]) -> FileState:
    try:
        content = read_content(Path(path))
        found = {state(content, part) for part in parts}
    except CannotMerge:
        return "unreadable"
    if "absent" in found:
        return "missing"
    return "outdated" if "other" in found else "installed"


def _without_us(path: str, parts: Sequence[Part]) -> FileState:
    """Return how a file stands that nothing of ours is recorded in."""
    if all(isinstance(part, OwnFile) and part.spared for part in parts) and Path(path).exists():
        return "yours"
    return "missing"


def _located(owner: Owner, assistants: Assistants, context: InstallContext) -> dict[str, list[Part]]:
    found: dict[str, list[Part]] = {}
    for declared, parts in by_path(assistants.files(owner.assistant, context)).items():
        found.setdefault(locate(declared, owner.folder), []).extend(as_recorded(parts))
    return found


def _state(
    record: FileRecord, path: str, parts: Sequence[Part], wanted: dict[str, list[Part]] | None
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
    if wanted is not None and [_written(part) for part in wanted.get(path, [])] != [
        _written(part) for part in parts
    ]:
        return "outdated"
    return "installed"


def _written(part: Part) -> Part:
    """Return a part without what only says how it is installed."""
    return replace(part, spared=False, filled_from="") if isinstance(part, OwnFile) else part


def _is_gone(content: Content, part: Part) -> bool:
    return state(content, part) == "absent"
