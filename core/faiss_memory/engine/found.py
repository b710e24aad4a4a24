"""What a search has found, and how what several wordings of one query have found is joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from faiss_memory.memory import Metric, Query, SearchResult


@dataclass(frozen=True, slots=True)
class Found:
    """The results of a search, with what was held back and which legs could not answer fully."""

    results: list[SearchResult]
    withheld: int = 0
    degraded: tuple[str, ...] = ()
    metric: Metric | None = None
    """By what the model compares that was asked; None where there was none."""
    lasts: bool = True
    """Whether the same search finds the same for as long as nothing changes: not if the model has just failed."""


def merged(query: Query, found: Sequence[Found], metric: Metric | None) -> Found:
    """Join what several wordings of one query have found: by relevance, a memory's best match."""
    if len(found) == 1:
        return replace(found[0], metric=metric)
    best: dict[int, SearchResult] = {}
    for result in (result for part in found for result in part.results):
        known = best.get(result.memory.id)
        if known is None or result.relevance > known.relevance:
            best[result.memory.id] = result
    ordered = sorted(best.values(), key=lambda result: (-result.relevance, result.memory.id))
    degraded = tuple(dict.fromkeys(leg for part in found for leg in part.degraded))
    return Found(ordered[: query.k], max(part.withheld for part in found), degraded, metric)
