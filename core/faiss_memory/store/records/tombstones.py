"""The list of what was purged: it keeps a restore from bringing that back, whatever files it is made from.

It is kept in memory.db, through the log, and in a file beside the backups: either may be lost, or be why something is
restored. It holds no text and no digest of one: a digest of a short text can be guessed, whether it is salted or not,
by anybody who has the folder. Ids are enough, because none is given twice; those of another folder, whose backup may be
restored here, mean other memories, and are told apart by their line: the time at which the first database was made,
which every copy and every restored one inherits. What is added again later has another id, and stays.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec

from faiss_memory.store.filesystem import replace_file

log = logging.getLogger("faiss_memory.store")

IdsByLine: TypeAlias = dict[int, set[int]]
"""Ids by line, which is a time in microseconds since 1970."""


def line_of(connection: sqlite3.Connection) -> int:
    """Say which line a database is of."""
    return int(connection.execute("SELECT value FROM state WHERE key = 'created'").fetchone()[0])


def remember(connection: sqlite3.Connection, purged: Mapping[int, Iterable[int]]) -> None:
    """Add to a database's list. The table is made by the first purge: a log leads there from any older base."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS purged (line INTEGER, memory INTEGER, PRIMARY KEY (line, memory)) WITHOUT ROWID"
    )
    pairs = [(line, memory_id) for line, ids in purged.items() for memory_id in ids]
    connection.executemany("INSERT OR IGNORE INTO purged VALUES (?, ?)", pairs)


def listed(connection: sqlite3.Connection) -> IdsByLine:
    """Read a database's list."""
    found: IdsByLine = {}
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'purged'").fetchone():
        for line, memory_id in connection.execute("SELECT line, memory FROM purged"):
            found.setdefault(line, set()).add(memory_id)
    return found


def read(data: Path) -> IdsByLine:
    """Read the file of a data folder; nothing if it is not there or cannot be read, which is logged."""
    path = _path(data)
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, list[int]])
        return {int(line): set(ids) for line, ids in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.error("the list of what was purged cannot be read in %s: %s", path, error)
        return {}


def keep(data: Path, connection: sqlite3.Connection) -> None:
    """Bring the file up to date with a database's list, durably. Raises OSError."""
    purged = listed(connection)
    before = read(data)
    for line, ids in before.items():
        purged.setdefault(line, set()).update(ids)
    if purged != before:
        written = msgspec.json.encode({str(line): sorted(ids) for line, ids in purged.items()})
        _path(data).parent.mkdir(parents=True, exist_ok=True)
        replace_file(_path(data), lambda file: file.write(written))


def _path(data: Path) -> Path:
    return data / "backups" / ".store" / "purged.json"
