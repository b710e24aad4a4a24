"""The list of what was purged: it keeps a restore from bringing that back, whatever files it is made from.

It is kept in memory.db, through the log, and in a file beside the backups: either may be lost, or be why something is
restored. It holds no text and no digest of one: a digest of a short text can be guessed, whether it is salted or not,
by anybody who has the folder. Memories are known by their uids, which no two have. What is added again later has
another, and stays.

Each data folder has a *line* of its own, by which it knows what it has written itself. An archive brings the list of
the folder that it comes from. What was purged there concerns what comes from there, and nothing that is ours.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from faiss_memory.memory import Memory
from faiss_memory.safe_files import read_own
from faiss_memory.store.filesystem import replace_file
from faiss_memory.uids import derived_uid

log = logging.getLogger("faiss_memory.store")


class Entry(NamedTuple):
    """A memory that was purged in a data folder of that line."""

    line: str
    uid: str
    memory: int


@dataclass(frozen=True, slots=True)
class Known:
    """What a data folder knows of itself: its line, None where it has none yet, and what was purged."""

    line: str | None
    purged: frozenset[Entry]

    def concerning(self, line: str) -> set[tuple[int, str]]:
        """Return what is left out of a database of a line, by id and uid: what was purged here, or there."""
        return {(entry.memory, entry.uid) for entry in self.purged if entry.line in (self.line, line)}


class _File(Struct, frozen=True):
    line: str
    purged: list[Entry]


def was_forgotten(connection: sqlite3.Connection, memory: Memory) -> bool:
    """Return whether a memory was the one that had its id, and was forgotten and not purged."""
    row = connection.execute("SELECT uid FROM removed WHERE memory = ?", (memory.id,)).fetchone()
    purged = connection.execute("SELECT 1 FROM purged WHERE uid = ?", (memory.uid,)).fetchone()
    return purged is None and row is not None and row[0] == memory.uid


def created(connection: sqlite3.Connection) -> int:
    """Return when the first database was made that this one is a copy of, in microseconds since 1970."""
    return int(connection.execute("SELECT value FROM state WHERE key = 'created'").fetchone()[0])


def line_of(connection: sqlite3.Connection) -> str:
    """Return the line of a database; one that is older than lines has that of its first database."""
    row = connection.execute("SELECT value FROM state WHERE key = 'line'").fetchone()
    return derived_uid(created(connection), 0) if row is None else str(row[0])


def remember(connection: sqlite3.Connection, entries: Iterable[Entry]) -> None:
    """Add to a database's list."""
    connection.executemany("INSERT OR IGNORE INTO purged VALUES (?, ?, ?)", entries)


def listed(connection: sqlite3.Connection) -> Known:
    """Read a database's line and list."""
    line, run = line_of(connection), connection.execute
    columns = {row[1] for row in run("PRAGMA table_info(purged)")}
    if columns and "uid" not in columns:  # it is older than uids
        return Known(line, frozenset(_derived(run("SELECT line, memory FROM purged").fetchall())))
    rows = run("SELECT line, uid, memory FROM purged").fetchall() if columns else ()
    return Known(line, frozenset(map(Entry._make, rows)))


def read(data: Path) -> Known:
    """Read the file of a data folder; nothing if it is not there or cannot be read, which is logged."""
    path = _path(data)
    try:
        return _parsed(read_own(path))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        log.error("the list of what was purged cannot be read in %s: %s", path, error)
    return Known(None, frozenset())


def _parsed(content: bytes) -> Known:
    found = msgspec.json.decode(content)
    if isinstance(found, dict) and "line" in found:
        file = msgspec.convert(found, _File)
        return Known(file.line, frozenset(file.purged))
    # As it was before there were uids: ids, by the time at which the first database was made.
    older = msgspec.convert(found, dict[str, list[int]])
    pairs = ((int(time), memory_id) for time, ids in older.items() for memory_id in ids)
    return Known(None, frozenset(_derived(pairs)))


def _derived(pairs: Iterable[tuple[int, int]]) -> Iterator[Entry]:
    """Name what was purged before there were uids, by when the first database was made, and the id."""
    for time, memory_id in pairs:
        yield Entry(derived_uid(time, 0), derived_uid(time, memory_id), memory_id)


def known(data: Path, connection: sqlite3.Connection) -> Known:
    """Return what a data folder and its database know together."""
    here = listed(connection)
    return Known(here.line, here.purged | read(data).purged)


def keep(data: Path, connection: sqlite3.Connection) -> None:
    """Bring the file up to date with a database's list, durably. Raises OSError."""
    before, after = read(data), known(data, connection)
    if after.purged and after != before:
        content = msgspec.json.encode(_File(str(after.line), sorted(after.purged)))
        _path(data).parent.mkdir(parents=True, exist_ok=True)
        replace_file(_path(data), lambda file: file.write(content))


def _path(data: Path) -> Path:
    return data / "backups" / ".store" / "purged.json"
