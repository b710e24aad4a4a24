"""Saved vector indexes, each with a sidecar that says whether it fits: index.faiss, and one folder a project."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Container
from dataclasses import asdict, dataclass
from pathlib import Path

from faiss_memory.memory import DEFAULT_PROJECT
from faiss_memory.store.filesystem import replace_file
from faiss_memory.store.vectors import Ids, VectorIndex

log = logging.getLogger("faiss_memory.store")


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a saved index says of itself; it is used only if all of it fits."""

    store: str
    model: str
    seq: int
    sha256: str


class VectorFiles:
    """The saved indexes of one store, in its data folder."""

    def __init__(self, folder: Path, store: str) -> None:
        self._folder = folder
        self._store = store

    def path(self, project: str) -> Path:
        """Say where a project's index is saved."""
        folder = self._folder if project == DEFAULT_PROJECT else self._folder / "indexes" / project
        return folder / "index.faiss"

    def saved(self) -> list[str]:
        """Name the projects whose index was saved."""
        others = [path.parent.name for path in sorted((self._folder / "indexes").glob("*/index.faiss"))]
        return [DEFAULT_PROJECT, *others] if self.exists(DEFAULT_PROJECT) else others

    def exists(self, project: str) -> bool:
        """Say whether a project's index was ever saved."""
        return self.path(project).exists()

    def load(self, index: VectorIndex, project: str, keys: Ids, model: str, seq: int) -> Ids:
        """Fill an empty index from the saved one, if that fits; gives the keys of the passages it still lacks.

        `keys` are the living passages, `seq` the last change of the truth.
        """
        path = self.path(project)
        try:
            return index.load(self._checked(path, model, seq), keys)
        except FileNotFoundError:
            log.info("%s is not there and is made from the records", path)
            return keys
        except (OSError, ValueError, TypeError) as error:
            # Derived: what was saved before the next save is of no use to anyone.
            log.warning("%s is made anew from the records: %s", path, error)
            return keys

    def _checked(self, path: Path, model: str, seq: int) -> bytes:
        """Read a saved index if its sidecar fits: a flipped bit often loads silently, so the digest comes first."""
        content = path.read_bytes()
        sidecar = Sidecar(**json.loads(sidecar_path(path).read_bytes()))
        if (sidecar.store, sidecar.model) != (self._store, model):
            raise ValueError("it belongs to another store or model")
        if not isinstance(sidecar.seq, int) or sidecar.seq > seq:
            raise ValueError("it is newer than the records, which were restored")
        if sidecar.sha256 != hashlib.sha256(content).hexdigest():
            raise ValueError("its content does not match its digest")
        return content

    def save(self, project: str, content: memoryview, model: str, seq: int) -> None:
        """Write a serialized index, then its sidecar: a kill in between leaves a pair that does not fit."""
        path = self.path(project)
        sidecar = Sidecar(self._store, model, seq, hashlib.sha256(content).hexdigest())
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, lambda file: file.write(content))
        replace_file(sidecar_path(path), lambda file: file.write(json.dumps(asdict(sidecar)).encode()))

    def remove(self, project: str) -> None:
        """Remove a project's saved index: it is made anew from the records."""
        for path in (sidecar_path(self.path(project)), self.path(project)):
            path.unlink(missing_ok=True)

    def sweep(self, projects: Container[str]) -> None:
        """Remove the saved indexes of projects that are gone."""
        for folder in (self._folder / "indexes").glob("*"):
            if folder.name not in projects:
                shutil.rmtree(folder, ignore_errors=True)


def sidecar_path(path: Path) -> Path:
    """Name the file that describes a saved index."""
    return path.with_name(path.name + ".json")
