"""Which version the tables of a database are of, and bringing older ones to the present."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from faiss_memory.errors import StoreCorrupt
from faiss_memory.store.records import operations
from faiss_memory.store.records.rows import checksum
from faiss_memory.store.records.schema import SCHEMA_VERSION, UPGRADES
from faiss_memory.uids import derived_uid

log = logging.getLogger("faiss_memory.store")


class NewerSchema(StoreCorrupt):
    """The file is sound, and written by a newer version."""


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of a database's tables, 0 for an empty one. Raises NewerSchema."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise NewerSchema(
            f"{path} was written by a newer FAISS Memory (schema {version}; this one knows {SCHEMA_VERSION}). "
            "Update FAISS Memory, or use another data folder."
        )
    return version


def upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """Bring an older database to the present tables, all at once or not at all. Raises NewerSchema."""
    version = version_of(connection, path)
    if not version:
        raise StoreCorrupt(f"{path} holds no tables of ours")
    connection.create_function("derived_uid", 2, derived_uid, deterministic=True)
    connection.create_function("checksum", -1, checksum, deterministic=True)
    if version < SCHEMA_VERSION:
        steps = "".join(UPGRADES[old] for old in range(version, SCHEMA_VERSION))
        connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
        log.info("%s was brought to schema %d", path, SCHEMA_VERSION)
    if connection.execute("SELECT 1 FROM state WHERE key = 'digest'").fetchone() is None:
        operations.keep_content(connection, *operations.count_content(connection))
