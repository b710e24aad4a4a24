"""Saved vector indexes, in one folder a project: index.faiss and, of large ones, further parts.

Each has a sidecar that says whether it fits.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Container
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from faiss_memory.memory import DEFAULT_PROJECT
from faiss_memory.safe_files import read_own
from faiss_memory.store.filesystem import replace_file
from faiss_memory.store.index.vector_index import Snapshot, VectorIndex
from faiss_memory.store.index.vector_kinds import Kind
from faiss_memory.store.index.vector_segment import Ids

log = logging.getLogger("faiss_memory.store")


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a saved part of an index says of itself; it is used only if all of it fits."""

    store: str
    model: str
    seq: int
    sha256: str
    kind: str = Kind.EXACT.name
    """Besides what the file says itself: a version that knows no kinds makes the index anew."""


class VectorFiles:
    """The saved indexes of one store, in its data folder."""

    def __init__(self, folder: Path, store: str) -> None:
        self._folder = folder
        self._store = store

    def _path(self, project: str, number: int = 0) -> Path:
        """Return where a part of a project's index is saved."""
        folder = self._folder if project == DEFAULT_PROJECT else self._folder / "indexes" / project
        return folder / (f"index-{number}.faiss" if number else "index.faiss")

    def _parts(self, project: str) -> dict[int, Path]:
        """Find the parts that are saved."""
        first = self._path(project)
        found = {0: first} if first.exists() else {}
        for path in first.parent.glob("index-*.faiss"):
            if (number := path.stem.removeprefix("index-")).isdecimal():
                found[int(number)] = path
        return dict(sorted(found.items()))

    def saved(self) -> list[str]:
        """Name the projects whose index was saved."""
        others = [folder.name for folder in sorted((self._folder / "indexes").glob("*"))]
        return [project for project in (DEFAULT_PROJECT, *others) if self.exists(project)]

    def exists(self, project: str) -> bool:
        """Return whether a project's index was ever saved."""
        return bool(self._parts(project))

    def load(self, index: VectorIndex, project: str, keys: Ids, model: str, seq: int) -> Ids:
        """Fill an empty index from the saved parts that fit; gives the keys of the passages it still lacks.

        `keys` are the living passages, `seq` the last change of the truth.
        """
        lacking = np.ones(len(keys), np.bool_)
        parts = self._parts(project)
        for number, path in parts.items():
            try:
                index.load(number, self._checked(path, model, seq), keys, lacking)
            except (OSError, ValueError, TypeError) as error:
                # Derived: what was saved before the next save is of no use to anyone.
                log.warning("%s is made anew from the records: %s", path, error)
        if not parts:
            log.info("%s is not there and is made from the records", self._path(project))
        missing: Ids = keys[lacking]
        return missing

    def _checked(self, path: Path, model: str, seq: int) -> bytes:
        """Read a saved part if its sidecar fits: a flipped bit often loads silently, so the digest comes first."""
        content = read_own(path)
        sidecar = Sidecar(**json.loads(read_own(sidecar_path(path))))
        if (sidecar.store, sidecar.model) != (self._store, model):
            raise ValueError("it belongs to another store or model")
        if not isinstance(sidecar.seq, int) or sidecar.seq > seq:
            raise ValueError("it is newer than the records, which were restored")
        if sidecar.sha256 != hashlib.sha256(content).hexdigest():
            raise ValueError("its content does not match its digest")
        return content

    def save(self, project: str, snapshot: Snapshot, model: str, seq: int) -> None:
        """Write the parts that have changed, and remove those that are no more."""
        for number, (content, kind) in snapshot.changed.items():
            digest = hashlib.sha256(content).hexdigest()
            self._save(
                self._path(project, number), content, Sidecar(self._store, model, seq, digest, kind.name)
            )
        for number, path in self._parts(project).items():
            if number not in snapshot.numbers:
                path.unlink()
                sidecar_path(path).unlink(missing_ok=True)

    def _save(self, path: Path, content: memoryview, sidecar: Sidecar) -> None:
        """Write a serialized part, then its sidecar: a kill in between leaves a pair that does not fit."""
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, lambda file: file.write(content))
        replace_file(sidecar_path(path), lambda file: file.write(json.dumps(asdict(sidecar)).encode()))

    def remove(self, project: str) -> None:
        """Remove a project's saved index: it is made anew from the records."""
        for path in self._parts(project).values():
            sidecar_path(path).unlink(missing_ok=True)
            path.unlink(missing_ok=True)

    def sweep(self, projects: Container[str]) -> None:
        """Remove the saved indexes of projects that are gone."""
        for folder in (self._folder / "indexes").glob("*"):
            if folder.name not in projects:
                shutil.rmtree(folder, ignore_errors=True)


def sidecar_path(path: Path) -> Path:
    """Name the file that describes a saved index."""
    return path.with_name(path.name + ".json")
