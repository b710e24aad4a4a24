"""Stores as other programs write them, made by their own schemas."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

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
        connection.executescript(script)
        connection.commit()
    return path


def graph(path, name="React Query"):
    path.write_text("\n".join(map(json.dumps, GRAPH)).replace("React Query", name))
    return path
