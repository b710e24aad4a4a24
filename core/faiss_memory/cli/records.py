"""What a command has to print: columns, and values that may read differently at a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from faiss_memory.cli.writing import clean, when


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; the `wide` one gets the room that is left, `most` bounds the others.

    Where that is too little, columns are left out of what a terminal shows, those with the highest `spare` first; those
    with 1 only where the wide one could hardly be read.
    """

    name: str
    style: str = ""
    most: int = 0
    wide: bool = False
    right: bool = False
    spare: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """A value that reads differently at a terminal; `marked` words are made to stand out there."""

    plain: object
    shown: str
    marked: Sequence[str] = ()
    style: str = ""


Value = Cell | str | int | float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found about one thing: at a terminal a sign, a name and words, and the advice on a line of its own."""

    plain: Sequence[Value]
    """The record for a pipe."""
    sign: Cell
    name: str
    said: str
    advice: str = ""


def time_cell(time: str) -> Cell:
    """Return a time as the API writes it, which at a terminal reads as people say it."""
    return Cell(time, when(time))


def plain_value(value: Value) -> str:
    """Write a value for a pipe."""
    inner = value.plain if isinstance(value, Cell) else value
    return "" if inner is None else clean(inner)
