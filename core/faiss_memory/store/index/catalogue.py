"""search.db: what readers read. Derived from memory.db, and dropped whenever in doubt.

Readers must never see what is not committed, and memory.db admits one connection only: so texts, filters and the
terms of the keyword index live here, in a file of their own, written after the commit and before the answer. It is
not synced: after a crash of the machine it is made anew.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from faiss_memory.analyzer import Terms, analyze_query
from faiss_memory.memory import Facets, Filter, Memory
from faiss_memory.store.filesystem import replace_file
from faiss_memory.store.index.digests import digest_of, digest_path, matches_digest
from faiss_memory.store.index.facets import counting, facets_of
from faiss_memory.store.index.filters import condition, fits
from faiss_memory.store.index.postings import POSTING, Postings, postings_of
from faiss_memory.store.index.readers import Readers, Row
from faiss_memory.store.records.rows import (
    MEMORY_COLUMNS,
    checksum_of,
    comparable,
    cues_column,
    ends_column,
    from_row,
    state_columns,
    to_microseconds,
    to_row,
    uid_columns,
)

FORMAT = 5
"""Rises with the tables, and with how terms are found: a file of another format is made anew, terms and all."""
_COLUMNS = f"{MEMORY_COLUMNS}, superseded_by"
_SAID = MEMORY_COLUMNS.count(",")
_SET = ", ".join(f"{name} = excluded.{name}" for name in MEMORY_COLUMNS.split(", ")[1:])

_SCHEMA = f"""
CREATE TABLE state (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE memories (
    id INTEGER PRIMARY KEY, project TEXT NOT NULL, text TEXT NOT NULL, source TEXT NOT NULL, tags TEXT NOT NULL,
    metadata TEXT NOT NULL, timestamp INTEGER NOT NULL, supersedes INTEGER, crc INTEGER NOT NULL,
    uid TEXT NOT NULL, written_by TEXT, uid_crc INTEGER NOT NULL, cues TEXT NOT NULL, valid_until INTEGER,
    revision INTEGER NOT NULL, changed INTEGER, older TEXT, state_crc INTEGER NOT NULL, actor TEXT,
    superseded_by INTEGER,
    postings BLOB                           -- NULL until the text has been analyzed
);
CREATE INDEX memories_by_time ON memories (project, timestamp, id);
CREATE INDEX memories_of_all_by_time ON memories (timestamp, id);
CREATE INDEX ending ON memories (project, valid_until) WHERE valid_until IS NOT NULL;
CREATE INDEX memories_by_source ON memories (project, source);
CREATE INDEX superseding ON memories (supersedes) WHERE supersedes IS NOT NULL;
CREATE INDEX superseded ON memories (superseded_by) WHERE superseded_by IS NOT NULL;
CREATE INDEX hidden ON memories (project) WHERE superseded_by IS NOT NULL;
CREATE INDEX unanalyzed ON memories (id) WHERE postings IS NULL;
CREATE TABLE tags (tag TEXT, memory INTEGER, PRIMARY KEY (tag, memory)) WITHOUT ROWID;
CREATE INDEX tags_by_memory ON tags (memory);
CREATE TABLE metadata (key TEXT, value TEXT, memory INTEGER, PRIMARY KEY (key, value, memory)) WITHOUT ROWID;
CREATE INDEX metadata_by_memory ON metadata (memory);
CREATE TABLE terms (id INTEGER PRIMARY KEY, term TEXT NOT NULL UNIQUE);
PRAGMA user_version = {FORMAT};
"""


class Catalogue:
    """Texts, filters and terms. One writer at a time, with a connection of its own; many readers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._readers = Readers(self._connect)
        self.intact = matches_digest(path)
        """Whether the file, when it was opened, was byte for byte the one that `settle` left."""
        self._writer = self._connect()
        try:
            version = self._writer.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._writer.executescript(_SCHEMA)
            elif version != FORMAT:
                raise sqlite3.DatabaseError(f"format {version} instead of {FORMAT}")
            self._terms = self._read_terms()
        except BaseException:
            self.close()
            raise

    def _read_terms(self) -> dict[str, int]:
        terms = dict(self._writer.execute("SELECT term, id FROM terms"))
        self._last_term = max(terms.values(), default=0)
        return terms

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=OFF")
            connection.create_function("holds", 2, _holds, deterministic=True)
            connection.create_function("fits", 2, fits, deterministic=True)
        except BaseException:
            connection.close()
            raise
        return connection

    def _read(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._readers.rows(sql, values)

    # Following the truth.

    def state(self, key: str) -> Any:
        """Read a value of the file itself, such as the seq it has reached."""
        rows = self._read("SELECT value FROM state WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def set_state(self, key: str, value: Any) -> None:
        """Keep a value of the file itself."""
        self._writer.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))

    def check(self) -> str | None:
        """Look for damage to the file's structure; gives the first found. (Rows have checksums of their own.)"""
        found = str(self._read("PRAGMA quick_check(1)")[0][0])
        return None if found == "ok" else found

    def settle(self) -> None:
        """Write everything out and say so: from now on the file outlives a crash of the machine.

        Terms, tags and what supersedes what have no checksums of their own, so a digest is kept of the whole.
        """
        self._writer.execute("PRAGMA synchronous=FULL")
        self.set_state("boot", "clean")
        self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        digest = digest_of(self.path).encode()
        replace_file(digest_path(self.path), lambda file: file.write(digest))

    def apply(
        self, seq: int, stored: Iterable[tuple[Memory, Terms | None]], removed: Sequence[int]
    ) -> list[tuple[Memory, Postings | None]]:
        """Follow one committed group: put memories (new or changed), take removed ones out.

        A memory comes with its terms; None keeps the postings that are there, or leaves them for later. Returns the
        same memories with their postings.
        """
        with self._transaction():
            written = [(memory, None if terms is None else self._postings(terms)) for memory, terms in stored]
            for memory, postings in written:
                self._put(memory, postings)
            for memory_id in removed:
                self._take(memory_id)
            self.set_state("seq", seq)
        return written

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        run = self._writer.execute
        run("BEGIN IMMEDIATE")
        try:
            yield
            run("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                run("ROLLBACK")
            self._terms = self._read_terms()  # some that were just numbered are gone with the transaction
            raise

    def _put(self, memory: Memory, postings: Postings | None) -> None:
        run = self._writer.execute
        row, cues, ends = to_row(memory), cues_column(memory), ends_column(memory)
        kept = None if postings is None else postings.tobytes()
        before = run("SELECT supersedes FROM memories WHERE id = ?", (memory.id,)).fetchone()
        run(
            f"INSERT INTO memories ({MEMORY_COLUMNS}, postings, superseded_by)"
            f" VALUES (?1, {', '.join('?' * _SAID)}, ?, (SELECT max(id) FROM memories WHERE supersedes = ?1))"
            f" ON CONFLICT (id) DO UPDATE SET {_SET}, postings = coalesce(excluded.postings, postings)",
            (
                *(memory.id, *row, checksum_of(row, cues, ends), *uid_columns(memory), cues, ends),
                *(*state_columns(memory), memory.actor, kept),
            ),
        )
        run("DELETE FROM tags WHERE memory = ?", (memory.id,))
        run("DELETE FROM metadata WHERE memory = ?", (memory.id,))
        self._writer.executemany(
            "INSERT OR IGNORE INTO tags VALUES (?, ?)", [(tag, memory.id) for tag in memory.tags]
        )
        self._writer.executemany(
            "INSERT INTO metadata VALUES (?, ?, ?)",
            [(key, comparable(value), memory.id) for key, value in memory.metadata.items()],
        )
        for older in {memory.supersedes, *(before or ())} - {None}:
            # Where several memories supersede one, the newest counts, whichever was changed last.
            run(
                "UPDATE memories SET superseded_by = (SELECT max(n.id) FROM memories n WHERE n.supersedes = ?1)"
                " WHERE id = ?1",
                (older,),
            )

    def _take(self, memory_id: int) -> None:
        run = self._writer.execute
        run("DELETE FROM memories WHERE id = ?", (memory_id,))
        run("DELETE FROM tags WHERE memory = ?", (memory_id,))
        run("DELETE FROM metadata WHERE memory = ?", (memory_id,))
        # What it superseded is current again, unless another memory supersedes that too.
        run(
            "UPDATE memories SET superseded_by = (SELECT max(n.id) FROM memories n WHERE n.supersedes = memories.id)"
            " WHERE superseded_by = ?",
            (memory_id,),
        )

    # Terms of the keyword index.

    def _postings(self, terms: Terms) -> Postings:
        counts = terms.counts
        if fresh := [term for term in counts if term not in self._terms]:
            first, self._last_term = self._last_term + 1, self._last_term + len(fresh)
            numbered = list(zip(fresh, range(first, self._last_term + 1), strict=True))
            self._terms.update(numbered)
            self._writer.executemany("INSERT INTO terms (term, id) VALUES (?, ?)", numbered)
        return postings_of(terms.length, map(self._terms.__getitem__, counts), counts.values())

    def query_terms(self, text: str) -> tuple[Counter[str], dict[int, str]]:
        """Analyze a query: how often it has each term, and the numbers of those that some memory holds."""
        terms = analyze_query(text)
        return terms, {self._terms[term]: term for term in terms if term in self._terms}

    def analyzed(self, ids: Collection[int] | None = None) -> Iterator[tuple[str, int, str, bytes]]:
        """Read the memories that were analyzed, or some of them, by id: project, id, source and postings."""
        sql = "SELECT project, id, source, postings FROM memories WHERE postings IS NOT NULL"
        if ids is None:  # one pass, for all projects
            return self._readers.each(f"{sql} ORDER BY id")
        return (row for memory_id in sorted(ids) for row in self._read(f"{sql} AND id = ?", (memory_id,)))

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Read every memory by id as it is written, for comparing: id, columns, checksum."""
        return self._readers.each(f"SELECT {MEMORY_COLUMNS} FROM memories ORDER BY id")

    def unanalyzed(self) -> dict[str, int]:
        """Count, by project, the memories whose terms are still to be found."""
        return dict(
            # (`+`: through the index of these few, and not in the order of projects through all there are)
            self._read("SELECT project, count(*) FROM memories WHERE postings IS NULL GROUP BY +project")
        )

    def next_unanalyzed(self, limit: int) -> list[Memory]:
        """Read memories whose terms are still to be found."""
        rows = self._read(
            f"SELECT {_COLUMNS} FROM memories WHERE postings IS NULL ORDER BY id LIMIT ?", (limit,)
        )
        return [_memory(row) for row in rows]

    def set_terms(self, terms: Mapping[int, Terms]) -> dict[int, Postings]:
        """Keep terms found later; gives the postings of the memories that still lacked them."""
        found: dict[int, Postings] = {}
        with self._transaction():
            for memory_id, counts in terms.items():
                lacking = "SELECT 1 FROM memories WHERE id = ? AND postings IS NULL"
                if self._writer.execute(lacking, (memory_id,)).fetchone() is None:
                    continue  # it is gone, or was changed: words that may have been purged must not come back
                found[memory_id] = postings = self._postings(counts)
                self._writer.execute(
                    "UPDATE memories SET postings = ? WHERE id = ?", (postings.tobytes(), memory_id)
                )
        return found

    def drop_unused_terms(self) -> None:
        """Delete the terms that no memory holds any more."""
        used: set[int] = set()
        for (postings,) in self._writer.execute("SELECT postings FROM memories WHERE postings IS NOT NULL"):
            used.update(np.frombuffer(postings, dtype=POSTING)["term"].tolist())
        unused = [(number,) for number in self._terms.values() if number not in used]
        with self._transaction():
            self._writer.executemany("DELETE FROM terms WHERE id = ?", unused)
        self._terms = self._read_terms()

    def compact(self) -> None:
        """Write the file anew, synced, without its free space, which still holds what was deleted."""
        self._writer.execute("PRAGMA synchronous=FULL")
        self._writer.execute("VACUUM")

    def empty_log(self) -> bool:
        """Empty the write-ahead log; says whether that could be done, which it cannot while somebody reads."""
        busy = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        self._writer.execute("PRAGMA synchronous=OFF")
        return not busy

    # Reading.

    def get(self, ids: Sequence[int]) -> list[Memory]:
        """Read memories in the order asked for; those that are not there are left out."""
        found: dict[int, Memory] = {}
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            marks = ",".join("?" * len(part))
            for row in self._read(f"SELECT {_COLUMNS} FROM memories WHERE id IN ({marks})", part):
                found[row[0]] = _memory(row)
        return [found[memory_id] for memory_id in ids if memory_id in found]

    def history(self, memory_id: int) -> list[Memory]:
        """Read a memory and what it superseded, newest first."""
        chain: list[Memory] = []
        following: int | None = memory_id
        while following is not None and (found := self.get([following])):
            chain += found
            following = found[0].supersedes
        return chain

    def ids(self, where: Filter) -> list[int]:
        """Return the ids that a filter lets through, ascending."""
        clause, values = condition(where)
        return [row[0] for row in self._read(f"SELECT id FROM memories WHERE {clause} ORDER BY id", values)]

    def count(self, where: Filter) -> int:
        """Return how many memories a filter lets through."""
        clause, values = condition(where)
        ((count,),) = self._read(f"SELECT count(*) FROM memories WHERE {clause}", values)
        return int(count)

    def allowed(self, ids: Collection[int], where: Filter) -> set[int]:
        """Return those of some memories that a filter lets through."""
        clause, values = condition(where)
        wanted = list(ids)
        found: set[int] = set()
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            rows = self._read(f"SELECT id FROM memories WHERE id IN ({marks}) AND {clause}", [*part, *values])
            found.update(row[0] for row in rows)
        return found

    def hidden(self, project: str) -> list[int]:
        """Return the superseded memories of a project."""
        rows = self._read(
            "SELECT id FROM memories WHERE superseded_by IS NOT NULL AND project = ?", (project,)
        )
        return [row[0] for row in rows]

    def select(
        self,
        where: Filter,
        *,
        contains: str | None,
        order: Literal["newest", "oldest"],
        limit: int,
        after: tuple[datetime, int] | None,
    ) -> list[Memory]:
        """List memories by (timestamp, id); `after` is the last one already seen, in that order."""
        clause, values = condition(where)
        down = order == "newest"
        if contains:
            clause += " AND holds(text, ?)"
            values.append(contains.casefold())
        if after is not None:
            clause += f" AND (timestamp, id) {'<' if down else '>'} (?, ?)"
            values += [to_microseconds(after[0]), after[1]]
        ordered = "ORDER BY timestamp {0}, id {0}".format("DESC" if down else "ASC")
        # Where all that fit have to be sorted, such as of several projects: their ids alone, and not what they say.
        page = f"SELECT id FROM memories WHERE {clause} {ordered} LIMIT ?"
        rows = self._read(f"SELECT {_COLUMNS} FROM memories WHERE id IN ({page}) {ordered}", [*values, limit])
        return [_memory(row) for row in rows]

    def tags(self, where: Filter) -> dict[str, int]:
        """Count memories by tag."""
        clause, values = condition(where)
        rows = self._read(
            "SELECT tag, count(*) FROM tags JOIN memories ON memories.id = tags.memory"
            f" WHERE {clause} GROUP BY tag ORDER BY count(*) DESC, tag",
            values,
        )
        return dict(rows)

    def facets(self, where: Filter, contains: str | None) -> Facets:
        """Count memories by project, tag, source, way and state."""
        clause, values = condition(replace(where, include_superseded=True))
        if contains:
            clause += " AND holds(text, ?)"
            values.append(contains.casefold())
        return facets_of(self._read(counting(clause), values), superseded_count=where.include_superseded)

    def counts(self) -> dict[str, int]:
        """Count memories by project, superseded ones included."""
        return dict(self._read("SELECT project, count(*) FROM memories GROUP BY project"))

    def close(self) -> None:
        """Close every connection."""
        self._readers.close()
        self._writer.close()


def _holds(text: str, part: str) -> bool:
    return part in text.casefold()


def _memory(row: Sequence[Any]) -> Memory:
    return from_row(row[:-1], superseded_by=row[-1])
