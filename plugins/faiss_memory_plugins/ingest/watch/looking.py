"""Looking at a folder as a whole, and waiting until something in it may have changed."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING

from faiss_memory_plugins.ingest.settings import WatchSettings
from faiss_memory_plugins.ingest.watch.mounts import mount_of
from faiss_memory_plugins.ingest.watch.scanning import Scan

if TYPE_CHECKING:
    from faiss_memory_plugins.ingest.watch.listening import Listener

LISTENING = "faiss_memory_plugins.ingest.watch.listening"
SHARE = 1000
"""So many times as long as a look took, the next one waits at least, where changes are told by nobody."""
ROUNDS = 3


class Looking:
    """Looks by `scan`; changes are told by the system, or found by looking again every now and then."""

    def __init__(self, folder: str, settings: WatchSettings, scan: Callable[[], Scan]) -> None:
        self._folder, self._settings, self._scan = folder, settings, scan
        self._listener: Listener | None = None
        self._heard: tuple[tuple[str, int], ...] = ()
        """The folders that are listened to."""
        self._took = 0.0
        self.refusal = ""
        """Why the system does not tell of changes, though it could."""

    @property
    def polls(self) -> bool:
        """Whether changes are only found by looking again."""
        return self._listener is None

    @property
    def pause(self) -> float:
        """How many seconds to wait, where changes are only found by looking again, so that it costs next to nothing."""
        return max(self._settings.poll_seconds, SHARE * self._took)

    def look(self, *, anew: bool) -> Scan:
        """Look at everything, while the system already tells of what changes: nothing falls in between.

        `anew`: with new ears, in case the old ones have missed something. Raises what `scan` raises.
        """
        began = time.thread_time()
        found = self._scan()
        if anew or not self._is_told:
            self.close()
        for _ in range(ROUNDS):
            if not self._is_told or found.folders == self._heard:
                break
            if (self.refusal and not anew) or not self._listen(found):
                break
            found = self._scan()
        self._took = time.thread_time() - began
        return found

    def wait(self, seconds: float, stopping: Event) -> bool:
        """Wait so long, or until the system has told of changes, which have settled; return whether it has."""
        if self._listener is None:
            stopping.wait(seconds)
            return False
        try:
            changes = self._listener.wait(seconds, stopping)
        except importlib.import_module(LISTENING).REFUSALS:
            self.close()
            return True
        if self._listener.concerns(changes):
            self.close()
        return bool(changes)

    def close(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            self._listener.close()
        self._listener, self._heard = None, ()

    @property
    def _is_told(self) -> bool:
        """Whether the system is to tell of changes."""
        how = self._settings.polling
        return how == "never" or (how == "auto" and mount_of(self._folder).tells)

    def _listen(self, found: Scan) -> bool:
        """Listen to these folders alone; return whether the system lets us."""
        self.close()
        self.refusal = ""
        listening = importlib.import_module(LISTENING)
        folders = [folder for folder, _ in found.folders] or [self._folder]
        try:
            self._listener = listening.Listener(folders, self._settings.settle_seconds)
        except FileNotFoundError:
            return True  # one of them went meanwhile, as the next look tells
        except listening.REFUSALS as error:
            self.refusal = (
                f"the system does not tell of changes in its {len(folders):,} folders ({error}), so they are looked at "
                "every now and then. If that is its limit: sudo sysctl fs.inotify.max_user_watches=524288"
            )
            return False
        self._heard = found.folders
        return True
