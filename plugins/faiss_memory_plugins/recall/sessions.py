"""What was shown in which session, and how often each hook was answered."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from faiss_memory_plugins.recall.database import Database

KEPT_SECONDS = 7 * 24 * 3600
COUNTS = ("fired", "injected", "nothing", "late", "memories", "tokens")


class Sessions:
    """Reads and writes it; whoever calls holds the lock of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def shown(self, assistant: str, session: str) -> frozenset[int]:
        """Return the ids of the memories shown in a session."""
        if not session:
            return frozenset()
        rows = self._database.read(
            "SELECT memory FROM shown WHERE assistant = ? AND session = ?", (assistant, session)
        )
        return frozenset(memory for (memory,) in rows)

    def note_shown(self, assistant: str, session: str, memories: Iterable[int]) -> None:
        """Remember what was shown."""
        now = int(time.time())
        rows = [(assistant, session, memory, now) for memory in memories]
        if session and rows:
            self._database.write("INSERT OR REPLACE INTO shown VALUES (?, ?, ?, ?)", rows)

    def forget(self, assistant: str, session: str) -> None:
        """The session has lost its context: everything may be shown again."""
        self._database.write("DELETE FROM shown WHERE assistant = ? AND session = ?", [(assistant, session)])

    def forget_old(self) -> None:
        """The sessions of last week are over."""
        for table in ("shown", "begun"):
            self._database.write(f"DELETE FROM {table} WHERE at < ?", [(int(time.time()) - KEPT_SECONDS,)])

    def has_begun(self, assistant: str, session: str) -> bool:
        """Return whether a session was given what it begins with; one without a name counts as if it were."""
        values = (assistant, session)
        return not session or bool(
            self._database.read("SELECT 1 FROM begun WHERE assistant = ? AND session = ?", values)
        )

    def begin(self, assistant: str, session: str) -> None:
        """Remember that it was."""
        if session:
            now = int(time.time())
            self._database.write("INSERT OR REPLACE INTO begun VALUES (?, ?, ?)", [(assistant, session, now)])

    def forget_memories(self, ids: Iterable[int]) -> None:
        """What was corrected may be shown again, and of what is gone nothing stays."""
        self._database.write("DELETE FROM shown WHERE memory = ?", [(memory,) for memory in ids])

    def count(self, assistant: str, project: str, event: str, **counts: int) -> None:
        """Count an answered hook."""
        values = [counts.get(name, 0) for name in COUNTS]
        added = ", ".join(f'"{name}" = "{name}" + excluded."{name}"' for name in COUNTS)
        self._database.write(
            f"INSERT INTO ledger VALUES (?, ?, ?, {', '.join('?' * len(COUNTS))}, ?) ON CONFLICT DO UPDATE SET {added},"
            " last_fired = excluded.last_fired",
            [(assistant, project, event, *values, int(time.time()))],
        )

    def ledger(self) -> list[dict[str, Any]]:
        """Return every count, by assistant, project and event; `last_fired` in seconds since 1970."""
        names = ("assistant", "project", "event", *COUNTS, "last_fired")
        columns = ", ".join(f'"{name}"' for name in names)
        rows = self._database.read(f"SELECT {columns} FROM ledger ORDER BY assistant, project, event")
        return [dict(zip(names, row, strict=True)) for row in rows]
