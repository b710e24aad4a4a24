"""How a watch is; written by its thread, read by whoever asks."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Lock

from faiss_memory_plugins.ingest.messages import BuildAnswer
from faiss_memory_plugins.ingest.watch.messages import LastBuild, State, WatchAnswer
from faiss_memory_plugins.ingest.watch.scanning import Scan
from faiss_memory_plugins.ingest.watch.watched import Watched

MOST_UNREADABLE = 20


class Status:
    """The state of one watch."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._lock = Lock()
        self._state: State = "starting"
        self._message, self._refusal = "", ""
        self._scan: Scan | None = None
        self._polls = False
        self._last: LastBuild | None = None

    @property
    def now(self) -> tuple[State, str]:
        """The state in a word, and what is to be said of it."""
        with self._lock:
            return self._state, self._message

    def set(self, state: State, message: str = "") -> bool:
        """Set the state, with what is wrong and what to do; return whether that is new."""
        with self._lock:
            is_new = (state, message) != (self._state, self._message)
            self._state, self._message = state, message
        return is_new

    def saw(self, scan: Scan, *, polls: bool, refusal: str) -> None:
        """Keep what was seen, and how changes are found."""
        with self._lock:
            self._scan, self._polls, self._refusal = scan, polls, refusal

    def built(self, answer: BuildAnswer) -> None:
        """Keep how a build went well."""
        self._note(
            LastBuild(
                ended_at=_now(), state="done", message=answer.message, added=answer.added,
                changed=answer.changed, removed=answer.removed, skipped=answer.skipped,
            )
        )  # fmt: skip

    def failed(self, message: str) -> None:
        """Keep that a build did not go well."""
        self._note(LastBuild(ended_at=_now(), state="failed", message=message))

    def _note(self, last: LastBuild) -> None:
        with self._lock:
            self._last = last

    def answer(self) -> WatchAnswer:
        """Return how it is."""
        with self._lock:
            seen = self._scan
            return WatchAnswer(
                path=self._watched.path,
                project=self._watched.project,
                by=self._watched.by,
                state=self._state,
                message=self._message or self._refusal,
                how="polling" if self._polls else "events",
                files=0 if seen is None else seen.files,
                folders=0 if seen is None else len(seen.folders),
                unreadable=[] if seen is None else list(seen.unreadable[:MOST_UNREADABLE]),
                last_build=self._last,
            )


def _now() -> str:
    return datetime.now(UTC).isoformat()
