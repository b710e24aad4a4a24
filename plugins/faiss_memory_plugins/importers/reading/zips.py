"""Zips of text files."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faiss_memory import InvalidRequest, located, open_file

_MOST_BYTES = 1 << 30


def names_in_zip(path: Path) -> list[str]:
    """Return the names in a zip; none where it is none. Never raises."""
    if path.suffix.lower() != ".zip":
        return []
    try:
        with open_file(located(path)) as file, zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return []


@contextmanager
def folder_of(path: Path) -> Iterator[Path]:
    """Yield a folder as it is, and for a zip one with its files that is gone afterwards. Raises InvalidRequest."""
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="faiss-memory-") as folder:
        try:
            with open_file(located(path)) as file, zipfile.ZipFile(file) as archive:
                if sum(member.file_size for member in archive.infolist()) > _MOST_BYTES:
                    raise InvalidRequest(f"{path} holds more than {_MOST_BYTES:,} bytes; unpack it", "path")
                archive.extractall(folder)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise InvalidRequest(f"{path} cannot be unpacked ({error})", "path") from None
        yield Path(folder)
