"""The tables of memory.db. A change here raises the version and brings an upgrade of older files."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cache

from faiss_memory.store.records.rows import checksum

SCHEMA_VERSION = 6
LONGEST_VALUE = 1 << 26
"""Bytes of one value of a stranger's database."""

_ORIGINS = """
CREATE TABLE origins (                      -- of memories that were built from a file
    memory INTEGER PRIMARY KEY REFERENCES memories (id) ON DELETE CASCADE,
    file TEXT NOT NULL,
    place TEXT NOT NULL,
    text TEXT NOT NULL,                     -- digest
    details TEXT NOT NULL,                  -- digest
    crc INTEGER NOT NULL
);
"""
_PURGED = """
CREATE TABLE purged (                       -- no restore brings these back
    line TEXT NOT NULL,                     -- of the data folder that they were purged in
    uid TEXT NOT NULL,
    memory INTEGER NOT NULL,                -- the id
    PRIMARY KEY (line, uid)
) WITHOUT ROWID;
"""
_USES = """
CREATE TABLE uses (                         -- how often memories were of use, a year long
    day TEXT NOT NULL,                      -- such as 2026-02-12, UTC
    assistant TEXT NOT NULL,
    project TEXT NOT NULL,
    memory INTEGER NOT NULL,                -- 0: none, or one that is gone
    event TEXT NOT NULL,
    latency INTEGER NOT NULL,               -- milliseconds, the upper end of a bucket; 0: not measured
    count INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (day, assistant, project, memory, event, latency)
) WITHOUT ROWID;
CREATE INDEX uses_by_memory ON uses (memory) WHERE memory != 0;
"""
_IDENTITIES = f"""
ALTER TABLE memories ADD COLUMN uid TEXT NOT NULL DEFAULT '';
ALTER TABLE memories ADD COLUMN written_by TEXT;
ALTER TABLE memories ADD COLUMN uid_crc INTEGER NOT NULL DEFAULT 0;
UPDATE memories SET uid = derived_uid((SELECT value FROM state WHERE key = 'created'), id);
UPDATE memories SET uid_crc = checksum(id, uid, written_by);
ALTER TABLE removed ADD COLUMN uid TEXT NOT NULL DEFAULT '';
UPDATE removed SET uid = derived_uid((SELECT value FROM state WHERE key = 'created'), memory);
INSERT INTO state SELECT 'line', derived_uid(value, 0) FROM state WHERE key = 'created';
CREATE TABLE IF NOT EXISTS purged (line INTEGER, memory INTEGER, PRIMARY KEY (line, memory)) WITHOUT ROWID;
ALTER TABLE purged RENAME TO purged_before;
{_PURGED}
INSERT INTO purged SELECT derived_uid(line, 0), derived_uid(line, memory), memory FROM purged_before;
DROP TABLE purged_before;
{_USES}
"""
_CUES = "ALTER TABLE memories ADD COLUMN cues TEXT NOT NULL DEFAULT '[]';"
_FIRST_STATE = checksum(1, None, None)
_STATES_BESIDE = """
CREATE TABLE forgotten (                    -- the last state of what was forgotten; not of what is older than these
    memory INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    changed INTEGER NOT NULL,               -- microseconds since 1970, UTC
    project TEXT NOT NULL
);
CREATE INDEX memories_by_uid ON memories (uid);
CREATE INDEX memories_by_older ON memories (older) WHERE older IS NOT NULL;
CREATE INDEX memories_unlinked ON memories (id) WHERE older IS NOT NULL AND supersedes IS NULL;
CREATE INDEX removed_by_uid ON removed (uid);
CREATE INDEX purged_by_uid ON purged (uid);
"""
_STATES = f"""
ALTER TABLE memories ADD COLUMN valid_until INTEGER;
ALTER TABLE memories ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
ALTER TABLE memories ADD COLUMN changed INTEGER;
ALTER TABLE memories ADD COLUMN older TEXT;
ALTER TABLE memories ADD COLUMN state_crc INTEGER NOT NULL DEFAULT {_FIRST_STATE};
UPDATE memories SET older = coalesce(
    (SELECT o.uid FROM memories o WHERE o.id = memories.supersedes),
    (SELECT r.uid FROM removed r WHERE r.memory = memories.supersedes)) WHERE supersedes IS NOT NULL;
UPDATE memories SET state_crc = checksum(revision, changed, older) WHERE older IS NOT NULL;
{_STATES_BESIDE}
"""
_ACTOR = "ALTER TABLE memories ADD COLUMN actor TEXT;"
UPGRADES = {1: _ORIGINS, 2: _IDENTITIES, 3: _CUES, 4: _STATES, 5: _ACTOR}
"""What brings a file of one version to the next. They may call `uids.derived_uid` and `rows.checksum`."""

SCHEMA = f"""
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
    seq INTEGER NOT NULL,
    uid TEXT NOT NULL DEFAULT '',           -- a UUIDv7
    written_by TEXT,                        -- which way it came; NULL where that is not known
    uid_crc INTEGER NOT NULL DEFAULT 0,     -- of id, uid, written_by, actor: older ones have no part in crc
    cues TEXT NOT NULL DEFAULT '[]',        -- a JSON list; a part of crc where it is not empty
    valid_until INTEGER,                    -- microseconds since 1970, UTC; a part of crc where it is known
    revision INTEGER NOT NULL DEFAULT 1,    -- how often it was written
    changed INTEGER,                        -- when it came to that; NULL: nobody has noted it
    older TEXT,                             -- the uid of what it replaces, also where that is not there
    state_crc INTEGER NOT NULL DEFAULT {_FIRST_STATE},  -- of revision, changed and older
    actor TEXT                              -- the member who wrote it; a part of uid_crc where it is not NULL
);
CREATE INDEX memories_by_seq ON memories (seq);
CREATE INDEX memories_by_project ON memories (project);
CREATE TABLE removed (memory INTEGER PRIMARY KEY, seq INTEGER NOT NULL, uid TEXT NOT NULL DEFAULT '');
CREATE INDEX removed_by_seq ON removed (seq);
CREATE TABLE models (id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
                     dimension INTEGER NOT NULL);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    memory INTEGER NOT NULL REFERENCES memories (id) ON DELETE CASCADE,
    model INTEGER NOT NULL REFERENCES models (id),
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,                   -- start and end are -1 for the first cue, -2 for the second
    vector BLOB NOT NULL,                   -- float32, little-endian, unit length
    crc INTEGER NOT NULL,                   -- of the vector
    key_crc INTEGER NOT NULL                -- of memory, model, start, end and crc
);
CREATE INDEX passages_by_memory ON passages (memory, model);
CREATE TABLE retries (key TEXT PRIMARY KEY, digest BLOB NOT NULL, answer TEXT NOT NULL, made INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE INDEX retries_by_age ON retries (made);
{_ORIGINS}{_PURGED}{_USES}{_STATES_BESIDE}"""


_CALCULATED = re.compile(r"\bDEFAULT\s*\(", re.IGNORECASE)
_ONLY_SOME = re.compile(r"\bWHERE\b", re.IGNORECASE)
_EXPRESSION = -2
"""The number of what an index is made of, and is no column."""


def _columns() -> dict[str, tuple[str, ...]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        return {
            name: tuple(row[1] for row in connection.execute(f"PRAGMA table_info({name})"))
            for (name,) in tables
        }


TABLES = _columns()
"""The columns of each table, tables in an order in which rows can be written."""


def strangeness(connection: sqlite3.Connection) -> str | None:
    """Return which table or index a database lacks, or what acts by itself in it, if there is such."""
    found = set(connection.execute("SELECT type, name FROM sqlite_master").fetchall())
    missing = [f"{kind} {name}" for kind, name in sorted(_expected().keys() - found)]
    return acting(connection) or (f"it lacks the {missing[0]}" if missing else None)


def acting(connection: sqlite3.Connection) -> str | None:
    """Return what acts or calculates by itself in a database when it is read or written, if there is such.

    To be asked before anything else is: who made the file may have meant a statement of ours never to end.
    """
    parts = connection.execute(
        "SELECT type, name, rootpage, sql FROM sqlite_master ORDER BY type, name"
    ).fetchall()
    for kind, name, root, sql in parts:
        if kind in ("trigger", "view") or not root:
            return f"it holds the {kind} {name}"
        if kind == "table" and (_CALCULATED.search(sql) or _has_generated(connection, name)):
            return f"it holds the table {name}, in which values are calculated"
        if (
            kind == "index"
            and sql
            and sql != _expected().get((kind, name))
            and _calculates(connection, name, sql)
        ):
            return f"it holds the index {name}, for which values are calculated"
    return None


def _has_generated(connection: sqlite3.Connection, table: str) -> bool:
    columns = connection.execute("SELECT hidden FROM pragma_table_xinfo(?)", (table,))
    return any(hidden for (hidden,) in columns)


def _calculates(connection: sqlite3.Connection, index: str, sql: str) -> bool:
    """Return whether an index is of an expression, or of those rows only for which one holds."""
    parts = connection.execute("SELECT cid FROM pragma_index_xinfo(?)", (index,))
    return _ONLY_SOME.search(sql) is not None or any(number == _EXPRESSION for (number,) in parts)


@cache
def _expected() -> Mapping[tuple[str, str], str | None]:
    """Return how each of our tables and indexes is made, by its kind and its name."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        made = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        return {(kind, name): sql for kind, name, sql in made}
