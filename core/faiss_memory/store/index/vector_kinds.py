"""How the vectors of a part are kept: each kind finds and gives out vectors by their position in the part.

A small store is exact in float32. Where there is more, half precision takes half the memory and scans sooner; its
cosines differ from the fifth digit on. Where there is much, like vectors also lie together in lists, and a search
scans those lists that are nearest. All kinds work with inner products and with distances: how near a list is, is told
by an index of the same metric as the part's. Vectors too long or too short for half precision, which the cosine never
has, stay in float32, in lists as well.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from faiss_memory.contracts.embedder import Vectors
from faiss_memory.memory import COSINE, EUCLIDEAN, Metric

Mask = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]
Content = npt.NDArray[np.uint8]


class Kind(IntEnum):
    """The kinds of a part, each for larger indexes than the one before."""

    EXACT = 0
    HALF = 1
    LISTS = 2


HALF_FROM = 32_768
LISTS_FROM = 65_536
"""So many vectors an index has, from which on its full parts become of a kind."""
IN_A_LIST = 64
"""Vectors of a list, in the mean."""
LEARNT_FROM = 32
"""Vectors for each list that its centre is learnt from, at most."""
SCANNED = 4_096
"""Of so many vectors that count, a part compares a query at least. So under a filter that leaves fewer of a part's
vectors than that, it is exact, and under a wide one it looks into more lists."""
ROUNDS = 6
"""Of the k-means that finds the lists."""
ROUNDED = 1e-3
"""By so much of its length half precision may move a vector."""


def kind_for(count: int) -> Kind:
    """Return the kind of the full parts of an index with so many vectors."""
    if count >= LISTS_FROM:
        return Kind.LISTS
    return Kind.HALF if count >= HALF_FROM else Kind.EXACT


def _flat(dimension: int, metric: Metric) -> Any:
    return faiss.IndexFlatL2(dimension) if metric == EUCLIDEAN else faiss.IndexFlatIP(dimension)


def fits_half(vectors: Vectors) -> bool:
    """Return whether half precision tells vectors well enough: neither out of its range nor lost at its lower end."""
    with np.errstate(over="ignore", invalid="ignore"):
        moved = np.linalg.norm(vectors - vectors.astype(np.float16), axis=1)
    return bool((moved <= ROUNDED * np.linalg.norm(vectors, axis=1)).all())


class Lists:
    """Which stretches of a part hold like vectors: list i ends where list i + 1 begins, and none is empty."""

    def __init__(self, centres: Any) -> None:
        """`centres` is a faiss.IndexIDMap over the centres of the lists; each centre's id is its list's end."""
        self._centres = centres
        ends = faiss.vector_to_array(centres.id_map)
        self._starts = np.append(0, ends[:-1])
        self._sizes = ends - self._starts

    @classmethod
    def around(cls, centres: Vectors, sizes: npt.NDArray[np.int64], metric: Metric) -> Lists:
        """Make lists of some sizes around their centres; empty ones are left out."""
        held = sizes > 0
        index = faiss.IndexIDMap(_flat(centres.shape[1], metric))
        index.add_with_ids(np.ascontiguousarray(centres[held], np.float32), np.cumsum(sizes[held]))
        return cls(index)

    @property
    def size(self) -> int:
        """How many positions the lists hold together."""
        return int(self._sizes.sum())

    def nearest(self, vector: Vectors, mask: Mask | None, least: int) -> Mask | None:
        """Return which positions of a mask (None: of all) lie in the nearest lists that hold `least` of them."""
        counts = self._sizes if mask is None else np.add.reduceat(mask, self._starts, dtype=np.int64)
        if counts.sum() <= least:
            return mask
        _, order = self._centres.index.search(vector.reshape(1, -1), len(counts))
        chosen = order[0, : 1 + int(np.searchsorted(np.cumsum(counts[order[0]]), least))]
        is_near = np.zeros(len(counts), np.bool_)
        is_near[chosen] = True
        near = np.repeat(is_near, self._sizes)
        return near if mask is None else near & mask

    def without(self, kept: Mask, vectors: Vectors, metric: Metric) -> Lists:
        """Return the lists of those positions that are kept, whose vectors are given.

        Their centres are found anew: those of before could tell what was taken out.
        """
        sizes = np.add.reduceat(kept, self._starts, dtype=np.int64)
        sizes = sizes[sizes > 0]
        return Lists.around(_means(vectors, sizes), sizes, metric)

    def serialize(self) -> Content:
        """Return them as bytes."""
        return faiss.serialize_index(self._centres)


def _means(vectors: Vectors, sizes: npt.NDArray[np.int64]) -> Vectors:
    if not len(sizes):
        return np.zeros((0, vectors.shape[1]), np.float32)
    sums = np.add.reduceat(vectors, np.append(0, np.cumsum(sizes)[:-1]), axis=0)
    return np.asarray(sums / sizes[:, None], np.float32)


def grouped(vectors: Vectors, metric: Metric) -> tuple[Positions, Lists]:
    """Find lists for vectors; gives the order in which these are to lie, and the lists.

    Where lengths count, those of a list are of like length too: else its mean tells little of its longest.
    """
    count, dimension = vectors.shape
    found = faiss.Kmeans(
        dimension, max(1, count // IN_A_LIST), niter=ROUNDS, seed=1, max_points_per_centroid=LEARNT_FROM,
        min_points_per_centroid=1, spherical=metric == COSINE,
    )  # fmt: skip
    found.train(vectors)
    _, nearest = found.index.search(vectors, 1)
    order = np.argsort(nearest[:, 0], kind="stable")
    sizes = np.bincount(nearest[:, 0], minlength=found.k)
    held = sizes[sizes > 0]
    # Each list around its own mean, which the last round of k-means did not see.
    return order, Lists.around(_means(vectors[order], held), held, metric)


def index_of(kind: Kind, ids: Positions, vectors: Vectors, metric: Metric) -> Any:
    """Return a faiss.IndexIDMap that keeps vectors, in their order, as a kind has them."""
    dimension = vectors.shape[1]
    flat = _flat(dimension, metric)
    if kind != Kind.EXACT and fits_half(vectors):
        flat = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, flat.metric_type)
        flat.is_trained = True  # (there is nothing to learn of vectors that are only rounded)
    index = faiss.IndexIDMap(flat)
    if len(ids):
        index.add_with_ids(np.ascontiguousarray(vectors), np.ascontiguousarray(ids))
    return index


def kind_of(flat: Any, lists: Lists | None) -> Kind:
    """Return the kind of a part by its index and its lists. Raises ValueError for an index that no part has."""
    if isinstance(flat, faiss.IndexFlat):
        return Kind.EXACT if lists is None else Kind.LISTS
    if not isinstance(flat, faiss.IndexScalarQuantizer) or flat.sq.qtype != faiss.ScalarQuantizer.QT_fp16:
        raise ValueError(f"it is of another kind: {type(flat).__name__}")
    return Kind.HALF if lists is None else Kind.LISTS


def vectors_of(flat: Any, size: int, which: Positions | slice) -> Vectors:
    """Return the vectors at some positions of an index that has `size` of them: a view, where that can be."""
    if not size:
        return np.zeros((0, flat.d), np.float32)
    if isinstance(flat, faiss.IndexFlat):
        exact: Vectors = faiss.rev_swig_ptr(flat.get_xb(), size * flat.d)
        return exact.reshape(size, flat.d)[which]
    half: npt.NDArray[np.uint8] = faiss.rev_swig_ptr(flat.codes.data(), size * flat.code_size)
    return half.view(np.float16).reshape(size, flat.d)[which].astype(np.float32)


def serialized(index: Any, lists: Lists | None) -> memoryview:
    """Return a part's index, and its lists behind it, as bytes."""
    content: Content = faiss.serialize_index(index)
    if lists is not None:
        content = np.concatenate([content, lists.serialize()])
    return content.data


def deserialized(content: bytes) -> tuple[Any, Lists | None]:
    """Return what `serialized` was given. Raises ValueError for what it cannot have written."""
    reader: Any = faiss.VectorIOReader()
    faiss.copy_array_to_vector(np.frombuffer(content, np.uint8), reader.data)
    try:
        index: Any = faiss.read_index(reader)
        lists = Lists(faiss.read_index(reader)) if reader.rp < len(content) else None
        ids = faiss.vector_to_array(index.id_map)
    except (RuntimeError, AttributeError) as error:
        raise ValueError(f"it is of another kind: {error}") from None
    if len(ids) != index.ntotal or (lists is not None and lists.size != len(ids)):
        raise ValueError("its parts do not fit each other")
    return index, lists
