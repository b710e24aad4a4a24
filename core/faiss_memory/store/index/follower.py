"""What is derived from the truth, kept up to date with it: search.db, keywords, vectors, metadata.json."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from faiss_memory.errors import StoreError
from faiss_memory.store.filesystem import replace_file
from faiss_memory.store.index.catalogue_file import CatalogueFile, bring_in_line, difference
from faiss_memory.store.index.inverted_index import KeywordIndex
from faiss_memory.store.index.keyword_file import KEYWORDS, LEAST, KeywordFile
from faiss_memory.store.index.model_vectors import ModelVectors
from faiss_memory.store.index.searcher import Indexes
from faiss_memory.store.index.vector_files import VectorFiles
from faiss_memory.store.index.vector_index import PART
from faiss_memory.store.records.changes import Changes
from faiss_memory.store.records.database import Truth

log = logging.getLogger("faiss_memory.store")

FILLED_AT_ONCE = 2000
MOST_CAUGHT_UP = 20_000
"""Memories whose words are brought to a saved keyword index one by one; more are read all together."""
SECONDS_TO_SAVE = 3.0
"""For the indexes of all projects, when the store is closed. The rest is read from the records at the next start."""
SAVE_AFTER = 1000
"""Passages added before a vector index is saved again; fewer are caught up from the truth at start."""


class Model(NamedTuple):
    """A model whose vectors are loaded."""

    identity: str
    name: str
    dimension: int


class Derived:
    """The derived files and indexes of one truth. But for reading `indexes`, and `save`, only the committer's thread
    uses it. `repair` must have `renew_catalogue` called there.
    """

    def __init__(self, folder: Path, truth: Truth, repair: Any) -> None:
        self._folder = folder
        self.model: Model | None = None
        """The one in use."""
        self.projects, self.seq = truth.projects(), truth.seq
        self._identify(truth)
        self._catalogue_file = CatalogueFile(folder)
        self._prepared: dict[str, Model] = {}
        self._missing: dict[tuple[str, str], np.ndarray[Any, Any]] = {}
        """By model and project, the keys of the passages that are still to be read from the truth."""
        self.indexes = Indexes(self._catalogue_file.open(truth), repair)
        self._keyword_file, self._unsaved_words = KeywordFile(folder), 0
        if not self._load_keywords(truth):
            self.indexes.read_keywords()
            self._unsaved_words = self.indexes.keyword_memories()

    def _identify(self, truth: Truth) -> None:
        self._uuid, self.created_at = truth.uuid, truth.created_at
        self._vector_files = VectorFiles(self._folder, truth.uuid)

    def _load_keywords(self, truth: Truth) -> bool:
        """Take the saved keyword indexes, if they fit, and bring to them what has changed since."""
        note = self.indexes.catalogue.state(KEYWORDS)
        if note is None:
            return False
        try:
            since, digest = json.loads(note)
            changed = {memory.id for memory in truth.memories(since)} | {
                *truth.removed(since),
                *truth.damaged,
            }
            if len(changed) > MOST_CAUGHT_UP:
                return False  # reading them all anew takes no longer
            saved = self._keyword_file.load(digest)
            restored = {project: KeywordIndex.restored(arrays) for project, arrays in saved.items()}
            self._unsaved_words = len(changed)
            if self.indexes.load_keywords(restored, changed):
                return True
            raise ValueError("it holds other memories than search.db")
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("keywords.npz is made anew from search.db: %s", error)
            return False

    def save_keywords(self, *, everything: bool) -> None:
        """Save the keyword indexes if much has changed, or anything. Raises OSError."""
        if self._catalogue_file.is_elsewhere:
            return  # the folder takes no more
        count, changed = self.indexes.keyword_memories(), self._unsaved_words
        least = 1 if everything else max(LEAST, count // 5)
        if count < LEAST or changed < least or (found := self.indexes.keyword_arrays()) is None:
            return
        catalogue, seq, arrays = found
        self.indexes.note_saved_keywords(catalogue, json.dumps([seq, self._keyword_file.save(arrays)]))
        self._unsaved_words -= changed

    @property
    def is_filling(self) -> bool:
        """Whether vectors are still to be read from the truth."""
        return bool(self._missing)

    def renew_catalogue(self, truth: Truth) -> None:
        """Make search.db anew."""
        self._unsaved_words = truth.count()
        self.indexes.replace_catalogue(lambda: self._catalogue_file.renew(truth, "it was damaged"))

    def move_catalogue(self, truth: Truth, error: Exception) -> None:
        """Make search.db anew outside the data folder, which takes no more. Raises the error if it is there already."""
        if self._catalogue_file.is_elsewhere:
            raise error
        self.indexes.replace_catalogue(lambda: self._catalogue_file.renew_elsewhere(truth, str(error)))

    def publish(self, truth: Truth, changes: Changes) -> None:
        """Follow a committed group."""
        self.seq = changes.seq
        self.projects = truth.projects()
        self._unsaved_words += len(changes.stored) + len(changes.removed)
        try:
            self.indexes.publish(changes)
        except Exception:  # the write is safe: a derived file may only cost its own rebuild
            log.exception("the indexes could not follow a write and are made anew")
            self._renew(truth)

    def follow(self, truth: Truth) -> None:
        """Go on with another truth, in whose place the first one was."""
        self.seq, self.projects, self._unsaved_words = truth.seq, truth.projects(), truth.count()
        self._identify(truth)
        for model in self._kept():
            truth.know_model(*model)
        if self.model is not None:
            truth.use_model(self.model.identity)
        try:
            found = difference(self.indexes.catalogue, truth)
            self.indexes.change_catalogue(lambda catalogue: bring_in_line(catalogue, truth, found))
        except (OSError, sqlite3.Error, ValueError, TypeError) as error:
            reason = str(error)
            self.indexes.replace_catalogue(lambda: self._catalogue_file.renew(truth, reason))
        self._renew_vectors(truth)

    def _renew(self, truth: Truth) -> None:
        self.renew_catalogue(truth)
        self._renew_vectors(truth)

    def _renew_vectors(self, truth: Truth) -> None:
        self._missing = {}
        for model in self._kept():
            self._load_vectors(truth, model, saved=False)

    def _kept(self) -> list[Model]:
        return [*([] if self.model is None else [self.model]), *self._prepared.values()]

    def use_model(self, truth: Truth, model: Model) -> None:
        """Answer by meaning with this model's vectors from now on, and let go of every other's."""
        if model.identity not in self._prepared:
            self._load_vectors(truth, model, saved=True)
        truth.use_model(model.identity)
        self.indexes.use_model(model.identity)
        self.model, self._prepared = model, {}
        self._missing = {key: left for key, left in self._missing.items() if key[0] == model.identity}

    def prepare_model(self, truth: Truth, model: Model) -> None:
        """Keep a model's vectors beside those of the one in use."""
        self._load_vectors(truth, model, saved=False)
        self._prepared[model.identity] = model

    def _load_vectors(self, truth: Truth, model: Model, *, saved: bool) -> None:
        """Load the saved indexes that fit; what they lack is read from the truth, much of it in the background."""
        truth.know_model(*model)
        vectors, missing = ModelVectors(model.identity, model.dimension), {}
        for project in self.projects:
            keys = truth.passage_keys(project, model.identity)
            index = vectors.index(project)
            if saved and len(keys):
                keys = self._vector_files.load(index, project, keys, model.identity, self.seq)
            if len(keys):
                missing[model.identity, project] = keys
                vectors.missing[project] = (len(keys), len(keys))
        self.indexes.put_vectors(vectors)
        self._missing |= missing
        # A moment's work is done at once, so that the first answer after a start is whole.
        if sum(map(len, self._missing.values())) <= FILLED_AT_ONCE:
            while self.fill_some(truth):
                pass

    def fill_some(self, truth: Truth) -> bool:
        """Read some vectors from the truth into their index; says whether more are missing."""
        if not self._missing:
            return False
        (model, project), keys = next(iter(self._missing.items()))
        part, rest = keys[:FILLED_AT_ONCE], keys[FILLED_AT_ONCE:]
        found, vectors = truth.vectors(part[:, 0].tolist(), model)
        sound = np.isin(part[:, 0], found)
        self.indexes.fill(model, project, part[sound], vectors, lost=part[~sound, 1], left=len(rest))
        if len(rest):
            self._missing[model, project] = rest
        else:
            del self._missing[model, project]
        return bool(self._missing)

    def save(self, *, everything: bool, may_go_on: Callable[[], bool]) -> None:
        """Save the vector indexes that changed much, or at all, and the readable manifest. Raises OSError.

        What is not saved while it `may_go_on` is read from the records at the next start.
        """
        model = self.model
        for project, (changes, size) in self.indexes.vector_changes().items():
            # A share of what is written, so that a large import is not written out again and again.
            first = everything or not self._vector_files.exists(project)
            least = 1 if first else max(SAVE_AFTER, min(size, PART) // 5)
            if not may_go_on():
                break
            if model is not None and changes >= least and (model.identity, project) not in self._missing:
                seq = self.seq  # read before the snapshot, which may only be newer
                if (content := self.indexes.snapshot(project)) is not None:
                    self._vector_files.save(project, content, model.identity, seq)
        self._vector_files.sweep(self.projects)
        manifest = json.dumps(self._manifest(), indent=2, ensure_ascii=False) + "\n"
        replace_file(self._folder / "metadata.json", lambda file: file.write(manifest.encode()))

    def save_some(self, *, may_go_on: Callable[[], bool]) -> None:
        """Save what has changed much: the vector indexes, and the keyword indexes. Raises OSError, sqlite3.Error."""
        self.save(everything=False, may_go_on=may_go_on)
        if may_go_on():
            self.save_keywords(everything=False)

    def purge_catalogue(self, truth: Truth) -> None:
        """Let no trace stay in search.db and keywords.npz of what was removed; in the committer's thread."""
        self.indexes.note_saved_keywords(self.indexes.catalogue, None)
        self._keyword_file.remove()
        self._unsaved_words = truth.count()
        try:
            self.indexes.purge_catalogue()
        except sqlite3.Error as error:
            log.warning("search.db could not be rid of what was removed (%s)", error)
            self.renew_catalogue(truth)

    def purge_vectors(self) -> int:
        """Let no trace stay in the saved indexes of what was removed; gives how many were written or removed.

        Raises OSError.
        """
        changed, model, written = self.indexes.compact_vectors(), self.model, 0
        for project in self._vector_files.saved():
            seq, snapshot = self.seq, None
            if model is not None and (model.identity, project) not in self._missing:
                snapshot = self.indexes.snapshot(project)
            if snapshot is None or model is None:
                self._vector_files.remove(project)
                written += 1
            else:  # with what lies there and belongs to no part any more
                self._vector_files.save(project, snapshot, model.identity, seq)
                written += project in changed
        self._vector_files.sweep(self.projects)
        return written

    def _manifest(self) -> dict[str, Any]:
        counts = self.indexes.counts()
        return {
            "about": "A description for people; the memories are in memory.db.",
            "store": self._uuid,
            "seq": self.seq,
            "created_at": self.created_at.isoformat(),
            "model": None if self.model is None else self.model.identity,
            "dimension": None if self.model is None else self.model.dimension,
            "memories": sum(counts.values()),
            "projects": counts,
        }

    def index_sizes(self) -> dict[str, int]:
        """Return the bytes of each project's vectors."""
        return self.indexes.vector_bytes()

    def close(self) -> None:
        """Save what can be saved in a moment, and close search.db."""
        end = time.monotonic() + SECONDS_TO_SAVE
        try:
            self.save_keywords(everything=True)  # (which search.db takes note of)
        except (OSError, sqlite3.Error) as error:
            log.warning("keywords.npz could not be saved (%s); the words are read from search.db", error)
        try:
            self.indexes.mark_clean()
            self.save(everything=True, may_go_on=lambda: time.monotonic() < end)
        except (OSError, sqlite3.Error, StoreError) as error:
            log.warning("the indexes could not be saved (%s); they are rebuilt at the next start", error)
        self.indexes.close()
        self._catalogue_file.remove_spare()
