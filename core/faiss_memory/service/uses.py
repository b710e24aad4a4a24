"""Noting of what use memories are, where the store keeps a ledger of it. It keeps no answer from being given."""

from __future__ import annotations

from faiss_memory import schema
from faiss_memory.contracts.ledger import Ledger, Use, bucket_of
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.memory import DEFAULT_PROJECT
from faiss_memory.rights import Rights
from faiss_memory.tokens import count_tokens


class Uses:
    """The ledger, as the service and guests write to it."""

    def __init__(self, engine: MemoryEngine) -> None:
        self._engine = engine

    def note(self, *uses: Use) -> None:
        """Count uses. What a store keeps no ledger of is not kept."""
        if self._engine.store_opened and isinstance(self._engine.store, Ledger):
            self._engine.store.note_uses(uses)

    def note_search(self, answer: schema.SearchAnswer, rights: Rights, seconds: float) -> None:
        """Count a search, and each memory that it has found."""
        found = [
            Use(
                assistant=rights.by,
                project=one.project,
                event="found",
                memory=one.id,
                tokens=count_tokens(one.text),
            )
            for one in answer.results
        ]
        first = answer.project if isinstance(answer.project, str) else answer.project[0]
        search = Use(
            assistant=rights.by,
            project=DEFAULT_PROJECT if first == "*" else first,
            event="search",
            latency=bucket_of(seconds),
            tokens=sum(use.tokens for use in found),
        )
        self.note(search, *found)
