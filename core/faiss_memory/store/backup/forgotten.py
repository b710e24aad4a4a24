"""What is past, found again: the bases and the log hold each memory as it was, forgotten ones too."""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from faiss_memory.contracts.backups import Forgotten
from faiss_memory.errors import StoreCorrupt
from faiss_memory.memory import Memory, Origin
from faiss_memory.store.backup.log import read_lines
from faiss_memory.store.records.operations import ForgetMemory, PutMemory, PutOrigin, Record, decode_record
from faiss_memory.store.records.rows import (
    MEMORY_COLUMNS,
    NO_CUES,
    checksum,
    from_microseconds,
    from_row,
    identity_checksum,
)
from faiss_memory.uids import derived_uid

log = logging.getLogger("faiss_memory.store")

_NAMES = MEMORY_COLUMNS.split(", ")
_UID = _NAMES.index("uid")
_UNREADABLE = (OSError, sqlite3.Error, msgspec.MsgspecError, ValueError, TypeError)
_NAMED = re.compile(rb'\["(?:memory|forget|origin)",(\d+),')
"""Where a line of the log may name a memory: records are long, and few are worth decoding."""


@dataclass(slots=True)
class _Held:
    """The latest that is known of a memory, each with the change at which it was so."""

    memory: tuple[int, Memory] | None = None
    origin: tuple[int, Origin] | None = None
    gone: tuple[int, int] | None = None
    """When it was forgotten, in microseconds since 1970."""


@dataclass(slots=True)
class _Search:
    """Looks for memories, by id with their uids, in one file after the other, in any order."""

    wanted: Mapping[int, str]
    created: int
    """When the first database was made, which uids older than uids are derived of."""
    found: dict[int, _Held] = field(default_factory=dict)

    def look_into_base(self, path: Path) -> None:
        with closing(_opened(path)) as connection:
            seq = int(connection.execute("SELECT value FROM state WHERE key = 'seq'").fetchone()[0])
            for memory_id, uid in self.wanted.items():
                row = _row(connection, memory_id, self.created)
                if row is not None and row[_UID] == uid:
                    self._meet(seq, row)
                    origin = connection.execute(
                        "SELECT file, place, text, details FROM origins WHERE memory = ?", (memory_id,)
                    ).fetchone()
                    if origin is not None:
                        self._meet_origin(seq, memory_id, Origin(*origin))

    def look_into_log(self, path: Path) -> None:
        for _, line in read_lines(path):
            if any(int(number) in self.wanted for number in _NAMED.findall(line)):
                self._follow(decode_record(line[9:-1]))

    def _follow(self, record: Record) -> None:
        for operation in record.operations:
            match operation:
                case PutMemory() if operation.id in self.wanted:
                    uid = operation.uid or derived_uid(self.created, operation.id)
                    if uid == self.wanted[operation.id]:
                        self._meet(record.seq, _row_of(operation, uid))
                case PutOrigin() if operation.memory in self.wanted:
                    origin = Origin(operation.file, operation.place, operation.text, operation.details)
                    self._meet_origin(record.seq, operation.memory, origin)
                case ForgetMemory() if operation.id in self.wanted:
                    held = self.found.setdefault(operation.id, _Held())
                    held.gone = max(held.gone or (0, 0), (record.seq, record.time))

    def _meet(self, seq: int, row: tuple[Any, ...]) -> None:
        held = self.found.setdefault(row[0], _Held())
        if held.memory is None or held.memory[0] < seq:
            try:
                held.memory = seq, from_row(row)
            except StoreCorrupt as error:
                log.warning("passed over: %s", error)

    def _meet_origin(self, seq: int, memory_id: int, origin: Origin) -> None:
        held = self.found.setdefault(memory_id, _Held())
        if held.origin is None or held.origin[0] < seq:
            held.origin = seq, origin


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


def _row(connection: sqlite3.Connection, memory_id: int, created: int) -> tuple[Any, ...] | None:
    return next(_rows(connection, created, "WHERE id = ?", memory_id), None)


def _rows(
    connection: sqlite3.Connection, created: int, where: str = "", *values: object
) -> Iterator[tuple[Any, ...]]:
    """Read rows as they are written today, also of a base whose tables are older."""
    there = {row[1] for row in connection.execute("PRAGMA table_info(memories)")}
    names = [name for name in _NAMES if name in there]
    for row in connection.execute(f"SELECT {', '.join(names)} FROM memories {where}", values):
        found = dict(zip(names, row, strict=True))
        uid = derived_uid(created, found["id"])
        lacking = {
            **{"uid": uid, "written_by": None, "uid_crc": checksum(found["id"], uid, None), "cues": NO_CUES},
            **{"valid_until": None, "revision": 1, "changed": None, "older": None},
            **{"state_crc": checksum(1, None, None), "actor": None},
        }
        found = lacking | found
        yield tuple(found[name] for name in _NAMES)


def _row_of(operation: PutMemory, uid: str) -> tuple[Any, ...]:
    """Return what an operation writes as such a row."""
    crc = identity_checksum(operation.id, uid, operation.by, operation.actor)
    state = (operation.revision or 1, operation.changed, operation.older)
    return (
        *(operation.id, *operation.columns, operation.crc, uid, operation.by, crc),
        *(operation.cues, operation.ends, *state, checksum(*state), operation.actor),
    )


def find_forgotten(backups: Path, wanted: Mapping[int, str], created: int) -> dict[int, Forgotten]:
    """Return those of some memories, by id with their uids, that a file in the folder of backups holds.

    Each is as it was last. What cannot be read is passed over, and logged.
    """
    search = _Search(wanted, created)
    for path in _files(backups) if wanted else ():
        try:
            if path.suffix == ".db":
                search.look_into_base(path)
            else:
                search.look_into_log(path)
        except FileNotFoundError:
            continue  # a newer one has taken its place
        except _UNREADABLE as error:
            log.warning("%s cannot be searched for what was forgotten: %s", path, error)
    return {
        memory_id: Forgotten(
            held.memory[1],
            None if held.gone is None else from_microseconds(held.gone[1]),
            None if held.origin is None else held.origin[1],
        )
        for memory_id, held in search.found.items()
        if held.memory is not None
    }


def every_state(data: Path, created: int) -> Iterator[Memory]:
    """Yield each memory in each state that a backup, the log or what a restore has set aside holds; some repeatedly.

    What cannot be read is passed over, and logged.
    """
    parts = ("-wal", "-shm", "-journal")
    aside = (path for path in sorted(data.glob("memory.db.*")) if not path.name.endswith(parts))
    for path in (*_files(data / "backups"), *aside):
        try:
            for row in _states(path, created):
                try:
                    yield from_row(row)
                except StoreCorrupt as error:
                    log.warning("passed over: %s", error)
        except FileNotFoundError:
            continue  # a newer one has taken its place
        except _UNREADABLE as error:
            log.warning("%s cannot be looked through: %s", path, error)


def _states(path: Path, created: int) -> Iterator[tuple[Any, ...]]:
    if path.suffix != ".jsonl":
        with closing(_opened(path)) as connection:
            yield from _rows(connection, created)
        return
    for _, line in read_lines(path):
        if b'["memory",' in line:
            for operation in decode_record(line[9:-1]).operations:
                if isinstance(operation, PutMemory):
                    yield _row_of(operation, operation.uid or derived_uid(created, operation.id))


def _files(backups: Path) -> Iterator[Path]:
    """Name every base and segment once: an automatic backup links to those of the store."""
    known: set[tuple[int, int]] = set()
    for folder in (backups / ".store", *sorted(backups.glob("[!.]*"))):
        for path in (*sorted(folder.glob("base*.db")), *sorted(folder.glob("seg-*.jsonl"))):
            try:
                place = path.stat()
            except OSError:
                continue
            if (place.st_dev, place.st_ino) not in known:
                known.add((place.st_dev, place.st_ino))
                yield path
