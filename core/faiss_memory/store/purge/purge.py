"""Purging: what was forgotten for good leaves every file, while writes go on as far as that can be.

First the memories go from memory.db and from every answer, with one logged write. Then all older files are rewritten
without them. What is to be done lies in a file from before the first step until after the last, so that the next start
finishes a purge that was cut short; each step may be done again.
"""

from __future__ import annotations

import errno
import logging
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from faiss_memory.background import Problems
from faiss_memory.contracts.store import LetGo, Proof, Purged
from faiss_memory.errors import DiskFull, StoreError
from faiss_memory.safe_files import read_own
from faiss_memory.store.backup.manifests import Manifest
from faiss_memory.store.backup.redact import FRESH, Gone, look_into
from faiss_memory.store.backup.timeline import History
from faiss_memory.store.committer import Committer
from faiss_memory.store.filesystem import replace_file, sync_folder
from faiss_memory.store.index.follower import Derived
from faiss_memory.store.index.rwlock import ReadersWriterLock
from faiss_memory.store.purge import proof
from faiss_memory.store.purge.files import (
    Rewriting,
    clear_leftovers,
    clear_set_aside,
    digest_of,
    held,
    leans_on,
    read_base,
    rewrite_backup,
    rewrite_store,
    standalone,
)
from faiss_memory.store.records import tombstones
from faiss_memory.store.records.changes import Changes
from faiss_memory.store.records.database import Truth
from faiss_memory.uids import derived_uid

log = logging.getLogger("faiss_memory.store")


class Intent(Struct, frozen=True, rename={"created": "line"}):
    """A purge that is under way. `ready` are files whose new content lies beside them and is to take their places.

    `named` are ids with their uids; a purge that was begun before there were uids has `ids` alone.
    """

    created: int
    ids: list[int]
    ready: list[str] = []
    named: list[tuple[int, str]] = []

    def gone(self) -> Gone:
        """Return the memories that go."""
        named = self.named or [(memory_id, derived_uid(self.created, memory_id)) for memory_id in self.ids]
        return Gone(self.created, _by_id(named))


def _by_id(named: Iterable[tuple[int, str]]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for memory_id, uid in named:
        found.setdefault(memory_id, set()).add(uid)
    return found


class Purging:
    """Purges memories from a data folder. One at a time, and never beside what copies, rolls or restores files.

    `files` is held as a reader by whoever does that, and alone while older files are rewritten.
    """

    def __init__(
        self,
        data: Path,
        committer: Committer,
        history: History,
        derived: Derived,
        files: ReadersWriterLock,
        on_failure: Callable[[StoreError], None],
        problems: Problems,
    ) -> None:
        self._data = data
        self._store = data / "backups" / ".store"
        self._committer = committer
        self._history = history
        self._derived = derived
        self._files = files
        self._on_failure = on_failure
        self._problems = problems

    def purge(self, ids: Sequence[int], *, dry_run: bool, prove: bool, let_go: LetGo) -> Purged:
        """Purge memories, those as well that were forgotten before, if any file still holds them.

        Raises DiskFull and StoreError when it could not be finished: a start, or another purge, goes on with it.
        """
        alone = self._files.reading() if dry_run else self._files.writing()
        with alone, self._history.keeping_all():  # before the committer is asked, so that it knows
            created = self._committer.read(lambda truth: tombstones.created(truth.connection))
            try:
                known = self._known(created, set(ids))
                if not dry_run:
                    self._finish_older()
                if dry_run or not known:
                    return _told(ids, known.keys())
                gone = Gone(created, known)
                files, removed = self._run(gone)
            except (OSError, sqlite3.Error, DiskFull) as error:
                raise _unfinished(error) from error
        let_go(sorted(known), gone.texts)
        found = proof.search(self._data, gone.texts, known.keys()) if prove else None
        return _told(ids, known.keys(), files, removed, found)

    def finish(self) -> None:
        """Go on with a purge that was cut short. What goes wrong is told: the next start tries again.

        The memories can be used meanwhile, also when a file is damaged in a way that nobody foresaw.
        """
        try:
            with self._files.writing(), self._history.keeping_all():
                self._finish_older()
        except Exception as error:
            foreseen = isinstance(error, (OSError, sqlite3.Error, StoreError))
            log.error(
                "a purge that was cut short could not be finished: %s; the next start tries again",
                error, exc_info=None if foreseen else error,
            )  # fmt: skip
            self._problems.note("purge", error)

    def _finish_older(self) -> None:
        intent = read_intent(self._data)
        if intent is not None:
            self._run(intent.gone())
            log.warning("a purge of %d memories that was cut short is finished", len(intent.ids))

    def _known(self, created: int, ids: set[int]) -> dict[int, set[str]]:
        """Return those of the memories that are there, or that older files still hold, by id with their uids.

        An id that memory.db knows means the memory that has it there, or had it: a database that came from elsewhere
        may have given the same id to another.
        """
        there = self._committer.read(lambda truth: _uids(truth, ids, "SELECT uid FROM memories WHERE id = ?"))
        removed = self._committer.read(
            lambda truth: _uids(truth, ids - there.keys(), "SELECT uid FROM removed WHERE memory = ?")
        )
        rest = Gone(created, {memory_id: removed.get(memory_id, set()) for memory_id in ids - there.keys()})
        older = read_intent(self._data)
        if older is not None and older.created == created:
            there |= {key: uids for key, uids in older.gone().uids.items() if key in ids}
        purged = self._committer.read(lambda truth: tombstones.listed(truth.connection)).purged
        there |= {key: uids for key, uids in removed.items() if uids.isdisjoint(one.uid for one in purged)}
        return held(self._data, rest) | there if rest.uids else there

    def _run(self, gone: Gone) -> tuple[int, list[Path]]:
        """Do everything; gives how many files were rewritten, and what was removed because it could not be read."""
        named = sorted((memory_id, uid) for memory_id, uids in gone.uids.items() for uid in uids)
        intent = Intent(gone.created, sorted(gone.uids), named=named)
        _write_intent(self._data, intent)
        self._committer.run(lambda truth, changes: self._forget(truth, changes, gone), gives_room=True)
        self._committer.read(lambda truth: tombstones.keep(self._data, truth.connection))
        self._committer.read(_vacuum)  # before anything is copied from it
        clear_leftovers(self._data)
        live = self._committer.read(self._history.seal)
        store = rewrite_store(self._store, gone, live)
        removed = self._committer.read(lambda truth: self._renew(truth, intent, store))
        rewritten = len(store.ready)
        for folder in standalone(self._data):
            backup = rewrite_backup(folder, gone)
            self._exchange(intent, backup.ready)
            removed += _remove(backup.useless, folder)
            rewritten += len(backup.ready)
        self._committer.read(lambda truth: self._history.renew(truth, lambda _, manifest: manifest))
        for folder in (self._data, self._store, *self._data.glob("backups/[!.]*")):
            count, useless = clear_set_aside(folder, gone)
            rewritten += count
            removed += useless
        self._committer.read(self._derived.purge_catalogue)
        rewritten += 2 + self._derived.purge_vectors()  # with memory.db and search.db
        self._sync_folders()
        _intent_path(self._data).unlink(missing_ok=True)
        sync_folder(self._store)
        return rewritten, removed

    def _sync_folders(self) -> None:
        """Bring every name to the medium: a power cut must not bring back what was replaced or removed."""
        inner = [path for pattern in ("indexes/*", "backups/*") for path in self._data.glob(pattern)]
        for folder in (self._data, self._store.parent, *inner):
            if folder.is_dir():
                sync_folder(folder)

    def _forget(self, truth: Truth, changes: Changes, gone: Gone) -> None:
        """Take the memories out of memory.db, and list them, whatever a restore has put in its place meanwhile."""
        look_into(truth.connection, gone)  # for their texts
        truth.purge(gone.uids, changes)

    def _renew(self, truth: Truth, intent: Intent, store: Rewriting) -> list[Path]:
        """Put the rewritten files in place, and let the backups follow; in the committer's thread, so that no write
        comes between the two."""
        self._exchange(intent, store.ready)
        for path in store.useless:
            log.warning("%s cannot be read, or nothing leads to it: it is removed", path)

        def renewed(folder: Path, manifest: Manifest) -> Manifest:
            base = self._store / manifest.base
            if not leans_on(self._store, folder):
                return manifest
            described = read_base(base.with_name(f"{base.name}.json"))
            sha256 = digest_of(base) if described is None else described.sha256
            return store.manifest(manifest, base.name, base.stat().st_size, sha256)

        self._history.renew(truth, renewed, store.useless)
        return [path for path in store.useless if not path.exists()]

    def _exchange(self, intent: Intent, ready: Iterable[Path]) -> None:
        """Put new files in the places of old ones, all of them whatever happens in between."""
        names = [str(path.relative_to(self._data)) for path in ready]
        if names:
            _write_intent(self._data, structs.replace(intent, ready=names))
            try:
                _put_in_place(self._data, names)
            except OSError as error:
                # Neither the old state nor the new one: only a start brings all of them in place.
                failure = StoreError(
                    f"files of {self._data} could not be exchanged in a purge ({error}); start again, and it goes on"
                )
                self._on_failure(failure)
                raise failure from error
            _write_intent(self._data, intent)


def resume(data: Path) -> None:
    """Before anything is read at a start: bring files that were being exchanged into one state. Raises OSError."""
    intent = read_intent(data)
    if intent is not None:
        _put_in_place(data, intent.ready)
    for fresh in (*data.glob(f"*{FRESH}"), *data.glob(f"backups/*/*{FRESH}")):
        fresh.unlink()


def read_intent(data: Path) -> Intent | None:
    """Read which purge is under way, if one is."""
    path = _intent_path(data)
    try:
        return msgspec.json.decode(read_own(path), type=Intent)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        log.error("a purge was cut short, and %s does not say of what (%s); purge again", path, error)
        path.unlink()
        return None


def _write_intent(data: Path, intent: Intent) -> None:
    path = _intent_path(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, lambda file: file.write(msgspec.json.encode(intent)))


def _intent_path(data: Path) -> Path:
    return data / "backups" / ".store" / "purging.json"


def _put_in_place(data: Path, names: Sequence[str]) -> None:
    folders = set()
    for path in (data / name for name in names):
        fresh = path.with_name(path.name + FRESH)
        if fresh.exists():
            fresh.replace(path)
        folders.add(path.parent)
    for folder in folders:
        if folder.is_dir():  # a person may have removed a backup since
            sync_folder(folder)


def _remove(useless: Sequence[Path], folder: Path) -> list[Path]:
    """Remove what cannot be read; a backup without its base goes whole. Gives what was removed. Raises OSError."""
    for path in useless:
        log.warning("%s cannot be read, and may hold what is purged: it is removed", path)
        if path.name == "base.db" and folder.parent.name == "backups":
            shutil.rmtree(folder)
            return [folder]
        path.unlink(missing_ok=True)
    return list(useless)


def _uids(truth: Truth, ids: Iterable[int], sql: str) -> dict[int, set[str]]:
    """Read the uids of the ids that a query finds."""
    found = {key: truth.connection.execute(sql, (key,)).fetchone() for key in ids}
    return {key: {str(row[0])} for key, row in found.items() if row is not None}


def _told(
    ids: Sequence[int],
    known: Collection[int],
    files: int = 0,
    removed: Sequence[Path] = (),
    found: Proof | None = None,
) -> Purged:
    return Purged(sorted(known), sorted(set(ids) - set(known)), files, [path.name for path in removed], found)


def _vacuum(truth: Truth) -> None:
    """Write memory.db anew without its free space, and empty its write-ahead log."""
    truth.connection.execute("VACUUM")
    busy, *_ = truth.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise sqlite3.OperationalError("its write-ahead log could not be emptied")


def _unfinished(error: Exception) -> StoreError:
    """Return the error of a purge that was cut short. (SQLite names a full disk in words of its own.)"""
    rest = "what it names may still be in some files"
    full = isinstance(error, DiskFull) or getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
    if full or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(
            f"the disk is full before the purge was done: {rest}. Free some room and send it again"
        )
    return StoreError(f"the purge could not be finished ({error}): {rest}. Check the disk, and send it again")
