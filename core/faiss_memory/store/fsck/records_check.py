"""Checking memory.db: structure, tables, the checksum of every row, and what it says of itself."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from faiss_memory.errors import StoreCorrupt
from faiss_memory.store.fsck.findings import Finding, Repair, Step
from faiss_memory.store.records import operations
from faiss_memory.store.records.rows import MEMORY_COLUMNS, checksum, from_row
from faiss_memory.store.records.schema import SCHEMA_VERSION, strangeness
from faiss_memory.store.records.version import upgrade, version_of

NAME = "memory.db"
EVERY = 1000
"""Rows between two steps of the progress."""


@contextmanager
def read_only(path: Path, scratch: Path) -> Iterator[sqlite3.Connection]:
    """Open a database so that nothing is changed: itself, or a copy where a write-ahead log must be read with it.

    Raises OSError and sqlite3.Error.
    """
    log = Path(f"{path}-wal")
    if log.exists() and log.stat().st_size:
        copied = scratch / path.name
        shutil.copyfile(path, copied)
        shutil.copyfile(log, f"{copied}-wal")
        connection = sqlite3.connect(copied, isolation_level=None)
    else:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True, isolation_level=None)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def read_truth(path: Path, scratch: Path) -> Iterator[sqlite3.Connection]:
    """Open memory.db as `read_only` does; one with older tables as a copy, brought to the present ones as by a start.

    Raises NewerSchema, OSError and sqlite3.Error.
    """
    with read_only(path, scratch) as connection:
        if not 0 < version_of(connection, path) < SCHEMA_VERSION:
            yield connection
            return
        made = scratch / "upgraded.db"
        with closing(sqlite3.connect(made, isolation_level=None)) as upgraded:
            upgraded.text_factory = connection.text_factory
            connection.backup(upgraded)
            upgrade(upgraded, made)
            yield upgraded


def check_truth(connection: sqlite3.Connection, path: Path, step: Step) -> Iterator[Finding]:
    """Yield what is wrong with memory.db. Raises NewerSchema, and sqlite3.Error when it cannot be read at all."""
    step("the structure of memory.db", 0)
    version_of(connection, path)
    damage = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    strange = strangeness(connection)
    if damage != "ok" or strange is not None:
        yield Finding(NAME, f"it is damaged: {strange or damage}", Repair.BUILD_TRUTH)
        return
    yield from _check_memories(connection, step)
    yield from _check_passages(connection, step)
    for memory in _damaged_origins(connection):
        yield Finding(NAME, f"the origin of memory {memory} is damaged", Repair.DROP_ORIGIN, memory)
    if operations.count_content(connection) != operations.content(connection):
        yield Finding(
            NAME, "number and digest of its memories are not as they were kept along", Repair.COUNT_ANEW
        )


def damaged_memories(connection: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """Yield the memories whose checksum fails, with the error."""
    for row in connection.execute(f"SELECT {MEMORY_COLUMNS} FROM memories ORDER BY id"):
        try:
            from_row(row)
        except (StoreCorrupt, ValueError, TypeError) as error:  # (whatever damage may look like)
            yield row[0], str(error)


def _check_memories(connection: sqlite3.Connection, step: Step) -> Iterator[Finding]:
    step("the memories", 0)
    for memory, error in damaged_memories(connection):
        yield Finding(NAME, error, Repair.MEND_MEMORY, memory)


def _check_passages(connection: sqlite3.Connection, step: Step) -> Iterator[Finding]:
    count = max(1, int(connection.execute("SELECT count(*) FROM passages").fetchone()[0]))
    found: set[int] = set()
    rows = connection.execute(
        "SELECT p.memory, p.model, p.start, p.end, p.crc, p.key_crc, p.vector, m.dimension"
        " FROM passages p JOIN models m ON m.id = p.model ORDER BY p.id"
    )
    for number, (*key, key_crc, vector, dimension) in enumerate(rows):
        if number % EVERY == 0:
            step("the vectors", number / count)
        is_sound = isinstance(vector, bytes) and len(vector) == 4 * dimension and checksum(vector) == key[4]
        if not is_sound or checksum(repr(tuple(key))) != key_crc:
            found.add(key[0])
    for memory in sorted(found, key=str):
        yield Finding(NAME, f"a vector of memory {memory} is damaged", Repair.DROP_PASSAGES, memory)


def _damaged_origins(connection: sqlite3.Connection) -> list[int]:
    rows = connection.execute("SELECT memory, file, place, text, details, crc FROM origins ORDER BY memory")
    return [values[0] for *values, crc in rows if checksum(*values) != crc]
