"""Memories that say the same, and such as say nearly the same with another value: of these the newer one counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Literal, NamedTuple

from faiss_memory.engine.relevance import NEUTRAL, known_terms, known_words, relevance_of
from faiss_memory.memory import Evidence, Memory, SearchResult
from faiss_memory.novelty.differences import either_differs

ALIKE = 0.6
"""The share of words that two memories must have in common, of all that either holds, to be about the same thing."""
MAYBE_ALIKE = 0.25
"""The same of words as they are written, which inflection and case make fewer: below it no two have ALIKE terms."""
LONGEST = 1_000
"""Characters: a longer text says more than one thing."""
NEAR = 0.7
"""The cosine from which two memories are worth comparing: most paraphrases reach it, and so does much else."""
SURE = 0.9
"""So relevant each of two memories must be to what the other says, to be about the same thing."""
_AMONG = 100
"""Memories: among so many, how many there are counts nothing."""
_WORD = re.compile(r"[a-z0-9]+|[^\x00-\x7f\s]")


def normalized(text: str) -> str:
    """Return a text as it counts for sameness: white space and case make no other text."""
    return " ".join(text.split()).casefold()


def is_same_text(one: str, other: str) -> bool:
    """Return whether two texts are the same but for white space and case."""
    return normalized(one) == normalized(other)


def distinct(results: Sequence[SearchResult]) -> list[SearchResult]:
    """Return results with each text once: the first of those that say the same."""
    first: dict[str, SearchResult] = {}
    for result in results:
        first.setdefault(normalized(result.memory.text), result)
    return list(first.values())


def newer_first(
    results: Sequence[SearchResult], holds: Callable[[Mapping[str, int]], float]
) -> list[SearchResult]:
    """Put the newer of two results first that say nearly the same with another value; scores stay in their places.

    `holds` tells how much of the query some terms hold: where the query asks for the older value, that stays first.
    """
    texts = [result.memory.text for result in results]
    words = [_words(text) for text in texts]
    order = list(range(len(results)))
    for place in range(len(order)):
        newest, first = place, order[place]
        for other in range(place + 1, len(order)):
            later = order[other]
            if (
                results[later].memory.timestamp > results[order[newest]].memory.timestamp
                and _may_differ_by_a_value(words[first], words[later])
                and differ_by_a_value(texts[first], texts[later])
                and holds(_terms(texts[later])) >= holds(_terms(texts[first]))
            ):
                newest = other
        order.insert(place, order.pop(newest))
    return [replace(results[n], score=results[place].score) for place, n in enumerate(order)]


def differ_by_a_value(one: str, other: str) -> bool:
    """Return whether two texts say nearly the same, with another value."""
    return _differ_by_a_value(_terms(one), _terms(other))


def _words(text: str) -> frozenset[str]:
    """Return the words of a text as they are written: quicker than its terms."""
    return frozenset(_WORD.findall(text.casefold())) if len(text) <= LONGEST else frozenset()


def _may_differ_by_a_value(one: Set[str], other: Set[str]) -> bool:
    """Return False only where two texts have far too few words in common, so that their terms need not be compared."""
    return len(one & other) >= MAYBE_ALIKE * max(len(one), len(other), 1)


def _terms(text: str) -> Mapping[str, int]:
    return known_terms(text).counts if len(text) <= LONGEST else {}


def _differ_by_a_value(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    if min(len(one), len(other)) < ALIKE * max(len(one), len(other), 1) or one.keys() == other.keys():
        return False
    return len(one.keys() & other.keys()) >= ALIKE * len(one.keys() | other.keys())


class Verdict(NamedTuple):
    """How two memories that are near each other stand to each other."""

    kind: Literal["identical", "differs", "similar"]
    relevance: float
    differs_in: list[str]


def compared(newer: Memory, older: Memory, similarity: float, known_share: float = 1.0) -> Verdict | None:
    """Judge two memories; None where they are about different things.

    A cosine alone says too little, so each must be relevant to what the other says. Of those that are, something may
    tell one from the other: then they contradict each other perhaps, and are not the same. `known_share` is the share
    of their letters that the model can tell apart.
    """
    near = NEUTRAL + known_share * (similarity - NEUTRAL)
    same = is_same_text(newer.text, older.text)
    relevance = 1.0
    for text, other in ((newer.text, older.text), (older.text, newer.text)):
        relevance = min(relevance, _relevance(text, other, near))
        if not same and relevance < SURE:
            return None  # most pairs end here, half compared
    differs_in = either_differs(newer.text, older.text)
    kind: Literal["identical", "similar"] = "identical" if same else "similar"
    return Verdict("differs" if differs_in else kind, relevance, differs_in)


def _relevance(text: str, other: str, similarity: float) -> float:
    words = known_words(text)
    evidence = Evidence(
        similarity=similarity,
        words=words.share(known_terms(other).counts),
        generic=NEUTRAL,
        specific=words.specific,
        memories=_AMONG,
        has_cues=False,
    )
    return relevance_of(evidence)
