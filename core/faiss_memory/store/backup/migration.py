"""Before memory.db is brought to newer tables, a backup is made of it as it is: a way back that no write removes."""

from __future__ import annotations

import hashlib
import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from faiss_memory.safe_files import open_own
from faiss_memory.store.backup.backups import free_name
from faiss_memory.store.backup.manifests import MANUAL, Manifest, read_manifests, write_manifest
from faiss_memory.store.filesystem import sync_file, sync_folder
from faiss_memory.store.records import clock
from faiss_memory.store.records.connection import PATIENCE
from faiss_memory.store.records.schema import SCHEMA_VERSION

log = logging.getLogger("faiss_memory.store")


def back_up_older(data: Path) -> None:
    """Back memory.db up if it has older tables, unless that was done already. Raises OSError and sqlite3.Error.

    One that cannot be read is left to whoever opens it.
    """
    path = data / "memory.db"
    if not path.exists():
        return
    with closing(sqlite3.connect(path, PATIENCE, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")  # so that no file is made beside it
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        try:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if not 0 < version < SCHEMA_VERSION:
                return
            state = dict(connection.execute("SELECT key, value FROM state"))
        except sqlite3.DatabaseError:
            return
        if _is_backed_up(data / "backups", state, label_of(version)):
            return
        name = _copy(connection, data / "backups", state, label_of(version))
        log.warning("%s has tables of version %d: before they are brought to %d, backup %s was made",
                    path, version, SCHEMA_VERSION, name)  # fmt: skip


def label_of(version: int) -> str:
    """Return the label of a backup that was made before a migration."""
    return f"before the migration from version {version}"


def _is_backed_up(folder: Path, state: dict[str, object], label: str) -> bool:
    moment = (state.get("uuid"), state.get("seq"), label)
    return any((one.store, one.seq, one.label) == moment for one in read_manifests(folder))


def _copy(connection: sqlite3.Connection, folder: Path, state: dict[str, object], label: str) -> str:
    """Make the backup, whole or not at all; returns its name."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = clock.now()
    name = free_name(folder, f"{MANUAL}_{now:%Y%m%d_%H%M%S}")
    making = folder / f".{name}.new"
    making.mkdir(mode=0o700)
    try:
        base = making / "base.db"
        with closing(sqlite3.connect(base)) as target:
            connection.backup(target)
        with closing(sqlite3.connect(base)) as target:
            target.execute("PRAGMA journal_mode=DELETE")
            count = int(target.execute("SELECT count(*) FROM memories").fetchone()[0])
        with open_own(base) as file:
            sync_file(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size, store, seq = base.stat().st_size, str(state["uuid"]), int(str(state["seq"]))
        write_manifest(making, Manifest(name, now, store, seq, count, size, digest, label), sync=True)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    making.rename(folder / name)
    sync_folder(folder)
    return name
