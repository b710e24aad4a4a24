"""What a store promises: durable records that can be searched, with the state of the models that embed them.

A store may lie in this process or on a server that several processes share: what is in use, and what has changed, is
the store's to know, and each call is answered from one state of it.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from faiss_memory.contracts.embedder import Embedding, Vectors
from faiss_memory.contracts.models import KnownModel as KnownModel, Models as Models
from faiss_memory.memory import (
    Change,
    Draft,
    Facets,
    Filter,
    Match,
    Memory,
    Origin,
    Passage,
    ProjectCount,
    Ranking,
    Standing,
    StoreStats,
)


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
    """The id of the nearest memory and its similarity. Where the draft was stored all the same, something tells the two
    apart; see `differences`."""
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
    not_covered: list[str] = field(default_factory=list)
    """What may still hold the texts and could not be searched, a sentence each."""


@dataclass(frozen=True, slots=True)
class Purged:
    """What was purged, or would be; `rewritten` counts files, `removed` names those that could not be read."""

    ids: list[int]
    missing: list[int]
    rewritten: int = 0
    removed: list[str] = field(default_factory=list)
    proof: Proof | None = None


LetGo = Callable[[Sequence[int], Collection[str]], None]
"""Tells others, who keep something of memories too, to let go of these: their ids, and every text that they had."""


def keeps_nothing(ids: Sequence[int], texts: Collection[str]) -> None:
    """Do nothing: the `LetGo` of a store beside which nobody keeps anything of memories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a search asks a store for."""

    where: Filter
    depth: int
    """How many memories each leg brings, if as many match."""
    vector: Vectors | None = None
    """The query's vector, shape (dimension,), to compare memories with; None where there is no model."""
    model: str | None = None
    """The identity of the model that made it; None: the one in use."""
    nearest: bool = True
    """Whether to look for the memories nearest to `vector`, and not only to compare those that others name."""
    text: str | None = None
    """The words to look for; None for no leg by words."""
    named: Collection[int] = ()
    """Memories that a ranking from elsewhere names: to be compared too, if the filter lets them through."""
    phrases: Sequence[str] = ()
    """What a memory may hold word for word; see `Legs.verbatim`."""


@dataclass(frozen=True, slots=True)
class Scope:
    """How many memories a filter lets through, and how similar these are to the query; scores are measured by it."""

    memories: int = 0
    mean: float = 0.0
    spread: float = 0.0
    """Mean and standard deviation of the query's similarity with them, or with a sample; 0 where there is no vector."""
    coverage: float = 0.0
    """The largest share of the query's words, weighted by their idf, that one memory holds, in [0, 1]."""
    unit: float = 1.0
    """The difference in similarity, by the model's metric, that weighs as much as 1 of the cosine; see `unit_of`."""


@dataclass(frozen=True, slots=True)
class Legs:
    """What a search found, before its legs are fused; all of one state."""

    nearest: Sequence[Match]
    """By meaning, best first: exactly `depth` of them if as many match."""
    words: Ranking
    """By words of texts and cues at least, BM25: the best `depth`, then those of the nearest that hold one as well."""
    matches: Mapping[int, Match]
    """How near every memory is that stands in a leg or was named, by id; those without a vector are left out."""
    named: Collection[int]
    """Those of the named that are there and that the filter lets through."""
    scope: Scope
    verbatim: Collection[int] = ()
    """The memories that hold one of the phrases word for word, case folded. Empty where many might: a store looks into
    a bounded number of texts."""
    partial: Collection[str] = ()
    """Which legs, `semantic` or `keyword`, had not seen every memory in this state, besides what `rebuilding` tells."""


Choose = Callable[[Legs], Sequence[int]]
"""Decides which memories answer, best first. It is called while the store holds one state still: it must be quick,
and ask the store for nothing."""


class Found(NamedTuple):
    """The legs of a search, and the chosen memories as they are in the same state, in the order chosen."""

    legs: Legs
    memories: list[Memory]
    held: Mapping[int, Collection[str]] = {}
    """Which terms of the query's text a chosen memory holds, by id, as `analyzer.analyze_query` names them. Where a
    store does not say, the texts tell."""


class Closest(NamedTuple):
    """A memory that a passage is like, and how much: by the cosine, whatever the model's metric."""

    memory: Memory
    similarity: float
    passage: Passage
    """The stretch of the memory that is meant."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What was written since a position: by id, each memory once, as it is now."""

    position: str
    """Where to go on; opaque."""
    stored: list[int]
    """New or changed."""
    removed: list[int]
    anew: bool = False
    """Whether the position asked for leads nowhere, such as after a restore: all that is known is to be forgotten, and
    what there is follows from the beginning."""
    more: bool = False
    """Whether there is more to read at once."""


class Records(ABC):
    """What every store must keep: records, durably, and the answers to searches.

    A write returns when it is durable and every reader sees it; a call is all or nothing; ids are never reused;
    no reader ever sees what was not committed, and no answer mixes two states. Writes raise StoreError, DiskFull when
    there is no room.
    """

    @abstractmethod
    def open(self) -> None:
        """Make ready for everything below; may take long. Raises StoreCorrupt when the truth cannot be read."""

    @abstractmethod
    def busy(self) -> Progress | None:
        """Return what keeps the records from being read and written: opening, a restore. May be asked before `open`.

        The `project` is `*`, and `progress` is 0 where it is not known.
        """

    @abstractmethod
    def add(
        self, drafts: Sequence[Draft], embeddings: Sequence[Embedding | None], retry: Retry | None = None
    ) -> list[Added]:
        """Store drafts, or return a retried call's first answer. Without an embedding, keywords alone find it.

        Raises MemoryNotFound when `supersedes` names nothing of the same project, Conflict when the key was
        used with another request, or a draft has a uid that is known.
        """

    @abstractmethod
    def change(self, memory_id: int, change: Change, embedding: Embedding | None) -> Memory:
        """Correct a memory; `embedding` goes with a changed text. Raises MemoryNotFound.

        It is of the text and of the cues that the memory has then; one of other cues is passed over. Changed cues alone
        make the vectors void, and `embed` brings new ones.
        """

    @abstractmethod
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

    @abstractmethod
    def origins(self, project: str) -> dict[int, Origin]:
        """Return the origins of a project's memories, by id; those that were not built from a file have none."""

    def origins_of(self, ids: Collection[int]) -> dict[int, Origin]:
        """Return the origins of some memories, by id.

        It is asked with every memory that is to be shown: a store that can look them up singly should.
        """
        wanted = set(ids)
        projects = {memory.project for memory in self.get(list(wanted))}
        found = (pair for project in projects for pair in self.origins(project).items())
        return {memory_id: origin for memory_id, origin in found if memory_id in wanted}

    @abstractmethod
    def forget(self, ids: Sequence[int]) -> list[int]:
        """Take memories out of every answer; returns the ids that were there."""

    @abstractmethod
    def purge(
        self, ids: Sequence[int], *, dry_run: bool = False, prove: bool = False, let_go: LetGo = keeps_nothing
    ) -> Purged:
        """Take memories out of every answer and of every file, those as well that were forgotten before.

        Older moments stay restorable without them, and no restore brings them back. With `prove` every file is then
        searched for their texts; before that `let_go` is told what is gone, and every text it had, in any file.
        Raises Conflict while a restore or another purge runs.
        """

    @abstractmethod
    def drop_project(self, name: str) -> int:
        """Forget a project with all its memories; returns their number. Raises MemoryNotFound."""

    @abstractmethod
    def get(self, ids: Sequence[int]) -> list[Memory]:
        """Read memories, in the order asked for; those that are not there are left out."""

    @abstractmethod
    def known(self, uids: Collection[str]) -> dict[str, Standing]:
        """Return what is known of some uids; those that were never met are left out."""

    @abstractmethod
    def history(self, memory_id: int) -> list[Memory]:
        """Read a memory and what it superseded, newest first. Raises MemoryNotFound."""

    @abstractmethod
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

    @abstractmethod
    def matching_ids(self, where: Filter) -> list[int]:
        """Return the ids of all memories that a filter lets through, ascending."""

    def count(self, where: Filter) -> int:
        """Return how many memories a filter lets through; a store that need not name them for that should not."""
        return len(self.matching_ids(where))

    @abstractmethod
    def allowed(self, ids: Collection[int], where: Filter) -> set[int]:
        """Return those of some memories that are there and that a filter lets through."""

    @abstractmethod
    def changes(self, after: str | None = None, limit: int = 1000) -> Feed:
        """Return what was written since a position, oldest first; None: from the beginning.

        Any process that can reach the store may follow it, whoever wrote. `limit` is about how many ids are told at
        once; what was written together is told together.
        """

    def position(self) -> str:
        """Return the position from which all follows that is written from now on.

        A store that can tell it without reading all there is tells it itself.
        """
        return self.changes(limit=sys.maxsize).position

    @abstractmethod
    def search(self, asked: Search, choose: Choose) -> Found:
        """Find memories by meaning and by words, and read those that `choose` takes: all of it from one state."""

    @abstractmethod
    def closest(self, embedding: Embedding, where: Filter, depth: int = 1) -> list[list[Closest]]:
        """Find for each passage of a text what it is most like, so many memories deep, best first; cues aside."""

    @abstractmethod
    def older_alike(
        self, project: str, ids: Sequence[int], least: float, depth: int
    ) -> dict[int, list[tuple[int, float]]]:
        """Find for each of some memories of a project those with lower ids that are most like it, best first.

        At most `depth` of them, with the cosine of their nearest passages, from `least` on: nothing is embedded, so a
        memory without vectors has none. What is superseded does not count, and neither do cues. Asked of every memory,
        each pair is met once.
        """

    @abstractmethod
    def projects(self) -> list[ProjectCount]:
        """Count memories by project, in order of name."""

    @abstractmethod
    def tags(self, where: Filter) -> dict[str, int]:
        """Count memories by tag."""

    @abstractmethod
    def facets(self, where: Filter, contains: str | None = None) -> Facets:
        """Count memories by project, tag, source, way and state, as `select` would find them."""

    @abstractmethod
    def stats(self) -> StoreStats:
        """Return sizes and states."""

    @abstractmethod
    def rebuilding(self) -> list[Progress]:
        """Return which derived files are being rebuilt, and how far a restore is that is being built beside."""

    @abstractmethod
    def close(self) -> None:
        """Finish what was accepted, and let go of the data folder."""


class Store(Records, Models):
    """A store of memories. One with copies of itself is a `Backups` as well, one that services share a `Shared`."""
