"""One watched folder: a thread that waits for changes, and has the folder built when they have settled.

What a change was does not matter: a build compares everything with what is there. So nothing is missed for good, and
the folder comes to the state of a fresh build, whatever has happened in between.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock

from faiss_memory import (
    DEFAULT_PROJECT,
    BackgroundThread,
    Conflict,
    InvalidRequest,
    MemoryServiceError,
    NotReady,
    Service,
    find_repository,
)
from faiss_memory_plugins.ingest.build import Stopped, is_gone
from faiss_memory_plugins.ingest.builds import Builds
from faiss_memory_plugins.ingest.messages import BuildRequest
from faiss_memory_plugins.ingest.settings import IngestSettings
from faiss_memory_plugins.ingest.sources import Source, is_below
from faiss_memory_plugins.ingest.watch.looking import Looking
from faiss_memory_plugins.ingest.watch.messages import State, WatchAnswer
from faiss_memory_plugins.ingest.watch.mounts import mount_of, mounted_in
from faiss_memory_plugins.ingest.watch.scanning import MOST_FOLDERS, Scan, TooLarge, scan
from faiss_memory_plugins.ingest.watch.status import Status
from faiss_memory_plugins.ingest.watch.watched import Watched

log = logging.getLogger("faiss_memory.ingest")

TICK_SECONDS = 5.0
"""How often it is asked whether the folder itself is still there, and still the same."""
SWEEP_SECONDS = 900.0
"""How often everything is looked at though nothing was told: the system drops what is too much for it."""
RETRY_SECONDS = 30.0
REST, LONGEST_REST = 4, 60.0
"""So many times as long as a build took, the next one waits, and at most so many seconds: what never stops changing
must not take all of the machine."""
MOST_DELAYS = 10
"""What is gone is forgotten after so many times the delay at the latest, if ever more goes."""


class Watcher:
    """Builds one folder whenever it has changed. Of all that share `turn`, one builds at a time."""

    def __init__(
        self, service: Service, builds: Builds, watched: Watched, turn: Lock, save: Callable[[], None]
    ) -> None:
        """`save` writes down, durably, what is known of all that are watched; it raises StoreError."""
        self._service, self._builds, self._turn, self.watched = service, builds, turn, watched
        self._save, self._is_saved = save, True
        settings = service.settings.of(IngestSettings).watch
        self._delay, self._poll = settings.gone_seconds, settings.poll_seconds
        self._looking = Looking(watched.path, settings, self._scan)
        self._status = Status(watched)
        self._stopping = Event()
        self._thread = BackgroundThread(f"watch {watched.path}", self._work, self._fail)
        self._root: tuple[int, int] | None = None
        self._built: bytes | None = None
        """The digest of what was built last."""
        self._outcome: tuple[State, str] = ("watching", "")
        """How that ended."""
        self._look_at = self._sweep_at = self._rest_until = 0.0
        self._gone_at = self._gone_since = 0.0
        """When to forget what is gone, and since when something is; 0 if nothing is."""

    def start(self) -> None:
        """Begin with a build."""
        self._thread.start()

    def stop(self) -> None:
        """End it soon."""
        self._stopping.set()

    def join(self, seconds: float) -> None:
        """Wait until it has ended, at most so long."""
        self._thread.join(seconds)

    def answer(self) -> WatchAnswer:
        """Return how it is."""
        return self._status.answer()

    # When.

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step()
                pause = min(TICK_SECONDS, max(0.01, self._next() - time.monotonic()))
            except Stopped:
                continue
            except NotReady as error:
                pause = min(RETRY_SECONDS, error.retry_after)
            except MemoryServiceError as error:
                self._tell("failed", f"{error}. It is tried again in {RETRY_SECONDS:.0f} s")
                pause = RETRY_SECONDS
            if self._looking.wait(pause, self._stopping):
                self._look_at = min(self._look_at, max(time.monotonic(), self._rest_until))
        self._looking.close()

    def _fail(self, error: BaseException) -> None:
        self._status.set("failed", f"{type(error).__name__}: {error}. The log has more; add it again")

    def _next(self) -> float:
        return min(self._look_at, self._gone_at or self._look_at)

    def _step(self) -> None:
        """Look and build, if it is time to."""
        problem, root = _examine(self.watched.path, self._builds)
        if problem:
            self._looking.close()
            self._tell("waiting", problem)
            self._root = None
            self._look_at = time.monotonic() + min(TICK_SECONDS, self._poll)
            return
        if root != self._root:
            self._root, self._look_at, self._sweep_at = root, 0.0, 0.0
        if time.monotonic() >= self._next():
            self._settle()

    def _settle(self) -> None:
        now = time.monotonic()
        is_sweep = now >= self._sweep_at
        try:
            found = self._looking.look(anew=is_sweep)
        except TooLarge:
            self._tell("waiting", _TOO_LARGE)
            self._look_at = now + SWEEP_SECONDS
            return
        polls = self._looking.polls
        self._status.saw(found, polls=polls, refusal=self._looking.refusal)
        if is_sweep:
            self._sweep_at = now + SWEEP_SECONDS
        if is_sweep and self._outcome[0] == "refused":
            self._built = None  # somebody may have done something about it
        self._look_at = min(self._sweep_at, now + self._looking.pause) if polls else self._sweep_at
        try:
            self._bring_up_to_date(found)
        except BaseException:
            self._look_at = now
            raise

    # What.

    def _bring_up_to_date(self, found: Scan) -> None:
        now, is_same = time.monotonic(), found.digest == self._built
        is_due = bool(self._gone_at) and now >= self._gone_at
        if is_same and not is_due:
            self._status.set(*self._outcome)
            return
        # What went just now may be back in a moment, as in a checkout; but not for ever.
        prunes = is_due and (is_same or now >= self._gone_since + MOST_DELAYS * self._delay)
        if not found.files:
            self._gone_at = self._gone_since = 0.0
            self._tell("waiting", _EMPTY)
        elif prunes and (reason := self._other_volume()):
            self._gone_at = 0.0
            self._tell("refused", reason)
        elif self._build(prunes):
            self._status.set("watching")
            self._expect_to_forget()
        else:
            self._gone_at = self._gone_since = 0.0
        self._built, self._outcome = found.digest, self._status.now

    def _build(self, prunes: bool) -> bool:
        """Build; return whether it went well. If not, only a change of the folder, or a person, can mend it."""
        self._note_mounts()
        request = BuildRequest(sources=[self.watched.path], project=self._project(), prune=prunes)
        with self._turn:
            if self._stopping.is_set():
                raise Stopped
            self._status.set("building")
            began = time.monotonic()
            try:
                _, answer = self._builds.build(request)
            except Conflict as error:
                if error.field == "sources":  # somebody builds it just now
                    raise NotReady(str(error), 2) from None
                self._tell("refused", f"{error}: faiss-memory build {self.watched.path} --force-prune")
            except InvalidRequest as error:
                self._tell("waiting", str(error))
            else:
                ended = time.monotonic()
                self._rest_until = ended + min(LONGEST_REST, REST * (ended - began))
                self._status.built(answer)
                return True
        self._status.failed(self._status.now[1])
        return False

    def _note_mounts(self) -> None:
        """Write down what is mounted here for the first time, before anything is built of it."""
        watched = self.watched
        volume = watched.volume or mount_of(watched.path).identity
        inside = mounted_in(watched.path) | watched.inside
        if (volume, inside) != (watched.volume, watched.inside):
            watched.volume, watched.inside, self._is_saved = volume, inside, False
        if not self._is_saved:
            self._save()
            self._is_saved = True

    def _expect_to_forget(self) -> None:
        gone = len(self._gone_files())
        if not gone:
            self._gone_at = self._gone_since = 0.0
            return
        now = time.monotonic()
        self._gone_since = self._gone_since or now
        self._gone_at = min(now + self._delay, self._gone_since + MOST_DELAYS * self._delay)
        files = "a file is" if gone == 1 else f"{gone:,} files are"
        left = max(0, self._gone_at - now)
        self._status.set("watching", f"{files} gone, and what was made of them is forgotten in {left:.0f} s")

    def _gone_files(self) -> list[str]:
        source = self._source()
        files = {origin.file for origin in self._service.origins(self._project()).values()}
        return [file for file in files if source.covers(file) and is_gone(file)]

    def _other_volume(self) -> str:
        """Return why what is gone may only be out of sight: something else is mounted than was."""
        now, before = mount_of(self.watched.path).identity, self.watched.volume
        inside, gone = mounted_in(self.watched.path), self._gone_files()
        lost = [
            identity
            for place, identity in self.watched.inside.items()
            if inside.get(place) != identity and any(is_below(file, place) for file in gone)
        ]
        if before and now != before:
            what = f"it lies on {now or 'an unknown device'} now, and lay on {before}"
        elif lost:
            what = f"{', '.join(lost)} is not mounted any more"
        else:
            return ""
        return (
            f"{what}, so nothing is forgotten. Mount that again; or, if it is gone for good: "
            f"faiss-memory watch add {self.watched.path}"
        )

    def _scan(self) -> Scan:
        return scan(self._source(), self._builds.roots, self._builds.rules, self._go_on)

    def _source(self) -> Source:
        return self._builds.source(self.watched.path, "path")

    def _project(self) -> str:
        if self.watched.project is None:
            folder = Path(self.watched.path)
            in_repository = find_repository(folder) is not None
            self.watched.project = self._service.project_at(folder) if in_repository else DEFAULT_PROJECT
        return self.watched.project

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise Stopped

    def _tell(self, state: State, message: str) -> None:
        """Set the state to one that is not well, and log why, once."""
        if self._status.set(state, message):
            log.warning("%s is watched: %s", self.watched.path, message)


_EMPTY = "it holds no file that is read. Is it mounted? Nothing is forgotten meanwhile"
_TOO_LARGE = (
    f"it holds more than {MOST_FOLDERS:,} folders, which are too many to watch. Watch folders inside it, or leave some "
    "out (setting plugins.ingest.skip, or a .gitignore)"
)


def _examine(path: str, builds: Builds) -> tuple[str, tuple[int, int] | None]:
    """Return what keeps a folder from being built, in words, and which folder it is."""
    try:
        found = os.stat(path)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        return f"the folder cannot be seen ({why}). Is it mounted? Nothing is forgotten meanwhile", None
    if not stat.S_ISDIR(found.st_mode):
        return "it is no folder any more. Nothing is forgotten meanwhile", None
    if os.path.realpath(path) != path:
        return f"a link leads from it to {os.path.realpath(path)} now; watch that folder instead", None
    if not builds.roots.hold(path):
        return "it lies outside the folders that may be read (setting plugins.ingest.roots)", None
    return "", (found.st_dev, found.st_ino)
