"""Checking a whole data folder, and changing nothing in it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from faiss_memory.errors import StoreError
from faiss_memory.store.backup.archives import UNPACKED
from faiss_memory.store.backup.restore import MAKING
from faiss_memory.store.fsck.backup_check import Present, check_backups, check_chain
from faiss_memory.store.fsck.findings import Finding, Repair, Step
from faiss_memory.store.fsck.index_check import Sound, check_catalogue, check_vector_files
from faiss_memory.store.fsck.records_check import NAME, check_truth, read_truth
from faiss_memory.store.lock import FolderLock
from faiss_memory.store.opening import SCRATCH, special_files
from faiss_memory.store.records import operations
from faiss_memory.store.records.version import NewerSchema
from faiss_memory.store.reserve import BYTES


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found, and which files of earlier times lie aside."""

    findings: list[Finding]
    set_aside: list[str]


@contextmanager
def owned(data: Path) -> Iterator[None]:
    """Hold the lock of an existing data folder while the block runs. Raises StoreError, StoreLocked if it is held."""
    if not data.is_dir():
        raise StoreError(f"there is no data folder {data}; name the right one with --data-dir")
    try:
        lock = FolderLock(data)
    except OSError as error:
        raise StoreError(f"the data folder {data} cannot be used ({error})") from error
    try:
        yield
    finally:
        lock.release()


def verify(data: Path, step: Step = lambda what, part: None, *, thorough: bool = True) -> Verified:
    """Check every file of a data folder that the caller owns.

    Without `thorough` no backup is restored beside, and no text is taken apart again.
    Raises NewerSchema, and StoreError when the disk does not let itself be read.
    """
    scratch = data / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        _check_access(data)
        scratch.mkdir(mode=0o700)
        findings = list(_findings(data, scratch, step, thorough=thorough))
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"{data} cannot be verified ({error}). Look after the disk and its permissions"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Verified(findings, [path.name for path in set_aside_files(data)])


def _findings(data: Path, scratch: Path, step: Step, *, thorough: bool) -> Iterator[Finding]:
    present = None
    if (data / NAME).exists() and (data / NAME).stat().st_size:
        try:
            with read_truth(data / NAME, scratch) as connection:
                yield from (found := list(check_truth(connection, data / NAME, step)))
                if not any(finding.repair is Repair.BUILD_TRUTH for finding in found):
                    present = _present(connection)
                    damaged = frozenset(one.id for one in found if one.repair is Repair.MEND_MEMORY)
                    sound = Sound(connection, damaged)
                    yield from check_catalogue(data, sound, present, scratch, step, words=thorough)
        except NewerSchema:
            raise
        except (sqlite3.DatabaseError, UnicodeDecodeError, KeyError, TypeError) as error:
            yield Finding(NAME, f"it cannot be read ({error})", Repair.BUILD_TRUTH)
    elif (data / "backups/.store").is_dir():
        yield Finding(NAME, "it is missing or empty", Repair.BUILD_TRUTH)
    yield from check_chain(data, present, step)
    yield from check_backups(data, scratch, step, replay=thorough)
    yield from check_vector_files(data, present, step)
    yield from _check_others(data)


def _present(connection: sqlite3.Connection) -> Present:
    state = dict(connection.execute("SELECT key, value FROM state WHERE key IN ('uuid', 'seq')").fetchall())
    operations.content(connection)
    return Present(str(state["uuid"]), int(state["seq"]))


def _check_access(data: Path) -> None:
    for path in [data, *data.rglob("*")]:
        if not os.access(path, os.R_OK | os.W_OK):
            raise StoreError(f"{path} may not be read and written by this user; see who owns it (ls -l)")
    for path in special_files(data):
        raise StoreError(f"{path} is a pipe, a socket or a device in the place of a file; remove it")


def _check_others(data: Path) -> Iterator[Finding]:
    reserve = data / "reserve.bin"
    if reserve.exists() and reserve.stat().st_size != BYTES:
        yield Finding(reserve.name, "it does not keep the room that it is for", Repair.REMOVE)
    for path in leftovers(data):
        yield Finding(str(path.relative_to(data)), "a process that was killed left it behind", Repair.REMOVE)


def leftovers(data: Path) -> list[Path]:
    """Name what was begun and not finished; a start takes most of it away."""
    found = [data / MAKING, data / UNPACKED, *data.glob(".*.new")]
    found += [*(data / "backups").glob(".*.new"), *(data / "backups/.store").glob("*.new*")]
    return sorted(path for path in found if path.exists())


def set_aside_files(data: Path) -> list[Path]:
    """Name what was kept of earlier states; a person may delete it."""
    found = [
        *data.glob("*.broken-*"),
        *data.glob("memory.db.before-restore-*"),
        *data.glob("damaged-memories-*"),
    ]
    return sorted(found)
