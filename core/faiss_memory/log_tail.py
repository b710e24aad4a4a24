"""Reading the log: its last lines, across the files that were set aside, and what is added from then on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from faiss_memory.logs import log_files
from faiss_memory.safe_files import located, open_file

_PAUSE = 0.2


class LogTail:
    """Reads a log from its end. Use as a context manager; raises FileNotFoundError and the like if it cannot be read.

    Lines are given without their line break, and with whatever bytes they hold: control characters are the caller's.
    """

    def __init__(self, path: Path, pause: Callable[[float], object] = time.sleep) -> None:
        self._path = path
        self._pause = pause
        self._file: BinaryIO = open_file(located(path))
        self._rest = b""

    def __enter__(self) -> LogTail:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def last(self, count: int) -> list[str]:
        """Return the last lines, the newest last; `follow` goes on behind them."""
        lines = self._read()
        here = _inode(os.fstat(self._file.fileno()))
        for path in log_files(self._path)[1:]:
            if len(lines) >= count:
                break
            try:
                if _inode(path.stat()) != here:  # it may have been set aside since we opened it
                    with open_file(located(path)) as file:
                        lines = [*file.read().splitlines(), *lines]
            except OSError:
                continue
        return [_text(line) for line in lines[-count:]] if count else []

    def follow(self) -> Iterator[str]:
        """Yield what is added, without end, and across files that are set aside meanwhile."""
        while True:
            yield from map(_text, self._read())
            newer = self._newer()
            if newer:
                lines = self._read()  # what came between reading and setting aside
                self._file.close()
                self._file, self._rest = newer.pop(), b""
                for file in newer:
                    with file:
                        lines += file.read().splitlines()
                yield from map(_text, lines)
                continue
            self._pause(_PAUSE)

    def _read(self) -> list[bytes]:
        """Read the whole lines that are there; a line that is being written waits."""
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._file.seek(0)  # it was emptied
            self._rest = b""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        return lines

    def _newer(self) -> list[BinaryIO]:
        """Open the files that were begun after ours, oldest first; none while ours is the newest."""
        ours = _inode(os.fstat(self._file.fileno()))
        newer: list[BinaryIO] = []
        for path in log_files(self._path):
            try:
                file: BinaryIO = open_file(located(path))
            except OSError:
                break
            if _inode(os.fstat(file.fileno())) == ours:
                file.close()
                return newer
            newer.insert(0, file)
        # Ours is gone: somebody removed it. Which of the others are older than it cannot be told, only the last.
        for file in newer[:-1]:
            file.close()
        return newer[-1:]


def _inode(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_dev, stat.st_ino


def _text(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace")
