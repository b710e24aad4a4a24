"""memory.db: the truth. One connection, owned by the committer; nothing else ever opens the file.

Every change raises `seq`, so a derived file that knows its seq knows what it lacks. A memory's passages are kept
per model with their vectors: a change of model adds rows, and never mixes two models.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from faiss_memory.errors import MemoryNotFound, StoreCorrupt, StoreError
from faiss_memory.memory import Change, Draft, Memory, Origin
from faiss_memory.parts import Embedding
from faiss_memory.store import clock, operations
from faiss_memory.store.changes import Changes
from faiss_memory.store.operations import Operation, PassageRow
from faiss_memory.store.rows import (
    Stored,
    checksum,
    from_microseconds,
    to_microseconds,
    to_row,
    words_of,
)
from faiss_memory.store.truth_reader import TruthReader
from faiss_memory.store.truth_schema import SCHEMA, SCHEMA_VERSION, UPGRADES

log = logging.getLogger("faiss_memory.store")

_OUT_OF_REACH = tuple(
    f"SQLITE_{name}"
    for name in ("BUSY", "LOCKED", "CANTOPEN", "PERM", "READONLY", "FULL", "NOMEM", "IOERR", "PROTOCOL")
)
"""What says nothing about the content of the file: it must not be built anew because of that."""


class Truth(TruthReader):
    """The records and vectors, behind one exclusive connection. Not thread-safe: its owner serialises.

    Raises StoreCorrupt when the file is not a database or is of a newer schema than this version knows.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._model: operations.PutModel | None = None
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # A damaged text may not be UTF-8 any more; its checksum then says what is wrong, row by row.
        self.connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        try:
            configure(self.connection)
            self._create_or_check()
            self.uuid = str(self._state("uuid"))
            self.created_at = from_microseconds(self._state("created"))
        except (sqlite3.DatabaseError, UnicodeDecodeError, TypeError) as error:
            # (A message may quote what is damaged, and then not be UTF-8.)
            self.connection.close()
            if getattr(error, "sqlite_errorname", "").startswith(_OUT_OF_REACH):
                raise StoreError(
                    f"{path} cannot be opened ({error}). Close other programs that use it, look after the disk and "
                    "its permissions, and start again."
                ) from None
            raise StoreCorrupt(f"{path} cannot be read ({error})") from None
        except BaseException:
            self.connection.close()
            raise

    def _create_or_check(self) -> None:
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise NewerSchema(
                f"{self.path} was written by a newer FAISS Memory (schema {version}; this one knows "
                f"{SCHEMA_VERSION}). Update FAISS Memory, or use another data folder."
            )
        if version:
            damage = str(self.connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            if damage != "ok":
                raise sqlite3.DatabaseError(damage)
            self._upgrade(version)
            return
        self.connection.executescript(
            f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION};"
            "INSERT INTO state VALUES ('seq', 0), ('memories', 0), ('digest', 0);"
        )
        self._set("uuid", str(uuid.uuid4()))
        self._set("created", to_microseconds(clock.now()))
        self.connection.execute("COMMIT")

    def _upgrade(self, version: int) -> None:
        for old in range(version, SCHEMA_VERSION):
            self.connection.executescript(
                f"BEGIN IMMEDIATE; {UPGRADES[old]} PRAGMA user_version={old + 1}; COMMIT;"
            )
            log.info("%s was brought to schema %d", self.path, old + 1)
        if self._state("digest") is None:
            operations.keep_content(self.connection, *operations.count_content(self.connection))

    def _next_id(self, table: str) -> int:
        """Give the id that SQLite would give: one that was never used by what was committed."""
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
            if draft.supersedes is not None:
                self._check_supersedes(draft.supersedes, draft.project)
            memory = Memory(
                id=self._next_id("memories"),
                text=draft.text,
                project=draft.project,
                source=draft.source,
                tags=draft.tags,
                metadata=draft.metadata,
                timestamp=draft.timestamp or now,
                supersedes=draft.supersedes,
            )
            stored = self._put(memory, embedding, draft.origin, changes)
            ids.append(memory.id)
            changes.put(stored)
        return ids

    def change(self, memory_id: int, change: Change, embedding: Embedding | None, changes: Changes) -> int:
        """Rewrite a memory; its passages are kept when the text is. Raises MemoryNotFound."""
        old = self.read(memory_id)
        if old is None:
            raise MemoryNotFound(f"there is no memory {memory_id}")
        changes.seq = self._advance()
        same_text = change.text is None or change.text == old.text
        if not same_text:
            self.write(operations.DropPassages(memory_id), changes)
        memory = Memory(
            id=memory_id,
            project=old.project,
            supersedes=old.supersedes,
            text=old.text if change.text is None else change.text,
            source=old.source if change.source is None else change.source,
            tags=old.tags if change.tags is None else change.tags,
            metadata=old.metadata if change.metadata is None else change.metadata,
            timestamp=change.timestamp or old.timestamp,
        )
        self._touch(old.project, clock.now(), changes)
        stored = self._put(memory, None if same_text else embedding, change.origin, changes)
        same_words = words_of(stored.memory) == words_of(old)
        changes.put(replace(stored, same_text=same_text, same_words=same_words))
        return memory_id

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

    def purge(self, ids: Sequence[int], changes: Changes) -> set[str]:
        """Delete memories for good, whether they are there or not; gives the texts of those that were."""
        changes.seq = self._advance()
        texts, now = set(), clock.now()
        for memory_id in ids:
            row = self.connection.execute(
                "SELECT project, text FROM memories WHERE id = ?", (memory_id,)
            ).fetchone()
            if row is not None:
                self._touch(row[0], now, changes)
                texts.add(str(row[1]))
        given = [self._next_id(table) - 1 for table in ("memories", "passages")]
        self.write(operations.PurgeMemories(tuple(ids), changes.seq, *given), changes)
        changes.remove(ids)
        return texts

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
        """Add vectors to memories whose text is still the one that was embedded."""
        changes.seq = self._advance()
        for memory_id, (text, embedding) in embeddings.items():
            memory = self.read(memory_id)
            if memory is not None and memory.text == text and not self._embedded(memory_id):
                passage_ids = self._put_passages(memory_id, embedding, changes)
                changes.embedded[memory_id] = Stored(memory, embedding, passage_ids)

    def _put(
        self, memory: Memory, embedding: Embedding | None, origin: Origin | None, changes: Changes
    ) -> Stored:
        columns = to_row(memory)
        self.write(operations.PutMemory(memory.id, columns, checksum(*columns), changes.seq), changes)
        passage_ids = () if embedding is None else self._put_passages(memory.id, embedding, changes)
        if origin is not None:
            self.write(
                operations.PutOrigin(memory.id, origin.file, origin.place, origin.text, origin.details),
                changes,
            )
        return Stored(memory, embedding, passage_ids)

    def _put_passages(self, memory_id: int, embedding: Embedding, changes: Changes) -> tuple[int, ...]:
        assert self._model is not None, "a model is in use before anything is embedded"
        # Each group names the model anew: whether the log that names it is the present one, only the log knows.
        if not any(isinstance(operation, operations.PutModel) for operation in changes.operations):
            self.write(self._model, changes)
        first = self._next_id("passages")
        rows = tuple(
            PassageRow(passage_id, passage.start, passage.end, np.asarray(vector, dtype="<f4").tobytes())
            for passage_id, passage, vector in zip(
                range(first, first + len(embedding.passages)),
                embedding.passages,
                embedding.vectors,
                strict=True,
            )
        )
        self.write(operations.PutPassages(memory_id, self._model.id, rows), changes)
        return tuple(row.id for row in rows)

    def _touch(self, project: str, now: datetime, changes: Changes) -> None:
        moment = to_microseconds(now)
        self.write(operations.PutProject(project, moment, moment), changes)

    def _check_supersedes(self, memory_id: int, project: str) -> None:
        row = self.connection.execute("SELECT project FROM memories WHERE id = ?", (memory_id,)).fetchone()
        if row is None or row[0] != project:
            raise MemoryNotFound(
                f"`supersedes` names memory {memory_id}, which is not in project `{project}`; "
                "use the id of a memory of the same project",
                "supersedes",
            )

    def use_model(self, identity: str, name: str, dimension: int) -> int:
        """Write and read vectors of this model from now on; gives its number."""
        self.connection.execute(
            "INSERT OR IGNORE INTO models (identity, name, dimension) VALUES (?, ?, ?)",
            (identity, name, dimension),
        )
        row = self.connection.execute("SELECT id FROM models WHERE identity = ?", (identity,)).fetchone()
        self.model = int(row[0])
        self._model = operations.PutModel(self.model, identity, name, dimension)
        return self.model

    def close(self) -> None:
        """Fold the WAL into the database and close it."""
        self.connection.close()


class NewerSchema(StoreCorrupt):
    """The file is sound, and written by a newer version."""


def configure(connection: sqlite3.Connection) -> None:
    """Set how memory.db is written: durable at each COMMIT, by this connection alone."""
    run = connection.execute
    # EXCLUSIVE keeps the WAL index in this process's memory: no -shm file, which breaks on shared mounts,
    # and no second connection, with which SQLite before 3.51.3 can corrupt a WAL reset.
    run("PRAGMA locking_mode=EXCLUSIVE")
    run("PRAGMA journal_mode=WAL")
    run("PRAGMA synchronous=FULL")
    run("PRAGMA foreign_keys=ON")
    run("PRAGMA secure_delete=ON")
    if sys.platform == "darwin":
        run("PRAGMA fullfsync=ON")
        run("PRAGMA checkpoint_fullfsync=ON")
