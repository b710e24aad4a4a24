"""The embedded store: memory.db is the truth, the indexes follow it, and one keeper thread looks after the files."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Literal

import numpy as np

from faiss_memory.errors import MemoryNotFound, StoreError
from faiss_memory.memory import Change, Draft, Filter, Match, Memory, Origin, ProjectCount, Ranking
from faiss_memory.parts import Added, Backup, Embedding, Progress, Retry, Rewritten, Vectors
from faiss_memory.store import backups, origins, retries
from faiss_memory.store.catalogue_file import CatalogueFile
from faiss_memory.store.changes import Changes
from faiss_memory.store.committer import Committer
from faiss_memory.store.filesystem import network_file_system, replace_file
from faiss_memory.store.indexes import Indexes
from faiss_memory.store.lock import FolderLock
from faiss_memory.store.novelty import add_novel
from faiss_memory.store.truth import Truth
from faiss_memory.store.vector_files import VectorFiles
from faiss_memory.store.vectors import VectorIndex

log = logging.getLogger("faiss_memory.store")

FILLED_AT_ONCE = 2000
SECONDS_BETWEEN_SAVES = 1.0
SAVE_AFTER = 1000
"""Passages added or removed before a vector index is saved again; fewer are caught up from the truth at start."""


class EmbeddedStore:
    """A data folder, owned by this process. Implements `faiss_memory.parts.Store`.

    Making one takes the folder, `open` makes it ready. `on_failure` is called once when an I/O error makes further
    writing unsafe. Raises StoreLocked when another process owns the folder.
    """

    def __init__(self, folder: Path, on_failure: Callable[[StoreError], None]) -> None:
        self.folder = folder
        self._on_failure = on_failure
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = FolderLock(folder)
        except OSError as error:
            raise StoreError(
                f"the data folder {folder} cannot be used ({error}). Give the user who runs the service the right to "
                "write there, or choose another folder (DATA_DIR or --data-dir)."
            ) from error
        self._is_open = False

    def open(self) -> None:
        """Bring every file into a state that can be read and written."""
        try:
            self._open()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"{self.folder} cannot be opened ({error}). Look after the disk and its permissions, and start again."
            ) from error

    def _open(self) -> None:
        if (kind := network_file_system(self.folder)) is not None:
            log.warning(
                "%s lies on %s, where databases are slow and may break; a local folder is safer",
                self.folder,
                kind,
            )
        backups.sweep(self.folder / "backups")
        if (restored := backups.restore_if_asked(self.folder)) is not None:
            log.warning("restored from backup %s; the database before was set aside", restored)
        truth = Truth(self.folder / "memory.db")
        self._uuid, self._created_at = truth.uuid, truth.created_at
        self._model: tuple[str, str, int] | None = None
        self._catalogue_file = CatalogueFile(self.folder)
        self._vector_files = VectorFiles(self.folder, truth.uuid)
        try:
            self._projects, self._seq = truth.projects(), truth.seq
            self._indexes = Indexes(self._catalogue_file.open(truth), self._repair_catalogue)
            self._indexes.load_keywords()
        except BaseException:
            truth.close()
            raise
        self._committer = Committer(truth, self._publish, self._on_failure)
        self._keeper_condition = Condition()
        self._work_waits, self._closing = True, False
        self._missing: dict[str, np.ndarray[Any, Any]] = {}
        self._truth = truth
        self._keeper = Thread(target=self._keep, name="keeper", daemon=True)
        self._keeper.start()
        self._is_open = True

    # The derived files follow the truth.

    def _repair_catalogue(self) -> None:
        self._committer.read(self._renew_catalogue)
        self._wake_keeper()

    def _renew_catalogue(self, truth: Truth) -> None:
        self._indexes.replace_catalogue(lambda: self._catalogue_file.renew(truth, "it was damaged"))

    def _publish(self, changes: Changes) -> None:
        """Called by the committer with each committed group, before it is answered."""
        self._seq = changes.seq
        self._projects = self._truth.projects()
        try:
            self._indexes.publish(changes)
        except Exception:  # the write is safe: a derived file may only cost its own rebuild
            log.exception("the indexes could not follow a write and are made anew")
            self._renew_catalogue(self._truth)
            if self._model is not None:
                self._load_vectors(self._truth, saved=False)
        self._wake_keeper()

    def use_model(self, identity: str, name: str, dimension: int) -> None:
        """Answer `nearest` with this model's vectors from now on."""

        def switch(truth: Truth) -> None:
            self._model = (identity, name, dimension)
            truth.use_model(identity, name, dimension)
            self._load_vectors(truth, saved=True)

        self._committer.read(switch)
        self._wake_keeper()

    def _load_vectors(self, truth: Truth, *, saved: bool) -> None:
        """Load the saved indexes that fit; what they lack is read from the truth, much of it in the background."""
        identity, _, dimension = self._model or ("", "", 0)
        indexes, missing = {}, {}
        for project in self._projects:
            keys = truth.passage_keys(project)
            indexes[project] = VectorIndex(dimension)
            if saved and len(keys):
                keys = self._vector_files.load(indexes[project], project, keys, identity, self._seq)
            if len(keys):
                missing[project] = keys
        self._indexes.replace_vectors(indexes)
        self._missing = missing
        for project, keys in missing.items():
            self._indexes.expect(project, len(keys))
        # A moment's work is done at once, so that the first answer after a start is whole.
        if sum(map(len, missing.values())) <= FILLED_AT_ONCE:
            while self._fill_some(truth):
                pass

    def _fill_some(self, truth: Truth) -> bool:
        """Read some vectors from the truth into their index; says whether more are missing."""
        if not self._missing or self._model is None:
            return False
        project, keys = next(iter(self._missing.items()))
        part, rest = keys[:FILLED_AT_ONCE], keys[FILLED_AT_ONCE:]
        found, vectors = truth.vectors(part[:, 0].tolist(), self._model[2])
        sound = np.isin(part[:, 0], found)
        self._indexes.fill(project, part[sound], vectors, lost=part[~sound, 1], left=len(rest))
        if len(rest):
            self._missing[project] = rest
        else:
            del self._missing[project]
        return bool(self._missing)

    # The keeper: what may be done a moment later.

    def _wake_keeper(self) -> None:
        with self._keeper_condition:
            self._work_waits = True
            self._keeper_condition.notify()

    def _keep(self) -> None:
        while not self._closing:
            with self._keeper_condition:
                self._keeper_condition.wait_for(lambda: self._work_waits or self._closing)
                self._work_waits = False
            try:
                self._catch_up()
                with self._keeper_condition:
                    # Not after each of many writes: its syncing would compete with theirs.
                    self._keeper_condition.wait_for(lambda: self._closing, timeout=SECONDS_BETWEEN_SAVES)
                self._save(everything=False)
            except (OSError, sqlite3.Error, StoreError) as error:
                log.warning(
                    "a derived file could not be written: %s; it is tried again after the next write", error
                )

    def _catch_up(self) -> None:
        while self._missing and not self._closing:
            self._committer.read(self._fill_some)
        while not self._closing and self._indexes.analyze_some():
            pass

    def _save(self, *, everything: bool) -> None:
        """Save the vector indexes that changed much, or at all, and the readable manifest."""
        model = self._model
        for project, (changes, size) in self._indexes.vector_changes().items():
            # A share of the whole, so that a large import is not written out again and again.
            first = everything or not self._vector_files.exists(project)
            least = 1 if first else max(SAVE_AFTER, size // 5)
            if model is not None and changes >= least and project not in self._missing:
                seq = self._seq  # read before the snapshot, which may only be newer
                if (content := self._indexes.snapshot(project)) is not None:
                    self._vector_files.save(project, content, model[0], seq)
        self._vector_files.sweep(self._projects)
        manifest = json.dumps(self._manifest(), indent=2, ensure_ascii=False) + "\n"
        replace_file(self.folder / "metadata.json", lambda file: file.write(manifest.encode()))

    def _manifest(self) -> dict[str, Any]:
        counts = self._indexes.counts()
        return {
            "about": "A description for people; the memories are in memory.db.",
            "store": self._uuid,
            "seq": self._seq,
            "created_at": self._created_at.isoformat(),
            "model": None if self._model is None else self._model[0],
            "dimension": None if self._model is None else self._model[2],
            "memories": sum(counts.values()),
            "projects": counts,
        }

    # Writing.

    def add(
        self, drafts: Sequence[Draft], embeddings: Sequence[Embedding | None], retry: Retry | None = None
    ) -> list[Added]:
        """Store drafts, or give a retried call's first answer."""

        def call(truth: Truth, changes: Changes) -> list[Added]:
            if retry is not None and (answer := retries.remembered(truth.connection, retry)) is not None:
                return answer
            added = add_novel(truth, drafts, embeddings, self.closest, changes)
            if retry is not None:
                retries.remember(truth.connection, retry, added)
            return added

        # To judge what is novel, everything written before must be visible.
        return self._committer.run(call, alone=any(draft.if_novel is not None for draft in drafts))

    def closest(self, embedding: Embedding, where: Filter) -> tuple[int, float] | None:
        """Find what a text's least known passage is most like: a long text is known only if all of it is."""
        nearest = [self.nearest(vector, where, 1) for vector in embedding.vectors]
        if not nearest or not all(nearest):
            return None
        match = min((found[0] for found in nearest), key=lambda match: match.similarity)
        return match.memory_id, match.similarity

    def change(self, memory_id: int, change: Change, embedding: Embedding | None) -> Memory:
        """Correct a memory."""
        self._committer.run(lambda truth, changes: truth.change(memory_id, change, embedding, changes))
        found = self.get([memory_id])
        if not found:
            raise MemoryNotFound(f"memory {memory_id} was forgotten by another request")
        return found[0]

    def rewrite(
        self,
        drafts: Sequence[Draft],
        embeddings: Sequence[Embedding | None],
        changes: Mapping[int, Change],
        gone: Sequence[int],
    ) -> Rewritten:
        """Store drafts, correct memories and forget others, all or nothing."""

        def call(truth: Truth, noted: Changes) -> Rewritten:
            added = truth.add(drafts, embeddings, noted)
            there = [memory_id for memory_id in changes if truth.read(memory_id) is not None]
            for memory_id in there:
                truth.change(memory_id, changes[memory_id], None, noted)
            return Rewritten(added, there, truth.forget(gone, noted))

        return self._committer.run(call)

    def origins(self, project: str) -> dict[int, Origin]:
        """Give the origins of a project's memories."""
        return self._committer.read(lambda truth: origins.read(truth.connection, project, truth.damaged))

    def forget(self, ids: Sequence[int]) -> list[int]:
        """Take memories out of every answer."""
        return self._committer.run(lambda truth, changes: truth.forget(ids, changes))

    def drop_project(self, name: str) -> int:
        """Forget a project with all its memories."""
        return self._committer.run(lambda truth, changes: truth.drop_project(name, changes))

    def unembedded(self, limit: int) -> list[Memory]:
        """Give memories that the model in use has not embedded yet."""
        return self._committer.read(lambda truth: truth.unembedded(limit))

    def count_unembedded(self) -> dict[str, int]:
        """Count them by project."""
        return self._committer.read(lambda truth: truth.count_unembedded())

    def embed(self, embeddings: Mapping[int, tuple[str, Embedding]]) -> None:
        """Add vectors to memories whose text is still the one given."""
        self._committer.run(lambda truth, changes: truth.embed(embeddings, changes))

    # Reading.

    def get(self, ids: Sequence[int]) -> list[Memory]:
        """Read memories, in the order asked for."""
        return self._indexes.get(ids)

    def history(self, memory_id: int) -> list[Memory]:
        """Read a memory and what it superseded, newest first."""
        chain = self._indexes.read(lambda catalogue: catalogue.history(memory_id))
        if not chain:
            raise MemoryNotFound(f"there is no memory {memory_id}")
        return chain

    def select(
        self,
        where: Filter,
        *,
        contains: str | None = None,
        order: Literal["newest", "oldest"] = "newest",
        limit: int = 50,
        after: tuple[datetime, int] | None = None,
    ) -> list[Memory]:
        """List memories by time."""
        return self._indexes.select(where, contains=contains, order=order, limit=limit, after=after)

    def matching_ids(self, where: Filter) -> list[int]:
        """Give the ids that a filter lets through."""
        return self._indexes.read(lambda catalogue: catalogue.ids(where))

    def nearest(self, vector: Vectors, where: Filter, limit: int) -> list[Match]:
        """Find memories by meaning."""
        return self._indexes.nearest(vector, where, limit)

    def similarities(self, vector: Vectors, ids: Sequence[int]) -> dict[int, Match]:
        """Compare a query with chosen memories."""
        return self._indexes.similarities(vector, ids)

    def matching(self, text: str, where: Filter, limit: int) -> Ranking:
        """Find memories by words."""
        return self._indexes.matching(text, where, limit)

    def projects(self) -> list[ProjectCount]:
        """Count memories by project."""
        counts = self._indexes.counts()
        return [
            ProjectCount(name=name, memories=counts.get(name, 0), created_at=created, last_updated=updated)
            for name, (created, updated) in sorted(self._projects.items())
        ]

    def tags(self, where: Filter) -> dict[str, int]:
        """Count memories by tag."""
        return self._indexes.read(lambda catalogue: catalogue.tags(where))

    def stats(self) -> Mapping[str, Any]:
        """Tell sizes and states."""
        projects, passages = self.projects(), self._indexes.passages()
        dimension = self._model[2] if self._model is not None else 0
        return {
            "created_at": self._created_at,
            "last_updated": max((project.last_updated for project in projects), default=self._created_at),
            "index_size_bytes": {name: 4 * dimension * count for name, count in passages.items()},
        }

    def rebuilding(self) -> list[Progress]:
        """Tell which derived files are being rebuilt."""
        return self._indexes.rebuilding()

    def backup(self, label: str | None) -> Backup:
        """Make a consistent copy that can be restored."""
        return self._committer.read(lambda truth: backups.make(truth, self.folder / "backups", label))

    def backups(self) -> list[Backup]:
        """List the copies, oldest first."""
        return backups.listed(self.folder / "backups")

    def close(self) -> None:
        """Finish what was accepted, save the indexes, and let go of the data folder."""
        if self._is_open:
            self._close()
        self._lock.release()

    def _close(self) -> None:
        with self._keeper_condition:
            self._closing = True
            self._keeper_condition.notify()
        self._keeper.join()
        self._committer.close()
        try:
            self._save(everything=True)
            self._indexes.mark_clean()
        except (OSError, sqlite3.Error, StoreError) as error:
            log.warning("the indexes could not be saved (%s); they are rebuilt at the next start", error)
        self._indexes.close()
        self._truth.close()
        self._catalogue_file.remove_spare()
