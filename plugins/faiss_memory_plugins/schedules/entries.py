"""What is scheduled and how it ended: the list in the data folder, which outlives a restart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, structs

from faiss_memory import (
    InvalidRequest,
    KeptList,
    Settings,
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


class EntryList(KeptList[Entry]):
    """The file that holds them."""

    name = FILE
    called = "the list of schedules"
    kind = Annotated[list[Entry], Meta(max_length=MOST)]

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.data_folder)
        self._zone = settings.of(SchedulesSettings).zone

    def merged(self, restored: Sequence[Entry], *, is_own: bool) -> tuple[list[Entry], list[str]]:
        """Go on with restored schedules beside those that are there."""
        present = {entry.name: entry for entry in self.load()}
        found, left = merged(present, restored, datetime.now(UTC), self._zone, is_own=is_own)
        return [*found.values()], left

    def check_items(self, items: Sequence[Entry]) -> None:
        """Raise ValueError for two of one name."""
        if len({entry.name for entry in items}) < len(items):
            raise ValueError("it gives two schedules one name")
