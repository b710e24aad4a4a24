"""How vectors are compared: by the metric of the model that made them, and by their angle.

Metric and vectors belong together, so a model's identity names its metric. What goes by a fixed number, such as whether
a text is known, goes by the angle whatever the metric: only a cosine says the same of every model.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt

from faiss_memory.contracts.embedder import Embedder, Vectors
from faiss_memory.errors import EmbedderError
from faiss_memory.memory import COSINE, EUCLIDEAN, METRICS, Metric

Similarities = npt.NDArray[np.float32]
_SHORTEST = 1e-12


def metric_of(embedder: Embedder) -> Metric:
    """Return an embedder's own metric; one that has no attribute `metric` compares by the cosine.

    Raises EmbedderError for one that is not known.
    """
    found = getattr(embedder, "metric", COSINE)
    if found not in METRICS:
        raise EmbedderError(
            f"the model {embedder.name} compares by {found!r}, which is none of {', '.join(METRICS)}"
        )
    return cast(Metric, found)


def with_metric(identity: str, metric: Metric) -> str:
    """Return the identity of a model whose vectors are compared by a metric; by the cosine it is the model's own."""
    return identity if metric == COSINE else f"{identity}+{metric}"


def metric_in(identity: str) -> tuple[str, Metric]:
    """Take an identity apart: that of the model, and the metric by which its vectors are compared."""
    for metric in METRICS:
        if metric != COSINE and identity.endswith(f"+{metric}"):
            return identity.removesuffix(f"+{metric}"), metric
    return identity, COSINE


def unit(vectors: Vectors) -> Vectors:
    """Return vectors, one a row, with length 1."""
    return (vectors / _lengths(vectors)).astype(np.float32)


def similarities(metric: Metric, vectors: Vectors, query: Vectors) -> Similarities:
    """Compare vectors, one a row, with a query's, shape (dimension,): the nearer, the greater.

    By the cosine they are unit vectors, and the product is in [-1, 1]; by dot it is any number. By the Euclidean
    distance d it is 1 / (1 + d), in (0, 1].
    """
    if metric == EUCLIDEAN:
        return of_squares(np.square(vectors - query).sum(axis=1))
    return vectors @ query


def of_squares(distances: npt.NDArray[np.float32]) -> Similarities:
    """Return the similarities of squared Euclidean distances."""
    return (1 / (1 + np.sqrt(np.maximum(distances, 0)))).astype(np.float32)


def cosines(metric: Metric, vectors: Vectors, others: Vectors) -> Similarities:
    """Return the cosine of each vector with each of some others, one a row; those of the cosine have length 1."""
    products = vectors @ others.T
    return products if metric == COSINE else products / (_lengths(vectors) * _lengths(others).T)


def _lengths(vectors: Vectors) -> Vectors:
    lengths: Vectors = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.maximum(lengths, _SHORTEST)


def unit_of(spread: float, spread_of_cosines: float) -> float:
    """Return how much similarity is worth 1 of the cosine, by how far both are spread over the same vectors."""
    return spread / spread_of_cosines if spread > 0 and spread_of_cosines > 0 else 1.0
