"""How far a build is, asked for while its answer is awaited."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from faiss_memory.background import BackgroundThread
from faiss_memory.cli.client import Client
from faiss_memory.cli.failures import CommandFailed
from faiss_memory.cli.writing import clean

EVERY = 0.2
"""Seconds between two looks."""
WIDEST = 48
"""Characters of a file's name beside the bar."""


@contextmanager
def shown_progress(client: Client, sources: Sequence[str]) -> Iterator[None]:
    """Show a bar on standard error while the block runs, if that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from faiss_memory.cli.terminal import progress_bar

    ended = threading.Event()
    with progress_bar() as bar:
        task = bar.add_task("asking", total=None, file="")

        def look() -> None:
            while not ended.wait(EVERY):
                found = _progress(client, sources)
                if found is not None:
                    name = clean(found["file"])
                    short = name if len(name) <= WIDEST else f"…{name[1 - WIDEST :]}"
                    bar.update(
                        task, description=clean(found["phase"]), completed=found["done"],
                        total=found["total"] or None, file=short,
                    )  # fmt: skip

        thread = BackgroundThread("progress", look, lambda _: None)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(1)  # it may be waiting for an answer that nobody needs any more


def _progress(client: Client, sources: Sequence[str]) -> Mapping[str, Any] | None:
    """Ask how far the build of these sources is; whatever is wrong, the build's own answer will say."""
    try:
        running = client.call("GET", "/index/build", patient=False)["running"]
    except (CommandFailed, KeyError):
        return None
    own = [build for build in running if build["sources"] == list(sources)]
    return own[0].get("progress") if own else None
