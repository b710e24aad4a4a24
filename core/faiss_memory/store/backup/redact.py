"""Databases and segments of the log without some memories, as if these had never been there.

Every moment stays: a record that has lost all its operations still leads from one change to the next, and what it says
of the state it reaches is said of the state without those memories.
"""

from __future__ import annotations

import os
import sqlite3
from bisect import bisect_right
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from faiss_memory.store.backup.log import read_lines, read_records, to_line
from faiss_memory.store.filesystem import sync_file
from faiss_memory.store.records import operations, tombstones
from faiss_memory.store.records.operations import (
    DropPassages,
    ForgetMemory,
    Operation,
    PurgeMemories,
    PutMemory,
    PutOrigin,
    PutPassages,
    PutRetry,
    Record,
    decode_record,
)

FRESH = ".purged.new"
"""Ends the name of a rewritten file until it takes the place of the old one."""
Rows = dict[int, int]
"""Checksums of memories' rows, by id."""


@dataclass(slots=True)
class Gone:
    """The memories of one line that go, and which texts of theirs were met on the way."""

    line: int
    ids: set[int]
    texts: set[str] = field(default_factory=set)
    met: set[int] = field(default_factory=set)
    """Those of them that were found in some file."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Where each change of a segment ends, and how many memories there are after it."""

    seqs: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    memories: list[int] = field(default_factory=list)

    def at(self, seq: int) -> tuple[int, int | None]:
        """Give the bytes up to a change, and the memories after it; None if the segment has no change so early."""
        place = bisect_right(self.seqs, seq)
        return (self.ends[place - 1], self.memories[place - 1]) if place else (0, None)


def temporary_files_in(folder: Path) -> None:
    """Have SQLite write its temporary files here: elsewhere there may be no room, and no right to write."""
    with closing(sqlite3.connect(":memory:")) as connection:
        (before,) = connection.execute("PRAGMA temp_store_directory").fetchone() or ("",)
        if before != str(folder):
            quoted = str(folder).replace("'", "''")
            connection.execute(f"PRAGMA temp_store_directory = '{quoted}'")


# Databases.


def open_alone(path: Path) -> sqlite3.Connection:
    """Open a database that nobody else uses."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


def rows_of(connection: sqlite3.Connection, gone: Gone) -> Rows:
    """Read the checksums of the memories that are there; notes their texts."""
    rows: Rows = {}
    for memory_id in gone.ids:
        found = connection.execute("SELECT crc, text FROM memories WHERE id = ?", (memory_id,)).fetchone()
        if found is not None:
            rows[memory_id] = int(found[0])
            gone.texts.add(found[1])
            gone.met.add(memory_id)
    return rows


def may_hold(connection: sqlite3.Connection, gone: Gone) -> bool:
    """Say whether a database was written after the first of the memories was: even its free space may hold one."""
    if tombstones.line_of(connection) != gone.line:
        return False
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'memories'").fetchone()
    return row is not None and int(row[0]) >= min(gone.ids)


def rewrite_database(connection: sqlite3.Connection, gone: Gone) -> None:
    """Delete memories with all that tells of them, and write the file anew: free space may hold what was deleted.

    Raises sqlite3.Error.
    """
    run, many = connection.execute, connection.executemany
    run("PRAGMA secure_delete=ON")
    run("BEGIN IMMEDIATE")
    content = operations.content(connection)
    rows = rows_of(connection, gone)
    ones = [(memory_id,) for memory_id in gone.ids]
    tables = {row[0] for row in run("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in sorted(tables & {"passages", "origins", "removed"}):
        many(f"DELETE FROM {table} WHERE memory = ?", ones)
    many("DELETE FROM memories WHERE id = ?", ones)
    operations.drop_retries(connection, gone.ids)
    operations.keep_content(connection, *operations.without(*content, rows))
    run("COMMIT")
    run("VACUUM")


def rewritten_copy(path: Path, gone: Gone) -> Path:
    """Write a database anew beside itself, without the memories; gives the new file, synced."""
    fresh = path.with_name(path.name + FRESH)
    fresh.unlink(missing_ok=True)
    with path.open("rb") as source, fresh.open("wb") as target:
        copy_bytes(source, target, os.fstat(source.fileno()).st_size)
    with closing(open_alone(fresh)) as connection:
        connection.execute("PRAGMA journal_mode=MEMORY")
        connection.execute("PRAGMA synchronous=OFF")
        rewrite_database(connection, gone)
        connection.execute("PRAGMA journal_mode=DELETE")
    with fresh.open("rb") as file:
        sync_file(file.fileno())
    return fresh


def leave_out(path: Path, left_out: tombstones.IdsByLine) -> int:
    """Take what was purged out of a database that was restored, and keep the list in it; gives how many memories.

    Its own list says what never got into it. Raises sqlite3.Error.
    """
    with closing(open_alone(path)) as connection:
        line, own = tombstones.line_of(connection), tombstones.listed(connection)
        gone = Gone(line, left_out.get(line, set()) - own.get(line, set()))
        if gone.ids:
            rows = rows_of(connection, gone)
            forgotten = {row[0] for row in connection.execute("SELECT memory FROM removed")} & gone.ids
            if rows or forgotten:
                rewrite_database(connection, gone)
        connection.execute("BEGIN IMMEDIATE")
        tombstones.remember(connection, left_out)
        connection.execute("COMMIT")
        return len(gone.met)


# The log.


def rewrite_segment(path: Path, gone: Gone, rows: Rows) -> tuple[Marks, Path | None]:
    """Write a segment anew beside itself, without the memories, up to the first line that is not sound.

    `rows` are those that are there before its first record, and are brought up to its last. Gives the marks, and the
    new file, synced; None if it would be the same.
    """
    marks, fresh = Marks(), path.with_name(path.name + FRESH)
    fresh.unlink(missing_ok=True)
    before = written = 0
    target: BinaryIO | None = None
    try:
        for end, line in read_lines(path):
            try:
                record = decode_record(line[9:-1])
            except msgspec.MsgspecError:
                break
            kept = _without(record, gone, rows)
            if kept is not record:
                line = to_line(kept)
                target = target or _begun(path, fresh, before)
            if target is not None:
                target.write(line)
            before, written = end, written + len(line)
            marks.seqs.append(kept.seq)
            marks.ends.append(written)
            marks.memories.append(kept.memories)
        if target is None and before < path.stat().st_size:
            target = _begun(path, fresh, before)
        if target is not None:
            target.flush()
            sync_file(target.fileno())
    finally:
        if target is not None:
            target.close()
    return marks, None if target is None else fresh


def look_through(path: Path, gone: Gone) -> None:
    """Note which of the memories a segment tells of."""
    for _, record in read_records(path):
        for operation in record.operations:
            _tells(operation, gone, {})


def _begun(path: Path, fresh: Path, size: int) -> BinaryIO:
    target = fresh.open("wb")
    with path.open("rb") as source:
        copy_bytes(source, target, size)
    return target


def copy_bytes(source: BinaryIO, target: BinaryIO, size: int) -> None:
    """Copy the next bytes of a file."""
    while size and (chunk := source.read(min(size, 1 << 20))):
        target.write(chunk)
        size -= len(chunk)


def _without(record: Record, gone: Gone, rows: Rows) -> Record:
    """Give a record without what tells of the memories; `rows` follow what it had said."""
    kept = [operation for operation in record.operations if not _tells(operation, gone, rows)]
    if len(kept) == len(record.operations) and not rows:
        return record
    memories, digest = operations.without(record.memories, record.digest, rows)
    return Record(record.seq, record.after, record.time, memories, digest, kept)


def _tells(operation: Operation, gone: Gone, rows: Rows) -> bool:
    """Say whether an operation tells of a memory that goes."""
    match operation:
        case PutMemory():
            if operation.id in gone.ids:
                rows[operation.id] = operation.crc
                gone.texts.add(operation.columns[1])
                gone.met.add(operation.id)
            return operation.id in gone.ids
        case ForgetMemory():
            rows.pop(operation.id, None)
            return operation.id in gone.ids
        case PurgeMemories():
            forget(rows, operation.ids)
        case PutPassages() | DropPassages() | PutOrigin():
            return operation.memory in gone.ids
        case PutRetry():
            return not operations.ids_in(operation.answer).isdisjoint(gone.ids)
    return False


def forget(rows: Rows, ids: Iterable[int]) -> None:
    """Take ids out of rows."""
    for memory_id in ids:
        rows.pop(memory_id, None)
