"""Which files of a repository git tracks, as git itself says."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable

from faiss_memory.project_name import Repository
from faiss_memory.safe_files import is_below

_SECONDS = 10
# What a cloned repository's own settings would have git start is not started.
_GIT = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]


def tracked(repository: Repository, paths: Iterable[str]) -> set[str]:
    """Return those of some located files that git tracks; none where git cannot say."""
    top = os.path.realpath(repository.top)
    within = {os.path.relpath(path, top): path for path in paths if is_below(path, top)}
    if not within:
        return set()
    asked = [*_GIT, "--literal-pathspecs", "-C", top, "ls-files", "-z", "--", *within]
    try:
        ended = subprocess.run(asked, capture_output=True, timeout=_SECONDS, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return set()
    found = os.fsdecode(ended.stdout).split("\0") if ended.returncode == 0 else []
    return {within[name] for name in found if name in within}
