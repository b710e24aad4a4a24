"""What was shown in which session, and how often each hook was answered: `recall.db` in the data folder.

Nothing of it is needed: a file that cannot be read is made anew, and a session is shown a note a second time.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import Any

log = logging.getLogger("faiss_memory.recall")

KEPT_SECONDS = 7 * 24 * 3600
_TABLES = """
CREATE TABLE IF NOT EXISTS shown (
    assistant TEXT, session TEXT, memory INTEGER, at INTEGER,
    PRIMARY KEY (assistant, session, memory)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS shown_by_memory ON shown (memory);
CREATE TABLE IF NOT EXISTS ledger (
    assistant TEXT, project TEXT, event TEXT,
    fired INTEGER, injected INTEGER, "nothing" INTEGER, late INTEGER, memories INTEGER, tokens INTEGER,
    last_fired INTEGER,
    PRIMARY KEY (assistant, project, event)
) WITHOUT ROWID;
"""
COUNTS = ("fired", "injected", "nothing", "late", "memories", "tokens")


class Sessions:
    """One connection, one call at a time. What cannot be written is logged and costs nothing else."""

    def __init__(self, path: Path) -> None:
        self.lock = Lock()
        """Held from reading what was shown to writing what is shown now: two hooks may ask at once."""
        self._path = path
        self._connection = _opened(path)

    def shown(self, assistant: str, session: str) -> frozenset[int]:
        """Give the ids of the memories shown in a session."""
        if not session:
            return frozenset()
        rows = self._read(
            "SELECT memory FROM shown WHERE assistant = ? AND session = ?", (assistant, session)
        )
        return frozenset(memory for (memory,) in rows)

    def note_shown(self, assistant: str, session: str, memories: Iterable[int]) -> None:
        """Remember what was shown."""
        now = int(time.time())
        rows = [(assistant, session, memory, now) for memory in memories]
        if session and rows:
            self._write("INSERT OR REPLACE INTO shown VALUES (?, ?, ?, ?)", rows)

    def forget(self, assistant: str, session: str) -> None:
        """The session has lost its context: everything may be shown again."""
        self._write("DELETE FROM shown WHERE assistant = ? AND session = ?", [(assistant, session)])

    def forget_old(self) -> None:
        """The sessions of last week are over."""
        self._write("DELETE FROM shown WHERE at < ?", [(int(time.time()) - KEPT_SECONDS,)])

    def forget_memories(self, ids: Iterable[int]) -> None:
        """What was corrected may be shown again, and of what is gone nothing stays."""
        self._write("DELETE FROM shown WHERE memory = ?", [(memory,) for memory in ids])

    def count(self, assistant: str, project: str, event: str, **counts: int) -> None:
        """Count an answered hook."""
        values = [counts.get(name, 0) for name in COUNTS]
        added = ", ".join(f'"{name}" = "{name}" + excluded."{name}"' for name in COUNTS)
        self._write(
            f"INSERT INTO ledger VALUES (?, ?, ?, {', '.join('?' * len(COUNTS))}, ?) ON CONFLICT DO UPDATE SET {added},"
            " last_fired = excluded.last_fired",
            [(assistant, project, event, *values, int(time.time()))],
        )

    def ledger(self) -> list[dict[str, Any]]:
        """Give every count, by assistant, project and event; `last_fired` in seconds since 1970."""
        names = ("assistant", "project", "event", *COUNTS, "last_fired")
        columns = ", ".join(f'"{name}"' for name in names)
        rows = self._read(f"SELECT {columns} FROM ledger ORDER BY assistant, project, event", ())
        return [dict(zip(names, row, strict=True)) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _read(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            self._begin_anew(error)
            return []

    def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        try:
            with self._connection:
                self._connection.executemany(statement, rows)
        except sqlite3.OperationalError as error:
            log.warning("%s could not be written: %s", self._path, error)
        except sqlite3.Error as error:
            self._begin_anew(error)

    def _begin_anew(self, error: sqlite3.Error) -> None:
        log.warning("%s could not be read and is made anew: %s", self._path, error)
        self._connection.close()
        self._connection = _fresh(self._path)


def _opened(path: Path) -> sqlite3.Connection:
    try:
        connection = _connected(path)
        if connection.execute("PRAGMA quick_check").fetchone() == ("ok",):
            return connection
        connection.close()
    except sqlite3.Error as error:
        log.warning("%s could not be read and is made anew: %s", path, error)
    return _fresh(path)


def _fresh(path: Path) -> sqlite3.Connection:
    try:
        for part in ("", "-wal", "-shm", "-journal"):
            Path(f"{path}{part}").unlink(missing_ok=True)
        return _connected(path)
    except (OSError, sqlite3.Error) as error:
        log.warning(
            "%s cannot be made (%s): what was shown is remembered until the service stops", path, error
        )
        return _connected(":memory:")


def _connected(path: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False)
    # Not synced: after a power cut a note may be shown twice.
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("PRAGMA journal_mode=MEMORY")
    connection.execute("PRAGMA synchronous=OFF")
    connection.executescript(_TABLES)
    return connection
