"""Checking the way back: bases, the log after them up to the present, and that every backup restores."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from faiss_memory.errors import StoreCorrupt
from faiss_memory.safe_files import open_own, read_own
from faiss_memory.store.backup import restore, snapshots
from faiss_memory.store.backup.companions import CompanionEntry, is_whole
from faiss_memory.store.backup.log import read_records
from faiss_memory.store.backup.manifests import Manifest, read_manifest
from faiss_memory.store.backup.snapshots import Base
from faiss_memory.store.fsck.findings import Finding, Repair, Step
from faiss_memory.store.records import operations

STORE = "backups/.store"


class Present(NamedTuple):
    """What memory.db says of itself, where it can be read."""

    store: str
    seq: int


def check_chain(data: Path, present: Present | None, step: Step) -> Iterator[Finding]:
    """Yield what is wrong with the bases and the log. Raises OSError."""
    folder = data / STORE
    described = sorted(folder.glob("base-*.db"))
    sound: list[Base] = []
    for number, path in enumerate(described):
        step("the bases", number / len(described))
        base = _description(path)
        if base is None:
            yield Finding(
                f"{STORE}/{path.name}", "its description is missing or damaged", Repair.SET_ASIDE_BASE
            )
        elif path.stat().st_size != base.size or digest(path) != base.sha256:
            yield Finding(f"{STORE}/{path.name}", "it is not as it was made", Repair.SET_ASIDE_BASE)
        else:
            sound.append(base)
    yield from _check_segments(folder, step)
    if present is not None:
        yield from _check_reach(folder, sound, present)


def _description(path: Path) -> Base | None:
    try:
        found = msgspec.json.decode(read_own(Path(f"{path}.json")), type=Base)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found if found.name == path.name else None


def _check_segments(folder: Path, step: Step) -> Iterator[Finding]:
    segments = sorted(folder.glob("seg-*.jsonl"))
    for number, path in enumerate(segments):
        step("the log", number / len(segments))
        rest = path.stat().st_size - sound_bytes(path)
        if rest:
            yield Finding(
                f"{STORE}/{path.name}", f"its last {rest:,} bytes are no whole records", Repair.CUT_LOG
            )


def sound_bytes(path: Path) -> int:
    """Return how far a segment can be read. Raises OSError."""
    end = 0
    for at, _ in read_records(path):
        end = at
    return end


def _check_reach(folder: Path, sound: list[Base], present: Present) -> Iterator[Finding]:
    ours = [base for base in sound if base.store == present.store]
    reached = max((snapshots.reach(folder, base) for base in ours), default=None)
    if reached is None:
        yield Finding(STORE, "no sound base is of this memory.db", Repair.BEGIN_LOG)
    elif reached < present.seq:
        yield Finding(
            STORE, f"the log ends at change {reached}, and memory.db is at {present.seq}", Repair.BEGIN_LOG
        )
    elif reached > present.seq:
        yield Finding(
            "memory.db", f"it lacks {reached - present.seq} changes that the log holds", Repair.TAKE_CHANGES
        )


# Backups.


def check_backups(data: Path, scratch: Path, step: Step, *, replay: bool) -> Iterator[Finding]:
    """Yield which backups do not restore to what their manifest says; by really doing it, with `replay`.

    Raises OSError when the disk, and not a backup, is at fault.
    """
    folders = sorted(path for path in (data / "backups").glob("[!.]*") if path.is_dir())
    known = _Digests()
    for number, folder in enumerate(folders):
        step("the backups", number / len(folders))
        try:
            _check_backup(folder, scratch / "replayed.db", known, replay=replay)
        except StoreCorrupt as error:
            yield Finding(f"backups/{folder.name}", f"it does not restore: {error}", Repair.SET_ASIDE_BACKUP)
            continue
        for entry in damaged_companions(folder):
            problem = "it is missing or damaged; the memories of its backup restore without it"
            yield Finding(f"backups/{folder.name}/{entry.file}", problem, Repair.MEND_COMPANION)


def damaged_companions(folder: Path) -> list[CompanionEntry]:
    """Return which companions of a backup are not what its manifest says."""
    manifest = read_manifest(folder / "manifest.json")
    return [one for one in manifest.companions if not is_whole(one, folder / one.file)] if manifest else []


class _Digests:
    """The digests of files, each read once however many links lead to it."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], str] = {}

    def __call__(self, path: Path) -> str:
        found = path.stat()
        key = (found.st_dev, found.st_ino)
        if key not in self._known:
            self._known[key] = digest(path)
        return self._known[key]


def _check_backup(folder: Path, into: Path, digest_of: Callable[[Path], str], *, replay: bool) -> None:
    """Check a backup by restoring it into the folder `into`. Raises StoreCorrupt."""
    try:
        manifest = msgspec.json.decode(read_own(folder / "manifest.json"), type=Manifest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreCorrupt(f"its manifest cannot be read ({error})") from None
    if manifest.name != folder.name:
        raise StoreCorrupt(f"its manifest is that of {manifest.name}")
    check_restores(folder, manifest, into, digest_of, replay=replay)


def check_restores(
    folder: Path, manifest: Manifest, into: Path, digest_of: Callable[[Path], str], *, replay: bool
) -> None:
    """Compare the files of a backup with its manifest, and with `replay` restore them to a file, for a moment.

    Raises StoreCorrupt.
    """
    moment = restore.moment_of_backup(folder, manifest)
    if digest_of(moment.base) != manifest.sha256:
        raise StoreCorrupt(f"{moment.base} is not as it was when backup {manifest.name} was made")
    for stretch in moment.stretches:
        if stretch.path.stat().st_size < (stretch.bytes or 0):
            raise StoreCorrupt(f"{stretch.path} is shorter than it was when backup {manifest.name} was made")
    if not replay:
        return
    restore.build(restore.Moment(moment.name, moment.base, moment.stretches, seq=moment.seq), into)
    try:
        with closing(sqlite3.connect(into)) as connection:
            memories, _ = operations.content(connection)
    finally:
        into.unlink()
    if memories != manifest.memories:
        raise StoreCorrupt(f"it holds {memories} memories, and its manifest says {manifest.memories}")


def digest(path: Path) -> str:
    """Return the sha256 of a file. Raises OSError."""
    with open_own(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
