"""How far something is: what this program does itself, and what the service does, asked for while it is awaited."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from faiss_memory.background import BackgroundThread
from faiss_memory.cli.writing import clean

EVERY = 0.2
"""Seconds between two looks."""
WIDEST = 48
"""Characters of a name beside the bar."""


class Step(NamedTuple):
    """How far something is: what is being done, how much of it, and with what at the moment."""

    phase: str
    done: int
    total: int
    name: str


@contextmanager
def shown_progress(look: Callable[[], Step | None]) -> Iterator[None]:
    """Show a bar on standard error while the block runs, if that is a terminal.

    `look` says how far it is, and is called in a thread of its own; None leaves the bar as it is.
    """
    if not sys.stderr.isatty():
        yield
        return
    from faiss_memory.cli.terminal import progress_bar

    ended = threading.Event()
    with progress_bar() as bar:
        task = bar.add_task("asking", total=None, file="")

        def show() -> None:
            while not ended.wait(EVERY):
                step = look()
                if step is not None:
                    name = clean(step.name)
                    short = name if len(name) <= WIDEST else f"…{name[1 - WIDEST :]}"
                    bar.update(
                        task, description=clean(step.phase), completed=step.done,
                        total=step.total or None, file=short,
                    )  # fmt: skip

        thread = BackgroundThread("progress", show, lambda _: None)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(1)  # it may be waiting for an answer that nobody needs any more


@contextmanager
def shown_part() -> Iterator[Callable[[str, float], object]]:
    """Show on standard error how far the block is, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda what, part: None
        return
    from faiss_memory.cli.terminal import part_bar

    with part_bar() as bar:
        task: Any = bar.add_task("", total=1.0)
        yield lambda what, part: bar.update(task, description=what, completed=part)
