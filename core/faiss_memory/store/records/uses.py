"""The ledger: how often memories were of use, by day, assistant, project, memory and event. It is kept for a year."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterable
from datetime import date, timedelta
from threading import Lock

from msgspec import Struct, structs

from faiss_memory.contracts.ledger import Use

KEPT = timedelta(days=366)
MOST_WAITING = 500
LONGEST_WAITING = 60.0
"""Seconds."""


class UseRow(Struct, array_like=True, frozen=True):
    """How often something happened on a day; `memory` is 0 for none.

    `latency` is the upper end of a bucket in milliseconds, 0 where it was not measured.
    """

    day: str
    assistant: str
    project: str
    memory: int
    event: str
    latency: int
    count: int
    tokens: int


class AddUses(Struct, tag="uses", array_like=True, frozen=True):
    """Memories were of use. Unlike the others this adds, so it counts on it that a replay writes no record twice.

    What was counted on a day before `since` is dropped.
    """

    since: str
    rows: tuple[UseRow, ...]

    def apply(self, connection: sqlite3.Connection) -> None:
        """Add to what was counted. A use of a memory that is gone meanwhile counts for none."""
        connection.execute("DELETE FROM uses WHERE day < ?", (self.since,))
        connection.executemany(
            "INSERT INTO uses VALUES (?1, ?2, ?3, coalesce((SELECT id FROM memories WHERE id = ?4), 0), ?5, ?6, ?7, ?8)"
            " ON CONFLICT (day, assistant, project, memory, event, latency) DO UPDATE"
            " SET count = count + excluded.count, tokens = tokens + excluded.tokens",
            [structs.astuple(row) for row in self.rows],
        )

    def without(self, ids: Collection[int]) -> AddUses:
        """Return the same with some memories' column emptied."""
        if not any(row.memory in ids for row in self.rows):
            return self
        rows = (structs.replace(row, memory=0) if row.memory in ids else row for row in self.rows)
        return AddUses(self.since, tuple(rows))


def forget_uses(connection: sqlite3.Connection, memory: int) -> None:
    """Empty the column of a memory that goes; what is counted stays."""
    connection.execute(
        "INSERT INTO uses SELECT day, assistant, project, 0, event, latency, count, tokens FROM uses WHERE memory = ?"
        " ON CONFLICT (day, assistant, project, memory, event, latency) DO UPDATE"
        " SET count = count + excluded.count, tokens = tokens + excluded.tokens",
        (memory,),
    )
    connection.execute("DELETE FROM uses WHERE memory = ?", (memory,))


def read(connection: sqlite3.Connection, since: str) -> list[Use]:
    """Read what was counted since a day, the oldest first."""
    rows = connection.execute(
        "SELECT day, assistant, project, memory, event, latency, count, tokens FROM uses WHERE day >= ? ORDER BY day",
        (since,),
    )
    return [
        Use(
            day=day, assistant=assistant, project=project, memory=memory or None, event=event, latency=latency,
            count=count, tokens=tokens,
        )
        for day, assistant, project, memory, event, latency, count, tokens in rows
    ]  # fmt: skip


class WaitingUses:
    """Uses that are not written yet, the same ones counted together. Any thread may add some."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[tuple[str, str, str, int, str, int], tuple[int, int]] = {}
        self._first = 0.0

    def add(self, uses: Iterable[Use]) -> None:
        """Add uses."""
        with self._lock:
            if not self._counts:
                self._first = time.monotonic()
            for use in uses:
                key = (use.day, use.assistant, use.project, use.memory or 0, use.event, use.latency)
                count, tokens = self._counts.get(key, (0, 0))
                self._counts[key] = (count + use.count, tokens + use.tokens)

    @property
    def are_due(self) -> bool:
        """Whether enough of them wait, or have waited long enough."""
        with self._lock:
            age = time.monotonic() - self._first
            return bool(self._counts) and (len(self._counts) >= MOST_WAITING or age >= LONGEST_WAITING)

    def take(self) -> AddUses | None:
        """Take what waits, to be written; None if nothing does."""
        with self._lock:
            taken, self._counts = self._counts, {}
        rows = tuple(UseRow(*key, *counts) for key, counts in sorted(taken.items()))
        return AddUses(str(date.fromisoformat(max(row.day for row in rows)) - KEPT), rows) if rows else None
