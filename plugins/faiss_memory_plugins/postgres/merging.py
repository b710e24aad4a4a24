"""Taking over what memories have become elsewhere, and telling what is left of those that are gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import zip_longest

from faiss_memory import (
    WRITTEN,
    Arrival,
    Draft,
    Embedding,
    Here,
    Memory,
    Merged,
    Tombstone,
    judged,
    memory_of,
    merged_as,
    sequence_of,
)
from faiss_memory_plugins.postgres.database import Transaction
from faiss_memory_plugins.postgres.locks import lock, lock_projects
from faiss_memory_plugins.postgres.rows import COLUMNS, TABLES, to_memory
from faiss_memory_plugins.postgres.writing import Writer, next_ids, put_origins


def here_of(run: Transaction, uids: Collection[str], *, locked: bool = False) -> dict[str, Here]:
    """Return what is known of some uids; with `locked` nobody else changes it in this transaction."""
    wanted = {"uids": list(uids)}
    rows = run.run(
        "select uid::text, memory, revision, changed, purged from $.removed where uid = any(%(uids)s::uuid[])",
        wanted,
    )
    found = {row[0]: Here(row[1], None, row[2], row[3].astimezone(UTC), row[4]) for row in rows}
    keeping = " order by m.id for update of m" if locked else ""
    for row in run.run(
        f"select {COLUMNS} from {TABLES} where m.uid = any(%(uids)s::uuid[]){keeping}", wanted
    ):
        memory = to_memory(row)
        found[memory.uid] = Here(memory.id, memory, memory.revision, memory.changed or memory.timestamp)
    return found


def preview(run: Transaction, arrivals: Sequence[Arrival]) -> list[Merged]:
    """Return what `merge` would do."""
    known = here_of(run, {one.uid for one in arrivals})
    return [merged_as(judged(one, known.get(one.uid)), known.get(one.uid)) for one in arrivals]


def merge(
    run: Transaction, writer: Writer, arrivals: Sequence[Arrival], embeddings: Sequence[Embedding | None]
) -> list[Merged]:
    """Write the states that count."""
    lock(run, "lines", [""])
    names = {one.draft.project for one in arrivals if one.draft is not None}
    projects = lock_projects(run, names) if names else {}
    lock(run, "uids", [""])
    here_of(run, {one.uid for one in arrivals}, locked=True)
    merged, written = [], []
    for arrival, embedding in zip_longest(arrivals, embeddings):
        here = here_of(run, [arrival.uid]).get(arrival.uid)
        outcome = judged(arrival, here)
        if outcome in WRITTEN and outcome != "purge":
            number = next_ids(run, 1)[0] if here is None else here.memory_id
            if arrival.draft is not None:
                _write(run, writer, arrival, arrival.draft, here, number, embedding, projects)
            else:
                _bury(run, writer, arrival, here, number)
            written.append(number)
            here = here_of(run, [arrival.uid])[arrival.uid]
        merged.append(merged_as(outcome, here))
    writer.relink(run, written)
    return merged


def _write(
    run: Transaction,
    writer: Writer,
    arrival: Arrival,
    draft: Draft,
    here: Here | None,
    number: int,
    embedding: Embedding | None,
    projects: Mapping[str, int],
) -> None:
    now, there = datetime.now(UTC), None if here is None else here.memory
    changed = now if arrival.revision is None else arrival.changed
    # What it supersedes is found out when everything is written.
    kept = None if there is None or arrival.supersedes is None else there.supersedes
    state = {"revision": arrival.revision or 1, "changed": changed, "supersedes_uid": arrival.supersedes}
    memory = memory_of(replace(draft, uid=arrival.uid), number, now, supersedes=kept, **state)
    if there is not None:
        _rewrite(run, writer, there, memory, embedding, projects[memory.project])
        return
    run.run("delete from $.removed where memory = %(id)s", {"id": number})
    fits = embedding is not None and embedding.cues == memory.cues
    writer.insert(run, [memory], [embedding if fits else None], projects)
    if draft.origin is not None and not _is_taken(run, draft, projects[memory.project]):
        put_origins(run, {number: draft.origin})


def _rewrite(
    run: Transaction, writer: Writer, there: Memory, memory: Memory, embedding: Embedding | None, project: int
) -> None:
    (before,) = run.one("select project from $.memory where id = %(id)s", {"id": there.id})
    writer.rewrite(run, there, memory, (before, sequence_of(there.source)), project, embedding)


def _is_taken(run: Transaction, draft: Draft, project: int) -> bool:
    """Return whether a build has made the same part of a file a memory here as well: then this one is the person's."""
    origin = draft.origin
    return origin is not None and bool(
        run.run(
            "select 1 from $.origin o join $.memory m on m.id = o.memory where o.file = %(file)s"
            " and o.place = %(place)s and m.project = %(project)s limit 1",
            {"file": origin.file, "place": origin.place, "project": project},
        )
    )


def _bury(run: Transaction, writer: Writer, arrival: Arrival, here: Here | None, number: int) -> None:
    """Write what is left of a memory that is gone elsewhere."""
    if here is not None and here.memory is not None:
        writer.forget(run, [number])
    elif here is None:
        run.run(
            "insert into $.removed (memory, uid, project, xid, writer)"
            " values (%(id)s, %(uid)s, 0, %(xid)s::text::xid8, %(writer)s)",
            {"id": number, "uid": arrival.uid, "xid": run.xid, "writer": writer.service},
        )
    place = arrival.project
    if not place and here is not None and here.memory is not None:
        place = here.memory.project
    run.run(
        "update $.removed set purged = %(purged)s, revision = %(revision)s, changed = %(changed)s, place = %(place)s"
        " where memory = %(id)s",
        {
            **{"id": number, "purged": arrival.purged, "revision": arrival.revision or 1},
            **{"changed": arrival.changed, "place": "" if arrival.purged else place},
        },
    )


def listed(run: Transaction, projects: Collection[str] | None, after: str, limit: int) -> list[Tombstone]:
    """List what was forgotten or purged, by uid."""
    rows = run.run(
        "select uid::text, purged, revision, changed, place from $.removed"
        " where (%(after)s = '' or uid > nullif(%(after)s, '')::uuid)"
        " and (%(projects)s::text[] is null or not purged and place = any(%(projects)s::text[]))"
        " order by uid limit %(limit)s",
        {"after": after, "projects": None if projects is None else list(projects), "limit": limit},
    )
    return [
        Tombstone(uid=uid, purged=True)
        if purged
        else Tombstone(uid=uid, revision=revision, changed=changed.astimezone(UTC), project=place)
        for uid, purged, revision, changed, place in rows
    ]
