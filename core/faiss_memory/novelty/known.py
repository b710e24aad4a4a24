"""Whether a text is news: known is what is near to something stored, and which nothing tells apart from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from faiss_memory.contracts.store import Closest
from faiss_memory.memory import Passage
from faiss_memory.novelty.differences import differences

LOOKED_AT = 5
"""So many memories are looked at for each passage: the nearest may differ, and the next one say the same."""


class Known(NamedTuple):
    """What the least known passage of a text is most like, and what tells them apart."""

    closest: Closest
    differs_in: list[str]


def nearest_known(
    text: str, passages: Sequence[Passage], near: Sequence[Sequence[Closest]], threshold: float
) -> Known | None:
    """Return how far a text is known, by what is `near` to each of its passages; None if nothing is there.

    A long text is known only if each passage is: there is a memory from the threshold on that nothing tells apart. So
    a passage counts that something tells apart, or else the least similar one.
    """
    if not near or not all(near):
        return None
    texts = [text[passage.start : passage.end] for passage in passages]
    place = min(range(len(near)), key=lambda n: near[n][0].similarity)
    if near[place][0].similarity < threshold:
        return Known(near[place][0], _differs_in(texts[place], near[place][0]))
    each = [_known_passage(one, found, threshold) for one, found in zip(texts, near, strict=True)]
    return min(each, key=lambda one: (not one.differs_in, one.closest.similarity))


def is_known(found: Known | None, threshold: float) -> bool:
    """Return whether a text needs not be stored."""
    return found is not None and found.closest.similarity >= threshold and not found.differs_in


def _known_passage(passage: str, found: Sequence[Closest], threshold: float) -> Known:
    """Choose the nearest memory that says the same; where there is none, the nearest."""
    near = (one for one in found if one.similarity >= threshold)
    first: Known | None = None
    for one in near:
        compared = Known(one, _differs_in(passage, one))
        if not compared.differs_in:
            return compared
        first = first or compared
    assert first is not None
    return first


def _differs_in(passage: str, closest: Closest) -> list[str]:
    stretch = closest.passage
    return differences(passage, closest.memory.text[stretch.start : stretch.end])
