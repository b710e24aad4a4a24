"""What a write changed, as the derived files follow it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from faiss_memory.store.records.operations import Operation
from faiss_memory.store.records.rows import Stored


@dataclass(slots=True)
class Changes:
    """What one committed group changed, for the derived files to follow: each memory as it is at the end.

    The calls of a group may meet in one memory: changed twice, changed and forgotten. Only the outcome counts.
    """

    seq: int = 0
    stored: dict[int, Stored] = field(default_factory=dict)
    """New and changed memories. A changed one brings all its passages anew, unless its vectors stand."""
    embedded: dict[int, Stored] = field(default_factory=dict)
    """Known memories that only got their vectors."""
    removed: list[int] = field(default_factory=list)
    dropped_projects: list[str] = field(default_factory=list)
    """Projects that were dropped; what is stored in one of them was stored after that."""
    operations: list[Operation] = field(default_factory=list)
    """The same as it was written, in order, for the log."""

    def put(self, stored: Stored) -> None:
        """Note a new or changed memory."""
        before = self.stored.get(stored.memory.id)
        if stored.memory.id in self.removed:  # it was forgotten, and has come back
            self.removed = [memory_id for memory_id in self.removed if memory_id != stored.memory.id]
        if not stored.same_vectors:
            self.embedded.pop(stored.memory.id, None)
        elif before is not None:
            stored = replace(before, memory=stored.memory, same_words=before.same_words and stored.same_words)
        self.stored[stored.memory.id] = stored

    def embed(self, stored: Stored) -> None:
        """Note a known memory that only got vectors, perhaps by one model after the other."""
        before = self.embedded.get(stored.memory.id)
        if before is not None:
            stored = replace(stored, embedded=(*before.embedded, *stored.embedded))
        self.embedded[stored.memory.id] = stored

    def remove(self, ids: Iterable[int]) -> None:
        """Note memories that are gone."""
        for memory_id in ids:
            self.stored.pop(memory_id, None)
            self.embedded.pop(memory_id, None)
            self.removed.append(memory_id)

    def extend(self, other: Changes) -> None:
        """Add what the next call of the same group changed."""
        self.seq = max(self.seq, other.seq)
        self.remove(other.removed)
        self.dropped_projects += other.dropped_projects
        for stored in other.stored.values():
            self.put(stored)
        for stored in other.embedded.values():
            self.embed(stored)
        self.operations += other.operations

    def __bool__(self) -> bool:
        return bool(self.stored or self.embedded or self.removed or self.dropped_projects)
