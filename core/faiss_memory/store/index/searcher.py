"""The derived indexes together: catalogue, keywords and vectors, always changed as one.

Searches share a lock and a committed group has it alone for the fraction of a millisecond that it takes to bring
all three up to date. A search holds it from its first leg to its last text, so an answer never mixes two states, and
one that should find k memories finds k.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from faiss_memory.analyzer import Terms, analyze
from faiss_memory.contracts.embedder import Vectors
from faiss_memory.contracts.store import Choose, Closest, Found, Progress, Search
from faiss_memory.contracts.weighing import sequence_of, words_of
from faiss_memory.errors import StoreCorrupt, StoreError
from faiss_memory.memory import Filter, Memory
from faiss_memory.store.index.catalogue import Catalogue
from faiss_memory.store.index.counting import Counting
from faiss_memory.store.index.inverted_index import KeywordIndex
from faiss_memory.store.index.keyword_file import KEYWORDS, Arrays
from faiss_memory.store.index.model_vectors import ModelVectors
from faiss_memory.store.index.one_search import OneSearch
from faiss_memory.store.index.postings import POSTING
from faiss_memory.store.index.rwlock import ReadersWriterLock
from faiss_memory.store.index.vector_index import Snapshot, VectorIndex
from faiss_memory.store.records.changes import Changes
from faiss_memory.store.records.rows import Stored

log = logging.getLogger("faiss_memory.store")

Ids = npt.NDArray[np.int64]
Answer = TypeVar("Answer")
ANALYZED_AT_ONCE = 500


class Indexes:
    """What readers read. `publish` and the loading methods are called by one thread at a time, the owner's.

    A reader that meets a damaged catalogue calls `on_damage`, which must put a new one in place, and reads again.
    """

    def __init__(self, catalogue: Catalogue, on_damage: Callable[[], None]) -> None:
        self._lock = ReadersWriterLock()
        self._catalogue = catalogue
        self._on_damage = on_damage
        self._keywords: dict[str, KeywordIndex] = defaultdict(KeywordIndex)
        self._models: dict[str, ModelVectors] = {}
        self._in_use: str | None = None
        self._unanalyzed: dict[str, tuple[int, int]] = {}
        """By project, how many memories lack their terms, of how many; replaced as a whole, so read without a lock."""
        self._analyzing = False
        self._generation = 0
        """Rises when the memories of the catalogue become others by anything but a write."""
        self._closed = False
        self._counting = Counting()

    @property
    def state(self) -> int:
        """The number of the present state: it rises before anybody reads what has changed."""
        return self._lock.writings

    # Following the truth.

    def publish(self, changes: Changes) -> None:
        """Bring everything up to date with a committed group. Raises what the derived files raise."""
        terms = [
            None if stored.same_words else analyze(*words_of(stored.memory))
            for stored in changes.stored.values()
        ]
        with self._lock.writing():
            self._apply(changes, terms)

    def _apply(self, changes: Changes, terms: Sequence[Terms | None]) -> None:
        memories = [stored.memory for stored in changes.stored.values()]
        retold = [stored for stored in changes.stored.values() if not stored.same_vectors]
        written = self._catalogue.apply(changes.seq, zip(memories, terms, strict=True), changes.removed)
        for name in changes.dropped_projects:
            self._keywords.pop(name, None)
            for vectors in self._models.values():
                vectors.projects.pop(name, None)
        reworded = [memory.id for memory, postings in written if postings is not None]
        for index in self._keywords.values():
            index.remove([*reworded, *changes.removed])
        for vectors in self._models.values():
            vectors.remove([*(stored.memory.id for stored in retold), *changes.removed])
        for memory, postings in written:
            if postings is not None:
                self._keywords[memory.project].add(memory.id, postings, sequence_of(memory.source))
        self.add_vectors([*retold, *changes.embedded.values()])

    def add_vectors(self, stored: Sequence[Stored]) -> None:
        """Append the passages of memories to their models' indexes; the caller holds the lock."""
        for vectors in self._models.values():
            vectors.add(stored)

    @property
    def catalogue(self) -> Catalogue:
        """The present catalogue, for the thread that may put another in its place."""
        return self._catalogue

    def replace_catalogue(self, make: Callable[[], Catalogue]) -> None:
        """Put a new catalogue in place of a damaged one, whose file `make` may write over.

        It holds no terms yet; `analyze_some` finds them.
        """
        with self._lock.writing():
            self._generation += 1
            self._catalogue.close()
            self._catalogue = make()
            self._keywords.clear()
            self._begin_analyzing()

    def change_catalogue(self, change: Callable[[Catalogue], Collection[int]]) -> None:
        """Bring the catalogue in line with another truth; `change` gives the memories that are not as they were."""
        with self._lock.writing():
            self._generation += 1
            gone = list(change(self._catalogue))
            for index in self._keywords.values():
                index.remove(gone)
            self._begin_analyzing()

    def load_keywords(self, saved: Mapping[str, KeywordIndex], changed: Collection[int]) -> bool:
        """Take saved keyword indexes of the catalogue, and bring to them what has changed since; says whether they fit.

        Called before anybody reads.
        """
        for index in saved.values():
            index.remove([*changed])
        self._keywords.update(saved)
        for project, memory_id, source, postings in self._catalogue.analyzed(changed):
            self._keywords[project].add(memory_id, np.frombuffer(postings, POSTING), sequence_of(source))
        self._begin_analyzing()
        counts, unanalyzed = self._catalogue.counts(), self._unanalyzed
        return all(
            len(self._keywords[project]) == counts.get(project, 0) - unanalyzed.get(project, (0, 0))[0]
            for project in {*counts, *saved}
        )

    def keyword_arrays(self) -> tuple[Catalogue, int, dict[str, Arrays]] | None:
        """Return the keyword indexes by project as arrays, with the catalogue that numbers their terms and the change
        that they reach to; None while some lack terms.
        """
        with self._lock.reading():
            if self._analyzing:
                return None
            arrays: dict[str, Arrays] = {
                project: index.arrays() for project, index in self._keywords.items() if len(index)
            }
            return self._catalogue, self._catalogue.state("seq"), arrays

    def note_saved_keywords(self, catalogue: Catalogue, note: str | None) -> None:
        """Note in the catalogue which keyword indexes were saved of it, unless another has taken its place."""
        with self._lock.writing():
            if catalogue is self._catalogue:
                catalogue.set_state(KEYWORDS, note)

    def keyword_memories(self) -> int:
        """Count the memories that are found by words."""
        with self._lock.reading():
            return sum(map(len, self._keywords.values()))

    def read_keywords(self) -> None:
        """Fill the keyword indexes from what the catalogue has analyzed."""
        self._keywords.clear()
        found: dict[str, list[tuple[int, int, bytes]]] = defaultdict(list)
        for project, memory_id, source, postings in self._catalogue.analyzed():
            found[project].append((memory_id, sequence_of(source), postings))
        for project, rows in found.items():
            index = KeywordIndex()
            ids, sequences, parts = zip(*rows, strict=True)
            sizes = [len(postings) // POSTING.itemsize for postings in parts]
            index.load(ids, sizes, np.frombuffer(b"".join(parts), POSTING), sequences)
            with self._lock.writing():
                self._keywords[project] = index
        self._begin_analyzing()

    def _begin_analyzing(self) -> None:
        missing = self._catalogue.unanalyzed()
        counts = self._catalogue.counts() if missing else {}
        self._unanalyzed = {project: (left, counts[project]) for project, left in missing.items()}
        self._analyzing = bool(missing)

    def analyze_some(self) -> bool:
        """Find the terms of some memories that still lack them; says whether there may be more."""
        if not self._analyzing:
            return False
        generation, memories = self.read(
            lambda catalogue: (self._generation, catalogue.next_unanalyzed(ANALYZED_AT_ONCE))
        )
        terms = {memory.id: analyze(*words_of(memory)) for memory in memories}
        with self._lock.writing():
            if generation != self._generation:
                return True  # another truth has taken the place of the first meanwhile; these are not of it
            found = self._catalogue.set_terms(terms) if terms else {}
            for memory in memories:
                if memory.id in found:
                    self._keywords[memory.project].add(
                        memory.id, found[memory.id], sequence_of(memory.source)
                    )
            self._analyzing = bool(memories)
            self._unanalyzed = self._left_after(memories) if memories else {}
            return self._analyzing

    def _left_after(self, analyzed: Sequence[Memory]) -> dict[str, tuple[int, int]]:
        done = Counter(memory.project for memory in analyzed)
        return {
            project: (max(0, left - done[project]), every)
            for project, (left, every) in self._unanalyzed.items()
        }

    def put_vectors(self, vectors: ModelVectors) -> None:
        """Keep a model's indexes, in the place of those that it had."""
        with self._lock.writing():
            self._models[vectors.model] = vectors

    def use_model(self, model: str) -> None:
        """Answer by meaning with this model's indexes from now on, and let go of all others."""
        with self._lock.writing():
            self._in_use = model
            self._models = {model: self._models[model]}

    def fill(self, model: str, project: str, keys: Ids, vectors: Vectors, lost: Ids, left: int) -> None:
        """Append passages read from the truth; see `ModelVectors.fill`."""
        with self._lock.writing():
            self._models[model].fill(project, keys, vectors, lost, left)

    def remake_vectors(self) -> bool:
        """Make one part of a vector index anew where that is due; searches and writes go on. Says whether one was.

        Called by one thread at a time.
        """
        with self._lock.reading():
            every = [index for vectors in self._models.values() for index in vectors.projects.values()]
            due = next(((index, due) for index in every if (due := index.to_remake()) is not None), None)
        if due is None:
            return False
        index, old = due
        made = old.part.remade(old.kind, old.alive, old.vectors)
        with self._lock.writing():
            index.put_remade(old, made)
        return True

    def _by_project(self, model: str | None = None) -> dict[str, VectorIndex]:
        """Return the indexes of a model, or of the one in use; the caller holds the lock."""
        model = model or self._in_use
        return {} if model is None else self._models[model].projects

    def snapshot(self, project: str) -> Snapshot | None:
        """Serialize what is to be saved of a project's vector index, for writing it outside the lock."""
        with self._lock.reading():
            index = self._by_project().get(project)
            return None if index is None else index.snapshot()

    def vector_changes(self) -> dict[str, tuple[int, int]]:
        """Count, by project, the passages added since the index was saved, and all there are."""
        with self._lock.reading():
            return {project: (index.unsaved, len(index)) for project, index in self._by_project().items()}

    def purge_catalogue(self) -> None:
        """Let no trace stay in the catalogue's file of memories that were removed. Raises sqlite3.Error."""
        self._counting.clear()
        with self._lock.writing():
            self._catalogue.drop_unused_terms()
        self._catalogue.compact()  # (while it is read)
        with self._lock.writing():
            if not self._catalogue.empty_log():
                raise sqlite3.OperationalError("it is being read")

    def compact_vectors(self) -> set[str]:
        """Let no trace stay of vectors that were removed; names the projects whose saved index may hold some."""
        with self._lock.writing():
            for vectors in self._models.values():
                for index in vectors.projects.values():
                    index.compact()
            return {project for project, index in self._by_project().items() if index.unsaved}

    def mark_clean(self) -> None:
        """Note in the catalogue that everything was written out."""
        self._catalogue.settle()

    def rebuilding(self) -> list[Progress]:
        """Return which legs still lack something. Waits for no lock: it is asked how a busy service is."""
        in_use = self._models.get(self._in_use or "")
        loading = {} if in_use is None else in_use.missing.copy()
        semantic = [
            Progress(project, "semantic", 1 - left / expected)
            for project, (left, expected) in sorted(loading.items())
        ]
        return semantic + [
            Progress(project, "keyword", 1 - left / every)
            for project, (left, every) in sorted(self._unanalyzed.items())
        ]

    # Reading.

    def read(self, call: Callable[[Catalogue], Answer]) -> Answer:
        """Read from the catalogue, making it anew once if it turns out to be damaged."""
        try:
            with self._lock.reading():
                return call(self._catalogue)
        except sqlite3.ProgrammingError:
            if self._closed:
                raise StoreError("the service is stopping; send the request again when it is back") from None
            log.warning("search.db could not be made anew before, and is tried again")
        except (sqlite3.DatabaseError, StoreCorrupt) as error:
            log.warning("search.db is damaged (%s) and is made anew", error)
        self._on_damage()
        with self._lock.reading():
            return call(self._catalogue)

    def search(self, asked: Search, choose: Choose) -> Found:
        """Find memories by meaning and by words, and read the chosen ones, under one lock: of one state."""

        return self.read(lambda catalogue: self._legs(catalogue, asked).found(choose))

    def closest(self, vectors: Vectors, where: Filter, model: str | None, depth: int) -> list[list[Closest]]:
        """Find for each of some passages what it is most like, by passages and not by cues, in one state."""

        def run(catalogue: Catalogue) -> list[list[Closest]]:
            each = [
                self._legs(
                    catalogue, Search(vector=vector, where=where, depth=depth, model=model)
                ).by_passages()
                for vector in vectors
            ]
            ids = list({match.memory_id for found in each for match in found})
            memories = {one.id: one for one in catalogue.get(ids)}
            return [
                [Closest(memories[match.memory_id], match.similarity, match.passage) for match in found]
                for found in each
            ]

        return self.read(run)

    def older_alike(
        self, project: str, ids: Sequence[int], least: float, depth: int
    ) -> dict[int, list[tuple[int, float]]]:
        """Compare some memories of a project with those of lower ids, in one state."""

        def run(catalogue: Catalogue) -> dict[int, list[tuple[int, float]]]:
            index = self._by_project().get(project)
            if index is None:
                return {}
            return index.older_alike(ids, np.array(catalogue.hidden(project), np.int64), least, depth)

        return self.read(run)

    def _legs(self, catalogue: Catalogue, asked: Search) -> OneSearch:
        """Begin a search; the caller holds the lock until it has ended."""
        vectors = self._by_project(asked.model)
        state = self._lock.writings  # (no writer can come before the caller is done)

        def counting(project: str) -> tuple[Ids | None, Ids]:
            return self._counting.of(project, asked.where, catalogue, state)

        return OneSearch(asked, catalogue, vectors, self._keywords, counting, lacking=self.rebuilding())

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

    def vector_bytes(self) -> dict[str, int]:
        """Return the bytes of the vectors by project."""
        with self._lock.reading():
            return {project: index.vector_bytes for project, index in self._by_project().items()}

    def close(self) -> None:
        """Close the catalogue."""
        self._closed = True
        with self._lock.writing():
            self._catalogue.close()
