"""The log: what every committed group wrote, appended and synced before its COMMIT. Text and vectors, line by line.

A line is the crc32 of the rest, a space, and a record as JSON. A segment is only ever appended to, so that a backup can
be a hard link to it and a length: what comes after that length is of later moments.
"""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from faiss_memory.errors import DiskFull, StoreError
from faiss_memory.safe_files import descriptor_of_own, open_own
from faiss_memory.store.filesystem import sync_data, sync_folder
from faiss_memory.store.records.operations import Record, decode_record, encode_record

_FULL = (errno.ENOSPC, errno.EDQUOT)


class LogBroken(StoreError):
    """The log could not be written or taken back: nothing more may be written."""


class LogWriter:
    """The segment that is appended to. Raises OSError when it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        new = not path.exists()
        self._file = descriptor_of_own(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self.bytes = os.fstat(self._file).st_size
        self._before = self.bytes
        if new:
            sync_folder(path.parent)

    def is_there(self) -> bool:
        """Return whether the file is still found under its name: what is written to a removed one is lost."""
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(self.path))
        except FileNotFoundError:
            return False

    def append(self, record: Record) -> None:
        """Append a record and sync it.

        Raises DiskFull when there is no room, and nothing was kept; LogBroken when writing has become unsafe.
        """
        line = to_line(record)
        self._before = self.bytes
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
        except BaseException as error:
            self.take_back()
            if not isinstance(error, OSError):
                raise
            if error.errno in _FULL:
                raise DiskFull(
                    "the disk is full; nothing was stored. Free some room, or forget memories, and try again"
                ) from error
            raise LogBroken(f"{self.path} cannot be written ({error})") from error
        self.bytes += len(line)
        try:
            sync_data(self._file)
        except OSError as error:
            # What a failed sync has left on the disk nobody knows.
            raise LogBroken(f"{self.path} cannot be synced ({error})") from error

    def take_back(self) -> None:
        """Remove the last record again: its group was not committed. Raises LogBroken."""
        try:
            os.ftruncate(self._file, self._before)
            sync_data(self._file)
        except OSError as error:
            raise LogBroken(f"{self.path} cannot be cut back ({error})") from error
        self.bytes = self._before

    def cut(self, size: int) -> None:
        """Remove everything behind so many bytes. Raises LogBroken."""
        self._before = size
        self.take_back()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def to_line(record: Record) -> bytes:
    """Write a record as a line."""
    body = encode_record(record)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def read_lines(path: Path, limit: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield each sound line of a segment with the byte after it, up to the first that is not, or to the limit.

    Raises OSError.
    """
    at = 0
    with open_own(path) as file:
        for line in file:
            at += len(line)
            if (limit is not None and at > limit) or not _is_sound(line):
                return
            yield at, line


def read_records(path: Path, limit: int | None = None) -> Iterator[tuple[int, Record]]:
    """Yield each sound record of a segment with the byte after it. Raises OSError."""
    for at, line in read_lines(path, limit):
        try:
            yield at, decode_record(line[9:-1])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return


def _is_sound(line: bytes) -> bool:
    if len(line) < 10 or not line.endswith(b"\n") or line[8:9] != b" ":
        return False
    try:
        return int(line[:8], 16) == zlib.crc32(line[9:-1])
    except ValueError:
        return False
