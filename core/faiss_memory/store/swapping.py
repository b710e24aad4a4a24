"""Restoring while the service runs: another state is built beside the present one, looked at, and put in its place."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from faiss_memory.contracts.backups import Difference, Restored
from faiss_memory.errors import BackupCorrupt, Conflict, DiskFull, InvalidRequest, StoreCorrupt, StoreError
from faiss_memory.safe_files import read_own
from faiss_memory.settings import Limits
from faiss_memory.store.backup import archives, difference, restore
from faiss_memory.store.backup.companions import Companions
from faiss_memory.store.backup.restore import Built, Moment
from faiss_memory.store.backup.timeline import History
from faiss_memory.store.busy import Busy
from faiss_memory.store.committer import Committer
from faiss_memory.store.filesystem import is_full
from faiss_memory.store.index.follower import Derived
from faiss_memory.store.records import tombstones
from faiss_memory.store.records.database import Truth
from faiss_memory.store.records.incoming import Rules

LOOKERS_PATIENCE = 10.0
"""Seconds that one waits who only wants to know: whoever asks twice need not be refused."""


class Swapping:
    """Puts other states in the place of a data folder's present one.

    `alone` is held meanwhile; a purge holds it too. `busy` tells what keeps everybody waiting, `building` the rest.
    """

    def __init__(
        self,
        data: Path,
        committer: Committer,
        history: History,
        derived: Derived,
        companions: Companions,
        limits: Limits,
        busy: Busy,
        building: Busy,
        alone: Lock,
    ) -> None:
        self._data = data
        self._committer = committer
        self._history = history
        self._derived = derived
        self._companions = companions
        self._limits = limits
        self._busy = busy
        self._building = building
        self._alone = alone

    def restore(self, wanted: str | datetime) -> Restored:
        """Put the state of a backup, or of a time, in the place of the present one, which is set aside."""
        with self._restoring_alone(f"{wanted}"):
            return self._put_in_place(*self._build_of(wanted))

    def difference(self, wanted: str | datetime, most: int) -> Difference:
        """Build the state of a backup, or of a time, and see what it would change; then let go of it."""
        with self._restoring_alone(f"{wanted}", LOOKERS_PATIENCE):
            moment, built = self._build_of(wanted)
            with difference.OtherState(self._data / restore.MAKING) as then:
                present = self._committer.read(lambda truth: then.present(truth.connection, most))
                return then.against(present, moment.name, most, built.left_out)

    def _build_of(self, wanted: str | datetime) -> tuple[Moment, Built]:
        moment = self._committer.read(lambda _: self._history.moment(wanted))
        try:
            return moment, self._build(moment, is_archive=False)
        except StoreCorrupt as error:
            problem = str(error).rstrip(".")
            raise BackupCorrupt(f"{wanted} cannot be restored: {problem}. Nothing was changed") from error

    def restore_archive(self, archive: BinaryIO) -> Restored:
        """Put the state in an archive in the place of the present one, which is set aside."""
        with self._restoring_alone("the archive"):
            moment = archives.moment_in(archive, self._data)
            try:
                self._check_companions(moment)
                built = self._build(moment, is_archive=True)
            except StoreCorrupt as error:
                problem = str(error).rstrip(".")
                raise InvalidRequest(
                    f"the archive does not restore: {problem}. Nothing was changed"
                ) from error
            return self._put_in_place(moment, built)

    def _check_companions(self, moment: Moment) -> None:
        """Raise StoreCorrupt for what could not be taken over; what is not known here does no harm."""
        for entry, path in moment.companions:
            try:
                self._companions.check(entry.name, read_own(path))
            except ValueError as error:
                raise StoreCorrupt(f"its {entry.name} cannot be taken over ({error})") from None

    @contextmanager
    def _restoring_alone(self, what: str, patience: float = 0) -> Iterator[None]:
        if not self._alone.acquire(timeout=patience):
            raise Conflict("a restore or a purge is running already; wait until it is done")
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            if is_full(error):
                raise DiskFull(
                    "the disk is full; nothing was restored. Free some room, and try again"
                ) from error
            raise StoreError(f"{what} cannot be restored ({error}); nothing was changed") from error
        finally:
            archives.sweep(self._data / archives.UNPACKED)
            (self._data / restore.MAKING).unlink(missing_ok=True)
            self._history.let_go()
            self._alone.release()

    def _build(self, moment: Moment, *, is_archive: bool) -> Built:
        known = self._committer.read(lambda truth: tombstones.known(self._data, truth.connection))
        models = self._committer.read(
            lambda truth: {one.identity: one.dimension for one in truth.models.values()}
        )
        rules = Rules(self._limits, models, is_archive)
        with self._building.at("restore"):  # beside the present state, which still answers
            return restore.build(moment, self._data / restore.MAKING, self._building.step, known, rules)

    def _put_in_place(self, moment: Moment, built: Built) -> Restored:
        made, companions = self._data / restore.MAKING, self._companions.read(moment.companions)
        with self._busy.at("a restored state is being put in place"):
            done = self._committer.read(lambda truth: self._swap(truth, made, moment.name, built))
        return replace(done, left_behind=self._companions.take_over(companions, is_own=built.is_own))

    def _swap(self, truth: Truth, made: Path, name: str, built: Built) -> Restored:
        """Go on with another database; in the committer's thread, so that nobody writes meanwhile."""
        line = tombstones.line_of(truth.connection)
        restore.become_another_store(made, restore.counted(truth.connection), line)
        with closing(sqlite3.connect(made)) as connection:
            tombstones.keep(self._data, connection)
        truth.close()
        try:
            aside = restore.put_in_place(self._data, made, name)
            truth = Truth(self._data / "memory.db")
            self._committer.replace(truth)
            self._history.follow(truth)
            self._derived.follow(truth)
        except (OSError, sqlite3.Error, StoreError) as error:
            # A start goes on with the one of the two that it finds, or builds the former anew.
            failed = StoreError(f"{name} was being put in its place: {error}")
            raise self._committer.stop_writing(failed) from error
        return Restored(name, truth.content[0], "" if aside is None else aside.name, built.left_out)
