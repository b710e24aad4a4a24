"""A search by words, in SQL: the rare terms of a query first, and frequent ones only where they can still matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from math import log
from typing import NamedTuple

from faiss_memory import BM25_K1, LENGTH_POWER, MOST_QUERY_TERMS, Ranking, analyze_query
from faiss_memory_plugins.postgres.database import Row, Transaction
from faiss_memory_plugins.postgres.filters import Condition
from faiss_memory_plugins.postgres.legs.counting import Counts, Size
from faiss_memory_plugins.postgres.words import number_of

MOST_HOLDERS = 12
"""How many texts are looked into for what a query quotes."""
COMMON = 10_000
"""Terms with so many postings or more, together, are looked for only in some memories where that finds the same."""
SPARED = 8
"""How many times fewer these must be."""
SLACK = 1e-3
"""More than what single precision loses of a score."""
LIKELY = 0.75
"""What share of a term's idf the memories that hold it have at least, for most of them: it only says what to try."""


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


_SCORED = f"""
with asked as materialized (
    select * from unnest(
        %(project)s::int[], %(term)s::int[], %(place)s::int[], %(idf)s::float8[], %(average)s::float8[]
    ) as q(project, term, place, idf, average)
), scored as materialized (
    select p.project, p.memory, coalesce(sum(q.idf) filter (where p.often > 0), 0) as says,
           sum(q.idf * abs(p.often) * {BM25_K1 + 1} / (abs(p.often) + {BM25_K1} *
               power(p.length / q.average, {LENGTH_POWER})))::real as score
    from asked q cross join lateral (
        select * from $.posting p where p.project = q.project and p.term = q.term {{among}} offset 0) p
    group by p.project, p.memory
)
"""
"""What each memory scores that a term leads to. What a term says is known before: so a posting is all that is read.

(`offset 0` lets postings be read term by term, whatever the planner may expect of them.)
"""
_BY_WORDS = f"""
{_SCORED}, counting as materialized (
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
"""How each memory ranks that a term leads to."""
_POSSIBLE = f"""
{_SCORED}, counting as materialized (
    select s.* from scored s join $.memory m on m.id = s.memory and {{where}}
), best as (
    select count(*) as found, min(score) as bar
    from (select score from counting order by score desc limit %(depth)s) best
), bars as materialized (
    select w.project, w.remaining * {BM25_K1 + 1} + {SLACK} as rise, w.remaining + {SLACK} as saying, best.found,
           best.bar, coalesce((select max(says) from counting c where c.project = w.project), 0) as most
    from unnest(%(sized)s::int[], %(remaining)s::float8[]) as w(project, remaining), best
)
select case when (select bool_and(found >= %(depth)s and bar > rise and most > saying) from bars) then array(
    select c.memory from counting c join bars b on b.project = c.project
    where c.score + b.rise >= b.bar or c.says + b.saying >= b.most limit %(most_possible)s
) end
"""
"""The memories that terms still to come, which say `remaining` in all, can bring among the best; null: any can."""
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
    holders: int


def _rows_by_words(
    run: Transaction, counts: Counts, names: Sequence[str], terms: Counter[str], where: Condition, depth: int,
    also: Collection[int], *, phrases: bool,
) -> list[Row]:  # fmt: skip
    numbers = [number_of(name) for name in names]
    sizes, holders = counts.of(run, where.projects, numbers)
    asked, wanted = _asked_of(sizes, holders, numbers, [terms[name] for name in names])
    if not asked:
        return []
    values = {
        **where.values,
        **_columns(asked),
        "sized": list(wanted),
        "wanted": list(wanted.values()),
        "depth": depth,
        "also": list(also),
        "most_holders": MOST_HOLDERS if phrases else 0,
    }
    memories = sum(size.memories for size in sizes.values())
    if (possible := _possible(run, asked, memories, where, depth)) is not None:
        values["among"] = [*{*possible, *also}]
        return run.run(_BY_WORDS.format(where=where.sql, among="and p.memory = any(%(among)s)"), values)
    with _joining(run, asked, memories):
        return run.run(_BY_WORDS.format(where=where.sql, among=""), values)


def _asked_of(
    sizes: Mapping[int, Size], holders: Mapping[tuple[int, int], int], numbers: Sequence[int], often: Sequence[int]
) -> tuple[list[_Asked], dict[int, float]]:  # fmt: skip
    """Return the terms that are asked for in each project, the rarest first, and how much all say there together."""
    asked, wanted = list[_Asked](), dict[int, float]()
    for project, size in sizes.items():
        held = sorted(
            (count, place) for place, term in enumerate(numbers) if (count := holders[project, term])
        )
        lacking = sum(often) - sum(often[place] for _, place in held)
        some = [
            _Asked(
                project, numbers[place], place, often[place] * _idf(size.memories, count), size.average, count
            )
            for count, place in held[:MOST_QUERY_TERMS]
        ]
        asked += some
        wanted[project] = max(lacking * _idf(size.memories, 0) + sum(one.idf for one in some), 1e-9)
    return asked, wanted


def _columns(asked: Sequence[_Asked]) -> dict[str, object]:
    return dict(zip(_Asked._fields, map(list, zip(*asked, strict=True)), strict=True))


def _joining(run: Transaction, asked: Sequence[_Asked], memories: int) -> AbstractContextManager[None]:
    """Let memories be joined to what terms lead to. How many these are is known: the planner guesses far too few."""
    are_many = sum(one.holders for one in asked) * ONE_BY_ONE > memories
    return run.without("nestloop") if are_many else nullcontext()


def _possible(
    run: Transaction, asked: Sequence[_Asked], memories: int, where: Condition, depth: int
) -> list[int] | None:
    """Return the memories that can be among the best, or hold the most of the query, as its rare terms have it.

    None where these may be any, or so many that it does not pay.
    """
    early, remaining = list[_Asked](), dict[int, float]()
    for project in dict.fromkeys(one.project for one in asked):
        terms = [one for one in asked if one.project == project]  # (the rarest first)
        count = _enough(terms, depth)
        early += terms[:count]
        remaining[project] = sum(one.idf for one in terms[count:])
    left = sum(one.holders for one in asked) - sum(one.holders for one in early)
    if left < COMMON or not early:
        return None
    most = left // SPARED
    values = {
        **where.values,
        **_columns(early),
        "sized": list(remaining),
        "remaining": list(remaining.values()),
        "depth": depth,
        "most_possible": most + 1,
    }
    with _joining(run, early, memories):
        (possible,) = run.one(_POSSIBLE.format(where=where.sql, among=""), values)
    return None if possible is None or len(possible) > most else possible


def _enough(terms: Sequence[_Asked], depth: int) -> int:
    """Return how many of a project's terms, the rarest first, probably tell which memories are the best."""
    found, least = 0, 0.0
    for number, term in enumerate(terms, 1):
        if found < depth:
            found, least = found + term.holders, LIKELY * term.idf
        if found >= depth and least > (BM25_K1 + 1) * sum(one.idf for one in terms[number:]):
            return number
    return len(terms)


def _idf(memories: int, holders: int) -> float:
    """Return how much a term says that so many of the memories hold."""
    return log(1 + (memories - holders + 0.5) / (holders + 0.5))


def by_words(
    run: Transaction, counts: Counts, text: str, where: Condition, depth: int, also: Collection[int],
    *, phrases: bool,
) -> ByWords:  # fmt: skip
    """Rank the memories that hold a term of a query, best first, ties by id; those `also` wanted however low."""
    terms = analyze_query(text)
    names = sorted(terms)
    with run.without("seqscan"):
        rows = _rows_by_words(run, counts, names, terms, where, depth, also, phrases=phrases)
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
