"""The models whose vectors the database holds, and which of them is in use: for all services the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby

import numpy as np

from faiss_memory import Embedding, KnownModel, Memory, Passage, StoreError
from faiss_memory_plugins.postgres.database import Database, Transaction
from faiss_memory_plugins.postgres.locks import lock
from faiss_memory_plugins.postgres.rows import COLUMNS, TABLES, from_vector, to_memory, to_vector

DROPPED_AT_ONCE = 1000
"""Memories whose vectors by models that are not kept are removed in one transaction."""


def know(run: Transaction, identity: str, name: str, dimension: int, *, use: bool) -> None:
    """Let vectors of a model be written and read; with `use` it is the one in use."""
    lock(run, "models", [""])
    rows = run.run(
        "select id, name, dimension, in_use from $.model where identity = %(identity)s",
        {"identity": identity},
    )
    values = {"identity": identity, "name": name, "dimension": dimension}
    if not rows:
        run.run(
            "insert into $.model (identity, name, dimension) values (%(identity)s, %(name)s, %(dimension)s)",
            values,
        )
    elif rows[0][2] != dimension:
        run.run("delete from $.passage where model = %(id)s", {"id": rows[0][0]})
    if rows and tuple(rows[0][1:3]) != (name, dimension):
        run.run(
            "update $.model set name = %(name)s, dimension = %(dimension)s where identity = %(identity)s",
            values,
        )
    if use and not (rows and rows[0][3]):
        run.run("update $.model set in_use = false where in_use")
        run.run("update $.model set in_use = true where identity = %(identity)s", values)


def in_use(run: Transaction) -> KnownModel | None:
    """Return the model in use."""
    rows = run.run("select identity, name, dimension from $.model where in_use")
    return KnownModel(*rows[0]) if rows else None


def keep(database: Database, identities: Collection[str]) -> None:
    """Remove the vectors of all other models, some at a time, so that nobody waits long behind it."""

    def drop(run: Transaction) -> int:
        (count,) = run.one(
            "with dropped as (select p.ctid from $.passage p join $.model m on m.id = p.model"
            " where not m.identity = any(%(kept)s) and not m.in_use limit %(limit)s),"
            " gone as (delete from $.passage where ctid in (select ctid from dropped) returning 1)"
            " select count(*) from gone",
            {"kept": list(identities), "limit": DROPPED_AT_ONCE},
        )
        return int(count)

    while database.write(drop):
        pass


_LACKING = (
    "not exists (select from $.passage p where p.project = m.project and p.memory = m.id and p.model ="
    " (select id from $.model where (%(model)s::text is null and in_use) or identity = %(model)s))"
)


def unembedded(run: Transaction, limit: int, model: str | None, after: int) -> list[Memory]:
    """Return memories that a model has not embedded yet, the oldest of those with ids above `after`."""
    rows = run.run(
        f"select {COLUMNS} from {TABLES} where m.id > %(after)s and {_LACKING} order by m.id limit %(limit)s",
        {"after": after, "model": model, "limit": limit},
    )
    return [to_memory(row) for row in rows]


def lacking(run: Transaction, ids: Collection[int], model: str) -> list[int]:
    """Return which of some memories a model has not embedded."""
    rows = run.run(
        f"select m.id from $.memory m where m.id = any(%(ids)s) and {_LACKING} order by 1",
        {"ids": list(ids), "model": model},
    )
    return [row[0] for row in rows]


def count_unembedded(run: Transaction, model: str | None) -> dict[str, int]:
    """Count them by project."""
    return dict(
        (name, count)
        for name, count in run.run(
            f"select j.name, count(*) from {TABLES} where {_LACKING} group by 1 order by 1", {"model": model}
        )
    )


def embeddings(run: Transaction, ids: Sequence[int]) -> dict[int, Embedding]:
    """Return what the model in use has made of some memories, by id."""
    rows = run.run(
        "select p.memory, p.cue, p.start, p.stop, p.vec::text, o.identity, m.cues from $.model o"
        " join $.memory m on m.id = any(%(ids)s)"
        " join $.passage p on p.project = m.project and p.model = o.id and p.memory = m.id"
        " where o.in_use order by p.memory, p.n",
        {"ids": list(ids)},
    )
    found = {}
    for memory_id, each in groupby(rows, key=lambda row: row[0]):
        parts = list(each)
        found[memory_id] = Embedding(
            passages=tuple(Passage(start, stop) for _, cue, start, stop, *_ in parts if cue is None),
            vectors=np.stack([from_vector(row[4]) for row in parts]),
            model=parts[0][5],
            cues=tuple(parts[0][6]),
        )
    return found


def embed(run: Transaction, embeddings: Mapping[int, tuple[str, Embedding]]) -> None:
    """Add vectors to memories whose text and cues are still those that were embedded."""
    rows = run.run(
        "select id, project, text, cues from $.memory where id = any(%(ids)s) order by id for no key update",
        {"ids": list(embeddings)},
    )
    fitting = [
        (key, project, part)
        for key, project, text, cues in rows
        if (text, tuple(cues)) == (embeddings[key][0], embeddings[key][1].cues)
        for part in embeddings[key][1].by_each()
    ]
    known = run.run(
        "select distinct p.memory, m.identity, m.in_use from $.passage p join $.model m on m.id = p.model"
        " where p.project = any(%(projects)s) and p.memory = any(%(ids)s)",
        {"projects": [row[1] for row in rows], "ids": [row[0] for row in rows]},
    )
    there = {(row[0], row[1]) for row in known} | {(row[0], None) for row in known if row[2]}
    put_embeddings(run, [row for row in fitting if (row[0], row[2].model) not in there])


def put_embeddings(run: Transaction, parts: Sequence[tuple[int, int, Embedding]]) -> None:
    """Write the passages and cues of memories with their vectors: the memory, its project, an embedding."""
    if not parts:
        return
    known = {row[1]: row for row in run.run("select id, identity, dimension, in_use from $.model")}
    rows = []
    for memory, project, embedding in parts:
        model = (
            next((row for row in known.values() if row[3]), None)
            if embedding.model is None
            else known.get(embedding.model)
        )
        if model is None:
            raise StoreError(
                f"no model {embedding.model or ''} is known to the database; restart the service"
            )
        rows += _rows(memory, project, model[0], embedding)
    run.each(
        "insert into $.passage values (%(project)s, %(model)s, %(memory)s, %(n)s, %(cue)s, %(start)s, %(stop)s,"
        " %(passages)s, %(vec)s::vector)",
        rows,
    )


def _rows(memory: int, project: int, model: int, embedding: Embedding) -> list[dict[str, object]]:
    count = len(embedding.passages)
    rows: list[dict[str, object]] = []
    for n, vector in enumerate(embedding.vectors):
        cue = None if n < count else n - count
        passage = embedding.passages[n if cue is None else 0]
        rows.append(
            {
                "project": project, "model": model, "memory": memory, "n": n, "cue": cue,
                "start": passage.start, "stop": passage.end, "passages": count if cue is None else 1,
                "vec": to_vector(vector),
            }
        )  # fmt: skip
    return rows
