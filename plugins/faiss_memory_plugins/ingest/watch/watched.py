"""Which folders are watched: the list in the data folder, which outlives a restart."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, structs

from faiss_memory import (
    SHARED_FOLDER,
    KeptList,
    ProjectName,
    Settings,
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


class WatchedList(KeptList[Watched]):
    """The file that holds them."""

    name = FILE
    called = "the list of watched folders"
    kind = list[Watched]

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.data_folder)
        self._settings = settings

    @property
    def roots(self) -> Roots:
        """The folders that may be read, their links as they are now."""
        return Roots.of(self._settings.of(IngestSettings).roots)

    def merged(self, restored: Sequence[Watched], *, is_own: bool) -> tuple[list[Watched], list[str]]:
        """Watch what a restored backup says beside what is watched."""
        return merged(self.load(), restored, self.roots, is_own=is_own)

    def check_items(self, items: Sequence[Watched]) -> None:
        """Raise ValueError for a path that nobody has resolved."""
        for each in items:
            if not os.path.isabs(each.path) or "\0" in each.path:
                raise ValueError(f"{each.path[:200]!r} is no absolute path")
