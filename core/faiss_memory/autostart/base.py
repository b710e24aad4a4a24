"""What every system's way to start services promises, and what they have in common: one file, and when it changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from faiss_memory.autostart.command import Command
from faiss_memory.errors import AutostartError
from faiss_memory.safe_files import located, read_file, write_file


@dataclass(frozen=True, slots=True)
class State:
    """What the system says about the service."""

    running: bool = False
    pid: int | None = None
    at_login: bool = False
    failed: bool = False
    """It ended in failure, and is not being started again."""
    remark: str = ""
    """What else a person should know, such as how it ended; empty if there is nothing."""


class Autostart(ABC):
    """One system's way: a file that describes the service, and a tool that follows it.

    Every method raises AutostartError, with what to do instead, when the tool is missing or refuses.
    """

    kind: str
    """What is installed, in words."""
    path: Path
    """The file."""
    caution: str = ""
    """What about it is untested."""
    advice: str = ""
    """What to know after it was installed."""

    @property
    def installed(self) -> bool:
        """Return whether the file is there."""
        return self.path.exists()

    def install(self, command: Command) -> bool:
        """Write the file, have the service started now and at each login; gives whether anything changed.

        A running service is started again only if the file changed. After a refusal everything is as it was.
        """
        self.check()
        wanted, before = self.render(command), self._content()
        if wanted == before:
            self._enable(changed=False)
            return False
        self._write(wanted)
        try:
            self._enable(changed=True)
        except AutostartError:
            self._put_back(before)
            raise
        return True

    def uninstall(self) -> bool:
        """Stop the service, no longer start it, remove the file; gives False if there was none."""
        if not self.installed:
            return False
        self.check()
        self._disable()
        self.path.unlink(missing_ok=True)
        self._reread()
        return True

    def command(self) -> Command | None:
        """Read back what is installed; None if nothing is, or if it is not as we write it."""
        content = self._content()
        try:
            return None if content is None else self.read(content)
        except (ValueError, LookupError, UnicodeError):
            return None

    @abstractmethod
    def check(self) -> None:
        """Raise AutostartError with what to do instead, where this way does not work."""

    @abstractmethod
    def render(self, command: Command) -> bytes:
        """Write the file's content."""

    @abstractmethod
    def read(self, content: bytes) -> Command:
        """Read the command from a file's content. Raises ValueError or LookupError if it is not there."""

    @abstractmethod
    def state(self) -> State:
        """Ask the system."""

    @abstractmethod
    def start(self) -> None:
        """Start the service, unless it runs."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the service until the next login or `start`."""

    @abstractmethod
    def restart(self) -> None:
        """Stop and start the service."""

    @abstractmethod
    def _enable(self, *, changed: bool) -> None:
        """Have the file followed: at each login, and now."""

    @abstractmethod
    def _disable(self) -> None:
        """Stop the service, and have the file followed no longer."""

    @abstractmethod
    def _reread(self) -> None:
        """Let the system see that the file was changed or removed."""

    def _content(self) -> bytes | None:
        try:
            return read_file(located(self.path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AutostartError(f"{self.path} cannot be read: {error.strerror}") from None

    def _write(self, content: bytes) -> None:
        try:
            write_file(located(self.path), content)
        except OSError as error:
            raise AutostartError(f"{self.path} cannot be written: {error.strerror}") from None

    def _put_back(self, before: bytes | None) -> None:
        with suppress(AutostartError, OSError):
            if before is not None:
                self._write(before)
                self._reread()
                return
            with suppress(AutostartError):
                self._disable()
            self.path.unlink(missing_ok=True)
            self._reread()
