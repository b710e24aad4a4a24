"""What is counted of the use that memories are of, and what a store promises that keeps it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock

BUCKETS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000)
"""The upper ends of the buckets of latencies, in milliseconds; what takes longer counts in the last."""
USES_KEPT = timedelta(days=366)
"""So long a ledger keeps what it has counted."""
MOST_WAITING = 500
LONGEST_WAITING = 60.0
"""Seconds: so much, and so long, a store lets uses wait to be written."""
UseCounts = dict[tuple[str, str, str, int, str, int], tuple[int, int]]
"""Count and tokens by day, assistant, project, memory (0 for none), event and bucket of latency."""


def today() -> str:
    """Return the day it is, in UTC, such as `2026-02-12`."""
    return datetime.now(UTC).date().isoformat()


def bucket_of(seconds: float) -> int:
    """Return the upper end of the bucket that a latency is counted in, in milliseconds."""
    return BUCKETS[min(bisect_left(BUCKETS, 1000 * seconds), len(BUCKETS) - 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Something that happened so many times on a day."""

    assistant: str
    """Who asked: an assistant's name, or the way that the request came."""
    project: str
    event: str
    """Such as `search`, `found`, or the name of a hook."""
    memory: int | None = None
    """The memory that it happened to; None where it was about none, or the memory is gone."""
    day: str = field(default_factory=today)
    latency: int = 0
    """The bucket, as `bucket_of` has it; 0 where it was not measured."""
    count: int = 1
    tokens: int = 0


class Ledger(ABC):
    """An optional capability: a store that is one of these keeps the uses of its memories, for a year.

    They are no memories: writing them makes no backup. When a memory is forgotten, what was counted for it counts for
    none.
    """

    @abstractmethod
    def note_uses(self, uses: Sequence[Use]) -> None:
        """Count uses. They are written later, many at a time; a crash may lose the last minute of them."""

    @abstractmethod
    def uses(self, since: str = "") -> list[Use]:
        """Return what was counted since a day, the oldest first. Raises StoreError."""


class WaitingUses:
    """Uses that are not written yet, the same ones counted together. Any thread may add some."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: UseCounts = {}
        self._first = 0.0

    def add(self, uses: Iterable[Use]) -> None:
        """Add uses."""
        with self._lock:
            if not self._counts:
                self._first = time.monotonic()
            for use in uses:
                key = (use.day, use.assistant, use.project, use.memory or 0, use.event, use.latency)
                count, tokens = self._counts.get(key, (0, 0))
                self._counts[key] = (count + use.count, tokens + use.tokens)

    @property
    def are_due(self) -> bool:
        """Whether enough of them wait, or have waited long enough."""
        with self._lock:
            age = time.monotonic() - self._first
            return bool(self._counts) and (len(self._counts) >= MOST_WAITING or age >= LONGEST_WAITING)

    def take(self) -> UseCounts:
        """Take what waits, to be written."""
        with self._lock:
            taken, self._counts = self._counts, {}
        return taken

    def put_back(self, counts: UseCounts) -> None:
        """Keep what could not be written, to be tried again."""
        with self._lock:
            for key, (count, tokens) in counts.items():
                more, others = self._counts.get(key, (0, 0))
                self._counts[key] = (count + more, tokens + others)
