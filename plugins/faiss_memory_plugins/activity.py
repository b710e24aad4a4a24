"""What has been written since the service began, under `plugins.activity` in `/stats`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from faiss_memory import Memory, hookimpl


class Activity:
    """Counts of memories added, changed and forgotten, since the start."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    def _count(self, what: str, number: int) -> None:
        with self._lock:
            self._counts[what] += number

    @hookimpl
    def memories_added(self, memories: Sequence[Memory]) -> None:
        """Count them."""
        self._count("added", len(memories))

    @hookimpl
    def memories_changed(self, memories: Sequence[Memory]) -> None:
        """Count them."""
        self._count("changed", len(memories))

    @hookimpl
    def memories_removed(self, ids: Sequence[int]) -> None:
        """Count them."""
        self._count("forgotten", len(ids))

    @hookimpl
    def register_stats(self) -> Mapping[str, Any]:
        """Show the counts."""
        with self._lock:
            return {"activity": {name: self._counts[name] for name in ("added", "changed", "forgotten")}}
