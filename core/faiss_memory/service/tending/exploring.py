"""Looking around: how many memories there are of each kind, which are alike, what has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.engine.whole_memories import near
from faiss_memory.memory import Filter
from faiss_memory.novelty.differences import differences
from faiss_memory.rights import PERSON, Rights
from faiss_memory.schema import tending
from faiss_memory.schema.overview import TagCount
from faiss_memory.service import messages
from faiss_memory.service.selection import list_filter
from faiss_memory.service.vocabulary import Vocabulary

Key = TypeVar("Key", str, str | None)


class Exploring:
    """Answers what a page asks beside searches and lists; raises what the service raises."""

    def __init__(self, engine: MemoryEngine, vocabulary: Vocabulary) -> None:
        self._engine = engine
        self._vocabulary = vocabulary

    def facets(self, request: tending.FacetsRequest, rights: Rights = PERSON) -> tending.FacetsAnswer:
        """Count the memories of each kind."""
        where = list_filter(request, rights, self._vocabulary)
        found, most = self._engine.facets(where, request.q), request.limit
        over = replace(where, expired_by=datetime.now(UTC))
        return tending.FacetsAnswer(
            projects=[tending.NameCount(name=key, count=n) for key, n in _most(found.projects, most)],
            tags=[TagCount(tag=key, count=n) for key, n in _most(found.tags, most)],
            sources=[tending.SourceCount(source=key, count=n) for key, n in _most(found.sources, most)],
            by=[tending.ByCount(by=key, count=n) for key, n in _most(found.by, most)],
            states=tending.StateCounts(
                current=found.current,
                superseded=found.superseded,
                # (which changes by itself, so it is counted each time: among the few that have an end)
                expired=self._engine.store.facets(over, request.q).current,
            ),
            project=messages.format_projects(where.projects, request.project),
        )

    def similar(self, request: tending.SimilarRequest, rights: Rights = PERSON) -> tending.SimilarAnswer:
        """Find the memories most like one. Raises MemoryNotFound, and EmbedderError or NotReady without a model."""
        memory = rights.seen(request.id, self._engine.store.get([request.id]))
        projects = rights.to_read(memory.project if request.project is None else request.project)
        (found,) = near(self._engine, [memory], Filter(projects=projects), request.k)
        results = [
            tending.SimilarMemory(
                **messages.memory_fields(messages.seen(one.memory, rights)),
                similarity=round(one.similarity, 4),
                differs_in=differences(memory.text, one.memory.text),
            )
            for one in found
        ]
        return tending.SimilarAnswer(
            results=results, count=len(results), project=messages.format_projects(projects, request.project)
        )

    def changes(self, request: tending.ChangesRequest) -> tending.ChangesAnswer:
        """Return what was written since a position; without one, where to go on from."""
        store = self._engine.store
        if request.after is None:
            return tending.ChangesAnswer(
                position=store.position(), changed=[], removed=[], anew=False, more=False
            )
        feed = store.changes(request.after, request.limit)
        return tending.ChangesAnswer(
            position=feed.position, changed=feed.stored, removed=feed.removed, anew=feed.anew, more=feed.more
        )


def _most(counts: Mapping[Key, int], most: int) -> list[tuple[Key, int]]:
    """Return the most frequent, ties by name."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0] or ""))[:most]
