"""A lock that many readers share and one writer has alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class ReadersWriterLock:
    """Readers and the writer take turns: a waiting writer lets no new reader pass, and a writer that is done lets
    those readers pass that waited for it, so neither starves.

    Not reentrant: a reader that asks again while a writer waits would wait for itself.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._readers = 0
        self._readers_waiting = 0
        self._passes = 0
        """How many readers go before the next writer."""
        self._writer_waits = False
        self._writing = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the lock together with other readers."""
        with self._condition:
            self._readers_waiting += 1
            while self._writing or (self._writer_waits and not self._passes):
                self._condition.wait()
            self._readers_waiting -= 1
            self._passes = max(0, self._passes - 1)
            self._readers += 1
        try:
            yield
        finally:
            with self._condition:
                self._readers -= 1
                if not self._readers:
                    self._condition.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock alone."""
        with self._condition:
            while self._writing or self._writer_waits:
                self._condition.wait()
            self._writer_waits = True
            while self._readers or self._passes:
                self._condition.wait()
            self._writer_waits, self._writing = False, True
        try:
            yield
        finally:
            with self._condition:
                self._writing = False
                self._passes = self._readers_waiting
                self._condition.notify_all()
