"""Whether memories still hold: what is over, and what was built of files that say something else by now."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from msgspec import UNSET

from faiss_memory.contracts.anchors import WHOLE_FILE, anchors_of
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.memory import Origin
from faiss_memory.schema import FoundMemory, MemoryAnswer
from faiss_memory.schema.fields import State
from faiss_memory.service.tending.built_files import Outdated, is_gone, is_place_here

SECONDS = 0.1
"""So long files are looked into for one search; what is left is not told of."""
MOST_KEPT = 10_000
"""Parts of files whose state is remembered, for as long as the file has the same size and time."""


_WORST_LAST: tuple[State, ...] = ("fresh", "changed", "gone")


class _Known(NamedTuple):
    size: int
    changed: int
    state: State | None


class Freshness:
    """Looks after files; `outdated` asks the plugins that can read these, and read nothing else."""

    def __init__(self, engine: MemoryEngine, outdated: Outdated) -> None:
        self._engine = engine
        self._outdated = outdated
        self._known: dict[Origin, _Known] = {}
        self._lock = Lock()

    def told(self, memory: MemoryAnswer) -> MemoryAnswer:
        """Return an answer with the state of the memory's file, if it has one that can be read, and is not over."""
        if memory.state is UNSET:
            memory.state = self._states([memory], seconds=None).get(memory.id, UNSET)
        return memory

    def note(self, found: Sequence[FoundMemory]) -> None:
        """Put the states of their files into results, the most relevant first, for as long as that may take."""
        order = sorted((one for one in found if one.state is UNSET), key=lambda one: -one.relevance)
        states = self._states(order, seconds=SECONDS)
        for one in order:
            one.state = states.get(one.id, UNSET)

    def _states(
        self, memories: Sequence[MemoryAnswer | FoundMemory], seconds: float | None
    ) -> dict[int, State]:
        """Return the states of memories by id, each the worst that one of its files has."""
        ends = None if seconds is None else time.monotonic() + seconds
        built = self._engine.store.origins_of([memory.id for memory in memories])
        states: dict[int, State] = {}
        for memory in memories:
            files = ([built[memory.id]] if memory.id in built else []) + anchors_of(memory.metadata)
            if files and (ends is None or time.monotonic() < ends):
                found = [state for file in files if (state := self.state(memory.id, file)) is not None]
                if found:
                    states[memory.id] = max(found, key=_WORST_LAST.index)
        return states

    def state(self, memory_id: int, origin: Origin) -> State | None:
        """Return how a file stands that a memory was built of or speaks of; None where that is not known."""
        try:
            there = os.stat(origin.file)
        except (OSError, ValueError):
            was_here = origin.place != WHOLE_FILE or is_place_here(origin.file)
            return "gone" if was_here and is_gone(origin.file) else None
        known = self._known.get(origin)
        if known is None or known[:2] != (there.st_size, there.st_mtime_ns):
            known = _Known(there.st_size, there.st_mtime_ns, self._looked(memory_id, origin))
            with self._lock:
                self._known.pop(origin, None)  # (what was looked at last is let go of last)
                self._known[origin] = known
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
