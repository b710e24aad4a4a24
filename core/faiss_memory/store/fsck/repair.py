"""Mending what was found in a data folder. Nothing is lost by it: what is replaced lies aside afterwards, whole.

What a start mends by itself is left to one; what it cannot mend is taken out of its way first.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import structs

from faiss_memory.errors import StoreCorrupt, StoreError
from faiss_memory.safe_files import read_own
from faiss_memory.store.backup import restore, snapshots
from faiss_memory.store.backup.companions import is_whole
from faiss_memory.store.backup.manifests import read_manifest, write_manifest
from faiss_memory.store.backup.restore import Moment
from faiss_memory.store.backup.timeline import History
from faiss_memory.store.filesystem import replace_file, sync_data, sync_folder
from faiss_memory.store.fsck.backup_check import STORE, sound_bytes
from faiss_memory.store.fsck.findings import Finding, Repair, Step
from faiss_memory.store.index.follower import Derived
from faiss_memory.store.index.vector_files import sidecar_path
from faiss_memory.store.opening import SCRATCH, open_truth
from faiss_memory.store.records import operations
from faiss_memory.store.records.database import Truth
from faiss_memory.store.records.rows import MEMORY_COLUMNS, from_row

log = logging.getLogger("faiss_memory.store")

OF_ROWS = (Repair.MEND_MEMORY, Repair.DROP_PASSAGES, Repair.DROP_ORIGIN, Repair.COUNT_ANEW)
_NAMES = [name.strip() for name in MEMORY_COLUMNS.split(",")]
_CRC = _NAMES.index("crc")


def repair(
    data: Path, findings: Sequence[Finding], max_backups: int, step: Step = lambda what, part: None
) -> None:
    """Mend what was found in a data folder that the caller owns.

    Raises StoreError when the disk does not let it be done, StoreCorrupt when memory.db is lost and so is its log. What
    was done until then stays, and all of it can be begun again.
    """
    try:
        _take_out_of_the_way(data, findings)
        step("memory.db", 0)
        if any(finding.repair is Repair.BUILD_TRUTH for finding in findings):
            _build_truth(data)
        truth = open_truth(data)
        with closing(truth):
            _mend_rows(truth, data, [finding for finding in findings if finding.repair in OF_ROWS], step)
            step("the log and search.db", 0)
            # As a start does it: both are brought to what memory.db says now.
            with closing(History(data, max_backups, truth)):
                derived = Derived(data, truth, lambda: None)
                while derived.indexes.analyze_some():
                    pass
                derived.indexes.mark_clean()
                derived.close()
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"{data} cannot be repaired ({error}). Look after the disk, and try again"
        ) from error


def _take_out_of_the_way(data: Path, findings: Sequence[Finding]) -> None:
    for finding in findings:
        path = data / finding.file
        if finding.repair is Repair.SET_ASIDE_BACKUP:
            _set_aside_in(data, path)
        elif finding.repair is Repair.SET_ASIDE_BASE:
            _set_aside_in(data, path)
            _set_aside_in(data, path.with_name(f"{path.name}.json"))
        elif finding.repair is Repair.MEND_COMPANION:
            _mend_companion(data, path)
        elif finding.repair is Repair.CUT_LOG:
            shutil.copyfile(path, _free(data / f"{path.name}.broken"))
            with path.open("r+b") as file:
                file.truncate(sound_bytes(path))
                sync_data(file.fileno())
        elif finding.repair is Repair.MAKE_ANEW:
            for part in (path, Path(f"{path}-wal"), Path(f"{path}-shm"), sidecar_path(path)):
                _remove(part)
        elif finding.repair is Repair.REMOVE:
            _remove(path)


def _mend_companion(data: Path, path: Path) -> None:
    """Take a backup's companion from the data folder or another backup; or leave the backup without it."""
    folder = path.parent
    manifest = read_manifest(folder / "manifest.json")
    entry = next((one for one in manifest.companions if one.file == path.name), None) if manifest else None
    if manifest is None or entry is None:
        return
    places = [data / entry.name, *(data / "backups").glob(f"*/{path.name}")]
    whole = next((place for place in places if is_whole(entry, place)), None)
    content = read_own(whole) if whole is not None else None
    _set_aside_in(data, path)
    if content is not None:
        replace_file(path, lambda file: file.write(content))
        os.chmod(path, 0o600)
        return
    left = [one for one in manifest.companions if one is not entry]
    write_manifest(folder, structs.replace(manifest, companions=left), sync=True)


def _remove(path: Path) -> None:
    """Remove what lies there, even if it is a folder in a file's place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _build_truth(data: Path) -> None:
    source = restore.rebuild(data)
    if source is None:
        raise StoreCorrupt(
            f"memory.db cannot be built anew, because {data / STORE} leads to nothing. Put the files of a backup from "
            f"{data / 'backups'} into {data}, and start the service."
        )
    log.warning("memory.db was built anew from %s", source)


def _set_aside_in(data: Path, path: Path) -> None:
    """Move it out of `backups`, where nothing looks for it and nothing sweeps it."""
    if path.exists():
        path.rename(_free(data / f"{path.name}.broken"))
        sync_folder(data)


def _free(path: Path) -> Path:
    number = 1
    while (free := path.with_name(f"{path.name}-{number}")).exists():
        number += 1
    return free


# Rows of memory.db.


def _mend_rows(truth: Truth, data: Path, findings: Sequence[Finding], step: Step) -> None:
    """Mend rows in one transaction. It counts as a change of its own, which no log holds: so the log begins anew."""
    if not findings:
        return
    wanted = {finding.id for finding in findings if finding.repair is Repair.MEND_MEMORY}
    copies = _copies(data, truth, wanted, step)
    lost = sorted(wanted - copies.keys())
    if lost:
        _keep(data, [row for memory in lost for row in _rows(truth.connection, memory)])
    run = truth.connection.execute
    run("BEGIN IMMEDIATE")
    try:
        seq = truth.seq + 1
        for memory, row in copies.items():
            _write(truth.connection, row, seq)
            log.warning("memory %d was damaged, and was taken from a copy of it", memory)
        for memory in lost:
            run("INSERT OR REPLACE INTO removed SELECT ?, ?, uid FROM memories WHERE id = ?1", (memory, seq))
            run("DELETE FROM memories WHERE id = ?", (memory,))
            log.error("memory %d was damaged, no copy of it is whole, and it was removed", memory)
        for finding in findings:
            if finding.repair is Repair.DROP_PASSAGES:
                run("DELETE FROM passages WHERE memory = ?", (finding.id,))
            elif finding.repair is Repair.DROP_ORIGIN:
                run("DELETE FROM origins WHERE memory = ?", (finding.id,))
        operations.keep_content(truth.connection, *operations.count_content(truth.connection))
        run("UPDATE state SET value = ? WHERE key = 'seq'", (seq,))
        run("COMMIT")
    except BaseException:
        if truth.connection.in_transaction:
            run("ROLLBACK")
        raise


def _write(connection: sqlite3.Connection, row: Sequence[Any], seq: int) -> None:
    # Its project may have gone only if the row that names it was damaged, too.
    connection.execute(
        "INSERT OR IGNORE INTO projects SELECT ?1, ?2, ?2", (row[1], row[_NAMES.index("timestamp")])
    )
    assignments = ", ".join(f"{name} = ?" for name in _NAMES[1:])
    connection.execute(f"UPDATE memories SET {assignments}, seq = ? WHERE id = ?", (*row[1:], seq, row[0]))


def _rows(connection: sqlite3.Connection, memory: int) -> list[tuple[Any, ...]]:
    return connection.execute(f"SELECT {MEMORY_COLUMNS} FROM memories WHERE id = ?", (memory,)).fetchall()


def _keep(data: Path, rows: Sequence[Sequence[Any]]) -> None:
    """Write what is left of memories where a person can read it."""
    lines = [
        json.dumps(dict(zip(_NAMES, row, strict=True)), ensure_ascii=False, default=repr) for row in rows
    ]
    content = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
    path = _free(data / "damaged-memories")
    replace_file(path, lambda file: file.write(content))
    os.chmod(path, 0o600)


def _copies(data: Path, truth: Truth, wanted: set[int], step: Step) -> dict[int, tuple[Any, ...]]:
    """Look for whole copies of memories, as they are now, wherever there is a way back."""
    found: dict[int, tuple[Any, ...]] = {}
    if not wanted:
        return found
    crc = {memory: row[_CRC] for memory in wanted for row in _rows(truth.connection, memory)}
    made = data / SCRATCH
    for number, moment in enumerate(_moments(data)):
        step("copies of damaged memories", min(0.9, number / 10))
        try:
            is_latest = restore.build(moment, made).seq == truth.seq
            with closing(sqlite3.connect(made)) as connection:
                for memory in wanted - found.keys():
                    for row in _rows(connection, memory):
                        # Of an earlier moment it may be an earlier state: then only the same checksum will do.
                        if _is_sound(row) and (is_latest or row[_CRC] == crc[memory]):
                            found[memory] = row
        except (StoreCorrupt, sqlite3.Error) as error:
            log.info("%s holds no copy: %s", moment.name, error)
        finally:
            made.unlink(missing_ok=True)
        if found.keys() == wanted:
            break
    return found


def _is_sound(row: Sequence[Any]) -> bool:
    try:
        from_row(row)
    except StoreCorrupt:
        return False
    return True


def _moments(data: Path) -> Iterator[Moment]:
    """Yield the ways back, the latest first."""
    store = data / STORE
    for base in snapshots.bases(store):
        yield Moment(base.name, store / base.name, snapshots.log_after(store, base), sha256=base.sha256)
    for folder in sorted((data / "backups").glob("[!.]*"), reverse=True):
        manifest = read_manifest(folder / "manifest.json")
        if manifest is not None:
            try:
                yield restore.moment_of_backup(folder, manifest)
            except StoreCorrupt as error:
                log.info("%s holds no copy: %s", folder.name, error)
