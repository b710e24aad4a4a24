"""What a memory says, whichever store holds it: its ids are another store's, its uid is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from faiss_memory.contracts.store import Store
from faiss_memory.memory import Filter, Memory, Origin

EVERYTHING = Filter(projects=None, include_superseded=True)
AT_ONCE = 200
"""Memories that are read, and written in one transaction, at once."""

Step = Callable[[str, float], object]
"""Is told what is being done, and how far that is in [0, 1]."""


def said(memory: Memory) -> tuple[object, ...]:
    """Return what a memory says by itself, to be compared."""
    return (
        memory.uid, memory.text, memory.project, memory.source, memory.tags, memory.cues, dict(memory.metadata),
        memory.timestamp, memory.by, memory.actor, memory.valid_until,
    )  # fmt: skip


def pages(store: Store, ids: Sequence[int], what: str, step: Step) -> Iterator[list[Memory]]:
    """Read memories, some at a time, and tell how far that is."""
    for start in range(0, len(ids), AT_ONCE):
        step(what, start / len(ids))
        yield store.get(ids[start : start + AT_ONCE])
    step(what, 1.0)


def replaced(store: Store, memories: Sequence[Memory]) -> dict[int, Memory]:
    """Return what some memories replace, by their ids; not what is gone, or has moved to another project."""
    older = {one.id: one for one in store.get([one.supersedes for one in memories if one.supersedes])}
    found = {}
    for memory in memories:
        there = older.get(memory.supersedes or 0)
        if there is not None and there.project == memory.project:
            found[memory.id] = there
    return found


def all_origins(store: Store) -> dict[int, Origin]:
    """Return which memories were built from which part of which file, by id."""
    return {key: one for project in store.projects() for key, one in store.origins(project.name).items()}
