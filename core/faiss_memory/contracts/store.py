"""What a store promises: durable records with their indexes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Literal, Protocol

from faiss_memory.contracts.embedder import Embedding, Vectors
from faiss_memory.contracts.http import Download
from faiss_memory.memory import (
    Change,
    Draft,
    Filter,
    Match,
    Memory,
    Origin,
    ProjectCount,
    Ranking,
)


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model whose vectors a store holds."""

    identity: str
    name: str
    dimension: int


@dataclass(frozen=True, slots=True)
class Retry:
    """An idempotency key, with a digest of the request it stands for."""

    key: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Added:
    """What became of one draft: stored under `id`, or left out because of a near twin."""

    id: int | None
    twin: tuple[int, float] | None = None
    """The id of the nearest memory and its similarity."""
    repeated: bool = False
    """Whether this is the first answer again, to a call that was retried."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What one rewriting did, by id."""

    added: list[int]
    changed: list[int]
    removed: list[int]


@dataclass(frozen=True, slots=True)
class Progress:
    """Work on a derived file: what, of which project, and how far in [0, 1]."""

    project: str
    what: str
    progress: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A restorable copy of the store."""

    name: str
    created_at: datetime
    memories: int
    size_bytes: int
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and under which name in the data folder the state before was set aside."""

    name: str
    memories: int
    set_aside: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What a search of every file for texts has found: the names of files in the data folder that hold a part of one.

    `shared` are memories that stay and say the same in part: what is theirs proves nothing, and is not searched for.
    """

    files_searched: int
    bytes_searched: int
    texts: int
    found: list[str]
    shared: list[int]


@dataclass(frozen=True, slots=True)
class Purged:
    """What was purged, or would be; `rewritten` counts files, `removed` names those that could not be read."""

    ids: list[int]
    missing: list[int]
    rewritten: int = 0
    removed: list[str] = field(default_factory=list)
    proof: Proof | None = None


class Store(Protocol):
    """Durable records with their indexes.

    A write returns when it is durable and every reader sees it; a call is all or nothing; ids are never reused;
    no reader ever sees what was not committed. Writes raise StoreError, DiskFull when there is no room.
    """

    def open(self) -> None:
        """Make ready for everything below; may take long. Raises StoreCorrupt when the truth cannot be read."""

    def busy(self) -> Progress | None:
        """Tell what keeps the records from being read and written: opening, a restore. May be asked before `open`.

        The `project` is `*`, and `progress` is 0 where it is not known.
        """

    def use_model(self, identity: str, name: str, dimension: int) -> None:
        """Put this model in use: answer with its vectors from now on, and with those of no other."""

    def prepare_model(self, identity: str, name: str, dimension: int) -> None:
        """Be ready to answer with this model's vectors too, for those who name it, until another is put in use.

        Returns when those that are there are loaded; may take long.
        """

    def keep_models(self, identities: Collection[str]) -> None:
        """Remove the stored vectors of all other models; the one in use must be among those named. May take long."""

    def last_model(self) -> KnownModel | None:
        """Give the model that was last in use, by this process or one before it."""

    def unembedded(self, limit: int, model: str | None = None, after: int = 0) -> list[Memory]:
        """Give memories that a model, by identity, has not embedded yet: the oldest of those with ids above `after`.

        Without `model`, here and below, it is the one in use.
        """

    def count_unembedded(self, model: str | None = None) -> dict[str, int]:
        """Count the memories that a model has not embedded yet, by project."""

    def embed(self, embeddings: Mapping[int, tuple[str, Embedding]]) -> None:
        """Add vectors to stored memories, by id with the text they stand for, where the model has none yet.

        A memory that has gone, or whose text has changed since, is passed over.
        """

    def add(
        self, drafts: Sequence[Draft], embeddings: Sequence[Embedding | None], retry: Retry | None = None
    ) -> list[Added]:
        """Store drafts, or give a retried call's first answer. Without an embedding, keywords alone find it.

        Raises MemoryNotFound when `supersedes` names nothing of the same project, Conflict when the key was
        used with another request.
        """

    def change(self, memory_id: int, change: Change, embedding: Embedding | None) -> Memory:
        """Correct a memory; `embedding` goes with a changed text. Raises MemoryNotFound."""

    def rewrite(
        self,
        drafts: Sequence[Draft],
        embeddings: Sequence[Embedding | None],
        changes: Mapping[int, Change],
        gone: Sequence[int],
    ) -> Rewritten:
        """Store drafts, correct memories and forget others, in one transaction: all of it or nothing.

        `changes`, by id, leave the texts alone. What was forgotten meanwhile is passed over.
        """

    def origins(self, project: str) -> dict[int, Origin]:
        """Give the origins of a project's memories, by id; those that were not built from a file have none."""

    def forget(self, ids: Sequence[int]) -> list[int]:
        """Take memories out of every answer; gives the ids that were there."""

    def purge(self, ids: Sequence[int], *, dry_run: bool = False, prove: bool = False) -> Purged:
        """Take memories out of every answer and of every file, those as well that were forgotten before.

        Older moments stay restorable without them, and no restore brings them back. With `prove` every file is then
        searched for their texts. Raises Conflict while a restore or another purge runs.
        """

    def drop_project(self, name: str) -> int:
        """Forget a project with all its memories; gives their number. Raises MemoryNotFound."""

    def get(self, ids: Sequence[int]) -> list[Memory]:
        """Read memories, in the order asked for; those that are not there are left out."""

    def history(self, memory_id: int) -> list[Memory]:
        """Read a memory and what it superseded, newest first. Raises MemoryNotFound."""

    def select(
        self,
        where: Filter,
        *,
        contains: str | None = None,
        order: Literal["newest", "oldest"] = "newest",
        limit: int = 50,
        after: tuple[datetime, int] | None = None,
    ) -> list[Memory]:
        """List memories by time, those after the given (timestamp, id) in that order."""

    def matching_ids(self, where: Filter) -> list[int]:
        """Give the ids of all memories that a filter lets through, ascending."""

    def nearest(self, vector: Vectors, where: Filter, limit: int, model: str | None = None) -> list[Match]:
        """Find memories by meaning: exactly `limit` of them, best first, if as many match. `vector`: (dimension,)."""

    def similarities(self, vector: Vectors, ids: Sequence[int], model: str | None = None) -> dict[int, Match]:
        """Compare a query with chosen memories; those without a vector are left out."""

    def matching(self, text: str, where: Filter, limit: int) -> Ranking:
        """Find memories by words, ranked by BM25."""

    def closest(self, embedding: Embedding, where: Filter) -> tuple[int, float] | None:
        """Find what a text's least known passage is most like, with the similarity; None if nothing matches."""

    def projects(self) -> list[ProjectCount]:
        """Count memories by project, in order of name."""

    def tags(self, where: Filter) -> dict[str, int]:
        """Count memories by tag."""

    def stats(self) -> Mapping[str, Any]:
        """Tell sizes and states: at least created_at, last_updated, index_size_bytes, per project."""

    def rebuilding(self) -> list[Progress]:
        """Tell which derived files are being rebuilt, and how far a restore is that is being built beside."""

    def backup(self, label: str | None) -> Backup:
        """Make a consistent copy that can be restored."""

    def backups(self) -> list[Backup]:
        """List the copies, oldest first."""

    def restore(self, wanted: str | datetime) -> Restored:
        """Put the state of a backup, by name, or of a time in the place of the present one, which is set aside.

        Raises MemoryNotFound when there is no such backup, or none that reaches back so far; Conflict while another
        restore runs; StoreCorrupt when the backup does not come to what it says of itself.
        """

    def archive(self, backup: str | None, label: str | None) -> Download:
        """Give a backup, by name, or the present state, as one file to take away; of the present nothing else is kept.

        Raises MemoryNotFound when there is no such backup, StoreCorrupt when it is not whole.
        """

    def restore_archive(self, archive: BinaryIO) -> Restored:
        """Put the state in an archive, of this store or another, in the place of the present one, as `restore` does.

        Raises InvalidRequest when it is not a whole archive, Conflict while another restore runs, StoreCorrupt when it
        does not come to what it says of itself.
        """

    def close(self) -> None:
        """Finish what was accepted, and let go of the data folder."""
