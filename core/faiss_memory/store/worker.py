"""The thread that does what may be done a moment later."""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Callable
from threading import Condition, Thread

from faiss_memory.errors import StoreError

log = logging.getLogger("faiss_memory.store")

SECONDS_BETWEEN_SAVES = 1.0
SECONDS_BEFORE_ANOTHER_TRY = 5.0
SECONDS_AT_A_STRETCH = 0.0005
"""After so long a busy thread lets another go on. A write calls SQLite many times, and after each call it would have to
wait the usual 5 ms for a keeper that makes a base; measured, its adds took twice as long."""


class Keeper:
    """Once started, calls `catch_up` at once after each `wake`, and `save` a moment after.

    Both may look at `closing`, to end soon.
    """

    def __init__(self, catch_up: Callable[[], None], save: Callable[[], None]) -> None:
        self._catch_up, self._save = catch_up, save
        self._condition = Condition()
        self._work_waits = True
        self.closing = False
        self._thread = Thread(target=self._keep, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        sys.setswitchinterval(min(sys.getswitchinterval(), SECONDS_AT_A_STRETCH))
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something to do."""
        with self._condition:
            self._work_waits = True
            self._condition.notify()

    def close(self) -> None:
        """End the thread, after what it is doing."""
        with self._condition:
            self.closing = True
            self._condition.notify()
        self._thread.join()

    def _keep(self) -> None:
        while not self.closing:
            with self._condition:
                self._condition.wait_for(lambda: self._work_waits or self.closing)
                self._work_waits = False
            try:
                self._catch_up()
                with self._condition:
                    # Not after each of many writes: its syncing would compete with theirs.
                    self._condition.wait_for(lambda: self.closing, timeout=SECONDS_BETWEEN_SAVES)
                self._save()
            except (OSError, sqlite3.Error, StoreError) as error:
                log.warning("a file could not be written: %s; it is tried again in a moment", error)
                with self._condition:
                    self._condition.wait_for(lambda: self.closing, timeout=SECONDS_BEFORE_ANOTHER_TRY)
                    self._work_waits = True
