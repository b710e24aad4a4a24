"""The changes that memory.db knows, each a value: what is written is what is logged, so replaying is writing again.

An operation carries everything that it writes, ids included. Applying one twice leaves what applying it once leaves.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Collection, Mapping
from itertools import repeat
from typing import TypeAlias

import msgspec
from msgspec import Struct

from faiss_memory.store.records import lines, tombstones
from faiss_memory.store.records.rows import MEMORY_COLUMNS, NO_CUES, checksum, identity_checksum
from faiss_memory.store.records.uses import AddUses, forget_uses
from faiss_memory.uids import derived_uid

RETRY_SECONDS = 24 * 3600
_DIGEST_BITS = 62
_ROW = (*MEMORY_COLUMNS.split(", "), "seq")
_PUT = (
    f"INSERT INTO memories ({', '.join(_ROW)}) VALUES ({', '.join('?' * len(_ROW))})"
    f" ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _ROW[1:])}"
)
_BURY = "INSERT OR REPLACE INTO forgotten VALUES (?, ?, ?, ?)"


class PutProject(Struct, tag="project", array_like=True, frozen=True):
    """A project is there; times in microseconds since 1970."""

    name: str
    created: int
    updated: int

    def apply(self, connection: sqlite3.Connection) -> None:
        """Write the project, or when it was changed."""
        connection.execute(
            "INSERT INTO projects VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET updated = excluded.updated",
            (self.name, self.created, self.updated),
        )


class DropProject(Struct, tag="drop", array_like=True, frozen=True):
    """A project is gone; its memories were forgotten before."""

    name: str

    def apply(self, connection: sqlite3.Connection) -> None:
        """Delete the project."""
        connection.execute("DELETE FROM projects WHERE name = ?", (self.name,))


class PutMemory(Struct, tag="memory", array_like=True, frozen=True):
    """A memory is new or changed. The columns are those of `rows.to_row`; the checksum is of them and of the cues.

    A log that is older than uids has none: they are derived. One that is older than cues or actors knows none, and one
    that is older than revisions counts none: each state is the first, and replaces what its id says.
    """

    id: int
    columns: tuple[str, str, str, str, str, int, int | None]
    crc: int
    seq: int
    uid: str | None = None
    by: str | None = None
    cues: str = NO_CUES
    ends: int | None = None
    revision: int | None = None
    changed: int | None = None
    older: str | None = None
    actor: str | None = None

    def apply(self, connection: sqlite3.Connection) -> None:
        """Write the row."""
        before = connection.execute("SELECT crc FROM memories WHERE id = ?", (self.id,)).fetchone()
        if before is None:  # it may have been forgotten, and come back
            connection.execute("DELETE FROM removed WHERE memory = ?", (self.id,))
            connection.execute("DELETE FROM forgotten WHERE memory = ?", (self.id,))
        uid = self.uid or derived_uid(tombstones.created(connection), self.id)
        named = (uid, self.by, identity_checksum(self.id, uid, self.by, self.actor))
        older = self.older if self.revision else lines.uid_of(connection, self.columns[6])
        state = (self.revision or 1, self.changed, older)
        said = (*self.columns, self.crc, *named, self.cues, self.ends)
        connection.execute(_PUT, (self.id, *said, *state, checksum(*state), self.actor, self.seq))
        _count(connection, added=(self.id, self.crc), gone=None if before is None else (self.id, before[0]))


class ForgetMemory(Struct, tag="forget", array_like=True, frozen=True):
    """A memory is gone, with its passages and its origin. A log that is older than revisions counts none."""

    id: int
    seq: int
    revision: int | None = None
    changed: int = 0
    project: str = ""

    def apply(self, connection: sqlite3.Connection) -> None:
        """Delete the row and keep its id, for the derived files to follow."""
        row = connection.execute(
            "DELETE FROM memories WHERE id = ? RETURNING crc, uid", (self.id,)
        ).fetchone()
        if row is not None:
            connection.execute("INSERT OR REPLACE INTO removed VALUES (?, ?, ?)", (self.id, self.seq, row[1]))
            if self.revision is not None:
                connection.execute(_BURY, (self.id, self.revision, self.changed, self.project))
            forget_uses(connection, self.id)
            _count(connection, added=None, gone=(self.id, row[0]))


class PutTombstone(Struct, tag="tombstone", array_like=True, frozen=True):
    """A memory was forgotten elsewhere: it is not there, and its id is kept for it."""

    id: int
    seq: int
    uid: str
    revision: int
    changed: int
    project: str

    def apply(self, connection: sqlite3.Connection) -> None:
        """Write what is left of it."""
        connection.execute("INSERT OR REPLACE INTO removed VALUES (?, ?, ?)", (self.id, self.seq, self.uid))
        connection.execute(_BURY, (self.id, self.revision, self.changed, self.project))
        count_on(connection, "memories", self.id)


class PutModel(Struct, tag="model", array_like=True, frozen=True):
    """A model is known under a number."""

    id: int
    identity: str
    name: str
    dimension: int

    def apply(self, connection: sqlite3.Connection) -> None:
        """Write the model."""
        connection.execute(
            "INSERT OR IGNORE INTO models VALUES (?, ?, ?, ?)",
            (self.id, self.identity, self.name, self.dimension),
        )


class PassageRow(Struct, array_like=True, frozen=True):
    """A passage, or a cue where `rows.places_of` puts it, with its vector: float32, little-endian."""

    id: int
    start: int
    end: int
    vector: bytes


class PutPassages(Struct, tag="passages", array_like=True, frozen=True):
    """A memory's passages and cues by one model, all of them."""

    memory: int
    model: int
    rows: tuple[PassageRow, ...]

    def apply(self, connection: sqlite3.Connection) -> None:
        """Write the passages in place of those that are there."""
        connection.execute("DELETE FROM passages WHERE memory = ? AND model = ?", (self.memory, self.model))
        values = []
        for row in self.rows:
            key = (self.memory, self.model, row.start, row.end, checksum(row.vector))
            values.append((row.id, *key, checksum(repr(key)), row.vector))
        connection.executemany(
            "INSERT INTO passages (id, memory, model, start, end, crc, key_crc, vector)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )


class DropPassages(Struct, tag="unembed", array_like=True, frozen=True):
    """A memory's text or its cues have changed: no passage of it stands, by any model."""

    memory: int

    def apply(self, connection: sqlite3.Connection) -> None:
        """Delete the passages."""
        connection.execute("DELETE FROM passages WHERE memory = ?", (self.memory,))


class DropVectors(Struct, tag="unmodel", array_like=True, frozen=True):
    """What a model has made of the memories from one id to another is not needed any more."""

    model: int
    first: int
    last: int

    def apply(self, connection: sqlite3.Connection) -> None:
        """Delete the passages."""
        connection.execute(
            "DELETE FROM passages WHERE memory BETWEEN ? AND ? AND model = ?",
            (self.first, self.last, self.model),
        )


class PutOrigin(Struct, tag="origin", array_like=True, frozen=True):
    """Which part of which file a memory was built from."""

    memory: int
    file: str
    place: str
    text: str
    details: str

    def apply(self, connection: sqlite3.Connection) -> None:
        """Write the origin."""
        values = (self.memory, self.file, self.place, self.text, self.details)
        connection.execute(
            "INSERT OR REPLACE INTO origins VALUES (?, ?, ?, ?, ?, ?)", (*values, checksum(*values))
        )


class PutRetry(Struct, tag="retry", array_like=True, frozen=True):
    """The answer of a call that may be retried; `made` in seconds since 1970."""

    key: str
    digest: bytes
    answer: str
    made: int

    def apply(self, connection: sqlite3.Connection) -> None:
        """Write the answer, and drop those older than a day."""
        connection.execute("DELETE FROM retries WHERE made < ?", (self.made - RETRY_SECONDS,))
        connection.execute(
            "INSERT OR REPLACE INTO retries VALUES (?, ?, ?, ?)",
            (self.key, self.digest, self.answer, self.made),
        )


class PurgeMemories(Struct, tag="purge", array_like=True, frozen=True):
    """Memories are gone for good, with everything that tells of them.

    `memories` and `passages` say which ids were given so far: nothing in the log shows those of what was purged.
    `uids` go with `ids`; a log that is older than uids has none: they are derived.
    """

    ids: tuple[int, ...]
    seq: int
    memories: int
    passages: int
    uids: tuple[str, ...] = ()

    def apply(self, connection: sqlite3.Connection) -> None:
        """Delete the rows, and list the memories, whether they are there or not."""
        created, line = tombstones.created(connection), tombstones.line_of(connection)
        uids = self.uids or tuple(derived_uid(created, memory_id) for memory_id in self.ids)
        gone = set()
        for memory_id, uid in zip(self.ids, uids, strict=True):
            there = connection.execute("SELECT uid FROM memories WHERE id = ?", (memory_id,)).fetchone()
            if there is not None and there[0] != uid:
                continue  # another memory, of the same id: a copy of this database gave it elsewhere
            ForgetMemory(memory_id, self.seq).apply(connection)
            connection.execute("INSERT OR REPLACE INTO removed VALUES (?, ?, ?)", (memory_id, self.seq, uid))
            connection.execute("DELETE FROM forgotten WHERE memory = ?", (memory_id,))
            gone.add(memory_id)
        drop_retries(connection, gone)
        tombstones.remember(connection, map(tombstones.Entry, repeat(line), uids, self.ids))
        count_on(connection, "memories", self.memories)
        count_on(connection, "passages", self.passages)


Operation: TypeAlias = (
    PutProject
    | DropProject
    | PutMemory
    | ForgetMemory
    | PutTombstone
    | PutModel
    | PutPassages
    | DropPassages
    | DropVectors
    | PutOrigin
    | PutRetry
    | PurgeMemories
    | AddUses
)


class Record(Struct, frozen=True):
    """One committed group: the operations that lead from the state after seq `after` to the one after `seq`.

    `time` is in microseconds since 1970. `memories` and `digest` describe the state reached: a replay that does not
    come to the same has gone wrong.
    """

    seq: int
    after: int
    time: int
    memories: int
    digest: int
    operations: list[Operation]

    def replay(self, connection: sqlite3.Connection) -> None:
        """Write the operations and the seq, inside the caller's transaction."""
        for operation in self.operations:
            operation.apply(connection)
        connection.execute("INSERT OR REPLACE INTO state VALUES ('seq', ?)", (self.seq,))


encode_record = msgspec.json.Encoder().encode
decode_record = msgspec.json.Decoder(Record).decode


def reached(record: Record) -> dict[str, int]:
    """Return how far a record counts memories, passages and changes."""
    memories = [
        operation.id for operation in record.operations if isinstance(operation, PutMemory | PutTombstone)
    ]
    passages = [
        row.id
        for operation in record.operations
        if isinstance(operation, PutPassages)
        for row in operation.rows
    ]
    for operation in record.operations:
        if isinstance(operation, PurgeMemories):
            memories.append(operation.memories)
            passages.append(operation.passages)
    return {"memories": max(memories, default=0), "passages": max(passages, default=0), "seq": record.seq}


def count_on(connection: sqlite3.Connection, table: str, highest: int) -> None:
    """Give no id of a table again up to this one."""
    connection.execute(
        "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, 0"
        " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
        (table,),
    )
    connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (highest, table))


def drop_retries(connection: sqlite3.Connection, ids: Collection[int]) -> None:
    """Delete the answers that name memories: their digests are of requests that held the texts."""
    answers = connection.execute("SELECT key, answer FROM retries").fetchall()
    told = [(key,) for key, answer in answers if not ids_in(answer).isdisjoint(ids)]
    connection.executemany("DELETE FROM retries WHERE key = ?", told)


def ids_in(answer: str) -> set[int]:
    """Return the memories that a kept answer names: those that were stored, and the twins of those that were not."""
    return {
        memory_id
        for one in json.loads(answer)
        for memory_id in (one["id"], *(one["twin"] or ())[:1])
        if memory_id is not None
    }


def without(memories: int, digest: int, rows: Mapping[int, int]) -> tuple[int, int]:
    """Return number and digest of what is left without some rows, given by id with their checksums."""
    less = sum(_digest(memory_id, crc) for memory_id, crc in rows.items())
    return memories - len(rows), (digest - less) % 2**_DIGEST_BITS


def content(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the number of memories and the digest of them that is kept along."""
    rows = dict(
        connection.execute("SELECT key, value FROM state WHERE key IN ('memories', 'digest')").fetchall()
    )
    return int(rows["memories"]), int(rows["digest"])


def count_content(connection: sqlite3.Connection) -> tuple[int, int]:
    """Count the memories and their digest anew, from the checksums of the rows."""
    memories = digest = 0
    for memory_id, crc in connection.execute("SELECT id, crc FROM memories"):
        memories += 1
        digest += _digest(memory_id, crc)
    return memories, digest % 2**_DIGEST_BITS


def keep_content(connection: sqlite3.Connection, memories: int, digest: int) -> None:
    """Keep number and digest, for `content`."""
    connection.executemany(
        "INSERT OR REPLACE INTO state VALUES (?, ?)", [("memories", memories), ("digest", digest)]
    )


def _count(
    connection: sqlite3.Connection, added: tuple[int, int] | None, gone: tuple[int, int] | None
) -> None:
    memories, digest = content(connection)
    memories += (added is not None) - (gone is not None)
    digest += (0 if added is None else _digest(*added)) - (0 if gone is None else _digest(*gone))
    keep_content(connection, memories, digest % 2**_DIGEST_BITS)


def _digest(memory_id: int, crc: int) -> int:
    """Hash a row; sums of these do not depend on the order."""
    mixed = zlib.crc32(b"%d" % crc, memory_id & 0xFFFFFFFF)
    return mixed << 30 | zlib.crc32(b"%d:%d" % (memory_id, crc)) >> 2
