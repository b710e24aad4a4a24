"""How the child processes are started."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from faiss_memory.background import BackgroundThread
from faiss_memory.settings import environment_with

OUT_OF_RESOURCES = 75
"""Exit status (EX_TEMPFAIL): it may work next time, so nothing is to be remembered about the model."""

_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
_QUIET = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TOKENIZERS_PARALLELISM": "false"}


def child_command(module: str, *arguments: str) -> list[str]:
    """Build the command that runs one of our modules in a fresh interpreter of the same Python."""
    # -P: a file in the user's current folder must not shadow torch or numpy. -W: warnings of libraries
    # are not for the user's terminal.
    return [sys.executable, "-P", "-W", "ignore", "-m", module, *arguments]


def child_environment(temporary: Path, *, offline: bool) -> dict[str, str]:
    """Build a child's environment: it imports what this process can import, and offline it asks no hub.

    Its temporary files lie in `temporary`: torch leaves a folder among them.
    """
    # faiss_memory may be importable here only because somebody changed sys.path.
    search_path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    own = {"PYTHONPATH": search_path, "TMPDIR": str(temporary)}
    return environment_with({**_QUIET, **(_OFFLINE if offline else {}), **own})


@contextmanager
def lifeline() -> Iterator[int]:
    """Lend a child's standard input: it ends with the block, or with this process, however that ends."""
    ours, theirs = os.pipe()
    try:
        yield ours
    finally:
        os.close(ours)
        os.close(theirs)


def end_with_parent() -> None:
    """In a child: end as soon as standard input does, whatever is at work."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    BackgroundThread("lifeline", wait, lambda _: os._exit(1)).start()


def child_main(work: Callable[[], None]) -> None:
    """Run a child that prepares a model: it ends with its parent, and tells by its exit status if room was lacking."""
    end_with_parent()
    try:
        work()
    except MemoryError as error:
        print(f"out of memory: {error}", file=sys.stderr)
        sys.exit(OUT_OF_RESOURCES)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        print(f"no room: {error}", file=sys.stderr)
        sys.exit(OUT_OF_RESOURCES)


def last_error_line(output: str) -> str:
    """Pick the line of a child's error output that says why it failed."""
    lines: Iterable[str] = (line.strip() for line in reversed(output.splitlines()))
    line = next((line for line in lines if line), "it said nothing")
    return line.removeprefix("faiss_memory.errors.EmbedderError: ")
