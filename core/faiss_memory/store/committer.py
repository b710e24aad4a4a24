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
from threading import Condition, Thread, current_thread
from typing import Any, TypeVar

from faiss_memory.errors import DiskFull, StoreError
from faiss_memory.store.truth import Changes, Truth

log = logging.getLogger("faiss_memory.store")

MOST = 256
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Call:
    run: Callable[[Truth, Changes], Any]
    alone: bool
    reads: bool = False
    outcome: Future[Any] = field(default_factory=Future)
    answer: Any = None
    changes: Changes = field(default_factory=Changes)


class Committer:
    """Owns the truth once started. `publish` is called with each committed group's changes, before the answers.

    `on_failure` is called once, when an I/O error has made the truth unsafe to write: after one failed sync SQLite
    would accept the next commits as if nothing had happened, so writing stops for good.
    """

    def __init__(
        self, truth: Truth, publish: Callable[[Changes], None], on_failure: Callable[[StoreError], None]
    ) -> None:
        self._truth = truth
        self._publish = publish
        self._on_failure = on_failure
        self._queue: deque[_Call] = deque()
        self._condition = Condition()
        self._closing = False
        self._failure: StoreError | None = None
        self._thread = Thread(target=self._work, name="committer", daemon=True)
        self._thread.start()

    def run(self, call: Callable[[Truth, Changes], Answer], *, alone: bool = False) -> Answer:
        """Run a call in the next group and wait until it is durable and visible.

        With `alone` everything queued before is visible to readers when it runs, and it has its group to itself.
        Raises what the call raises, DiskFull, or StoreError once writing has stopped.
        """
        result: Answer = self._queued(_Call(call, alone))
        return result

    def read(self, call: Callable[[Truth], Answer]) -> Answer:
        """Run a call that stores no memory, alone and outside any transaction."""
        if current_thread() is self._thread:
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

    def close(self) -> None:
        """Finish what is queued, refuse the rest, and end the thread."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join()

    def _work(self) -> None:
        while group := self._next_group():
            if group[0].reads:
                self._read(group[0])
            else:
                self._write(group)

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
        except sqlite3.Error as error:
            call.outcome.set_exception(self._translated(error))
        except BaseException as error:  # noqa: BLE001  (it is raised in the caller's thread)
            call.outcome.set_exception(error)
        else:
            call.outcome.set_result(answer)

    def _write(self, group: list[_Call]) -> None:
        accepted: list[_Call] = []
        run = self._truth.connection.execute
        try:
            if self._failure is not None:
                raise self._failure
            run("BEGIN IMMEDIATE")
            accepted = [call for call in group if self._attempt(call)]
            run("COMMIT" if accepted else "ROLLBACK")
        except (sqlite3.Error, StoreError) as error:
            # SQLite may have rolled the whole transaction back by itself, as it does on a full disk: so the
            # group fails as one, and nothing of it is answered.
            if self._truth.connection.in_transaction:
                run("ROLLBACK")
            reason = self._translated(error) if isinstance(error, sqlite3.Error) else error
            for call in group:
                if not call.outcome.done():
                    call.outcome.set_exception(reason)
            return
        changes = Changes()
        for call in accepted:
            changes.extend(call.changes)
        if changes:
            self._publish(changes)
        for call in accepted:
            call.outcome.set_result(call.answer)

    def _attempt(self, call: _Call) -> bool:
        """Run one call; a refusal takes back its rows and nobody else's. Raises sqlite3.Error."""
        run = self._truth.connection.execute
        run("SAVEPOINT call")
        try:
            call.answer = call.run(self._truth, call.changes)
        except sqlite3.Error:
            raise
        except BaseException as error:  # noqa: BLE001  (it is raised in the caller's thread)
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
        failure = StoreError(
            f"writing to {self._truth.path} failed ({error}). Nothing more is written until the service is started "
            "again; what was acknowledged before is safe. Check the disk."
        )
        if name.startswith(
            ("SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_READONLY", "SQLITE_CANTOPEN")
        ):
            log.critical("%s", failure)
            self._failure = failure
            self._on_failure(failure)
        return failure
