"""Ranking: how far each leg's score counts, and how the legs are fused. The one place where this is decided."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from faiss_memory.memory import Match, Query, Ranking

PASSAGE_PENALTY = 0.06
"""A text of n passages has n chances to be near by accident; measured in docs/ranking.md."""


SEMANTIC, KEYWORD = "semantic", "keyword"
"""The names of the store's own legs; a plugin's has the plugin's name."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One way to rank: its name, and the scores that it gives, by memory."""

    name: str
    scores: Mapping[int, float]
    is_partial: bool = False
    """Whether what it ranks is still being rebuilt, so that it has not seen every memory."""


def semantic_scores(matches: Iterable[Match]) -> dict[int, float]:
    """Score by meaning: the cosine of the best passage or cue, corrected for the number of passages."""
    return {
        match.memory_id: match.similarity - PASSAGE_PENALTY * math.log(match.passages) for match in matches
    }


def score(query: Query, legs: Sequence[Leg]) -> dict[int, float]:
    """Score memories in a query's mode: by the leg that it names, or by all of them fused."""
    if query.mode == "hybrid":
        return fuse(query, legs)
    asked = SEMANTIC if query.mode == "semantic" else KEYWORD
    return dict(next(leg.scores for leg in legs if leg.name == asked))


def fuse(query: Query, legs: Sequence[Leg]) -> dict[int, float]:
    """Fuse legs into the mean of their scores, each brought to [0, 1]; today every leg weighs the same in each query.

    A cosine has no natural zero, so the leg by meaning is stretched from its lowest candidate to its highest; in the
    others zero already means "no match", so they are divided by their best. A memory that a leg does not know
    counts 0 there; but a leg that is partial may not have seen it, and has no say. A convex combination of scores beats
    reciprocal ranks where scores say more than places: Bruch, Gai and Ingber, "An Analysis of Fusion Functions for
    Hybrid Retrieval" (2023).
    """
    told = [(_brought_to_one(leg), leg.is_partial) for leg in legs if leg.scores]
    whole = sum(not is_partial for _, is_partial in told)
    sums: dict[int, float] = {}
    judges: dict[int, int] = {}
    for scores, is_partial in told:
        for memory_id, value in scores.items():
            sums[memory_id] = sums.get(memory_id, 0.0) + value
            judges[memory_id] = judges.get(memory_id, whole) + is_partial
    return {memory_id: value / judges[memory_id] for memory_id, value in sums.items()}


def _brought_to_one(leg: Leg) -> dict[int, float]:
    best = max(leg.scores.values())
    if leg.name != SEMANTIC:
        return {key: value / best for key, value in leg.scores.items()}
    low = min(leg.scores.values())
    return {key: (value - low) / (best - low) if best > low else 1.0 for key, value in leg.scores.items()}


def best_first(scores: Mapping[int, float]) -> Ranking:
    """Order by score, ties by id."""
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def relevance(similarity: float) -> float:
    """Turn a cosine into a chance in [0, 1] that a memory answers: a plain logistic curve, not yet calibrated."""
    return 1 / (1 + math.exp(-12 * (similarity - 0.4)))
