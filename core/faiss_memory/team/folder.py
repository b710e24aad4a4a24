"""`team.db` in the data folder, for one service. It is the truth: what cannot be read of it lets nobody in."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from faiss_memory.contracts.team import TeamRun
from faiss_memory.errors import StoreError
from faiss_memory.team.tables import TEAM_TABLES

T = TypeVar("T")


class FolderTables:
    """Implements `TeamTables`. Nothing is made before the first member is added."""

    seconds = 0.0

    def __init__(self, folder: Path) -> None:
        self._path = folder / "team.db"
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None

    def exist(self) -> bool:
        """Return whether a member was ever added."""
        return self._connection is not None or self._path.exists()

    def read(self, call: Callable[[TeamRun], T]) -> T:
        """Run a call in one state."""
        return self._run(call)

    def write(self, call: Callable[[TeamRun], T]) -> T:
        """Run a call in one transaction, durable when this returns."""
        return self._run(call)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _run(self, call: Callable[[TeamRun], T]) -> T:
        with self._lock:
            try:
                connection = self._opened()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    answer = call(_run_of(connection))
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
                return answer
            except (sqlite3.Error, OSError) as error:
                raise StoreError(f"{self._path} cannot be read or written: {error}") from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600))
            connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA secure_delete=ON")
            connection.executescript(TEAM_TABLES.replace("$.", ""))
            self._connection = connection
        return self._connection


def _run_of(connection: sqlite3.Connection) -> TeamRun:
    def run(sql: str, values: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        return connection.execute(sql.replace("$.", ""), values or {}).fetchall()

    return run
