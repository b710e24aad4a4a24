"""Listing the files of a source, with a reason for each that is left out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from faiss_memory import NotAFile, entries_of
from faiss_memory_plugins.ingest.documents import is_known, is_shared
from faiss_memory_plugins.ingest.ignoring import Rules, TooMany
from faiss_memory_plugins.ingest.sources import Roots, Source, components, is_below

LONGEST_PATH = 3000
"""Characters; a memory's source also holds the heading and must stay below 4096."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to read, or one that is left out, with the reason."""

    path: str
    left_out: str = ""
    unreadable: bool = False
    """Whether it is a folder that could not be looked into."""


def list_files(
    source: Source, roots: Roots, rules: Rules, enter: Callable[[str], None] = lambda _: None
) -> Iterator[Entry]:
    """Yield every file of a source in order of name; a folder that is left out is one entry, and ends with a slash.

    `enter` is told each folder before it is read, and may raise, to end the listing.
    """
    root = roots.around(source.root) or source.root
    if rules.is_secret(components(source.root, root)):
        yield Entry(source.root, "it may hold a secret (setting plugins.ingest.secrets)")
    elif os.path.isdir(source.root):
        try:
            around = rules.around(source.root)
        except TooMany as error:
            yield Entry(f"{source.root}/", str(error))
        else:
            yield from _Walk(source, roots, enter).below(source.root, around)
    else:
        yield Entry(source.root)


@dataclass(frozen=True, slots=True)
class _Found:
    """An entry of a folder, with what it was when the folder was listed."""

    name: str
    path: str
    is_folder: bool
    is_file: bool
    is_link: bool


@dataclass(frozen=True, slots=True)
class _Folder:
    entries: Iterator[_Found]
    place: tuple[str, ...]
    """Its components below the source's root."""
    rules: Rules


class _Walk:
    def __init__(self, source: Source, roots: Roots, enter: Callable[[str], None]) -> None:
        self._source = source
        self._roots = roots
        self._told = enter
        self._folders: list[_Folder] = []

    def below(self, folder: str, rules: Rules) -> Iterator[Entry]:
        """Walk a folder without recursion: a tree may be deeper than Python's stack."""
        yield from self._enter(folder, (), rules)
        while self._folders:
            entry = next(self._folders[-1].entries, None)
            if entry is None:
                self._folders.pop()
                continue
            inside = self._folders[-1]
            below = (*inside.place, entry.name)
            reason = _reason_of_name(entry)
            if reason or not entry.is_folder:
                yield from self._file(entry, below, inside.rules, reason)
            elif self._source.leads(below):
                yield from self._inner(entry.path, below, inside.rules)

    def _inner(self, folder: str, place: tuple[str, ...], rules: Rules) -> Iterator[Entry]:
        reason = rules.reason_against(folder, place, is_folder=True)
        if not reason:
            try:
                rules = rules.inside(folder)
            except TooMany as error:
                reason = str(error)
        if reason:
            yield Entry(f"{folder}/", reason)
        else:
            yield from self._enter(folder, place, rules)

    def _enter(self, folder: str, place: tuple[str, ...], rules: Rules) -> Iterator[Entry]:
        self._told(folder)
        try:
            with entries_of(Path(folder)) as found:
                entries = sorted((_found(folder, entry) for entry in found), key=lambda entry: entry.name)
        except NotAFile:
            yield Entry(f"{folder}/", "the folder has become a link")
        except OSError as error:
            yield Entry(f"{folder}/", f"the folder cannot be read ({os.strerror(error.errno or 0)})", True)
        else:
            self._folders.append(_Folder(iter(entries), place, rules))

    def _file(self, entry: _Found, below: tuple[str, ...], rules: Rules, reason: str) -> Iterator[Entry]:
        if not self._source.takes(below):
            return
        path = entry.path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        reason = (
            reason
            or rules.reason_against(entry.path, below, is_folder=False)
            or (self._reason_of_link(entry, rules) if entry.is_link else _reason_of_kind(entry))
        )
        if not reason and not is_known(entry.name) and not self._source.names(entry.path):
            suffix = os.path.splitext(entry.name)[1]
            what = (
                f"*{suffix} is not among the kinds of file" if suffix else "it is not among the kinds of file"
            )
            reason = f"{what} that are read by default; name it, or a glob such as *{suffix}"
        yield Entry(path, reason)

    def _reason_of_link(self, entry: _Found, rules: Rules) -> str:
        if is_shared(entry.path):
            return "a link; what is shared is a file of its own"
        target = os.path.realpath(entry.path)
        root = self._roots.around(target)
        if root is None:
            return "a link that leads outside the folders that may be read (setting plugins.ingest.roots)"
        if os.path.isdir(target):
            return "a link to a folder; name that folder as a source to read it"
        if not os.path.isfile(target):
            return "a link that leads to no file"
        if is_below(target, self._source.root):
            return f"a link to {target}, which is read itself"
        return (
            "it may hold a secret (setting plugins.ingest.secrets)"
            if rules.is_secret(components(target, root))
            else ""
        )


def _found(folder: str, entry: os.DirEntry[str]) -> _Found:
    return _Found(
        entry.name,
        os.path.join(folder, entry.name),
        entry.is_dir(follow_symlinks=False),
        entry.is_file(follow_symlinks=False),
        entry.is_symlink(),
    )


def _reason_of_name(entry: _Found) -> str:
    try:
        entry.path.encode()
    except UnicodeEncodeError:
        return "its name is not valid UTF-8; rename it to have it read"
    if len(entry.path) > LONGEST_PATH:
        return f"its path is longer than {LONGEST_PATH:,} characters"
    return ""


def _reason_of_kind(entry: _Found) -> str:
    return "" if entry.is_file else "not a file that holds text (a pipe, socket or device)"
