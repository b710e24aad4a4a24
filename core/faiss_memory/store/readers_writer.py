"""A lock that many readers share and one writer has alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class ReadersWriterLock:
    """Readers and the writer take turns: a waiting writer lets no new reader pass, so neither starves.

    Not reentrant: a reader that asks again while a writer waits would wait for itself.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._readers = 0
        self._writer_waits = False
        self._writing = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the lock together with other readers."""
        with self._condition:
            while self._writing or self._writer_waits:
                self._condition.wait()
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
            while self._readers:
                self._condition.wait()
            self._writer_waits, self._writing = False, True
        try:
            yield
        finally:
            with self._condition:
                self._writing = False
                self._condition.notify_all()
