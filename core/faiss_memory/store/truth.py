"""memory.db: the truth. One connection, owned by the committer; nothing else ever opens the file.

Every change raises `seq`, so a derived file that knows its seq knows what it lacks. A memory's passages are kept
per model with their vectors: a change of model adds rows, and never mixes two models.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from faiss_memory.errors import MemoryNotFound, StoreCorrupt
from faiss_memory.memory import Change, Draft, Memory
from faiss_memory.parts import Embedding
from faiss_memory.store import origins
from faiss_memory.store.changes import Changes
from faiss_memory.store.rows import (
    Stored,
    checksum,
    from_microseconds,
    from_row,
    to_microseconds,
    to_row,
    words_of,
)
from faiss_memory.store.truth_schema import SCHEMA, SCHEMA_VERSION, UPGRADES

log = logging.getLogger("faiss_memory.store")

_COLUMNS = "id, project, text, source, tags, metadata, timestamp, supersedes, crc"


class Truth:
    """The records and vectors, behind one exclusive connection. Not thread-safe: its owner serialises.

    Raises StoreCorrupt when the file is not a database or is of a newer schema than this version knows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model: int | None = None
        self.damaged: set[int] = set()
        """The memories met so far whose checksum fails; they are left out of every answer."""
        if path.exists() and not path.stat().st_size and path.with_name("search.db").exists():
            # SQLite would take it for a new database and begin with nothing, as if nothing had been lost.
            raise self._corrupt("it is empty")
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # A damaged text may not be UTF-8 any more; its checksum then says what is wrong, row by row.
        self.connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        try:
            self._configure()
            self._create_or_check()
            self.uuid = str(self._state("uuid"))
            self.created_at = from_microseconds(self._state("created"))
        except (
            sqlite3.DatabaseError,
            UnicodeDecodeError,
            TypeError,
        ) as error:  # a message may quote what is damaged
            self.connection.close()
            raise self._corrupt(error) from None
        except BaseException:
            self.connection.close()
            raise

    def _corrupt(self, reason: object) -> StoreCorrupt:
        folder = self.path.parent
        return StoreCorrupt(
            f"{self.path} cannot be read ({reason}). Put a backup's base.db and manifest.json from "
            f"{folder / 'backups'} into {folder} and start again; the present file is kept aside."
        )

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
        if version:
            damage = str(self.connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            if damage != "ok":
                raise sqlite3.DatabaseError(damage)
            for old in range(version, SCHEMA_VERSION):
                self.connection.executescript(
                    f"BEGIN IMMEDIATE; {UPGRADES[old]} PRAGMA user_version={old + 1}; COMMIT;"
                )
                log.info("%s was brought to schema %d", self.path, old + 1)
            return
        self.connection.executescript(
            f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION};"
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
            origins.write(self.connection, stored.memory.id, draft.origin)
            ids.append(stored.memory.id)
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
        origins.write(self.connection, memory_id, change.origin)
        same_words = words_of(stored.memory) == words_of(old)
        changes.put(replace(stored, same_text=same_text, same_words=same_words))
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
        changes.remove(gone)
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
        changes.seq = self._advance()
        for memory_id, (text, embedding) in embeddings.items():
            memory = self.read(memory_id)
            if memory is not None and memory.text == text and not self._embedded(memory_id):
                passage_ids = self._write_passages(memory_id, embedding)
                changes.embedded[memory_id] = Stored(memory, embedding, passage_ids)

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
            key = (memory_id, self.model, passage.start, passage.end, checksum(blob))
            cursor = self.connection.execute(
                "INSERT INTO passages (memory, model, start, end, crc, key_crc, vector) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*key, checksum(repr(key)), blob),
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
                "use the id of a memory of the same project",
                "supersedes",
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
        return self._sound(
            self.connection.execute(f"SELECT {_COLUMNS} FROM memories WHERE seq > ? ORDER BY id", (since,))
        )

    def removed(self, since: int) -> list[int]:
        """Give the ids removed after a seq."""
        return [
            row[0] for row in self.connection.execute("SELECT memory FROM removed WHERE seq > ?", (since,))
        ]

    def passage_keys(self, project: str) -> np.ndarray[Any, Any]:
        """Give the keys of a project's passages by the model in use, by passage id; for columns see `vectors.KEY`.

        Those whose checksum fails are deleted: what they stood for is embedded again.
        """
        rows = self.connection.execute(
            "SELECT p.id, p.memory, p.start, p.end, p.crc, p.key_crc FROM passages p"
            " JOIN memories m ON m.id = p.memory WHERE m.project = ? AND p.model = ? ORDER BY p.id",
            (project, self.model),
        ).fetchall()
        sound = [row for row in rows if checksum(repr((row[1], self.model, *row[2:5]))) == row[5]]
        if len(sound) < len(rows):
            self._delete_passages({row[0] for row in rows} - {row[0] for row in sound})
        # A memory that no answer may show must not take the place of one that can be shown.
        keys = np.array([row[:4] for row in sound if row[1] not in self.damaged], np.int64).reshape(-1, 4)
        _, of, counts = np.unique(keys[:, 1], return_inverse=True, return_counts=True)
        return np.column_stack([keys, counts[of]])

    def _delete_passages(self, damaged: Iterable[int]) -> None:
        """Delete damaged passages, with all others of the same memories: a memory is embedded whole or not at all."""
        for passage_id in damaged:
            log.error("passage %d is damaged; its memory is embedded again", passage_id)
            self.connection.execute(
                "DELETE FROM passages WHERE model = ? AND"
                " (id = ? OR memory = (SELECT memory FROM passages WHERE id = ?))",
                (self.model, passage_id, passage_id),
            )

    def vectors(self, passage_ids: Sequence[int], dimension: int) -> tuple[list[int], np.ndarray[Any, Any]]:
        """Read vectors, shape (found, dimension). Those whose checksum fails are deleted, as in `passage_keys`."""
        found: list[int] = []
        rows: list[bytes] = []
        damaged: list[int] = []
        for start in range(0, len(passage_ids), 500):
            part = passage_ids[start : start + 500]
            marks = ",".join("?" * len(part))
            for key, blob, crc in self.connection.execute(
                f"SELECT id, vector, crc FROM passages WHERE id IN ({marks}) ORDER BY id", part
            ):
                if len(blob) != 4 * dimension or checksum(blob) != crc:
                    damaged.append(key)
                    continue
                found.append(key)
                rows.append(blob)
        self._delete_passages(damaged)
        return found, np.frombuffer(b"".join(rows), dtype="<f4").reshape(-1, dimension)

    def unembedded(self, limit: int) -> list[Memory]:
        """Read memories without a passage by the model in use."""
        rows = self.connection.execute(
            f"SELECT {_COLUMNS} FROM memories m WHERE NOT EXISTS"
            " (SELECT 1 FROM passages p WHERE p.memory = m.id AND p.model = ?) ORDER BY id LIMIT ?",
            (self.model, limit),
        ).fetchall()
        return list(self._sound(rows))

    def count_unembedded(self) -> dict[str, int]:
        """Count, by project, the memories without a passage by the model in use."""
        rows = self.connection.execute(
            "SELECT project, count(*) FROM memories m WHERE NOT EXISTS"
            " (SELECT 1 FROM passages p WHERE p.memory = m.id AND p.model = ?) GROUP BY project",
            (self.model,),
        )
        return dict(rows.fetchall())

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

    def _sound(self, rows: Iterable[Sequence[Any]]) -> Iterator[Memory]:
        for row in rows:
            try:
                yield from_row(row)
            except StoreCorrupt as error:
                if row[0] not in self.damaged:
                    log.error("left out of every answer: %s", error)
                self.damaged.add(row[0])

    def close(self) -> None:
        """Fold the WAL into the database and close it."""
        self.connection.close()
