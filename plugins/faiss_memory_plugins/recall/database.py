"""The file of the plugin: `recall.db` in the data folder.

Nothing of it is needed: a file that cannot be read is made anew. What is deleted leaves no bytes.
"""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from threading import Lock
from typing import Any

log = logging.getLogger("faiss_memory.recall")

_TABLES = """
CREATE TABLE IF NOT EXISTS shown (
    assistant TEXT, session TEXT, memory INTEGER, at INTEGER,
    PRIMARY KEY (assistant, session, memory)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS shown_by_memory ON shown (memory);
CREATE TABLE IF NOT EXISTS begun (
    assistant TEXT, session TEXT, at INTEGER,
    PRIMARY KEY (assistant, session)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger (
    assistant TEXT, project TEXT, event TEXT,
    fired INTEGER, injected INTEGER, "nothing" INTEGER, late INTEGER, memories INTEGER, tokens INTEGER,
    last_fired INTEGER,
    PRIMARY KEY (assistant, project, event)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (
    id INTEGER PRIMARY KEY, at REAL, assistant TEXT, project TEXT, event TEXT, prompt TEXT,
    shown TEXT, withheld TEXT, "nothing" TEXT, took_ms REAL, late INTEGER
);
"""


class Database:
    """One connection, one call at a time. What cannot be written is logged and costs nothing else."""

    def __init__(self, path: Path) -> None:
        self.lock = Lock()
        """Held from reading what was shown to writing what is shown now: two hooks may ask at once."""
        self._path = path
        self._connection = _opened(path)

    def read(self, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """Return the rows of a query; none if the file cannot be read."""
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            self._begin_anew(error)
            return []

    def write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        """Run a statement for each row, all or none."""
        try:
            with self._connection:
                self._connection.executemany(statement, rows)
        except sqlite3.OperationalError as error:
            log.warning("%s could not be written: %s", self._path, error)
        except sqlite3.Error as error:
            self._begin_anew(error)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

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
    if isinstance(path, Path):
        path.touch(0o600)
    connection = sqlite3.connect(path, check_same_thread=False)
    # Not synced: after a power cut a note may be shown twice.
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("PRAGMA journal_mode=MEMORY")
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA secure_delete=ON")
    connection.executescript(_TABLES)
    return connection
