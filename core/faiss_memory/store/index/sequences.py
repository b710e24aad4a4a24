"""Which memories follow each other: the turns of a session, the parts of a file.

A short one is understood only beside its neighbours ("Yes, in March."), so a search by words lets it borrow theirs: the
more, the shorter it is (docs/ranking.md). Linked by slots of the keyword index, in order of memory ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from faiss_memory.contracts.weighing import NO_SEQUENCE, borrowed_share

Mask = npt.NDArray[np.bool_]
Slots = npt.NDArray[np.int32]
Weights = npt.NDArray[np.float32]
_NOBODY = -1


class Sequences:
    """The neighbours of each slot. Not thread-safe: readers may share it, a writer needs it alone."""

    def __init__(self) -> None:
        self._numbers: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._before: Slots = np.zeros(0, np.int32)
        self._after: Slots = np.zeros(0, np.int32)
        self._size = 0
        self._last: dict[int, int] = {}
        """By sequence, the slot of its last memory."""

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return copies of all it knows, for `restored`."""
        last = np.array([*self._last.items()], np.int64).reshape(-1, 2)
        each: dict[str, npt.NDArray[Any]] = {
            "numbers": self._numbers,
            "before": self._before,
            "after": self._after,
        }
        return {"last": last, **{name: array[: self._size].copy() for name, array in each.items()}}

    @classmethod
    def restored(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Sequences:
        """Return what `arrays` was asked of."""
        made = cls()
        made._numbers, made._before, made._after = (arrays[name] for name in ("numbers", "before", "after"))
        made._size, made._last = len(made._numbers), dict(arrays["last"].tolist())
        return made

    def append(self, slot: int, sequence: int, memory_ids: npt.NDArray[np.int64], alive: Mask) -> None:
        """Link a memory that has just taken a slot; `memory_ids` and `alive` are those of all slots."""
        self._take(1)
        self._numbers[slot] = sequence
        if sequence == NO_SEQUENCE:
            return
        last = self._last.get(sequence, _NOBODY)
        if last == _NOBODY or memory_ids[last] < memory_ids[slot]:
            self._link(last, slot)
            self._last[sequence] = slot
            return
        # A memory that was changed takes a new slot, and its old place between its neighbours.
        others = np.flatnonzero((self._numbers[:slot] == sequence) & alive[:slot])
        later = others[memory_ids[others] > memory_ids[slot]]
        following = int(later[np.argmin(memory_ids[later])])
        self._link(int(self._before[following]), slot)
        self._link(slot, following)

    def extend(self, first: int, sequences: Sequence[int]) -> None:
        """Link many memories, ids ascending, that have just taken slots from `first` on."""
        self._take(len(sequences))
        numbers = np.asarray(sequences, np.int64)
        self._numbers[first : self._size] = numbers
        order = np.argsort(numbers, kind="stable")
        order = order[numbers[order] != NO_SEQUENCE]
        if not len(order):
            return
        slots, ordered = (first + order).astype(np.int32), numbers[order]
        same = ordered[1:] == ordered[:-1]
        self._after[slots[:-1][same]] = slots[1:][same]
        self._before[slots[1:][same]] = slots[:-1][same]
        is_first, is_last = np.append(True, ~same), np.append(~same, True)
        for number, begin, end in zip(
            ordered[is_first].tolist(), slots[is_first].tolist(), slots[is_last].tolist(), strict=True
        ):
            self._link(self._last.get(number, _NOBODY), begin)
            self._last[number] = end

    def remove(self, slots: Sequence[int]) -> None:
        """Let the neighbours of removed memories be each other's."""
        for slot in slots:
            number = int(self._numbers[slot])
            before, after = int(self._before[slot]), int(self._after[slot])
            if number == NO_SEQUENCE:
                continue
            if after == _NOBODY:
                if before == _NOBODY:
                    self._last.pop(number, None)
                else:
                    self._last[number] = before
            self._link(before, after)
            self._before[slot] = self._after[slot] = _NOBODY
            self._numbers[slot] = NO_SEQUENCE

    def renumber(self, alive: Mask) -> None:
        """Follow the slots of the living when those of the dead are given back."""
        fresh = np.append(np.cumsum(alive) - 1, _NOBODY).astype(np.int32)  # (the last one is that of nobody)
        self._before = fresh[self._before[: self._size][alive]]
        self._after = fresh[self._after[: self._size][alive]]
        self._numbers = self._numbers[: self._size][alive]
        self._size = len(self._numbers)
        self._last = {number: int(fresh[slot]) for number, slot in self._last.items()}

    def lengths(self, lengths: Weights) -> Weights:
        """Return the length of each memory with what it borrows; `lengths` are their own."""
        padded = np.append(lengths, np.float32(0))
        borrowed = padded[self._before[: self._size]] + padded[self._after[: self._size]]
        return lengths + _share(lengths) * borrowed

    def spread(
        self, slots: Slots, counts: npt.NDArray[np.uint16], lengths: Weights, nothing: Weights
    ) -> tuple[Slots, Weights]:
        """Return which memories a term counts for, and how often, when those beside its holders borrow it.

        A memory can stand there twice, each time with all it counts. `nothing`, a zero for each slot, is lent.
        """
        before, after = self._before[slots], self._after[slots]
        has_before, has_after = before != _NOBODY, after != _NOBODY
        if not has_before.any() and not has_after.any():
            return slots, counts.astype(np.float32)
        before, after = before[has_before], after[has_after]
        # Each of the three names a slot once: no two memories have the same one before them.
        total = nothing
        total[slots] = counts
        total[before] += counts[has_before] * _share(lengths[before])
        total[after] += counts[has_after] * _share(lengths[after])
        places = np.concatenate([slots, before, after])
        weights = total[places]
        total[places] = 0
        return places, weights

    def weights_of(
        self, chosen: Slots, slots: Slots, counts: npt.NDArray[np.uint16], lengths: Weights
    ) -> tuple[Weights, Weights]:
        """Return how often chosen memories hold a term themselves, and how often it counts for them as in `spread`.

        The other memories are not looked at.
        """
        own, *lent = (
            _counts_at(places, slots, counts)
            for places in (chosen, self._before[chosen], self._after[chosen])
        )
        return own, own + (lent[0] + lent[1]) * _share(lengths[chosen])

    def _link(self, before: int, after: int) -> None:
        if before != _NOBODY:
            self._after[before] = after
        if after != _NOBODY:
            self._before[after] = before

    def _take(self, count: int) -> None:
        self._size += count
        if self._size > len(self._numbers):
            room = max(self._size, 2 * len(self._numbers), 1024) - len(self._numbers)
            self._numbers = np.append(self._numbers, np.full(room, NO_SEQUENCE))
            self._before = np.append(self._before, np.full(room, _NOBODY, np.int32))
            self._after = np.append(self._after, np.full(room, _NOBODY, np.int32))


def _counts_at(places: Slots, slots: Slots, counts: npt.NDArray[np.uint16]) -> Weights:
    """Return the counts at some places; those that hold nothing have 0."""
    at = np.minimum(np.searchsorted(slots, places), len(slots) - 1)
    return np.where(slots[at] == places, counts[at], 0).astype(np.float32)


def _share(lengths: Weights) -> Weights:
    """Return the weight at which memories of so many words count their neighbours' words."""
    return np.asarray(borrowed_share(lengths), np.float32)
