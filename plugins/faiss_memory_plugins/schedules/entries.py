"""What is scheduled and how it ended: the list in the data folder, which outlives a restart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from faiss_memory import StoreError, located, read_file, write_file
from faiss_memory_plugins.schedules.messages import LastRun

FILE = "schedules.json"


class Entry(Struct, kw_only=True):
    """A job and when it is done. What was due up to `settled` has been done, or was never asked for."""

    name: str
    job: str
    cron: str
    settled: datetime
    zone: str = ""
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    by: Literal["add", "settings"] = "add"
    last: LastRun | None = None

    def asks_the_same_as(self, other: Entry) -> bool:
        """Return whether the same is done at the same times."""
        return (self.job, self.cron, self.zone, self.options) == (
            other.job,
            other.cron,
            other.zone,
            other.options,
        )


class EntryList:
    """The file that holds them. Raises StoreError where it cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def load(self) -> list[Entry]:
        """Return what is scheduled."""
        try:
            return msgspec.json.decode(read_file(located(self._path)), type=list[Entry])
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{self._path}, the list of schedules, cannot be read ({error}). Remove it and add them again"
            ) from error

    def save(self, entries: Sequence[Entry]) -> None:
        """Write what is scheduled, durably."""
        try:
            write_file(located(self._path), msgspec.json.format(msgspec.json.encode(entries)), private=True)
        except OSError as error:
            raise StoreError(
                f"{self._path}, the list of schedules, cannot be written ({error.strerror or error})"
            ) from error
