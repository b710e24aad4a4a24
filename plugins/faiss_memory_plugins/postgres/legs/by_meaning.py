"""A search by meaning, in SQL, over all that a filter lets through."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from faiss_memory import COSINE, Match, Metric, Passage, Vectors, unit_of
from faiss_memory_plugins.postgres.comparing import Model, cosine, similarity
from faiss_memory_plugins.postgres.database import Row, Transaction
from faiss_memory_plugins.postgres.filters import Condition
from faiss_memory_plugins.postgres.large import (
    EXACT_BELOW,
    Place,
    candidates,
    counted,
    let_through_enough,
    place_of,
    spread,
)
from faiss_memory_plugins.postgres.legs.spreading import Whole, spread_in
from faiss_memory_plugins.postgres.rows import to_numbers, to_vector


@dataclass(frozen=True, slots=True)
class Near:
    """What a search by meaning finds."""

    matches: list[Match] = field(default_factory=list)
    mean: float = 0.0
    spread: float = 0.0
    unit: float = 1.0
    """How much of the similarity is worth 1 of the cosine."""
    memories: int | None = None
    """How many memories the filter lets through, where that was counted."""


_PLACES = "p.memory, p.cue, p.start, p.stop, p.passages"


def nearest(
    run: Transaction, vector: Vectors, model: Model, where: Condition, depth: int, *, by_angle: bool = False,
    whole: Whole | None = None,
) -> Near:  # fmt: skip
    """Find the memories nearest to a vector by the model's metric; ties by id.

    `by_angle` they are the nearest by the cosine, which then is their similarity, and cues do not count. `whole` tells
    of the project that is searched, where the filter takes all of it.
    """
    has_index = len(where.projects) == 1 and (not by_angle or model.metric == COSINE)
    if has_index and (place := place_of(run, where.projects[0], model)) is not None:
        if by_angle:
            near = _closest(run, place, vector, model, where, depth)
        elif whole is not None:
            near = _in_whole(run, place, vector, model, where, depth, whole)
        else:
            near = _by_index(run, place, vector, model, where, depth)
        if near is not None:
            return near
    return _compared(run, vector, model, where, depth, by_angle=by_angle)


def _by_index(
    run: Transaction, place: Place, vector: Vectors, model: Model, where: Condition, depth: int
) -> Near | None:
    """Ask the index of a large project; None where everything has to be compared."""
    memories, some = counted(run, place, where)
    if memories < EXACT_BELOW:
        return None
    found = candidates(run, place, vector, where, depth, cues=True)
    if found is None:
        return None
    return Near(_best(run, vector, model, found, depth), *spread(run, place, vector, some), memories)


def _in_whole(
    run: Transaction, place: Place, vector: Vectors, model: Model, where: Condition, depth: int, whole: Whole
) -> Near | None:
    """Ask the index of a project of which everything counts."""
    if whole.memories < EXACT_BELOW:
        return None
    found = candidates(run, place, vector, where, depth, cues=True)
    if found is None:
        return None
    return Near(
        _best(run, vector, model, found, depth), *spread_in(run, whole, vector, model), whole.memories
    )


def _closest(
    run: Transaction, place: Place, vector: Vectors, model: Model, where: Condition, depth: int
) -> Near | None:
    """Ask the index of a large project for what is nearest by the cosine, cues aside."""
    if not let_through_enough(run, where):
        return None
    found = candidates(run, place, vector, where, depth, cues=False)
    if found is None:
        return None
    return Near(_best(run, vector, model, found, depth, cues=False))


def count_matching(run: Transaction, where: Condition) -> int:
    """Return how many memories a condition lets through."""
    (count,) = run.one(f"select count(*) from $.memory m where {where.sql}", where.values)
    return int(count)


def count_replaced(run: Transaction, projects: Sequence[int]) -> int:
    """Return how many memories of projects others have replaced."""
    (count,) = run.one(
        "select count(*) from $.memory where project = any(%(projects)s) and superseded_by is not null",
        {"projects": list(projects)},
    )
    return int(count)


def _compared(
    run: Transaction, vector: Vectors, model: Model, where: Condition, depth: int, *, by_angle: bool
) -> Near:
    """Compare a vector with all that count."""
    angle = cosine(model.metric, "p.vec", "%(vector)s::vector")
    near = angle if by_angle else similarity(model.metric, "p.vec", "%(vector)s::vector")
    rows = run.run(
        f"""
        with every as materialized (
            select p.memory, p.n, {near} as similarity, {angle} as cosine
            from $.passage p join $.memory m on m.id = p.memory
            where p.model = %(model)s and p.project = any(%(projects)s) {"and p.cue is null" if by_angle else ""}
              and {where.sql}
        ), best as (
            select distinct on (memory) memory, n, similarity, cosine from every order by memory, similarity desc, n
        ), chosen as (
            select * from best order by similarity desc, memory limit %(depth)s
        ), all_of_them as materialized (
            select avg(similarity) as mean, stddev_pop(similarity) as spread, stddev_pop(cosine) as angles
            from every
        )
        select {_PLACES}, c.similarity, c.cosine, s.mean, s.spread, s.angles
        from chosen c join $.passage p on p.model = %(model)s and p.project = any(%(projects)s)
             and p.memory = c.memory and p.n = c.n,
             all_of_them s
        order by c.similarity desc, c.memory
        """,
        {**where.values, "vector": to_vector(vector), "model": model.number, "depth": depth},
    )
    if not rows:
        return Near()
    mean, deviation, of_cosines = map(float, rows[0][7:])
    return Near([_match(row, model.metric) for row in rows], mean, deviation, unit_of(deviation, of_cosines))


def similarities(run: Transaction, vector: Vectors, model: Model, ids: Collection[int]) -> dict[int, Match]:
    """Compare a vector with every passage and cue of chosen memories, by id."""
    return {row[0]: _match(row, model.metric) for row in _each_compared(run, vector, model, ids, cues=True)}


def _best(
    run: Transaction, vector: Vectors, model: Model, ids: Collection[int], depth: int, *, cues: bool = True
) -> list[Match]:
    """Return those of some memories that are most like a vector, best first, ties by id."""
    every = _each_compared(run, vector, model, ids, cues=cues)
    return [_match(row, model.metric) for row in sorted(every, key=lambda row: (-row[5], row[0]))[:depth]]


def _each_compared(
    run: Transaction, vector: Vectors, model: Model, ids: Collection[int], *, cues: bool
) -> list[Row]:
    if not ids:
        return []
    near = similarity(model.metric, "p.vec", "%(vector)s::vector")
    angle = cosine(model.metric, "p.vec", "%(vector)s::vector")
    return run.run(
        f"""
        select distinct on (p.memory) {_PLACES}, {near} as similarity, {angle} as cosine
        from $.memory m join $.passage p on p.project = m.project and p.memory = m.id
        where m.id = any(%(ids)s::bigint[]) and p.model = %(model)s {"" if cues else "and p.cue is null"}
        order by p.memory, similarity desc, p.n
        """,
        {"vector": to_vector(vector), "model": model.number, "ids": to_numbers(ids)},
    )


def _match(row: Sequence[float], metric: Metric) -> Match:
    memory, cue, start, stop, passages, near, angle = row[:7]
    bounded = max(-1.0, min(1.0, angle))
    passage = Passage(int(start), int(stop))
    near, other = (bounded, None) if metric == COSINE else (near, bounded)
    return Match(int(memory), near, passage, int(passages), cue, other)  # type: ignore[arg-type]
