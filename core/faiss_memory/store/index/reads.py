"""What a store answers from its indexes alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal

from faiss_memory.contracts.embedder import Embedding
from faiss_memory.contracts.store import Choose, Closest, Found, Search
from faiss_memory.errors import MemoryNotFound
from faiss_memory.memory import Facets, Filter, Memory, ProjectCount
from faiss_memory.store.index.follower import Derived


class IndexReads:
    """The reading half of `faiss_memory.Store`."""

    def __init__(self, derived: Derived) -> None:
        self._derived = derived
        self._indexes = derived.indexes

    def get(self, ids: Sequence[int]) -> list[Memory]:
        """Read memories, in the order asked for."""
        return self._indexes.get(ids)

    def history(self, memory_id: int) -> list[Memory]:
        """Read a memory and what it superseded, newest first."""
        chain = self._indexes.read(lambda catalogue: catalogue.history(memory_id))
        if not chain:
            raise MemoryNotFound(f"there is no memory {memory_id}")
        return chain

    def select(
        self,
        where: Filter,
        *,
        contains: str | None = None,
        order: Literal["newest", "oldest"] = "newest",
        limit: int = 50,
        after: tuple[datetime, int] | None = None,
    ) -> list[Memory]:
        """List memories by time."""
        return self._indexes.select(where, contains=contains, order=order, limit=limit, after=after)

    def matching_ids(self, where: Filter) -> list[int]:
        """Return the ids that a filter lets through."""
        return self._indexes.read(lambda catalogue: catalogue.ids(where))

    def count(self, where: Filter) -> int:
        """Return how many memories a filter lets through."""
        return self._indexes.read(lambda catalogue: catalogue.count(where))

    def allowed(self, ids: Collection[int], where: Filter) -> set[int]:
        """Return those of some memories that a filter lets through."""
        return self._indexes.read(lambda catalogue: catalogue.allowed(ids, where))

    def state(self) -> int:
        """Return the number of the present state."""
        return self._indexes.state

    def search(self, asked: Search, choose: Choose) -> Found:
        """Find memories by meaning and by words, and read those that are chosen, in one state."""
        return self._indexes.search(asked, choose)

    def closest(self, embedding: Embedding, where: Filter, depth: int = 1) -> list[list[Closest]]:
        """Find for each passage of a text what it is most like, by passages and not by cues."""
        return self._indexes.closest(embedding.of_passages, where, embedding.model, depth)

    def older_alike(
        self, project: str, ids: Sequence[int], least: float, depth: int
    ) -> dict[int, list[tuple[int, float]]]:
        """Find for each of some memories those with lower ids that are most like it."""
        return self._indexes.older_alike(project, ids, least, depth)

    def projects(self) -> list[ProjectCount]:
        """Count memories by project."""
        counts = self._indexes.counts()
        return [
            ProjectCount(name=name, memories=counts.get(name, 0), created_at=created, last_updated=updated)
            for name, (created, updated) in sorted(self._derived.projects.items())
        ]

    def tags(self, where: Filter) -> dict[str, int]:
        """Count memories by tag."""
        return self._indexes.read(lambda catalogue: catalogue.tags(where))

    def facets(self, where: Filter, contains: str | None = None) -> Facets:
        """Count memories by project, tag, source, way and state."""
        return self._indexes.read(lambda catalogue: catalogue.facets(where, contains))
