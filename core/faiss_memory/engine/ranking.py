"""Ranking: how far each leg's score counts, and how the legs are fused. The one place where this is decided."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from faiss_memory.analyzer import is_identifier
from faiss_memory.contracts.store import Scope
from faiss_memory.memory import Match, Query, Ranking

PASSAGE_PENALTY = 0.06
"""A text of n passages has n chances to be near by accident; measured in docs/ranking.md."""


WORDS_WEIGHT = 0.7
"""How far words count beside meaning; measured in docs/ranking.md."""
LEAST_SPREAD = 0.03
"""Among few memories, or such as are all alike, the spread of cosines is not known well."""
TIE = 0.01
HALF = 0.5
"""Where the model can tell less than half of a query apart, words decide."""

SEMANTIC, KEYWORD = "semantic", "keyword"
"""The names of the store's own legs; a plugin's has the plugin's name."""


def legs_of(query: Query) -> tuple[str, ...]:
    """Return the names of the store's legs that a query's mode asks for."""
    return (SEMANTIC, KEYWORD) if query.mode == "hybrid" else (query.mode,)


@dataclass(frozen=True, slots=True)
class Leg:
    """One way to rank: its name, and the scores that it gives, by memory."""

    name: str
    scores: Mapping[int, float]
    is_partial: bool = False
    """Whether what it ranks is still being rebuilt, so that it has not seen every memory."""


def semantic_scores(matches: Iterable[Match], unit: float = 1.0) -> dict[int, float]:
    """Score by meaning: how near the best passage or cue is, corrected for the number of passages."""
    return {
        match.memory_id: match.similarity if match.passages == 1 else corrected(match, unit)
        for match in matches
    }


def corrected(match: Match, unit: float = 1.0) -> float:
    """Return how near a memory is, less what its number of passages would bring by accident.

    `unit` is how much of the similarity is worth 1 of the cosine.
    """
    return match.similarity - PASSAGE_PENALTY * unit * math.log(match.passages)


def corrected_cosine(match: Match) -> float:
    """Return the cosine with a memory, less what its number of passages would bring by accident."""
    return match.cosine - PASSAGE_PENALTY * math.log(match.passages)


def score(query: Query, legs: Sequence[Leg], scope: Scope, known_share: float = 1.0) -> dict[int, float]:
    """Score memories in a query's mode: by the leg that it names, or by all of them fused.

    `known_share` is the share of the query that the model can tell apart; see `fuse`.
    """
    if query.mode == "hybrid":
        return fuse(query, legs, scope, known_share)
    asked = SEMANTIC if query.mode == "semantic" else KEYWORD
    return dict(next(leg.scores for leg in legs if leg.name == asked))


def fuse(query: Query, legs: Sequence[Leg], scope: Scope, known_share: float = 1.0) -> dict[int, float]:
    """Fuse legs into sums of what they say, each measured by what is to be expected of it among so many memories.

    By meaning that is how far a similarity stands out, in standard deviations from the mean of all that the filter lets
    through. By words zero means "no match", so BM25 is divided by its best; how far that best counts says the query: a
    lone weak word of it that somebody holds says little (coverage), and the best of many memories more than that of
    few, since the largest of n cosines grows with ln n too. Where words alone can decide (an identifier), or meaning
    cannot (no model, an unknown script), the other leg only breaks ties.

    A memory that a leg does not know counts 0 there; but a leg that is partial may not have seen it, and has no say:
    there it is as good as the other legs say. Measured in docs/ranking.md.
    """
    weight = WORDS_WEIGHT * math.log(max(2, scope.memories)) * math.sqrt(scope.coverage)
    scales = {leg.name: _scaled(leg, scope, weight) for leg in legs if leg.scores}
    semantic = scales.get(SEMANTIC, {})
    if KEYWORD in scales and (is_identifier(query.text) or known_share < HALF):
        semantic = scales[SEMANTIC] = {key: value * TIE for key, value in semantic.items()}
    sums: dict[int, float] = {}
    for scores in scales.values():
        for memory_id, value in scores.items():
            sums[memory_id] = sums.get(memory_id, 0.0) + value
    is_partial = {leg.name: leg.is_partial for leg in legs}
    if any(is_partial[name] for name in scales):
        return {memory_id: _sum(memory_id, scales, is_partial) for memory_id in sums}
    return sums


def _scaled(leg: Leg, scope: Scope, weight: float) -> dict[int, float]:
    if leg.name == SEMANTIC:
        spread = max(scope.spread, LEAST_SPREAD * scope.unit)
        return {key: (value - scope.mean) / spread for key, value in leg.scores.items()}
    best = max(leg.scores.values())
    return {key: weight * value / best for key, value in leg.scores.items()}


def _sum(memory_id: int, scales: Mapping[str, Mapping[int, float]], is_partial: Mapping[str, bool]) -> float:
    """Add up what the legs say of a memory; a partial one that does not know it counts as the mean of the others."""
    told = [scores[memory_id] for scores in scales.values() if memory_id in scores]
    silent = sum(is_partial[name] for name, scores in scales.items() if memory_id not in scores)
    return sum(told) * (1 + silent / len(told))


def put_first(scores: dict[int, float], verbatim: Collection[int]) -> None:
    """Put the memory that holds the query word for word before all others, if it is the only one that does."""
    if len(verbatim) == 1 and scores:
        (memory_id,) = verbatim
        if memory_id in scores:
            scores[memory_id] = max(scores[memory_id], max(scores.values()) + 1)


def best_first(scores: Mapping[int, float]) -> Ranking:
    """Order by score, ties by id."""
    return [(memory_id, -less) for less, memory_id in sorted((-score, key) for key, score in scores.items())]
