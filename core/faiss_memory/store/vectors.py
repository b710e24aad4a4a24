"""The vector index of one project: FAISS IndexFlatIP with ids, exact, derived from the passages in memory.db.

A position in the index stands for one passage, and its FAISS id is the passage's row id, which never changes its
vector: a saved index needs no log of changes to catch up, only the set of passages that are alive now. Removing
sets a tombstone, because taking a row out of the index moves all that follow; compaction gives the room back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from faiss_memory.memory import Match, Passage
from faiss_memory.parts import Vectors

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
COMPACT_ABOVE = 1000
KEY = 5
"""The columns of a passage's key: its id, its memory, start and end, and how many passages the memory has."""


class VectorIndex:
    """Not thread-safe: readers may share it, a writer needs it alone."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._faiss = faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))
        self._passages: npt.NDArray[np.int64] = np.zeros((0, KEY), np.int64)
        self._alive: Mask = np.zeros(0, np.bool_)
        self._size = 0
        self._most_passages = 1
        self.changes = 0
        """Passages added or removed since the index was saved or loaded."""

    def __len__(self) -> int:
        return int(self._alive[: self._size].sum())

    @property
    def _keys(self) -> Ids:
        """The keys by position."""
        return self._passages[: self._size]

    def add(self, keys: Ids, vectors: Vectors) -> None:
        """Append passages: `keys`, shape (count, KEY), has a row for each row of `vectors`."""
        if not len(keys):
            return
        self._faiss.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(keys[:, 0]))
        first, self._size = self._size, self._size + len(keys)
        if self._size > len(self._passages):
            room = max(self._size, 2 * len(self._passages), 1024) - len(self._passages)
            self._passages = np.concatenate([self._passages, np.zeros((room, KEY), np.int64)])
            self._alive = np.concatenate([self._alive, np.zeros(room, np.bool_)])
        self._passages[first : self._size] = keys
        self._most_passages = max(self._most_passages, int(keys[:, 4].max()))
        self._alive[first : self._size] = True
        self.changes += len(keys)

    def remove(self, memory_ids: Sequence[int] | Ids) -> None:
        """Leave memories out of every answer from now on."""
        alive = self._alive[: self._size]
        gone = alive & np.isin(self._keys[:, 1], memory_ids)
        alive[gone] = False
        self.changes += int(gone.sum())
        if self._size - len(self) > max(COMPACT_ABOVE, len(self)):
            self._compact()

    def nearest(self, vector: Vectors, allowed: Ids | None, hidden: Ids, limit: int) -> list[Match]:
        """Find the `limit` memories whose best passage is nearest, or all that are allowed if they are fewer.

        `vector` has shape (dimension,). `allowed` are the only memory ids that count, None meaning all but the
        `hidden` ones. One long memory can fill the first places with its passages, so the search widens until
        enough different memories are met.
        """
        mask = self._mask(allowed, hidden)
        candidates = self._size if mask is None else int(mask.sum())
        if not candidates:
            return []
        wanted = min(candidates, limit * (1 + int(self._most_passages > 1)))
        while True:
            positions, similarities = self._search(vector, mask, wanted)
            memories, first = np.unique(self._keys[positions, 1], return_index=True)
            if len(memories) >= limit or wanted == candidates:
                break
            wanted = min(candidates, 4 * wanted)
        order = np.lexsort((memories, -similarities[first]))[:limit]
        return self._matches(positions[first[order]], similarities[first[order]])

    def similarities(self, vector: Vectors, memory_ids: Sequence[int]) -> list[Match]:
        """Compare a query, shape (dimension,), with every passage of chosen memories."""
        positions = np.flatnonzero(self._alive[: self._size] & np.isin(self._keys[:, 1], memory_ids))
        if not len(positions):
            return []
        similarities = self._stored()[positions] @ vector
        order = np.lexsort((positions, -similarities))
        _, first = np.unique(self._keys[positions[order], 1], return_index=True)
        best = order[first]
        return self._matches(positions[best], similarities[best])

    def _mask(self, allowed: Ids | None, hidden: Ids) -> Mask | None:
        alive = self._alive[: self._size]
        if allowed is not None:
            return alive & np.isin(self._keys[:, 1], allowed)
        if len(hidden):
            return alive & ~np.isin(self._keys[:, 1], hidden)
        return None if alive.all() else alive

    def _search(self, vector: Vectors, mask: Mask | None, count: int) -> tuple[Ids, npt.NDArray[np.float32]]:
        parameters = None
        if mask is not None:
            bits = np.packbits(mask, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
            parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]  # absent from faiss's stubs
        flat: Any = faiss.downcast_index(self._faiss.index)
        similarities, positions = flat.search(vector.reshape(1, -1), count, params=parameters)
        return positions[0], similarities[0]

    def _matches(self, positions: Ids, similarities: npt.NDArray[np.float32]) -> list[Match]:
        bounded = np.clip(similarities, -1.0, 1.0).tolist()
        return [
            Match(memory_id, similarity, Passage(start, end), passages)
            for (_, memory_id, start, end, passages), similarity in zip(
                self._keys[positions].tolist(), bounded, strict=True
            )
        ]

    def _stored(self) -> Vectors:
        flat: Any = faiss.downcast_index(self._faiss.index)
        if not self._size:
            return np.zeros((0, self.dimension), np.float32)
        view: Vectors = faiss.rev_swig_ptr(flat.get_xb(), self._size * self.dimension)
        return view.reshape(self._size, self.dimension)

    def compact(self) -> bool:
        """Give back the room of removed passages; says whether there were any."""
        holds_removed = self._size > len(self)
        if holds_removed:
            self._compact()
        return holds_removed

    def _compact(self) -> None:
        alive = self._alive[: self._size].copy()
        fresh = VectorIndex(self.dimension)
        fresh.add(self._keys[alive], self._stored()[alive])
        self._faiss, self._size = fresh._faiss, fresh._size
        self._passages, self._alive = fresh._passages, fresh._alive

    def serialize(self) -> memoryview:
        """Give the FAISS index as bytes, and count the changes from here."""
        content: memoryview = faiss.serialize_index(self._faiss).data
        self.changes = 0
        return content

    def load(self, content: bytes, keys: Ids) -> Ids:
        """Fill an empty index from a serialized one; `keys` are the living passages. Gives the keys it still lacks.

        Raises ValueError saying why it cannot be used.
        """
        try:
            loaded: Any = faiss.deserialize_index(np.frombuffer(content, np.uint8))
            ids = faiss.vector_to_array(loaded.id_map)
        except (RuntimeError, AttributeError) as error:
            raise ValueError(f"it is of another kind: {error}") from None
        if loaded.d != self.dimension:
            raise ValueError(f"it has {loaded.d} dimensions instead of {self.dimension}")
        at = np.searchsorted(keys[:, 0], ids)
        living = at < len(keys)
        living[living] = keys[at[living], 0] == ids[living]
        self._faiss, self._size = loaded, len(ids)
        self._passages = np.zeros((len(ids), KEY), np.int64)
        self._passages[living] = keys[at[living]]
        self._most_passages = int(self._passages[:, 4].max(initial=1))
        self._alive = living
        self.changes = 0
        missing: Ids = keys[~np.isin(keys[:, 0], ids)]
        return missing
