"""Restorable copies: a folder with `base.db`, a full copy of the truth, and `manifest.json`, which describes it.

Restoring is copying both files into the data folder and starting. The copy is not called memory.db on purpose:
laid beside the write-ahead log of another database it would be corrupted.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import shutil
import sqlite3
import uuid
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from faiss_memory.errors import DiskFull, StoreError
from faiss_memory.parts import Backup
from faiss_memory.store.filesystem import replace_file, set_aside, sync_file, sync_folder
from faiss_memory.store.truth import Truth

log = logging.getLogger("faiss_memory.store")


def make(truth: Truth, folder: Path, label: str | None) -> Backup:
    """Copy the truth into a new `manual_…` folder, which appears only when it is complete.

    Raises DiskFull or StoreError when the copy cannot be written; that says nothing about the truth.
    """
    try:
        return _made(truth, folder, label)
    except (OSError, sqlite3.Error) as error:
        full = getattr(error, "errno", None) == errno.ENOSPC
        if full or getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
            raise DiskFull("the disk is full; no backup was made. Free some room, and try again") from error
        raise StoreError(f"no backup could be made in {folder} ({error}). Check the disk.") from error


def _made(truth: Truth, folder: Path, label: str | None) -> Backup:
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    name = _free_name(folder, f"manual_{now:%Y%m%d_%H%M%S}")
    making = folder / f".{name}.new"
    making.mkdir()
    try:
        copy = making / "base.db"
        with closing(sqlite3.connect(copy)) as target:
            truth.connection.backup(target)
        with copy.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            sync_file(file.fileno())
        manifest = {
            "name": name,
            "label": label,
            "created_at": now.isoformat(),
            "store": truth.uuid,
            "seq": truth.seq,
            "memories": truth.count(),
            "size_bytes": copy.stat().st_size,
            "sha256": digest,
        }
        replace_file(
            making / "manifest.json", lambda file: file.write(json.dumps(manifest, indent=1).encode())
        )
        making.rename(folder / name)
        sync_folder(folder)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return _backup(manifest)


def sweep(folder: Path) -> None:
    """Remove what a kill in the middle of a backup left behind."""
    for unfinished in folder.glob(".*.new"):
        shutil.rmtree(unfinished, ignore_errors=True)


def listed(folder: Path) -> list[Backup]:
    """Read the manifests of all copies, oldest first; an unreadable one is left out, and logged."""
    found = []
    for path in sorted(folder.glob("[!.]*/manifest.json")):
        try:
            found.append(_backup(json.loads(path.read_bytes())))
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s cannot be read: %s", path, error)
    return sorted(found, key=lambda backup: (backup.created_at, backup.name))


def restore_if_asked(data: Path) -> str | None:
    """Take a backup that lies in the data folder as the truth; gives its name.

    The present database is set aside first. Each step can be cut short and done again. A copy that does not match
    its manifest is set aside instead, and the present database stays.
    """
    copy, manifest_path, truth = data / "base.db", data / "manifest.json", data / "memory.db"
    if not copy.exists():
        return None
    manifest = _matching_manifest(copy, manifest_path)
    if manifest is None:
        log.error(
            "base.db in %s does not match its manifest.json; both are set aside, nothing was restored", data
        )
        set_aside(copy)
        set_aside(manifest_path)
        return None
    fresh = data / ".memory.db.restoring"
    for leftover in (fresh, Path(f"{fresh}-wal"), Path(f"{fresh}-journal")):
        leftover.unlink(missing_ok=True)
    shutil.copyfile(copy, fresh)
    _become_another_store(fresh)
    # The write-ahead log belongs to the database: it must go with it, under the same name even if this is cut
    # short in between, and must never be found beside another one.
    aside = data / _free_name(data, f"memory.db.before-restore-{manifest['name']}")
    for part in ("-wal", ""):
        if (old := Path(f"{truth}{part}")).exists():
            old.rename(f"{aside}{part}")
    fresh.rename(truth)
    sync_folder(data)
    copy.unlink()
    manifest_path.unlink()
    return str(manifest["name"])


def _matching_manifest(copy: Path, manifest_path: Path) -> dict[str, Any] | None:
    try:
        manifest: dict[str, Any] = json.loads(manifest_path.read_bytes())
        with copy.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        named = manifest["name"] and Path(manifest["name"]).name == manifest["name"]
        return manifest if named and manifest["sha256"] == digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _become_another_store(path: Path) -> None:
    """Give a restored database a new identity: no index made before the restore fits it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("UPDATE state SET value = ? WHERE key = 'uuid'", (str(uuid.uuid4()),))
        connection.commit()


def _free_name(folder: Path, name: str) -> str:
    number, free = 1, name
    while (folder / free).exists():
        number += 1
        free = f"{name}_{number}"
    return free


def _backup(manifest: dict[str, Any]) -> Backup:
    return Backup(
        name=str(manifest["name"]),
        created_at=datetime.fromisoformat(manifest["created_at"]),
        memories=int(manifest["memories"]),
        size_bytes=int(manifest["size_bytes"]),
    )
