"""What memories are to each other: each is there once, and of those that replace each other the line has an end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from faiss_memory.errors import Conflict, MemoryNotFound
from faiss_memory.memory import Memory, Standing

if TYPE_CHECKING:
    from faiss_memory.store.records.changes import Changes
    from faiss_memory.store.records.database import Truth


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


class _Link(NamedTuple):
    """A memory, and the uid of what it replaces."""

    id: int
    uid: str
    project: str
    supersedes: int | None
    older: str | None


def relink(truth: Truth, ids: Iterable[int], changes: Changes) -> None:
    """Let memories supersede those that they name by uid, as far as these are there; called with what was written.

    A memory of another project is not superseded, and in a circle the one with the lowest uid supersedes nothing: that
    follows from what is there alone, in whatever order it was written.
    """
    links = _Links(truth.connection)
    wanted = links.concerned(ids)
    while wanted:
        link = wanted.pop()
        circle = links.circle(link)
        wanted |= {one for one in circle if one.id not in links.seen and one != link}
        links.seen.add(link.id)
        last = min(circle, key=lambda one: one.uid) if circle else None
        target = None if link == last else links.target(link)
        if target != link.supersedes and (memory := truth.read(link.id)) is not None:
            truth.put(
                replace(memory, supersedes=target), (), None, changes, same_vectors=True, same_words=True
            )


class _Links:
    """Reads what replaces what."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute
        self.seen: set[int] = set()

    def _read(self, where: str, value: object = None) -> list[_Link]:
        sql = f"SELECT m.id, m.uid, m.project, m.supersedes, m.older FROM memories m {where}"
        return [_Link(*row) for row in self._run(sql, () if value is None else (value,))]

    def concerned(self, ids: Iterable[int]) -> set[_Link]:
        """Return the memories whose links may have changed with some, and those that could not be followed before."""
        found = set(
            self._read(
                "JOIN memories o ON o.uid = m.older WHERE m.older IS NOT NULL AND m.supersedes IS NULL"
            )
        )
        for memory_id in ids:
            for link in self._read("WHERE m.id = ?", memory_id):
                found |= {link, *self._read("WHERE m.older = ?", link.uid)}
        return {link for link in found if link.older is not None}

    def older(self, link: _Link) -> _Link | None:
        """Return what a memory replaces, if that is there and in the same project."""
        there = [] if link.older is None else self._read("WHERE m.uid = ?", link.older)
        return there[0] if there and there[0].project == link.project else None

    def target(self, link: _Link) -> int | None:
        """Return the id of what a memory replaces; of what is gone the id that it had."""
        if self._read("WHERE m.uid = ?", link.older):
            older = self.older(link)
            return None if older is None else older.id
        row = self._run("SELECT memory FROM removed WHERE uid = ?", (link.older,)).fetchone()
        return None if row is None else int(row[0])

    def circle(self, link: _Link) -> list[_Link]:
        """Return the circle that a memory is a part of, if it is."""
        line: list[_Link] = []
        at: _Link | None = link
        while at is not None and at not in line:
            line.append(at)
            at = self.older(at)
        return line if at == link else []
