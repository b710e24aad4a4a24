"""What a store is at that takes its time, for whoever waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from faiss_memory.contracts.store import Progress


class Busy:
    """One thing at a time; read from any thread."""

    def __init__(self) -> None:
        self.now: Progress | None = None

    @contextmanager
    def at(self, what: str) -> Iterator[None]:
        """Be at something as long as the block."""
        before, self.now = self.now, Progress("*", what, 0.0)
        try:
            yield
        finally:
            self.now = before

    def step(self, progress: float) -> None:
        """Say how far it is."""
        if self.now is not None:
            self.now = Progress("*", self.now.what, progress)
