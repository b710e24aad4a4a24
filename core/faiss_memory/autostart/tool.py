"""Running the system's own tools."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from faiss_memory.errors import AutostartError
from faiss_memory.settings import environment_with

_SECONDS = 90
"""Longer than the service may take to stop."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a tool ended and what it said."""

    code: int
    out: str
    said: str
    """Its error output in one line, or else its output."""


def run(*words: str) -> Done:
    """Run a tool to its end, in English. Raises AutostartError if it is not there or does not end."""
    try:
        ended = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            env=environment_with({"LC_ALL": "C"}),
        )
    except OSError as error:
        raise AutostartError(f"{words[0]} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise AutostartError(
            f"`{' '.join(words)}` did not end within {_SECONDS} seconds; try it by hand"
        ) from None
    out, err = (text.decode("utf-8", "replace").replace("\0", "") for text in (ended.stdout, ended.stderr))
    return Done(ended.returncode, out, " ".join((err.strip() or out.strip()).split()))


def must(*words: str) -> Done:
    """Run a tool that has to succeed. Raises AutostartError with what it said."""
    done = run(*words)
    if done.code != 0:
        raise AutostartError(f"`{' '.join(words)}` failed ({done.code}): {done.said or 'it said nothing'}")
    return done
