"""What a search by words finds: the best memories, and which terms of the query each holds."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from faiss_memory.memory import Ranking


class TermPostings(NamedTuple):
    """The slots that hold a term, ascending, with how often each does."""

    term: int
    slots: npt.NDArray[np.int32]
    counts: npt.NDArray[np.uint16]


class Place(NamedTuple):
    """Where a memory stands in the index of its project."""

    slot: int
    postings: Sequence[TermPostings]
    """Those of the query's terms in that index."""

    @property
    def terms(self) -> list[int]:
        """Which terms of the query it holds itself."""
        return [posting.term for posting in self.postings if _holds(posting.slots, self.slot)]


def _holds(slots: npt.NDArray[np.int32], slot: int) -> bool:
    at = int(slots.searchsorted(slot))
    return at < len(slots) and int(slots[at]) == slot


@dataclass(frozen=True, slots=True)
class ByWords:
    """What a search by words has found."""

    memories: int = 0
    """How many memories there are of those that count."""
    ranking: Ranking = field(default_factory=list)
    """Memory ids with their BM25 scores, best first, ties by id."""
    places: Sequence[Place] = ()
    """Beside the ranking: where it is told which terms of the query each memory holds itself."""
    coverage: float = 0.0
    """The largest share of the query that one memory holds, in [0, 1]: by idf, words that nobody holds included."""
    holders: Sequence[int] = ()
    """The ids of those that hold as much of the query as any; none if they are more than were asked for."""


def joined(parts: Sequence[ByWords], depth: int, near: Collection[int]) -> ByWords:
    """Join what was found in several projects: the best `depth`, and after them those that are `near` by meaning."""
    rows = sorted(
        (row for part in parts for row in zip(part.ranking, part.places, strict=True)),
        key=lambda row: (-row[0][1], row[0][0]),
    )
    rows = rows[:depth] + [row for row in rows[depth:] if row[0][0] in near]
    return ByWords(
        memories=sum(part.memories for part in parts),
        ranking=[pair for pair, _ in rows],
        places=[place for _, place in rows],
        coverage=max((part.coverage for part in parts), default=0.0),
        holders=[memory_id for part in parts for memory_id in part.holders],
    )


def ranked(
    ids: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float32],
    limit: int,
    also: npt.NDArray[np.int64] | None,
) -> npt.NDArray[np.int64]:
    """Return the places of the best, and after them of those `also` wanted that are none of these; ties by id."""
    if len(ids) <= limit:
        return np.lexsort((ids, -scores))
    # Everything that ties with the last place stays in, so that ties are broken by id and not by chance.
    bar = np.partition(scores, len(scores) - limit)[len(scores) - limit]
    high = np.flatnonzero(scores >= bar)
    best = high[np.lexsort((ids[high], -scores[high]))[:limit]]
    if also is None:
        return best
    is_other = np.isin(ids, also, kind="table")  # (no sorting; a byte for each id in their range)
    is_other[best] = False
    others = np.flatnonzero(is_other)
    return np.concatenate([best, others[np.lexsort((ids[others], -scores[others]))]])


def idf_of(memories: int, holders: int) -> float:
    """Return how much a term says that so many of the memories hold."""
    return math.log(1 + (memories - holders + 0.5) / (holders + 0.5))
