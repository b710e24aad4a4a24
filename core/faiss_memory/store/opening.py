"""memory.db at the start: opened, mended from the log where it lacks something, or built anew where it is lost."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from faiss_memory.errors import StoreCorrupt
from faiss_memory.store.backup import migration, restore, snapshots
from faiss_memory.store.backup.companions import Companions
from faiss_memory.store.busy import Busy
from faiss_memory.store.records.database import Truth
from faiss_memory.store.records.incoming import Rules
from faiss_memory.store.records.version import NewerSchema

log = logging.getLogger("faiss_memory.store")

SCRATCH = ".verifying"
"""Where a verification makes copies that are looked at; removed afterwards."""
OURS = (
    *("memory.db*", "search.db*", "keywords.npz", "*.json", "base.db", "seg-*.jsonl", "reserve.bin"),
    *("damaged-memories-*", "index*.faiss*", "indexes/*", "indexes/*/*", "backups/*", "backups/*/*"),
)


def special_files(data: Path) -> list[Path]:
    """Name what lies in the place of a file of ours and is none: whoever opens a pipe may wait for ever."""
    found = {path for pattern in OURS for path in data.glob(pattern)}
    return sorted(path for path in found if path.exists() and not (path.is_file() or path.is_dir()))


def remove_special_files(data: Path) -> None:
    """Remove pipes, sockets and devices, which hold nothing, so that a file counts as missing. Raises OSError."""
    for path in special_files(data):
        log.error("%s is a pipe, a socket or a device in the place of a file: it is removed", path)
        path.unlink()


def sweep(data: Path) -> None:
    """Remove copies of the records that a kill has left: they take room, and would outlive a purge."""
    for path in (*data.glob(".*.restoring*"), data / SCRATCH):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def restored_or_present(data: Path, busy: Busy, rules: Rules, companions: Companions) -> Truth:
    """Restore the backup whose files lie in a data folder, if they do, and open memory.db; raises as `open_truth`."""
    with busy.at("a backup is being restored"):
        restored = restore.restore_if_asked(data, busy.step, rules, companions)
    if restored is not None:
        log.warning("restored from backup %s; the database before was set aside", restored)
    sweep(data)
    return open_truth(data, busy.step, restored=restored is not None)


def open_truth(
    data: Path, progress: Callable[[float], None] = lambda _: None, *, restored: bool = False
) -> Truth:
    """Open memory.db; one that is missing or cannot be read is built anew from its log, to the last change.

    `progress` is told how far that is, where it is done. One that was just `restored` is not yet known to the log.
    Raises StoreCorrupt when there is nothing to build it from, NewerSchema, OSError and sqlite3.Error.
    """
    path = data / "memory.db"
    store = data / "backups" / ".store"
    # SQLite would take an empty file for a new database and begin with nothing, as if nothing had been lost.
    empty = path.exists() and not path.stat().st_size
    known = store.is_dir() or (empty and path.with_name("search.db").exists())
    lost = known and (empty or not path.exists())
    try:
        if not lost:
            migration.back_up_older(data)
            truth = Truth(path)
            return _caught_up(truth if restored else _taken_on(truth, data, store), store)
        raise StoreCorrupt(f"{path} is {'empty' if empty else 'missing'}")
    except NewerSchema:
        raise
    except StoreCorrupt as error:
        source = restore.rebuild(data, progress)
        if source is None:
            raise StoreCorrupt(
                f"{error}. Put the files of a backup from {store.parent} into {data} and start again; the "
                "present file is kept aside."
            ) from None
        log.error("%s; it was built anew from %s, and what was there is set aside", error, source)
        return Truth(path)


def _taken_on(truth: Truth, data: Path, store: Path) -> Truth:
    """Take a database on that somebody has put in the place of the folder's own, as a restore would.

    Changes are counted on through every restore: so the base that is furthest is of the database that belongs here.
    """
    known = snapshots.bases(store) if store.is_dir() else []
    if not known or max(known, key=lambda base: base.seq).store == truth.uuid:
        return truth
    log.warning(
        "%s is not the one that %s tells of, and is taken as it is: the log begins anew, and the backups lead back",
        truth.path, store,
    )  # fmt: skip
    truth.close()
    restore.take_on(data)
    return Truth(truth.path)


def _caught_up(truth: Truth, store: Path) -> Truth:
    try:
        if (changes := snapshots.roll_forward(store, truth)) > 0:
            log.warning("%d changes that memory.db lacked were taken from the log", changes)
    except BaseException:
        truth.close()
        raise
    return truth
