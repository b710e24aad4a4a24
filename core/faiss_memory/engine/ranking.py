"""Ranking: how far each leg's score counts, and how the legs are fused. The one place where this is decided."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from faiss_memory.memory import Match, Ranking

PASSAGE_PENALTY = 0.06
"""A text of n passages has n chances to be near by accident; measured in docs/ranking.md."""


def semantic_scores(matches: Iterable[Match]) -> dict[int, float]:
    """Score by meaning: the cosine of the best passage, corrected for the number of passages."""
    return {
        match.memory_id: match.similarity - PASSAGE_PENALTY * math.log(match.passages) for match in matches
    }


def fuse(meaning: Mapping[int, float], others: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Fuse rankings into the mean of their scores, each brought to [0, 1].

    A cosine has no natural zero, so `meaning` is stretched from its lowest candidate to its highest; in the
    `others` zero already means "no match", so they are divided by their best. A memory that a ranking does not know
    counts 0 there. A convex combination of scores beats reciprocal ranks where scores say more than places: Bruch,
    Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval" (2023).
    """
    low = min(meaning.values(), default=0.0)
    span = max(meaning.values(), default=0.0) - low
    stretched = {key: (score - low) / span if span else 1.0 for key, score in meaning.items()}
    legs = [leg for leg in (stretched, *others) if leg]
    fused: dict[int, float] = {}
    for leg in legs:
        best = max(leg.values())
        for memory_id, score in leg.items():
            fused[memory_id] = fused.get(memory_id, 0.0) + score / best / len(legs)
    return fused


def best_first(scores: Mapping[int, float]) -> Ranking:
    """Order by score, ties by id."""
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def relevance(similarity: float) -> float:
    """Turn a cosine into a chance in [0, 1] that a memory answers: a plain logistic curve, not yet calibrated."""
    return 1 / (1 + math.exp(-12 * (similarity - 0.4)))
