"""What a restore would change: a built state beside the present one, compared memory by memory."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeAlias

from faiss_memory.contracts.backups import Difference, Differing, LeftOut
from faiss_memory.errors import StoreCorrupt
from faiss_memory.memory import Memory
from faiss_memory.store.records.connection import connected
from faiss_memory.store.records.rows import MEMORY_COLUMNS, from_row

log = logging.getLogger("faiss_memory.store")

Keys: TypeAlias = Mapping[tuple[int, str], int]
"""The checksum of each memory, by its id and uid: equal ones say the same."""


class Present(NamedTuple):
    """What is needed of the present state."""

    keys: Keys
    memories: Mapping[int, Memory]
    """Those that are shown."""


class OtherState:
    """A state that was built beside the present one, open to be read; use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self._connection = connected(path)

    def __enter__(self) -> OtherState:
        self.keys = keys_of(self._connection)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def present(self, connection: sqlite3.Connection, most: int) -> Present:
        """Read what is needed of the present, all from one state of it."""
        keys = keys_of(connection)
        added, changed, _ = _told_apart(keys, self.keys)
        return Present(keys, _memories(connection, [*added[:most], *changed[:most]]))

    def against(self, present: Present, name: str, most: int, left_out: tuple[LeftOut, ...]) -> Difference:
        """Return what would change if this state took the place of the present one."""
        added, changed, forgotten = _told_apart(present.keys, self.keys)
        then = _memories(self._connection, [*changed[:most], *forgotten[:most]])
        shown = [*added[:most], *changed[:most], *forgotten[:most]]
        pairs = [Differing(present.memories.get(one), then.get(one)) for one in shown]
        return Difference(
            name=name,
            now=len(present.keys),
            then=len(self.keys),
            added=len(added),
            changed=len(changed),
            forgotten=len(forgotten),
            changes=tuple(pair for pair in pairs if pair.now or pair.then),
            left_out=left_out,
        )


def keys_of(connection: sqlite3.Connection) -> Keys:
    """Read the keys of all memories."""
    return {
        (memory_id, uid): crc
        for memory_id, uid, crc in connection.execute("SELECT id, uid, crc FROM memories")
    }


def _told_apart(now: Keys, then: Keys) -> tuple[list[int], list[int], list[int]]:
    """Return the ids of what was added, changed and forgotten since, the highest first."""
    added = sorted((memory_id for memory_id, _ in now.keys() - then.keys()), reverse=True)
    forgotten = sorted((memory_id for memory_id, _ in then.keys() - now.keys()), reverse=True)
    both = now.keys() & then.keys()
    return added, sorted((key[0] for key in both if now[key] != then[key]), reverse=True), forgotten


def _memories(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Memory]:
    """Read memories by id, without those that are damaged."""
    found: dict[int, Memory] = {}
    marks = ",".join("?" * len(ids))
    with closing(connection.cursor()) as cursor:
        newer = dict(
            cursor.execute(
                f"SELECT supersedes, max(id) FROM memories WHERE supersedes IN ({marks}) GROUP BY 1", ids
            )
        )
        for row in cursor.execute(f"SELECT {MEMORY_COLUMNS} FROM memories WHERE id IN ({marks})", ids):
            try:
                found[row[0]] = from_row(row, newer.get(row[0]))
            except StoreCorrupt as error:
                log.warning("passed over: %s", error)
    return found
