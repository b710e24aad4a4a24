"""Which memories count under a filter, remembered until the next write: the same few are asked with each prompt."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from threading import Lock

import numpy as np
import numpy.typing as npt

from faiss_memory.memory import Filter
from faiss_memory.store.index.catalogue import Catalogue

Ids = npt.NDArray[np.int64]
MOST_FILTERS = 32
MOST_IDS = 2_000_000
"""Of all filters together: 16 MB."""
NO_IDS: Ids = np.zeros(0, np.int64)


class Counting:
    """Keeps which memories count, by filter. Safe to use from several threads at once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._state = -1
        self._known: OrderedDict[tuple[str, str], tuple[Ids | None, Ids]] = OrderedDict()
        self._ids = 0

    def of(self, project: str, where: Filter, catalogue: Catalogue, state: int) -> tuple[Ids | None, Ids]:
        """Return the ids that alone count in a project (None: all), and those that do not; both ascending.

        `state` is that of the catalogue, which stands still for as long as the caller reads.
        """
        key = project, repr(where)
        with self._lock:
            if state == self._state and key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        counting = _read(project, where, catalogue)
        with self._lock:
            if state != self._state:
                self._forget()
                self._state = state
            if key not in self._known:
                self._known[key] = counting
                self._ids += _length(counting)
            while len(self._known) > MOST_FILTERS or self._ids > MOST_IDS:
                self._ids -= _length(self._known.popitem(last=False)[1])
        return counting

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        self._known.clear()
        self._ids, self._state = 0, -1


def _read(project: str, where: Filter, catalogue: Catalogue) -> tuple[Ids | None, Ids]:
    if where.narrows:
        return np.array(catalogue.ids(replace(where, projects=(project,))), np.int64), NO_IDS
    hidden = () if where.include_superseded else catalogue.hidden(project)
    return None, np.sort(np.array(hidden, np.int64))


def _length(counting: tuple[Ids | None, Ids]) -> int:
    allowed, hidden = counting
    return len(hidden) + (0 if allowed is None else len(allowed))
