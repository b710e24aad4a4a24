"""What is read from memory.db, for the derived files and for writing. Rows whose checksum fails are never given."""

from __future__ import annotations

import logging
import sqlite3
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Literal, NamedTuple

import numpy as np

from faiss_memory.contracts.comparing import metric_in
from faiss_memory.contracts.embedder import Embedding
from faiss_memory.contracts.merging import FORGOTTEN_BEFORE
from faiss_memory.errors import StoreCorrupt
from faiss_memory.memory import COSINE, Memory, Passage, Standing
from faiss_memory.store.records.operations import PutModel
from faiss_memory.store.records.rows import (
    MEMORY_COLUMNS,
    checksum,
    from_microseconds,
    from_row,
    is_project,
)

log = logging.getLogger("faiss_memory.store")

UNIT = 1e-2
"""How far from 1 the length of a unit vector may be."""
LONGEST = 1e9
"""How long any other may be: products of such are far from what a float32 holds."""
_STANDINGS: Mapping[Literal["there", "forgotten", "purged"], str] = {
    "forgotten": "SELECT r.uid, r.memory, coalesce(f.project, '') FROM removed r"
    " LEFT JOIN forgotten f ON f.memory = r.memory WHERE r.uid",
    "purged": "SELECT uid, memory, '' FROM purged WHERE uid",
    "there": "SELECT uid, id, project FROM memories WHERE uid",
}
"""Where it is noted how a uid stands; the last one counts."""


class Gone(NamedTuple):
    """The last state of a memory that was forgotten; `changed` in microseconds since 1970."""

    revision: int
    changed: int
    project: str


class TruthReader:
    """Reads the records and vectors over the connection that a subclass opens."""

    connection: sqlite3.Connection

    def __init__(self) -> None:
        self.models: dict[str, PutModel] = {}
        """The models whose vectors may be read and written, by identity."""
        self.damaged: set[int] = set()
        """The memories met so far whose checksum fails; they are left out of every answer."""

    def read(self, memory_id: int) -> Memory | None:
        """Read one memory."""
        row = self.connection.execute(
            f"SELECT {MEMORY_COLUMNS} FROM memories WHERE id = ?", (memory_id,)
        ).fetchone()
        return None if row is None else from_row(row)

    def known(self, uids: Collection[str]) -> dict[str, Standing]:
        """Return what is known of some uids."""
        found: dict[str, Standing] = {}
        wanted = list(uids)
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            for state, rows in _STANDINGS.items():
                found |= {
                    uid: Standing(state, *rest)
                    for uid, *rest in self.connection.execute(f"{rows} IN ({marks})", part)
                }
        return found

    def forgotten(self, memory_id: int) -> Gone:
        """Return the last state of a memory that was forgotten."""
        row = self.connection.execute(
            "SELECT revision, changed, project FROM forgotten WHERE memory = ?", (memory_id,)
        ).fetchone()
        return Gone(FORGOTTEN_BEFORE, 0, "") if row is None else Gone(*row)

    def memories(self, since: int = 0) -> Iterator[Memory]:
        """Read the memories changed after a seq, by id. A row whose checksum fails is left out, and logged."""
        return self.sound(
            self.connection.execute(
                f"SELECT {MEMORY_COLUMNS} FROM memories WHERE seq > ? ORDER BY id", (since,)
            )
        )

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Read every memory by id as it is written, for comparing: id, columns, checksum."""
        return self.connection.execute(f"SELECT {MEMORY_COLUMNS} FROM memories ORDER BY id")

    def sound(self, rows: Iterable[Sequence[Any]]) -> Iterator[Memory]:
        """Yield the memories of rows, those left out whose checksum fails, which is logged."""
        for row in rows:
            try:
                yield from_row(row)
            except StoreCorrupt as error:
                if row[0] not in self.damaged:
                    log.error("left out of every answer: %s", error)
                self.damaged.add(row[0])

    def removed(self, since: int) -> list[int]:
        """Return the ids removed after a seq."""
        return [
            row[0] for row in self.connection.execute("SELECT memory FROM removed WHERE seq > ?", (since,))
        ]

    def passage_keys(self, project: str, model: str) -> np.ndarray[Any, Any]:
        """Return the keys of a project's passages and cues by a model, by passage id, as `to_keys` makes them.

        Those whose checksum fails are deleted: what they stood for is embedded again.
        """
        number = self.models[model].id
        rows = self.connection.execute(
            "SELECT p.id, p.memory, p.start, p.end, p.crc, p.key_crc FROM passages p"
            " JOIN memories m ON m.id = p.memory WHERE m.project = ? AND p.model = ? ORDER BY p.id",
            (project, number),
        ).fetchall()
        sound = [row for row in rows if is_sound_key(row, number)]
        if len(sound) < len(rows):
            self._delete_passages({row[0] for row in rows} - {row[0] for row in sound}, number)
        # A memory that no answer may show must not take the place of one that can be shown.
        return to_keys([row[:4] for row in sound if row[1] not in self.damaged])

    def _delete_passages(self, damaged: Iterable[int], model: int) -> None:
        """Delete damaged passages, with all others of the same memories: a memory is embedded whole or not at all."""
        for passage_id in damaged:
            log.error("passage %d is damaged; its memory is embedded again", passage_id)
            self.connection.execute(
                "DELETE FROM passages WHERE model = ? AND"
                " (id = ? OR memory = (SELECT memory FROM passages WHERE id = ?))",
                (model, passage_id, passage_id),
            )

    def vectors(self, passage_ids: Sequence[int], model: str) -> tuple[list[int], np.ndarray[Any, Any]]:
        """Read vectors of a model, shape (found, dimension). Those whose checksum fails are deleted, as above."""
        number, dimension = self.models[model].id, self.models[model].dimension
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
        vectors = np.frombuffer(b"".join(rows), dtype="<f4").reshape(-1, dimension)
        whole = are_sound(vectors, model)
        damaged += np.array(found, np.int64)[~whole].tolist()
        self._delete_passages(damaged, number)
        return np.array(found, np.int64)[whole].tolist(), vectors[whole]

    def embeddings(self, memory: Memory) -> list[Embedding]:
        """Read what the known models have made of a memory; what is not whole is left out, to be embedded again."""
        found = []
        for identity, model in self.models.items():
            rows = self.connection.execute(
                "SELECT id, start, end FROM passages WHERE memory = ? AND model = ? ORDER BY id",
                (memory.id, model.id),
            ).fetchall()
            passages = tuple(Passage(start, end) for _, start, end in rows if start >= 0)
            ids, vectors = self.vectors([row[0] for row in rows], identity)
            if passages and len(ids) == len(rows) == len(passages) + len(memory.cues):
                found.append(Embedding(passages, vectors, identity, cues=memory.cues))
        return found

    def embeddings_by(self, model: str | None, ids: Iterable[int]) -> dict[int, Embedding]:
        """Read what a model has made of some memories, by id."""
        memories = [memory for memory_id in ids if (memory := self.read(memory_id)) is not None]
        return {
            memory.id: one for memory in memories for one in self.embeddings(memory) if one.model == model
        }

    def unembedded(self, limit: int, model: str | None, after: int) -> list[Memory]:
        """Read memories without a passage by a model, oldest first, from those whose id is greater than `after`."""
        rows = self.connection.execute(
            f"SELECT {MEMORY_COLUMNS} FROM memories m WHERE m.id > ? AND NOT EXISTS"
            " (SELECT 1 FROM passages p WHERE p.memory = m.id AND p.model = ?) ORDER BY id",
            (after, self._number(model)),
        )
        return list(islice(self.sound(rows), limit))

    def count_unembedded(self, model: str | None) -> dict[str, int]:
        """Count, by project, the memories without a passage by a model."""
        rows = self.connection.execute(
            "SELECT project, count(*) FROM memories m WHERE NOT EXISTS"
            " (SELECT 1 FROM passages p WHERE p.memory = m.id AND p.model = ?) GROUP BY project",
            (self._number(model),),
        )
        return dict(rows.fetchall())

    def projects(self) -> dict[str, tuple[datetime, datetime]]:
        """Read every project with its times of creation and last change."""
        rows = self.connection.execute("SELECT name, created, updated FROM projects ORDER BY name")
        return {
            name: (from_microseconds(made), from_microseconds(changed))
            for name, made, changed in rows
            if is_project(name)  # names of folders are made of it
        }

    def count(self) -> int:
        """Count the memories."""
        return int(self.connection.execute("SELECT count(*) FROM memories").fetchone()[0])

    def _embedded(self, memory_id: int, model: int) -> bool:
        found = self.connection.execute(
            "SELECT 1 FROM passages WHERE memory = ? AND model = ?", (memory_id, model)
        ).fetchone()
        return found is not None

    def _number(self, model: str | None) -> int | None:
        """Return a model's number; None, which no passage has, for one that is not known."""
        row = self.connection.execute("SELECT id FROM models WHERE identity = ?", (model,)).fetchone()
        return None if row is None else int(row[0])


def to_keys(rows: Sequence[Sequence[int]]) -> np.ndarray[Any, Any]:
    """Make the keys of an index from all rows (id, memory, start, end) of some memories.

    To each comes the number of the memory's passages. The key of a cue, whose start is below 0, has 1 there, and as
    its end that of the first passage, which stands for the memory where a cue is met.
    """
    keys = np.array(rows, np.int64).reshape(-1, 4)
    memories, of = np.unique(keys[:, 1], return_inverse=True)
    is_cue, is_first = keys[:, 2] < 0, keys[:, 2] == 0
    counts = np.bincount(of[~is_cue], minlength=len(memories))
    first_ends = np.zeros(len(memories), np.int64)
    first_ends[of[is_first]] = keys[is_first, 3]
    keys[is_cue, 3] = first_ends[of[is_cue]]
    return np.column_stack([keys, np.where(is_cue, 1, counts[of])])


def are_sound(vectors: np.ndarray[Any, Any], model: str) -> np.ndarray[Any, Any]:
    """Return which rows of an array (count, dimension) a model can have made: by the cosine unit vectors alone.

    One that is not finite none has.
    """
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(vectors, axis=1)
    found: np.ndarray[Any, Any] = lengths <= LONGEST  # (False for NaN)
    return np.abs(lengths - 1) <= UNIT if metric_in(model)[1] == COSINE else found


def is_sound_key(row: Sequence[Any], model: int) -> bool:
    """Check a passage's key (id, memory, start, end, crc, key_crc) as `operations.PutPassages` writes it.

    In the shortest way: there may be a million.
    """
    _, memory, start, end, crc, key_crc = row[:6]
    try:
        return bool(zlib.crc32(b"(%d, %d, %d, %d, %d)\0" % (memory, model, start, end, crc)) == key_crc)
    except TypeError:  # damage can make a text of a number
        return False
