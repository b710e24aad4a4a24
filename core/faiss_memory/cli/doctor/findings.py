"""What the doctor finds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

SECONDS = 20
"""How long anything is waited for."""
State = Literal["ok", "note", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    about: str
    """`service`, or an assistant with its place."""
    check: str
    state: State
    said: str
    advice: str = ""
    """What to do; empty where nothing is to be done."""
    milliseconds: float | None = None
    """How long it took, where that says something."""


@dataclass
class Findings:
    """What was found about one thing, in order."""

    about: str
    found: list[Finding] = field(default_factory=list)

    def ok(self, check: str, said: str, milliseconds: float | None = None) -> None:
        """All is well."""
        self.found.append(Finding(self.about, check, "ok", said, milliseconds=milliseconds))

    def note(self, check: str, said: str, advice: str = "") -> None:
        """It works, and the person may want to know."""
        self.found.append(Finding(self.about, check, "note", said, advice))

    def failed(self, check: str, said: str, advice: str) -> None:
        """It does not work."""
        self.found.append(Finding(self.about, check, "failed", said, advice))

    def skipped(self, check: str, said: str) -> None:
        """It could not be tried."""
        self.found.append(Finding(self.about, check, "skipped", said))


class Stopwatch:
    """How long something took, once it is over."""

    milliseconds = 0.0


@contextmanager
def measured() -> Iterator[Stopwatch]:
    """Measure a block."""
    watch, began = Stopwatch(), time.perf_counter()
    yield watch
    watch.milliseconds = round((time.perf_counter() - began) * 1000, 1)
