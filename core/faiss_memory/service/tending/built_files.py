"""Memories that were built, beside the files that they were built of."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.memory import Origin
from faiss_memory.schema import tending
from faiss_memory.service import messages

Outdated = Callable[[Mapping[int, Origin]], Sequence[Mapping[int, str]]]
SECONDS = 10.0
"""So long files are looked at for one answer."""
AT_ONCE = 20
"""Files whose plugin is asked at once."""
GONE = "its file is gone"


class BuiltFiles:
    """Compares memories with their files; `outdated` asks the plugins that can read these."""

    def __init__(self, engine: MemoryEngine, outdated: Outdated) -> None:
        self._engine = engine
        self._outdated = outdated

    def stale(self, projects: Sequence[str] | None, most: int) -> tuple[list[tending.StaleFile], int]:
        """Return memories whose files are gone or say something else now, and how many files were not looked at."""
        ends = time.monotonic() + SECONDS
        store = self._engine.store
        files = [
            (file, origins)
            for project in ([one.name for one in store.projects()] if projects is None else projects)
            for file, origins in _by_file(store.origins(project)).items()
        ]
        found: list[tending.StaleFile] = []
        looked = 0
        while looked < len(files) and len(found) < most and time.monotonic() < ends:
            group = files[looked : looked + AT_ONCE]
            looked += len(group)
            found += self._of(dict(group))
        return found[:most], len(files) - looked

    def _of(self, files: Mapping[str, Mapping[int, Origin]]) -> Iterator[tending.StaleFile]:
        gone = {file for file in files if is_gone(file)}
        why = {memory_id: GONE for file in gone for memory_id in files[file]}
        there = {one: origin for file in files.keys() - gone for one, origin in files[file].items()}
        for told in self._outdated(there) if there else ():
            why |= {memory_id: reason for memory_id, reason in told.items() if memory_id in there and reason}
        for memory in self._engine.store.get(sorted(why)):
            if memory.superseded_by is None:
                origin = there.get(memory.id)
                yield tending.StaleFile(
                    memory=messages.memory(memory),
                    file=origin.file if origin else next(file for file in gone if memory.id in files[file]),
                    reason="changed" if origin else "gone",
                    why=why[memory.id],
                )


def _by_file(origins: Mapping[int, Origin]) -> dict[str, dict[int, Origin]]:
    by_file: dict[str, dict[int, Origin]] = {}
    for memory_id, origin in sorted(origins.items()):
        by_file.setdefault(origin.file, {})[memory_id] = origin
    return by_file


def is_place_here(file: str) -> bool:
    """Return whether the folder or the repository that a file lay in is on this machine, and mounted."""
    folder = Path(file).parent
    return os.path.isdir(folder) or any(os.path.exists(one / ".git") for one in folder.parents)


def is_gone(file: str) -> bool:
    """Return whether a file is not there any more; one that cannot be reached may be."""
    try:
        os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False
