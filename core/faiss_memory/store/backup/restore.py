"""Restoring: which files lead to a backup or a moment, and putting what they give in the place of the present database.

Copying a backup's files into the data folder and starting is enough. Each step may be cut short and done again.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from faiss_memory.contracts.backups import LeftOut
from faiss_memory.errors import MemoryNotFound, StoreCorrupt
from faiss_memory.safe_files import open_own
from faiss_memory.store.backup import snapshots
from faiss_memory.store.backup.companions import PATTERN, Companions, Kept
from faiss_memory.store.backup.log import read_records
from faiss_memory.store.backup.manifests import Manifest, read_manifest
from faiss_memory.store.backup.redact import leave_out
from faiss_memory.store.backup.replay import Stretch, replay
from faiss_memory.store.backup.snapshots import Base
from faiss_memory.store.filesystem import set_aside, sync_folder
from faiss_memory.store.records import operations, tombstones
from faiss_memory.store.records.connection import is_out_of_reach
from faiss_memory.store.records.incoming import Inadmissible, Rules, admit
from faiss_memory.store.records.rows import to_microseconds
from faiss_memory.uids import new_uid

log = logging.getLogger("faiss_memory.store")

MAKING = ".memory.db.restoring"


@dataclass(frozen=True, slots=True)
class Moment:
    """What leads to a state: a base, the log after it, and where to stop."""

    name: str
    base: Path
    stretches: list[Stretch]
    seq: int | None = None
    time: int | None = None
    sha256: str = ""
    """Of the base, where it is known."""
    memories: int | None = None
    """How many there are, where it is known."""
    companions: Sequence[Kept] = ()


@dataclass(frozen=True, slots=True)
class Built:
    """A database that was built beside the present one: its seq, and what was or will be left out of its answers.

    It `is_own` if it was written in this data folder, or this one has no past and goes on with that one's.
    """

    seq: int
    left_out: tuple[LeftOut, ...]
    is_own: bool


def moment_of_backup(folder: Path, manifest: Manifest) -> Moment:
    """Return what leads to a backup, given its folder, or the data folder that its files were copied into.

    Raises StoreCorrupt when a file of it is missing.
    """
    store = folder / ".store" if (folder / ".store").is_dir() else folder.parent / ".store"
    base = folder / "base.db"
    if not base.exists():
        base = store / manifest.base
    stretches = []
    for segment in manifest.segments:
        path = folder / segment.name
        stretches.append(Stretch(path if path.exists() else store / segment.name, segment.bytes))
    for path in (base, *(stretch.path for stretch in stretches)):
        if not path.is_file():
            raise StoreCorrupt(f"{path} is missing, and backup {manifest.name} needs it")
    companions = companions_of_backup(folder, manifest)
    return Moment(
        manifest.name, base, stretches, manifest.seq, None, manifest.sha256, manifest.memories, companions
    )


def companions_of_backup(folder: Path, manifest: Manifest) -> list[Kept]:
    """Return what goes along with a backup, given its folder."""
    return [Kept(entry, folder / entry.file) for entry in manifest.companions]


def moment_at(store: Path, time: datetime) -> Moment:
    """Return what leads to the state at a time. Raises MemoryNotFound when nothing reaches back so far."""
    wanted = to_microseconds(time)
    later: Base | None = None
    for base in snapshots.bases(store):
        if base.time <= wanted:
            stretches = snapshots.log_after(store, base)
            if later is not None and later.store == base.store and _ends_before(stretches, wanted, later.seq):
                break
            return Moment(
                f"{time.isoformat()}", store / base.name, stretches, time=wanted, sha256=base.sha256
            )
        later = base
    raise MemoryNotFound(
        f"no backup reaches back to {time.isoformat()}; GET /backups lists what there is", "time"
    )


def _ends_before(stretches: Sequence[Stretch], time: int, seq: int) -> bool:
    """Return whether a log ends before a time, and does not lead to the change at which the next base begins."""
    last = 0, 0
    for stretch in stretches:
        for _, record in read_records(stretch.path):
            last = record.time, record.seq
    return last[0] < time and last[1] < seq


def build(
    moment: Moment,
    into: Path,
    progress: Callable[[float], None] = lambda _: None,
    known: tombstones.Known | None = None,
    rules: Rules | None = None,
) -> Built:
    """Build a moment's database. Raises StoreCorrupt, OSError and sqlite3.Error.

    What was purged is left out, as `known` has it, or the data folder that it is built in. With `rules` it must keep to
    them; without limits it is held to those of a stranger all the same unless it is of the folder's own line.
    """
    known = known or tombstones.read(into.parent)
    if moment.sha256 and _digest(moment.base) != moment.sha256:
        raise StoreCorrupt(f"{moment.base} is not as it was when backup {moment.name} was made")
    try:
        seq = replay(
            moment.base,
            moment.stretches,
            into,
            until_seq=moment.seq,
            until_time=moment.time,
            progress=progress,
        )
    except (sqlite3.Error, UnicodeDecodeError, KeyError, TypeError, ValueError, OverflowError) as error:
        if is_out_of_reach(error):
            raise
        # (Whatever damage, or somebody else's database, may look like.)
        raise StoreCorrupt(f"{moment.base} and its log cannot be read ({error})") from None
    with closing(sqlite3.connect(into)) as connection:
        line = tombstones.line_of(connection)
    damaged = [] if rules is None else _admitted(moment, into, line == known.line, rules)
    gone = leave_out(into, known)
    if gone:
        log.warning("%d memories of %s are left out: they were purged", len(gone), moment.name)
    return Built(seq, (*gone, *damaged), known.line in (None, line))


def _admitted(moment: Moment, made: Path, is_own: bool, rules: Rules) -> list[LeftOut]:
    """Look through what was built; returns the memories that are damaged. Raises StoreCorrupt and sqlite3.Error."""
    with closing(sqlite3.connect(made)) as connection:
        count = operations.content(connection)[0]
    if is_own and not rules.is_archive:
        return admit(made, rules._replace(limits=None))
    if moment.memories not in (None, count):
        raise Inadmissible(f"it holds {count} memories, and its manifest says {moment.memories}")
    return admit(made, rules)


def become_another_store(path: Path, reached: Mapping[str, int], line: str) -> None:
    """Give a restored database an identity of its own: no index made before fits it, and no id is given twice.

    `reached` says how far the database has counted whose place it takes; see `counted`. `line` is that of the data
    folder: what is written from now on is written there, wherever the memories came from.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE state SET value = ? WHERE key = 'uuid'", (str(uuid.uuid4()),))
        connection.execute("UPDATE state SET value = ? WHERE key = 'line'", (line,))
        for name, highest in reached.items():
            if name == "seq":
                connection.execute("UPDATE state SET value = max(value, ? + 1) WHERE key = 'seq'", (highest,))
                continue
            operations.count_on(connection, name, highest)
        connection.execute("COMMIT")


def take_on(data: Path) -> None:
    """Make a database that was put into a data folder by hand the folder's own, without what was purged from it.

    A kill in between leaves it as it was, or as it will be. Raises OSError and sqlite3.Error.
    """
    reached, known = _counted_in(data), known_in(data, taking_on=True)
    if gone := leave_out(data / "memory.db", known):
        log.warning("%d memories of memory.db are left out: they were purged", len(gone))
    become_another_store(data / "memory.db", reached, known.line or new_uid())


def counted(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how far a database has counted its memories, passages and changes."""
    found = dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    seq = int(connection.execute("SELECT value FROM state WHERE key = 'seq'").fetchone()[0])
    return {name: int(found[name]) for name in ("memories", "passages") if name in found} | {"seq": seq}


def _counted_in(data: Path) -> dict[str, int]:
    """Return how far the database of a folder has counted, if it can be read: it may be why something is restored.

    A restore that was cut short may have set it aside already.
    """
    found: dict[str, int] = {}
    for path in (data / "memory.db", *data.glob("memory.db.before-restore-*")):
        if path.exists() and not path.name.endswith("-wal"):
            with (
                suppress(sqlite3.Error, UnicodeDecodeError, TypeError),
                closing(sqlite3.connect(path)) as connection,
            ):
                _raise_to(found, counted(connection))
    # What the database has lost, the log may still know.
    store = data / "backups" / ".store"
    for base in snapshots.bases(store) if store.is_dir() else ():
        for stretch in snapshots.log_after(store, base):
            for _, record in read_records(stretch.path):
                _raise_to(found, operations.reached(record))
    return found


def known_in(data: Path, *, taking_on: bool = False) -> tombstones.Known:
    """Return what a data folder knows of itself, from its databases and its history as far as they can be read.

    The list of what was purged is brought up to date with them; when a strange database is being taken on, its list is
    not looked at. Raises OSError.
    """
    lines = []
    for path in () if taking_on else (data / "memory.db", *data.glob("memory.db.before-restore-*")):
        if path.exists() and not path.name.endswith("-wal"):
            with (
                suppress(sqlite3.Error, UnicodeDecodeError, TypeError),
                closing(sqlite3.connect(path)) as connection,
            ):
                tombstones.keep(data, connection)
                lines.append(tombstones.line_of(connection))
    store = data / "backups" / ".store"
    for base in snapshots.bases(store) if store.is_dir() else ():
        with suppress(sqlite3.Error, TypeError), closing(sqlite3.connect(store / base.name)) as connection:
            lines.append(tombstones.line_of(connection))
    known = tombstones.read(data)
    return tombstones.Known(next(iter(lines), known.line), known.purged)


def _raise_to(found: dict[str, int], reached: Mapping[str, int]) -> None:
    for name, highest in reached.items():
        found[name] = max(found.get(name, 0), highest)


def put_in_place(data: Path, made: Path, name: str) -> Path | None:
    """Put a finished database in the place of the present one, which is set aside; gives its new name.

    The write-ahead log belongs to the database: it goes with it, under the same name even if this is cut short in
    between, and must never be found beside another one.
    """
    truth = data / "memory.db"
    aside = data / _free_name(data, f"memory.db.before-restore-{name.replace(':', '').replace('/', '')}")
    for part in ("-wal", ""):
        if (old := Path(f"{truth}{part}")).exists():
            old.rename(f"{aside}{part}")
    made.rename(truth)
    sync_folder(data)
    return aside if aside.exists() else None


def restore_if_asked(
    data: Path,
    progress: Callable[[float], None] = lambda _: None,
    rules: Rules | None = None,
    companions: Companions | None = None,
) -> str | None:
    """Restore the backup whose files lie in the data folder, if they do, with its companions; gives its name.

    One that does not come to what its manifest says, or holds what the `rules` refuse, is set aside instead, and the
    present database stays.
    """
    manifest_path, base = data / "manifest.json", data / "base.db"
    parts = (manifest_path, base, *sorted(data.glob("seg-*.jsonl")), *sorted(data.glob(PATTERN)))
    files = [path for path in parts if path.exists()]
    if not files:
        return None
    known = known_in(data)
    try:
        manifest = read_manifest(manifest_path) if manifest_path.exists() else None
        if manifest is None:
            raise StoreCorrupt(f"{manifest_path} is missing, or cannot be read")
        moment = moment_of_backup(data if base.exists() else data / "backups" / manifest.name, manifest)
        built = build(moment, data / MAKING, progress, known, rules or Rules())
    except (StoreCorrupt, OSError, sqlite3.Error, UnicodeDecodeError) as error:
        log.error("the backup in %s is set aside, and nothing was restored: %s", data, error)
        for path in files:
            set_aside(path)
        return None
    become_another_store(data / MAKING, _counted_in(data), known.line or new_uid())
    put_in_place(data, data / MAKING, manifest.name)
    if companions is not None:
        companions.take_over(companions.read(moment.companions), is_own=built.is_own)
    for path in reversed(files):  # the manifest last: without it nothing is restored again
        path.unlink(missing_ok=True)
    return manifest.name


def rebuild(data: Path, progress: Callable[[float], None] = lambda _: None) -> str | None:
    """Build memory.db anew from the latest base and its log, in place of one that cannot be read, which is set aside.

    Says from what; None if there is nothing to build it from.
    """
    store = data / "backups" / ".store"
    for base in snapshots.bases(store) if store.is_dir() else ():
        moment = Moment(
            "the latest state", store / base.name, snapshots.log_after(store, base), sha256=base.sha256
        )
        try:
            seq = build(moment, data / MAKING, progress).seq
        except (StoreCorrupt, OSError, sqlite3.Error, UnicodeDecodeError) as error:
            log.error("%s leads to nothing: %s", base.name, error)
            continue
        for part in ("-wal", ""):
            set_aside(Path(f"{data / 'memory.db'}{part}"))
        (data / MAKING).rename(data / "memory.db")
        sync_folder(data)
        return f"{base.name} and the log after it, up to change {seq}"
    return None


def _digest(path: Path) -> str:
    with open_own(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _free_name(folder: Path, name: str) -> str:
    number, free = 1, name
    while (folder / free).exists() or (folder / f"{free}-wal").exists():
        number += 1
        free = f"{name}_{number}"
    return free
