"""What an install or uninstall is going to do, worked out before anything is written.

An assistant is installed wholly or not at all; others in the same command go on.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from faiss_memory.errors import CannotMerge
from faiss_memory.install.disk import check_writable, missing_folders, read_content
from faiss_memory.install.formats import Content, Part, to_paste, whole_file
from faiss_memory.install.marked_text import IgnoredPaths
from faiss_memory.install.merging import Merged, NotOurs, in_words, with_owner, without_owner
from faiss_memory.install.moves import locate
from faiss_memory.install.record import (
    Change,
    Installed,
    Owner,
    as_recorded,
    digest,
)
from faiss_memory.project_name import Repository, find_repository
from faiss_memory.safe_files import is_below


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that cannot be changed, so that its assistant is left out; `snippet` is what to paste instead."""

    owner: Owner
    path: str
    reason: str
    snippet: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """A file as it is and as it will be."""

    path: str
    before: Content
    after: Content


@dataclass
class Plan:
    """The record and the files as they will be; nothing is written yet."""

    now: Installed
    """What is recorded now."""
    later: Installed = field(init=False)
    refusals: list[Refusal] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """What the person should know before anything is written."""
    _before: dict[str, Content] = field(default_factory=dict)
    _after: dict[str, Content] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.later = copy.deepcopy(self.now)

    def install(self, owner: Owner, files: Mapping[str, Sequence[Part]], force: bool = False) -> bool:
        """Let an assistant have these parts, by declared path, and none that it had before; says if it is possible."""

        def do(draft: Plan) -> None:
            wanted = draft._located(owner, files)
            for path in draft.later.of(owner).keys() - wanted.keys():
                if not _is_exclude(draft.later.of(owner)[path]):
                    draft._take(owner, path, draft.later.of(owner)[path], force)
            for path, parts in wanted.items():
                draft._put(owner, path, parts, force)
            draft._ignore(owner)

        return self._tried(do)

    def uninstall(self, owner: Owner, files: Mapping[str, Sequence[Part]], force: bool = False) -> bool:
        """Let an assistant have nothing; `files` is what it would have, in case nothing is recorded of it."""

        def do(draft: Plan) -> None:
            there = draft.later.of(owner) or {**draft._located(owner, files), **draft._ignored(owner, files)}
            for path, parts in there.items():
                draft._take(owner, path, parts, force)

        return self._tried(do)

    @property
    def edits(self) -> list[Edit]:
        """The files that will change."""
        return [
            Edit(path, self._before[path], after)
            for path, after in self._after.items()
            if after != self._before[path]
        ]

    def changed_of(self, owner: Owner) -> dict[str, list[Part]]:
        """Return what an owner will have in the files that change."""
        changed = {edit.path for edit in self.edits}
        return {path: parts for path, parts in self.later.of(owner).items() if path in changed}

    @property
    def changes_nothing(self) -> bool:
        """Whether there is nothing to write, not even into the record."""
        return not self.edits and self.later == self.now

    def pending(self) -> list[Change]:
        """List what has to be written; files that go come last, when those that others need are there."""
        changes = [
            Change(edit.path, digest(edit.before), edit.after.raw, self.now.files.get(edit.path))
            for edit in self.edits
        ]
        return sorted(changes, key=lambda change: change.after is None)

    def _tried(self, do: Callable[[Plan], None]) -> bool:
        draft = copy.copy(self)
        draft.later = copy.deepcopy(self.later)
        draft.refusals, draft.remarks = [], [*self.remarks]
        draft._before, draft._after = dict(self._before), dict(self._after)
        do(draft)
        if draft.refusals:
            self.refusals += draft.refusals
            return False
        self.later, self.remarks = draft.later, draft.remarks
        self._before, self._after = draft._before, draft._after
        return True

    def _located(self, owner: Owner, files: Mapping[str, Sequence[Part]]) -> dict[str, list[Part]]:
        found: dict[str, list[Part]] = {}
        for declared, parts in files.items():
            try:
                found.setdefault(locate(declared, owner.folder), []).extend(as_recorded(parts))
            except CannotMerge as error:
                self.refusals.append(Refusal(owner, declared, str(error), whole_file(parts)))
        return found

    def _put(self, owner: Owner, path: str, parts: Sequence[Part], force: bool) -> None:
        self._change(owner, path, parts, partial(with_owner, owner=owner, parts=parts, force=force))

    def _take(self, owner: Owner, path: str, parts: Sequence[Part], force: bool) -> None:
        self._change(owner, path, parts, partial(without_owner, owner=owner, parts=parts, force=force))

    def _change(self, owner: Owner, path: str, parts: Sequence[Part], change: Callable[..., Merged]) -> None:
        record, content = self.later.files.get(path), Content(None)
        try:
            content = self._content(path)
            merged = change(content, record)
            if merged.content != content:
                check_writable(Path(path))
        except CannotMerge as error:
            if isinstance(error, NotOurs) and all(getattr(part, "spared", False) for part in parts):
                self.remarks.append(f"{path} was left out, and the rest is installed: {error}")
                return
            self.refusals.append(Refusal(owner, path, str(error), to_paste(content, parts)))
            return
        self._after[path] = merged.content
        self._keep(path, merged)
        if record is None and merged.content.raw is None:  # whose folders are not recorded either
            self.later.folders += _folders_above(path, owner.folder)
        for part in merged.edited:
            name = in_words(part)
            self.remarks.append(
                f"{path}: {name} was edited since, and stays as it is; --force overrides that"
            )
        if merged.structural and merged.content != content:
            self.remarks.append(f"{path}: it was edited since, so only our own part was removed")

    def _keep(self, path: str, merged: Merged) -> None:
        if merged.record is None:
            self.later.files.pop(path, None)
        else:
            self.later.files[path] = merged.record
        if merged.content.raw is not None:
            more = [folder for folder in missing_folders(Path(path)) if folder not in self.later.folders]
            self.later.folders += more

    def _content(self, path: str) -> Content:
        if path not in self._after:
            if (found := os.path.realpath(path)) != path:
                raise CannotMerge(f"it has become a link since, and leads out of the project, to {found}")
            self._before[path] = self._after[path] = read_content(Path(path))
        return self._after[path]

    def _ignore(self, owner: Owner) -> None:
        """Keep the personal files that we made out of the repository, through git's own list."""
        repository = _repository(owner)
        if repository is None:
            return
        path, there = _exclude_file(repository), self.later.of(owner)
        made = [file for file in there if self.later.files[file].original is None]
        patterns = tuple(sorted(_patterns(made, repository)))
        before = len(self.refusals)
        if patterns:
            self._put(owner, path, [IgnoredPaths(path, patterns)], force=False)
        elif path in there:
            self._take(owner, path, there[path], force=False)
        for refusal in self.refusals[before:]:
            self.remarks.append(f"{path}: {refusal.reason}; git shows the new files as untracked")
        del self.refusals[before:]

    def _ignored(self, owner: Owner, files: Mapping[str, Sequence[Part]]) -> dict[str, list[Part]]:
        """Return what would stand in git's list of an owner that nothing is recorded of."""
        repository = _repository(owner)
        if repository is None or self.refusals:
            return {}
        path = _exclude_file(repository)
        patterns = _patterns((locate(declared, owner.folder) for declared in files), repository)
        return {path: [IgnoredPaths(path, (pattern,)) for pattern in sorted(patterns)]}


def _repository(owner: Owner) -> Repository | None:
    return find_repository(Path(owner.folder)) if owner.scope == "personal" else None


def _exclude_file(repository: Repository) -> str:
    return os.path.realpath(repository.shared / "info" / "exclude")


def _patterns(paths: Iterable[str], repository: Repository) -> set[str]:
    """Name files as git's list does: from the top of the repository on."""
    top = os.path.realpath(repository.top)
    found = set()
    for path in paths:
        if is_below(path, top) and not is_below(path, os.path.realpath(repository.shared)):
            relative = Path(path).relative_to(top).as_posix()
            found.add("/" + "".join(f"\\{letter}" if letter in "\\*?[ " else letter for letter in relative))
    return found


def _folders_above(path: str, folder: str) -> list[str]:
    """List the folders that lead to a file, the project's or the home folder left out."""
    top = os.path.realpath(folder or Path.home())
    return [str(above) for above in Path(path).parents if is_below(str(above), top)]


def _is_exclude(parts: Sequence[Part]) -> bool:
    return any(isinstance(part, IgnoredPaths) for part in parts)
