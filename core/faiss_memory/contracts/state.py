"""What a store promises whose state has a number: that an answer which was kept can be told to hold still."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable


class Numbered(ABC):
    """An optional capability: a store that can tell whether anything has changed that a search may find."""

    @abstractmethod
    def state(self) -> Hashable:
        """Return the number of the present state.

        It is another one before anybody reads what has changed: what was read between two calls that return the same
        is of that state. Raises nothing, and waits for nobody.
        """
