"""How memory.db is written by SQLite, and what its errors say."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

_OUT_OF_REACH = tuple(
    f"SQLITE_{name}"
    for name in ("BUSY", "LOCKED", "CANTOPEN", "PERM", "READONLY", "FULL", "NOMEM", "IOERR", "PROTOCOL")
)
"""What says nothing about the content of the file: it must not be built anew because of that."""


PATIENCE = 5.0
"""Seconds: so long another program may hold memory.db, such as one that looks into it, before a start gives up."""


def connected(path: Path) -> sqlite3.Connection:
    """Return a connection to memory.db, without a look into it. Raises sqlite3.Error."""
    connection = sqlite3.connect(path, PATIENCE, isolation_level=None, check_same_thread=False)
    # A damaged text may not be UTF-8 any more; its checksum then says what is wrong, row by row.
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


def is_out_of_reach(error: Exception) -> bool:
    """Return whether an error is about reaching a file, and not about what is in it."""
    return bool(getattr(error, "sqlite_errorname", "").startswith(_OUT_OF_REACH))


def configure(connection: sqlite3.Connection) -> None:
    """Set how memory.db is written: durable at each COMMIT, by this connection alone."""
    run = connection.execute
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
