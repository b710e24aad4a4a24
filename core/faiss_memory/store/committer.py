"""Group commit: one thread writes what is queued, and never waits for company.

Callers enqueue a write and block. The committer takes what lies there, up to `MOST`, runs each call inside a
savepoint of one transaction, commits once, brings the derived files up to date, and only then answers: what is
acknowledged is durable and visible. A call that is refused leaves nothing behind and does not disturb the others.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition
from typing import Any, TypeVar

from faiss_memory.background import BackgroundThread, Problems, described
from faiss_memory.errors import DiskFull, StoreError
from faiss_memory.store.backup.log import LogBroken
from faiss_memory.store.backup.timeline import History
from faiss_memory.store.records.changes import Changes
from faiss_memory.store.records.database import Truth
from faiss_memory.store.reserve import DISK, Reserve

log = logging.getLogger("faiss_memory.store")

MOST = 256
_OF_ONE_CALL = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
"""What SQLite says of a statement or its values; every other error is about the database."""
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Call:
    run: Callable[[Truth, Changes], Any]
    alone: bool
    reads: bool = False
    gives_room: bool = False
    outcome: Future[Any] = field(default_factory=Future)
    answer: Any = None
    changes: Changes = field(default_factory=Changes)


class Committer:
    """Owns the truth and its history once started. `publish` is called with each committed group's changes, before
    the answers.

    `on_failure` is called once, when an I/O error has made the truth unsafe to write: after one failed sync SQLite
    would accept the next commits as if nothing had happened, so writing stops for good.
    """

    def __init__(
        self,
        truth: Truth,
        history: History,
        publish: Callable[[Changes], None],
        on_failure: Callable[[StoreError], None],
        reserve: Reserve,
        problems: Problems | None = None,
    ) -> None:
        self._truth = truth
        self._history = history
        self._reserve = reserve
        self._publish = publish
        self._on_failure = on_failure
        self._problems = problems or Problems()
        self._queue: deque[_Call] = deque()
        self._group: list[_Call] = []
        self._condition = Condition()
        self._closing = False
        self._failure: StoreError | None = None
        self._thread = BackgroundThread("committer", self._work, self._give_up)
        self._thread.start()

    def run(
        self, call: Callable[[Truth, Changes], Answer], *, alone: bool = False, gives_room: bool = False
    ) -> Answer:
        """Run a call in the next group and wait until it is durable and visible.

        With `alone` everything queued before is visible to readers when it runs, and it has its group to itself. What
        `gives_room` back is done on a full disk too, with the room that is kept for it.
        Raises what the call raises, DiskFull, or StoreError once writing has stopped.
        """
        result: Answer = self._queued(_Call(call, alone, gives_room=gives_room))
        return result

    def read(self, call: Callable[[Truth], Answer]) -> Answer:
        """Run a call that stores no memory, alone and outside any transaction."""
        if self._thread.is_current:
            return call(self._truth)
        result: Answer = self._queued(_Call(lambda truth, _: call(truth), alone=True, reads=True))
        return result

    def _queued(self, queued: _Call) -> Any:
        with self._condition:
            if self._failure is not None:
                raise self._failure
            if self._closing:
                raise StoreError("the service is stopping; send the request again when it is back")
            self._queue.append(queued)
            self._condition.notify()
        return queued.outcome.result()

    @property
    def truth(self) -> Truth:
        """What is written to now; only the committer's thread may ask it anything."""
        return self._truth

    def replace(self, truth: Truth) -> None:
        """Go on with another truth; called inside `read`."""
        self._truth = truth

    def stop_writing(self, error: BaseException) -> StoreError:
        """Stop writing for good; gives the error that says so."""
        if self._failure is None:
            self._failure = StoreError(
                f"writing to {self._truth.path} failed ({_in_words(error)}). Nothing more is written until the "
                "service is started again; what was acknowledged before is safe. Check the disk."
            )
            log.critical("%s", self._failure)
            self._on_failure(self._failure)
        return self._failure

    def close(self) -> None:
        """Finish what is queued, refuse the rest, and end the thread."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join()

    def _work(self) -> None:
        while group := self._next_group():
            self._group = group
            if group[0].reads:
                self._read(group[0])
            else:
                self._write(group)

    def _give_up(self, error: BaseException) -> None:
        """Let nobody wait for a thread that an error nobody foresaw has ended."""
        failure = self.stop_writing(error)
        with self._condition:
            waiting = [*self._group, *self._queue]
            self._queue.clear()
        for call in waiting:
            if not call.outcome.done():
                call.outcome.set_exception(failure)

    def _next_group(self) -> list[_Call]:
        with self._condition:
            while not self._queue and not self._closing:
                self._condition.wait()
            group: list[_Call] = []
            while self._queue and len(group) < MOST and not (group and self._queue[0].alone):
                group.append(self._queue.popleft())
                if group[-1].alone:
                    break
            return group

    def _read(self, call: _Call) -> None:
        try:
            answer = call.run(self._truth, call.changes)
        except _OF_ONE_CALL as error:
            call.outcome.set_exception(error)
        except sqlite3.Error as error:
            call.outcome.set_exception(self._translated(error))
        except BaseException as error:  # noqa: BLE001  (it is raised in the caller's thread)
            call.outcome.set_exception(error)
        else:
            call.outcome.set_result(answer)

    def _write(self, group: list[_Call]) -> None:
        try:
            if self._failure is not None:
                raise self._failure
            accepted = self._committed(group)
            changes = Changes()
            for call in accepted:
                changes.extend(call.changes)
            if changes:
                self._published(changes)
        except StoreError as error:
            waiting = [call for call in group if not call.outcome.done()]
            if isinstance(error, DiskFull) and self._may_try_again(waiting):
                # What needs little room, or gives some back, must not fail because of what needs more.
                for call in waiting:
                    call.changes = Changes()
                    self._write([call])
                return
            for call in waiting:
                call.outcome.set_exception(error)
        else:
            for call in accepted:
                call.outcome.set_result(call.answer)

    def _may_try_again(self, refused: list[_Call]) -> bool:
        """Return whether calls that met a full disk may fare better one by one, or with the room that is kept."""
        return len(refused) > 1 or (refused[0].gives_room and self._reserve.give_up())

    def _committed(self, group: list[_Call]) -> list[_Call]:
        """Run, log and commit a group; gives the calls that were not refused. Raises StoreError: nothing was kept."""
        run = self._truth.connection.execute
        logged = False
        try:
            run("BEGIN IMMEDIATE")
            before = self._truth.seq
            accepted = [call for call in group if self._attempt(call)]
            if not accepted:
                run("ROLLBACK")
                return []
            # Logged before the COMMIT: what is committed is in the log. What only the log holds is taken from it at the
            # next start.
            operations = [operation for call in accepted for operation in call.changes.operations]
            self._history.log(self._truth, before, operations)
            logged = True
            run("COMMIT")
            if not all(call.gives_room for call in accepted):
                self._problems.settle(DISK)
        except Exception as error:
            raise self._undone(error, logged) from error
        return accepted

    def _undone(self, error: Exception, logged: bool) -> StoreError:
        """Take back a group that failed as one, and give the error that its callers get.

        SQLite may have rolled the whole transaction back by itself, as it does on a full disk.
        """
        told = self._told(error)
        if isinstance(told, DiskFull):
            self._problems.note(DISK, str(told))
        try:
            if self._truth.connection.in_transaction:
                self._truth.connection.execute("ROLLBACK")
            if logged:
                # Also when nothing more is written: what was refused must not come back from the log.
                self._history.take_back()
        except (sqlite3.Error, StoreError) as another:
            return self.stop_writing(another)
        return told

    def _told(self, error: Exception) -> StoreError:
        if isinstance(error, LogBroken):
            return self.stop_writing(error)
        if isinstance(error, sqlite3.Error):
            return self._translated(error)
        if isinstance(error, StoreError):
            return error
        log.error("an error nobody foresaw, while a group was written", exc_info=error)
        self._problems.note("committer", error)
        return StoreError(
            f"an error nobody foresaw kept it from being written ({described(error)}); nothing of it was kept. "
            "The log says more."
        )

    def _published(self, changes: Changes) -> None:
        try:
            self._publish(changes)
            self._history.publish(self._truth)
        except Exception as error:
            # It is safe, but no reader sees it: only a start brings the two together again.
            raise self.stop_writing(error) from error

    def _attempt(self, call: _Call) -> bool:
        """Run one call; a refusal takes back its rows and nobody else's. Raises sqlite3.Error."""
        run = self._truth.connection.execute
        run("SAVEPOINT call")
        try:
            call.answer = call.run(self._truth, call.changes)
        except BaseException as error:  # (it is raised in the caller's thread)
            if isinstance(error, sqlite3.Error) and not isinstance(error, _OF_ONE_CALL):
                raise
            run("ROLLBACK TO call")
            call.outcome.set_exception(error)
        run("RELEASE call")
        return not call.outcome.done()

    def _translated(self, error: sqlite3.Error) -> StoreError:
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_FULL":
            return DiskFull(
                "the disk is full; nothing was stored. Free some room, or forget memories, and try again"
            )
        if name.startswith(
            ("SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_READONLY", "SQLITE_CANTOPEN")
        ):
            return self.stop_writing(error)
        return StoreError(f"{self._truth.path} did not take the request ({error}); nothing of it was kept")


def _in_words(error: BaseException) -> str:
    """Return an error's words; with its type, if it is none that was foreseen."""
    return str(error) if isinstance(error, (sqlite3.Error, OSError, StoreError)) else described(error)
