"""The half of the store that keeps copies of itself: backups, archives, going back, and what comes back alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from faiss_memory.contracts.backups import Backup, Backups, Difference, Forgotten, Restored, Tried
from faiss_memory.contracts.embedder import Embedding
from faiss_memory.contracts.http import Download
from faiss_memory.errors import MemoryNotFound, StoreError
from faiss_memory.memory import Memory
from faiss_memory.store.backup import archives
from faiss_memory.store.backup.forgotten import every_state, find_forgotten
from faiss_memory.store.backup.timeline import History
from faiss_memory.store.committer import Committer
from faiss_memory.store.fsck.trial import try_copies
from faiss_memory.store.index.rwlock import ReadersWriterLock
from faiss_memory.store.index.searcher import Indexes
from faiss_memory.store.opening import SCRATCH
from faiss_memory.store.records import merging, origins, tombstones
from faiss_memory.store.records.changes import Changes
from faiss_memory.store.records.database import Truth
from faiss_memory.store.swapping import Swapping
from faiss_memory.store.worker import Keeper

MOST_LOOKED_FOR = 5000
"""How many of what was forgotten last are looked for."""


class Opened(Protocol):
    """What of an open folder is needed here."""

    @property
    def history(self) -> History:
        """The way back."""

    @property
    def committer(self) -> Committer:
        """What writes."""

    @property
    def keeper(self) -> Keeper:
        """What looks after the files."""

    @property
    def swapping(self) -> Swapping:
        """What restores."""


class Copies(Backups):
    """The copies of `faiss_memory.Backups`; a subclass opens the folder."""

    folder: Path
    _opened: Opened
    _files: ReadersWriterLock
    _indexes: Indexes

    def backup(self, label: str | None) -> Backup:
        """Make a consistent copy that can be restored."""
        with self._files.reading():
            copy = self._opened.committer.read(lambda truth: self._opened.history.backup(truth, label))
            return copy()

    def backups(self) -> list[Backup]:
        """List the copies, oldest first."""
        return self._opened.history.listed()

    def archive(self, backup: str | None, label: str | None) -> Download:
        """Open a backup, or the present, as one file to take away."""
        try:
            opened = self._opened.committer.read(
                lambda truth: self._opened.history.archive(truth, backup, label)
            )
        except OSError as error:
            raise StoreError(f"{backup or 'the present'} cannot be read ({error}); check the disk") from error
        return Download(opened, opened.size, archives.MEDIA_TYPE, f"{opened.name}.tar")

    def verify(self) -> Tried:
        """Take the present state and every copy, and restore each beside."""
        names = [backup.name for backup in self.backups()]
        with self._files.reading():  # a purge waits, which rewrites the past
            try:
                return try_copies(self.folder / SCRATCH, names, lambda name: self.archive(name, None))
            except OSError as error:
                raise StoreError(f"the copies cannot be tried ({error}); check the disk") from error

    def restore(self, wanted: str | datetime) -> Restored:
        """Put the state of a backup, or of a time, in the place of the present one, which is set aside."""
        done = self._opened.swapping.restore(wanted)
        self._opened.keeper.wake()
        return done

    def difference(self, wanted: str | datetime, most: int) -> Difference:
        """Return what `restore` would change."""
        return self._opened.swapping.difference(wanted, most)

    def restore_archive(self, archive: BinaryIO) -> Restored:
        """Put the state in an archive in the place of the present one, which is set aside."""
        done = self._opened.swapping.restore_archive(archive)
        self._opened.keeper.wake()
        return done

    def forgotten(self, limit: int, ids: Collection[int] | None = None) -> list[Forgotten]:
        """Find memories that were forgotten and that a copy still holds, those forgotten last first."""
        with (
            self._files.reading()
        ):  # a purge waits, and then rewrites what was read: `bring_back` looks again
            wanted, created = self._opened.committer.read(partial(_gone, self.folder, ids))
            found = find_forgotten(self.folder / "backups", wanted, created)
        return [found[memory_id] for memory_id in wanted if memory_id in found][:limit]

    def past(self) -> Iterator[Memory]:
        """Yield each memory in each state that a copy still holds."""
        created = self._opened.committer.read(lambda truth: tombstones.created(truth.connection))
        with self._files.reading():
            yield from every_state(self.folder, created)

    def bring_back(self, forgotten: Forgotten, embedding: Embedding | None) -> Memory:
        """Store a memory that was forgotten, under its id."""
        memory = forgotten.memory

        def call(truth: Truth, changes: Changes) -> None:
            taken = origins.read(truth.connection, memory.project, truth.damaged).values()
            places = {(origin.file, origin.place) for origin in taken}
            origin = forgotten.origin
            if origin is not None and (origin.file, origin.place) in places:
                origin = None  # a build has made it anew since: this one is the person's
            merging.bring_back(truth, memory, embedding, origin, changes)

        self._opened.committer.run(call)
        found = self._indexes.get([memory.id])
        if not found:
            raise MemoryNotFound(f"memory {memory.id} was forgotten again by another request")
        return found[0]


def _gone(data: Path, ids: Collection[int] | None, truth: Truth) -> tuple[dict[int, str], int]:
    """Return what was forgotten and not purged, by id with the uids, the last first; and when it all began."""
    purged = {entry.uid for entry in tombstones.known(data, truth.connection).purged}
    rows = truth.connection.execute("SELECT memory, uid FROM removed ORDER BY seq DESC, memory DESC")
    wanted: dict[int, str] = {}
    for memory_id, uid in rows:
        if uid not in purged and (ids is None or memory_id in ids):
            wanted[memory_id] = uid
        if len(wanted) == MOST_LOOKED_FOR:
            break
    return wanted, tombstones.created(truth.connection)
