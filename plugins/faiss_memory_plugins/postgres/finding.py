"""A search by meaning and one by words, in SQL, each over all that a filter lets through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import log
from typing import NamedTuple

from faiss_memory import (
    BM25_B,
    BM25_K1,
    COSINE,
    MOST_QUERY_TERMS,
    Match,
    Metric,
    Passage,
    Ranking,
    Vectors,
    analyze_query,
    unit_of,
)
from faiss_memory_plugins.postgres.comparing import Model, cosine, similarity
from faiss_memory_plugins.postgres.database import Row, Transaction
from faiss_memory_plugins.postgres.filters import Condition
from faiss_memory_plugins.postgres.large import EXACT_BELOW, candidates, place_of, spread
from faiss_memory_plugins.postgres.rows import to_vector
from faiss_memory_plugins.postgres.words import number_of

MOST_HOLDERS = 12
"""How many texts are looked into for what a query quotes."""


@dataclass(frozen=True, slots=True)
class Near:
    """What a search by meaning finds."""

    matches: list[Match] = field(default_factory=list)
    mean: float = 0.0
    spread: float = 0.0
    unit: float = 1.0
    """How much of the similarity is worth 1 of the cosine."""


_PLACES = "p.memory, p.cue, p.start, p.stop, p.passages"


def nearest(
    run: Transaction, vector: Vectors, model: Model, where: Condition, depth: int, *, by_angle: bool = False
) -> Near:
    """Find the memories nearest to a vector by the model's metric; ties by id.

    `by_angle` they are the nearest by the cosine, which then is their similarity, and cues do not count.
    """
    has_index = not by_angle or model.metric == COSINE
    if (
        has_index
        and len(where.projects) == 1
        and (place := place_of(run, where.projects[0], model)) is not None
    ):
        count = count_matching(run, where)
        if count >= EXACT_BELOW:
            found = candidates(run, place, vector, where, depth, cues=not by_angle)
            if found is not None:
                compared = _compared(run, vector, model, where, depth, by_angle=by_angle, among=found)
                return Near(compared.matches, *spread(run, place, vector, where, count))
    return _compared(run, vector, model, where, depth, by_angle=by_angle)


def count_matching(run: Transaction, where: Condition) -> int:
    """Return how many memories a condition lets through."""
    (count,) = run.one(f"select count(*) from $.memory m where {where.sql}", where.values)
    return int(count)


def _compared(
    run: Transaction, vector: Vectors, model: Model, where: Condition, depth: int, *, by_angle: bool,
    among: Sequence[int] | None = None,
) -> Near:  # fmt: skip
    """Compare a vector with all that count, or with those `among` some memories."""
    angle = cosine(model.metric, "p.vec", "%(vector)s::vector")
    near = angle if by_angle else similarity(model.metric, "p.vec", "%(vector)s::vector")
    rows = run.run(
        f"""
        with every as materialized (
            select p.memory, p.n, {near} as similarity, {angle} as cosine
            from $.passage p join $.memory m on m.id = p.memory
            where p.model = %(model)s and p.project = any(%(projects)s) {"and p.cue is null" if by_angle else ""}
              {"" if among is None else "and p.memory = any(%(among)s)"} and {where.sql}
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
        {**where.values, "vector": to_vector(vector), "model": model.number, "depth": depth, "among": among},
    )
    if not rows:
        return Near()
    mean, deviation, of_cosines = map(float, rows[0][7:])
    return Near([_match(row, model.metric) for row in rows], mean, deviation, unit_of(deviation, of_cosines))


def similarities(run: Transaction, vector: Vectors, model: Model, ids: Collection[int]) -> dict[int, Match]:
    """Compare a vector with every passage and cue of chosen memories, by id."""
    if not ids:
        return {}
    near = similarity(model.metric, "p.vec", "%(vector)s::vector")
    angle = cosine(model.metric, "p.vec", "%(vector)s::vector")
    rows = run.run(
        f"""
        select distinct on (p.memory) {_PLACES}, {near} as similarity, {angle} as cosine
        from $.memory m join $.passage p on p.project = m.project and p.memory = m.id
        where m.id = any(%(ids)s) and p.model = %(model)s
        order by p.memory, similarity desc, p.n
        """,
        {"vector": to_vector(vector), "model": model.number, "ids": list(ids)},
    )
    return {row[0]: _match(row, model.metric) for row in rows}


def _match(row: Sequence[float], metric: Metric) -> Match:
    memory, cue, start, stop, passages, near, angle = row[:7]
    bounded = max(-1.0, min(1.0, angle))
    passage = Passage(int(start), int(stop))
    near, other = (bounded, None) if metric == COSINE else (near, bounded)
    return Match(int(memory), near, passage, int(passages), cue, other)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class ByWords:
    """What a search by words finds."""

    ranking: Ranking = field(default_factory=list)
    held: Mapping[int, frozenset[str]] = field(default_factory=dict)
    """Which terms of the query each memory of the ranking holds itself."""
    coverage: float = 0.0
    """The largest share of the query that one memory holds, in [0, 1]."""
    holders: Sequence[int] = ()
    """Those that hold as much of it as any; none where they are too many."""


_SIZES = """
select project, count(*), greatest(avg(length), 1)::float8 from $.words
where project = any(%(projects)s) group by project
"""
_ASKED = "unnest(%(project)s::int[], %(term)s::int[]) as q(project, term)"
_HOLDERS = f"""
select (select count(*) from $.posting p where p.project = q.project and p.term = q.term and p.often > 0)
from {_ASKED}
"""
_BY_WORDS = f"""
with asked as materialized (
    select * from unnest(
        %(project)s::int[], %(term)s::int[], %(place)s::int[], %(idf)s::float8[], %(average)s::float8[]
    ) as q(project, term, place, idf, average)
), scored as materialized (
    select p.project, p.memory, coalesce(sum(q.idf) filter (where p.often > 0), 0) as says,
           sum(q.idf * abs(p.often) * {BM25_K1 + 1} / (abs(p.often) + {BM25_K1} *
               ({1 - BM25_B} + {BM25_B} * p.length / q.average)))::real as score
    from asked q cross join lateral (
        select * from $.posting p where p.project = q.project and p.term = q.term offset 0) p
    group by p.project, p.memory
), counting as materialized (
    select s.project, s.memory, s.score, s.says / w.wanted as share
    from scored s join unnest(%(sized)s::int[], %(wanted)s::float8[]) as w(project, wanted) on w.project = s.project
    join $.memory m on m.id = s.memory and {{where}}
), best as (
    select memory from counting order by score desc, memory limit %(depth)s
), most as (
    select project, max(share) as share from counting group by project
), full_ones as (
    select unnest(array_agg(c.memory)) as memory from counting c join most s on s.project = c.project
    where c.share >= s.share - 1e-5 group by c.project having count(*) <= %(most_holders)s
)
select c.memory, c.score,
       (select array_agg(q.place) from asked q join $.posting p on p.project = q.project and p.term = q.term
        where p.memory = c.memory and p.often > 0) as held,
       (select max(share) from most), c.memory in (select memory from best), c.memory in (select memory from full_ones)
from counting c
where c.memory in (select memory from best union select unnest(%(also)s::bigint[]) union select memory from full_ones)
order by c.score desc, c.memory
"""
"""How each memory ranks that a term leads to. What a term says is known before: so a posting is all that is read.

(`offset 0` lets postings be read term by term, whatever the planner may expect of them.)
"""
ONE_BY_ONE = 8
"""If terms lead to fewer than one in so many memories, each is looked up; else all that a filter lets through are."""


class _Asked(NamedTuple):
    """A term of a query in one project."""

    project: int
    term: int
    place: int
    """Which of the query's terms it is."""
    idf: float
    average: float
    """How long the project's memories are on average, in words."""


def _rows_by_words(
    run: Transaction, names: Sequence[str], terms: Counter[str], where: Condition, depth: int,
    also: Collection[int], *, phrases: bool,
) -> list[Row]:  # fmt: skip
    sizes = {row[0]: (int(row[1]), float(row[2])) for row in run.run(_SIZES, where.values)}
    pairs = [(project, place) for project in sizes for place in range(len(names))]
    numbers = [number_of(name) for name in names]
    looked_up = {"project": [pair[0] for pair in pairs], "term": [numbers[place] for _, place in pairs]}
    holders = {pair: row[0] for pair, row in zip(pairs, run.run(_HOLDERS, looked_up), strict=True)}
    asked, wanted = list[_Asked](), dict[int, float]()
    for project, (memories, average) in sizes.items():
        held = sorted(
            (holders[project, place], place) for place in range(len(names)) if holders[project, place]
        )
        lacking = terms.total() - sum(terms[names[place]] for _, place in held)
        some = [
            _Asked(project, numbers[place], place, terms[names[place]] * _idf(memories, count), average)
            for count, place in held[:MOST_QUERY_TERMS]
        ]
        asked += some
        wanted[project] = max(lacking * _idf(memories, 0) + sum(one.idf for one in some), 1e-9)
    if not asked:
        return []
    columns = zip(_Asked._fields, zip(*asked, strict=True), strict=True)
    values = {
        **where.values,
        **{name: list(column) for name, column in columns},
        "sized": list(wanted),
        "wanted": list(wanted.values()),
        "depth": depth,
        "also": list(also),
        "most_holders": MOST_HOLDERS if phrases else 0,
    }
    # How many memories the terms lead to is known here, and the planner guesses far too few.
    are_many = sum(holders.values()) * ONE_BY_ONE > sum(memories for memories, _ in sizes.values())
    with run.without("nestloop") if are_many else nullcontext():
        return run.run(_BY_WORDS.format(where=where.sql), values)


def _idf(memories: int, holders: int) -> float:
    """Return how much a term says that so many of the memories hold."""
    return log(1 + (memories - holders + 0.5) / (holders + 0.5))


def by_words(
    run: Transaction, text: str, where: Condition, depth: int, also: Collection[int], *, phrases: bool
) -> ByWords:
    """Rank the memories that hold a term of a query, best first, ties by id; those `also` wanted however low."""
    terms = analyze_query(text)
    names = sorted(terms)
    with run.without("seqscan"):
        rows = _rows_by_words(run, names, terms, where, depth, also, phrases=phrases)
    if not rows:
        return ByWords()
    wanted = set(also)
    ranked = [row for row in rows if row[4] or row[0] in wanted]
    return ByWords(
        ranking=[(row[0], row[1]) for row in ranked],
        held={row[0]: frozenset(names[place] for place in row[2] or ()) for row in ranked},
        coverage=min(1.0, float(rows[0][3])),
        holders=[row[0] for row in rows if row[5]],
    )
