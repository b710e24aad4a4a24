"""The parts a guest may bring or hand in: an embedder, a store, routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias
from wsgiref.types import WSGIApplication

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
    """A text's passages and their vectors, one row each, by one model."""

    passages: tuple[Passage, ...]
    vectors: Vectors


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


class Store(Protocol):
    """Durable records with their indexes.

    A write returns when it is durable and every reader sees it; a call is all or nothing; ids are never reused;
    no reader ever sees what was not committed. Writes raise StoreError, DiskFull when there is no room.
    """

    def open(self) -> None:
        """Make ready for everything below; may take long. Raises StoreCorrupt when the truth cannot be read."""

    def use_model(self, identity: str, name: str, dimension: int) -> None:
        """Answer `nearest` with this model's vectors from now on; memories without one are `unembedded`."""

    def unembedded(self, limit: int) -> list[Memory]:
        """Give memories that the model in use has not embedded yet."""

    def count_unembedded(self) -> dict[str, int]:
        """Count the memories that the model in use has not embedded yet, by project."""

    def embed(self, embeddings: Mapping[int, tuple[str, Embedding]]) -> None:
        """Add the model's vectors to stored memories, by id with the text they stand for.

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

    def nearest(self, vector: Vectors, where: Filter, limit: int) -> list[Match]:
        """Find memories by meaning: exactly `limit` of them, best first, if as many match. `vector`: (dimension,)."""

    def similarities(self, vector: Vectors, ids: Sequence[int]) -> dict[int, Match]:
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
        """Tell which derived files are being rebuilt."""

    def backup(self, label: str | None) -> Backup:
        """Make a consistent copy that can be restored."""

    def backups(self) -> list[Backup]:
        """List the copies, oldest first."""

    def restore(self, wanted: str | datetime) -> Restored:
        """Put the state of a backup, by name, or of a time in the place of the present one, which is set aside.

        Raises MemoryNotFound when there is no such backup, or none that reaches back so far; Conflict while another
        restore runs; StoreCorrupt when the backup does not come to what it says of itself.
        """

    def close(self) -> None:
        """Finish what was accepted, and let go of the data folder."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer that is not JSON."""

    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One call of the HTTP interface: validated, documented and let in by the host alone.

    `handler` is called with the parameters (path and query) if `params` is given, then the body if `body` is,
    each as the named struct; it answers with a struct, a Page, or a (status, struct) pair.
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    summary: str
    handler: Callable[..., Any]
    params: type[Any] | None = None
    body: type[Any] | None = None
    answer: type[Any] | None = None
    """The struct of the answer, or `list[…]` of one; None for a Page."""
    status: int = 200
    other_statuses: Mapping[int, type[Any]] = field(default_factory=dict)
    """Further successful statuses, with their structs."""
    other_content: tuple[str, ...] = ()
    """Further content types that it can answer with, as a Page."""
    public: bool = False
    """Whether the call exists on the public address too."""
    open: bool = False
    """Whether it needs no token; for answers without private detail only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A WSGI application of a guest's own at one path, for a protocol that a Route cannot speak.

    Who is let in, how large a body may be, the log and the draining are the host's, as for a Route. Besides what WSGI
    says, the environ has the whole body in `wsgi.input`, and `faiss_memory.public`: whether the request came by the
    public address. The answer is collected before it is sent, so it has to end. InvalidRequest and the other errors of
    the service are answered as everywhere.
    """

    path: str
    app: WSGIApplication
    methods: tuple[Literal["GET", "POST", "PATCH", "DELETE"], ...] = ("POST",)
    public: bool = False
    """Whether it exists on the public address too."""
