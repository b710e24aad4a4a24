"""Which part of which file a memory was built from, kept in the same transaction as the memory."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Container, Iterable, Sequence
from typing import Any

from faiss_memory.memory import Origin
from faiss_memory.store.records.rows import checksum

log = logging.getLogger("faiss_memory.store")

AT_ONCE = 500


def read(connection: sqlite3.Connection, project: str, damaged: Container[int]) -> dict[int, Origin]:
    """Return the origins of a project's memories, by id, leaving out damaged memories: a build makes them anew.

    A memory whose own origin is damaged stays, as if it had been added by hand; that is logged.
    """
    return _sound(
        connection.execute(
            "SELECT o.memory, o.file, o.place, o.text, o.details, o.crc FROM origins o"
            " JOIN memories m ON m.id = o.memory WHERE m.project = ? ORDER BY o.memory",
            (project,),
        ),
        damaged,
    )


def read_some(
    connection: sqlite3.Connection, ids: Collection[int], damaged: Container[int]
) -> dict[int, Origin]:
    """Return the origins of some memories, by id."""
    wanted = [one for one in ids if 0 < one < 2**63]
    found: dict[int, Origin] = {}
    for start in range(0, len(wanted), AT_ONCE):
        part = wanted[start : start + AT_ONCE]
        rows = connection.execute(
            "SELECT memory, file, place, text, details, crc FROM origins WHERE memory IN"
            f" ({','.join('?' * len(part))})",
            part,
        )
        found |= _sound(rows, damaged)
    return found


def _sound(rows: Iterable[Sequence[Any]], damaged: Container[int]) -> dict[int, Origin]:
    found = {}
    for *values, crc in rows:
        if checksum(*values) != crc:
            log.error(
                "memory %d no longer says which file it was built from; a build adds it again", values[0]
            )
        elif values[0] not in damaged:
            found[values[0]] = Origin(*values[1:])
    return found
