"""Checking what is derived against memory.db: search.db row by row and word by word, and the saved indexes."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from faiss_memory.analyzer import analyze
from faiss_memory.contracts.weighing import words_of
from faiss_memory.safe_files import read_own
from faiss_memory.store.fsck.backup_check import Present, digest
from faiss_memory.store.fsck.findings import Finding, Repair, Step
from faiss_memory.store.fsck.records_check import EVERY, read_only
from faiss_memory.store.index.catalogue import FORMAT
from faiss_memory.store.index.digests import digest_path
from faiss_memory.store.index.keyword_file import KEYWORD_FILE, KEYWORDS, KeywordFile
from faiss_memory.store.index.postings import LENGTH, POSTING
from faiss_memory.store.index.vector_files import sidecar_path
from faiss_memory.store.records.rows import MEMORY_COLUMNS, comparable, from_row

CATALOGUE = "search.db"


class Sound(NamedTuple):
    """An open memory.db, and which of its memories are damaged: nothing can be compared with those."""

    connection: sqlite3.Connection
    damaged: frozenset[int]

    def only(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Return an iterator over the rows, by memory in their first column, without those of damaged memories."""
        return (row for row in rows if row[0] not in self.damaged)


def check_catalogue(
    data: Path, truth: Sound, present: Present, scratch: Path, step: Step, *, words: bool
) -> Iterator[Finding]:
    """Yield how search.db differs from memory.db; with `words` the terms of each text are found again.

    And whether the saved keyword indexes are those that search.db takes note of.
    """
    path = data / CATALOGUE
    if not path.exists():
        return  # it is made at the next start
    unfit = None
    try:
        with read_only(path, scratch) as connection:
            problem = _misfit(path, connection, truth, present, step, words=words)
            if problem is None:
                step("the saved keyword indexes", 0)
                unfit = _unfit_keywords(data, connection)
    except (sqlite3.Error, UnicodeDecodeError, ValueError, TypeError, KeyError) as error:
        problem = f"it cannot be read ({error})"
    if problem is not None:
        yield Finding(CATALOGUE, problem, Repair.MAKE_ANEW)
    if unfit is not None:
        yield Finding(KEYWORD_FILE, unfit, Repair.MAKE_ANEW)


def _misfit(
    path: Path,
    connection: sqlite3.Connection,
    truth: Sound,
    present: Present,
    step: Step,
    *,
    words: bool,
) -> str | None:
    step("the structure of search.db", 0)
    damage = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    if damage != "ok":
        return f"it is damaged: {damage}"
    if connection.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
        return None  # it is made anew at the next start
    state: dict[str, Any] = dict(connection.execute("SELECT key, value FROM state"))
    if state["store"] != present.store:
        return "it belongs to another store"
    if state["seq"] > present.seq:
        return "it is newer than memory.db"
    if state["boot"] == "clean" and read_own(digest_path(path)) != digest(path).encode():
        return "it is not as it was left"
    if state["seq"] < present.seq:
        return None  # what it lacks is brought to it at the next start
    return _difference(connection, truth, step, words=words)


def _unfit_keywords(data: Path, connection: sqlite3.Connection) -> str | None:
    noted = connection.execute("SELECT value FROM state WHERE key = ?", (KEYWORDS,)).fetchone()
    if noted is None or noted[0] is None or not os.path.lexists(data / KEYWORD_FILE):
        return None  # what is not noted is not read, and what is not there is made anew
    try:
        KeywordFile(data).load(json.loads(noted[0])[1])
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        return str(error)
    return None


def _difference(connection: sqlite3.Connection, truth: Sound, step: Step, *, words: bool) -> str | None:
    numbers = dict(connection.execute("SELECT term, id FROM terms"))
    tags, metadata = _by_memory(connection, "tag", "tags"), _by_memory(connection, "key, value", "metadata")
    superseded = dict(
        truth.connection.execute(
            "SELECT supersedes, max(id) FROM memories WHERE supersedes IS NOT NULL GROUP BY 1"
        )
    )
    count = max(1, int(truth.connection.execute("SELECT count(*) FROM memories").fetchone()[0]))
    ours = connection.execute(f"SELECT {MEMORY_COLUMNS}, superseded_by, postings FROM memories ORDER BY id")
    theirs = truth.connection.execute(f"SELECT {MEMORY_COLUMNS} FROM memories ORDER BY id")
    for number, (row, other) in enumerate(zip_longest(truth.only(ours), truth.only(theirs))):
        if number % EVERY == 0:
            step("search.db against memory.db", number / count)
        if row is None or other is None or row[0] != other[0]:
            return "it holds other memories than memory.db"
        *columns, superseded_by, postings = row
        if tuple(columns) != tuple(other):
            return f"memory {row[0]} is otherwise in memory.db"
        if superseded_by != superseded.get(row[0]):
            return f"what supersedes memory {row[0]} is otherwise in memory.db"
        wanted = {(key, comparable(value)) for key, value in json.loads(row[5]).items()}
        if tags[row[0]] != {(tag,) for tag in json.loads(row[4])} or metadata[row[0]] != wanted:
            return f"the tags or properties of memory {row[0]} are otherwise in memory.db"
        if (
            words
            and postings is not None
            and _counts(postings) != _terms(numbers, *words_of(from_row(columns)))
        ):
            return f"the words of memory {row[0]} are not those of its text, source, tags and cues"
    return None


def _by_memory(connection: sqlite3.Connection, columns: str, table: str) -> dict[int, set[tuple[str, ...]]]:
    found: dict[int, set[tuple[str, ...]]] = defaultdict(set)
    for memory, *values in connection.execute(f"SELECT memory, {columns} FROM {table}"):
        found[memory].add(tuple(values))
    return found


def _counts(postings: bytes) -> dict[int, int]:
    return {int(term): int(count) for term, count in np.frombuffer(postings, dtype=POSTING)}


def _terms(numbers: dict[str, int], text: str, beside: str) -> dict[int | None, int]:
    terms = analyze(text, beside)
    counts = {numbers.get(term): min(count, 65535) for term, count in terms.counts.items()}
    return {LENGTH: min(terms.length, 65535), **counts}


def check_vector_files(data: Path, present: Present | None, step: Step) -> Iterator[Finding]:
    """Yield which saved vector indexes cannot be used."""
    for path in sorted([*data.glob("index.faiss"), *(data / "indexes").glob("*/index.faiss")]):
        step("the saved vector indexes", 0)
        problem = _unfit(path, present)
        if problem is not None:
            yield Finding(str(path.relative_to(data)), problem, Repair.MAKE_ANEW)


def _unfit(path: Path, present: Present | None) -> str | None:
    try:
        sidecar = json.loads(read_own(sidecar_path(path)))
        if sidecar["sha256"] != hashlib.sha256(read_own(path)).hexdigest():
            return "its content does not match its digest"
        if present is not None and sidecar["store"] != present.store:
            return "it belongs to another store"
        if present is not None and sidecar["seq"] > present.seq:
            return "it is newer than memory.db"
    except (OSError, ValueError, TypeError, KeyError) as error:
        return f"it is not described as it should be ({error})"
    return None
