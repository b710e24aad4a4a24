"""Whether memories still hold: what is over, and what was built of files that say something else by now."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from msgspec import UNSET

from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.memory import Origin
from faiss_memory.schema import FoundMemory, MemoryAnswer
from faiss_memory.schema.fields import State
from faiss_memory.service.tending.built_files import Outdated, is_gone

SECONDS = 0.1
"""So long files are looked into for one search; what is left is not told of."""
MOST_KEPT = 10_000
"""Memories whose state is remembered, for as long as their file has the same size and time."""


class _Known(NamedTuple):
    origin: Origin
    size: int
    changed: int
    state: State | None


class Freshness:
    """Looks after files; `outdated` asks the plugins that can read these, and read nothing else."""

    def __init__(self, engine: MemoryEngine, outdated: Outdated) -> None:
        self._engine = engine
        self._outdated = outdated
        self._known: dict[int, _Known] = {}
        self._lock = Lock()

    def told(self, memory: MemoryAnswer) -> MemoryAnswer:
        """Return an answer with the state of the memory's file, if it has one that can be read, and is not over."""
        if memory.state is UNSET:
            memory.state = self._states([memory.id], seconds=None).get(memory.id, UNSET)
        return memory

    def note(self, found: Sequence[FoundMemory]) -> None:
        """Put the states of their files into results, the most relevant first, for as long as that may take."""
        order = sorted((one for one in found if one.state is UNSET), key=lambda one: -one.relevance)
        states = self._states([one.id for one in order], seconds=SECONDS)
        for one in order:
            one.state = states.get(one.id, UNSET)

    def _states(self, ids: Sequence[int], seconds: float | None) -> dict[int, State]:
        ends = None if seconds is None else time.monotonic() + seconds
        origins = self._engine.store.origins_of(ids)
        states: dict[int, State] = {}
        for memory_id in ids:
            if memory_id in origins and (ends is None or time.monotonic() < ends):
                state = self._state(memory_id, origins[memory_id])
                if state is not None:
                    states[memory_id] = state
        return states

    def _state(self, memory_id: int, origin: Origin) -> State | None:
        try:
            there = os.stat(origin.file)
        except (OSError, ValueError):
            return "gone" if is_gone(origin.file) else None
        known = self._known.get(memory_id)
        if known is None or known[:3] != (origin, there.st_size, there.st_mtime_ns):
            known = _Known(origin, there.st_size, there.st_mtime_ns, self._looked(memory_id, origin))
            with self._lock:
                self._known[memory_id] = known
                while len(self._known) > MOST_KEPT:
                    del self._known[next(iter(self._known))]
        return known.state

    def _looked(self, memory_id: int, origin: Origin) -> State | None:
        """Return what the plugins say; None if the file cannot be read, or nobody reads files."""
        answers = self._outdated({memory_id: origin})
        reasons = [told[memory_id] for told in answers if memory_id in told]
        if any(reasons):
            return "changed"
        return "fresh" if answers and not reasons else None
