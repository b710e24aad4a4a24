"""The approximate indexes of large projects: which there are, building them beside everything else, and asking one.

An index is of one project and one model, as vectors of others would only be in its way. It is asked for more than is
wanted, its answers are compared exactly, and where it brings too few the search is exact: so k means k.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import psycopg

from faiss_memory import Metric, Vectors, metric_in, unit_of
from faiss_memory_plugins.postgres.comparing import INDEX_CLASS, OPERATOR, Model, cosine, similarity
from faiss_memory_plugins.postgres.database import Database, Row, Transaction
from faiss_memory_plugins.postgres.filters import Condition
from faiss_memory_plugins.postgres.rows import to_vector

MOST_INDEXES = 50
"""Each is looked at whenever a statement about vectors is planned: so it is the largest projects that have one."""
EXACT_BELOW = 10_000
"""Of so few memories that a filter lets through every one is compared."""
MOST_DIMENSIONS = 4000
"""pgvector's, for an index of half-width numbers, which an index has: what it brings is compared in full width."""
SAMPLE = 512
"""How many passages tell about how a query's similarity is spread over all."""
_NAME = "passage_near"

log = logging.getLogger("faiss_memory.postgres")


class Place(NamedTuple):
    """What an index is of, and how long its vectors are."""

    project: int
    model: int
    dimension: int
    metric: Metric

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
        "select m.dimension from pg_class c join pg_index i on i.indexrelid = c.oid"
        " join $.model m on m.id = %(model)s"
        " where c.oid = to_regclass('$.' || %(name)s) and i.indisvalid",
        {"name": f"{_NAME}_{project}_{model.number}", "model": model.number},
    )
    return Place(project, model.number, rows[0][0], model.metric) if rows else None


def candidates(
    run: Transaction, place: Place, vector: Vectors, where: Condition, depth: int, *, cues: bool
) -> list[int] | None:
    """Return the memories that an index finds near, at least `depth` of them; None if it does not find as many."""
    wanted = max(400, 4 * depth)
    run.run(
        "select set_config('hnsw.iterative_scan', 'strict_order', true), set_config('hnsw.ef_search', '200', true)"
    )
    query = f"%(vector)s::halfvec({place.dimension})"
    with run.without("seqscan", "sort"):
        rows = run.run(
            f"select distinct memory from (select p.memory from $.passage p join $.memory m on m.id = p.memory"
            f" where p.project = {place.project} and p.model = {place.model} {'' if cues else 'and p.cue is null'}"
            f" and {where.sql} order by p.vec::halfvec({place.dimension}) {OPERATOR[place.metric]} {query}"
            " limit %(wanted)s) near",
            {**where.values, "vector": to_vector(vector), "wanted": wanted},
        )
    return [row[0] for row in rows] if len(rows) >= depth else None


def spread(
    run: Transaction, place: Place, vector: Vectors, where: Condition, memories: int
) -> tuple[float, float, float]:
    """Return the mean and the standard deviation of a query's similarity with some of what a filter lets through.

    And how much of it is worth 1 of the cosine.
    """
    near = similarity(place.metric, "p.vec", "%(vector)s::vector")
    angle = cosine(place.metric, "p.vec", "%(vector)s::vector")
    mean, deviation, of_cosines = run.one(
        "select coalesce(avg(near), 0), coalesce(stddev_pop(near), 0), coalesce(stddev_pop(angle), 0)"
        f" from (select {near} as near, {angle} as angle"
        " from $.memory m join $.passage p on p.project = m.project and p.memory = m.id and p.model = %(model)s"
        f" where mod(abs(hashint8(m.id)), %(step)s) = 0 and {where.sql}) cosines",
        {
            **where.values,
            "vector": to_vector(vector),
            "model": place.model,
            "step": max(1, memories // SAMPLE),
        },
    )
    return float(mean), float(deviation), unit_of(float(deviation), float(of_cosines))


def tend(database: Database, schema: str, above: int) -> list[str]:
    """Build the indexes that projects have come to need, and drop those that they need no more.

    One service does this at a time; another that asks does nothing. Returns what was done, by name.
    """
    with database.alone() as connection:
        (mine,) = _one(
            connection,
            "select pg_try_advisory_lock(hashtextextended(%s, 0))",
            f"faiss-memory indexes {schema}",
        )
        return _tend(connection, schema, above) if mine else []


def _tend(connection: psycopg.Connection[Row], schema: str, above: int) -> list[str]:
    sizes = {
        Place(row[0], row[1], row[2], metric_in(row[3])[1]): int(row[4])
        for row in connection.execute(
            f'select p.project, p.model, m.dimension, m.identity, count(*) from "{schema}".passage p'
            f' join "{schema}".model m on m.id = p.model where m.in_use group by 1, 2, 3, 4 having count(*) >= %s'
            " order by 5 desc",
            (above // 2,),
        )
        if row[2] <= MOST_DIMENSIONS
    }
    there = {
        str(name): bool(valid)
        for name, valid in connection.execute(
            "select c.relname, i.indisvalid from pg_class c join pg_index i on i.indexrelid = c.oid"
            " join pg_namespace n on n.oid = c.relnamespace where n.nspname = %s and c.relname like %s",
            (schema, _NAME.replace("_", r"\_") + r"\_%"),
        )
    }
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
                f" ({place.key} {INDEX_CLASS[place.metric]}) with (m = 16, ef_construction = 64)"
                f" where project = {place.project} and model = {place.model}"
            )
            done.append(f"built {place.name}")
    return done


def _one(connection: psycopg.Connection[Row], sql: str, value: str) -> Row:
    (row,) = connection.execute(sql, (value,)).fetchall()  # type: ignore[arg-type, unused-ignore]
    return row
