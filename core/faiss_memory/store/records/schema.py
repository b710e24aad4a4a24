"""The tables of memory.db. A change here raises the version and brings an upgrade of older files."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache

SCHEMA_VERSION = 2

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
UPGRADES = {1: _ORIGINS}
"""What brings a file of one version to the next."""

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
    crc INTEGER NOT NULL,                   -- of the vector
    key_crc INTEGER NOT NULL                -- of memory, model, start, end and crc
);
CREATE INDEX passages_by_memory ON passages (memory, model);
CREATE TABLE retries (key TEXT PRIMARY KEY, digest BLOB NOT NULL, answer TEXT NOT NULL, made INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE INDEX retries_by_age ON retries (made);
{_ORIGINS}
"""


def strangeness(connection: sqlite3.Connection) -> str | None:
    """Say which table or index a database lacks, or what acts by itself in it, if there is such."""
    found = set(connection.execute("SELECT type, name FROM sqlite_master").fetchall())
    acting = [f"{kind} {name}" for kind, name in sorted(found) if kind in ("trigger", "view")]
    missing = [f"{kind} {name}" for kind, name in sorted(_expected() - found)]
    if acting:
        return f"it holds the {acting[0]}"
    return f"it lacks the {missing[0]}" if missing else None


@cache
def _expected() -> frozenset[tuple[str, str]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        return frozenset(connection.execute("SELECT type, name FROM sqlite_master").fetchall())
