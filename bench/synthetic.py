"""A large memory.db of made-up memories: vectors in clusters, words as frequent as words are in English."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from faiss_memory.analyzer import analyze
from faiss_memory.contracts.embedder import Embedding
from faiss_memory.contracts.weighing import words_of
from faiss_memory.memory import Draft, Passage
from faiss_memory.store.index.catalogue import Catalogue
from faiss_memory.store.records import operations
from faiss_memory.store.records.database import Truth
from faiss_memory.store.records.rows import NO_CUES, checksum, checksum_of
from faiss_memory.store.records.schema import TABLES
from faiss_memory.uids import derived_uid

DIMENSION = 384
MODEL = ("synthetic@1", "synthetic", DIMENSION)
VOCABULARY = 60_000
WORDS = 40
CLUSTERS = 2_000
FIRST_TIME = 1_700_000_000_000_000
AT_ONCE = 10_000
IN_A_CALL = 500
_WRITTEN = ("project", "text", "source", "tags", "metadata", "timestamp", "supersedes")


class Source:
    """Memories without end, always the same for one seed."""

    def __init__(self, seed: int) -> None:
        self._chosen = np.random.default_rng(seed)
        known = np.random.default_rng(0)
        self._words = _vocabulary(known)
        shares = 1 / np.arange(2.7, 2.7 + VOCABULARY) ** 1.07  # Zipf and Mandelbrot
        self._shares = np.cumsum(shares / shares.sum())
        self._centres = unit(known.standard_normal((CLUSTERS, DIMENSION), np.float32))

    def texts(self, count: int) -> list[str]:
        """Give texts of about 40 words."""
        sizes = self._chosen.integers(WORDS // 2, WORDS * 3 // 2, count)
        words = self._words[np.searchsorted(self._shares, self._chosen.random(sizes.sum()))]
        ends = np.cumsum(sizes)
        return [" ".join(words[end - size : end]) for size, end in zip(sizes, ends, strict=True)]

    def vectors(self, count: int) -> npt.NDArray[np.float32]:
        """Give unit vectors, about 0.7 from their cluster's centre and 0.5 from each other."""
        noise = self._chosen.standard_normal((count, DIMENSION), np.float32) / np.float32(DIMENSION**0.5)
        return unit(self._centres[self._chosen.integers(CLUSTERS, size=count)] + noise)

    def drafts(self, count: int) -> list[tuple[Draft, Embedding]]:
        """Give memories ready to be stored."""
        return [
            (Draft(text=text, source="bench.md"), Embedding((Passage(0, len(text)),), vector.reshape(1, -1)))
            for text, vector in zip(self.texts(count), self.vectors(count), strict=True)
        ]


def _vocabulary(known: np.random.Generator) -> npt.NDArray[np.str_]:
    """Make up words of two to five syllables, no two the same."""
    syllables = np.array([f"{start}{vowel}" for start in "bcdfghklmnprstvw" for vowel in "aeiou"])
    found: dict[str, None] = {}
    while len(found) < VOCABULARY:
        found["".join(known.choice(syllables, known.integers(2, 6)))] = None
    return np.array(list(found))


def unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Give vectors, one a row, length 1."""
    found: npt.NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return found


def make(folder: Path, count: int, source: Source | None = None) -> None:
    """Write the files of a data folder as if `count` memories had been added, 500 in each call; it is empty so far.

    The store itself does the rest when it is opened: the log, the base, the vector indexes.
    """
    make_truth(folder / "memory.db", count, source)
    truth = Truth(folder / "memory.db")
    catalogue = Catalogue(folder / "search.db")
    memories = truth.memories()
    while part := list(islice(memories, AT_ONCE)):
        catalogue.apply(truth.seq, [(memory, analyze(*words_of(memory))) for memory in part], ())
    catalogue.set_state("store", truth.uuid)
    catalogue.settle()
    catalogue.close()
    truth.close()


def make_truth(path: Path, count: int, source: Source | None = None) -> None:
    """Write memory.db alone.

    The rows are written past the committer and the log, which would take four times as long and are measured
    elsewhere. Checksums, counters and digest are those that the store itself would have written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    truth = Truth(path)
    truth.know_model(*MODEL)
    model = truth.models[MODEL[0]].id
    truth.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=MEMORY")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        if count:
            connection.execute(
                "INSERT INTO projects VALUES ('default', ?, ?)", (FIRST_TIME, FIRST_TIME + count)
            )
        source = source or Source(1)
        for first in range(1, count + 1, AT_ONCE):
            part = range(first, min(first + AT_ONCE, count + 1))
            _write(connection, model, part, source)
        connection.execute("INSERT OR REPLACE INTO state VALUES ('seq', ?)", (-(-count // IN_A_CALL),))
        operations.keep_content(connection, *operations.count_content(connection))
        connection.execute("COMMIT")


def _write(connection: sqlite3.Connection, model: int, ids: range, source: Source) -> None:
    texts = source.texts(len(ids))
    rows = [_row(memory_id, text) for memory_id, text in zip(ids, texts, strict=True)]
    columns = TABLES["memories"]
    connection.executemany(
        f"INSERT INTO memories ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
        ([row[column] for column in columns] for row in rows),
    )
    connection.executemany(
        "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        _passages(ids, model, texts, source.vectors(len(ids))),
    )


def _row(memory_id: int, text: str) -> dict[str, object]:
    """Return the columns of one memory by name, so that a table that gains one is not filled wrongly."""
    written = (
        "default",
        text,
        f"notes/{memory_id % 997}.md",
        json.dumps([f"topic{memory_id % 50}"]),
        "{}",
        FIRST_TIME + memory_id,
        None,
    )
    uid = derived_uid(FIRST_TIME, memory_id)
    return {
        "id": memory_id,
        **dict(zip(_WRITTEN, written, strict=True)),
        "crc": checksum_of(written, NO_CUES),
        "seq": 1 + (memory_id - 1) // IN_A_CALL,
        "uid": uid,
        "written_by": None,
        "actor": None,
        "uid_crc": checksum(memory_id, uid, None),
        "cues": NO_CUES,
        "valid_until": None,
        "revision": 1,
        "changed": None,
        "older": None,
        "state_crc": checksum(1, None, None),
    }


def _passages(
    ids: range, model: int, texts: list[str], vectors: npt.NDArray[np.float32]
) -> Iterator[tuple[object, ...]]:
    for memory_id, text, vector in zip(ids, texts, vectors, strict=True):
        blob = vector.astype("<f4").tobytes()
        key = (memory_id, model, 0, len(text), checksum(blob))
        yield (memory_id, *key[:4], blob, key[4], checksum(repr(key)))
