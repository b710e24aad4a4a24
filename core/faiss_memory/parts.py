"""The parts a guest may bring or hand in: an embedder, a store, routes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from faiss_memory.memory import (
    Change,
    Draft,
    Filter,
    Match,
    Memory,
    Origin,
    Passage,
    ProjectCount,
    Ranking,
)

Vectors: TypeAlias = npt.NDArray[np.float32]
"""Unit vectors, one a row: shape (count, dimension)."""


class Embedder(Protocol):
    """Turns texts into unit vectors. Every method may be called from several threads at once."""

    @property
    def name(self) -> str:
        """The model's name as the settings give it, such as `all-MiniLM-L6-v2`."""

    @property
    def identity(self) -> str:
        """The name and a digest of the model's content: vectors of two identities are never compared."""

    @property
    def dimension(self) -> int:
        """The length of a vector."""

    @property
    def window(self) -> int:
        """How many tokens of a text one vector can stand for, special tokens not counted."""

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Embed questions, with the model's query prompt where it has one; longer texts are cut at the window.

        Raises EmbedderError.
        """

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Embed what is stored, with the model's document prompt where it has one; cut at the window.

        Raises EmbedderError.
        """

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Say where each token of the whole text lies, as (start, end) in characters; nothing is cut off."""

    def close(self) -> None:
        """Give back what it holds, such as a child process."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """A text's passages and their vectors, one row each, by one model; and the same by the model that is to come."""

    passages: tuple[Passage, ...]
    vectors: Vectors
    model: str | None = None
    """The identity of the model; None: the one that the store has in use."""
    coming: Embedding | None = None
    """While one model takes another's place: the same text by the one that `Store.prepare_model` was told of."""

    def by_each(self) -> tuple[Embedding, ...]:
        """Give this embedding, and that by the coming model where there is one."""
        return (self,) if self.coming is None else (self, self.coming)


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


class LeftOut(NamedTuple):
    """A memory that a restore does not bring back, and why: it was `purged`, or it is `damaged`."""

    id: int
    uid: str
    reason: Literal["purged", "damaged"]


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and under which name in the data folder the state before was set aside."""

    name: str
    memories: int
    set_aside: str
    left_out: tuple[LeftOut, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Page:
    """An answer that is not JSON."""

    content: bytes
    content_type: str


class Pieces(Protocol):
    """Bytes that are read while they are sent; closed when they were, or cannot be any more."""

    def __iter__(self) -> Iterator[bytes]:
        """Give them piece by piece."""

    def close(self) -> None:
        """Give back what is held for them."""


@dataclass(frozen=True, slots=True)
class Download:
    """An answer too large to be held at once, for keeping under a name; `size` in bytes."""

    pieces: Pieces
    size: int
    content_type: str
    file_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One call of the HTTP interface: validated, documented and let in by the host alone.

    `handler` is called with the parameters (path and query) if `params` is given, then the body if `body` is,
    each as the named struct; it answers with a struct, a Page, a Download, or a (status, struct) pair.
    With `upload` the body is given as a file that is open for reading.
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    summary: str
    handler: Callable[..., Any]
    params: type[Any] | None = None
    body: type[Any] | None = None
    upload: str = ""
    """The media type of a body that may be larger than memory, up to the setting `limits.archive_bytes`."""
    answer: type[Any] | None = None
    """The struct of the answer, or `list[…]` of one; None for a Page or a Download."""
    status: int = 200
    other_statuses: Mapping[int, type[Any]] = field(default_factory=dict)
    """Further successful statuses, with their structs."""
    other_content: tuple[str, ...] = ()
    """Further content types that it can answer with, as a Page."""
    public: bool = False
    """Whether the call exists on the public address too."""
    open: bool = False
    """Whether it needs no token; for answers without private detail only."""
