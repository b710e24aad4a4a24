"""What a store promises that several services write to: each of them hears of what the others have written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class News:
    """What other services have written, by id; each memory is as it is now, and may have gone again meanwhile."""

    added: list[int]
    changed: list[int]
    removed: list[int]


class Shared(ABC):
    """An optional capability: a store that several services write to tells each of them what the others have written.

    What is told beside a `Feed` is nothing else, but it is told by itself, and without a service's own writes.
    """

    @abstractmethod
    def lacking(self, ids: Collection[int], model: str) -> list[int]:
        """Return which of some memories are there, and a model, by identity, has not embedded."""

    @abstractmethod
    def follow(self, tell: Callable[[News], None]) -> None:
        """Call `tell` with what other services write from now on, in order of commit, each of it once.

        It is called in a thread of the store's, one call at a time, until the store is closed.
        """

    @abstractmethod
    def lease(self, *names: Sequence[str]) -> AbstractContextManager[bool]:
        """Hold all of some names or none while the block runs; it is given whether they are held.

        One service holds a name at a time. Names have parts, as paths have: who holds one keeps the others from every
        name that begins with it, and from every beginning of it.
        It is let go of at the end, and when the service ends or loses the database. Raises NotReady and StoreError.
        """
