"""Trying, while the service runs, if backups can be restored: a copy of each is restored in a folder of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from faiss_memory.contracts.backups import Tried
from faiss_memory.contracts.http import Download
from faiss_memory.errors import InvalidRequest, MemoryNotFound, StoreCorrupt
from faiss_memory.safe_files import open_own
from faiss_memory.store.backup.archives import unpack
from faiss_memory.store.fsck.backup_check import check_restores, digest

PRESENT = "the present state"


def try_copies(folder: Path, names: list[str], take: Callable[[str | None], Download]) -> Tried:
    """Take and restore the present state and the backups of these names, in a folder that is made for it and removed.

    One that went meanwhile is passed over. Raises OSError when the disk, and no copy, is at fault.
    """
    tried, problems = 0, []
    try:
        for name in (None, *names):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            try:
                _try(folder, take(name))
            except MemoryNotFound:
                continue
            except (StoreCorrupt, InvalidRequest) as error:
                problems.append(f"{name or PRESENT} does not restore: {error}")
            tried += name is not None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Tried(tried, tuple(problems))


def _try(folder: Path, taken: Download) -> None:
    archive = folder / "archive.tar"
    with archive.open("wb") as file:
        for piece in _pieces(taken):
            file.write(piece)
    unpacked = folder / "unpacked"
    with open_own(archive) as file:
        manifest = unpack(file, unpacked)
    check_restores(unpacked, manifest, folder / "replayed.db", digest, replay=True)


def _pieces(taken: Download) -> Iterator[bytes]:
    try:
        yield from taken.pieces
    finally:
        taken.pieces.close()
