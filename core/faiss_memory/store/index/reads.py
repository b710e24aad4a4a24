"""What a store answers from its indexes alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from faiss_memory.contracts.embedder import Vectors
from faiss_memory.errors import MemoryNotFound
from faiss_memory.memory import Filter, Match, Memory, ProjectCount, Ranking
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
        """Give the ids that a filter lets through."""
        return self._indexes.read(lambda catalogue: catalogue.ids(where))

    def nearest(self, vector: Vectors, where: Filter, limit: int, model: str | None = None) -> list[Match]:
        """Find memories by meaning."""
        return self._indexes.nearest(vector, where, limit, model)

    def similarities(self, vector: Vectors, ids: Sequence[int], model: str | None = None) -> dict[int, Match]:
        """Compare a query with chosen memories."""
        return self._indexes.similarities(vector, ids, model)

    def matching(self, text: str, where: Filter, limit: int) -> Ranking:
        """Find memories by words."""
        return self._indexes.matching(text, where, limit)

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
