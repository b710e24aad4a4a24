"""Taking over what memories have become elsewhere, and telling what is left of those that are gone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from faiss_memory.contracts.embedder import Embedding
from faiss_memory.contracts.merging import (
    FIRST,
    FORGOTTEN_BEFORE,
    WRITTEN,
    Arrival,
    Here,
    Merged,
    Tombstone,
    judged,
    memory_of,
    merged_as,
)
from faiss_memory.errors import Conflict, MemoryNotFound
from faiss_memory.memory import Memory, Origin
from faiss_memory.store.records import clock, lines, operations
from faiss_memory.store.records.changes import Changes
from faiss_memory.store.records.rows import from_microseconds, to_microseconds
from faiss_memory.store.records.tombstones import was_forgotten

if TYPE_CHECKING:
    from faiss_memory.store.records.database import Truth


def here_of(truth: Truth, uids: Collection[str]) -> dict[str, Here]:
    """Return what is known of some uids."""
    found = {}
    for uid, standing in truth.known(uids).items():
        number = standing.memory_id
        if standing.state == "there":
            memory = truth.read(number)
            assert memory is not None
            found[uid] = Here(number, memory, memory.revision, memory.changed or memory.timestamp)
        else:
            gone = truth.forgotten(number)
            is_purged = standing.state == "purged"
            found[uid] = Here(number, None, gone.revision, from_microseconds(gone.changed), is_purged)
    return found


def preview(truth: Truth, arrivals: Sequence[Arrival]) -> list[Merged]:
    """Return what `merge` would do. Of two arrivals with one uid the second is compared with what is there as well."""
    known = here_of(truth, {one.uid for one in arrivals})
    return [merged_as(judged(one, known.get(one.uid)), known.get(one.uid)) for one in arrivals]


def merge(
    truth: Truth, arrivals: Sequence[Arrival], embeddings: Sequence[Embedding | None], changes: Changes
) -> list[Merged]:
    """Write the states that count."""
    changes.seq = truth.advance()
    merged, written = [], []
    for arrival, embedding in zip_longest(arrivals, embeddings):
        here = here_of(truth, [arrival.uid]).get(arrival.uid)
        outcome = judged(arrival, here)
        if outcome in WRITTEN and outcome != "purge":
            number = truth.next_id("memories") if here is None else here.memory_id
            _write(truth, arrival, here, number, embedding, changes)
            written.append(number)
            here = here_of(truth, [arrival.uid])[arrival.uid]
        merged.append(merged_as(outcome, here))
    truth.relink(written, changes)
    return merged


def _write(
    truth: Truth,
    arrival: Arrival,
    here: Here | None,
    number: int,
    embedding: Embedding | None,
    changes: Changes,
) -> None:
    there = None if here is None else here.memory
    at, revision = to_microseconds(arrival.changed), arrival.revision or FIRST
    if arrival.draft is not None:
        _write_memory(truth, arrival, there, number, embedding, changes)
    elif there is not None:
        truth.drop(number, revision, arrival.changed, arrival.project or there.project, changes)
    elif arrival.purged:
        operations.count_on(truth.connection, "memories", number)
        passages = truth.next_id("passages") - 1
        truth.write(
            operations.PurgeMemories((number,), changes.seq, number, passages, (arrival.uid,)), changes
        )
        changes.remove([number])
    else:
        tombstone = operations.PutTombstone(number, changes.seq, arrival.uid, revision, at, arrival.project)
        truth.write(tombstone, changes)
        changes.remove([number])


def _write_memory(
    truth: Truth,
    arrival: Arrival,
    there: Memory | None,
    number: int,
    embedding: Embedding | None,
    changes: Changes,
) -> None:
    draft = arrival.draft
    assert draft is not None
    now = clock.now()
    changed = now if arrival.revision is None else arrival.changed
    state = {"revision": arrival.revision or FIRST, "changed": changed, "supersedes_uid": arrival.supersedes}
    # What it supersedes is found out when everything is written.
    kept = None if there is None or arrival.supersedes is None else there.supersedes
    memory = memory_of(replace(draft, uid=arrival.uid), number, now, supersedes=kept, **state)
    if there is not None:
        truth.rewrite(there, memory, embedding, None, changes)
        return
    origin = draft.origin
    if origin is not None and _is_taken(truth, origin, draft.project):
        origin = None  # a build has made it here as well: this one is the person's
    parts = () if embedding is None or embedding.cues != memory.cues else embedding.by_each()
    truth.touch(memory.project, now, changes)
    truth.put(memory, parts, origin, changes)


def _is_taken(truth: Truth, origin: Origin, project: str) -> bool:
    row = truth.connection.execute(
        "SELECT 1 FROM origins o JOIN memories m ON m.id = o.memory WHERE o.file = ? AND o.place = ? AND m.project = ?",
        (origin.file, origin.place, project),
    ).fetchone()
    return row is not None


def listed(truth: Truth, projects: Collection[str] | None, after: str, limit: int) -> list[Tombstone]:
    """List what was forgotten or purged, by uid."""
    forgotten = (
        "SELECT r.uid, 0, coalesce(f.revision, ?2), coalesce(f.changed, 0), coalesce(f.project, '')"
        " FROM removed r LEFT JOIN forgotten f ON f.memory = r.memory"
        " WHERE r.uid > ?1 AND r.uid NOT IN (SELECT uid FROM purged)"
    )
    if projects is None:
        every = f"SELECT DISTINCT uid, 1, 0, 0, '' FROM purged WHERE uid > ?1 UNION ALL {forgotten}"
    else:
        every = f"{forgotten} AND f.project IN ({','.join('?' * len(projects))})"
    rows = truth.connection.execute(
        f"{every} ORDER BY 1 LIMIT ?", (after, FORGOTTEN_BEFORE, *(projects or ()), limit)
    )
    return [
        Tombstone(uid=uid, purged=True)
        if is_purged
        else Tombstone(uid=uid, revision=revision, changed=from_microseconds(changed), project=project)
        for uid, is_purged, revision, changed, project in rows
    ]


def bring_back(
    truth: Truth, memory: Memory, embedding: Embedding | None, origin: Origin | None, changes: Changes
) -> None:
    """Write a memory that was forgotten, where what it superseded, or what supersedes it, has moved to.

    Raises Conflict if it is there, MemoryNotFound if it was purged or is not the one that had the id.
    """
    run = truth.connection.execute
    if run("SELECT 1 FROM memories WHERE id = ?", (memory.id,)).fetchone() is not None:
        raise Conflict(f"memory {memory.id} is there: nothing is to be brought back")
    if not was_forgotten(truth.connection, memory):
        raise MemoryNotFound(f"there is no memory {memory.id} that was forgotten and can come back")
    row = run(
        "SELECT project FROM memories WHERE id = ? OR supersedes = ?", (memory.supersedes, memory.id)
    ).fetchone()
    changes.seq, now = truth.advance(), clock.now()
    memory = memory if row is None else replace(memory, project=row[0])
    older = memory.supersedes_uid or lines.uid_of(truth.connection, memory.supersedes)
    revision = truth.forgotten(memory.id).revision + 1
    memory = replace(memory, revision=revision, changed=now, supersedes_uid=older)
    truth.touch(memory.project, now, changes)
    parts = () if embedding is None or embedding.cues != memory.cues else embedding.by_each()
    truth.put(memory, parts, origin, changes)
    truth.relink([memory.id], changes)
