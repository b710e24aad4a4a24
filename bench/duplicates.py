"""Looking for duplicates in a whole store: the time, the processor's time and the memory that it takes.

usage: python -m bench.duplicates [COUNT]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from bench.store import Row, opened
from bench.synthetic import DIMENSION, Source, make, unit
from faiss_memory.schema.duplicates import DuplicatesRequest
from faiss_memory.service.tending.joining import Joining
from faiss_memory.settings import Limits
from faiss_memory.store import EmbeddedStore

SIZE = 100_000
PAGE = 200
"""Pairs that are asked for at once, as the command line does."""
SHARE = 0.02
"""Of the memories so many repeat another one, a third of them each: its words, but for one, and without one."""
POOL = 1_000
"""Memories that may be repeated, of each portion that is made."""
MOVED = 0.3
"""How far, of its length, a vector lies from that of the text that it repeats: the cosine is .96."""


class Repeating(Source):
    """Memories some of which say what others have said."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._texts: list[str] = []
        self._vectors = np.zeros((0, DIMENSION), np.float32)
        self._again: list[tuple[int, int]] = []

    def texts(self, count: int) -> list[str]:
        """Give texts; `vectors` gives theirs, if it is asked for as many next."""
        made = super().texts(count)
        places = np.flatnonzero(self._chosen.random(count) < SHARE) if self._texts else ()
        self._again = [(int(place), int(self._chosen.integers(len(self._texts)))) for place in places]
        for number, (place, known) in enumerate(self._again):
            made[place] = self._said_again(self._texts[known], number % 3)
        self._texts += made[:POOL]
        return made

    def _said_again(self, text: str, how: int) -> str:
        words = text.split()
        at = int(self._chosen.integers(1, len(words)))
        if how == 0:
            return "  ".join(words)
        return " ".join([*words[:at], *(["elsewhere"] if how == 1 else []), *words[at + 1 :]])

    def vectors(self, count: int) -> npt.NDArray[np.float32]:
        """Give the vectors of the texts before."""
        made = super().vectors(count)
        noise = unit(self._chosen.standard_normal((len(self._again), DIMENSION), np.float32))
        for (place, known), moved in zip(self._again, noise, strict=True):
            made[place] = self._vectors[known] + MOVED * moved
        self._vectors = np.concatenate([self._vectors, unit(made)[:POOL]])
        return unit(made)


def main() -> None:
    """Print the rows for one size."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else SIZE
    with tempfile.TemporaryDirectory(prefix="bench-duplicates-") as folder:
        for name, value, aim in measure(Path(folder), size):
            print(f"| {name} | {value} | {aim} |")


def measure(folder: Path, size: int = SIZE) -> list[Row]:
    """Look for all duplicates of a store of one size, page by page."""
    data = folder / f"duplicates-{size}"
    data.mkdir()
    make(data, size, Repeating(1))
    with opened(data) as store:
        before = _most_mb()
        began, used = time.perf_counter(), time.process_time()
        found = Counter(kind for _, _, kind in pairs(store))
        seconds, used = time.perf_counter() - began, time.process_time() - used
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(found.items()))
    return [
        (f"duplicates of {size:,} memories: {kinds}", f"{seconds:.0f} s", "≤ 120 s with 100,000"),
        ("the same, processor time", f"{used:.0f} s", ""),
        ("the same, memory at most / before", f"{_most_mb():,.0f} / {before:,.0f} MB", ""),
    ]


def pairs(store: EmbeddedStore) -> list[tuple[int, int, str]]:
    """Return all pairs: the newer memory, the older one, and the class."""
    engine = cast(Any, SimpleNamespace(store=store, known_share=lambda text: 1.0))
    joining = Joining(Limits(), engine, cast(Any, None), cast(Any, None))
    found: list[tuple[int, int, str]] = []
    cursor = None
    while True:
        answer = joining.find(DuplicatesRequest(limit=PAGE, cursor=cursor))
        found += [(pair.one.id, pair.other.id, pair.kind) for pair in answer.pairs]
        cursor = answer.next_cursor
        if cursor is None:
            return found


def _most_mb() -> float:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    main()
