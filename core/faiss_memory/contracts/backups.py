"""What a store that keeps copies of itself promises: backups, going back to one, archives to take away."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Literal, NamedTuple, Protocol

from faiss_memory.contracts.embedder import Embedding
from faiss_memory.contracts.http import Download
from faiss_memory.errors import NotSupported
from faiss_memory.memory import Memory, Origin


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
    """What was restored, what of it was left out, and under which name the state before was set aside.

    `left_behind` says in sentences what of the companions was not taken over.
    """

    name: str
    memories: int
    set_aside: str
    left_out: tuple[LeftOut, ...] = ()
    left_behind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Differing:
    """A memory as it is now, None if it was forgotten since, and as it was then, None if it was added since."""

    now: Memory | None
    then: Memory | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a restore would change: the counts are whole, and of each kind the latest memories stand for the rest."""

    name: str
    now: int
    then: int
    """How many memories there are, and would be."""
    added: int
    changed: int
    forgotten: int
    """How many were added, changed and forgotten since then."""
    changes: tuple[Differing, ...]
    left_out: tuple[LeftOut, ...] = ()
    """What the restore would not bring back."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How many backups were restored on trial, besides the present state, and what is wrong with any of them."""

    backups: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A memory that was forgotten, as it was then; the time is None where no file tells it."""

    memory: Memory
    forgotten_at: datetime | None
    origin: Origin | None = None


class Companion(Protocol):
    """A small file of the data folder that is no record and goes along with every backup, kept by who hands it in.

    It is only ever replaced as a whole, by a rename. What a backup holds of it may be a stranger's.
    """

    @property
    def name(self) -> str:
        """What it is called in the data folder."""

    def check(self, content: bytes) -> None:
        """Raise ValueError for what `take_over` could do nothing with."""

    def take_over(self, content: bytes, *, is_own: bool) -> Sequence[str]:
        """Go on with what a restored backup holds; `is_own` says that it was written in this data folder.

        It returns what of it stays behind, a sentence each with the reason. The records are restored already: what goes
        wrong is one of these sentences.
        """


class Backups(ABC):
    """An optional capability: a store that is one of these keeps copies of itself.

    One whose copies are somebody else's task, such as those of a database server, is not.
    """

    @abstractmethod
    def backup(self, label: str | None) -> Backup:
        """Make a consistent copy that can be restored."""

    @abstractmethod
    def backups(self) -> list[Backup]:
        """List the copies, oldest first."""

    @abstractmethod
    def restore(self, wanted: str | datetime) -> Restored:
        """Put the state of a backup, by name, or of a time in the place of the present one, which is set aside.

        Raises MemoryNotFound when there is no such backup, or none that reaches back so far; Conflict while another
        restore runs; StoreCorrupt when the backup does not come to what it says of itself.
        """

    def difference(self, wanted: str | datetime, most: int) -> Difference:
        """Return what `restore` would change, with at most so many memories of each kind; it changes nothing.

        Raises what `restore` raises, and NotSupported where it cannot be told without restoring.
        """
        raise NotSupported("this store cannot tell beforehand what a restore would change")

    @abstractmethod
    def archive(self, backup: str | None, label: str | None) -> Download:
        """Open a backup, by name, or the present state, as one file to take away; of the present nothing else is kept.

        Raises MemoryNotFound when there is no such backup, StoreCorrupt when it is not whole.
        """

    @abstractmethod
    def restore_archive(self, archive: BinaryIO) -> Restored:
        """Put the state in an archive, of this store or another, in the place of the present one, as `restore` does.

        Raises InvalidRequest when it is not a whole archive, Conflict while another restore runs, StoreCorrupt when it
        does not come to what it says of itself.
        """

    def verify(self) -> Tried:
        """Try whether the present state and every copy can be restored, beside the present one; it takes its time.

        Raises NotSupported where the store cannot, StoreError when the disk does not let it.
        """
        raise NotSupported("this store does not try its copies while it is open")

    def past(self) -> Iterator[Memory]:
        """Yield each memory in each state that a copy still holds, forgotten ones too, in any order, some repeatedly.

        It reads all copies, so it takes its time; what was purged is in none. Raises NotSupported where it cannot.
        """
        raise NotSupported("this store does not look through its copies while it is open; leave `past` out")

    @abstractmethod
    def forgotten(self, limit: int, ids: Collection[int] | None = None) -> list[Forgotten]:
        """Find memories that were forgotten and that a copy still holds, those forgotten last first; never purged ones.

        With `ids` only these. It reads all copies, so it takes its time.
        """

    @abstractmethod
    def bring_back(self, forgotten: Forgotten, embedding: Embedding | None) -> Memory:
        """Store a memory that was forgotten, under its id and uid, with what it superseded as it was.

        Raises Conflict if it is there, MemoryNotFound if it was purged meanwhile.
        """
