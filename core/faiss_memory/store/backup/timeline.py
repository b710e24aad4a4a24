"""The way back: the log, the bases it starts from, and the backups that name a moment of both."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from msgspec import structs

from faiss_memory.contracts.backups import Backup
from faiss_memory.errors import MemoryNotFound, StoreCorrupt, StoreError
from faiss_memory.store.backup import restore
from faiss_memory.store.backup.archives import Archive
from faiss_memory.store.backup.backups import Backups, open_files
from faiss_memory.store.backup.companions import Companions, Kept, open_kept
from faiss_memory.store.backup.manifests import Manifest
from faiss_memory.store.backup.replay import Stretch
from faiss_memory.store.backup.restore import Moment
from faiss_memory.store.backup.snapshots import Chain, open_chain
from faiss_memory.store.records import clock, tombstones
from faiss_memory.store.records.database import Truth
from faiss_memory.store.records.operations import Operation, Record
from faiss_memory.store.records.rows import to_microseconds

log = logging.getLogger("faiss_memory.store")

Answer = TypeVar("Answer")


class OnTruth(Protocol):
    """Runs a call in the committer's thread."""

    def __call__(self, call: Callable[[Truth], Answer], /) -> Answer:
        """Run it between two groups, and give its answer."""


class History:
    """Follows the truth of a data folder. But for `listed` and `moment` it is used by the committer's thread.

    Opening it raises OSError, sqlite3.Error and StoreError.
    """

    def __init__(self, data: Path, keep: int, truth: Truth, companions: Companions | None = None) -> None:
        self._folder = data / "backups"
        self._chain: Chain = open_chain(self._folder / ".store", truth)
        self._backups = Backups(self._folder, keep, companions or Companions(data))
        self._needed: set[str] = set()
        self._sweep()

    def _sweep(self) -> None:
        self._chain.sweep(self._backups.named_files() | self._needed)

    # With each write.

    def log(self, truth: Truth, after: int, operations: Sequence[Operation]) -> None:
        """Log a group before its COMMIT, durably. Raises DiskFull, when nothing was kept, and LogBroken."""
        memories, digest = truth.content
        now = to_microseconds(clock.now())
        self._chain.append(Record(truth.seq, after, now, memories, digest, list(operations)))

    def take_back(self) -> None:
        """Remove the group from the log again: it was not committed. Raises LogBroken."""
        self._chain.take_back()

    def publish(self, truth: Truth) -> None:
        """Make the state just committed an automatic backup. Whatever goes wrong is logged: the write is safe."""
        held = "only memory.db"
        try:
            self._begin_again(truth)
            held = "the log"
            if self._backups.publish(self._chain, truth.seq, truth.content[0]):
                self._sweep()
        except (OSError, sqlite3.Error) as error:
            log.warning("no automatic backup was made of change %d: %s; %s holds it", truth.seq, error, held)

    def _begin_again(self, truth: Truth) -> None:
        """Begin the log anew if what is written to it now would not lead to the present."""
        if not self._chain.leads_to(truth.uuid):
            log.error("files of %s are gone: the log begins anew with a full copy", self._chain.folder)
            self._restart(truth)
            tombstones.keep(self._folder.parent, truth.connection)

    # A moment later.

    def wants_roll(self) -> bool:
        """Return whether a new base is due."""
        older = self._backups.recent_bases() - {self._chain.base.name}
        return self._chain.wants_roll(has_older=bool(older))

    def roll(self, on_truth: OnTruth) -> None:
        """Make a new base while writes go on.

        The new base is the old one with the log replayed, and is compared with what the truth said at that moment.
        """

        def begin(truth: Truth) -> tuple[list[Stretch], int]:
            return self._chain.rotate(truth.seq), truth.seq

        def end(_: Truth) -> None:
            self._chain.adopt(base)
            self._sweep()

        sealed, seq = on_truth(begin)
        try:
            base = self._chain.roll(sealed, seq)
        except (StoreCorrupt, sqlite3.Error) as error:
            log.error("the log does not lead to the present, so a full copy is made: %s", error)
            on_truth(self._restart)
        else:
            on_truth(end)

    def _restart(self, truth: Truth) -> None:
        self._chain.restart(truth)
        self._sweep()

    # On request.

    @property
    def has_links(self) -> bool:
        """Whether automatic backups stand alone; see `Backups.links`."""
        return self._backups.links

    def listed(self) -> list[Backup]:
        """List the backups, oldest first."""
        return self._backups.listed()

    def backup(self, truth: Truth, label: str | None) -> Callable[[], Backup]:
        """Open the files of a manual backup, and return the function that copies them. Raises StoreError."""
        try:
            self._begin_again(truth)
            return self._backups.make(self._chain, truth.seq, truth.content[0], label)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"no backup could be made in {self._folder} ({error}). Check the disk."
            ) from error

    def archive(self, truth: Truth, wanted: str | None, label: str | None) -> Archive:
        """Open a backup, by name, or the present, to be taken away as one file.

        Raises MemoryNotFound, StoreCorrupt when a file of it is missing, and OSError.
        """
        if wanted is None:
            return Archive(*self._backups.present(self._chain, truth.seq, truth.content[0], label))
        manifest = self._manifest(wanted)
        moment = restore.moment_of_backup(self._folder / wanted, manifest)
        named, more = open_kept(moment.companions)
        manifest = structs.replace(manifest, companions=named)
        return Archive(manifest, [*open_files(moment.base, moment.stretches), *more])

    def _manifest(self, wanted: str) -> Manifest:
        manifest = next((one for one in self._backups.manifests() if one.name == wanted), None)
        if manifest is None:
            raise MemoryNotFound(f"there is no backup `{wanted}`; GET /backups lists what there is", "backup")
        return manifest

    def moment(self, wanted: str | datetime) -> Moment:
        """Return what leads to a backup, by name, or to a time; its files stay until `let_go`.

        Raises MemoryNotFound, and StoreCorrupt when a file is missing.
        """
        if isinstance(wanted, datetime):
            found = restore.moment_at(self._folder / ".store", wanted)
            found = replace(found, companions=self._companions_at(wanted))
        else:
            found = restore.moment_of_backup(self._folder / wanted, self._manifest(wanted))
            self._backups.held = wanted
        self._needed = {found.base.name, *(stretch.path.name for stretch in found.stretches)}
        return found

    def _companions_at(self, time: datetime) -> list[Kept]:
        """Return what goes along with the last backup that was made by a time."""
        earlier = (one for one in self._backups.manifests() if one.created_at <= time)
        last = max(earlier, key=lambda one: one.created_at, default=None)
        if last is None:
            return []
        self._backups.held = last.name
        return restore.companions_of_backup(self._folder / last.name, last)

    def let_go(self) -> None:
        """Keep no files any longer for a moment that was asked for."""
        self._needed, self._backups.held = set(), ""

    def follow(self, truth: Truth) -> None:
        """Go on after a restore, from a base of what was restored. What goes wrong is logged."""
        try:
            self._restart(truth)
        except (OSError, sqlite3.Error) as error:
            log.warning("the log cannot follow the restore yet: %s; the next write tries again", error)

    # Purging.

    @contextmanager
    def keeping_all(self) -> Iterator[None]:
        """Let no backup go, so that whoever looks at all of them finds them there."""
        self._backups.keeps_all = True
        try:
            yield
        finally:
            self._backups.keeps_all = False

    def seal(self, truth: Truth) -> Path:
        """Let nothing be added any more to the files that are there, nor any of them go, until `renew`.

        Gives the segment that is appended to from now on.
        """
        live = self._chain.seal(truth.seq)
        self._needed = {path.name for path in self._chain.folder.iterdir()}
        return live

    def renew(
        self, truth: Truth, renewed: Callable[[Path, Manifest], Manifest], lost: Collection[Path] = ()
    ) -> None:
        """Follow the files of `.store` that were rewritten; `renewed` says what a backup in a folder holds now.

        The files that are `lost` go. Raises OSError and sqlite3.Error.
        """
        self._chain.renew(truth, lost)
        self._backups.renew(self._chain.folder, renewed)
        self._needed = set()
        self._sweep()

    def close(self) -> None:
        """Close the log."""
        self._chain.close()
