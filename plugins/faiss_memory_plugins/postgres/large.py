"""The approximate indexes of large projects: which there are, building them beside everything else, and asking one.

An index is of one project and one model, as vectors of others would only be in its way. It is asked for more than is
wanted, its answers are compared exactly, and where it brings too few the search is exact: so k means k.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import psycopg

from faiss_memory import Metric, Vectors, metric_in, unit_of
from faiss_memory_plugins.postgres.comparing import INDEX_CLASS, OPERATOR, Model, cosine, similarity
from faiss_memory_plugins.postgres.database import Database, Row, Transaction
from faiss_memory_plugins.postgres.filters import Condition
from faiss_memory_plugins.postgres.rows import to_numbers, to_vector

MOST_INDEXES = 50
"""Each is looked at whenever a statement about vectors is planned: so it is the largest projects that have one."""
EXACT_BELOW = 10_000
"""Of so few memories that a filter lets through every one is compared."""
LEAST_ASKED = 200
"""So many passages at least are asked for."""
MOST_EF = 1000
"""pgvector's highest `hnsw.ef_search`."""
MOST_DIMENSIONS = 4000
"""pgvector's, for an index of half-width numbers, which an index has: what it brings is compared in full width."""
LINKS, LOOKED_AT = 12, 32
"""HNSW's `m` and `ef_construction`: with pgvector's own, 16 and 64, an add costs more than twice as much.

Since `LEAST_ASKED` are asked for, 99 in 100 of the ten nearest among 30,000 in clusters are found; with those, all.
"""
SAMPLE = 512
"""How many memories tell about how a query's similarity is spread over all, or up to twice as many."""
OLDEST_PGVECTOR = (0, 8)
"""Older ones do not go on looking where a filter leaves too little."""
_NAME = "passage_near"

log = logging.getLogger("faiss_memory.postgres")


class Place(NamedTuple):
    """What an index is of, and how long its vectors are."""

    project: int
    model: int
    dimension: int
    metric: Metric
    size: int = EXACT_BELOW
    """About how many passages it holds."""

    @property
    def name(self) -> str:
        """The index's name."""
        return f"{_NAME}_{self.project}_{self.model}"

    @property
    def key(self) -> str:
        """What is indexed, as a search must write it too."""
        return f"(vec::halfvec({self.dimension}))"


def place_of(run: Transaction, project: int, model: Model) -> Place | None:
    """Return the index of a project by a model that can be asked; None if there is none."""
    rows = run.run(
        "select m.dimension, greatest(c.reltuples, %(least)s)::bigint from pg_class c"
        " join pg_index i on i.indexrelid = c.oid"
        " join $.model m on m.id = %(model)s"
        " where c.oid = to_regclass('$.' || %(name)s) and i.indisvalid",
        {"name": f"{_NAME}_{project}_{model.number}", "model": model.number, "least": EXACT_BELOW},
    )
    return Place(project, model.number, rows[0][0], model.metric, rows[0][1]) if rows else None


def counted(run: Transaction, place: Place, where: Condition) -> tuple[int, list[int]]:
    """Return how many memories a condition lets through, and `SAMPLE` of them or up to twice as many, if there are."""
    size = place.size
    while True:
        count, some = run.one(
            "select count(*), coalesce(array_agg(m.id) filter (where hashint8(m.id) & %(mask)s = 0), '{}')"
            f" from $.memory m where {where.sql}",
            {**where.values, "mask": (1 << (size // (2 * SAMPLE)).bit_length() >> 1) - 1},
        )
        if len(some) >= SAMPLE // 2 or size <= count:
            return count, some[:: max(1, len(some) // SAMPLE)]
        size = count  # fewer are let through than there are: the next sample is of these


def let_through_enough(run: Transaction, where: Condition) -> bool:
    """Return whether a condition lets so many memories through that not every one is compared."""
    (count,) = run.one(
        f"select count(*) from (select from $.memory m where {where.sql} limit {EXACT_BELOW}) some",
        where.values,
    )
    return int(count) == EXACT_BELOW


def candidates(
    run: Transaction, place: Place, vector: Vectors, where: Condition, depth: int, *, cues: bool
) -> list[int] | None:
    """Return the memories that an index finds near, at least `depth` of them; None if it does not find as many."""
    wanted = max(LEAST_ASKED, 2 * depth)
    query = f"%(vector)s::halfvec({place.dimension})"
    # (In what order they come does not matter: they are compared exactly.)
    found = {"hnsw__iterative_scan": "relaxed_order", "hnsw__ef_search": min(wanted, MOST_EF)}
    with run.without("seqscan", "sort", **found):
        rows = run.run(
            f"select distinct memory from (select p.memory from $.passage p join $.memory m on m.id = p.memory"
            f" where p.project = {place.project} and p.model = {place.model} {'' if cues else 'and p.cue is null'}"
            f" and {where.sql} order by p.vec::halfvec({place.dimension}) {OPERATOR[place.metric]} {query}"
            " limit %(wanted)s) near",
            {**where.values, "vector": to_vector(vector), "wanted": wanted},
        )
    return [row[0] for row in rows] if len(rows) >= depth else None


def spread(
    run: Transaction, place: Place, vector: Vectors, some: Collection[int]
) -> tuple[float, float, float]:
    """Return the mean and the standard deviation of a query's similarity with some memories.

    And how much of it is worth 1 of the cosine.
    """
    near = similarity(place.metric, "p.vec", "%(vector)s::vector")
    angle = cosine(place.metric, "p.vec", "%(vector)s::vector")
    mean, deviation, of_cosines = run.one(
        "select coalesce(avg(near), 0), coalesce(stddev_pop(near), 0), coalesce(stddev_pop(angle), 0)"
        f" from (select {near} as near, {angle} as angle from $.passage p where p.project = %(project)s"
        " and p.model = %(model)s and p.memory = any(%(some)s::bigint[])) cosines",
        {
            "vector": to_vector(vector),
            "project": place.project,
            "model": place.model,
            "some": to_numbers(some),
        },
    )
    return float(mean), float(deviation), unit_of(float(deviation), float(of_cosines))


@dataclass(frozen=True, slots=True)
class Index:
    """An approximate index, and how far it is."""

    project: str
    model: str
    """The model's identity."""
    state: Literal["ready", "building", "unfinished"]
    """An `unfinished` one is not asked; it is dropped and built again."""
    bytes: int
    phase: str | None
    """What PostgreSQL is doing at it while it is being built."""


def indexes(run: Transaction) -> list[Index]:
    """Return the approximate indexes of all projects, by the project's name."""
    rows = run.run(
        "select j.name, m.identity, case when i.indisvalid then 'ready' when b.pid is not null then 'building'"
        " else 'unfinished' end, pg_relation_size(c.oid), b.phase"
        " from pg_index i join pg_class c on c.oid = i.indexrelid"
        " join $.project j on starts_with(c.relname, %(name)s || '_' || j.id || '_')"
        " join $.model m on c.relname = %(name)s || '_' || j.id || '_' || m.id"
        " left join pg_stat_progress_create_index b on b.index_relid = c.oid"
        " where i.indrelid = '$.passage'::regclass order by 1, 2",
        {"name": _NAME},
    )
    return [Index(*row) for row in rows]


def tend(database: Database, schema: str, above: int) -> list[str]:
    """Build the indexes that projects have come to need, and drop those that they need no more.

    One service does this at a time; another that asks does nothing. Returns what was done, by name.
    """
    with database.alone() as connection:
        (mine,) = _one(
            connection,
            "select pg_try_advisory_lock(hashtextextended(%s, 0))",
            (f"faiss-memory indexes {schema}",),
        )
        return _tend(connection, schema, above) if mine else []


def _tend(connection: psycopg.Connection[Row], schema: str, above: int) -> list[str]:
    there = {
        str(name): bool(valid)
        for name, valid in connection.execute(
            "select c.relname, i.indisvalid from pg_class c join pg_index i on i.indexrelid = c.oid"
            " join pg_namespace n on n.oid = c.relnamespace where n.nspname = %s and c.relname like %s",
            (schema, _NAME.replace("_", r"\_") + r"\_%"),
        )
    }
    known = _version(connection) >= OLDEST_PGVECTOR
    sizes = _sizes(connection, schema, above // 2, there) if known else {}
    # A project that has one keeps it until it is half as large: else one at the limit has it built again and again.
    wanted = [place for place, size in sizes.items() if size >= above or there.get(place.name)][:MOST_INDEXES]
    done = []
    for name, valid in there.items():
        if not valid or name not in {place.name for place in wanted}:
            connection.execute(f'drop index concurrently if exists "{schema}"."{name}"')
            done.append(f"dropped {name}")
    for place in wanted:
        if not there.get(place.name):
            log.info("the index of a large project is being built; it is searched exactly until then")
            connection.execute(
                f'create index concurrently "{place.name}" on "{schema}".passage using hnsw'
                f" ({place.key} {INDEX_CLASS[place.metric]}) with (m = {LINKS}, ef_construction = {LOOKED_AT})"
                f" where project = {place.project} and model = {place.model}"
            )
            done.append(f"built {place.name}")
    return done


def _sizes(
    connection: psycopg.Connection[Row], schema: str, least: int, there: Collection[str]
) -> dict[Place, int]:
    """Count the passages of projects that have at least `least` of them, the largest first."""
    table, values = f'"{schema}".passage', {"schema": schema, "least": least, "some": None}
    every, names, shares = _one(
        connection,
        "select c.reltuples, s.most_common_vals::text::int[], s.most_common_freqs from pg_class c"
        " left join pg_stats s on s.schemaname = %(schema)s and s.tablename = 'passage' and s.attname = 'project'"
        f" where c.oid = '{table}'::regclass",
        values,
    )
    if names is not None:
        # What the database has estimated (from a sample, now and then) says which are to be counted: the commonest
        # are as many as have an index at most. Half as many as are needed are enough for being counted.
        likely = {name for name, share in zip(names, shares, strict=True) if 2 * share * every >= least}
        values["some"] = sorted(likely | {int(name.split("_")[-2]) for name in there})
    rows = connection.execute(
        f"select p.project, p.model, m.dimension, m.identity, count(*) from {table} p"
        f' join "{schema}".model m on m.id = p.model where m.in_use'
        " and (%(some)s::int[] is null or p.project = any(%(some)s))"
        " group by 1, 2, 3, 4 having count(*) >= %(least)s order by 5 desc",
        values,
    )
    return {
        Place(row[0], row[1], row[2], metric_in(row[3])[1]): int(row[4])
        for row in rows
        if row[2] <= MOST_DIMENSIONS
    }


def _version(connection: psycopg.Connection[Row]) -> tuple[int, ...]:
    """Return which pgvector this is."""
    (written,) = _one(connection, "select extversion from pg_extension where extname = %s", ("vector",))
    return tuple(int(part) for part in written.split(".")[:2])


def _one(
    connection: psycopg.Connection[Row], sql: str, values: Sequence[object] | Mapping[str, object]
) -> Row:
    (row,) = connection.execute(sql, values).fetchall()  # type: ignore[arg-type, unused-ignore]
    return row
