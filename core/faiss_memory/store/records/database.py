"""memory.db: the truth. One connection, owned by the committer; nothing else ever opens the file.

Every change raises `seq`, so a derived file that knows its seq knows what it lacks. A memory's passages are kept
per model with their vectors: a change of model adds rows, and never mixes two models.
"""

from __future__ import annotations

import logging
import sqlite3
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from faiss_memory.contracts.embedder import Embedding
from faiss_memory.contracts.store import KnownModel
from faiss_memory.contracts.weighing import words_of
from faiss_memory.errors import Conflict, MemoryNotFound, StoreCorrupt, StoreError
from faiss_memory.memory import Change, Draft, Memory, Origin
from faiss_memory.store.records import clock, lines, operations
from faiss_memory.store.records.changes import Changes
from faiss_memory.store.records.connection import configure, connected, is_out_of_reach
from faiss_memory.store.records.incoming import check_state
from faiss_memory.store.records.operations import Operation, PassageRow
from faiss_memory.store.records.reader import TruthReader
from faiss_memory.store.records.rows import (
    Embedded,
    Stored,
    checksum_of,
    cues_column,
    from_microseconds,
    places_of,
    to_microseconds,
    to_row,
)
from faiss_memory.store.records.schema import SCHEMA, SCHEMA_VERSION
from faiss_memory.store.records.tombstones import was_forgotten
from faiss_memory.store.records.uses import AddUses
from faiss_memory.store.records.version import upgrade, version_of
from faiss_memory.uids import new_uid

log = logging.getLogger("faiss_memory.store")

_CHANGED = ("text", "source", "tags", "cues", "metadata", "timestamp", "project")


class Truth(TruthReader):
    """The records and vectors, behind one exclusive connection. Not thread-safe: its owner serialises.

    Raises StoreCorrupt when the file is not a database or is of a newer schema than this version knows.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.model: str | None = None
        """The identity of the model in use; an embedding that names none is by this one."""
        self.connection = connected(path)
        try:
            configure(self.connection)
            self._create_or_check()
            check_state(self.connection)
            self.uuid = str(self._state("uuid"))
            self.created_at = from_microseconds(self._state("created"))
        except (sqlite3.DatabaseError, UnicodeDecodeError, TypeError, OverflowError) as error:
            # (A message may quote what is damaged, and then not be UTF-8.)
            self.connection.close()
            if is_out_of_reach(error):
                raise StoreError(
                    f"{path} cannot be opened ({error}). Close other programs that use it, look after the disk and "
                    "its permissions, and start again."
                ) from None
            raise StoreCorrupt(f"{path} cannot be read ({error})") from None
        except BaseException:
            self.connection.close()
            raise

    def _create_or_check(self) -> None:
        if version_of(self.connection, self.path):
            damage = str(self.connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            if damage != "ok":
                raise sqlite3.DatabaseError(damage)
            upgrade(self.connection, self.path)
            return
        self.connection.executescript(
            f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION};"
            "INSERT INTO state VALUES ('seq', 0), ('memories', 0), ('digest', 0);"
        )
        self._set("uuid", str(uuid.uuid4()))
        self._set("line", new_uid())
        self._set("created", to_microseconds(clock.now()))
        self.connection.execute("COMMIT")

    def _next_id(self, table: str) -> int:
        """Return the id that SQLite would give: one that was never used by what was committed."""
        row = self.connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return 1 if row is None else int(row[0]) + 1

    def _state(self, key: str) -> Any:
        row = self.connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def _set(self, key: str, value: Any) -> None:
        self.connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))

    @property
    def seq(self) -> int:
        """The number of the last change."""
        return int(self._state("seq"))

    @property
    def content(self) -> tuple[int, int]:
        """The number of memories and their digest, as kept along; see `operations.content`."""
        return operations.content(self.connection)

    def _advance(self) -> int:
        seq = self.seq + 1
        self._set("seq", seq)
        return seq

    # Writing. Each of these runs inside the committer's transaction.

    def write(self, operation: Operation, changes: Changes) -> None:
        """Write an operation, and note it for the log."""
        operation.apply(self.connection)
        changes.operations.append(operation)

    def add(
        self, drafts: Sequence[Draft], embeddings: Sequence[Embedding | None], changes: Changes
    ) -> list[int]:
        """Insert drafts in order; gives their ids. Raises MemoryNotFound for a bad `supersedes`."""
        changes.seq = self._advance()
        now = clock.now()
        ids = []
        for draft, embedding in zip(drafts, embeddings, strict=True):
            self._touch(draft.project, now, changes)
            if draft.uid is not None:
                lines.check_unknown(draft.uid, self.known([draft.uid]))
            if draft.supersedes is not None:
                lines.check_supersedes(self.connection, draft.supersedes, draft.project)
            memory = Memory(
                id=self._next_id("memories"), text=draft.text, project=draft.project, source=draft.source,
                tags=draft.tags, cues=draft.cues, metadata=draft.metadata, timestamp=draft.timestamp or now,
                supersedes=draft.supersedes, uid=draft.uid or new_uid(), by=draft.by, actor=draft.actor,
            )  # fmt: skip
            parts = () if embedding is None else embedding.by_each()
            stored = self._put(memory, parts, draft.origin, changes)
            ids.append(memory.id)
            changes.put(stored)
        return ids

    def change(self, memory_id: int, change: Change, embedding: Embedding | None, changes: Changes) -> int:
        """Rewrite a memory; its vectors are kept when its text and its cues are, also in another project.

        Raises MemoryNotFound.

        An embedding is of the text that is given, and of all cues: one of others than it has now is passed over,
        because another call has changed them meanwhile.
        """
        old = self.read(memory_id)
        if old is None:
            raise MemoryNotFound(f"there is no memory {memory_id}")
        changes.seq = self._advance()
        given = {name: value for name in _CHANGED if (value := getattr(change, name)) is not None}
        if change.supersedes is not None:
            given["supersedes"] = change.supersedes or None
        memory = replace(old, **given)
        if memory.supersedes is not None and memory.supersedes != old.supersedes:
            lines.check_supersedes(self.connection, memory.supersedes, memory.project)
            lines.check_end(self.connection, memory)
        for project in dict.fromkeys((old.project, memory.project)):
            self._touch(project, clock.now(), changes)
        stays = memory.project == old.project
        same_meaning = (memory.text, memory.cues) == (old.text, old.cues)
        same_vectors, same_words = same_meaning and stays, words_of(memory) == words_of(old) and stays
        parts: Iterable[Embedding] = ()
        if same_meaning and not stays:
            parts = self.embeddings(old)  # under other numbers: a project's index knows its own alone
        elif not same_meaning and change.text is not None and embedding is not None:
            parts = embedding.by_each() if embedding.cues == memory.cues else ()
        if not same_vectors:
            self.write(operations.DropPassages(memory_id), changes)
        stored = self._put(memory, parts, change.origin, changes)
        changes.put(replace(stored, same_vectors=same_vectors, same_words=same_words))
        return memory_id

    def bring_back(
        self, memory: Memory, embedding: Embedding | None, origin: Origin | None, changes: Changes
    ) -> None:
        """Insert a memory that was forgotten, where what it superseded, or what supersedes it, has moved to.

        Raises Conflict if it is there, MemoryNotFound if it was purged or is not the one that had the id.
        """
        run = self.connection.execute
        if run("SELECT 1 FROM memories WHERE id = ?", (memory.id,)).fetchone() is not None:
            raise Conflict(f"memory {memory.id} is there: nothing is to be brought back")
        if not was_forgotten(self.connection, memory):
            raise MemoryNotFound(f"there is no memory {memory.id} that was forgotten and can come back")
        row = run(
            "SELECT project FROM memories WHERE id = ? OR supersedes = ?", (memory.supersedes, memory.id)
        ).fetchone()
        changes.seq = self._advance()
        memory = memory if row is None else replace(memory, project=row[0])
        self._touch(memory.project, clock.now(), changes)
        parts = () if embedding is None or embedding.cues != memory.cues else embedding.by_each()
        changes.put(self._put(memory, parts, origin, changes))

    def forget(self, ids: Iterable[int], changes: Changes) -> list[int]:
        """Delete memories; gives the ids that were there."""
        changes.seq = self._advance()
        gone = []
        now = clock.now()
        for memory_id in ids:
            row = self.connection.execute(
                "SELECT project FROM memories WHERE id = ?", (memory_id,)
            ).fetchone()
            if row is not None:
                self.write(operations.ForgetMemory(memory_id, changes.seq), changes)
                self._touch(row[0], now, changes)
                gone.append(memory_id)
        changes.remove(gone)
        return gone

    def purge(self, uids: Mapping[int, Collection[str]], changes: Changes) -> None:
        """Delete memories, by id with their uids, for good, whether they are there or not.

        A memory that has the same id and another uid stays.
        """
        changes.seq = self._advance()
        now = clock.now()
        for memory_id, ones in uids.items():
            row = self.connection.execute(
                "SELECT project, uid FROM memories WHERE id = ?", (memory_id,)
            ).fetchone()
            if row is None or row[1] in ones:
                changes.remove([memory_id])
            if row is not None and row[1] in ones:
                self._touch(row[0], now, changes)
        pairs = sorted((memory_id, uid) for memory_id, ones in uids.items() for uid in ones)
        ids, named = tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
        memories, passages = self._next_id("memories") - 1, self._next_id("passages") - 1
        self.write(operations.PurgeMemories(ids, changes.seq, memories, passages, named), changes)

    def add_uses(self, uses: AddUses, changes: Changes) -> None:
        """Count uses. That is a change, which readers need not follow, and no backup names."""
        changes.seq = self._advance()
        self.write(uses, changes)

    def drop_project(self, name: str, changes: Changes) -> int:
        """Delete a project and its memories; gives their number. Raises MemoryNotFound."""
        if self.connection.execute("SELECT 1 FROM projects WHERE name = ?", (name,)).fetchone() is None:
            raise MemoryNotFound(f"there is no project `{name}`")
        ids = [
            row[0] for row in self.connection.execute("SELECT id FROM memories WHERE project = ?", (name,))
        ]
        self.forget(ids, changes)
        self.write(operations.DropProject(name), changes)
        changes.dropped_projects.append(name)
        return len(ids)

    def embed(self, embeddings: Mapping[int, tuple[str, Embedding]], changes: Changes) -> None:
        """Add vectors to memories whose text and cues are still those that were embedded."""
        changes.seq = self._advance()
        for memory_id, (text, embedding) in embeddings.items():
            memory = self.read(memory_id)
            if memory is not None and (memory.text, memory.cues) == (text, embedding.cues):
                lacking = [part for part in embedding.by_each() if not self._has(memory_id, part)]
                if lacking:
                    changes.embed(Stored(memory, self._put_passages(memory_id, lacking, changes)))

    def drop_vectors(self, keep: Collection[str], after: int, limit: int, changes: Changes) -> int | None:
        """Delete the vectors of all models but some, for the next memories above an id that have any.

        Gives the id of the last of those; None when there are no more.
        """
        rows = self.connection.execute("SELECT id, identity FROM models").fetchall()
        others = [number for number, identity in rows if identity not in keep]
        marks = ",".join("?" * len(others))
        found = self.connection.execute(
            f"SELECT DISTINCT memory FROM passages WHERE memory > ? AND model IN ({marks}) ORDER BY memory LIMIT ?",
            (after, *others, limit),
        ).fetchall()
        changes.seq = self._advance()
        if not found:
            return None
        for number in others:
            self.write(operations.DropVectors(number, found[0][0], found[-1][0]), changes)
        return int(found[-1][0])

    def _has(self, memory_id: int, embedding: Embedding) -> bool:
        return self._embedded(memory_id, self._made_by(embedding).id)

    def _put(
        self, memory: Memory, parts: Iterable[Embedding], origin: Origin | None, changes: Changes
    ) -> Stored:
        columns, cues = to_row(memory), cues_column(memory)
        self.write(
            operations.PutMemory(
                memory.id,
                columns,
                checksum_of(columns, cues),
                changes.seq,
                memory.uid,
                memory.by,
                cues,
                memory.actor,
            ),
            changes,
        )
        embedded = self._put_passages(memory.id, parts, changes)
        if origin is not None:
            self.write(
                operations.PutOrigin(memory.id, origin.file, origin.place, origin.text, origin.details),
                changes,
            )
        return Stored(memory, embedded)

    def _put_passages(
        self, memory_id: int, embeddings: Iterable[Embedding], changes: Changes
    ) -> tuple[Embedded, ...]:
        return tuple(self._put_embedding(memory_id, embedding, changes) for embedding in embeddings)

    def _put_embedding(self, memory_id: int, embedding: Embedding, changes: Changes) -> Embedded:
        model = self._made_by(embedding)
        # Each group names the model anew: whether the log that names it is the present one, only the log knows.
        if model not in changes.operations:
            self.write(model, changes)
        places = places_of(embedding)
        first = self._next_id("passages")
        rows = tuple(
            PassageRow(passage_id, place.start, place.end, np.asarray(vector, dtype="<f4").tobytes())
            for passage_id, place, vector in zip(
                range(first, first + len(places)), places, embedding.vectors, strict=True
            )
        )
        self.write(operations.PutPassages(memory_id, model.id, rows), changes)
        return Embedded(model.identity, embedding, tuple(row.id for row in rows))

    def _made_by(self, embedding: Embedding) -> operations.PutModel:
        identity = embedding.model or self.model
        assert identity is not None, "a model is in use before anything is embedded"
        return self.models[identity]

    def _touch(self, project: str, now: datetime, changes: Changes) -> None:
        moment = to_microseconds(now)
        self.write(operations.PutProject(project, moment, moment), changes)

    def know_model(self, identity: str, name: str, dimension: int) -> None:
        """Let vectors of this model be written and read from now on."""
        self.connection.execute(
            "INSERT INTO models (identity, name, dimension) VALUES (?, ?, ?)"
            " ON CONFLICT (identity) DO UPDATE SET name = excluded.name",
            (identity, name, dimension),
        )
        number, known = self.connection.execute(
            "SELECT id, dimension FROM models WHERE identity = ?", (identity,)
        ).fetchone()
        if known != dimension:
            log.error(
                "the vectors by %s have %s dimensions instead of %d: they are made anew",
                identity,
                known,
                dimension,
            )
            self.connection.execute("DELETE FROM passages WHERE model = ?", (number,))
            self.connection.execute("UPDATE models SET dimension = ? WHERE id = ?", (dimension, number))
        self.models[identity] = operations.PutModel(int(number), identity, name, dimension)

    def use_model(self, identity: str) -> None:
        """Make a known model the one in use, and remember it as the last that was."""
        self.model = identity
        self._set("model", identity)

    def last_model(self) -> KnownModel | None:
        """Return the model that was last in use; of a database that was built anew, the one with the most vectors."""
        row = self.connection.execute(
            "SELECT identity, name, dimension FROM models WHERE identity = ?", (self._state("model"),)
        ).fetchone()
        if row is None:
            row = self.connection.execute(
                "SELECT identity, name, dimension FROM models JOIN"
                " (SELECT model, count(*) AS number FROM passages GROUP BY model) ON model = id"
                " ORDER BY number DESC LIMIT 1"
            ).fetchone()
        return None if row is None else KnownModel(*row)

    def close(self) -> None:
        """Fold the WAL into the database and close it."""
        self.connection.close()
