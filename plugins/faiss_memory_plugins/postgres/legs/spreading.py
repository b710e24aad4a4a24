"""How a query's similarity is spread over a large project, by the vectors of some memories that a service keeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faiss_memory import COSINE, Vectors, cosines, similarities, unit_of
from faiss_memory_plugins.postgres.comparing import Model
from faiss_memory_plugins.postgres.database import Transaction
from faiss_memory_plugins.postgres.legs.keeping import Keeping
from faiss_memory_plugins.postgres.legs.places import Ids, Place, Sample
from faiss_memory_plugins.postgres.rows import from_vector, to_numbers

_VECTORS = """
select memory, vec::text from $.passage
where project = %(project)s and model = %(model)s and memory = any(%(ids)s::bigint[])
"""
_REPLACED = """
select id from $.memory where project = %(project)s and superseded_by is not null and id = any(%(ids)s::bigint[])
"""


@dataclass(frozen=True, slots=True)
class Whole:
    """A project of which a filter lets everything through, or what is current; and what is known of it."""

    keeping: Keeping
    project: int
    place: Place
    memories: int
    """How many memories are let through."""
    only_current: bool


def spread_in(run: Transaction, whole: Whole, vector: Vectors, model: Model) -> tuple[float, float, float]:
    """Return the mean and the standard deviation of a query's similarity with some memories.

    And how much of it is worth 1 of the cosine. Which memories these are is the same for every service.
    """
    ids = whole.place.sample
    if whole.only_current:
        values = {"project": whole.project, "ids": to_numbers(ids.tolist())}
        replaced = [row[0] for row in run.run(_REPLACED, values)]
        ids = ids[~np.isin(ids, replaced)]
    vectors = _vectors(run, whole, ids, model, len(vector))
    if not len(vectors):
        return 0.0, 0.0, unit_of(0.0, 0.0)
    near = similarities(model.metric, vectors, vector)
    angles = near if model.metric == COSINE else cosines(model.metric, vectors, vector[np.newaxis])
    deviation = float(near.std(dtype=np.float64))
    return (
        float(near.mean(dtype=np.float64)),
        deviation,
        unit_of(deviation, float(angles.std(dtype=np.float64))),
    )


def _vectors(run: Transaction, whole: Whole, ids: Ids, model: Model, dimension: int) -> Vectors:
    """Return the vectors of memories, one a row: those that are not kept are read."""
    kept = whole.keeping.sample(whole.project, whole.place, model.number)
    if kept is None or kept.vectors.shape[1] != dimension:
        kept = Sample(np.zeros(0, np.int64), np.zeros((0, dimension), np.float32))
    counts = kept.ids[np.isin(kept.ids, ids) & ~whole.place.is_written_later(kept.ids)]
    lacking = np.setdiff1d(ids, counts)
    rows = run.run(
        _VECTORS, {"project": whole.project, "model": model.number, "ids": to_numbers(lacking.tolist())}
    ) if len(lacking) else []  # fmt: skip
    read = Sample(
        np.array([row[0] for row in rows], np.int64),
        np.array([from_vector(row[1]) for row in rows], np.float32).reshape(-1, dimension),
    )
    stays = np.isin(kept.ids, counts)
    vectors = np.concatenate([kept.vectors[stays], read.vectors])
    if len(lacking) > len(ids) // 8:  # (else it is what was written since, and little)
        every = Sample(np.concatenate([kept.ids[stays], read.ids]), vectors)
        whole.keeping.keep_sample(whole.project, whole.place, model.number, every)
    return vectors
