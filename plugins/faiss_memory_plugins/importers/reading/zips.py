"""Zips of text files."""

from __future__ import annotations

import lzma
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faiss_memory import InvalidRequest, located, open_file

_MOST_BYTES = 1 << 30
_MOST_FILES = 100_000
UNPACKED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
)
"""What unpacking raises: besides, a zip may be locked by a password or packed in a way that is not known here, and a
name too long, or that of a file and a folder at once."""


def is_zip(path: Path) -> bool:
    """Return whether a file is a zip, whatever it is called. Never raises."""
    try:
        with open_file(located(path)) as file:
            return zipfile.is_zipfile(file)
    except OSError:
        return False


def names_in_zip(path: Path) -> list[str]:
    """Return the names in a zip; none where it is none. Never raises."""
    if path.suffix.lower() != ".zip":
        return []
    try:
        with open_file(located(path)) as file, zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except UNPACKED:
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
                members = archive.infolist()
                if sum(one.file_size for one in members) > _MOST_BYTES or len(members) > _MOST_FILES:
                    raise InvalidRequest(
                        f"{path} holds more than {_MOST_BYTES:,} bytes or {_MOST_FILES:,} files; unpack it",
                        "path",
                    )
                archive.extractall(folder)
        except UNPACKED as error:
            raise InvalidRequest(f"{path} cannot be unpacked ({error})", "path") from None
        yield Path(folder)
