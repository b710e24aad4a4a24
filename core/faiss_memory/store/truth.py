"""memory.db: the truth. One connection, owned by the committer; nothing else ever opens the file.

Every change raises `seq`, so a derived file that knows its seq knows what it lacks. A memory's passages are kept
per model with their vectors: a change of model adds rows, and never mixes two models.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from faiss_memory.errors import Conflict, MemoryNotFound, StoreCorrupt
from faiss_memory.memory import Change, Draft, Memory
from faiss_memory.parts import Embedding, Retry
from faiss_memory.store.rows import (
    Stored,
    checksum,
    from_microseconds,
    from_row,
    to_json,
    to_microseconds,
    to_row,
    words_of,
)

log = logging.getLogger("faiss_memory.store")

SCHEMA_VERSION = 1
RETRY_SECONDS = 24 * 3600
_COLUMNS = "id, project, text, source, tags, metadata, timestamp, supersedes, crc"

_SCHEMA = """
CREATE TABLE state (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE projects (name TEXT PRIMARY KEY, created INTEGER NOT NULL, updated INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE memories (
    id INTEGER PRIMARY KEY AUTOINCREMENT,   -- AUTOINCREMENT: an id is never given twice
    project TEXT NOT NULL REFERENCES projects (name),
    text TEXT NOT NULL,
    source TEXT NOT NULL,
    tags TEXT NOT NULL,                     -- a JSON list
    metadata TEXT NOT NULL,                 -- a JSON object
    timestamp INTEGER NOT NULL,             -- microseconds since 1970, UTC
    supersedes INTEGER,
    crc INTEGER NOT NULL,
    seq INTEGER NOT NULL
);
CREATE INDEX memories_by_seq ON memories (seq);
CREATE INDEX memories_by_project ON memories (project);
CREATE TABLE removed (memory INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
CREATE INDEX removed_by_seq ON removed (seq);
CREATE TABLE models (id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
                     dimension INTEGER NOT NULL);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    memory INTEGER NOT NULL REFERENCES memories (id) ON DELETE CASCADE,
    model INTEGER NOT NULL REFERENCES models (id),
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    vector BLOB NOT NULL,                   -- float32, little-endian, unit length
    crc INTEGER NOT NULL
);
CREATE INDEX passages_by_memory ON passages (memory, model);
CREATE TABLE retries (key TEXT PRIMARY KEY, digest BLOB NOT NULL, answer TEXT NOT NULL, made INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE INDEX retries_by_age ON retries (made);
"""


@dataclass(slots=True)
class Changes:
    """What one committed group changed, for the derived files to follow."""

    seq: int = 0
    stored: list[Stored] = field(default_factory=list)
    """New and changed memories. A changed one brings all its passages anew."""
    embedded: list[Stored] = field(default_factory=list)
    """Known memories that only got their vectors."""
    removed: list[int] = field(default_factory=list)
    dropped_projects: list[str] = field(default_factory=list)

    def extend(self, other: Changes) -> None:
        """Add what another call of the same group changed."""
        self.seq = max(self.seq, other.seq)
        self.stored += other.stored
        self.embedded += other.embedded
        self.removed += other.removed
        self.dropped_projects += other.dropped_projects

    def __bool__(self) -> bool:
        return bool(self.stored or self.embedded or self.removed or self.dropped_projects)


class Truth:
    """The records and vectors, behind one exclusive connection. Not thread-safe: its owner serialises.

    Raises StoreCorrupt when the file is not a database or is of a newer schema than this version knows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._configure()
            self._create_or_check()
        except sqlite3.DatabaseError as error:
            raise StoreCorrupt(
                f"{path} cannot be read ({error}). Put a backup's base.db and manifest.json from "
                f"{path.parent / 'backups'} into {path.parent} and start again; the present file is kept aside."
            ) from None
        self.uuid = str(self._state("uuid"))
        self.created_at = from_microseconds(self._state("created"))
        self.model: int | None = None

    def _configure(self) -> None:
        run = self.connection.execute
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

    def _create_or_check(self) -> None:
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StoreCorrupt(
                f"{self.path} was written by a newer FAISS Memory (schema {version}; this one knows "
                f"{SCHEMA_VERSION}). Update FAISS Memory, or use another data folder."
            )
        if version == SCHEMA_VERSION:
            return
        self.connection.executescript(
            f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION};"
            "INSERT INTO state VALUES ('seq', 0);"
        )
        self._set("uuid", str(uuid.uuid4()))
        self._set("created", to_microseconds(datetime.now(UTC)))
        self.connection.execute("COMMIT")

    def _state(self, key: str) -> Any:
        row = self.connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def _set(self, key: str, value: Any) -> None:
        self.connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))

    @property
    def seq(self) -> int:
        """The number of the last change."""
        return int(self._state("seq"))

    def _advance(self) -> int:
        seq = self.seq + 1
        self._set("seq", seq)
        return seq

    # Writing. Each of these runs inside the committer's transaction.

    def add(
        self, drafts: Sequence[Draft], embeddings: Sequence[Embedding | None], changes: Changes
    ) -> list[int]:
        """Insert drafts in order; gives their ids. Raises MemoryNotFound for a bad `supersedes`."""
        changes.seq = self._advance()
        now = datetime.now(UTC)
        ids = []
        for draft, embedding in zip(drafts, embeddings, strict=True):
            self._touch(draft.project, now)
            if draft.supersedes is not None:
                self._check_supersedes(draft.supersedes, draft.project)
            memory = Memory(
                id=0,
                text=draft.text,
                project=draft.project,
                source=draft.source,
                tags=draft.tags,
                metadata=draft.metadata,
                timestamp=draft.timestamp or now,
                supersedes=draft.supersedes,
            )
            stored = self._write(memory, embedding, changes.seq)
            ids.append(stored.memory.id)
            changes.stored.append(stored)
        return ids

    def change(self, memory_id: int, change: Change, embedding: Embedding | None, changes: Changes) -> int:
        """Rewrite a memory; its passages are kept when the text is. Raises MemoryNotFound."""
        old = self.read(memory_id)
        if old is None:
            raise MemoryNotFound(f"there is no memory {memory_id}")
        changes.seq = self._advance()
        same_text = change.text is None or change.text == old.text
        if not same_text:
            self.connection.execute("DELETE FROM passages WHERE memory = ?", (memory_id,))
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
        self._touch(old.project, datetime.now(UTC))
        stored = self._write(memory, None if same_text else embedding, changes.seq)
        same_words = words_of(stored.memory) == words_of(old)
        changes.stored.append(replace(stored, same_text=same_text, same_words=same_words))
        return memory_id

    def forget(self, ids: Iterable[int], changes: Changes) -> list[int]:
        """Delete memories; gives the ids that were there."""
        changes.seq = self._advance()
        gone = []
        for memory_id in ids:
            row = self.connection.execute(
                "DELETE FROM memories WHERE id = ? RETURNING project", (memory_id,)
            ).fetchone()
            if row is not None:
                self.connection.execute(
                    "INSERT OR REPLACE INTO removed VALUES (?, ?)", (memory_id, changes.seq)
                )
                self._touch(row[0], datetime.now(UTC))
                gone.append(memory_id)
        changes.removed += gone
        return gone

    def drop_project(self, name: str, changes: Changes) -> int:
        """Delete a project and its memories; gives their number. Raises MemoryNotFound."""
        if self.connection.execute("SELECT 1 FROM projects WHERE name = ?", (name,)).fetchone() is None:
            raise MemoryNotFound(f"there is no project `{name}`")
        ids = [
            row[0] for row in self.connection.execute("SELECT id FROM memories WHERE project = ?", (name,))
        ]
        self.forget(ids, changes)
        self.connection.execute("DELETE FROM projects WHERE name = ?", (name,))
        changes.dropped_projects.append(name)
        return len(ids)

    def embed(self, embeddings: Mapping[int, tuple[str, Embedding]], changes: Changes) -> None:
        """Add vectors to memories whose text is still the one that was embedded."""
        for memory_id, (text, embedding) in embeddings.items():
            memory = self.read(memory_id)
            if memory is not None and memory.text == text and not self._embedded(memory_id):
                changes.embedded.append(Stored(memory, embedding, self._write_passages(memory_id, embedding)))

    def remember(self, retry: Retry, answer: Sequence[Any]) -> None:
        """Keep the answer of a call that may be retried, and drop those older than a day."""
        now = int(time.time())
        self.connection.execute("DELETE FROM retries WHERE made < ?", (now - RETRY_SECONDS,))
        self.connection.execute(
            "INSERT OR REPLACE INTO retries VALUES (?, ?, ?, ?)",
            (retry.key, retry.digest, to_json(answer), now),
        )

    def remembered(self, retry: Retry) -> str | None:
        """Give the first answer of a retried call as JSON. Raises Conflict when it was another request."""
        row = self.connection.execute(
            "SELECT digest, answer FROM retries WHERE key = ? AND made >= ?",
            (retry.key, int(time.time()) - RETRY_SECONDS),
        ).fetchone()
        if row is None:
            return None
        if row[0] != retry.digest:
            raise Conflict(
                "this idempotency key was used with another request in the last 24 hours; use a new key",
                "idempotency_key",
            )
        return str(row[1])

    def _write(self, memory: Memory, embedding: Embedding | None, seq: int) -> Stored:
        values = to_row(memory)
        if memory.id:
            self.connection.execute(
                "UPDATE memories SET project=?, text=?, source=?, tags=?, metadata=?, timestamp=?, supersedes=?,"
                " crc=?, seq=? WHERE id=?",
                (*values, checksum(*values), seq, memory.id),
            )
            memory_id = memory.id
        else:
            cursor = self.connection.execute(
                "INSERT INTO memories (project, text, source, tags, metadata, timestamp, supersedes, crc, seq)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, checksum(*values), seq),
            )
            memory_id = int(cursor.lastrowid or 0)
        passage_ids = self._write_passages(memory_id, embedding) if embedding is not None else ()
        return Stored(replace(memory, id=memory_id), embedding, passage_ids)

    def _write_passages(self, memory_id: int, embedding: Embedding) -> tuple[int, ...]:
        ids = []
        for passage, vector in zip(embedding.passages, embedding.vectors, strict=True):
            blob = np.asarray(vector, dtype="<f4").tobytes()
            cursor = self.connection.execute(
                "INSERT INTO passages (memory, model, start, end, vector, crc) VALUES (?, ?, ?, ?, ?, ?)",
                (memory_id, self.model, passage.start, passage.end, blob, checksum(blob)),
            )
            ids.append(int(cursor.lastrowid or 0))
        return tuple(ids)

    def _touch(self, project: str, now: datetime) -> None:
        self.connection.execute(
            "INSERT INTO projects VALUES (?1, ?2, ?2) ON CONFLICT (name) DO UPDATE SET updated = ?2",
            (project, to_microseconds(now)),
        )

    def _check_supersedes(self, memory_id: int, project: str) -> None:
        row = self.connection.execute("SELECT project FROM memories WHERE id = ?", (memory_id,)).fetchone()
        if row is None or row[0] != project:
            raise MemoryNotFound(
                f"`supersedes` names memory {memory_id}, which is not in project `{project}`; "
                "use the id of a memory of the same project"
            )

    # Reading, for the derived files.

    def use_model(self, identity: str, name: str, dimension: int) -> int:
        """Write and read vectors of this model from now on; gives its number."""
        self.connection.execute(
            "INSERT OR IGNORE INTO models (identity, name, dimension) VALUES (?, ?, ?)",
            (identity, name, dimension),
        )
        row = self.connection.execute("SELECT id FROM models WHERE identity = ?", (identity,)).fetchone()
        self.model = int(row[0])
        return self.model

    def read(self, memory_id: int) -> Memory | None:
        """Read one memory."""
        row = self.connection.execute(
            f"SELECT {_COLUMNS} FROM memories WHERE id = ?", (memory_id,)
        ).fetchone()
        return None if row is None else from_row(row)

    def memories(self, since: int = 0) -> Iterator[Memory]:
        """Read the memories changed after a seq, by id. A row whose checksum fails is left out, and logged."""
        return _sound(
            self.connection.execute(f"SELECT {_COLUMNS} FROM memories WHERE seq > ? ORDER BY id", (since,))
        )

    def removed(self, since: int) -> list[int]:
        """Give the ids removed after a seq."""
        return [
            row[0] for row in self.connection.execute("SELECT memory FROM removed WHERE seq > ?", (since,))
        ]

    def passage_keys(self, project: str) -> list[tuple[int, int, int, int]]:
        """Give (passage, memory, start, end) of a project's passages by the model in use, by passage id."""
        return self.connection.execute(
            "SELECT p.id, p.memory, p.start, p.end FROM passages p JOIN memories m ON m.id = p.memory"
            " WHERE m.project = ? AND p.model = ? ORDER BY p.id",
            (project, self.model),
        ).fetchall()

    def vectors(self, passage_ids: Sequence[int], dimension: int) -> tuple[list[int], np.ndarray[Any, Any]]:
        """Read vectors, shape (found, dimension); one whose checksum fails is left out, and logged."""
        found: list[int] = []
        rows: list[bytes] = []
        for start in range(0, len(passage_ids), 500):
            part = passage_ids[start : start + 500]
            marks = ",".join("?" * len(part))
            for key, blob, crc in self.connection.execute(
                f"SELECT id, vector, crc FROM passages WHERE id IN ({marks}) ORDER BY id", part
            ):
                if len(blob) != 4 * dimension or checksum(blob) != crc:
                    log.error("passage %d: its vector is damaged and is left out of semantic search", key)
                    continue
                found.append(key)
                rows.append(blob)
        return found, np.frombuffer(b"".join(rows), dtype="<f4").reshape(-1, dimension)

    def unembedded(self, limit: int) -> list[Memory]:
        """Read memories without a passage by the model in use."""
        rows = self.connection.execute(
            f"SELECT {_COLUMNS} FROM memories m WHERE NOT EXISTS"
            " (SELECT 1 FROM passages p WHERE p.memory = m.id AND p.model = ?) ORDER BY id LIMIT ?",
            (self.model, limit),
        ).fetchall()
        return list(_sound(rows))

    def projects(self) -> dict[str, tuple[datetime, datetime]]:
        """Read every project with its times of creation and last change."""
        rows = self.connection.execute("SELECT name, created, updated FROM projects ORDER BY name")
        return {name: (from_microseconds(made), from_microseconds(changed)) for name, made, changed in rows}

    def count(self) -> int:
        """Count the memories."""
        return int(self.connection.execute("SELECT count(*) FROM memories").fetchone()[0])

    def _embedded(self, memory_id: int) -> bool:
        found = self.connection.execute(
            "SELECT 1 FROM passages WHERE memory = ? AND model = ?", (memory_id, self.model)
        ).fetchone()
        return found is not None

    def close(self) -> None:
        """Fold the WAL into the database and close it."""
        self.connection.close()


def _sound(rows: Iterable[Sequence[Any]]) -> Iterator[Memory]:
    for row in rows:
        try:
            yield from_row(row)
        except StoreCorrupt as error:
            log.error("left out of every answer: %s", error)
