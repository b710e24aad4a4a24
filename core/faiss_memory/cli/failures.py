"""How a command ends: its exit codes, and the errors that carry them."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import click

from faiss_memory.errors import ConfigError, MemoryServiceError, PluginError, StoreLocked

EXIT_FAILED, EXIT_USAGE, EXIT_LOCKED, EXIT_UNREACHABLE, EXIT_NO, EXIT_INTERRUPTED = 1, 2, 3, 4, 5, 130

EXIT_CODES = (
    (0, "done"),
    (EXIT_FAILED, "the service refused, or failed"),
    (EXIT_USAGE, "wrong usage, or wrong settings"),
    (EXIT_LOCKED, "serve: another process uses the data folder; service status: it does not run"),
    (EXIT_UNREACHABLE, "the service cannot be reached, or does not answer as it should"),
    (
        EXIT_NO,
        "the answer is no: is-novel knows the text, scan has found secrets, or you said no when you were asked",
    ),
    (74, "serve: the disk failed; nothing acknowledged is lost"),
    (EXIT_INTERRUPTED, "interrupted"),
)


class CommandFailed(click.ClickException):
    """A command that cannot be done; printed in a line or a few, never as a traceback."""

    exit_code = EXIT_FAILED

    def show(self, file: Any = None) -> None:
        """Print it to standard error."""
        from faiss_memory.cli.writing import clean_lines

        click.echo(clean_lines(f"faiss-memory: {self.message}"), err=True)


class Refused(CommandFailed):
    """The service refused; `status` is the answer's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_no_such_call(self) -> bool:
        """Return whether the service does not know the call at all, as while the plugin is disabled that brings it."""
        return self.status == HTTPStatus.NOT_FOUND and "there is nothing at this address" in self.message


class Unreachable(CommandFailed):
    """There is no answer, or none of FAISS Memory."""

    exit_code = EXIT_UNREACHABLE


class NobodyThere(Unreachable):
    """Nothing takes the connection, so nothing was sent."""


class _InUse(CommandFailed):
    exit_code = EXIT_LOCKED


class _WrongSettings(CommandFailed):
    exit_code = EXIT_USAGE


def as_command_failure(error: MemoryServiceError) -> CommandFailed:
    """Return an error of the service's own modules as a failure with the exit code it has here."""
    kinds: dict[type[MemoryServiceError], type[CommandFailed]] = {
        StoreLocked: _InUse,
        ConfigError: _WrongSettings,
        PluginError: _WrongSettings,
    }
    return kinds.get(type(error), CommandFailed)(str(error))


class ReportingGroup(click.Group):
    """A group that ends the process as the exit codes say, whatever a command raises on purpose."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line; without `standalone_mode` errors are raised instead."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # an old locale must not stop us
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()
        except click.Abort:
            code = EXIT_INTERRUPTED
        except BrokenPipeError:
            code = _nobody_reads()
        except click.ClickException as error:
            _show(error)
            code = error.exit_code
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what the reader of a pipe no longer wants is not an error."""
        try:
            return super().invoke(ctx)
        except MemoryServiceError as error:
            raise as_command_failure(error) from error
        except BrokenPipeError:
            return _nobody_reads()


def _show(error: click.ClickException) -> None:
    """Print an error; click itself quotes what was typed with all that a terminal would obey."""
    from faiss_memory.cli.writing import clean_lines

    said = io.StringIO()
    error.show(said)
    if said.getvalue():  # (our own print themselves)
        click.echo(clean_lines(said.getvalue().rstrip("\n")), err=True)


def _nobody_reads() -> int:
    """The reader of our output has gone, as `head` does when it has enough."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())  # for what is still to be flushed when the process ends
    os.close(nowhere)
    return 0
