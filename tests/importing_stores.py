"""Stores as other programs write them, made by their own schemas."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

from faiss_memory import LeftOut, Record
from faiss_memory_plugins.importers.plugin import register_importers

SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"

CLAUDE_MEM = """
CREATE TABLE observations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, memory_session_id TEXT NOT NULL, project TEXT NOT NULL, text TEXT,
    type TEXT NOT NULL, title TEXT, subtitle TEXT, facts TEXT, narrative TEXT, concepts TEXT, files_read TEXT,
    files_modified TEXT, prompt_number INTEGER, created_at TEXT NOT NULL, created_at_epoch INTEGER NOT NULL,
    content_hash TEXT, merged_into_project TEXT, metadata TEXT
);
CREATE TABLE session_summaries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, memory_session_id TEXT NOT NULL, project TEXT NOT NULL, request TEXT,
    investigated TEXT, learned TEXT, completed TEXT, next_steps TEXT, files_read TEXT, files_edited TEXT, notes TEXT,
    created_at TEXT NOT NULL, created_at_epoch INTEGER NOT NULL
);
INSERT INTO observations (memory_session_id, project, type, title, subtitle, facts, narrative, concepts, files_read,
    files_modified, created_at, created_at_epoch) VALUES
    ('s-1', 'My Project', 'decision', 'Use React Query', 'not RTK Query', '["less code"]', 'Chosen for API calls.',
     '["how-it-works"]', '["src/api.ts"]', '[]', '2026-01-02T03:04:05.678Z', 1767323045678),
    ('s-1', 'My Project', 'note', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-01-02T03:04:05Z', 1767323045000);
INSERT INTO session_summaries (memory_session_id, project, request, learned, created_at, created_at_epoch) VALUES
    ('s-1', 'My Project', 'fix login', 'cookies need SameSite', '2026-01-02T03:04:06Z', 1767323046000);
"""
MCP_MEMORY_SERVICE = f"""
CREATE TABLE memories (
    id INTEGER PRIMARY KEY AUTOINCREMENT, content_hash TEXT UNIQUE NOT NULL, content TEXT NOT NULL, tags TEXT,
    memory_type TEXT, metadata TEXT, created_at REAL, updated_at REAL, created_at_iso TEXT, updated_at_iso TEXT,
    deleted_at REAL DEFAULT NULL
);
INSERT INTO memories (content_hash, content, tags, memory_type, metadata, created_at, deleted_at) VALUES
    ('h1', 'Orders live in Postgres', 'db, orders', 'decision', '{{"team": "web"}}', 1767323045.5, NULL),
    ('h2', 'Orders live in MySQL', 'db', 'note', NULL, 1767323000.0, 1767323046.0),
    ('h3', 'The token is {SECRET}', '', 'note', 'no JSON', 1767323047.0, NULL);
"""
ENGRAM = """
CREATE TABLE observations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL, type TEXT NOT NULL, title TEXT NOT NULL,
    content TEXT NOT NULL, tool_name TEXT, project TEXT, scope TEXT NOT NULL DEFAULT 'project', topic_key TEXT,
    normalized_hash TEXT, revision_count INTEGER NOT NULL DEFAULT 1, created_at TEXT NOT NULL, updated_at TEXT,
    deleted_at TEXT
);
INSERT INTO observations (session_id, type, title, content, project, topic_key, created_at, deleted_at) VALUES
    ('s', 'decision', 'Cache', 'Redis holds the sessions', 'shop', 'cache/sessions', '2026-01-02 03:04:05', NULL),
    ('s', 'note', 'Old', 'Memcached holds them', 'shop', NULL, '2026-01-01 03:04:05', '2026-01-02 00:00:00');
"""
GRAPH = (
    {
        "type": "entity",
        "name": "React Query",
        "entityType": "decision",
        "observations": ["For API calls", "Not RTK"],
    },
    {"type": "entity", "name": "Frontend", "entityType": "component", "observations": []},
    {"type": "relation", "from": "Frontend", "to": "React Query", "relationType": "uses"},
)


def database(path, script):
    """Write a database, and leave it in a write-ahead log, as it is while its program runs."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"PRAGMA synchronous = OFF; BEGIN; {script}; COMMIT;")
        connection.commit()
    return path


def graph(path, name="React Query"):
    path.write_text("\n".join(map(json.dumps, GRAPH)).replace("React Query", name))
    return path


RIVALS = Path(__file__).parent / "fixtures" / "rivals"
_IN_HEX = ("{SECRET" + "." * 32 + "}").encode().hex().upper()
"""Where the secret stands in what was pickled; it is as long."""

OPEN_MEMORY = """
CREATE TABLE apps (id CHAR(32) PRIMARY KEY, owner_id CHAR(32) NOT NULL, name VARCHAR NOT NULL);
CREATE TABLE memories (
    id CHAR(32) PRIMARY KEY, user_id CHAR(32) NOT NULL, app_id CHAR(32) NOT NULL, content VARCHAR NOT NULL,
    vector VARCHAR, metadata JSON, state VARCHAR(8), created_at DATETIME, updated_at DATETIME, archived_at DATETIME,
    deleted_at DATETIME
);
CREATE TABLE categories (id CHAR(32) PRIMARY KEY, name VARCHAR NOT NULL UNIQUE, description VARCHAR);
CREATE TABLE memory_categories (memory_id CHAR(32), category_id CHAR(32), PRIMARY KEY (memory_id, category_id));
INSERT INTO apps VALUES ('00000000000000000000000000000001', 'u', 'cursor');
INSERT INTO categories VALUES ('00000000000000000000000000000011', 'technology', NULL);
INSERT INTO memories VALUES
    ('000000000000000000000000000000a1', 'u', '00000000000000000000000000000001', 'Orders live in Postgres', NULL,
     '{"team": "web"}', 'active', '2026-01-02 03:04:05.678901', NULL, NULL, NULL),
    ('000000000000000000000000000000a2', 'u', '00000000000000000000000000000001', 'Orders live in MySQL', NULL, '{}',
     'deleted', '2026-01-02 03:04:05', NULL, NULL, '2026-01-03 00:00:00'),
    ('000000000000000000000000000000a3', 'u', '00000000000000000000000000000001', 'A holiday', NULL, '{}', 'paused',
     '2026-01-02 03:04:05', NULL, NULL, NULL);
INSERT INTO memory_categories VALUES ('000000000000000000000000000000a1', '00000000000000000000000000000011');
"""
MEMPALACE_OWN = """
CREATE TABLE collections (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, dimension INTEGER, created_at TEXT NOT NULL
);
CREATE TABLE documents (
    collection_id INTEGER NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL, metadata_json TEXT NOT NULL,
    embedding BLOB NOT NULL, dim INTEGER NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    wing TEXT GENERATED ALWAYS AS (json_extract(metadata_json, '$.wing')) VIRTUAL, PRIMARY KEY (collection_id, id)
);
INSERT INTO collections VALUES (1, 'mempalace_drawers', 4, ''), (2, 'mempalace_closets', 4, '');
INSERT INTO documents VALUES
    (1, 'drawer_a', 'Orders live in Postgres', '{"wing": "shop", "room": "decisions"}', x'00', 4, '', ''),
    (1, 'read_b', 'a file', '{"wing": "shop", "room": "_registry", "chunk_index": -1}', x'00', 4, '', ''),
    (2, 'closet_a', 'an index of drawers', '{"wing": "shop", "room": "decisions"}', x'00', 4, '', '');
"""


def rival_text(name):
    """Return what another program has written, from `fixtures/rivals`, with the secret in it."""
    text = (RIVALS / name).read_text("utf-8")
    return text.replace("{SECRET}", SECRET).replace(_IN_HEX, SECRET.encode().hex().upper())


def rival_database(name, path):
    """Write a database that another program has written, of its rows in `fixtures/rivals`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return database(path, rival_text(name))


def open_memory_export(path):
    """Write the zip that OpenMemory exports, by its code: the memories as lines, packed, and as a document."""
    row = {
        "id": "00000000-0000-0000-0000-0000000000a1", "content": "Orders live in Postgres", "metadata": {"team": "web"},
        "created_at": "2026-01-02T03:04:05.678901+00:00", "updated_at": None, "state": "active",
    }  # fmt: skip
    gone = {**row, "id": "00000000-0000-0000-0000-0000000000a2", "state": "deleted"}
    lines = [{**one, "app": "cursor", "categories": ["technology"]} for one in (row, gone)]
    document = {
        "user": {"id": "u", "user_id": "alice"},
        "apps": [{"id": "app", "name": "cursor"}],
        "categories": [{"id": "cat", "name": "technology"}],
        "memories": [{**one, "app_id": "app", "category_ids": ["cat"]} for one in (row, gone)],
        "export_meta": {"version": "1"},
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("memories.json", json.dumps(document, indent=2))
        archive.writestr("memories.jsonl.gz", gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    path.with_suffix(".json").write_text(json.dumps(document))
    return path


def read(path, kind=None):
    """Read a store as `faiss-memory import` does: the importer's name, the memories, and what is left out."""
    importers = register_importers()
    fitting = [one for one in importers if (one.name == kind if kind else one.fits(path))]
    assert fitting, f"nothing knows what {path} is"
    found = list(fitting[0].read(path))
    records = [one for one in found if isinstance(one, Record)]
    assert len({one.key for one in records}) == len(records)
    return fitting[0].name, records, {one.key: one.reason for one in found if isinstance(one, LeftOut)}


def listing(folder):
    """Return every file below a folder, with its size and time."""
    return {
        str(file): (file.stat().st_size, file.stat().st_mtime_ns)
        for file in folder.rglob("*")
        if file.is_file()
    }
