"""Databases and segments of the log without some memories, as if these had never been there.

Every moment stays: a record that has lost all its operations still leads from one change to the next, and what it says
of the state it reaches is said of the state without those memories.
"""

from __future__ import annotations

import os
import sqlite3
from bisect import bisect_right
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from faiss_memory.contracts.backups import LeftOut
from faiss_memory.safe_files import open_own
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
    PutTombstone,
    Record,
    decode_record,
)
from faiss_memory.store.records.rows import NO_CUES, texts_of
from faiss_memory.store.records.uses import AddUses, forget_uses
from faiss_memory.uids import derived_uid

LEAST_OF_CUE = 24
"""Characters of a cue that is searched for as a text is: a shorter one may be anywhere by chance."""
FRESH = ".purged.new"
"""Ends the name of a rewritten file until it takes the place of the old one."""


@dataclass(slots=True)
class Here:
    """Which of the memories that go a database, or a log up to some record, knows: the checksums of the rows that are
    there, by id; and the ids, which may be gone already, but for what still tells of them."""

    rows: dict[int, int] = field(default_factory=dict)
    ids: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Gone:
    """The memories that go, and which texts of theirs were met on the way.

    An id is given once in all copies of a database, but two copies that both go on may give the same one. So each comes
    with its uids; without any, it is whatever memory has the id.
    """

    created: int
    """When the first database was made; a file that is no copy of it holds none of them."""
    uids: dict[int, set[str]]
    texts: set[str] = field(default_factory=set)
    met: dict[int, set[str]] = field(default_factory=dict)
    """Those of them that were found in some file, by id with their uids."""

    def names(self, memory_id: int, uid: str | None) -> bool:
        """Return whether a memory is one of them; one without a uid is older than these are."""
        wanted = self.uids.get(memory_id)
        return wanted is not None and (not wanted or (uid or derived_uid(self.created, memory_id)) in wanted)

    def meet(self, memory_id: int, uid: str | None, text: str, cues: str) -> None:
        """Note that one of them was found, with what it says; `cues` is the column."""
        self.texts.add(text)
        self.texts.update(cue for cue in texts_of(cues) if len(cue) >= LEAST_OF_CUE)
        self.met.setdefault(memory_id, set()).add(uid or derived_uid(self.created, memory_id))


@dataclass(frozen=True, slots=True)
class Marks:
    """Where each change of a segment ends, and how many memories there are after it."""

    seqs: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    memories: list[int] = field(default_factory=list)

    def at(self, seq: int) -> tuple[int, int | None]:
        """Return the bytes up to a change, and the memories after it; None if the segment has no change so early."""
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


def look_into(connection: sqlite3.Connection, gone: Gone) -> Here:
    """Return which of the memories a database knows, and note their texts."""
    here, run = Here(), connection.execute
    columns = {row[1] for row in run("PRAGMA table_info(memories)")}
    uid = "uid" if "uid" in columns else "NULL"  # before there were any
    cues = "cues" if "cues" in columns else f"'{NO_CUES}'"
    for memory_id in gone.uids:
        found = run(f"SELECT {uid}, crc, text, {cues} FROM memories WHERE id = ?", (memory_id,)).fetchone()
        if found is not None and gone.names(memory_id, found[0]):
            here.rows[memory_id] = int(found[1])
            here.ids.add(memory_id)
            gone.meet(memory_id, found[0], *found[2:])
        removed = run(f"SELECT {uid} FROM removed WHERE memory = ?", (memory_id,)).fetchone()
        if removed is not None and gone.names(memory_id, removed[0]):
            here.ids.add(memory_id)
    return here


def may_hold(connection: sqlite3.Connection, gone: Gone) -> bool:
    """Return whether a database was written after the first of the memories was: even its free space may hold one."""
    if tombstones.created(connection) != gone.created:
        return False
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'memories'").fetchone()
    return row is not None and int(row[0]) >= min(gone.uids)


def rewrite_database(connection: sqlite3.Connection, gone: Gone) -> None:
    """Delete memories with all that tells of them, and write the file anew: free space may hold what was deleted.

    Raises sqlite3.Error.
    """
    run, many = connection.execute, connection.executemany
    run("PRAGMA secure_delete=ON")
    run("BEGIN IMMEDIATE")
    content = operations.content(connection)
    here = look_into(connection, gone)
    ones = [(memory_id,) for memory_id in here.ids]
    tables = {row[0] for row in run("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in sorted(tables & {"passages", "origins", "removed", "forgotten"}):
        many(f"DELETE FROM {table} WHERE memory = ?", ones)
    many("DELETE FROM memories WHERE id = ?", ones)
    for memory_id in here.ids if "uses" in tables else ():
        forget_uses(connection, memory_id)
    operations.drop_retries(connection, here.ids)
    operations.keep_content(connection, *operations.without(*content, here.rows))
    run("COMMIT")
    run("VACUUM")


def rewritten_copy(path: Path, gone: Gone) -> Path:
    """Write a database anew beside itself, without the memories; gives the new file, synced."""
    fresh = path.with_name(path.name + FRESH)
    fresh.unlink(missing_ok=True)
    with open_own(path) as source, fresh.open("wb") as target:
        copy_bytes(source, target, os.fstat(source.fileno()).st_size)
    with closing(open_alone(fresh)) as connection:
        connection.execute("PRAGMA journal_mode=MEMORY")
        connection.execute("PRAGMA synchronous=OFF")
        rewrite_database(connection, gone)
        connection.execute("PRAGMA journal_mode=DELETE")
    with open_own(fresh) as file:
        sync_file(file.fileno())
    return fresh


def leave_out(path: Path, known: tombstones.Known) -> list[LeftOut]:
    """Take what was purged out of a database that was restored; returns the memories that it had.

    `known` is what the data folder knows that it is restored in: its list is kept in the database from now on. What the
    database's own list says of this line and is not known here was purged in a copy of this folder elsewhere, and is
    dropped. Raises sqlite3.Error.
    """
    with closing(open_alone(path)) as connection:
        own = tombstones.listed(connection)
        gone = Gone(tombstones.created(connection), {})
        for memory_id, uid in known.concerning(str(own.line)) - own.concerning(str(own.line)):
            gone.uids.setdefault(memory_id, set()).add(uid)
        if gone.uids and look_into(connection, gone).ids:
            rewrite_database(connection, gone)
        connection.execute("BEGIN IMMEDIATE")
        if known.line is not None:
            connection.execute("DELETE FROM purged WHERE line = ?", (known.line,))
        tombstones.remember(connection, known.purged)
        connection.execute("COMMIT")
    return [LeftOut(memory_id, uid, "purged") for memory_id, uids in sorted(gone.met.items()) for uid in uids]


# The log.


def rewrite_segment(path: Path, gone: Gone, here: Here) -> tuple[Marks, Path | None]:
    """Write a segment anew beside itself, without the memories, up to the first line that is not sound.

    `here` is what is known before its first record, and is brought up to its last. Gives the marks, and the new file,
    synced; None if it would be the same.
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
            kept = _without(record, gone, here)
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
    here = Here()
    for _, record in read_records(path):
        for operation in record.operations:
            _tells(operation, gone, here)


def _begun(path: Path, fresh: Path, size: int) -> BinaryIO:
    target = fresh.open("wb")
    with open_own(path) as source:
        copy_bytes(source, target, size)
    return target


def copy_bytes(source: BinaryIO, target: BinaryIO, size: int) -> None:
    """Copy the next bytes of a file."""
    while size and (chunk := source.read(min(size, 1 << 20))):
        target.write(chunk)
        size -= len(chunk)


def _without(record: Record, gone: Gone, here: Here) -> Record:
    """Return a record without what tells of the memories; `here` follows what it had said."""
    kept = [left for operation in record.operations if (left := _left_of(operation, gone, here)) is not None]
    if kept == record.operations and not here.rows:
        return record
    memories, digest = operations.without(record.memories, record.digest, here.rows)
    return Record(record.seq, record.after, record.time, memories, digest, kept)


def _left_of(operation: Operation, gone: Gone, here: Here) -> Operation | None:
    """Return what is left of an operation without the memories that go; None if that is nothing."""
    if isinstance(operation, AddUses):
        return operation.without(here.ids)
    return None if _tells(operation, gone, here) else operation


def _tells(operation: Operation, gone: Gone, here: Here) -> bool:
    """Return whether an operation tells of a memory that goes."""
    match operation:
        case PutMemory():
            if not gone.names(operation.id, operation.uid):
                return False
            here.rows[operation.id] = operation.crc
            here.ids.add(operation.id)
            gone.meet(operation.id, operation.uid, operation.columns[1], operation.cues)
            return True
        case ForgetMemory():
            here.rows.pop(operation.id, None)
            return operation.id in here.ids
        case PutTombstone():
            return gone.names(operation.id, operation.uid)
        case PurgeMemories():
            for memory_id in operation.ids:
                here.rows.pop(memory_id, None)
        case PutPassages() | DropPassages() | PutOrigin():
            return operation.memory in here.ids
        case PutRetry():
            return not operations.ids_in(operation.answer).isdisjoint(here.ids)
    return False
