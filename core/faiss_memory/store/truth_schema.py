"""The tables of memory.db. A change here raises the version and brings an upgrade of older files."""

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
