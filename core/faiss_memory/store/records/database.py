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
from faiss_memory.contracts.merging import memory_of
from faiss_memory.contracts.store import KnownModel
from faiss_memory.contracts.weighing import words_of
from faiss_memory.errors import MemoryNotFound, StoreCorrupt, StoreError
from faiss_memory.memory import FOREVER, Change, Draft, Memory, Origin
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
    ends_column,
    from_microseconds,
    places_of,
    state_columns,
    to_microseconds,
    to_row,
)
from faiss_memory.store.records.schema import SCHEMA, SCHEMA_VERSION
from faiss_memory.store.records.uses import AddUses
from faiss_memory.store.records.version import upgrade, version_of
from faiss_memory.uids import new_uid

log = logging.getLogger("faiss_memory.store")

_CHANGED = ("text", "source", "tags", "cues", "metadata", "timestamp", "project", "valid_until")


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

    def next_id(self, table: str) -> int:
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

    def advance(self) -> int:
        """Begin a change, and return its number."""
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
        changes.seq = self.advance()
        now = clock.now()
        ids = []
        for project in dict.fromkeys(draft.project for draft in drafts):
            self.touch(project, now, changes)
        for draft, embedding in zip(drafts, embeddings, strict=True):
            if draft.uid is not None:
                lines.check_unknown(draft.uid, self.known([draft.uid]))
            if draft.supersedes is not None:
                lines.check_supersedes(self.connection, draft.supersedes, draft.project)
            older = lines.uid_of(self.connection, draft.supersedes)
            memory = memory_of(draft, self.next_id("memories"), now, supersedes_uid=older)
            self.put(memory, () if embedding is None else embedding.by_each(), draft.origin, changes)
            ids.append(memory.id)
        brought = [one for one, draft in zip(ids, drafts, strict=True) if draft.uid is not None]
        self.relink(brought, changes)
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
        changes.seq = self.advance()
        given = {name: value for name in _CHANGED if (value := getattr(change, name)) is not None}
        if change.supersedes is not None:
            given["supersedes"] = change.supersedes or None
            given["supersedes_uid"] = lines.uid_of(self.connection, change.supersedes)
        if change.valid_until == FOREVER:
            given["valid_until"] = None
        memory = replace(old, **given)
        if memory.supersedes is not None and memory.supersedes != old.supersedes:
            lines.check_supersedes(self.connection, memory.supersedes, memory.project)
            lines.check_end(self.connection, memory)
        if (memory, memory.supersedes_uid) != (old, old.supersedes_uid):
            memory = replace(memory, revision=old.revision + 1, changed=clock.now())
        self.rewrite(old, memory, embedding if change.text is not None else None, change.origin, changes)
        self.relink([memory_id], changes)
        return memory_id

    def rewrite(
        self,
        old: Memory,
        memory: Memory,
        embedding: Embedding | None,
        origin: Origin | None,
        changes: Changes,
    ) -> None:
        """Write a memory in the place of what it was; vectors are kept as `change` says."""
        for project in dict.fromkeys((old.project, memory.project)):
            self.touch(project, clock.now(), changes)
        stays = memory.project == old.project
        same_meaning = (memory.text, memory.cues) == (old.text, old.cues)
        same_vectors, same_words = same_meaning and stays, words_of(memory) == words_of(old) and stays
        parts: Iterable[Embedding] = ()
        if same_meaning and not stays:
            parts = self.embeddings(old)  # under other numbers: a project's index knows its own alone
        elif not same_meaning and embedding is not None:
            parts = embedding.by_each() if embedding.cues == memory.cues else ()
        if not same_vectors:
            self.write(operations.DropPassages(memory.id), changes)
        self.put(memory, parts, origin, changes, same_vectors=same_vectors, same_words=same_words)

    def forget(self, ids: Iterable[int], changes: Changes) -> list[int]:
        """Delete memories; gives the ids that were there."""
        changes.seq = self.advance()
        gone = []
        now = clock.now()
        for memory_id in ids:
            row = self.connection.execute(
                "SELECT project, revision FROM memories WHERE id = ?", (memory_id,)
            ).fetchone()
            if row is not None:
                self.drop(memory_id, row[1] + 1, now, row[0], changes)
                gone.append(memory_id)
        self.relink([], changes)
        return gone

    def relink(self, ids: Iterable[int], changes: Changes) -> None:
        """Let memories supersede those that they name by uid, as far as these are there, now that some were written."""
        same = {"same_vectors": True, "same_words": True}
        for memory_id, older in lines.relinking(self.connection, ids).items():
            if (memory := self.read(memory_id)) is not None:
                self.put(replace(memory, supersedes=older), (), None, changes, **same)

    def drop(self, memory_id: int, revision: int, changed: datetime, project: str, changes: Changes) -> None:
        """Delete one memory of a project, as the state of it that comes to this revision."""
        at = to_microseconds(changed)
        self.write(operations.ForgetMemory(memory_id, changes.seq, revision, at, project), changes)
        self.touch(project, clock.now(), changes)
        changes.remove([memory_id])

    def purge(self, uids: Mapping[int, Collection[str]], changes: Changes) -> None:
        """Delete memories, by id with their uids, for good, whether they are there or not.

        A memory that has the same id and another uid stays.
        """
        changes.seq = self.advance()
        now = clock.now()
        for memory_id, ones in uids.items():
            row = self.connection.execute(
                "SELECT project, uid FROM memories WHERE id = ?", (memory_id,)
            ).fetchone()
            if row is None or row[1] in ones:
                changes.remove([memory_id])
            if row is not None and row[1] in ones:
                self.touch(row[0], now, changes)
        pairs = sorted((memory_id, uid) for memory_id, ones in uids.items() for uid in ones)
        ids, named = tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
        memories, passages = self.next_id("memories") - 1, self.next_id("passages") - 1
        self.write(operations.PurgeMemories(ids, changes.seq, memories, passages, named), changes)

    def add_uses(self, uses: AddUses, changes: Changes) -> None:
        """Count uses. That is a change, which readers need not follow, and no backup names."""
        changes.seq = self.advance()
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
        changes.seq = self.advance()
        for memory_id, (text, embedding) in embeddings.items():
            memory = self.read(memory_id)
            if memory is not None and (memory.text, memory.cues) == (text, embedding.cues):
                lacking = [part for part in embedding.by_each() if not self._has(memory_id, part)]
                if lacking:
                    changes.embed(Stored(memory, self._put_passages(memory_id, lacking, changes)))

    def drop_vectors(self, changes: Changes, keep: Collection[str], after: int) -> int | None:
        """Delete the vectors of all models but some, for the next 500 memories above an id that have any.

        Gives the id of the last of those; None when there are no more.
        """
        rows = self.connection.execute("SELECT id, identity FROM models").fetchall()
        others = [number for number, identity in rows if identity not in keep]
        marks = ",".join("?" * len(others))
        found = self.connection.execute(
            f"SELECT DISTINCT memory FROM passages WHERE memory > ? AND model IN ({marks}) ORDER BY memory LIMIT 500",
            (after, *others),
        ).fetchall()
        changes.seq = self.advance()
        if not found:
            return None
        for number in others:
            self.write(operations.DropVectors(number, found[0][0], found[-1][0]), changes)
        return int(found[-1][0])

    def _has(self, memory_id: int, embedding: Embedding) -> bool:
        return self._embedded(memory_id, self._made_by(embedding).id)

    def put(
        self,
        memory: Memory,
        parts: Iterable[Embedding],
        origin: Origin | None,
        changes: Changes,
        **same: bool,
    ) -> None:
        """Write a memory as it is given; `same` is what has not changed of a known one, see `Stored`."""
        columns, cues, ends = to_row(memory), cues_column(memory), ends_column(memory)
        crc, state = checksum_of(columns, cues, ends), state_columns(memory)[:3]
        said = (changes.seq, memory.uid, memory.by, cues, ends)
        self.write(operations.PutMemory(memory.id, columns, crc, *said, *state, memory.actor), changes)
        embedded = self._put_passages(memory.id, parts, changes)
        if origin is not None:
            self.write(
                operations.PutOrigin(memory.id, origin.file, origin.place, origin.text, origin.details),
                changes,
            )
        changes.put(Stored(memory, embedded, **same))

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
        first = self.next_id("passages")
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

    def touch(self, project: str, now: datetime, changes: Changes) -> None:
        """Note that a project was changed; it is there from now on."""
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
