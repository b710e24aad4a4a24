"""What changes the records. Each function runs inside the caller's transaction."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from faiss_memory import (
    FOREVER,
    LOOKED_AT,
    Added,
    Change,
    Conflict,
    Draft,
    Embedding,
    Filter,
    Memory,
    MemoryNotFound,
    Origin,
    Retry,
    is_known,
    memory_of,
    nearest_known,
    sequence_of,
    words_of,
)
from faiss_memory_plugins.postgres.database import Row, Transaction
from faiss_memory_plugins.postgres.lines import (
    check_end,
    check_supersedes,
    check_uids,
    note_newer,
    relinking,
    uids_of,
)
from faiss_memory_plugins.postgres.locks import lock, lock_projects, lock_sequences
from faiss_memory_plugins.postgres.models import put_embeddings
from faiss_memory_plugins.postgres.rows import COLUMNS, TABLES, to_memory, to_values
from faiss_memory_plugins.postgres.searching import closest
from faiss_memory_plugins.postgres.words import Weighed, drop_words, neighbours, weigh

RETRIES_KEPT = "24 hours"
_CHANGED = ("text", "source", "tags", "cues", "metadata", "timestamp", "project", "valid_until")
_INSERT = """
insert into $.memory (id, project, uid, text, folded, source, tags, cues, metadata, fields, learnt, supersedes,
                      written_by, actor, sequence, born, xid, writer, valid_until, revision, changed, older)
values (%(id)s, %(project)s, %(uid)s, %(text)s, %(folded)s, %(source)s, %(tags)s, %(cues)s, %(metadata)s, %(fields)s,
        %(learnt)s, %(supersedes)s, %(written_by)s, %(actor)s, %(sequence)s, %(xid)s::text::xid8,
        %(xid)s::text::xid8, %(writer)s, %(valid_until)s, %(revision)s, %(changed)s, %(older)s)
"""
_UPDATE = """
update $.memory set project = %(project)s, supersedes = %(supersedes)s, text = %(text)s, folded = %(folded)s,
       source = %(source)s, tags = %(tags)s,
       cues = %(cues)s, metadata = %(metadata)s, fields = %(fields)s, learnt = %(learnt)s, sequence = %(sequence)s,
       written_by = %(written_by)s, actor = %(actor)s, valid_until = %(valid_until)s,
       revision = %(revision)s, changed = %(changed)s, older = %(older)s, xid = %(xid)s::text::xid8,
       writer = %(writer)s, written = now()
where id = %(id)s
"""


class Writer:
    """Writes for one service, whose number is noted beside what it writes."""

    def __init__(self, service: uuid.UUID) -> None:
        self.service = service

    def add(
        self,
        run: Transaction,
        drafts: Sequence[Draft],
        embeddings: Sequence[Embedding | None],
        retry: Retry | None,
    ) -> list[Added]:
        """Store drafts, those aside that say nothing new and were to be stored only if they do."""
        if retry is not None:
            lock(run, "retry", [retry.key])
            if (answer := _remembered(run, retry)) is not None:
                return answer
        # Whoever asks whether something is news writes to the project alone: nobody stores the same beside it.
        alone = {draft.project for draft in drafts if draft.if_novel is not None}
        projects = lock_projects(run, {draft.project for draft in drafts}, alone)
        if not alone:
            added = [Added(memory_id) for memory_id in self._put(run, drafts, embeddings, projects)]
        else:
            pairs = zip(drafts, embeddings, strict=True)
            added = [self._add_novel(run, draft, embedding, projects) for draft, embedding in pairs]
        if retry is not None:
            _remember(run, retry, added)
        return added

    def _add_novel(
        self, run: Transaction, draft: Draft, embedding: Embedding | None, projects: Mapping[str, int]
    ) -> Added:
        found = None
        if draft.if_novel is not None and embedding is not None:
            where = Filter(projects=(draft.project,))
            near = closest(run, embedding, where, LOOKED_AT)
            found = nearest_known(draft.text, embedding.passages, near, draft.if_novel)
        twin = None if found is None else (found.closest.memory.id, found.closest.similarity)
        if draft.if_novel is not None and is_known(found, draft.if_novel):
            return Added(None, twin)
        (memory_id,) = self._put(run, [draft], [embedding], projects)
        is_near = found is not None and found.closest.similarity >= (draft.if_novel or 0)
        return Added(memory_id, twin if is_near else None)

    def put(
        self, run: Transaction, drafts: Sequence[Draft], embeddings: Sequence[Embedding | None]
    ) -> list[int]:
        """Store drafts, and return their ids."""
        return self._put(run, drafts, embeddings, lock_projects(run, {draft.project for draft in drafts}))

    def _put(
        self,
        run: Transaction,
        drafts: Sequence[Draft],
        embeddings: Sequence[Embedding | None],
        projects: Mapping[str, int],
    ) -> list[int]:
        if not drafts:
            return []
        check_uids(run, drafts)
        replaced = [(draft.supersedes, draft.project) for draft in drafts if draft.supersedes is not None]
        check_supersedes(run, replaced, projects)
        ids, now = next_ids(run, len(drafts)), datetime.now(UTC)
        uids = uids_of(run, [older for older, _ in replaced])
        memories = [
            memory_of(draft, key, now, supersedes_uid=uids.get(draft.supersedes or 0))
            for key, draft in zip(ids, drafts, strict=True)
        ]
        self.insert(run, memories, embeddings, projects)
        put_origins(run, {key: draft.origin for key, draft in zip(ids, drafts, strict=True)})
        brought = [key for key, draft in zip(ids, drafts, strict=True) if draft.uid is not None]
        if brought:  # (nothing can name another by a uid that was just made)
            self.relink(run, brought)
        return ids

    def insert(
        self,
        run: Transaction,
        memories: Sequence[Memory],
        embeddings: Sequence[Embedding | None],
        projects: Mapping[str, int],
    ) -> None:
        """Write memories that are not there, under the ids that they have."""
        ids, sequences = [one.id for one in memories], [sequence_of(one.source) for one in memories]
        places = [(projects[one.project], number) for one, number in zip(memories, sequences, strict=True)]
        with run.together():
            run.each(
                _INSERT, [self._values(run, one, place) for one, place in zip(memories, places, strict=True)]
            )
            if any(one.supersedes is not None for one in memories):
                run.run(
                    "update $.memory o set superseded_by = greatest(coalesce(o.superseded_by, 0), n.id) from $.memory n"
                    " where n.id = any(%(ids)s) and o.id = n.supersedes",
                    {"ids": ids},
                )
            put_embeddings(
                run,
                [
                    (key, place[0], part)
                    for key, place, embedding in zip(ids, places, embeddings, strict=True)
                    for part in (() if embedding is None else embedding.by_each())
                ],
            )
            lock_sequences(run, places)
            weigh(
                run, [Weighed(one, *place) for one, place in zip(memories, places, strict=True)], are_new=True
            )

    def _values(self, run: Transaction, memory: Memory, place: tuple[int, int]) -> dict[str, Any]:
        written = {"project": place[0], "sequence": place[1], "xid": run.xid, "writer": self.service}
        return to_values(memory) | written

    def change(self, run: Transaction, memory_id: int, change: Change, embedding: Embedding | None) -> Memory:
        """Rewrite a memory; its vectors are kept when its text and its cues are. Raises MemoryNotFound."""
        if change.supersedes is not None:
            lock(run, "lines", [""])  # lest two make each other the older one
        rows = run.run(
            f"select {COLUMNS}, m.project, m.sequence from {TABLES} where m.id = %(id)s for no key update of m",
            {"id": _bounded(memory_id)},
        )
        if not rows:
            raise MemoryNotFound(f"there is no memory {memory_id}")
        old, before = to_memory(rows[0]), (int(rows[0][-2]), int(rows[0][-1]))
        given = {name: value for name in _CHANGED if (value := getattr(change, name)) is not None}
        if change.supersedes is not None:
            given["supersedes"] = change.supersedes or None
            given["supersedes_uid"] = uids_of(run, [change.supersedes]).get(change.supersedes)
        if change.valid_until == FOREVER:
            given["valid_until"] = None
        memory = replace(old, **given)
        if (memory, memory.supersedes_uid) != (old, old.supersedes_uid):
            memory = replace(memory, revision=old.revision + 1, changed=datetime.now(UTC))
        project = before[0]
        if memory.project != old.project:
            project = lock_projects(run, {memory.project})[memory.project]
        if memory.supersedes is not None and memory.supersedes != old.supersedes:
            check_supersedes(run, [(memory.supersedes, memory.project)], {memory.project: project})
            check_end(run, memory)
        self.rewrite(run, old, memory, before, project, embedding if change.text is not None else None)
        if change.origin is not None:
            put_origins(run, {memory_id: change.origin})
        if change.supersedes is not None or project != before[0]:
            self.relink(run, [memory_id])
        return memory

    def rewrite(
        self, run: Transaction, old: Memory, memory: Memory, before: tuple[int, int], project: int,
        embedding: Embedding | None,
    ) -> None:  # fmt: skip
        """Write a memory in the place of what it was; `before` are its project and its sequence."""
        memory_id = memory.id
        place = (project, sequence_of(memory.source))
        says_other = place != before or words_of(memory) != words_of(old)
        if says_other:
            lock_sequences(run, [before, place])
        left = neighbours(run, [memory_id]) if place != before else set[int]()
        run.run(_UPDATE, self._values(run, memory, place))
        if memory.supersedes != old.supersedes:
            note_newer(run, [old.supersedes, memory.supersedes])
        if project != before[0]:  # nothing else tells that the other one has changed
            run.run(
                "update $.project set left_by = %(xid)s::text::xid8 where id = %(id)s",
                {"id": before[0], "xid": run.xid},
            )
        self._change_vectors(run, old, memory, embedding, before[0], project)
        if says_other:
            weigh(run, [Weighed(memory, *place)], left)

    def relink(self, run: Transaction, ids: Collection[int]) -> None:
        """Let memories supersede those that they name by uid, as far as these are there, now that some were written."""
        for memory_id, (before, older) in relinking(run, ids).items():
            run.run(
                "update $.memory set supersedes = %(older)s, xid = %(xid)s::text::xid8, writer = %(writer)s,"
                " written = now() where id = %(id)s",
                {"id": memory_id, "older": older, "xid": run.xid, "writer": self.service},
            )
            note_newer(run, [before, older])

    def _change_vectors(
        self, run: Transaction, old: Memory, memory: Memory, embedding: Embedding | None,
        before: int, project: int,
    ) -> None:  # fmt: skip
        if (memory.text, memory.cues) == (old.text, old.cues):
            if project != before:
                run.run(
                    "update $.passage set project = %(project)s where project = %(before)s"
                    " and model in (select id from $.model) and memory = %(id)s",
                    {"project": project, "before": before, "id": memory.id},
                )
            return
        _drop_passages(run, {memory.id: before})
        if embedding is not None and embedding.cues == memory.cues:
            put_embeddings(run, [(memory.id, project, part) for part in embedding.by_each()])

    def forget(self, run: Transaction, ids: Collection[int]) -> list[int]:
        """Delete memories, and return the ids that were there, in the order asked for."""
        wanted = [key for key in dict.fromkeys(ids) if _bounded(key) == key]
        rows = run.run(
            "select m.id, m.project, m.uid, m.revision, j.name, m.sequence from $.memory m"
            " join $.project j on j.id = m.project where m.id = any(%(ids)s) order by m.id for update of m",
            {"ids": wanted},
        )
        if not rows:
            return []
        there = {row[0]: int(row[1]) for row in rows}
        gone = {"ids": list(there)}
        lock_sequences(run, [(row[1], row[5]) for row in rows])
        left = neighbours(run, list(there))
        run.run("delete from $.memory where id = any(%(ids)s)", gone)
        self._bury(run, rows)
        run.run(
            "update $.memory o set superseded_by = (select max(n.id) from $.memory n where n.supersedes = o.id)"
            " where o.superseded_by = any(%(ids)s)",
            gone,
        )
        _drop_passages(run, there)
        drop_words(run, there)
        run.run("delete from $.origin where memory = any(%(ids)s)", gone)
        _forget_uses(run, gone)
        weigh(run, [], left)
        self.relink(run, [])
        return [key for key in wanted if key in there]

    def _bury(self, run: Transaction, rows: Sequence[Row]) -> None:
        """Write what is left of memories, by id, project, uid, revision and the project's name."""
        run.each(
            "insert into $.removed (memory, uid, project, xid, writer, revision, changed, place)"
            " values (%(memory)s, %(uid)s, %(project)s, %(xid)s::text::xid8, %(writer)s, %(revision)s, now(),"
            " %(place)s)",
            [
                {
                    **{"memory": row[0], "project": row[1], "uid": row[2], "revision": row[3] + 1},
                    **{"place": row[4], "xid": run.xid, "writer": self.service},
                }
                for row in rows
            ],
        )

    def drop_project(self, run: Transaction, name: str) -> int:
        """Delete a project and its memories, and return their number. Raises MemoryNotFound."""
        lock(run, "project", [name])
        rows = run.run("select id from $.project where name = %(name)s", {"name": name})
        if not rows:
            raise MemoryNotFound(f"there is no project `{name}`")
        ids = [
            row[0]
            for row in run.run("select id from $.memory where project = %(project)s", {"project": rows[0][0]})
        ]
        self.forget(run, ids)
        run.run("delete from $.project where id = %(project)s", {"project": rows[0][0]})
        return len(ids)


def next_ids(run: Transaction, count: int) -> list[int]:
    """Return ids that nothing else has or had."""
    rows = run.run("select nextval('$.memory_id') from generate_series(1, %(count)s)", {"count": count})
    return [row[0] for row in rows]


def _bounded(memory_id: int) -> int:
    """Return an id as a number that the database can hold; one that none can have where it cannot."""
    return memory_id if 0 < memory_id < 2**63 else 0


def _drop_passages(run: Transaction, projects: Mapping[int, int]) -> None:
    """Delete the vectors of memories, by id with the project."""
    run.run(
        "delete from $.passage p using unnest(%(ids)s::bigint[], %(projects)s::int[]) as g(memory, project)"
        " where p.project = g.project and p.memory = g.memory and p.model in (select id from $.model)",
        {"ids": list(projects), "projects": list(projects.values())},
    )


def put_origins(run: Transaction, origins: Mapping[int, Origin | None]) -> None:
    """Write which part of which file memories were built from, by id."""
    run.each(
        "insert into $.origin values (%(memory)s, %(file)s, %(place)s, %(text)s, %(details)s) on conflict (memory)"
        " do update set file = excluded.file, place = excluded.place, text = excluded.text, details = excluded.details",
        [{"memory": key, **asdict(origin)} for key, origin in origins.items() if origin is not None],
    )


def _forget_uses(run: Transaction, gone: Mapping[str, Any]) -> None:
    """Let what was counted for memories count for none."""
    run.run(
        "with lost as (delete from $.used where memory = any(%(ids)s) returning *)"
        " insert into $.used select day, assistant, project, 0, event, latency, sum(count), sum(tokens) from lost"
        " group by 1, 2, 3, 5, 6 order by 1, 2, 3, 5, 6"
        " on conflict (day, assistant, project, memory, event, latency)"
        " do update set count = used.count + excluded.count, tokens = used.tokens + excluded.tokens",
        gone,
    )


def _remembered(run: Transaction, retry: Retry) -> list[Added] | None:
    rows = run.run(
        f"select digest, answer from $.retry where key = %(key)s and made > now() - interval '{RETRIES_KEPT}'",
        {"key": retry.key},
    )
    if not rows:
        return None
    digest, answer = rows[0]
    if bytes(digest) != retry.digest:
        raise Conflict(
            "this idempotency key was used with another request in the last 24 hours; use a new key",
            "idempotency_key",
        )
    kept = json.loads(answer)
    return [Added(one["id"], tuple(one["twin"]) if one["twin"] else None, repeated=True) for one in kept]


def _remember(run: Transaction, retry: Retry, added: Sequence[Added]) -> None:
    run.run(
        "insert into $.retry (key, digest, answer) values (%(key)s, %(digest)s, %(answer)s) on conflict (key)"
        " do update set digest = excluded.digest, answer = excluded.answer, made = now()",
        {
            "key": retry.key,
            "digest": retry.digest,
            "answer": json.dumps([{"id": one.id, "twin": one.twin} for one in added]),
        },
    )
    # (Only some, lest a call has to clear what a day has left behind; locked ones are another call's.)
    run.run(
        "delete from $.retry where key in (select key from $.retry where made < now() - "
        f"interval '{RETRIES_KEPT}' limit 100 for update skip locked)"
    )
