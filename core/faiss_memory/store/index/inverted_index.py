"""The keyword index of one project: an inverted index in memory, ranked by BM25.

Kept outside SQLite's FTS5 on purpose (measured in docs/ranking.md): FTS5's `bm25()` fixes b, gives words that are
in half of a small project's memories no weight at all, and ranks every memory that holds one common word; here a
posting list is two numpy arrays, and a query of eight words over 100,000 memories is a few additions.

Memories take slots in order of arrival; a removed one leaves a dead slot until the index is compacted. Postings lie
in sealed segments, merged as they grow like the digits of a binary counter up to a size that no write has to wait for,
and a small mutable tail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from faiss_memory.contracts.weighing import BM25_K1, MOST_QUERY_TERMS, NO_SEQUENCE, length_norms
from faiss_memory.store.index.by_words import ByWords, Place, TermPostings, idf_of, ranked
from faiss_memory.store.index.postings import LENGTH, Postings, Segment, Tail
from faiss_memory.store.index.sequences import Mask, Sequences

COMPACT_ABOVE = 1000
"""So many dead slots are kept at least."""
COMMON = 20_000
"""A term in so many memories or more is looked for only in some of them, where that finds the same."""
SPARED = 4
"""How many times fewer these must be."""
TAIL = 16_384
"""So many postings the tail has when it is sealed."""
SLACK = 1e-3
"""More than what single precision loses of a score."""
SEGMENT = 1_000_000
"""The most postings of a segment that was merged of others."""


class _Wanted(NamedTuple):
    """What is looked for: the best `limit` of the slots that count, and the memories `also`, however low."""

    counting: Mask
    limit: int
    also: npt.NDArray[np.int64] | None


class KeywordIndex:
    """Not thread-safe: readers may share it, a writer needs it alone."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []
        self._tail = Tail()
        self._size = 0
        self._memories: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._lengths: npt.NDArray[np.float32] = np.zeros(0, np.float32)
        self._alive: Mask = np.zeros(0, np.bool_)
        self._living = 0
        self._highest = 0
        self._sequences = Sequences()
        self._known_norms: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return self._living

    @property
    def memory_ids(self) -> npt.NDArray[np.int64]:
        """The memory in each slot, dead ones included."""
        return self._memories[: self._size]

    def add(self, memory_id: int, postings: Postings, sequence: int = NO_SEQUENCE) -> None:
        """Index one memory; `sequence` is the number of the session or file that it is a part of."""
        is_length = postings["term"] == LENGTH
        slot = self._take_slots(
            np.array([memory_id]), np.array([postings["count"][is_length].sum()], np.float32)
        )
        self._sequences.append(slot, sequence, self._memories, self._alive)
        self._tail.append(slot, postings[~is_length])
        if len(self._tail) >= TAIL:
            self._seal_tail()

    def load(
        self,
        memory_ids: Sequence[int],
        sizes: Sequence[int],
        joined: Postings,
        sequences: Sequence[int] | None = None,
    ) -> None:
        """Index many memories at once, ids ascending; `sizes` says how many postings each has."""
        numbers = [NO_SEQUENCE] * len(sizes) if sequences is None else sequences
        first = start = end = 0
        for place, size in enumerate(sizes, 1):
            end += size
            if end - start >= SEGMENT or place == len(sizes):
                part = slice(first, place)
                self._load_segment(memory_ids[part], np.array(sizes[part]), joined[start:end], numbers[part])
                first, start = place, end

    def _load_segment(
        self,
        memory_ids: Sequence[int],
        sizes: npt.NDArray[np.int64],
        joined: Postings,
        sequences: Sequence[int],
    ) -> None:
        self._seal_tail()
        of_memory = np.repeat(np.arange(len(sizes)), sizes)
        is_length = joined["term"] == LENGTH
        lengths = np.bincount(of_memory[is_length], joined["count"][is_length], minlength=len(sizes))
        first = self._take_slots(np.asarray(memory_ids, np.int64), lengths.astype(np.float32))
        self._sequences.extend(first, sequences)
        slots = (first + of_memory[~is_length]).astype(np.int32)
        terms = joined[~is_length]
        self._append(Segment.seal(terms["term"], slots, terms["count"]))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all it knows as arrays that do not change any more, for `restored`."""
        tail = [self._tail.sealed()] if len(self._tail) else []
        segments = {
            f"segment-{number}-{part.name}": getattr(segment, part.name)
            for number, segment in enumerate([*self._segments, *tail])
            for part in fields(Segment)
        }
        slots: dict[str, npt.NDArray[Any]] = {
            "memories": self._memories,
            "lengths": self._lengths,
            "alive": self._alive,
        }
        return {
            "segments": np.array([len(self._segments) + len(tail)]),
            **segments,
            **{name: array[: self._size].copy() for name, array in slots.items()},
            **self._sequences.arrays(),
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> KeywordIndex:
        """Return what `arrays` was asked of. Raises KeyError where some are missing."""
        made = cls()
        made._segments = [
            Segment(*(arrays[f"segment-{number}-{part.name}"] for part in fields(Segment)))
            for number in range(int(arrays["segments"][0]))
        ]
        made._memories, made._lengths, made._alive = (
            arrays[name] for name in ("memories", "lengths", "alive")
        )
        made._size = len(made._memories)
        made._living = int(made._alive.sum())
        made._highest = int(made._memories.max(initial=0))
        made._sequences = Sequences.restored(arrays)
        return made

    def remove(self, memory_ids: Sequence[int]) -> None:
        """Leave memories out of every answer from now on."""
        known = [memory_id for memory_id in memory_ids if memory_id <= self._highest]
        if not known:
            return  # as with every new memory: looking through a million ids would take longer than to write it
        gone = self._alive[: self._size] & np.isin(self.memory_ids, known)
        self._known_norms = None
        self._alive[: self._size][gone] = False
        self._living -= int(gone.sum())
        self._sequences.remove(np.flatnonzero(gone).tolist())
        if self._size - len(self) > max(COMPACT_ABOVE, len(self)):
            self._compact()

    def search(
        self,
        query: Mapping[int, int],
        allowed: npt.NDArray[np.int64] | None,
        hidden: npt.NDArray[np.int64],
        limit: int,
        *,
        unknown: int = 0,
        also: npt.NDArray[np.int64] | None = None,
        most_holders: int = 0,
    ) -> ByWords:
        """Rank the memories that hold a query term (term → count), best first, ties by id.

        `allowed` are the only memory ids that count, None meaning all but the `hidden` ones. `unknown` counts the
        query's terms that no memory of the store holds; the memories `also` are ranked if they hold a term, however
        low. BM25 as `weighing` has it. A part of a sequence takes its neighbours' words as well, the more the
        shorter it is.
        """
        counting = self._counting(allowed, hidden)
        memories = int(counting.sum())
        if not memories:
            return ByWords()
        postings = self._rarest(query)
        scores, shares = self._scores(query, postings, unknown, _Wanted(counting, limit, also))
        found = np.flatnonzero((scores > 0) & counting)
        if not len(found):
            return ByWords(memories)
        shares = shares[found]
        # (Not all of it: a part of an identifier, asked for as one word, is a term that nobody holds.)
        full = found[shares >= shares.max() - 1e-5] if most_holders else found[:0]
        best = found[ranked(self.memory_ids[found], scores[found], limit, also)]
        return ByWords(
            memories,
            ranking=list(zip(self.memory_ids[best].tolist(), scores[best].tolist(), strict=True)),
            places=[Place(slot, postings) for slot in best.tolist()],
            coverage=min(1.0, float(shares.max())),
            holders=self.memory_ids[full].tolist() if len(full) <= most_holders else [],
        )

    def _scores(
        self, query: Mapping[int, int], postings: Sequence[TermPostings], unknown: int, wanted: _Wanted
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the BM25 of each slot, and the share of the query that it holds itself.

        The rarest terms come first. Once those that follow, which are in most of the memories, cannot bring another
        memory among the best, they are added up only for the memories that can still be.
        """
        norm = self._norms()
        scores, shares, nothing = (np.zeros(self._size, np.float32) for _ in range(3))
        lacking = unknown + sum(query.values()) - sum(query[term] for term, _, _ in postings)
        postings = postings[:MOST_QUERY_TERMS]
        says = [query[term] * idf_of(self._living, len(slots)) for term, slots, _ in postings]
        chosen = None
        for number, (_, slots, counts) in enumerate(postings):
            idf = says[number]
            if chosen is None and len(slots) >= COMMON:
                chosen = self._still_possible(scores, shares, sum(says[number:]), len(slots), wanted)
            if chosen is not None:
                own, often = self._sequences.weights_of(chosen, slots, counts, self._lengths)
                shares[chosen[own > 0]] += idf
                scores[chosen] += idf * often * (BM25_K1 + 1) / (often + norm[chosen])
                continue
            shares[slots] += idf
            places, often = self._sequences.spread(slots, counts, self._lengths, nothing)
            # (What stands there twice is added once: numpy adds to what was there before.)
            scores[places] += idf * often * (BM25_K1 + 1) / (often + norm[places])
        return scores, shares / max(lacking * idf_of(self._living, 0) + sum(says), 1e-9)

    def _still_possible(
        self,
        scores: npt.NDArray[np.float32],
        shares: npt.NDArray[np.float32],
        left: float,
        holders: int,
        wanted: _Wanted,
    ) -> npt.NDArray[np.int32] | None:
        """Return the slots that terms still to come, which say `left` in all, can bring among the best.

        None if these may be any; or so many, against the `holders` of the next term, that it does not pay.
        """
        found = np.flatnonzero((scores > 0) & wanted.counting)
        if len(found) < wanted.limit:
            return None
        known, most, most_left = scores[found], float(shares[found].max()), left * (BM25_K1 + 1)
        bar = float(np.partition(known, len(found) - wanted.limit)[len(found) - wanted.limit])
        if bar <= most_left + SLACK or most <= left + SLACK:
            return None
        possible = found[(known + most_left + SLACK >= bar) | (shares[found] + left + SLACK >= most)]
        if wanted.also is not None:
            also = np.flatnonzero(np.isin(self.memory_ids, wanted.also, kind="table"))
            possible = np.union1d(possible, also)
        return possible.astype(np.int32) if len(possible) < holders // SPARED else None

    def _norms(self) -> npt.NDArray[np.float32]:
        """Return what BM25 divides by for the length of each slot's memory; kept until something is written."""
        if self._known_norms is None:
            lengths = self._sequences.lengths(self._lengths[: self._size])
            average = max(float(lengths[self._alive[: self._size]].mean()), 1.0)
            self._known_norms = length_norms(lengths, average)
        return self._known_norms

    def _counting(self, allowed: npt.NDArray[np.int64] | None, hidden: npt.NDArray[np.int64]) -> Mask:
        """Return which slots hold memories that count."""
        alive = self._alive[: self._size]
        if allowed is not None:
            return alive & np.isin(self.memory_ids, allowed)
        return alive & ~np.isin(self.memory_ids, hidden) if len(hidden) else alive

    def _rarest(self, query: Mapping[int, int]) -> list[TermPostings]:
        """Return the living postings of each term that has some, the rarest first."""
        found = []
        alive, is_whole = self._alive[: self._size], self._living == self._size
        for term in query:
            slots, counts = self._postings(term)
            if not is_whole:
                living = alive[slots]
                slots, counts = slots[living], counts[living]
            if len(slots):
                found.append(TermPostings(term, slots, counts))
        found.sort(key=lambda posting: (len(posting.slots), posting.term))
        return found

    def _postings(self, term: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint16]]:
        parts = [segment.postings(term) for segment in self._segments]
        if len(self._tail) or not parts:
            parts.append(self._tail.postings(term))
        if len(parts) == 1:
            return parts[0]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def _take_slots(self, memory_ids: npt.NDArray[np.int64], lengths: npt.NDArray[np.float32]) -> int:
        self._known_norms = None
        first, self._size = self._size, self._size + len(memory_ids)
        if self._size > len(self._alive):
            room = max(self._size, 2 * len(self._alive), 1024)
            self._memories = np.resize(self._memories, room)
            self._lengths = np.resize(self._lengths, room)
            self._alive = np.append(self._alive, np.zeros(room - len(self._alive), np.bool_))
        self._memories[first : self._size] = memory_ids
        self._lengths[first : self._size] = lengths
        self._alive[first : self._size] = True
        self._living += len(memory_ids)
        self._highest = max(self._highest, int(memory_ids.max()))
        return first

    def _seal_tail(self) -> None:
        if len(self._tail):
            self._append(self._tail.sealed())
            self._tail = Tail()

    def _compact(self) -> None:
        """Give the slots of removed memories back, so that a store that forgets much does not grow for ever."""
        self._seal_tail()
        self._known_norms = None
        alive = self._alive[: self._size]
        fresh = np.cumsum(alive) - 1
        segments, self._segments = self._segments, []
        for segment in segments:
            keep = alive[segment.slots]
            slots = fresh[segment.slots[keep]].astype(np.int32)
            self._append(Segment.seal(segment.spread()[keep], slots, segment.counts[keep]))
        self._sequences.renumber(alive)
        self._memories = self.memory_ids[alive]
        self._lengths = self._lengths[: self._size][alive]
        self._alive = np.ones(len(self._memories), np.bool_)
        self._size = len(self._memories)

    def _append(self, segment: Segment) -> None:
        self._segments.append(segment)
        while len(self._segments) > 1:
            before, last = len(self._segments[-2].slots), len(self._segments[-1].slots)
            if before >= 2 * last or before + last > SEGMENT:
                return
            self._segments[-2:] = [self._segments[-2].merged(self._segments[-1])]
