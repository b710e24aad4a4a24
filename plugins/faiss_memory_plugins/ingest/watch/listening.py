"""Waiting for something to change in folders. Imported with the first watch: `watchfiles` would slow every start."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from threading import Event

from watchfiles import Change
from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

LONGEST_GROUP = 10.0
"""Seconds after which changes are told of even if they do not end."""
WHOLE_TREES = sys.platform == "darwin"
"""There the system tells of all that lies below a folder by itself; elsewhere each folder is watched on its own."""

REFUSALS = (OSError, WatchfilesRustInternalError)
"""What the system answers where it cannot watch, such as when its limit is reached."""


class Listener:
    """Has the system tell of changes directly in each of some folders, the first of which holds the others.

    Raises FileNotFoundError when one is gone, and one of `REFUSALS` where the system refuses.
    """

    def __init__(self, folders: Iterable[str], settle_seconds: float) -> None:
        places = list(folders)
        self._folders = frozenset(places)
        self._settle = settle_seconds
        watched = places[:1] if WHOLE_TREES else places
        self._notify = RustNotify(watched, False, False, 0, WHOLE_TREES, True)

    def wait(self, seconds: float, stopping: Event) -> Collection[tuple[int, str]]:
        """Return what has changed, as soon as nothing more does; empty after so many seconds, or when to stop.

        Raises one of `REFUSALS`.
        """
        told = self._notify.watch(
            round(max(LONGEST_GROUP, self._settle) * 1000),
            max(1, round(self._settle * 1000)),
            max(1, round(seconds * 1000)),
            stopping,
        )
        return () if isinstance(told, str) else told

    def concerns(self, changes: Collection[tuple[int, str]]) -> bool:
        """Return whether a folder came or went in the place of one that is watched, which then is watched no more."""
        return any(change != Change.modified and path in self._folders for change, path in changes)

    def close(self) -> None:
        """Let go of the folders."""
        self._notify.close()
