"""Which folders are watched: the list in the data folder, which outlives a restart."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, structs

from faiss_memory import (
    SHARED_FOLDER,
    ProjectName,
    Settings,
    StoreError,
    decode_strictly,
    located,
    read_file,
    write_file,
)
from faiss_memory_plugins.ingest.settings import IngestSettings
from faiss_memory_plugins.ingest.sources import Roots

FILE = "watches.json"
MOST = 100
"""Watches; each has a thread."""


class Watched(Struct, kw_only=True):
    """A folder, its links resolved, and the project it is built into; null as long as that is not known."""

    inside: dict[str, str] = {}
    """What was mounted inside it since then, by the place."""

    path: Annotated[str, Meta(max_length=4096)]
    project: ProjectName | None = None
    by: Literal["add", "settings"] = "add"
    volume: str = ""
    """What it lay on when somebody last said that it is right; empty where that is not known."""


def merged(
    present: Sequence[Watched], restored: Sequence[Watched], roots: Roots, *, is_own: bool
) -> tuple[list[Watched], list[str]]:
    """Put restored watches beside those that are there; returns all of them, and what stays behind, with reasons.

    From another machine come only folders that are there and may be read, and nothing of what they lay on. That
    somebody trusted a shared folder is for the person here to say again.
    """
    found, left = list(present), []
    for each in restored:
        if each.by == "settings":
            if not is_own:
                left.append(f"{each.path} was watched by the configuration there; put it into the one here")
        elif any((one.path, one.project) == (each.path, each.project) for one in found):
            continue
        elif reason := _reason_against(each.path, roots, is_own=is_own):
            left.append(f"{each.path} is not watched: {reason}")
        elif len(found) >= MOST:
            left.append(f"{each.path} is not watched: {MOST} folders are, which is the most")
        else:
            found.append(each if is_own else structs.replace(each, volume="", inside={}))
    return found, left


def _reason_against(path: str, roots: Roots, *, is_own: bool) -> str:
    if not roots.hold(path):
        return "it lies outside the folders that may be read (setting plugins.ingest.roots)"
    if is_own:
        return ""
    if os.path.realpath(path) != path or not os.path.isdir(path):
        return "there is no such folder on this machine"
    if SHARED_FOLDER in Path(path).parts:
        return "nobody on this machine has trusted it; look at it, and then say `faiss-memory share --trust` there"
    return ""


class WatchedList:
    """The file that holds them, which goes along with backups.

    Raises StoreError where it cannot be read or written.
    """

    name = FILE

    def __init__(self, settings: Settings) -> None:
        self._path = settings.data_folder / FILE
        self._settings = settings
        self.watches: Callable[[Sequence[Watched], bool], Sequence[str]] | None = None
        """Who takes over what is restored, as soon as somebody watches."""

    @property
    def roots(self) -> Roots:
        """The folders that may be read, their links as they are now."""
        return Roots.of(self._settings.of(IngestSettings).roots)

    def check(self, content: bytes) -> None:
        """Raise ValueError for what is no list of watched folders."""
        self._read(content)

    def take_over(self, content: bytes, *, is_own: bool) -> Sequence[str]:
        """Watch what a restored backup says beside what is watched."""
        restored = self._read(content)
        if self.watches is not None:
            return self.watches(restored, is_own)
        found, left = merged(self.load(), restored, self.roots, is_own=is_own)
        self.save(found)
        return left

    @staticmethod
    def _read(content: bytes) -> list[Watched]:
        found: list[Watched] = decode_strictly(content, list[Watched])
        for each in found:
            if not os.path.isabs(each.path) or "\0" in each.path:
                raise ValueError(f"{each.path[:200]!r} is no absolute path")
        return found

    def load(self) -> list[Watched]:
        """Return what is watched."""
        try:
            return self._read(read_file(located(self._path)))
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{self._path}, the list of watched folders, cannot be read ({error}). Remove it and add them again"
            ) from error

    def save(self, watched: Sequence[Watched]) -> None:
        """Write what is watched, durably."""
        try:
            write_file(located(self._path), msgspec.json.format(msgspec.json.encode(watched)), private=True)
        except OSError as error:
            raise StoreError(
                f"{self._path}, the list of watched folders, cannot be written ({error.strerror or error}). Nothing "
                "was changed"
            ) from error
