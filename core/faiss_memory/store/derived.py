"""What is derived from the truth, kept up to date with it: search.db, keywords, vectors, metadata.json."""

from __future__ import annotations

import json
import logging
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from faiss_memory.store.catalogue_file import CatalogueFile
from faiss_memory.store.changes import Changes
from faiss_memory.store.filesystem import replace_file
from faiss_memory.store.indexes import Indexes
from faiss_memory.store.truth import Truth
from faiss_memory.store.vector_files import VectorFiles
from faiss_memory.store.vectors import VectorIndex

log = logging.getLogger("faiss_memory.store")

FILLED_AT_ONCE = 2000
SAVE_AFTER = 1000
"""Passages added or removed before a vector index is saved again; fewer are caught up from the truth at start."""


class Model(NamedTuple):
    """The model whose vectors answer."""

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
        self.projects, self.seq = truth.projects(), truth.seq
        self._identify(truth)
        self._catalogue_file = CatalogueFile(folder)
        self._missing: dict[str, np.ndarray[Any, Any]] = {}
        self.indexes = Indexes(self._catalogue_file.open(truth), repair)
        self.indexes.load_keywords()

    def _identify(self, truth: Truth) -> None:
        self._uuid, self.created_at = truth.uuid, truth.created_at
        self._vector_files = VectorFiles(self._folder, truth.uuid)

    @property
    def is_filling(self) -> bool:
        """Whether vectors are still to be read from the truth."""
        return bool(self._missing)

    def renew_catalogue(self, truth: Truth) -> None:
        """Make search.db anew."""
        self.indexes.replace_catalogue(lambda: self._catalogue_file.renew(truth, "it was damaged"))

    def publish(self, truth: Truth, changes: Changes) -> None:
        """Follow a committed group."""
        self.seq = changes.seq
        self.projects = truth.projects()
        try:
            self.indexes.publish(changes)
        except Exception:  # the write is safe: a derived file may only cost its own rebuild
            log.exception("the indexes could not follow a write and are made anew")
            self._renew(truth)

    def follow(self, truth: Truth) -> None:
        """Go on with another truth, in whose place the first one was."""
        self.seq, self.projects = truth.seq, truth.projects()
        self._identify(truth)
        if self.model is not None:
            truth.use_model(*self.model)
        self._renew(truth)

    def _renew(self, truth: Truth) -> None:
        self.renew_catalogue(truth)
        if self.model is not None:
            self._load_vectors(truth, saved=False)

    def use_model(self, truth: Truth, model: Model) -> None:
        """Answer by meaning with this model's vectors from now on."""
        self.model = model
        truth.use_model(*model)
        self._load_vectors(truth, saved=True)

    def _load_vectors(self, truth: Truth, *, saved: bool) -> None:
        """Load the saved indexes that fit; what they lack is read from the truth, much of it in the background."""
        identity, _, dimension = self.model or ("", "", 0)
        indexes, missing = {}, {}
        for project in self.projects:
            keys = truth.passage_keys(project)
            indexes[project] = VectorIndex(dimension)
            if saved and len(keys):
                keys = self._vector_files.load(indexes[project], project, keys, identity, self.seq)
            if len(keys):
                missing[project] = keys
        self.indexes.replace_vectors(indexes)
        self._missing = missing
        for project, keys in missing.items():
            self.indexes.expect(project, len(keys))
        # A moment's work is done at once, so that the first answer after a start is whole.
        if sum(map(len, missing.values())) <= FILLED_AT_ONCE:
            while self.fill_some(truth):
                pass

    def fill_some(self, truth: Truth) -> bool:
        """Read some vectors from the truth into their index; says whether more are missing."""
        if not self._missing or self.model is None:
            return False
        project, keys = next(iter(self._missing.items()))
        part, rest = keys[:FILLED_AT_ONCE], keys[FILLED_AT_ONCE:]
        found, vectors = truth.vectors(part[:, 0].tolist(), self.model.dimension)
        sound = np.isin(part[:, 0], found)
        self.indexes.fill(project, part[sound], vectors, lost=part[~sound, 1], left=len(rest))
        if len(rest):
            self._missing[project] = rest
        else:
            del self._missing[project]
        return bool(self._missing)

    def save(self, *, everything: bool) -> None:
        """Save the vector indexes that changed much, or at all, and the readable manifest. Raises OSError."""
        model = self.model
        for project, (changes, size) in self.indexes.vector_changes().items():
            # A share of the whole, so that a large import is not written out again and again.
            first = everything or not self._vector_files.exists(project)
            least = 1 if first else max(SAVE_AFTER, size // 5)
            if model is not None and changes >= least and project not in self._missing:
                seq = self.seq  # read before the snapshot, which may only be newer
                if (content := self.indexes.snapshot(project)) is not None:
                    self._vector_files.save(project, content, model.identity, seq)
        self._vector_files.sweep(self.projects)
        manifest = json.dumps(self._manifest(), indent=2, ensure_ascii=False) + "\n"
        replace_file(self._folder / "metadata.json", lambda file: file.write(manifest.encode()))

    def purge_catalogue(self, truth: Truth) -> None:
        """Let no trace stay in search.db of what was removed; in the committer's thread."""
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
            loaded = project in self.indexes.vectors and project not in self._missing
            if loaded and project not in changed:
                continue
            seq, written = self.seq, written + 1
            content = self.indexes.snapshot(project) if loaded else None
            if content is None or model is None:
                self._vector_files.remove(project)
            else:
                self._vector_files.save(project, content, model.identity, seq)
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
        """Give the bytes of each project's vectors."""
        dimension = self.model.dimension if self.model is not None else 0
        return {name: 4 * dimension * count for name, count in self.indexes.passages().items()}

    def close(self) -> None:
        """Close search.db."""
        self.indexes.close()
        self._catalogue_file.remove_spare()
