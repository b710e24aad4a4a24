"""Other programs' SQLite databases, read and never written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from faiss_memory import InvalidRequest, located

_MAGIC = b"SQLite format 3\x00"


def has_table(path: Path, table: str, *columns: str) -> bool:
    """Return whether a file is a database with such a table, that has these columns."""
    try:
        with open(path, "rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return False
        with opened(path) as connection:
            return set(columns) <= columns_of(connection, table)
    except (OSError, sqlite3.Error, InvalidRequest):
        return False


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database to be read only. Raises InvalidRequest if it cannot be read."""
    place = located(path)
    if not place.is_file():
        raise InvalidRequest(f"{path} is no file", "path")
    try:
        with closing(sqlite3.connect(f"{place.as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            connection.execute("PRAGMA query_only = ON")
            yield connection
    except sqlite3.Error as error:
        raise InvalidRequest(f"{path} cannot be read as a database ({error})", "path") from None


def columns_of(connection: sqlite3.Connection, table: str) -> set[str]:
    """Return the columns of a table; none if it is not there."""
    return {row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')}


def rows(connection: sqlite3.Connection, table: str, order: str) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a table, by column; a column that an older version lacks is simply not there."""
    for row in connection.execute(f'SELECT * FROM "{table}" ORDER BY "{order}"'):
        yield dict(row)
