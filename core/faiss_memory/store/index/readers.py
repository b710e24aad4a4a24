"""The connections of those who read a database: as many as read at the same time, whatever threads come and go."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from threading import Lock
from typing import Any

Row = tuple[Any, ...]


class Readers:
    """Lends connections, opened by `connect` when none is free. Raises sqlite3.ProgrammingError once it is closed."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._lock = Lock()
        self._free: list[sqlite3.Connection] = []
        self._all: list[sqlite3.Connection] = []
        self._closed = False

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Read all rows of a query. Raises sqlite3.Error."""
        with self._lent() as connection:
            return connection.execute(sql, values).fetchall()

    def each(self, sql: str) -> Iterator[Row]:
        """Read the rows of a query one by one, and as of the first of them. Raises sqlite3.Error."""
        with self._lent() as connection, closing(connection.execute(sql)) as cursor:
            yield from cursor

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._closed:
                raise sqlite3.ProgrammingError("the database is closed")
            connection = self._free.pop() if self._free else None
        if connection is None:
            connection = self._connect()
            with self._lock:
                self._all.append(connection)
        try:
            yield connection
        finally:
            with self._lock:
                self._free.append(connection)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            self._closed = True
            for connection in self._all:
                connection.close()
