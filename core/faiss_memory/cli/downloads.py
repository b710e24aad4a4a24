"""A file that the service sends, written here whole or not at all."""

from __future__ import annotations

import codecs
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from faiss_memory.cli.failures import CommandFailed
from faiss_memory.cli.writing import clean, clean_lines

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session

Step = Callable[[int, int | None], object]
"""Is told how many bytes were moved, and of how many in all if that is known."""
STANDARD_OUTPUT = Path("-")


def downloaded(
    session: Session, path: str, wanted: Mapping[str, Any], file: Path, *, force: bool, is_text: bool = False
) -> int:
    """Write what the service sends to a file, or to standard output if that is `-`; returns the number of bytes.

    At a terminal only what `is_text` is printed. Raises CommandFailed, and then there is no such file; whoever reads a
    pipe has to look at the exit code.
    """
    piped = file == STANDARD_OUTPUT
    if os.path.lexists(file) and not piped:
        if not stat.S_ISREG(file.lstat().st_mode):
            raise CommandFailed(f"{clean(file)} is there, and is no file that could be written over.")
        if not force:
            raise CommandFailed(f"{clean(file)} is there already; --force writes over it.")
    written = 0
    with _standard_output(is_text) if piped else _whole(file) as target, shown("fetching", None) as step:

        def write(piece: bytes, whole: int) -> None:
            nonlocal written
            try:
                target.write(piece)
            except OSError as error:  # here, because it is not the connection's
                raise CommandFailed(f"{clean(file)} cannot be written ({error.strerror}).") from None
            written += len(piece)
            step(len(piece), whole or None)

        session.client.download(path, wanted, write)
    return written


@contextmanager
def _standard_output(is_text: bool) -> Iterator[Any]:
    if sys.stdout.isatty() and not is_text:
        raise CommandFailed("It is no text to read here: give a file, or send it on with `>`.")
    yield _Terminal() if sys.stdout.isatty() else sys.stdout.buffer
    try:
        sys.stdout.flush()
    except OSError as error:
        raise CommandFailed(f"Standard output cannot be written ({error.strerror}).") from None


class _Terminal(io.RawIOBase):
    """Shows a text as it comes, with what a terminal would obey written out."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, piece: Any) -> int:
        """Show a piece."""
        sys.stdout.write(clean_lines(self._decoder.decode(piece).replace("\r\n", "\n")))
        return len(piece)


@contextmanager
def _whole(file: Path) -> Iterator[BinaryIO]:
    """Open a file that appears under its name only when all of it is on the disk; nobody else may read it."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        fresh.replace(file)
        folder = os.open(file.parent, os.O_RDONLY)
        os.fsync(folder)  # so that its name outlives a power cut, too
        os.close(folder)
    except OSError as error:
        raise CommandFailed(f"{clean(file)} cannot be written ({error.strerror}).") from None
    finally:
        with suppress(OSError):
            fresh.unlink()


@contextmanager
def shown(what: str, whole: int | None) -> Iterator[Step]:
    """Show a bar on standard error while the block runs, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda moved, whole: None
        return
    from faiss_memory.cli.terminal import transfer_bar

    with transfer_bar() as bar:
        task = bar.add_task(what, total=whole)

        def step(moved: int, whole: int | None) -> None:
            bar.update(task, advance=moved, **({} if whole is None else {"total": whole}))  # type: ignore[arg-type]

        yield step
