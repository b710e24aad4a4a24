"""Several checkouts of one git repository, such as a worktree inside it: what they share is read once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from faiss_memory import find_repository


class Checkouts:
    """Knows of each folder which checkout it lies in. Git itself is not run."""

    def __init__(self) -> None:
        self._of_folder: dict[str, tuple[str, str] | None] = {}
        """The checkout's top folder, and the folder of git's own files, which all checkouts share."""

    def copies(self, files: Iterable[str]) -> dict[str, str]:
        """Return which files another checkout of the same repository has as well, each with the reason to leave it out.

        Of each file one is read: that of the checkout which holds git's own files, else that of the first top folder.
        """
        found: dict[tuple[str, str], list[tuple[bool, str, str]]] = {}
        for file in files:
            checkout = self._around(os.path.dirname(file))
            if checkout is not None:
                top, shared = checkout
                copy = (not shared.startswith(f"{top}{os.sep}"), top, file)
                found.setdefault((shared, os.path.relpath(file, top)), []).append(copy)
        reasons = {}
        for same in found.values():
            (_, first, _), *others = sorted(same)
            for _, top, file in others:
                reasons[file] = (
                    f"it belongs to {top}, a worktree of the git repository that is read at {first}; of each file "
                    "that both have, only the one there is read"
                )
        return reasons

    def _around(self, folder: str) -> tuple[str, str] | None:
        below = []
        while folder not in self._of_folder:
            below.append(folder)
            parent = os.path.dirname(folder)
            if os.path.lexists(os.path.join(folder, ".git")) or parent == folder:
                repository = find_repository(Path(folder))
                self._of_folder[folder] = (
                    None if repository is None else (str(repository.top), str(repository.shared))
                )
                break
            folder = parent
        checkout = self._of_folder[folder]
        self._of_folder.update(dict.fromkeys(below, checkout))
        return checkout
