"""Others' files as install needs them: whole, or a reason that can be told; their folders; and whether git has them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from faiss_memory import safe_files
from faiss_memory.errors import CannotMerge
from faiss_memory.install.formats import Content
from faiss_memory.project_name import Repository

_SECONDS = 10
# What a cloned repository's own settings would have git start is not started.
_GIT = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]


def read_content(path: Path) -> Content:
    """Return what a located file holds. Raise CannotMerge for what is not one, or cannot be read."""
    try:
        return Content(safe_files.read_file(path))
    except FileNotFoundError:
        return Content(None)
    except safe_files.NotAFile as error:
        raise CannotMerge(str(error.strerror)) from None
    except OSError as error:
        raise CannotMerge(f"it cannot be read: {error.strerror}") from None


def check_writable(path: Path) -> None:
    """Raise CannotMerge for a file that is read-only, or a folder that nothing can be written into.

    The mode counts for the administrator too: a file that was made read-only is meant to stay as it is.
    """
    if path.exists():
        if not _is_writable(path):
            raise CannotMerge("it is read-only")
        if not _is_writable(path.parent):
            raise CannotMerge(f"its folder {path.parent} is read-only")
        return
    above = next(folder for folder in path.parents if folder.exists())
    if not (above.is_dir() and _is_writable(above)):
        raise CannotMerge(f"nothing can be written into {above}")


def missing_folders(path: Path) -> list[str]:
    """Return the folders that have to be made for a file, the outermost first."""
    return [str(folder) for folder in reversed(path.parents) if not folder.exists()]


def _is_writable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o222) and os.access(path, os.W_OK)


def tracked(repository: Repository, paths: Iterable[str]) -> set[str]:
    """Return those of some located files that git tracks; none where git cannot say."""
    top = os.path.realpath(repository.top)
    within = {os.path.relpath(path, top): path for path in paths if safe_files.is_below(path, top)}
    if not within:
        return set()
    asked = [*_GIT, "--literal-pathspecs", "-C", top, "ls-files", "-z", "--", *within]
    try:
        ended = subprocess.run(asked, capture_output=True, timeout=_SECONDS, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return set()
    found = os.fsdecode(ended.stdout).split("\0") if ended.returncode == 0 else []
    return {within[name] for name in found if name in within}
