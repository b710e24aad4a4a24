"""The vector index of one project: derived from the passages in memory.db, in parts of bounded size.

New passages go to the last part, which is exact. So an index of any size grows without ever being copied as a whole,
and only the parts that have changed are saved. Full parts are made anew in the background where another kind fits the
index's size, and so is any part of which most was removed; searches and writes go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from faiss_memory.contracts.embedder import Vectors
from faiss_memory.memory import COSINE, Match, Metric, Passage
from faiss_memory.store.index.vector_kinds import Kind, kind_for
from faiss_memory.store.index.vector_segment import PAIR, Ids, Mask, Near, Pairs, QueryVector, VectorPart

PART = 32_768
"""The most passages of a part: 50 MB with 384 dimensions, which are copied and saved in a moment."""

PAIRS_AT_ONCE = 100_000
"""So many pairs are kept before only the nearest of each memory stay."""
_NO_VECTORS: Vectors = np.zeros((0, 0), np.float32)
_PAIRS: Pairs = np.zeros(0, PAIR)


class Snapshot(NamedTuple):
    """What is to be saved of an index: all the parts there are, and the content of those that have changed, by kind."""

    numbers: list[int]
    changed: dict[int, tuple[memoryview, Kind]]


class Remaking(NamedTuple):
    """A part that is to be made anew: of which kind, and of what; see `VectorPart.remade`."""

    part: VectorPart
    kind: Kind
    alive: Mask
    vectors: Vectors


class VectorIndex:
    """Not thread-safe: readers may share it, a writer needs it alone."""

    def __init__(self, dimension: int, metric: Metric = COSINE) -> None:
        self.dimension = dimension
        self._metric = metric
        self._parts: list[VectorPart] = []
        self._has_several = False
        """Whether a memory has more than one vector: passages or cues."""
        self._has_dropped = False

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    @property
    def vector_bytes(self) -> int:
        """The bytes of all vectors, as they are kept."""
        return sum(part.vector_bytes for part in self._parts)

    @property
    def unsaved(self) -> int:
        """How many passages were added since the index was saved or loaded; at least one, if parts are no more."""
        return sum(part.unsaved for part in self._parts) + self._has_dropped

    def add(self, keys: Ids, vectors: Vectors) -> None:
        """Append passages: `keys`, shape (count, KEY), has a row for each row of `vectors`."""
        while len(keys):
            part = self._last_with_room()
            room = PART - part.size
            part.add(keys[:room], vectors[:room])
            self._note_several(keys[:room])
            keys, vectors = keys[room:], vectors[room:]

    def _note_several(self, keys: Ids) -> None:
        self._has_several |= bool(((keys[:, 4] > 1) | (keys[:, 2] < 0)).any())

    def _last_with_room(self) -> VectorPart:
        if not self._parts or self._parts[-1].size >= PART or self._parts[-1].kind != Kind.EXACT:
            number = max((part.number for part in self._parts), default=-1) + 1
            self._parts.append(VectorPart(number, self.dimension, self._metric))
        return self._parts[-1]

    def remove(self, memory_ids: Sequence[int] | Ids) -> None:
        """Leave memories out of every answer from now on."""
        gone = np.asarray(memory_ids, np.int64)
        for part in self._parts if len(gone) else ():
            part.remove(gone)
        self._drop_empty()

    def compact(self) -> bool:
        """Free the room of removed passages at once; returns whether there were any."""
        had_some = False
        for place, part in enumerate(self._parts):
            if len(part) < part.size:
                self._parts[place], _ = part.remade(part.kind, *part.contents())
                had_some = True
        return had_some

    def _drop_empty(self) -> None:
        if not all(self._parts):
            self._parts = [part for part in self._parts if part]
            self._has_dropped = True

    def to_remake(self) -> Remaking | None:
        """Return a part that is to be made anew, with a copy of what it holds, if there is any."""
        kind = kind_for(len(self))
        for part in self._parts:
            is_open = part is self._parts[-1] and part.size < PART
            wanted = part.kind if is_open else part.kind_above(kind)
            if wanted != part.kind or part.wants_compaction:
                return Remaking(part, wanted, *part.contents())
        return None

    def put_remade(self, old: Remaking, made: tuple[VectorPart, Ids]) -> None:
        """Put a part in the place of the one that it was made of, if that is as it was but for what was removed."""
        part, kept = made
        if old.part in self._parts and part.replaces(old.part, kept, len(old.alive)):
            self._parts[self._parts.index(old.part)] = part
            self._drop_empty()

    def nearest(
        self,
        query: QueryVector,
        allowed: Ids | None,
        hidden: Ids,
        limit: int,
        *,
        cues: bool = True,
        by_angle: bool = False,
    ) -> list[Match]:
        """Find the `limit` memories whose best passage is nearest, or all that are allowed if they are fewer.

        `allowed` are the only memory ids that count, None meaning all but the
        `hidden` ones; both are sorted. With `cues` these count as passages do. `by_angle` the cosine is the similarity,
        whatever the metric. One long memory can fill the first places with its passages, so the search widens until
        enough different memories are met.
        """
        masks = [part.mask(allowed, hidden, cues=cues) for part in self._parts]
        candidates = sum(
            part.size if mask is None else int(mask.sum())
            for part, mask in zip(self._parts, masks, strict=True)
        )
        if not candidates:
            return []
        wanted = min(candidates, limit * (1 + int(self._has_several)))
        while True:
            found = self._search(query, masks, wanted, by_angle=by_angle)
            memories, first = np.unique(found.keys[:, 1], return_index=True)
            if len(memories) >= limit or wanted == candidates:
                break
            wanted = min(candidates, 4 * wanted)
        order = np.lexsort((memories, -found.similarities[first]))[:limit]
        return self._matches(found, first[order])

    def _search(
        self, query: QueryVector, masks: Sequence[Mask | None], count: int, *, by_angle: bool
    ) -> Near:
        """Find the `count` nearest passages over all parts, best first."""
        return self._best_first(
            [
                part.search(query, mask, count, by_angle=by_angle)
                for part, mask in zip(self._parts, masks, strict=True)
            ],
            count,
        )

    def sample(self, query: QueryVector, allowed: Ids | None, hidden: Ids, count: int) -> list[Near]:
        """Compare a query with about `count` passages of those that count, evenly spaced; see `nearest`."""
        step = max(1, len(self) // max(1, count))
        return [part.sample(query, part.mask(allowed, hidden), step) for part in self._parts]

    def similarities(self, query: QueryVector, memory_ids: Sequence[int]) -> list[Match]:
        """Compare a query with every passage and cue of chosen memories."""
        wanted = np.unique(np.asarray(memory_ids, np.int64))
        if not len(wanted) or not self._parts:
            return []
        found = self._best_first([part.compare(query, wanted) for part in self._parts], None)
        _, first = np.unique(found.keys[:, 1], return_index=True)
        return self._matches(found, first)

    def _best_first(self, found: Sequence[Near], count: int | None) -> Near:
        keys = np.concatenate([part.keys for part in found])
        # (Rounded: the last digits hang on how many are compared at once, and among equals memory ids decide.)
        cosines = np.round(np.concatenate([part.cosines for part in found]), 6)
        similarities = cosines
        if self._metric != COSINE:
            similarities = np.concatenate([part.similarities for part in found])
        order = np.lexsort((keys[:, 1], -similarities))[:count]
        return Near(keys[order], similarities[order], cosines[order])

    def _matches(self, found: Near, places: Ids) -> list[Match]:
        """Return some of the passages that were found as what they say of their memories."""
        similarities, cosines = found.similarities[places], np.clip(found.cosines[places], -1.0, 1.0)
        # By the cosine both are the same, and rounding must not take them out of their range.
        of_metric = (cosines if self._metric == COSINE else similarities).tolist()
        angles = [None] * len(places) if self._metric == COSINE else cosines.tolist()
        return [
            Match(
                memory_id,
                similarity,
                Passage(max(start, 0), end),
                passages,
                None if start >= 0 else -1 - start,
                angle,
            )
            for (_, memory_id, start, end, passages), similarity, angle in zip(
                found.keys[places].tolist(), of_metric, angles, strict=True
            )
        ]

    def older_alike(
        self, memory_ids: Sequence[int], hidden: Ids, least: float, depth: int
    ) -> dict[int, list[tuple[int, float]]]:
        """Find for each of some memories the `depth` with lower ids whose passages are nearest to its own, best first.

        Only a cosine from `least` on counts; cues and `hidden` memories do not.
        """
        hidden = np.sort(hidden)
        wanted = np.setdiff1d(np.asarray(memory_ids, np.int64), hidden)
        asked = [part.passages(wanted) for part in self._parts]
        memories = np.concatenate([ids for ids, _ in asked]) if asked else wanted[:0]
        vectors = np.concatenate([vectors for _, vectors in asked]) if asked else _NO_VECTORS
        pairs, found, size = _PAIRS[:0], [], 0
        for part in self._parts:
            for some in part.pairs(memories, vectors, hidden, least):
                found.append(some)
                size += len(some)
                if size > PAIRS_AT_ONCE:
                    pairs, found, size = _nearest_pairs(np.concatenate([pairs, *found]), depth), [], 0
        pairs = _nearest_pairs(np.concatenate([pairs, *found]), depth)
        alike: dict[int, list[tuple[int, float]]] = {}
        for memory_id, other, similarity in pairs.tolist():
            alike.setdefault(memory_id, []).append((other, min(1.0, similarity)))
        return alike

    def snapshot(self) -> Snapshot:
        """Return what is to be saved; from here on it counts as saved."""
        changed = {part.number: (part.serialize(), part.kind) for part in self._parts if part.unsaved}
        self._has_dropped = False
        return Snapshot([part.number for part in self._parts], changed)

    def load(self, number: int, content: bytes, keys: Ids, lacking: Mask) -> None:
        """Add a saved part; see `VectorPart.load`. Raises ValueError."""
        part = VectorPart(number, self.dimension, self._metric)
        part.load(content, keys, lacking)
        if not len(part):
            self._has_dropped = True
            return
        self._parts.append(part)
        self._note_several(part.keys)


def _nearest_pairs(pairs: Pairs, depth: int) -> Pairs:
    """Return of each memory the `depth` nearest others, each once, best first."""
    pairs = pairs[np.lexsort((pairs["other"], -pairs["similarity"], pairs["memory"]))]
    _, first = np.unique(pairs[["memory", "other"]], return_index=True)
    pairs = pairs[np.sort(first)]
    _, starts, counts = np.unique(pairs["memory"], return_index=True, return_counts=True)
    return pairs[np.arange(len(pairs)) - np.repeat(starts, counts) < depth]
