"""What commands print, in two ways: for people at a terminal, and plain for whatever reads a pipe.

Plain output is stable: each record is a line of fields separated by tabs, without colours, headings and shortening.
What is said about the records goes to standard error then. Nothing that comes from a memory is printed unescaped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Protocol

import click

from faiss_memory.cli.records import Column, Value, Verdict, plain_value
from faiss_memory.cli.writing import clean


class Output(Protocol):
    """Where a command prints to; `for_people` says whether it is a terminal."""

    for_people: bool

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> None:
        """Print records."""

    def fields(self, pairs: Iterable[tuple[str, Value]]) -> None:
        """Print one record, a line for each of its fields."""

    def verdicts(self, about: str, verdicts: Sequence[Verdict]) -> None:
        """Print what was found about one thing; at a terminal stacked, so that nothing is cut however narrow it is."""

    def text(self, text: str) -> None:
        """Print a text in full; at a terminal its lines are kept, each with a margin."""

    def say(self, text: str, style: str = "green") -> None:
        """Print what a command has done."""

    def remark(self, text: str) -> None:
        """Print something about the records."""


class PlainOutput:
    """For pipes and files."""

    for_people = False

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> None:
        """Print each record as a line of fields separated by tabs."""
        for row in rows:
            click.echo("\t".join(plain_value(value) for value in row))

    def fields(self, pairs: Iterable[tuple[str, Value]]) -> None:
        """Print each field as its name, a tab and its value."""
        self.table((), pairs)

    def verdicts(self, about: str, verdicts: Sequence[Verdict]) -> None:
        """Print each as its record."""
        self.table((), [verdict.plain for verdict in verdicts])

    def text(self, text: str) -> None:
        """Print the text in one line, its line breaks escaped."""
        click.echo(f"text\t{clean(text)}")

    def say(self, text: str, style: str = "green") -> None:
        """Print it as it is."""
        click.echo(clean(text))

    def remark(self, text: str) -> None:
        """Print it to standard error, where it is in no program's way."""
        click.echo(clean(text), err=True)


def open_output() -> Output:
    """Choose by where standard output goes; rich is loaded for a terminal only."""
    if not sys.stdout.isatty():
        return PlainOutput()
    from faiss_memory.cli.terminal import TerminalOutput

    return TerminalOutput()
