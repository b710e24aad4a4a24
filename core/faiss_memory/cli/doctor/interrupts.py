"""Ending in good order: what would end the program waits where something would be left behind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
]


class Interrupts:
    """Holds back what would end the program. Use as a context manager; it comes as KeyboardInterrupt at the end."""

    def __init__(self) -> None:
        self._waiting = False

    def __enter__(self) -> Interrupts:
        # What is ignored, as under nohup, stays so.
        self._before = {
            one: handler for one in _ENDING if (handler := signal.getsignal(one)) is not signal.SIG_IGN
        }
        self._hold()
        return self

    def __exit__(self, *_: object) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)
        if self._waiting:
            raise KeyboardInterrupt

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let a block be interrupted."""
        try:
            for one in self._before:
                signal.signal(one, signal.default_int_handler)
            if self._waiting:
                raise KeyboardInterrupt
            yield
        finally:
            self._hold()

    def _hold(self) -> None:
        for one in self._before:
            signal.signal(one, self._note)

    def _note(self, *_: object) -> None:
        self._waiting = True
