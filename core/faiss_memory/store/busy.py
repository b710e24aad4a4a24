"""Which long work a store is doing at present, and how far it is, for whoever waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from faiss_memory.contracts.store import Progress


class Busy:
    """The present work, or none; `now` may be read from any thread."""

    def __init__(self) -> None:
        self.now: Progress | None = None

    @contextmanager
    def at(self, what: str) -> Iterator[None]:
        """Note that work is being done while the block runs; `what` names it for people."""
        before, self.now = self.now, Progress("*", what, 0.0)
        try:
            yield
        finally:
            self.now = before

    def step(self, progress: float) -> None:
        """Note how far the work is, in [0, 1]."""
        if self.now is not None:
            self.now = Progress("*", self.now.what, progress)
