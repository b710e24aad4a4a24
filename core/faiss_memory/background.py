"""Threads that work beside the calls, and what went wrong in them. The one way to start a thread."""

from __future__ import annotations

import contextlib
import ctypes
import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock, Thread, current_thread

log = logging.getLogger("faiss_memory.background")


@dataclass(frozen=True, slots=True)
class Problem:
    """What does not work at the moment, and why."""

    part: str
    reason: str


class Problems:
    """What went wrong in the background of one service; `/health` tells it. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._reasons: dict[str, str] = {}

    def note(self, part: str, error: BaseException | str) -> None:
        """Say that a part does not work; a later reason takes the place of an earlier one."""
        with self._lock:
            self._reasons[part] = error if isinstance(error, str) else described(error)

    def settle(self, part: str) -> None:
        """Say that a part works again."""
        with self._lock:
            self._reasons.pop(part, None)

    def all(self) -> list[Problem]:
        """Return what does not work, in order of part."""
        with self._lock:
            return [Problem(part, reason) for part, reason in sorted(self._reasons.items())]


class BackgroundThread:
    """A thread beside the calls, which never holds up the end of the process.

    An exception that `work` lets through is one that nobody foresaw: it is logged and handed to `on_error`, which
    sees to it that nobody waits for this thread any more.
    """

    def __init__(
        self, name: str, work: Callable[[], None], on_error: Callable[[BaseException], None]
    ) -> None:
        self._name = name
        self._work = work
        self._on_error = on_error
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, if it was started; at most `timeout` seconds where that is given."""
        if self.was_started:
            self._thread.join(timeout)

    @property
    def was_started(self) -> bool:
        """Whether `start` was called, be it at work or done."""
        return self._thread.ident is not None

    @property
    def is_alive(self) -> bool:
        """Whether it is at work."""
        return self._thread.is_alive()

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in it."""
        return current_thread() is self._thread

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            log.critical("an error nobody foresaw, in the thread `%s`", self._name, exc_info=error)
            self._on_error(error)


def described(error: BaseException) -> str:
    """Describe an unforeseen error with its type: the message of a KeyError is nothing but the key."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def return_memory() -> None:
    """Give what was freed back to the system: glibc keeps it for the next time. Elsewhere nothing is done."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
