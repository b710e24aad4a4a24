"""Counts how memories are used, where the store keeps a ledger of it. What cannot be counted fails no answer."""

from __future__ import annotations

from collections.abc import Sequence

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
        """Count uses; a store without a ledger counts nothing."""
        if self._engine.store_opened and isinstance(self._engine.store, Ledger):
            self._engine.store.note_uses(uses)

    def note_search(self, answer: schema.SearchAnswer, rights: Rights, seconds: float) -> None:
        """Count a search, each memory that it has found, and what it has withheld or that it found nothing."""
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
        first = answer.project if isinstance(answer.project, str) else next(iter(answer.project), "*")
        search = Use(
            assistant=rights.by,
            project=DEFAULT_PROJECT if first == "*" else first,
            event="search",
            latency=bucket_of(seconds),
            tokens=sum(use.tokens for use in found),
        )
        told = {"withheld": answer.withheld, "nothing found": int(not answer.results)}
        beside = [
            Use(assistant=rights.by, project=search.project, event=event, count=count)
            for event, count in told.items()
            if count
        ]
        self.note(search, *found, *beside)

    def note_added(self, memories: Sequence[tuple[int, str]], rights: Rights) -> None:
        """Count memories that were stored, by id with their projects."""
        self.note(
            *(
                Use(assistant=rights.by, project=project, event="added", memory=one)
                for one, project in memories
            )
        )
