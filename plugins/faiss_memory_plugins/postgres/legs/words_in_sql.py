"""A search by words in small projects, in SQL: nothing is kept of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from faiss_memory import BM25_K1, LENGTH_POWER
from faiss_memory_plugins.postgres.database import Transaction
from faiss_memory_plugins.postgres.filters import Condition
from faiss_memory_plugins.postgres.legs.asking import Asked, ByWords, Query, Size, asked_in

_HOLDERS = """
select q.project, q.term,
       (select count(*) from $.posting p where p.project = q.project and p.term = q.term and p.often > 0)
from unnest(%(project)s::int[], %(term)s::int[]) as q(project, term)
"""
_BY_WORDS = f"""
with asked as materialized (
    select * from unnest(
        %(project)s::int[], %(term)s::int[], %(place)s::int[], %(idf)s::float8[], %(average)s::float8[]
    ) as q(project, term, place, idf, average)
), scored as materialized (
    select p.project, p.memory, coalesce(sum(q.idf) filter (where p.often > 0), 0) as says,
           sum(q.idf * abs(p.often) * {BM25_K1 + 1} / (abs(p.often) + {BM25_K1} *
               power(p.length / q.average, {LENGTH_POWER})))::real as score
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


def words_in_sql(
    run: Transaction, sizes: Mapping[int, Size], query: Query, where: Condition, depth: int, also: Collection[int],
    most_holders: int,
) -> ByWords:  # fmt: skip
    """Rank the memories of projects of known sizes; see `by_words`."""
    holders = _holders(run, [(project, term) for project in sizes for term in query.numbers])
    asked, wanted = list[Asked](), dict[int, float]()
    for project, size in sizes.items():
        some, wanted[project] = asked_in(project, size, query, holders.get(project, {}))
        asked += some
    if not asked:
        return ByWords()
    values = {
        **where.values,
        **dict(zip(Asked._fields, map(list, zip(*asked, strict=True)), strict=True)),
        "sized": list(wanted),
        "wanted": list(wanted.values()),
        "depth": depth,
        "also": list(also),
        "most_holders": most_holders,
    }
    with _joining(run, asked, sum(size.memories for size in sizes.values())):
        rows = run.run(_BY_WORDS.format(where=where.sql), values)
    if not rows:
        return ByWords()
    near = set(also)
    ranked = [row for row in rows if row[4] or row[0] in near]
    return ByWords(
        ranking=[(row[0], row[1]) for row in ranked],
        held={row[0]: frozenset(query.names[place] for place in row[2] or ()) for row in ranked},
        coverage=min(1.0, float(rows[0][3])),
        holders=[row[0] for row in rows if row[5]],
    )


def _holders(run: Transaction, pairs: Sequence[tuple[int, int]]) -> dict[int, dict[int, int]]:
    """Return how many memories hold a term themselves, by project and term."""
    rows = run.run(_HOLDERS, {"project": [pair[0] for pair in pairs], "term": [pair[1] for pair in pairs]})
    found: dict[int, dict[int, int]] = {}
    for project, term, count in rows:
        found.setdefault(project, {})[term] = int(count)
    return found


def _joining(run: Transaction, asked: Sequence[Asked], memories: int) -> AbstractContextManager[None]:
    """Let memories be joined to what terms lead to. How many these are is known: the planner guesses far too few."""
    are_many = sum(one.holders for one in asked) * ONE_BY_ONE > memories
    return run.without("nestloop") if are_many else nullcontext()
