"""Rules over several memories: no uid is there twice, and memories that replace each other never form a circle."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from faiss_memory.contracts.merging import Link, relinked
from faiss_memory.errors import Conflict, MemoryNotFound
from faiss_memory.memory import Memory, Standing


def check_supersedes(connection: sqlite3.Connection, memory_id: int, project: str) -> None:
    """Raise MemoryNotFound if a memory, which another one is to supersede, is not in its project."""
    row = connection.execute("SELECT project FROM memories WHERE id = ?", (memory_id,)).fetchone()
    if row is None or row[0] != project:
        raise MemoryNotFound(
            f"`supersedes` names memory {memory_id}, which is not in project `{project}`; "
            "use the id of a memory of the same project",
            "supersedes",
        )


def check_end(connection: sqlite3.Connection, memory: Memory) -> None:
    """Raise Conflict if a memory supersedes itself, also by others between."""
    older = memory.supersedes
    while older is not None and older != memory.id:
        row = connection.execute("SELECT supersedes FROM memories WHERE id = ?", (older,)).fetchone()
        older = None if row is None else row[0]
    if older is not None:
        raise Conflict(f"memory {memory.supersedes} supersedes memory {memory.id}, not the other way round")


def check_unknown(uid: str, known: Mapping[str, Standing]) -> None:
    """Raise Conflict if a uid that a new memory brings along is that of another one."""
    if uid in known:
        raise Conflict(f"the uid {uid} is known: it is that of memory {known[uid].memory_id}", "uid")


def uid_of(connection: sqlite3.Connection, memory_id: int | None) -> str | None:
    """Return the uid of the memory that has an id, or had it; None where nobody knows."""
    row = connection.execute(
        "SELECT uid FROM memories WHERE id = ?1 UNION ALL SELECT uid FROM removed WHERE memory = ?1",
        (memory_id,),
    ).fetchone()
    return None if row is None else str(row[0])


_LINKS = "SELECT m.id, m.uid, m.project, m.supersedes, m.older FROM memories m"
_UNFOLLOWED = "JOIN memories o ON o.uid = m.older WHERE m.older IS NOT NULL AND m.supersedes IS NULL"


def relinking(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, int | None]:
    """Return what memories are to supersede from now on, now that some were written, by id, where that has changed."""

    def read(where: str, *values: object) -> list[Link]:
        return [Link(*row) for row in connection.execute(f"{_LINKS} {where}", values)]

    def find(uid: str) -> Link | int | None:
        for link in read("WHERE m.uid = ?", uid):
            return link
        row = connection.execute("SELECT memory FROM removed WHERE uid = ?", (uid,)).fetchone()
        return None if row is None else int(row[0])

    concerned = read(_UNFOLLOWED)
    for memory_id in ids:
        for link in read("WHERE m.id = ?", memory_id):
            concerned += [link, *read("WHERE m.older = ?", link.uid)]
    return relinked(concerned, find)
