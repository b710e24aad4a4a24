"""What is read of the records, outside searches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from faiss_memory import (
    Facets,
    Filter,
    Memory,
    MemoryNotFound,
    Origin,
    ProjectCount,
    Standing,
    StoreStats,
    is_uid,
)
from faiss_memory_plugins.postgres.database import Transaction
from faiss_memory_plugins.postgres.filters import condition
from faiss_memory_plugins.postgres.rows import COLUMNS, TABLES, read, to_memory

_CONTAINS = " and strpos(coalesce(m.folded, m.text), %(contains)s) > 0"


def history(run: Transaction, memory_id: int) -> list[Memory]:
    """Read a memory and what it superseded, newest first. Raises MemoryNotFound."""
    chain = read(run, [memory_id])
    while chain and chain[-1].supersedes is not None:
        older = read(run, [chain[-1].supersedes])
        if not older:
            break
        chain += older
    if not chain:
        raise MemoryNotFound(f"there is no memory {memory_id}")
    return chain


def known(run: Transaction, uids: Collection[str]) -> dict[str, Standing]:
    """Return what is known of some uids; what is there counts before what a memory of the same uid once was."""
    rows = run.run(
        "select uid::text, case when purged then 'purged' else 'forgotten' end, memory, place from $.removed"
        " where uid = any(%(uids)s::uuid[])"
        " union all select m.uid::text, 'there', m.id, j.name from $.memory m join $.project j on j.id = m.project"
        " where m.uid = any(%(uids)s::uuid[])",
        {"uids": [uid for uid in uids if is_uid(uid)]},
    )
    return {uid: Standing(*rest) for uid, *rest in rows}


def select(
    run: Transaction,
    where: Filter,
    contains: str | None,
    order: Literal["newest", "oldest"],
    limit: int,
    after: tuple[datetime, int] | None,
) -> list[Memory]:
    """List memories by time."""
    meant, values = _meant(run, where, contains)
    down = order == "newest"
    if after is not None:
        meant += f" and (m.learnt, m.id) {'<' if down else '>'} (%(after_time)s, %(after_id)s)"
        values |= {"after_time": after[0], "after_id": after[1]}
    direction = "desc" if down else "asc"
    rows = run.run(
        f"select {COLUMNS} from {TABLES} where {meant} order by m.learnt {direction}, m.id {direction} limit %(limit)s",
        {**values, "limit": limit},
    )
    return [to_memory(row) for row in rows]


def _meant(run: Transaction, where: Filter, contains: str | None) -> tuple[str, dict[str, Any]]:
    meant = condition(run, where)
    if not contains:
        return meant.sql, meant.values
    return meant.sql + _CONTAINS, {**meant.values, "contains": contains.casefold()}


def matching_ids(run: Transaction, where: Filter) -> list[int]:
    """Return the ids that a filter lets through, ascending."""
    meant = condition(run, where)
    return [
        row[0]
        for row in run.run(f"select m.id from $.memory m where {meant.sql} order by m.id", meant.values)
    ]


def count(run: Transaction, where: Filter) -> int:
    """Return how many memories a filter lets through."""
    meant = condition(run, where)
    ((count,),) = run.run(f"select count(*) from $.memory m where {meant.sql}", meant.values)
    return int(count)


def projects(run: Transaction) -> list[ProjectCount]:
    """Count memories by project, in order of name."""
    rows = run.run(
        "select j.name, coalesce(m.count, 0), j.created, greatest(j.created, m.last, r.last) from $.project j"
        " left join (select project, count(*), max(written) as last from $.memory group by 1) m on m.project = j.id"
        " left join (select project, max(at) as last from $.removed group by 1) r on r.project = j.id"
        " order by j.name"
    )
    return [
        ProjectCount(
            name=name,
            memories=count,
            created_at=created.astimezone(UTC),
            last_updated=updated.astimezone(UTC),
        )
        for name, count, created, updated in rows
    ]


def origins(run: Transaction, project: str) -> dict[int, Origin]:
    """Return the origins of a project's memories, by id."""
    rows = run.run(
        "select o.memory, o.file, o.place, o.text, o.details from $.origin o join $.memory m on m.id = o.memory"
        " join $.project j on j.id = m.project where j.name = %(project)s order by 1",
        {"project": project},
    )
    return {row[0]: Origin(*row[1:]) for row in rows}


def origins_of(run: Transaction, ids: Collection[int]) -> dict[int, Origin]:
    """Return the origins of some memories, by id."""
    rows = run.run(
        "select memory, file, place, text, details from $.origin where memory = any(%(ids)s)",
        {"ids": [one for one in ids if 0 < one < 2**63]},
    )
    return {row[0]: Origin(*row[1:]) for row in rows}


def tags(run: Transaction, where: Filter) -> dict[str, int]:
    """Count memories by tag, the most frequent first."""
    meant = condition(run, where)
    rows = run.run(
        f"select tag, count(distinct m.id) from $.memory m, unnest(m.tags) tag where {meant.sql} group by tag"
        ' order by 2 desc, tag collate "C"',
        meant.values,
    )
    return {tag: count for tag, count in rows}


def facets(run: Transaction, where: Filter, contains: str | None) -> Facets:
    """Count memories by project, tag, source, way and state."""
    meant, values = _meant(run, replace(where, include_superseded=True), contains)
    counted: dict[str, Counter[Any]] = {
        name: Counter() for name in ("project", "tag", "source", "by", "state")
    }
    rows = run.run(
        f"""
        with every as materialized (
            select m.id, j.name, m.source, m.written_by, m.tags, m.superseded_by is not null as superseded
            from {TABLES} where {meant}
        ), counted as materialized (select * from every where %(all)s or not superseded)
        select 'project', name, count(*) from counted group by 2
        union all select 'source', source, count(*) from counted group by 2
        union all select 'by', written_by, count(*) from counted group by 2
        union all select 'tag', tag, count(distinct id) from counted, unnest(tags) tag group by 2
        union all select 'state', superseded::text, count(*) from every group by 2
        """,
        {**values, "all": where.include_superseded},
    )
    for kind, value, count in rows:
        counted[kind][value] = count
    return Facets(
        projects=counted["project"], tags=counted["tag"], sources=counted["source"], by=counted["by"],
        current=counted["state"]["false"], superseded=counted["state"]["true"],
    )  # fmt: skip


def stats(run: Transaction) -> StoreStats:
    """Return sizes and states. What the indexes take is shared out by the number of memories."""
    (created,) = run.one("select created from $.state")
    counts = projects(run)
    (size,) = run.one(
        "select sum(pg_total_relation_size('$.' || name)) from unnest(array['passage', 'words', 'posting']) name"
    )
    every = max(1, sum(one.memories for one in counts))
    return StoreStats(
        created_at=created.astimezone(UTC),
        last_updated=max([created.astimezone(UTC), *(one.last_updated for one in counts)]),
        index_size_bytes={one.name: int(size) * one.memories // every for one in counts},
    )
