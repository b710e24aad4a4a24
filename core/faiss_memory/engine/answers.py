"""The latest answers, for as long as the store is in the state that they are of.

A prompt is often asked again: by the hook and then by the assistant, by a page that is drawn anew. An answer is kept
with the number of the state in which it was found, and given again only in that state: whatever changes what may be
found makes another one. What is kept is bounded, and gone with the next write.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

from faiss_memory.engine.found import Found
from faiss_memory.memory import Facets, Memory, Query
from faiss_memory.rights import seen_now

MOST_ANSWERS = 200
MOST_BYTES = 8 * 1024 * 1024
LONGEST_QUERY = 2_000
_RESULT = 2_000
"""Bytes that a result takes besides its texts."""
_COUNT = 100
"""Bytes that a number takes besides what it is the number of."""

Answer = TypeVar("Answer")


class Answers(Generic[Answer]):
    """Keeps the answers of one state of the store. Safe to use from several threads at once."""

    def __init__(self, state: Callable[[], Hashable | None], size: Callable[[Answer], int | None]) -> None:
        """`state` returns the number of the present state; None where that cannot be known, and nothing is kept.

        `size` returns about how many bytes an answer takes; None for one that is not to be given again.
        """
        self._state_now, self._size = state, size
        self._lock = Lock()
        self._state: Hashable = None
        self._found: OrderedDict[str, tuple[Answer, int]] = OrderedDict()
        self._bytes = self._clearings = 0

    def of(self, key: str | None, find: Callable[[], Answer]) -> Answer:
        """Return what `find` returns, or has returned for this key in the present state; None: it is not kept.

        Raises what `find` raises.
        """
        state, clearings = self._state_now(), self._clearings
        if state is None or key is None:
            return find()
        with self._lock:
            if state == self._state and key in self._found:
                self._found.move_to_end(key)
                return self._found[key][0]
        found = find()
        size = self._size(found)
        if state == self._state_now() and size is not None:
            self._put(key, state, found, 4 * len(key) + size, clearings)
        return found

    def _put(self, key: str, state: Hashable, found: Answer, size: int, clearings: int) -> None:
        with self._lock:
            if clearings != self._clearings:
                return  # what was asked before a clearing must not be remembered after it
            if state != self._state:
                self._forget()
                self._state = state
            if key in self._found or size > MOST_BYTES:
                return
            self._found[key] = found, size
            self._bytes += size
            while len(self._found) > MOST_ANSWERS or self._bytes > MOST_BYTES:
                _, (_, gone) = self._found.popitem(last=False)
                self._bytes -= gone

    def clear(self) -> None:
        """Keep nothing, such as after a purge."""
        with self._lock:
            self._clearings += 1
            self._forget()

    def _forget(self) -> None:
        self._found.clear()
        self._bytes, self._state = 0, None


def key_of(query: Query) -> str | None:
    """Return a query and what who asks may see as a text, which tells 1 from "1" and from true.

    None for one that is too long to be kept.
    """
    if len(query.text) + sum(map(len, query.wordings)) > LONGEST_QUERY:
        return None
    return repr((query, seen_now()))


def size_of(found: Found) -> int | None:
    """Return about how many bytes the answer of a search takes; None for one that another time may be better."""
    if not found.lasts or found.degraded:
        return None
    return sum(_memory_size(result.memory) for result in found.results)


def size_of_counts(facets: Facets) -> int:
    """Return about how many bytes counts take."""
    kinds = (facets.projects, facets.tags, facets.sources, facets.by)
    return sum(_COUNT + 4 * len(name or "") for kind in kinds for name in kind)


def _memory_size(memory: Memory) -> int:
    """Return about how many bytes a memory takes: four for a character."""
    texts = len(memory.text) + sum(map(len, memory.cues)) + len(repr(memory.metadata))
    return _RESULT + 4 * texts
