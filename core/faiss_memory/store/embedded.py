"""The embedded store: memory.db is the truth, the indexes follow it, and one thread looks after the files."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

from faiss_memory.background import Problems
from faiss_memory.contracts.backups import Companion
from faiss_memory.contracts.embedder import Embedding
from faiss_memory.contracts.ledger import Ledger, Use, WaitingUses
from faiss_memory.contracts.merging import Arrival, Merged, Merging, Tombstone
from faiss_memory.contracts.state import Numbered
from faiss_memory.contracts.store import (
    Added,
    Feed,
    KnownModel,
    LetGo,
    Progress,
    Purged,
    Retry,
    Rewritten,
    Store,
    keeps_nothing,
)
from faiss_memory.errors import Conflict, MemoryNotFound, StoreError
from faiss_memory.memory import Change, Draft, Memory, Origin, Standing, StoreStats
from faiss_memory.private import make_tree_private
from faiss_memory.settings import Limits
from faiss_memory.store.backup import redact
from faiss_memory.store.backup.companions import Companions
from faiss_memory.store.backup.timeline import History
from faiss_memory.store.busy import Busy
from faiss_memory.store.committer import Committer
from faiss_memory.store.copies import Copies
from faiss_memory.store.filesystem import network_file_system
from faiss_memory.store.index.follower import Derived, Model
from faiss_memory.store.index.reads import IndexReads
from faiss_memory.store.index.rwlock import ReadersWriterLock
from faiss_memory.store.lock import FolderLock
from faiss_memory.store.opening import remove_special_files, restored_or_present
from faiss_memory.store.purge import purge
from faiss_memory.store.records import feed, merging, origins, retries, tombstones, uses
from faiss_memory.store.records.changes import Changes
from faiss_memory.store.records.database import Truth
from faiss_memory.store.records.incoming import Rules
from faiss_memory.store.records.novelty import add_novel
from faiss_memory.store.reserve import Reserve
from faiss_memory.store.swapping import Swapping
from faiss_memory.store.worker import Keeper

log = logging.getLogger("faiss_memory.store")


@dataclass(frozen=True, slots=True)
class _Opened:
    """What works on a folder that is open."""

    history: History
    reserve: Reserve
    committer: Committer
    keeper: Keeper
    purging: purge.Purging
    swapping: Swapping


class EmbeddedStore(IndexReads, Copies, Store, Ledger, Merging, Numbered):
    """A data folder, owned by this process. Implements `faiss_memory.Store`.

    Making one takes the folder, `open` makes it ready. `on_failure` is called once when an I/O error makes further
    writing unsafe; what goes wrong in the background is noted among the `problems`. The `companions` are files that go
    along with its backups. Raises StoreLocked when another process owns the folder.
    """

    _opened: _Opened

    def __init__(
        self,
        folder: Path,
        on_failure: Callable[[StoreError], None],
        max_backups: int = 10,
        problems: Problems | None = None,
        *,
        limits: Limits | None = None,
        companions: Sequence[Companion] = (),
    ) -> None:
        self.folder = folder
        self._problems = problems or Problems()
        self._limits = limits or Limits()
        self._companions = Companions(folder, companions)
        self._max_backups = max_backups
        self._on_failure = on_failure
        try:
            make_tree_private(folder)
            self._lock = FolderLock(folder)
        except OSError as error:
            raise StoreError(
                f"the data folder {folder} cannot be used ({error}). Give the user who runs the service the right to "
                "write there, or choose another folder (DATA_DIR or --data-dir)."
            ) from error
        self._is_open = False
        self._restoring = Lock()
        self._busy, self._building, self._uses = Busy(), Busy(), WaitingUses()
        self._files = ReadersWriterLock()  # whoever purges has the files of the past alone

    def open(self) -> None:
        """Bring every file into a state that can be read and written."""
        try:
            with self._busy.at("the memories are being read"):
                self._open()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"{self.folder} cannot be opened ({error}). Look after the disk and its permissions, and start again."
            ) from error

    def _open(self) -> None:
        if (kind := network_file_system(self.folder)) is not None:
            slow = "%s lies on %s, where databases are slow and may break; a local folder is safer"
            log.warning(slow, self.folder, kind)
        remove_special_files(self.folder)
        redact.temporary_files_in(self.folder)
        purge.resume(self.folder)
        truth = restored_or_present(self.folder, self._busy, Rules(self._limits), self._companions)
        try:
            history = History(self.folder, self._max_backups, truth, self._companions)
            derived = Derived(self.folder, truth, self._repair_catalogue)
            tombstones.keep(self.folder, truth.connection)
        except BaseException:
            truth.close()
            raise
        IndexReads.__init__(self, derived)
        self._opened = self._joined(truth, history, derived)
        self._opened.keeper.start()
        self._is_open = True
        self._opened.purging.finish()

    def _joined(self, truth: Truth, history: History, derived: Derived) -> _Opened:
        reserve = Reserve(self.folder)
        reserve.keep()
        committer = Committer(truth, history, self._publish, self._on_failure, reserve, self._problems)
        return _Opened(
            history,
            reserve,
            committer,
            Keeper(self._catch_up, self._save, self._problems),
            purge.Purging(
                self.folder, committer, history, derived, self._files, self._on_failure, self._problems
            ),
            Swapping(
                self.folder, committer, history, derived, self._companions, self._limits, self._busy, self._building,
                self._restoring,
            ),
        )  # fmt: skip

    # The derived files follow the truth.

    def _publish(self, changes: Changes) -> None:
        """Called by the committer with each committed group, before it is answered."""
        self._derived.publish(self._opened.committer.truth, changes)
        self._opened.keeper.wake()

    def _repair_catalogue(self) -> None:
        self._opened.committer.read(self._derived.renew_catalogue)
        self._opened.keeper.wake()

    def use_model(self, identity: str, name: str, dimension: int) -> None:
        """Answer `nearest` with this model's vectors from now on."""
        model = Model(identity, name, dimension)
        self._opened.committer.read(lambda truth: self._derived.use_model(truth, model))
        self._opened.keeper.wake()

    def prepare_model(self, identity: str, name: str, dimension: int) -> None:
        """Be ready to answer with this model's vectors too; returns when they are loaded."""
        model = Model(identity, name, dimension)
        self._opened.committer.read(lambda truth: self._derived.prepare_model(truth, model))
        while self._opened.committer.read(self._derived.fill_some):
            pass

    def model_in_use(self) -> KnownModel | None:
        """Return the model that was last put in use."""
        return self._opened.committer.read(lambda truth: truth.last_model())

    def keep_models(self, identities: Collection[str]) -> None:
        """Remove the vectors of all other models, in pieces, so that nobody waits long behind it."""
        after: int | None = 0
        while after is not None and not self._opened.keeper.closing:
            after = self._opened.committer.run(partial(Truth.drop_vectors, keep=identities, after=after))

    def _catch_up(self) -> None:
        while self._derived.is_filling and not self._opened.keeper.closing:
            self._opened.committer.read(self._derived.fill_some)
            self._indexes.remake_vectors()  # so that little lies there in a larger form than it is to have
        while not self._opened.keeper.closing and (self._analyze_some() or self._indexes.remake_vectors()):
            pass

    def _analyze_some(self) -> bool:
        try:
            return self._indexes.analyze_some()
        except (OSError, sqlite3.Error) as error:
            failed = error  # such as a full disk, which must not keep anybody from finding what is there
        self._opened.committer.read(lambda truth: self._derived.move_catalogue(truth, failed))
        return True

    def _save(self) -> None:
        with self._files.reading():
            self._derived.save_some(may_go_on=lambda: not self._opened.keeper.closing)
            self._opened.reserve.keep()
            if self._uses.are_due:
                self._write_uses()
            if self._opened.history.wants_roll() and not self._opened.keeper.closing:
                self._opened.history.roll(self._opened.committer.read)

    # Writing.

    def add(
        self, drafts: Sequence[Draft], embeddings: Sequence[Embedding | None], retry: Retry | None = None
    ) -> list[Added]:
        """Store drafts, or give a retried call's first answer."""

        def call(truth: Truth, changes: Changes) -> list[Added]:
            if retry is not None and (answer := retries.remembered(truth, retry)) is not None:
                return answer
            added = add_novel(truth, drafts, embeddings, self.closest, changes)
            if retry is not None:
                retries.remember(truth, retry, added, changes)
            return added

        # To judge what is novel, everything written before must be visible.
        return self._opened.committer.run(call, alone=any(draft.if_novel is not None for draft in drafts))

    def change(self, memory_id: int, change: Change, embedding: Embedding | None) -> Memory:
        """Correct a memory."""
        self._opened.committer.run(lambda truth, changes: truth.change(memory_id, change, embedding, changes))
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

        return self._opened.committer.run(call)

    def merge(
        self,
        arrivals: Sequence[Arrival],
        embeddings: Sequence[Embedding | None] = (),
        *,
        dry_run: bool = False,
    ) -> list[Merged]:
        """Take over the arrivals whose state counts."""
        if dry_run:
            return self._opened.committer.read(lambda truth: merging.preview(truth, arrivals))
        return self._opened.committer.run(
            lambda truth, changes: merging.merge(truth, arrivals, embeddings, changes)
        )

    def tombstones(
        self, projects: Collection[str] | None = None, after: str = "", limit: int = 1000
    ) -> list[Tombstone]:
        """List what was forgotten or purged, by uid."""
        return self._opened.committer.read(lambda truth: merging.listed(truth, projects, after, limit))

    def origins(self, project: str) -> dict[int, Origin]:
        """Return the origins of a project's memories."""
        return self._opened.committer.read(
            lambda truth: origins.read(truth.connection, project, truth.damaged)
        )

    def origins_of(self, ids: Collection[int]) -> dict[int, Origin]:
        """Return the origins of some memories."""
        return self._opened.committer.read(
            lambda truth: origins.read_some(truth.connection, ids, truth.damaged)
        )

    def known(self, uids: Collection[str]) -> dict[str, Standing]:
        """Return what is known of some uids."""
        return self._opened.committer.read(lambda truth: truth.known(uids))

    def forget(self, ids: Sequence[int]) -> list[int]:
        """Take memories out of every answer."""
        return self._opened.committer.run(lambda truth, changes: truth.forget(ids, changes), gives_room=True)

    def purge(
        self, ids: Sequence[int], *, dry_run: bool = False, prove: bool = False, let_go: LetGo = keeps_nothing
    ) -> Purged:
        """Take memories out of every answer and of every file."""
        if not self._restoring.acquire(blocking=False):
            raise Conflict("a restore or another purge is running; wait until it is done")
        try:
            return self._opened.purging.purge(ids, dry_run=dry_run, prove=prove, let_go=let_go)
        finally:
            self._restoring.release()

    def drop_project(self, name: str) -> int:
        """Forget a project with all its memories."""
        return self._opened.committer.run(
            lambda truth, changes: truth.drop_project(name, changes), gives_room=True
        )

    def unembedded(self, limit: int, model: str | None = None, after: int = 0) -> list[Memory]:
        """Return memories that a model has not embedded yet, oldest first."""
        return self._opened.committer.read(lambda truth: truth.unembedded(limit, model or truth.model, after))

    def count_unembedded(self, model: str | None = None) -> dict[str, int]:
        """Count them by project."""
        return self._opened.committer.read(lambda truth: truth.count_unembedded(model or truth.model))

    def embeddings(self, ids: Sequence[int]) -> dict[int, Embedding]:
        """Return what the model in use has made of some memories."""
        return self._opened.committer.read(lambda truth: truth.embeddings_by(truth.model, ids))

    def embed(self, embeddings: Mapping[int, tuple[str, Embedding]]) -> None:
        """Add vectors to memories whose text is still the one given."""
        self._opened.committer.run(lambda truth, changes: truth.embed(embeddings, changes))

    # The ledger.

    def note_uses(self, uses: Sequence[Use]) -> None:
        """Count uses."""
        self._uses.add(uses)
        if self._uses.are_due:
            self._opened.keeper.wake()

    def uses(self, since: str = "") -> list[Use]:
        """Return what was counted since a day."""
        self._write_uses()
        return self._opened.committer.read(lambda truth: uses.read(truth.connection, since))

    def _write_uses(self) -> None:
        if (waiting := uses.to_add(self._uses.take())) is not None:
            self._opened.committer.run(lambda truth, changes: truth.add_uses(waiting, changes))

    # Telling.

    def stats(self) -> StoreStats:
        """Return sizes and states."""
        created_at = self._derived.created_at
        return StoreStats(
            created_at=created_at,
            last_updated=max((project.last_updated for project in self.projects()), default=created_at),
            index_size_bytes=self._derived.index_sizes(),
            backups_stand_alone=self._opened.history.has_links,
        )

    def changes(self, after: str | None = None, limit: int = 1000) -> Feed:
        """Return what was written since a position, oldest first."""
        return self._opened.committer.read(lambda truth: feed.read(truth, after, limit))

    def position(self) -> str:
        """Return the position from which all follows that is written from now on."""
        return self._opened.committer.read(feed.position)

    def rebuilding(self) -> list[Progress]:
        """Return which derived files are being rebuilt, and how far a restore is that is being built beside."""
        building = self._building.now
        return [*self._indexes.rebuilding(), *([] if building is None else [building])]

    def busy(self) -> Progress | None:
        """Return what keeps the records from being read and written."""
        return self._busy.now

    def close(self) -> None:
        """Finish what was accepted, save the indexes, and let go of the data folder."""
        if self._is_open:
            with self._restoring:  # what rewrites files is let finish: the next owner may come at once
                self._close()
        self._lock.release()

    def _close(self) -> None:
        self._opened.keeper.close()
        try:
            self._write_uses()
        except StoreError as error:
            log.warning("the last uses of memories are not counted: %s", error)
        self._opened.committer.close()
        self._derived.close()
        self._opened.history.close()
        self._opened.committer.truth.close()
