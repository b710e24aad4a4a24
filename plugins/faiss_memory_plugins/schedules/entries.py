"""What is scheduled and how it ended: the list in the data folder, which outlives a restart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, structs

from faiss_memory import (
    InvalidRequest,
    Settings,
    StoreError,
    decode_strictly,
    located,
    read_file,
    write_file,
)
from faiss_memory_plugins.schedules.messages import LastRun, Name
from faiss_memory_plugins.schedules.settings import SchedulesSettings
from faiss_memory_plugins.schedules.times import next_after, zone_named

FILE = "schedules.json"
MOST = 100


class Entry(Struct, kw_only=True):
    """A job and when it is done. What was due up to `settled` has been done, or was never asked for."""

    name: Name
    job: Annotated[str, Meta(max_length=64)]
    cron: Annotated[str, Meta(max_length=200)]
    settled: Annotated[datetime, Meta(tz=True)]
    zone: Annotated[str, Meta(max_length=64)] = ""
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    by: Literal["add", "settings"] = "add"
    last: LastRun | None = None
    is_foreign: bool = False
    """It came from another machine, and it is not known yet whether it can be done here."""

    def asks_the_same_as(self, other: Entry) -> bool:
        """Return whether the same is done at the same times."""
        return (self.job, self.cron, self.zone, self.options) == (
            other.job,
            other.cron,
            other.zone,
            other.options,
        )


def merged(
    present: Mapping[str, Entry], restored: Sequence[Entry], now: datetime, default_zone: str, *, is_own: bool
) -> tuple[dict[str, Entry], list[str]]:
    """Put restored schedules beside those that are there; returns all of them, and what stays behind, with reasons.

    Of two of a name the restored one counts, but those of the configuration are this machine's. What came due
    before now is not made up for.
    """
    found, left = dict(present), []
    for entry in restored:
        before = found.get(entry.name)
        if entry.by == "settings":
            if not is_own:
                left.append(
                    f"schedule `{entry.name}` was in the configuration there; put it into the one here"
                )
        elif before is not None and before.by == "settings":
            left.append(f"schedule `{entry.name}` is in the configuration here, which counts")
        elif before is None and len(found) >= MOST:
            left.append(f"schedule `{entry.name}`: there are {MOST} schedules, which is the most")
        elif before is None or not before.asks_the_same_as(entry):
            try:
                next_after(entry.cron, now.astimezone(zone_named(entry.zone or default_zone)))
            except InvalidRequest as error:
                left.append(f"schedule `{entry.name}`: {error}")
                continue
            last = entry.last if is_own else None
            found[entry.name] = structs.replace(entry, settled=now, last=last, is_foreign=not is_own)
    return found, left


class EntryList:
    """The file that holds them, which goes along with backups.

    Raises StoreError where it cannot be read or written.
    """

    name = FILE

    def __init__(self, settings: Settings) -> None:
        self._path = settings.data_folder / FILE
        self._zone = settings.of(SchedulesSettings).zone
        self.keeper: Callable[[Sequence[Entry], bool], Sequence[str]] | None = None
        """Who takes over what is restored, as soon as somebody keeps the time."""

    def check(self, content: bytes) -> None:
        """Raise ValueError for what is no list of schedules."""
        self._read(content)

    def take_over(self, content: bytes, *, is_own: bool) -> Sequence[str]:
        """Go on with restored schedules beside those that are there."""
        restored = self._read(content)
        if self.keeper is not None:
            return self.keeper(restored, is_own)
        present = {entry.name: entry for entry in self.load()}
        found, left = merged(present, restored, datetime.now(UTC), self._zone, is_own=is_own)
        self.save([*found.values()])
        return left

    @staticmethod
    def _read(content: bytes) -> list[Entry]:
        entries: list[Entry] = decode_strictly(content, Annotated[list[Entry], Meta(max_length=MOST)])
        if len({entry.name for entry in entries}) < len(entries):
            raise ValueError("it gives two schedules one name")
        return entries

    def load(self) -> list[Entry]:
        """Return what is scheduled."""
        try:
            return self._read(read_file(located(self._path)))
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
