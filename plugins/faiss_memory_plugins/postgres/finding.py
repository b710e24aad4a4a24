"""A search by meaning and one by words, in SQL, each over all that a filter lets through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

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
from faiss_memory_plugins.postgres.schema import DIMENSIONS
from faiss_memory_plugins.postgres.words import lexeme, number_of

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


_BY_WORDS = f"""
with asked as materialized (
    select * from unnest(
        %(term)s::int[], %(project)s::int[], %(times)s::int[], %(memories)s::int[], %(average)s::float8[],
        %(query)s::text[]::tsquery[], %(own)s::text[]::tsquery[], %(unit)s::text[]::sparsevec[]
    ) as q(term, project, times, memories, average, query, own, unit)
), hit as materialized (
    select q.term, q.project, q.times, q.memories, q.average, w.memory, w.length, -(w.counts <#> q.unit) as often,
           w.terms @@ q.own as held
    from asked q join $.words w on w.terms @@ q.query
), counted as (
    select *, count(*) filter (where held) over one as holders, row_number() over one = 1 as is_first
    from hit window one as (partition by project, term)
), weighed as (
    select *, times * ln(1 + (memories - holders + 0.5::float8) / (holders + 0.5::float8)) as idf,
           sum(times) filter (where is_first) over (partition by project) as known
    from counted
), chosen as (
    select * from weighed {{rarest}}
), compared as (
    select *, sum(idf) filter (where is_first) over (partition by project)
           + (%(asked)s - known) * ln(1 + (memories + 0.5::float8) / 0.5) as wanted
    from chosen
), scored as (
    select h.project, h.memory, array_agg(h.term) filter (where h.held) as held,
           sum(h.idf * h.often * {BM25_K1 + 1} / (h.often + {BM25_K1} *
               ({1 - BM25_B} + {BM25_B} * h.length / h.average)))::real as score,
           coalesce(sum(h.idf) filter (where h.held), 0) / greatest(min(h.wanted), 1e-9) as share
    from compared h join $.memory m on m.id = h.memory and {{where}}
    group by h.project, h.memory
), placed as (
    select *, row_number() over (order by score desc, memory) as place,
           max(share) over (partition by project) as most, max(share) over () as coverage
    from scored
), told as (
    select *, share >= most - 1e-5 as is_full,
           count(*) filter (where share >= most - 1e-5) over (partition by project) as full_ones
    from placed
)
select memory, score, held, coverage, place, is_full and full_ones <= %(most_holders)s
from told
where place <= %(depth)s or memory = any(%(also)s) or (is_full and full_ones <= %(most_holders)s)
order by place
"""
"""How many hold a term, what it is worth, and how each memory ranks, in one pass over what the terms lead to.

(By windows and not by joins: how many rows terms lead to the database cannot guess, and it would compare all with all.)
"""
_RAREST = f"""
    where term in (select term from (
        select project, term, row_number() over (partition by project order by holders, term) as place
        from weighed where is_first) ranked
    where ranked.project = weighed.project and place <= {MOST_QUERY_TERMS})
"""
_SIZES = """
select project, count(*), greatest(avg(length), 1)::float8 from $.words
where part = 0 and project = any(%(projects)s) group by project
"""


def _rows_by_words(
    run: Transaction, names: Sequence[str], terms: Counter[str], where: Condition, depth: int,
    also: Collection[int], *, phrases: bool,
) -> list[Row]:  # fmt: skip
    sizes = {row[0]: row[1:] for row in run.run(_SIZES, where.values)}
    pairs = [(place, project) for project in sizes for place in range(len(names))]
    if not pairs:
        return []
    numbers = [number_of(name) for name in names]
    return run.run(
        _BY_WORDS.format(where=where.sql, rarest=_RAREST if len(names) > MOST_QUERY_TERMS else ""),
        {
            **where.values,
            "term": [place for place, _ in pairs],
            "project": [project for _, project in pairs],
            "times": [terms[names[place]] for place, _ in pairs],
            "asked": terms.total(),
            "memories": [sizes[project][0] for _, project in pairs],
            "average": [sizes[project][1] for _, project in pairs],
            "query": [lexeme(project, numbers[place]) for place, project in pairs],
            "own": [f"{lexeme(project, numbers[place])}:A" for place, project in pairs],
            "unit": [f"{{{numbers[place]}:1}}/{DIMENSIONS}" for place, _ in pairs],
            "depth": depth,
            "also": list(also),
            "most_holders": MOST_HOLDERS if phrases else 0,
        },
    )


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
    ranked = [row for row in rows if row[4] <= depth or row[0] in wanted]
    return ByWords(
        ranking=[(row[0], row[1]) for row in ranked],
        held={row[0]: frozenset(names[place] for place in row[2] or ()) for row in ranked},
        coverage=min(1.0, float(rows[0][3])),
        holders=[row[0] for row in rows if row[5]],
    )
