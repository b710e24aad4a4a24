"""The store on PostgreSQL: records, vectors and words lie in one database, which several services share."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from threading import Event
from typing import Literal, TypeVar

from faiss_memory import (
    Added,
    Arrival,
    Change,
    Choose,
    Closest,
    Draft,
    Embedding,
    Facets,
    Feed,
    Filter,
    Found,
    KeepsTeam,
    KnownModel,
    Ledger,
    LetGo,
    Memory,
    MemoryNotFound,
    Merged,
    Merging,
    News,
    NotReady,
    Origin,
    Problems,
    Progress,
    ProjectCount,
    Purged,
    Retry,
    Rewritten,
    Search,
    Shared,
    Standing,
    Store,
    StoreError,
    StoreStats,
    Tombstone,
    Use,
    WaitingUses,
    keeps_nothing,
)
from faiss_memory_plugins.postgres import (
    feed,
    large,
    ledger,
    merging,
    models,
    purging,
    reading,
    rows,
    searching,
)
from faiss_memory_plugins.postgres.database import Database, Transaction
from faiss_memory_plugins.postgres.filters import condition
from faiss_memory_plugins.postgres.legs.keeping import Keeping
from faiss_memory_plugins.postgres.locks import leased
from faiss_memory_plugins.postgres.members.team import DatabaseTables
from faiss_memory_plugins.postgres.schema import migrate
from faiss_memory_plugins.postgres.settings import PostgresSettings
from faiss_memory_plugins.postgres.worker import Bell, Follower, IndexKeeper
from faiss_memory_plugins.postgres.writing import Writer

T = TypeVar("T")


class PostgresStore(Store, Ledger, Shared, Merging, KeepsTeam):
    """Implements `faiss_memory.Store`. Backups are the database's: it is no `Backups`.

    Raises ConfigError for an address that cannot be read.
    """

    def __init__(
        self,
        address: str,
        settings: PostgresSettings | None = None,
        on_failure: Callable[[StoreError], None] = lambda _: None,
        problems: Problems | None = None,
    ) -> None:
        """`on_failure` is called where the database is not there in time: whoever watches over the service starts it
        again."""
        self._settings = settings or PostgresSettings()
        self._on_failure = on_failure
        self._problems = problems or Problems()
        self._keeping = Keeping(self._settings.kept_mb)
        self._database = Database(address, self._settings, self._problems, self._keeping.clear)
        self._service = uuid.uuid4()
        self._writer = Writer(self._service)
        self._team = DatabaseTables(self._database)
        self._uses = WaitingUses()
        self._is_open, self._closing = False, Event()
        self._channel = f"{self._settings.schema}_changes"
        self._bell = Bell(self._database, self._channel, self._write_due_uses, self._problems)
        self._keeper = IndexKeeper(self.tend, self._problems)
        self._followers: list[Follower] = []

    @property
    def team(self) -> DatabaseTables:
        """Where the team is kept."""
        return self._team

    def open(self) -> None:
        """Wait for the database, and bring its tables to this version."""
        try:
            self._database.open(self._closing.is_set)
        except NotReady as error:
            failed = StoreError(f"{error} (look at the address in `store`, and at the database)")
            self._on_failure(failed)
            raise failed from error
        self._migrate()
        self._bell.start()
        self._keeper.start()
        self._is_open = True

    def _migrate(self) -> None:
        migrate(self._database, self._settings.schema)

    def busy(self) -> Progress | None:
        """Return what keeps the records from being read and written."""
        if self._is_open and not self._database.trouble:
            return None
        return Progress("*", self._database.trouble or "the database is being opened", 0.0)

    def close(self) -> None:
        """Write what waits, and let go of every connection."""
        self._closing.set()
        self._database.closing = True
        if self._is_open:
            self._keeper.close()
            for follower in self._followers:
                follower.end()
            self._bell.close()  # (which wakes the followers)
            for follower in self._followers:
                follower.join()
            try:
                self._write_uses()
            except StoreError:
                self._problems.note("ledger", "the last uses could not be written")
        self._database.close()

    def _write(self, call: Callable[[Transaction], T]) -> T:
        done = self._database.write(call)
        self._bell.ring()
        return done

    # Writing.

    def add(
        self, drafts: Sequence[Draft], embeddings: Sequence[Embedding | None], retry: Retry | None = None
    ) -> list[Added]:
        """Store drafts, or give a retried call's first answer."""
        return self._write(lambda run: self._writer.add(run, drafts, embeddings, retry))

    def change(self, memory_id: int, change: Change, embedding: Embedding | None) -> Memory:
        """Correct a memory."""

        def call(run: Transaction) -> Memory:
            self._writer.change(run, memory_id, change, embedding)
            return rows.read(run, [memory_id])[0]

        return self._write(call)

    def rewrite(
        self,
        drafts: Sequence[Draft],
        embeddings: Sequence[Embedding | None],
        changes: Mapping[int, Change],
        gone: Sequence[int],
    ) -> Rewritten:
        """Store drafts, correct memories and forget others, all or nothing."""

        def call(run: Transaction) -> Rewritten:
            added = self._writer.put(run, drafts, embeddings)
            changed = []
            for memory_id, change in changes.items():
                try:
                    self._writer.change(run, memory_id, change, None)
                except MemoryNotFound:  # (nothing was done yet)
                    continue
                changed.append(memory_id)
            return Rewritten(added, changed, self._writer.forget(run, gone))

        return self._write(call)

    def merge(
        self,
        arrivals: Sequence[Arrival],
        embeddings: Sequence[Embedding | None] = (),
        *,
        dry_run: bool = False,
    ) -> list[Merged]:
        """Take over the arrivals whose state counts."""
        if dry_run:
            return self._database.read(lambda run: merging.preview(run, arrivals))
        return self._write(lambda run: merging.merge(run, self._writer, arrivals, embeddings))

    def tombstones(
        self, projects: Collection[str] | None = None, after: str = "", limit: int = 1000
    ) -> list[Tombstone]:
        """List what was forgotten or purged, by uid."""
        return self._database.read(lambda run: merging.listed(run, projects, after, limit))

    def forget(self, ids: Sequence[int]) -> list[int]:
        """Take memories out of every answer."""
        return self._write(lambda run: self._writer.forget(run, ids))

    def drop_project(self, name: str) -> int:
        """Forget a project with all its memories."""
        return self._write(lambda run: self._writer.drop_project(run, name))

    def purge(
        self, ids: Sequence[int], *, dry_run: bool = False, prove: bool = False, let_go: LetGo = keeps_nothing
    ) -> Purged:
        """Take memories out of every answer and of the tables; the proof names what it cannot speak for."""
        known, texts = self._database.read(lambda run: purging.known(run, ids))
        missing = [memory_id for memory_id in dict.fromkeys(ids) if memory_id not in set(known)]
        if dry_run or not known:
            return Purged(known, missing)

        def call(run: Transaction) -> None:
            self._writer.forget(run, known)
            purging.mark(run, known)

        self._write(call)
        self._keeping.clear()
        purging.clear(self._database, self._settings.schema)
        let_go(known, texts)
        proof = self._database.read(lambda run: purging.prove(run, texts)) if prove else None
        return Purged(known, missing, rewritten=len(purging.TABLES), proof=proof)

    # Reading.

    def origins(self, project: str) -> dict[int, Origin]:
        """Return the origins of a project's memories."""
        return self._database.read(lambda run: reading.origins(run, project))

    def origins_of(self, ids: Collection[int]) -> dict[int, Origin]:
        """Return the origins of some memories."""
        return self._database.read(lambda run: reading.origins_of(run, ids))

    def get(self, ids: Sequence[int]) -> list[Memory]:
        """Read memories, in the order asked for."""
        return self._database.read(lambda run: rows.read(run, ids))

    def known(self, uids: Collection[str]) -> dict[str, Standing]:
        """Return what is known of some uids."""
        return self._database.read(lambda run: reading.known(run, uids))

    def history(self, memory_id: int) -> list[Memory]:
        """Read a memory and what it superseded, newest first."""
        return self._database.read(lambda run: reading.history(run, memory_id))

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
        return self._database.read(lambda run: reading.select(run, where, contains, order, limit, after))

    def matching_ids(self, where: Filter) -> list[int]:
        """Return the ids that a filter lets through."""
        return self._database.read(lambda run: reading.matching_ids(run, where))

    def count(self, where: Filter) -> int:
        """Return how many memories a filter lets through."""
        return self._database.read(lambda run: reading.count(run, where))

    def allowed(self, ids: Collection[int], where: Filter) -> set[int]:
        """Return those of some memories that a filter lets through."""
        return self._database.read(lambda run: searching.allowed(run, ids, condition(run, where)))

    def changes(self, after: str | None = None, limit: int = 1000) -> Feed:
        """Return what was written since a position, in order of commit."""
        return feed.awaited(self._database, after, limit)

    def lacking(self, ids: Collection[int], model: str) -> list[int]:
        """Return which of some memories a model has not embedded."""
        return self._database.read(lambda run: models.lacking(run, ids, model))

    def follow(self, tell: Callable[[News], None]) -> None:
        """Tell of what other services write from now on."""
        given = self._database, self._service, self._channel, tell, self._migrate, self._problems
        self._followers.append(Follower(*given))

    def lease(self, *names: Sequence[str]) -> AbstractContextManager[bool]:
        """Hold names that one of the services has at a time."""
        return leased(self._database, self._settings.schema, names)

    def search(self, asked: Search, choose: Choose) -> Found:
        """Find memories by meaning and by words, and read those that are chosen, in one state."""
        return self._database.read(lambda run: searching.search(run, asked, choose, self._keeping))

    def closest(self, embedding: Embedding, where: Filter, depth: int = 1) -> list[list[Closest]]:
        """Find for each passage of a text what it is most like, by passages and not by cues."""
        return self._database.read(lambda run: searching.closest(run, embedding, where, depth))

    def older_alike(
        self, project: str, ids: Sequence[int], least: float, depth: int
    ) -> dict[int, list[tuple[int, float]]]:
        """Find for each of some memories of a project those with lower ids that are most like it."""
        return self._database.read(lambda run: searching.older_alike(run, project, ids, least, depth))

    def projects(self) -> list[ProjectCount]:
        """Count memories by project."""
        return self._database.read(reading.projects)

    def tags(self, where: Filter) -> dict[str, int]:
        """Count memories by tag."""
        return self._database.read(lambda run: reading.tags(run, where))

    def facets(self, where: Filter, contains: str | None = None) -> Facets:
        """Count memories by project, tag, source, way and state."""
        return self._database.read(lambda run: reading.facets(run, where, contains))

    def stats(self) -> StoreStats:
        """Return sizes and states."""
        return self._database.read(reading.stats)

    def rebuilding(self) -> list[Progress]:
        """Return nothing: what is derived is written with the records."""
        return []

    def tend(self) -> list[str]:
        """Build and drop the indexes of large projects, as their sizes are now; returns what was done."""
        return large.tend(self._database, self._settings.schema, self._settings.index_above)

    def indexes(self) -> list[large.Index]:
        """Return the approximate indexes of large projects."""
        return self._database.read(large.indexes)

    # Models.

    def use_model(self, identity: str, name: str, dimension: int) -> None:
        """Put a model in use, for every service."""
        self._write(lambda run: models.know(run, identity, name, dimension, use=True))

    def prepare_model(self, identity: str, name: str, dimension: int) -> None:
        """Be ready to keep and compare this model's vectors too."""
        self._write(lambda run: models.know(run, identity, name, dimension, use=False))

    def keep_models(self, identities: Collection[str]) -> None:
        """Remove the vectors of all other models."""
        models.keep(self._database, identities)

    def model_in_use(self) -> KnownModel | None:
        """Return the model that was last put in use, by whichever service."""
        return self._database.read(models.in_use)

    def unembedded(self, limit: int, model: str | None = None, after: int = 0) -> list[Memory]:
        """Return memories that a model has not embedded yet, oldest first."""
        return self._database.read(lambda run: models.unembedded(run, limit, model, after))

    def count_unembedded(self, model: str | None = None) -> dict[str, int]:
        """Count them by project."""
        return self._database.read(lambda run: models.count_unembedded(run, model))

    def embeddings(self, ids: Sequence[int]) -> dict[int, Embedding]:
        """Return what the model in use has made of some memories."""
        return self._database.read(lambda run: models.embeddings(run, ids))

    def embed(self, embeddings: Mapping[int, tuple[str, Embedding]]) -> None:
        """Add vectors to memories whose text is still the one given."""
        self._database.write(lambda run: models.embed(run, embeddings))

    # The ledger.

    def note_uses(self, uses: Sequence[Use]) -> None:
        """Count uses."""
        self._uses.add(uses)

    def uses(self, since: str = "") -> list[Use]:
        """Return what was counted since a day; what other services have counted in the last minute may lack."""
        self._write_uses()
        return self._database.read(lambda run: ledger.read(run, since))

    def _write_due_uses(self) -> None:
        if self._uses.are_due:
            self._write_uses()

    def _write_uses(self) -> None:
        if counts := self._uses.take():
            try:
                self._database.write(lambda run: ledger.write(run, counts))
            except BaseException:
                self._uses.put_back(counts)
                raise
