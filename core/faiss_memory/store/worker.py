"""The thread that does what may be done a moment later."""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Callable
from threading import Condition

from faiss_memory.background import BackgroundThread, Problems, return_memory
from faiss_memory.errors import StoreError

log = logging.getLogger("faiss_memory.store")

SECONDS_BETWEEN_SAVES = 1.0
SECONDS_BEFORE_ANOTHER_TRY = 5.0
SECONDS_AFTER_A_SURPRISE = 60.0
"""What nobody foresaw will mostly go wrong again, and each time fills the log."""
SECONDS_AT_A_STRETCH = 0.0005
"""After so long a busy thread lets another go on. A write calls SQLite many times, and after each call it would have to
wait the usual 5 ms for a keeper that makes a base; measured, its adds took twice as long."""


class Keeper:
    """Once started, calls `catch_up` at once after each `wake`, and `save` a moment after.

    Both may look at `closing`, to end soon. What they raise is told among the `problems`, and they are called again.
    """

    def __init__(self, catch_up: Callable[[], None], save: Callable[[], None], problems: Problems) -> None:
        self._catch_up, self._save, self._problems = catch_up, save, problems
        self._condition = Condition()
        self._work_waits = True
        self.closing = False
        self._thread = BackgroundThread("keeper", self._keep, lambda error: problems.note("keeper", error))

    def start(self) -> None:
        """Begin."""
        sys.setswitchinterval(min(sys.getswitchinterval(), SECONDS_AT_A_STRETCH))
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something to do."""
        with self._condition:
            if not self._work_waits:  # (else every search would wake a thread that has been told)
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
                # Not after each of many writes: its syncing would compete with theirs.
                self._pause(SECONDS_BETWEEN_SAVES)
                self._save()
                return_memory()  # of a large import, or of what was loaded
            except Exception as error:  # noqa: BLE001  (all later files are to be written all the same)
                self._try_again(error)
            else:
                self._problems.settle("keeper")

    def _try_again(self, error: Exception) -> None:
        """Tell of an error, and after a while have everything done again."""
        self._problems.note("keeper", error)
        if isinstance(error, (OSError, sqlite3.Error, StoreError)):
            log.warning("a file could not be written: %s; it is tried again in a moment", error)
            self._pause(SECONDS_BEFORE_ANOTHER_TRY)
        else:
            log.error(
                "an error nobody foresaw, while files were looked after; they are again", exc_info=error
            )
            self._pause(SECONDS_AFTER_A_SURPRISE)
        self.wake()

    def _pause(self, seconds: float) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self.closing, timeout=seconds)
