"""Postings of the keyword index: which memories hold a term, and how often; sealed in segments, or just arrived."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

POSTING = np.dtype([("term", "<u4"), ("count", "<u2")])
"""One term of a memory with how often it occurs; the term LENGTH counts the words of its text."""
LENGTH = 0
MOST_COUNTED = 65_535
"""How often a memory holds a term, at most; what is more counts as this."""

Postings = npt.NDArray[np.void]
Slots = npt.NDArray[np.int32]
Counts = npt.NDArray[np.uint16]
_ROOM = 1024
"""Postings that a tail has room for at first."""


def postings_of(length: int, terms: Iterable[int], counts: Iterable[int]) -> Postings:
    """Return the postings of a memory of so many words: its terms, and how often it holds each."""
    numbers = [LENGTH, *terms]
    postings = np.empty(len(numbers), POSTING)
    postings["term"], postings["count"] = numbers, np.minimum([length, *counts], MOST_COUNTED)
    return postings


@dataclass(frozen=True, slots=True)
class Segment:
    """Sealed postings, sorted by term: `slots[starts[i]:starts[i + 1]]` hold `terms[i]`."""

    terms: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.int64]
    slots: Slots
    counts: Counts

    @staticmethod
    def seal(terms: npt.NDArray[np.uint32], slots: Slots, counts: Counts) -> Segment:
        """Sort postings by term; the arrays run side by side."""
        order = _stable_order(terms)
        ordered = terms[order]
        starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
        return Segment(ordered[starts], np.append(starts, len(order)), slots[order], counts[order])

    def merged(self, other: Segment) -> Segment:
        """Join two segments."""
        return Segment.seal(
            np.concatenate([self.spread(), other.spread()]),
            np.concatenate([self.slots, other.slots]),
            np.concatenate([self.counts, other.counts]),
        )

    def spread(self) -> npt.NDArray[np.uint32]:
        """Return the term of every posting."""
        return np.repeat(self.terms, np.diff(self.starts))

    def postings(self, term: int) -> tuple[Slots, Counts]:
        """Return the slots that hold a term, with its counts."""
        at = int(np.searchsorted(self.terms, term))
        if at == len(self.terms) or self.terms[at] != term:
            return self.slots[:0], self.counts[:0]
        part = slice(self.starts[at], self.starts[at + 1])
        return self.slots[part], self.counts[part]


class Tail:
    """Postings as they arrive, each memory's after the one before: looked through from end to end."""

    def __init__(self) -> None:
        self._terms: npt.NDArray[np.uint32] = np.zeros(_ROOM, np.uint32)
        self._slots: Slots = np.zeros(_ROOM, np.int32)
        self._counts: Counts = np.zeros(_ROOM, np.uint16)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, slot: int, postings: Postings) -> None:
        """Add the terms of the memory in a slot, which is higher than all before."""
        first, self._size = self._size, self._size + len(postings)
        if self._size > len(self._terms):
            room = max(self._size, 2 * len(self._terms)) - len(self._terms)
            self._terms = np.append(self._terms, np.zeros(room, np.uint32))
            self._slots = np.append(self._slots, np.zeros(room, np.int32))
            self._counts = np.append(self._counts, np.zeros(room, np.uint16))
        self._terms[first : self._size] = postings["term"]
        self._slots[first : self._size] = slot
        self._counts[first : self._size] = postings["count"]

    def postings(self, term: int) -> tuple[Slots, Counts]:
        """Return the slots that hold a term, ascending, with its counts."""
        at = np.flatnonzero(self._terms[: self._size] == term)
        return self._slots[at], self._counts[at]

    def sealed(self) -> Segment:
        """Return its postings as a segment."""
        return Segment.seal(self._terms[: self._size], self._slots[: self._size], self._counts[: self._size])


def _stable_order(terms: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """Return what sorts terms, equal ones as they stand: half a number at a time, which numpy sorts in linear time."""
    order = np.argsort((terms & 0xFFFF).astype(np.uint16), kind="stable")
    high = (terms >> 16).astype(np.uint16)
    return order[np.argsort(high[order], kind="stable")] if high.any() else order
