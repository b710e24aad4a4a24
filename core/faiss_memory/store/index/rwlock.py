"""A lock that many readers share and one writer has alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

FIRST_HOLD, LONGEST_HOLD = 0.05, 0.8
"""Seconds that a waiting writer keeps new readers waiting: at first, and at most."""


class ReadersWriterLock:
    """Readers and the writer take turns: a waiting writer lets no new reader pass, and a writer that is done lets
    those readers pass that waited for it, so neither starves.

    A reader that stays long keeps the writer waiting, but no other reader for more than a moment: the writer lets
    others pass until that one has left, and tries again, each time a little longer.

    Not reentrant: a reader that asks again while a writer waits would wait for itself.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._readers: Counter[int] = Counter()
        """How many are inside, by the writer's attempt that they came in before."""
        self._attempt = 0
        self._readers_waiting = 0
        self._passes = 0
        """How many readers go before the next writer."""
        self._writer_waits = False
        self._held = False
        """Whether new readers wait for the waiting writer."""
        self._writing = False
        self.writings = 0
        """How often a writer has had it, the present one included."""

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the lock together with other readers."""
        with self._condition:
            self._readers_waiting += 1
            while self._writing or (self._held and not self._passes):
                self._condition.wait()
            self._readers_waiting -= 1
            self._passes = max(0, self._passes - 1)
            attempt = self._attempt
            self._readers[attempt] += 1
        try:
            yield
        finally:
            with self._condition:
                self._readers[attempt] -= 1
                if not self._readers[attempt]:
                    del self._readers[attempt]
                    self._condition.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock alone."""
        with self._condition:
            while self._writing or self._writer_waits:
                self._condition.wait()
            self._writer_waits = True
            try:
                self._wait_for_readers()
            finally:
                self._writer_waits = self._held = False
            self._writing = True
            self.writings += 1
        try:
            yield
        finally:
            with self._condition:
                self._writing = False
                self._passes = self._readers_waiting
                self._condition.notify_all()

    def _wait_for_readers(self) -> None:
        hold = FIRST_HOLD
        while True:
            self._held = True
            if self._condition.wait_for(lambda: not self._readers and not self._passes, hold):
                return
            self._held = False
            self._attempt += 1
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._readers.keys() <= {self._attempt})
            hold = min(2 * hold, LONGEST_HOLD)
