"""Every file of a data folder that may hold what is purged, but for those that the running store writes itself.

Bases and the log are rewritten beside themselves and take the place of the old files together, since neither fits the
other half. What cannot be read cannot be rewritten, and goes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import structs

from faiss_memory.safe_files import open_own, read_own
from faiss_memory.store.backup.manifests import Manifest, SegmentEntry, read_manifest
from faiss_memory.store.backup.redact import (
    FRESH,
    Gone,
    Here,
    Marks,
    look_into,
    look_through,
    may_hold,
    open_alone,
    rewrite_database,
    rewrite_segment,
    rewritten_copy,
)
from faiss_memory.store.backup.snapshots import Base
from faiss_memory.store.filesystem import replace_file, sync_file
from faiss_memory.store.records import operations, tombstones

log = logging.getLogger("faiss_memory.store")

SEGMENTS = "seg-[0-9]*-*.jsonl"
DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CONSTRAINT")


class Damaged(Exception):
    """A file is damaged, so that nobody can say what it holds."""


@dataclass(slots=True)
class Rewriting:
    """What became of bases and the log: files that are ready to take their places, and what is known of all."""

    ready: list[Path] = field(default_factory=list)
    """The places; the new files lie beside them."""
    useless: list[Path] = field(default_factory=list)
    """What cannot be read, or is reached from nowhere."""
    marks: dict[str, Marks] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    """How many memories each base holds."""

    def manifest(self, old: Manifest, base: str, size: int, sha256: str) -> Manifest:
        """Return what a backup holds now, of this base and the log up to the same change."""
        segments, memories = [], self.counts.get(base)
        for entry in old.segments:
            end, after = entry.bytes, None if entry.bytes else memories
            if entry.name in self.marks:
                end, after = self.marks[entry.name].at(old.seq)
                after = memories if after is None else after
            memories = after
            segments.append(SegmentEntry(entry.name, end))
        return structs.replace(
            old,
            segments=segments,
            memories=old.memories if memories is None else memories,
            sha256=sha256,
            size_bytes=size + sum(entry.bytes for entry in segments),
        )


def rewrite_store(store: Path, gone: Gone, live: Path) -> Rewriting:
    """Rewrite `.store`, where bases and segments of several stores may lie, but for the segment that is appended to.

    Raises OSError and sqlite3.Error.
    """
    done = Rewriting()
    bases, segments = sorted(store.glob("base-*.db")), sorted(store.glob(SEGMENTS))
    for name in sorted({_store_of(path) for path in [*bases, *segments]}):
        _rewrite(
            done,
            [path for path in bases if _store_of(path) == name],
            [path for path in segments if _store_of(path) == name],
            gone,
            live,
        )
    for path in [path for path in done.ready if path.suffix == ".db"]:
        described = path.with_name(f"{path.name}.json")
        if (base := read_base(described)) is not None:
            size, sha256 = _described(path, base.sha256)
            _write_fresh(described, structs.replace(base, size=size, sha256=sha256), done)
    return done


def rewrite_backup(folder: Path, gone: Gone) -> Rewriting:
    """Rewrite a backup that has its files for itself. Raises OSError and sqlite3.Error."""
    done, base = Rewriting(), folder / "base.db"
    _rewrite(done, [base] if base.exists() else [], sorted(folder.glob(SEGMENTS)), gone)
    manifest = read_manifest(folder / "manifest.json") if done.ready else None
    if manifest is not None and base not in done.useless and base.exists():
        size, sha256 = base.stat().st_size, manifest.sha256
        if base in done.ready:
            size, sha256 = _described(base, manifest.sha256)
        _write_fresh(folder / "manifest.json", done.manifest(manifest, base.name, size, sha256), done)
    return done


def _rewrite(
    done: Rewriting, bases: list[Path], segments: list[Path], gone: Gone, live: Path | None = None
) -> None:
    """Rewrite the bases of one store, and the segments that lead on from them, up to the one that is appended to."""
    starts: dict[int, Here] = {}
    for path in bases:
        try:
            created, seq, here = _rewrite_base(done, path, gone)
        except Damaged:
            done.useless.append(path)
            continue
        if created != gone.created:
            return
        starts[seq] = here
    reached, carried = -1, Here()
    for path in sorted(segments, key=_start_of):
        start = _start_of(path)
        if start in starts:
            carried = Here(dict(starts[start].rows), carried.ids | starts[start].ids)
        elif start != reached:
            done.useless.append(path)
            continue
        if path == live:
            continue
        marks, fresh = rewrite_segment(path, gone, carried)
        done.marks[path.name] = marks
        if fresh is not None:
            done.ready.append(path)
        reached = marks.seqs[-1] if marks.seqs else start


def _rewrite_base(done: Rewriting, path: Path, gone: Gone) -> tuple[int, int, Here]:
    """Rewrite one base, if it may hold any of the memories; returns when the first database was made that it is a copy
    of, its seq, and what it knew of them."""
    with reading(path) as connection:
        created = tombstones.created(connection)
        seq = int(connection.execute("SELECT value FROM state WHERE key = 'seq'").fetchone()[0])
        if created != gone.created:
            return created, seq, Here()
        here = look_into(connection, gone)
        done.counts[path.name] = operations.content(connection)[0] - len(here.rows)
        holds = may_hold(connection, gone)
    if holds:
        with noticing_damage():
            rewritten_copy(path, gone)
        done.ready.append(path)
    return created, seq, here


@contextmanager
def noticing_damage() -> Iterator[None]:
    """Raise Damaged for what is said of a damaged database; other errors are raised as they are."""
    try:
        yield
    except (sqlite3.Error, TypeError, ValueError, KeyError) as error:
        if isinstance(error, sqlite3.Error) and not error_name(error).startswith(DAMAGED):
            raise
        raise Damaged(str(error)) from error


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database that nobody else uses. Raises Damaged, and sqlite3.Error for other reasons."""
    with noticing_damage(), closing(open_alone(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'state'").fetchone():
            raise ValueError("it holds no memories")
        yield connection


def error_name(error: sqlite3.Error) -> str:
    """Return SQLite's own name of an error."""
    return str(getattr(error, "sqlite_errorname", ""))


def _store_of(path: Path) -> str:
    return path.stem.rsplit("-", 1)[1]


def _start_of(path: Path) -> int:
    return int(path.name.split("-")[1])


def read_base(described: Path) -> Base | None:
    """Read the description of a base; None if there is none that can be read."""
    try:
        return msgspec.json.decode(read_own(described), type=Base)
    except (OSError, msgspec.MsgspecError):
        return None  # such a base is no part of any chain


def _described(path: Path, sha256: str) -> tuple[int, str]:
    """Return size and digest of a base that was rewritten; one that was damaged before stays known as damaged."""
    fresh = path.with_name(path.name + FRESH)
    was = digest_of(path)
    return fresh.stat().st_size, digest_of(fresh) if was == sha256 else sha256


def digest_of(path: Path) -> str:
    """Return the sha256 of a file."""
    with open_own(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_fresh(path: Path, content: Base | Manifest, done: Rewriting) -> None:
    with path.with_name(path.name + FRESH).open("wb") as file:
        file.write(json.dumps(msgspec.to_builtins(content), indent=1).encode())
        file.flush()
        sync_file(file.fileno())
    done.ready.append(path)


# What was set aside.


def clear_set_aside(folder: Path, gone: Gone) -> tuple[int, list[Path]]:
    """Rewrite the databases in a folder that a restore or a repair has set aside, and remove what cannot be read.

    Gives how many were rewritten, and what was removed. Raises OSError and sqlite3.Error.
    """
    rewritten, removed = 0, []
    for path in sorted(folder.glob("damaged-memories-*")):
        rewritten += _leave_out_lines(path, gone)
    for path in sorted(folder.glob("*")):
        if path.is_dir() and ".broken-" in path.name:
            log.warning("%s is a damaged backup, and may hold what is purged: it is removed", path)
            shutil.rmtree(path)
            removed.append(path)
        parts = path.name.endswith(("-wal", "-shm", "-journal"))
        if parts or not path.is_file() or not any(mark in path.name for mark in (".before-", ".broken-")):
            continue
        try:
            rewritten += _rewrite_set_aside(path, gone)
        except Damaged as error:
            log.warning("%s cannot be read (%s), and may hold what is purged: it is removed", path, error)
            for part in ("", "-wal", "-shm", "-journal"):
                Path(f"{path}{part}").unlink(missing_ok=True)
            removed.append(path)
    return rewritten, removed


def _rewrite_set_aside(path: Path, gone: Gone) -> bool:
    """Rewrite one in its place: SQLite sees to it that a kill leaves the old state or the new one."""
    if not _is_database(path):
        raise Damaged("it is no database")
    with reading(path) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA synchronous=FULL")
        if not may_hold(connection, gone):
            return False
        rewrite_database(connection, gone)
    return True


def _leave_out_lines(path: Path, gone: Gone) -> bool:
    """Leave memories out of what a repair has kept of damaged ones, a JSON object a line."""
    lines = read_own(path).splitlines(keepends=True)
    kept = [line for line in lines if not _is_of(json.loads(line), gone)]
    if len(kept) < len(lines):
        replace_file(path, lambda file: file.writelines(kept))
    return len(kept) < len(lines)


def _is_of(row: dict[str, object], gone: Gone) -> bool:
    """Return whether what is left of a damaged memory may be of one that goes."""
    memory_id, uid = row.get("id"), row.get("uid")
    return isinstance(memory_id, int) and (gone.names(memory_id, str(uid)) if uid else memory_id in gone.uids)


def _is_database(path: Path) -> bool:
    with open_own(path) as file:
        return file.read(16) == b"SQLite format 3\0"


def clear_leftovers(data: Path) -> None:
    """Remove what a kill has left of files that were being written."""
    for pattern in (".*.new", ".*.restoring*", "indexes/*/.*.new", "backups/.store/*.db.new*"):
        for path in data.glob(pattern):
            path.unlink(missing_ok=True)
    for path in data.glob("backups/.*.new"):
        shutil.rmtree(path, ignore_errors=True)


def standalone(data: Path) -> list[Path]:
    """Name the folders that have bases and segments for themselves: manual backups, others whose files in `.store` are
    gone, and the data folder itself while the files of a backup lie in it.
    """
    store = data / "backups" / ".store"
    return [
        folder
        for folder in (data, *sorted(data.glob("backups/[!.]*")))
        if (any(folder.glob("base.db")) or any(folder.glob(SEGMENTS))) and not leans_on(store, folder)
    ]


def leans_on(store: Path, folder: Path) -> bool:
    """Return whether an automatic backup's files are those of `.store`."""
    path = folder / "manifest.json"
    manifest = read_manifest(path) if folder.name.startswith("auto") and path.exists() else None
    return manifest is not None and all(
        (store / name).exists() for name in (manifest.base, *(entry.name for entry in manifest.segments))
    )


def held(data: Path, gone: Gone) -> dict[int, set[str]]:
    """Return which of the memories the history holds, by id with their uids, changing nothing.

    Raises OSError and sqlite3.Error.
    """
    store = data / "backups" / ".store"
    stores = {_store_of(path) for path in store.glob("base-*.db") if _is_held(path, gone)}
    segments = [path for path in store.glob(SEGMENTS) if _store_of(path) in stores]
    for folder in standalone(data):
        if (folder / "base.db").exists() and _is_held(folder / "base.db", gone):
            segments += folder.glob(SEGMENTS)
    for path in segments:
        look_through(path, gone)
    for path in data.glob("memory.db.*"):
        if not path.name.endswith(("-wal", "-shm", "-journal")) and _is_database(path):
            _is_held(path, gone)
    return gone.met


def _is_held(path: Path, gone: Gone) -> bool:
    """Look into a database; says whether it may hold any of the memories at some time."""
    try:
        with reading(path) as connection:
            if tombstones.created(connection) != gone.created:
                return False
            look_into(connection, gone)
    except Damaged as error:
        log.warning("%s cannot be read: %s", path, error)
        return False
    return True
