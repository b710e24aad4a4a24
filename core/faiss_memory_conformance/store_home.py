"""Where a store that is checked lives: opened, filled with texts, closed and opened again."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from faiss_memory.contracts.embedder import Embedding, Vectors
from faiss_memory.contracts.store import Choose, Found, Legs, Search, Store
from faiss_memory.memory import Draft, Filter, Passage

MODEL, DIMENSION = "words@1", 48
WINDOW = 12
"""Words for one passage."""
ANYWHERE = Filter(projects=None, include_superseded=True)


class Home:
    """A place, and the store that lives there at present; `make` opens nothing yet."""

    def __init__(self, make: Callable[[], Store]) -> None:
        self._make = make
        self.store = self._opened()

    def _opened(self) -> Store:
        store = self._make()
        store.open()
        store.use_model(MODEL, MODEL, DIMENSION)
        return store

    def reopen(self) -> Store:
        """Close the store and open it again."""
        self.store.close()
        self.store = self._opened()
        return self.store

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def add(self, *drafts: Draft | str) -> list[int]:
        """Store drafts, each with its embedding; returns their ids."""
        whole = [Draft(text=draft) if isinstance(draft, str) else draft for draft in drafts]
        added = self.store.add(whole, [embed(draft.text, draft.cues) for draft in whole])
        return [one.id for one in added if one.id is not None]

    def legs(
        self, query: str, where: Filter = ANYWHERE, depth: int = 10, choose: Choose = lambda _: ()
    ) -> Found:
        """Ask for a text by meaning and by words."""
        asked = Search(where=where, depth=depth, vector=embed(query).vectors[0], model=MODEL, text=query)
        return self.store.search(asked, choose)

    def nearest(self, query: str, where: Filter = ANYWHERE, depth: int = 10) -> list[int]:
        """Return the ids nearest to a text, best first."""
        return [match.memory_id for match in self.legs(query, where, depth).legs.nearest]

    def by_words(self, query: str, where: Filter = ANYWHERE, depth: int = 10) -> list[int]:
        """Return the ids that a text's words are found in, best first."""
        return [memory_id for memory_id, _ in self.legs(query, where, depth).legs.words][:depth]

    def read(self, query: str, depth: int = 10) -> list[int]:
        """Return the ids of the texts that a search by meaning reads."""

        def all_of_them(legs: Legs) -> Sequence[int]:
            return [match.memory_id for match in legs.nearest]

        return [memory.id for memory in self.legs(query, depth=depth, choose=all_of_them).memories]


def embed(text: str, cues: tuple[str, ...] = ()) -> Embedding:
    """Cut a text into passages and embed them and the cues: texts that share words are near each other."""
    words = [word.span() for word in re.finditer(r"\S+", text)] or [(0, len(text))]
    starts = [words[n][0] for n in range(0, len(words), WINDOW)]
    passages = tuple(Passage(start, end) for start, end in pairwise([*starts, len(text)]))
    pieces = [*(text[part.start : part.end] for part in passages), *cues]
    return Embedding(passages, np.stack([_vector(piece) for piece in pieces]), MODEL, cues=cues)


def _vector(text: str) -> Vectors:
    vector = np.full(DIMENSION, 1e-3, np.float32)
    for word in re.findall(r"\w+", text.casefold()):
        digest = zlib.crc32(word.encode())
        vector[digest % DIMENSION] += 1 if digest & 1024 else -1
    unit: Vectors = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit
