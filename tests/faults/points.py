"""The named points between the steps of the store, where a process can be made to kill itself.

The product knows nothing of them: its parts are wrapped in the process that is to die. To add one, add a line to
`POINTS`: what is wrapped, and where it has a meaning of its own, the work in which it is passed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from faiss_memory.store.backup import backups, log, migration, restore, snapshots
from faiss_memory.store.backup.backups import Backups
from faiss_memory.store.backup.snapshots import Chain
from faiss_memory.store.backup.timeline import History
from faiss_memory.store.committer import Committer
from faiss_memory.store.index import catalogue_file, vector_files
from faiss_memory.store.index.catalogue import Catalogue
from faiss_memory.store.index.follower import Derived
from faiss_memory.store.index.searcher import Indexes
from faiss_memory.store.purge import purge
from faiss_memory.store.records import database, version
from faiss_memory.store.records.database import Truth
from faiss_memory.store.swapping import Swapping

Reach = Callable[[], None]
Install = Callable[[Reach], None]


def before(owner: Any, name: str, when: Callable[..., bool] = lambda *_, **__: True) -> Install:
    """Just before a function is called, if the arguments are such."""

    def install(reach: Reach) -> None:
        function = getattr(owner, name)

        def wrapped(*arguments: Any, **options: Any) -> Any:
            if when(*arguments, **options):
                reach()
            return function(*arguments, **options)

        setattr(owner, name, wrapped)

    return install


def after(owner: Any, name: str) -> Install:
    """Just after a function has returned."""

    def install(reach: Reach) -> None:
        function = getattr(owner, name)

        def wrapped(*arguments: Any, **options: Any) -> Any:
            answer = function(*arguments, **options)
            reach()
            return answer

        setattr(owner, name, wrapped)

    return install


class _Connection:
    """The connection of the truth, with something to do before and after each statement."""

    def __init__(self, connection: Any, statement: str, reach: Reach, *, late: bool) -> None:
        self._connection, self._statement, self._reach, self._late = connection, statement, reach, late

    def execute(self, sql: str, *values: Any) -> Any:
        if sql == self._statement and not self._late:
            self._reach()
        found = self._connection.execute(sql, *values)
        if sql == self._statement and self._late:
            self._reach()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def statement(sql: str, *, late: bool = False) -> Install:
    """At a statement on the connection of the truth, once the store is open."""

    def install(reach: Reach) -> None:
        start = Committer.__init__

        def started(self: Committer, truth: Truth, *rest: Any, **options: Any) -> None:
            truth.connection = _Connection(truth.connection, sql, reach, late=late)  # type: ignore[assignment]
            start(self, truth, *rest, **options)

        Committer.__init__ = started  # type: ignore[method-assign]

    return install


def _sidecar(path: Path, _write: object) -> bool:
    return path.name.endswith(".faiss.json")


def _automatic(*_: object, sync: bool = False) -> bool:
    return not sync


def _manual(*_: object, sync: bool = False) -> bool:
    return sync


def _some(_: object, names: object) -> bool:
    return bool(names)


class Point(NamedTuple):
    """Where to die; `work` is a name of `workloads.WORK`, `most` how often it may have been passed before."""

    install: Install
    work: str = "write"
    most: int = 5


POINTS = {
    "after BEGIN": Point(statement("BEGIN IMMEDIATE", late=True)),
    "between the calls of a group": Point(statement("SAVEPOINT call")),
    "before the log is appended": Point(before(Chain, "append")),
    "between appending and syncing the log": Point(before(log, "sync_data"), most=3),
    "after the log was synced": Point(after(Chain, "append")),
    "before COMMIT": Point(statement("COMMIT")),
    "after COMMIT": Point(statement("COMMIT", late=True)),
    "before the indexes follow": Point(before(Committer, "_published")),
    "inside the catalogue": Point(before(Catalogue, "_put")),
    "between catalogue and vectors": Point(before(Indexes, "add_vectors")),
    "before the backup is published": Point(before(History, "publish")),
    "before the manifest of an automatic backup": Point(before(backups, "write_manifest", _automatic)),
    "after the backup was published": Point(after(History, "publish")),
    "before the answers": Point(after(Committer, "_published")),
    "before old backups go": Point(before(Backups, "_remove"), most=1),
    "after an old backup went": Point(after(Backups, "_remove"), most=1),
    "before the log is rotated": Point(before(Chain, "rotate"), most=1),
    "after the log was rotated": Point(after(Chain, "rotate"), most=1),
    "while a base is described": Point(before(snapshots, "_describe"), most=1),
    "after a base was made": Point(after(Chain, "roll"), most=1),
    "after a base was adopted": Point(after(Chain, "adopt"), most=1),
    "before old files of the log go": Point(before(Chain, "sweep"), most=2),
    "after old files of the log went": Point(after(Chain, "sweep"), most=2),
    "while an index is saved": Point(before(vector_files.VectorFiles, "save")),
    "between index and sidecar": Point(before(vector_files, "replace_file", _sidecar)),
    "before the catalogue is settled": Point(before(Catalogue, "settle"), most=1),
    "while a manual backup is copied": Point(before(backups, "_copy"), "back up", 3),
    "before the manifest of a manual backup": Point(before(backups, "write_manifest", _manual), "back up", 2),
    "after a manual backup": Point(after(Backups, "_copy"), "back up", 2),
    "before the files of a backup are read": Point(before(restore, "build"), "restore", 1),
    "after a backup was replayed": Point(after(restore, "build"), "restore", 1),
    "before a restored database is put in place": Point(before(restore, "put_in_place"), "restore", 1),
    "after a restored database was put in place": Point(after(restore, "put_in_place"), "restore", 1),
    "after a restore": Point(after(restore, "restore_if_asked"), "restore", 1),
    "before the databases are swapped": Point(before(Swapping, "_swap"), "answer calls", 1),
    "after the databases were swapped": Point(after(Swapping, "_swap"), "answer calls", 1),
    "before the log follows a restore": Point(before(History, "follow"), "answer calls", 1),
    "after the log followed a restore": Point(after(History, "follow"), "answer calls", 1),
    "before the backup that precedes a migration": Point(before(migration, "_copy"), "migrate", 1),
    "before the manifest of that backup": Point(before(migration, "write_manifest"), "migrate", 1),
    "after the backup that precedes a migration": Point(after(migration, "back_up_older"), "migrate", 1),
    "before the tables are brought up to date": Point(before(database, "upgrade"), "migrate", 1),
    "while uids are written": Point(before(version, "derived_uid"), "migrate", 150),
    "after the tables were brought up to date": Point(after(database, "upgrade"), "migrate", 1),
    "before search.db is made anew by a migration": Point(before(catalogue_file, "_filled"), "migrate", 1),
    "before a purge is noted": Point(before(purge, "_write_intent"), "purge", 1),
    "after a purge was noted": Point(after(purge, "_write_intent"), "purge", 1),
    "after what is purged left the records": Point(after(Truth, "purge"), "purge", 1),
    "after memory.db was written anew": Point(after(purge, "_vacuum"), "purge", 1),
    "after the log was sealed for a purge": Point(after(History, "seal"), "purge", 1),
    "after the history was rewritten": Point(after(purge, "rewrite_store"), "purge", 1),
    "before rewritten files are put in place": Point(before(purge, "_put_in_place", _some), "purge", 1),
    "after rewritten files were put in place": Point(after(purge, "_put_in_place"), "purge", 1),
    "before the backups follow a purge": Point(before(Backups, "renew"), "purge", 1),
    "between the links of a backup": Point(before(backups, "_link_again"), "purge", 1),
    "after the backups followed a purge": Point(after(Backups, "renew"), "purge", 1),
    "after a manual backup was rewritten": Point(after(purge, "rewrite_backup"), "purge", 1),
    "before what was set aside is rewritten": Point(before(purge, "clear_set_aside"), "purge", 1),
    "before search.db is purged": Point(before(Derived, "purge_catalogue"), "purge", 1),
    "before the saved indexes are purged": Point(before(Derived, "purge_vectors"), "purge", 1),
    "after the saved indexes were purged": Point(after(Derived, "purge_vectors"), "purge", 1),
}


def arm(name: str, count: int) -> None:
    """Die when the point is passed for the `count`-th time."""
    left, lock = count, Lock()

    def reach() -> None:
        nonlocal left
        with lock:
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    POINTS[name].install(reach)
