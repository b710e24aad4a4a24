"""Which folders are watched: the list in the data folder, which outlives a restart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from faiss_memory import StoreError, located, read_file, write_file

FILE = "watches.json"


class Watched(Struct, kw_only=True):
    """A folder, its links resolved, and the project it is built into; null as long as that is not known."""

    inside: dict[str, str] = {}
    """What was mounted inside it since then, by the place."""

    path: str
    project: str | None = None
    by: Literal["add", "settings"] = "add"
    volume: str = ""
    """What it lay on when somebody last said that it is right; empty where that is not known."""


class WatchedList:
    """The file that holds them. Raises StoreError where it cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def load(self) -> list[Watched]:
        """Return what is watched."""
        try:
            return msgspec.json.decode(read_file(located(self._path)), type=list[Watched])
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
