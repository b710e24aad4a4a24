"""How the time of a call grows with its input: measured in this thread's own CPU time, so that load does not count."""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

ENOUGH = 0.02
"""Seconds of CPU that are told from noise."""
SLACK = 2.4
"""Four times the input may take so many times four times as long: below it lies n·log n, above it the square."""
GIVE_UP = 60
"""Seconds after which a call is taken for one that never ends."""


def repeated(part: str) -> Callable[[int], str]:
    """Make texts of a part, again and again."""
    return lambda size: part * (size // len(part) + 1)


def assert_linear(
    call: Callable[[Any], object], make: Callable[[int], Any], *, most: int = 400_000, least: int = 16
) -> None:
    """Call with inputs of doubling size, until they take long enough to be told apart, or are as large as they get.

    `make(size)` makes an input of about so many characters; `most` is the largest that is let in.
    """
    size, took = least, _seconds(call, make(least))
    while took < ENOUGH / 4 and size < most:
        size = min(most, 2 * size)
        took = _seconds(call, make(size))
    longer = _seconds(call, make(4 * size))
    if longer < ENOUGH:
        return
    for _ in range(3):
        if longer <= 4 * SLACK * took:
            return
        took = max(took, _seconds(call, make(size)))
        longer = min(longer, _seconds(call, make(4 * size)))
    raise AssertionError(
        f"{size:,} characters take {took * 1000:.0f} ms, four times as many {longer * 1000:.0f} ms"
    )


def _seconds(call: Callable[[Any], object], given: Any) -> float:
    """Measure a call; one that never ends is ended, also inside a regular expression."""
    former = signal.signal(signal.SIGALRM, _never_ends)
    signal.alarm(GIVE_UP)
    gc.disable()  # what else lies in memory is not to be searched for garbage in the time of the call
    try:
        began = time.thread_time()
        call(given)
        return time.thread_time() - began
    finally:
        gc.enable()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def _never_ends(_number: int, _frame: FrameType | None) -> None:
    raise AssertionError("it does not end")
