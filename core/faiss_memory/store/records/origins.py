"""Which part of which file a memory was built from, kept in the same transaction as the memory."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Container

from faiss_memory.memory import Origin
from faiss_memory.store.records.rows import checksum

log = logging.getLogger("faiss_memory.store")


def read(connection: sqlite3.Connection, project: str, damaged: Container[int]) -> dict[int, Origin]:
    """Return the origins of a project's memories, by id, leaving out damaged memories: a build makes them anew.

    A memory whose own origin is damaged stays, as if it had been added by hand; that is logged.
    """
    found = {}
    for *values, crc in connection.execute(
        "SELECT o.memory, o.file, o.place, o.text, o.details, o.crc FROM origins o"
        " JOIN memories m ON m.id = o.memory WHERE m.project = ? ORDER BY o.memory",
        (project,),
    ):
        if checksum(*values) != crc:
            log.error(
                "memory %d no longer says which file it was built from; a build adds it again", values[0]
            )
        elif values[0] not in damaged:
            found[values[0]] = Origin(*values[1:])
    return found
