"""A part of a vector index: a bounded stretch of passages, in order of arrival, with a FAISS index of its own.

A position in the part stands for one passage, and its FAISS id is the passage's row id, which never changes its
vector: a saved part needs no log of changes to catch up, only the set of passages that are alive now. Removing sets a
tombstone, because taking a row out of the index moves all that follow; compaction gives the room back.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import faiss
import numpy as np
import numpy.typing as npt

from faiss_memory.contracts.comparing import Similarities, cosines, of_squares, similarities
from faiss_memory.contracts.embedder import Vectors
from faiss_memory.memory import COSINE, EUCLIDEAN, Metric

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Pairs = npt.NDArray[np.void]
PAIR = np.dtype([("memory", np.int64), ("other", np.int64), ("similarity", np.float32)])
"""Two memories, the other with the lower id, and the cosine of a passage of each."""
COMPACT_ABOVE = 1000
_NO_IDS = (2**62, -1)
KEY = 5
"""The columns of a passage's key: its id, its memory, start and end, and how many passages the memory has; for cues see
`reader.to_keys`."""


class Near(NamedTuple):
    """Passages by their keys, with their similarities to a query by the metric, and the cosines of the same vectors."""

    keys: Ids
    similarities: Similarities
    cosines: Similarities


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
        self._keys: Ids = np.zeros((0, KEY), np.int64)
        self._alive: Mask = np.zeros(0, np.bool_)
        self._put(self._empty())

    def _empty(self) -> Any:
        kind = faiss.IndexFlatL2 if self._metric == EUCLIDEAN else faiss.IndexFlatIP
        return faiss.IndexIDMap(kind(self._dimension))

    def _put(self, index: Any) -> None:
        self._faiss = index
        self._flat: Any = faiss.downcast_index(index.index)

    def __len__(self) -> int:
        return self._living

    @property
    def size(self) -> int:
        """How many passages it holds, removed ones included."""
        return self._size

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
            self._keys = np.concatenate([self._keys, np.zeros((room, KEY), np.int64)])
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
        if self._size - self._living > max(COMPACT_ABOVE, self._living):
            self.compact()

    def compact(self) -> bool:
        """Free the room of removed passages; returns whether there were any."""
        if self._living == self._size:
            return False
        alive = self._alive[: self._size].copy()
        keys, vectors = self.keys[alive], self._stored()[alive]
        self._size = self._living = 0
        self._lowest, self._highest = _NO_IDS
        self._put(self._empty())
        if len(keys):
            self.add(keys, vectors)
        self.unsaved = max(1, len(keys))
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

    def search(self, vector: Vectors, mask: Mask | None, count: int, *, by_angle: bool) -> Near:
        """Find the `count` nearest passages that count, or all if they are fewer, best first.

        They are the nearest by the metric, or `by_angle` by the cosine, which then is their similarity.
        """
        count = min(count, self._size if mask is None else int(mask.sum()))
        if not count:
            return Near(self._keys[:0], np.zeros(0, np.float32), np.zeros(0, np.float32))
        if by_angle and self._metric != COSINE:
            every = np.arange(self._size) if mask is None else np.flatnonzero(mask)
            angles = cosines(self._metric, self._stored()[every], vector[np.newaxis])[:, 0]
            best = np.argsort(-angles, kind="stable")[:count]
            return Near(self.keys[every[best]], angles[best], angles[best])
        parameters = None
        if mask is not None:
            bits = np.packbits(mask, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
            parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]  # absent from faiss's stubs
        (found,), (positions,) = self._flat.search(vector.reshape(1, -1), count, params=parameters)
        found = of_squares(found) if self._metric == EUCLIDEAN else found
        return Near(self.keys[positions], found, self._angles(vector, positions, found))

    def _angles(self, vector: Vectors, positions: Ids, found: Similarities) -> Similarities:
        """Return the cosines of a query with passages, which by the cosine are what was `found`."""
        if self._metric == COSINE:
            return found
        return cosines(self._metric, self._stored()[positions], vector[np.newaxis])[:, 0]

    def compare(self, vector: Vectors, memory_ids: Ids) -> Near:
        """Compare a query, shape (dimension,), with every passage of chosen memories, whose ids are sorted."""
        known = self._within(memory_ids)
        positions = np.flatnonzero(self._alive[: self._size] & np.isin(self.keys[:, 1], known))
        found = similarities(self._metric, self._stored()[positions], vector)
        return Near(self.keys[positions], found, self._angles(vector, positions, found))

    def passages(self, memory_ids: Ids) -> tuple[Ids, Vectors]:
        """Return the passages of some memories, whose ids are sorted: of which each is, and their vectors."""
        mask = self.mask(memory_ids, memory_ids[:0], cues=False)
        positions = np.arange(self._size) if mask is None else np.flatnonzero(mask)
        return self.keys[positions, 1], self._stored()[positions]

    def pairs(self, memory_ids: Ids, vectors: Vectors, hidden: Ids, least: float) -> Pairs:
        """Compare passages, of which memory each is, with those of memories with lower ids that are not `hidden`.

        From the cosine `least` on they are pairs.
        """
        if not self._size or int(memory_ids.max()) <= self._lowest:
            return np.zeros(0, PAIR)
        angles = cosines(self._metric, vectors, self._stored())
        rows, columns = np.nonzero(angles >= least)
        others = self.keys[columns, 1]
        mask = self.mask(None, hidden, cues=False)
        counts = others < memory_ids[rows]
        if mask is not None:
            counts &= mask[columns]
        found = np.zeros(int(counts.sum()), PAIR)
        found["memory"], found["other"] = memory_ids[rows][counts], others[counts]
        found["similarity"] = angles[rows, columns][counts]
        return found

    def sample(self, vector: Vectors, mask: Mask | None, step: int) -> Near:
        """Compare a query with every so many-th passage of those that count."""
        every = np.arange(self._size) if mask is None else np.flatnonzero(mask)
        positions = every[::step]
        found = similarities(self._metric, self._stored()[positions], vector)
        return Near(self.keys[positions], found, self._angles(vector, positions, found))

    def _stored(self) -> Vectors:
        if not self._size:
            return np.zeros((0, self._dimension), np.float32)
        view: Vectors = faiss.rev_swig_ptr(self._flat.get_xb(), self._size * self._dimension)
        return view.reshape(self._size, self._dimension)

    def serialize(self) -> memoryview:
        """Return the FAISS index as bytes; from here on it counts as saved."""
        content: memoryview = faiss.serialize_index(self._faiss).data
        self.unsaved = 0
        return content

    def load(self, content: bytes, keys: Ids, lacking: Mask) -> None:
        """Fill an empty part from a serialized one; `keys` are the living passages of the whole index.

        Those that are `lacking` so far come alive here, and lack no more. Raises ValueError saying why it cannot be
        used.
        """
        try:
            loaded: Any = faiss.deserialize_index(np.frombuffer(content, np.uint8))
            ids = faiss.vector_to_array(loaded.id_map)
        except (RuntimeError, AttributeError) as error:
            raise ValueError(f"it is of another kind: {error}") from None
        if loaded.d != self._dimension:
            raise ValueError(f"it has {loaded.d} dimensions instead of {self._dimension}")
        if loaded.metric_type != self._faiss.metric_type:
            raise ValueError("it compares by another metric")
        at = np.searchsorted(keys[:, 0], ids)
        living = at < len(keys)
        living[living] = (keys[at[living], 0] == ids[living]) & lacking[at[living]]
        self._put(loaded)
        self._size, self._living = len(ids), int(living.sum())
        self._keys = np.zeros((len(ids), KEY), np.int64)
        self._keys[living] = keys[at[living]]
        self._alive = living
        if self._living:
            self._note_range(self._keys[living])
        lacking[at[living]] = False
