"""The derived indexes together: catalogue, keywords and vectors, always changed as one.

Searches share a lock and a committed group has it alone for the fraction of a millisecond that it takes to bring
all three up to date, so an answer never mixes two states, and one that should find k memories finds k.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from faiss_memory.errors import StoreCorrupt, StoreError
from faiss_memory.memory import Filter, Match, Memory, Ranking
from faiss_memory.parts import Progress, Vectors
from faiss_memory.store.analyzer import analyze
from faiss_memory.store.catalogue import Catalogue
from faiss_memory.store.changes import Changes
from faiss_memory.store.keywords import KeywordIndex
from faiss_memory.store.readers_writer import ReadersWriterLock
from faiss_memory.store.rows import Stored, words_of
from faiss_memory.store.vectors import VectorIndex

log = logging.getLogger("faiss_memory.store")

Ids = npt.NDArray[np.int64]
Answer = TypeVar("Answer")
ANALYZED_AT_ONCE = 500
_NONE: Ids = np.zeros(0, np.int64)


class Indexes:
    """What readers read. `publish` and the loading methods are called by one thread at a time, the owner's.

    A reader that meets a damaged catalogue calls `on_damage`, which must put a new one in place, and reads again.
    """

    def __init__(self, catalogue: Catalogue, on_damage: Callable[[], None]) -> None:
        self._lock = ReadersWriterLock()
        self._catalogue = catalogue
        self._on_damage = on_damage
        self._keywords: dict[str, KeywordIndex] = defaultdict(KeywordIndex)
        self.vectors: dict[str, VectorIndex] = {}
        self._missing_vectors: dict[str, tuple[int, int]] = {}
        self._analyzing = False

    # Following the truth.

    def publish(self, changes: Changes) -> None:
        """Bring everything up to date with a committed group. Raises what the derived files raise."""
        terms = [
            None if stored.same_words else analyze(words_of(stored.memory))
            for stored in changes.stored.values()
        ]
        with self._lock.writing():
            self._apply(changes, terms)

    def _apply(self, changes: Changes, terms: Sequence[Counter[str] | None]) -> None:
        memories = [stored.memory for stored in changes.stored.values()]
        retold = [stored for stored in changes.stored.values() if not stored.same_text]
        written = self._catalogue.apply(changes.seq, zip(memories, terms, strict=True), changes.removed)
        for name in changes.dropped_projects:
            self._keywords.pop(name, None)
            self.vectors.pop(name, None)
        reworded = [memory.id for memory, postings in written if postings is not None]
        for index in self._keywords.values():
            index.remove([*reworded, *changes.removed])
        for vectors in self.vectors.values():
            vectors.remove([*(stored.memory.id for stored in retold), *changes.removed])
        for memory, postings in written:
            if postings is not None:
                self._keywords[memory.project].add(memory.id, postings)
        self.add_vectors([*retold, *changes.embedded.values()])

    def add_vectors(self, stored: Iterable[Stored]) -> None:
        """Append the passages of memories to their projects' indexes; the caller holds the lock."""
        keys: dict[str, list[tuple[int, ...]]] = defaultdict(list)
        vectors: dict[str, list[Vectors]] = defaultdict(list)
        for item in stored:
            if item.embedding is not None:
                project = item.memory.project
                vectors[project].append(item.embedding.vectors)
                passages = item.embedding.passages
                for passage_id, (start, end) in zip(item.passage_ids, passages, strict=True):
                    keys[project].append((passage_id, item.memory.id, start, end, len(passages)))
        for project, parts in vectors.items():
            self._vector_index(project, parts[0].shape[1]).add(
                np.array(keys[project], np.int64), np.concatenate(parts)
            )

    def _vector_index(self, project: str, dimension: int) -> VectorIndex:
        if project not in self.vectors:
            self.vectors[project] = VectorIndex(dimension)
        return self.vectors[project]

    def replace_catalogue(self, make: Callable[[], Catalogue]) -> None:
        """Put a new catalogue in place of a damaged one, whose file `make` may write over.

        It holds no terms yet; `analyze_some` finds them.
        """
        with self._lock.writing():
            self._catalogue.close()
            self._catalogue = make()
            self._keywords.clear()
            self._analyzing = True

    def load_keywords(self) -> None:
        """Fill the keyword indexes from what the catalogue has analyzed."""
        for project in self._catalogue.counts():
            index = KeywordIndex()
            index.load(*self._catalogue.analyzed(project))
            with self._lock.writing():
                self._keywords[project] = index
        self._analyzing = bool(self._catalogue.unanalyzed())

    def analyze_some(self) -> bool:
        """Find the terms of some memories that still lack them; says whether there may be more."""
        if not self._analyzing:
            return False
        catalogue, memories = self.read(
            lambda catalogue: (catalogue, catalogue.next_unanalyzed(ANALYZED_AT_ONCE))
        )
        terms = {memory.id: analyze(words_of(memory)) for memory in memories}
        with self._lock.writing():
            if catalogue is not self._catalogue:
                return True  # another has taken its place meanwhile, and knows none of these
            found = catalogue.set_terms(terms) if terms else {}
            for memory in memories:
                if memory.id in found:
                    self._keywords[memory.project].add(memory.id, found[memory.id])
            self._analyzing = bool(memories)
            return self._analyzing

    def replace_vectors(self, vectors: dict[str, VectorIndex]) -> None:
        """Answer by meaning with these indexes from now on."""
        with self._lock.writing():
            self.vectors = vectors

    def expect(self, project: str, passages: int) -> None:
        """Note that an index still lacks vectors, which `fill` will bring."""
        self._missing_vectors[project] = (passages, passages)

    def fill(self, project: str, keys: Ids, vectors: Vectors, lost: Ids, left: int) -> None:
        """Append passages read from the truth; `left` says how many are still missing.

        `lost` memories have no whole set of passages any more and stay out until they are embedded again.
        """
        with self._lock.writing():
            index = self._vector_index(project, vectors.shape[1])
            index.add(keys, vectors)
            index.remove(lost)
        _, expected = self._missing_vectors.pop(project)
        if left:
            self._missing_vectors[project] = (left, expected)

    def snapshot(self, project: str) -> memoryview | None:
        """Serialize a project's vector index, for saving it outside the lock."""
        with self._lock.reading():
            index = self.vectors.get(project)
            return None if index is None else index.serialize()

    def vector_changes(self) -> dict[str, tuple[int, int]]:
        """Count, by project, the passages added or removed since the index was saved, and all there are."""
        with self._lock.reading():
            return {project: (index.changes, len(index)) for project, index in self.vectors.items()}

    def purge_catalogue(self) -> None:
        """Let no trace stay in the catalogue's file of memories that were removed. Raises sqlite3.Error."""
        with self._lock.writing():
            self._catalogue.drop_unused_terms()
        self._catalogue.compact()  # (while it is read)
        with self._lock.writing():
            if not self._catalogue.empty_log():
                raise sqlite3.OperationalError("it is being read")

    def compact_vectors(self) -> set[str]:
        """Let no trace stay of vectors that were removed; names the projects whose saved index may hold some."""
        with self._lock.writing():
            changed = {name for name, index in self.vectors.items() if index.compact() or index.changes}
        return changed

    def mark_clean(self) -> None:
        """Note in the catalogue that everything was written out."""
        self._catalogue.settle()

    def rebuilding(self) -> list[Progress]:
        """Tell which legs still lack something."""
        found = [
            Progress(project, "semantic", 1 - left / expected)
            for project, (left, expected) in sorted(self._missing_vectors.copy().items())
        ]
        if not self._analyzing:
            return found
        missing, counts = self.read(lambda catalogue: (catalogue.unanalyzed(), catalogue.counts()))
        return found + [
            Progress(project, "keyword", 1 - number / counts[project])
            for project, number in sorted(missing.items())
        ]

    # Reading.

    def read(self, call: Callable[[Catalogue], Answer]) -> Answer:
        """Read from the catalogue, making it anew once if it turns out to be damaged."""
        try:
            with self._lock.reading():
                return call(self._catalogue)
        except sqlite3.ProgrammingError:
            raise StoreError("the service is stopping; send the request again when it is back") from None
        except (sqlite3.DatabaseError, StoreCorrupt) as error:
            log.warning("search.db is damaged (%s) and is made anew", error)
        self._on_damage()
        with self._lock.reading():
            return call(self._catalogue)

    def nearest(self, vector: Vectors, where: Filter, limit: int) -> list[Match]:
        """Find memories by meaning, over the projects asked for."""

        def search(catalogue: Catalogue) -> list[Match]:
            found: list[Match] = []
            for project in where.projects or sorted(self.vectors):
                if project in self.vectors:
                    allowed, hidden = _scope(catalogue, where, project)
                    found += self.vectors[project].nearest(vector, allowed, hidden, limit)
            return sorted(found, key=lambda match: (-match.similarity, match.memory_id))[:limit]

        return self.read(search)

    def similarities(self, vector: Vectors, ids: Sequence[int]) -> dict[int, Match]:
        """Compare a query with chosen memories."""
        with self._lock.reading():
            matches = [match for index in self.vectors.values() for match in index.similarities(vector, ids)]
        return {match.memory_id: match for match in matches}

    def matching(self, text: str, where: Filter, limit: int) -> Ranking:
        """Find memories by words, over the projects asked for."""

        def search(catalogue: Catalogue) -> Ranking:
            terms = catalogue.query_terms(text)
            found: Ranking = []
            for project in where.projects or sorted(self._keywords):
                if project in self._keywords:
                    allowed, hidden = _scope(catalogue, where, project)
                    found += self._keywords[project].search(terms, allowed, hidden, limit)
            return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:limit]

        return self.read(search)

    def get(self, ids: Sequence[int]) -> list[Memory]:
        """Read memories, in the order asked for."""
        return self.read(lambda catalogue: catalogue.get(ids))

    def select(
        self,
        where: Filter,
        *,
        contains: str | None,
        order: Literal["newest", "oldest"],
        limit: int,
        after: tuple[datetime, int] | None,
    ) -> list[Memory]:
        """List memories by time."""
        return self.read(
            lambda catalogue: catalogue.select(
                where, contains=contains, order=order, limit=limit, after=after
            )
        )

    def counts(self) -> dict[str, int]:
        """Count memories by project."""
        return self.read(lambda catalogue: catalogue.counts())

    def passages(self) -> dict[str, int]:
        """Count the vectors by project."""
        with self._lock.reading():
            return {project: len(index) for project, index in self.vectors.items()}

    def close(self) -> None:
        """Close the catalogue."""
        with self._lock.writing():
            self._catalogue.close()


def _scope(catalogue: Catalogue, where: Filter, project: str) -> tuple[Ids | None, Ids]:
    """Give the ids that alone count in a project (None: all), and those that do not."""
    if where.narrows:
        return np.array(catalogue.ids(replace(where, projects=(project,))), np.int64), _NONE
    return None, _NONE if where.include_superseded else np.array(catalogue.hidden(project), np.int64)
