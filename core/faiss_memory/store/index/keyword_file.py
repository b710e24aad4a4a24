"""keywords.npz: the keyword indexes as they lay in memory, so that a start need not sort every posting again.

Derived, and bound to one search.db, which numbers the terms: that file knows the digest of this one, and the change up
to which it reaches. What was written since is taken from there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from faiss_memory.safe_files import open_own
from faiss_memory.store.filesystem import replace_file
from faiss_memory.store.index.digests import digest_of

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]
KEYWORD_FILE = "keywords.npz"
KEYWORDS = "keywords"
"""The key of a catalogue's state that says which saved keyword indexes number their terms as it does."""
LEAST = 5_000
"""Fewer memories than that are read from search.db as soon."""


class KeywordFile:
    """The saved keyword indexes of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / KEYWORD_FILE

    def save(self, projects: Mapping[str, Arrays]) -> str:
        """Write the arrays of each project's index; gives the digest of the file. Raises OSError."""
        every: dict[str, Any] = {"names": np.frombuffer(json.dumps([*projects]).encode(), np.uint8)}
        for number, arrays in enumerate(projects.values()):
            every |= {f"{number}/{name}": array for name, array in arrays.items()}
        replace_file(self._path, lambda file: np.savez(file, **every))
        return digest_of(self._path)

    def load(self, digest: str) -> dict[str, Arrays]:
        """Return the arrays of each project's index, if the file has that digest. Raises OSError and ValueError."""
        with open_own(self._path) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise ValueError("its content does not match its digest")
            file.seek(0)
            try:
                with np.load(file, allow_pickle=False) as saved:
                    return _by_project(saved)
            except (BadZipFile, KeyError, IndexError) as error:
                raise ValueError(f"it is of another kind: {error}") from None

    def remove(self) -> None:
        """Remove it, such as before a purge. Raises OSError."""
        self._path.unlink(missing_ok=True)


def _by_project(saved: Any) -> dict[str, Arrays]:
    names = json.loads(saved["names"].tobytes())
    found: dict[str, dict[str, npt.NDArray[Any]]] = {name: {} for name in names}
    for key in saved.files:
        number, _, name = key.partition("/")
        if name:
            found[names[int(number)]][name] = saved[key]
    return {**found}
