"""What reads the memories that another program keeps: each kind of store or file an importer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from faiss_memory.contracts.merging import Tombstone
from faiss_memory.memory import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A memory as it is elsewhere."""

    key: str
    """What names it there, the same at every reading and of nothing in another such store: it is known again by it."""
    text: str
    project: str | None = None
    """The project that it is in there; None where the other program knows none."""
    source: str = ""
    tags: tuple[str, ...] = ()
    cues: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    timestamp: datetime | None = None
    """When it was learnt; None where nobody has noted it."""
    supersedes: str | None = None
    """The key of the memory that it replaces."""
    uid: str | None = None
    """Its uid, where it has come from a memory of ours; then `supersedes` is a uid as well."""
    kind: str | None = None
    """The importer that the key belongs to; None for the one that has read it. Two that read the same agree by it."""
    revision: int | None = None
    """How often it was written there, where that was counted as we do; then the later state counts, there or here."""
    changed: datetime | None = None
    """When it came to this revision."""
    superseded_by: str | None = None
    """The uid of the memory that replaces it."""
    valid_until: datetime | None = None
    by: str | None = None
    """Which way it came there."""
    actor: str | None = None
    """The member of the team who wrote it there."""
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is there and is not read as a memory, and why."""

    key: str
    reason: str


class Importer(ABC):
    """Reads one kind of store. It writes nothing, and opens nothing but what lies where it is told."""

    name: str
    """In a word, such as `claude-mem`."""
    title: str
    """What it reads, for people."""
    places: tuple[str, ...] = ()
    """Where the other program usually keeps it, from `~` on."""

    @abstractmethod
    def fits(self, path: Path) -> bool:
        """Return whether it can read what is there: a file or a folder. Never raises for what somebody else wrote."""

    @abstractmethod
    def read(self, path: Path) -> Iterator[Record | Tombstone | LeftOut]:
        """Read what is there, always in the same order, some of it at a time. Raises InvalidRequest, OSError.

        A tombstone is of a memory of ours that was forgotten or purged there.
        """
