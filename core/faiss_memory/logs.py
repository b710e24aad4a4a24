"""The log's files: written by the service, each full one set aside under a number, the oldest forgotten."""

from __future__ import annotations

import logging
import os
import select
import stat
import sys
from collections.abc import Collection
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

import platformdirs

from faiss_memory.errors import ConfigError, MemoryServiceError
from faiss_memory.private import close_to_others, make_private
from faiss_memory.safe_files import located, open_to_append
from faiss_memory.secrets.masking import masked

LOG_BYTES = 5 * 1024 * 1024
LOG_FILES = 5
"""How many full files are kept, besides the one that is being written."""

LINE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def default_log_file() -> Path:
    """Return where the log of a service in the background goes: the usual place for a program's logs."""
    return Path(platformdirs.user_log_dir("faiss-memory")) / "faiss-memory.log"


def log_path(log_file: str) -> Path | None:
    """Return the file that the setting `log_file` names, if it names one."""
    return Path(log_file).expanduser() if log_file else None


def log_files(path: Path) -> list[Path]:
    """Name the files of a log, the newest first, whether they are there or not."""
    return [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, LOG_FILES + 1))]


class MaskedLine(logging.Formatter):
    """A line of the log, and what went wrong below it, without the secrets that a text, a path or an error quotes."""

    def __init__(self, own_tokens: Collection[str] = ()) -> None:
        super().__init__(LINE)
        self._own = own_tokens

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, as it may be written."""
        return masked(super().format(record), self._own)


class StandardError(logging.Handler):
    """Writes the log to standard error, which nobody may read: a line that a full pipe does not take is lost.

    To wait for a reader would hold up every thread that logs, and the stop of the service with them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, and before it how many were lost."""
        remark = f"{self._lost} lines were lost here: nobody read them\n" if self._lost else ""
        try:
            self._lost = 0 if say(f"{remark}{self.format(record)}\n") else self._lost + 1
        except (OSError, ValueError, TypeError, KeyError):
            self.handleError(record)


def say(text: str) -> bool:
    """Write to standard error as much as is taken at once; says whether that was all."""
    stream = sys.stderr
    if stream is None:
        return True
    try:
        descriptor = stream.fileno() if os.name == "posix" else -1
    except (OSError, ValueError):
        descriptor = -1
    if descriptor < 0:  # nothing that a pipe is behind, or Windows, which cannot say whether a pipe is full
        stream.write(text)
        stream.flush()
        return True
    raw = text.encode("utf-8", "backslashreplace")
    with suppress(BrokenPipeError):
        while raw and _takes_more(descriptor):
            # So many bytes a pipe takes without waiting, when it says that it takes any.
            raw = raw[os.write(descriptor, raw[: select.PIPE_BUF]) :]
    return not raw


def _takes_more(descriptor: int) -> bool:
    asked = select.poll()
    asked.register(descriptor, select.POLLOUT)
    return bool(asked.poll(0))


class LogFile(RotatingFileHandler):
    """Writes the log to a file that only its owner can read.

    Raises ConfigError if the file cannot be written, or its folder does not let full files be set aside. Later a full
    disk costs lines, and nothing else: what cannot be written is told once on standard error.
    """

    def __init__(self, path: Path, most_bytes: int = LOG_BYTES) -> None:
        self._failed = self._told = False
        try:
            if path == default_log_file() or not path.parent.exists():
                make_private(path.parent)
            super().__init__(path, maxBytes=most_bytes, backupCount=LOG_FILES, encoding="utf-8")
            for file in log_files(path):
                with suppress(FileNotFoundError):
                    if stat.S_ISREG((found := file.lstat()).st_mode):
                        close_to_others(file, found)
        except OSError as error:
            raise _refused(path, error.strerror or str(error)) from None
        if not os.access(path.parent, os.W_OK | os.X_OK):
            self.close()
            raise _refused(path, "its folder is not writable, so full files could not be set aside")
        self.setFormatter(MaskedLine())

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        self._failed = False
        super().emit(record)
        self._told = self._failed

    def doRollover(self) -> None:
        """Set the full file aside; where that fails it goes on growing, which is better than no log."""
        try:
            super().doRollover()
        except OSError as error:
            self._tell(error)
            with suppress(OSError):
                if self.stream is not None:
                    self.stream.close()
            # Closed, or half way between two files: the line that follows opens it again.
            self.stream = None

    def close(self) -> None:
        """Close the file; what a full disk has not taken by now is lost."""
        with suppress(OSError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:
        """Say that a line could not be written."""
        self._tell(sys.exc_info()[1])

    def _tell(self, error: BaseException | None) -> None:
        """Say it on standard error, once until a line succeeds again."""
        self._failed = True
        if not self._told and sys.stderr is not None:
            with suppress(OSError, ValueError):
                say(f"{self.baseFilename} cannot be written: {error}\n")
        self._told = True

    def _open(self) -> TextIOWrapper:
        return os.fdopen(open_to_append(located(self.baseFilename)), "a", encoding="utf-8")


def start_logging(file: Path | None, own_tokens: Collection[str] = ()) -> LogFile | None:
    """Log to standard error, and to a file if one is named; `own_tokens` are secrets that have no shape.

    Raises ConfigError if it cannot be written.
    """
    lines = MaskedLine(own_tokens)
    here = StandardError()
    here.setFormatter(lines)
    logging.basicConfig(handlers=[here], level=logging.INFO)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    if file is None:
        return None
    handler = LogFile(file)
    handler.setFormatter(lines)
    logging.getLogger().addHandler(handler)
    return handler


def note_failure(handler: LogFile | None, failure: Exception) -> None:
    """Note what ended the service in the file alone: at a terminal it is told anyway."""
    if handler is not None:
        expected = isinstance(failure, MemoryServiceError)
        record = logging.LogRecord(
            "faiss_memory", logging.ERROR, __file__, 0, "%s", (str(failure) or repr(failure),),
            None if expected else (type(failure), failure, failure.__traceback__),
        )  # fmt: skip
        handler.handle(record)


def stop_logging(handler: LogFile | None) -> None:
    """Close the file."""
    if handler is not None:
        logging.getLogger().removeHandler(handler)
        handler.close()


def _refused(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"the log file {path} cannot be written: {why}. Choose another file (`log_file`), or none: "
        '`log_file: ""` logs to standard error alone.'
    )
