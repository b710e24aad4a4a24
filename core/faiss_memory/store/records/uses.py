"""The ledger: how often memories were of use, by day, assistant, project, memory and event. It is kept for a year."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from datetime import date

from msgspec import Struct, structs

from faiss_memory.contracts.ledger import USES_KEPT, Use, UseCounts


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


def to_add(counts: UseCounts) -> AddUses | None:
    """Return the operation that adds what was counted; None if nothing was."""
    rows = tuple(UseRow(*key, *value) for key, value in sorted(counts.items()))
    return AddUses(str(date.fromisoformat(max(row.day for row in rows)) - USES_KEPT), rows) if rows else None
