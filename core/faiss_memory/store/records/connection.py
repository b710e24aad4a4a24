"""How memory.db is written by SQLite, and what its errors say."""

from __future__ import annotations

import sqlite3
import sys

_OUT_OF_REACH = tuple(
    f"SQLITE_{name}"
    for name in ("BUSY", "LOCKED", "CANTOPEN", "PERM", "READONLY", "FULL", "NOMEM", "IOERR", "PROTOCOL")
)
"""What says nothing about the content of the file: it must not be built anew because of that."""


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
