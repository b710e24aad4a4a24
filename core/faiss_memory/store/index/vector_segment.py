"""A part of a vector index: a bounded stretch of passages, in order of arrival, with a FAISS index of its own.

A position in the part stands for one passage, and its FAISS id is the passage's row id, which never changes its
vector: a saved part needs no log of changes to catch up, only the set of passages that are alive now. Removing sets a
tombstone, because taking a row out of the index moves all that follow; compaction gives the room back. It makes another
part, in the background, as the change to another kind does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import faiss
import numpy as np
import numpy.typing as npt

from faiss_memory.contracts.comparing import Similarities, cosines, of_squares, similarities
from faiss_memory.contracts.embedder import Vectors
from faiss_memory.memory import COSINE, EUCLIDEAN, Metric
from faiss_memory.store.index.vector_kinds import (
    SCANNED,
    Kind,
    Lists,
    deserialized,
    fits_half,
    grouped,
    index_of,
    kind_of,
    serialized,
    vectors_of,
)

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Pairs = npt.NDArray[np.void]
PAIR = np.dtype([("memory", np.int64), ("other", np.int64), ("similarity", np.float32)])
"""Two memories, the other with the lower id, and the cosine of a passage of each."""
COMPACT_ABOVE = 1000
WHOLE_FROM = 4
"""Where one of so many passages counts, or more, an exact part is compared as a whole: by meaning, for the sample and
for what words have found, all at once."""
COMPARED_FOR_EACH = 4
"""How many vectors a part in lists compares for each one that is wanted of it, where more than SCANNED are."""
ASKED_AT_ONCE, COMPARED_AT_ONCE = 512, 2048
"""So many passages are compared with so many others at once: 4 MB of cosines, and as much of vectors. Of flatter blocks
a product takes longer."""
ALIKE = 1e-6
"""Cosines that differ by less are the same: their last digits hang on how many are compared at once."""
_NO_IDS = (2**62, -1)
KEY = 5
"""The columns of a passage's key: its id, its memory, start and end, and how many passages the memory has; for cues see
`reader.to_keys`."""


def _pairs(angles: Similarities, memory_ids: Ids, others: Ids, least: float) -> Pairs:
    """Return the pairs of memories, one a row, and others with lower ids, one a column."""
    # Of a flat array the places are found several times as fast as of one with two dimensions.
    places = np.flatnonzero(angles >= least)
    rows, columns = np.divmod(places, len(others))
    taken = others[columns] < memory_ids[rows]
    found = np.zeros(int(taken.sum()), PAIR)
    found["memory"], found["other"] = memory_ids[rows[taken]], others[columns[taken]]
    # (Rounded: the last digits hang on how many are compared at once, and among equals the order must not.)
    found["similarity"] = np.round(angles.ravel()[places[taken]], 6)
    return found


class Near(NamedTuple):
    """Passages by their keys, with their similarities to a query by the metric, and the cosines of the same vectors."""

    keys: Ids
    similarities: Similarities
    cosines: Similarities


class QueryVector:
    """A query's vector, shape (dimension,), with its similarities to all passages of the parts that were asked whole.

    Lives no longer than its caller holds the lock of the indexes.
    """

    def __init__(self, vector: Vectors) -> None:
        self.vector = np.ascontiguousarray(vector, np.float32)
        self.whole: dict[VectorPart, Similarities] = {}


class VectorPart:
    """Not thread-safe: readers may share it, a writer needs it alone."""

    def __init__(self, number: int, dimension: int, metric: Metric) -> None:
        self.number = number
        self._metric = metric
        self.unsaved = 0
        """How many passages were added since the part was saved or loaded."""
        self._dimension = dimension
        self._size = self._living = 0
        self._lowest, self._highest = _NO_IDS
        self._has_cues = False
        self._keys: Ids = _no_keys(0)
        self._alive: Mask = np.zeros(0, np.bool_)
        none = np.zeros((0, dimension), np.float32)
        self._put(index_of(Kind.EXACT, self._keys[:, 0], none, metric), None)

    def _put(self, index: Any, lists: Lists | None) -> None:
        self._faiss = index
        self._flat: Any = faiss.downcast_index(index.index)
        self._lists = lists
        self.kind = kind_of(self._flat, lists)

    def __len__(self) -> int:
        return self._living

    @property
    def size(self) -> int:
        """How many passages it holds, removed ones included."""
        return self._size

    @property
    def vector_bytes(self) -> int:
        """The bytes of the vectors that are not removed, as they are kept."""
        return int(self._flat.code_size) * self._living

    @property
    def wants_compaction(self) -> bool:
        """Whether more than half of what it holds was removed."""
        return self._size - self._living > max(COMPACT_ABOVE, self._living)

    @property
    def keys(self) -> Ids:
        """The keys by position."""
        return self._keys[: self._size]

    def add(self, keys: Ids, vectors: Vectors) -> None:
        """Append passages: `keys`, shape (count, KEY), has a row for each row of `vectors`."""
        self._faiss.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(keys[:, 0]))
        first, self._size = self._size, self._size + len(keys)
        if self._size > len(self._keys):
            room = max(self._size, 2 * len(self._keys), 1024) - len(self._keys)
            self._keys = np.concatenate([self._keys, _no_keys(room)])
            self._alive = np.concatenate([self._alive, np.zeros(room, np.bool_)])
        self._keys[first : self._size] = keys
        self._alive[first : self._size] = True
        self._living += len(keys)
        self._note_range(keys)
        self.unsaved += len(keys)

    def _note_range(self, keys: Ids) -> None:
        self._lowest = min(self._lowest, int(keys[:, 1].min()))
        self._highest = max(self._highest, int(keys[:, 1].max()))
        self._has_cues |= bool((keys[:, 2] < 0).any())

    def remove(self, memory_ids: Ids) -> None:
        """Leave memories out of every answer from now on."""
        known = memory_ids[(memory_ids >= self._lowest) & (memory_ids <= self._highest)]
        if not len(known):
            return  # as with every new memory: looking through all that there are would take longer than its write
        gone = self._alive[: self._size] & np.isin(self.keys[:, 1], known)
        self._alive[: self._size][gone] = False
        self._living -= int(gone.sum())

    def contents(self) -> tuple[Mask, Vectors]:
        """Return copies of which positions are alive, and of their vectors."""
        alive = self._alive[: self._size].copy()
        return alive, np.ascontiguousarray(self._vectors(np.flatnonzero(alive)))

    def kind_above(self, kind: Kind) -> Kind:
        """Return the kind that it is to have, as a full part of an index whose parts are to be of a kind."""
        wanted = max(kind, self.kind)
        return self.kind if wanted == Kind.HALF and not self._fits_half else wanted

    @cached_property
    def _fits_half(self) -> bool:
        # Asked of full parts, to which nothing is added any more.
        return self._metric == COSINE or fits_half(self._vectors(slice(None)))

    def remade(self, kind: Kind, alive: Mask, vectors: Vectors) -> tuple[VectorPart, Ids]:
        """Make a part of a kind of this one's contents; gives also where each position of it stands in this one.

        Readers, and a writer, may go on meanwhile.
        """
        kept = np.flatnonzero(alive)
        metric, lists = self._metric, None
        if kind == Kind.LISTS and kind == self.kind and self._lists is not None:
            lists = self._lists.without(alive, vectors, metric)
        elif kind == Kind.LISTS:
            order, lists = grouped(vectors, metric)
            kept, vectors = kept[order], vectors[order]
        made = VectorPart(self.number, self._dimension, self._metric)
        keys = np.asfortranarray(self.keys[kept])
        made._put(index_of(kind, keys[:, 0], vectors, metric), lists)
        made._take(keys, self._alive[kept])
        made.unsaved = max(1, len(keys))
        return made, kept

    def _take(self, keys: Ids, alive: Mask) -> None:
        """Take the keys of what the index holds, and which of them are alive."""
        self._keys, self._alive = keys, alive
        self._size, self._living = len(keys), int(alive.sum())
        if self._living:
            self._note_range(keys[alive])

    def replaces(self, other: VectorPart, kept: Ids, size: int) -> bool:
        """Take the place of a part that had `size` positions when this was made of it; says whether it can."""
        if other.size != size:
            return False
        self._alive = other._alive[kept]
        self._living = int(self._alive.sum())
        return True

    def mask(self, allowed: Ids | None, hidden: Ids, *, cues: bool = True) -> Mask | None:
        """Return which positions count, None meaning all: those of `allowed` memories (None: of all but the `hidden`).

        Both are sorted. Without `cues` only passages count.
        """
        alive, every = self._alive[: self._size], self._living == self._size
        if not cues and self._has_cues:
            alive, every = alive & (self.keys[:, 2] >= 0), False
        if allowed is not None:
            return alive & np.isin(self.keys[:, 1], self._within(allowed))
        hidden = self._within(hidden)
        if len(hidden):
            return alive & ~np.isin(self.keys[:, 1], hidden)
        return None if every else alive

    def _within(self, memory_ids: Ids) -> Ids:
        """Return those of some sorted ids that this part may hold."""
        first, last = np.searchsorted(memory_ids, (self._lowest, self._highest + 1))
        return memory_ids[first:last]

    def search(self, query: QueryVector, mask: Mask | None, count: int, *, by_angle: bool) -> Near:
        """Find the `count` nearest passages that count, or all if they are fewer, best first.

        They are the nearest by the metric, or `by_angle` by the cosine, which then is their similarity. In lists only
        those are compared that are likely to be near by the metric, several for each that is wanted.
        """
        counting = self._size if mask is None else int(mask.sum())
        count, vector = min(count, counting), query.vector
        if not count:
            return Near(self._keys[:0], np.zeros(0, np.float32), np.zeros(0, np.float32))
        if by_angle and self._metric != COSINE:
            every = slice(None) if mask is None else np.flatnonzero(mask)
            keys, angles = self.keys[every], self._cosines(vector, self._vectors(every))
            best = np.argsort(-angles, kind="stable")[:count]
            return Near(keys[best], angles[best], angles[best])
        if self.kind == Kind.EXACT and WHOLE_FROM * counting >= self._size:
            return self._best(query, mask, count)
        if self._lists is not None:
            mask = self._lists.nearest(vector, mask, max(SCANNED, COMPARED_FOR_EACH * count))
        parameters = None
        if mask is not None:
            bits = np.packbits(mask, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
            parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]  # absent from faiss's stubs
        (found,), (positions,) = self._flat.search(vector.reshape(1, -1), count, params=parameters)
        found = of_squares(found) if self._metric == EUCLIDEAN else found
        angles = found if self._metric == COSINE else self._cosines(vector, self._vectors(positions))
        return Near(self.keys[positions], found, angles)

    def _best(self, query: QueryVector, mask: Mask | None, count: int) -> Near:
        """Find the `count` nearest passages that count by comparing all, with those that are as near as the last."""
        every = self._whole(query)
        counting = np.arange(self._size) if mask is None else np.flatnonzero(mask)
        known = every if mask is None else every[counting]
        if count < len(known):
            last = np.partition(known, len(known) - count)[len(known) - count]
            counting = counting[known >= last - (ALIKE if self._metric == COSINE else 0)]
        positions = counting[np.lexsort((counting, -every[counting]))]
        return self._near(query, positions)

    def _whole(self, query: QueryVector) -> Similarities:
        """Compare a query with all passages of an exact part, once a search."""
        if self not in query.whole:
            name = "fvec_L2sqr_ny" if self._metric == EUCLIDEAN else "fvec_inner_products_ny"
            compare: Callable[..., None] = getattr(faiss, name)  # (absent from faiss's stubs)
            found = np.empty(self._size, np.float32)
            asked, stored = faiss.swig_ptr(query.vector), self._flat.get_xb()
            compare(faiss.swig_ptr(found), asked, stored, self._dimension, self._size)
            query.whole[self] = of_squares(found) if self._metric == EUCLIDEAN else found
        return query.whole[self]

    def _near(self, query: QueryVector, which: Ids | slice) -> Near:
        """Compare a query with the passages at some positions."""
        if self in query.whole:
            found = query.whole[self][which]
        else:
            found = similarities(self._metric, self._vectors(which), query.vector)
        is_angle = self._metric == COSINE
        return Near(
            self.keys[which], found, found if is_angle else self._cosines(query.vector, self._vectors(which))
        )

    def _cosines(self, vector: Vectors, vectors: Vectors) -> Similarities:
        return cosines(self._metric, vectors, vector[np.newaxis])[:, 0]

    def compare(self, query: QueryVector, memory_ids: Ids) -> Near:
        """Compare a query with every passage of chosen memories, whose ids are sorted."""
        known = self._within(memory_ids)
        if not len(known):
            return self._near(query, known)
        positions = np.flatnonzero(self._alive[: self._size] & np.isin(self.keys[:, 1], known))
        return self._near(query, positions)

    def passages(self, memory_ids: Ids) -> tuple[Ids, Vectors]:
        """Return the passages of some memories, whose ids are sorted: of which each is, and their vectors."""
        mask = self.mask(memory_ids, memory_ids[:0], cues=False)
        positions = np.arange(self._size) if mask is None else np.flatnonzero(mask)
        return self.keys[positions, 1], self._vectors(positions)

    def pairs(self, memory_ids: Ids, vectors: Vectors, hidden: Ids, least: float) -> Iterator[Pairs]:
        """Compare passages, of which memory each is, with those of memories with lower ids that are not `hidden`.

        From the cosine `least` on they are pairs; those of one block after the other, which may be none.
        """
        counts = self.keys[:, 1] < memory_ids.max(initial=0)
        mask = self.mask(None, hidden, cues=False)
        positions = np.flatnonzero(counts if mask is None else counts & mask)
        for start in range(0, len(positions), COMPARED_AT_ONCE):
            there = positions[start : start + COMPARED_AT_ONCE]
            others, known = self._vectors(there), self.keys[there, 1]
            for first in range(0, len(vectors), ASKED_AT_ONCE):
                asked = slice(first, first + ASKED_AT_ONCE)
                angles = cosines(self._metric, vectors[asked], others)
                yield _pairs(angles, memory_ids[asked], known, least)

    def sample(self, query: QueryVector, mask: Mask | None, step: int) -> Near:
        """Compare a query with every so many-th passage of those that count."""
        return self._near(query, slice(None, None, step) if mask is None else np.flatnonzero(mask)[::step])

    def _vectors(self, which: Ids | slice) -> Vectors:
        return vectors_of(self._flat, self._size, which)

    def serialize(self) -> memoryview:
        """Return what it holds as bytes; from here on it counts as saved."""
        content = serialized(self._faiss, self._lists)
        self.unsaved = 0
        return content

    def load(self, content: bytes, keys: Ids, lacking: Mask) -> None:
        """Fill an empty part from a serialized one; `keys` are the living passages of the whole index.

        Those that are `lacking` so far come alive here, and lack no more. Raises ValueError saying why it cannot be
        used.
        """
        loaded, lists = deserialized(content)
        if loaded.d != self._dimension:
            raise ValueError(f"it has {loaded.d} dimensions instead of {self._dimension}")
        if loaded.metric_type != self._flat.metric_type:
            raise ValueError("it compares by another metric")
        ids = faiss.vector_to_array(loaded.id_map)
        at = np.searchsorted(keys[:, 0], ids)
        living = at < len(keys)
        living[living] = (keys[at[living], 0] == ids[living]) & lacking[at[living]]
        self._put(loaded, lists)
        found = _no_keys(len(ids))
        found[living] = keys[at[living]]
        self._take(found, living)
        lacking[at[living]] = False


def _no_keys(count: int) -> Ids:
    """Return room for keys, column by column: a filter looks at one column of all of them."""
    return np.zeros((count, KEY), np.int64, order="F")
