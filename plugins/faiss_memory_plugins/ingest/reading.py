"""Reading a file whole and safely: what is refused, and why, is decided here."""

from __future__ import annotations

import codecs
import errno
import os
from dataclasses import dataclass
from datetime import UTC, datetime

from faiss_memory import NotAFile, located, open_file
from faiss_memory_plugins.ingest.sources import Roots

ATTEMPTS = 3
"""How often a file is read that changes meanwhile."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Unreadable(Exception):
    """A file that is skipped; the message is the reason."""


@dataclass(frozen=True, slots=True)
class FileText:
    """What a file says, with lines ended by a line feed, and when it was last changed."""

    text: str
    changed: datetime


def read_text(path: str, roots: Roots, most_bytes: int) -> FileText:
    """Read a file that holds text. Raises Unreadable."""
    raw, changed = read_bytes(
        path, roots, most_bytes, "not a file that holds text (a pipe, socket or device)"
    )
    return FileText(_decoded(raw), changed)


def read_bytes(
    path: str, roots: Roots, most_bytes: int, no_file: str = "it is not a file"
) -> tuple[bytes, datetime]:
    """Read a file, and when it was last changed. Raises Unreadable; `no_file` says that it is none."""
    for _ in range(ATTEMPTS):
        try:
            found = _read_once(path, roots, most_bytes)
        except NotAFile:
            raise Unreadable(no_file) from None
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise Unreadable("it went away while the build ran") from None
            raise Unreadable(f"it cannot be read ({os.strerror(error.errno or 0)})") from None
        if found is not None:
            return found
    raise Unreadable("it changed while it was read; build again when nothing writes to it")


def _read_once(path: str, roots: Roots, most_bytes: int) -> tuple[bytes, datetime] | None:
    """Return content and time of change, or None if it changed meanwhile."""
    place = located(path)
    if roots.around(str(place)) is None:
        raise Unreadable("it leads outside the folders that may be read (setting plugins.ingest.roots)")
    with open_file(place) as file:
        before = os.fstat(file.fileno())
        if before.st_size > most_bytes:
            raise Unreadable(
                f"it is {_size(before.st_size)}; the most is {_size(most_bytes)} "
                "(setting plugins.ingest.max_file_bytes)"
            )
        raw = file.read(most_bytes + 1)
        after = os.fstat(file.fileno())
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    if not same or len(raw) != after.st_size:
        return None
    return raw, datetime.fromtimestamp(max(0, after.st_mtime), UTC)


def _size(size: int) -> str:
    for unit, step in (("GB", 1024**3), ("MB", 1024**2), ("kB", 1024)):
        if size >= step:
            return f"{size / step:.1f} {unit}"
    return f"{size} bytes"


def _decoded(raw: bytes) -> str:
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        if b"\0" in raw:
            raise Unreadable("it is binary") from None
        raise Unreadable(
            f"it is not text in {encoding.removesuffix('-sig').upper()} (byte {error.start:,}); save it as UTF-8"
        ) from None
    if "\0" in text:
        raise Unreadable("it is binary")
    return text.replace("\r\n", "\n").replace("\r", "\n")
