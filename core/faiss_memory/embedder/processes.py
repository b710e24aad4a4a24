"""How the child processes are started."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from faiss_memory.settings import environment_with

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


def last_error_line(output: str) -> str:
    """Pick the line of a child's error output that says why it failed."""
    lines: Iterable[str] = (line.strip() for line in reversed(output.splitlines()))
    line = next((line for line in lines if line), "it said nothing")
    return line.removeprefix("faiss_memory.errors.EmbedderError: ")
