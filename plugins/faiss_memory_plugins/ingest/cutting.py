"""Cutting a stretch of text at its best places, so that an edit moves few cuts.

Each cut goes where the structure is clearest; among equals, where a digest of the following line is smallest, which is
how content-defined chunking finds the same cuts again after an edit (Muthitacharoen, Chen and Mazières, "A
Low-bandwidth Network File System", 2001): the line decides, and not how many others stand before it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from faiss_memory import outside_secrets

MOST = 700
"""Characters of a part, its headings not counted: what one passage holds, so that its vector knows the headings too."""
LEAST = 250
"""Characters before a cut is looked for."""
ANY_LINE, INSIDE_A_LINE = 8, 9
"""Ranks of the last resorts; a smaller rank is a better place to cut."""


class Span(NamedTuple):
    """A stretch of lines: `text` lies in the lines `first` to `last`, counted from 1."""

    first: int
    last: int
    text: str


class _Unit(NamedTuple):
    """What is never cut: a line, a piece of a line that is too long to be kept whole, or lines with a secret in them.

    (Half a secret has no shape, and would be stored.)
    """

    first: int
    last: int
    text: str
    rank: int


class _Start(NamedTuple):
    """Where a line begins, or a piece of one: its place in the text, the number of its line, and its rank."""

    place: int
    line: int
    rank: int


def cut(lines: Sequence[str], ranks: Sequence[int], first: int) -> list[Span]:
    """Cut lines into spans of at most `MOST` characters; `first` is the number of the first line.

    `ranks` say of each line how well a span may begin there. Blank lines around a span are left out, and spans of
    nothing else with them.
    """
    units = _units(lines, ranks, first)
    spans, at = [], 0
    while at < len(units):
        size = _next_size(units[at : at + MOST + 2])  # a unit is at least a character
        spans += _span(units[at : at + size])
        at += size
    return spans


def _units(lines: Sequence[str], ranks: Sequence[int], first: int) -> list[_Unit]:
    text = "".join(f"{line}\n" for line in lines)
    starts = list(_starts(lines, ranks, first))
    kept: Sequence[int] = range(len(starts))
    if len(text) > MOST:
        outside = frozenset(outside_secrets(text, [start.place for start in starts]))
        kept = [number for number, start in enumerate(starts) if start.place in outside]
    return [
        _Unit(
            starts[this].line,
            starts[following - 1].line,
            text[starts[this].place : starts[following].place if following < len(starts) else len(text)],
            starts[this].rank,
        )
        for this, following in pairwise([*kept, len(starts)])
    ]


def _starts(lines: Sequence[str], ranks: Sequence[int], first: int) -> Iterator[_Start]:
    begin = 0
    for number, (line, rank) in enumerate(zip(lines, ranks, strict=True), first):
        yield _Start(begin, number, rank)
        at = 0
        while len(line) - at > MOST:
            least, most = at + LEAST, at + MOST
            # At the end of a sentence, of a word, or wherever there is neither.
            at = next((place for mark in (". ", " ") if (place := line.rfind(mark, least, most) + 1)), most)
            yield _Start(begin + at, number, INSIDE_A_LINE)
        begin += len(line) + 1


def _next_size(units: Sequence[_Unit]) -> int:
    """Return how many units the next span takes."""
    size, best, best_key = 0, 0, (INSIDE_A_LINE + 1, 0)
    for count, unit in enumerate(units):
        if size > MOST:
            return best or max(1, count - 1)
        if count and size >= LEAST:
            key = (unit.rank, zlib.crc32(unit.text.strip().encode()))
            if key < best_key:
                best, best_key = count, key
        size += len(unit.text)
    return len(units) if size <= MOST else best or max(1, len(units) - 1)


def _span(units: Sequence[_Unit]) -> list[Span]:
    telling = [place for place, unit in enumerate(units) if unit.text.strip()]
    if not telling:
        return []
    first, last = telling[0], telling[-1]
    text = "".join(unit.text for unit in units[first : last + 1])
    return [Span(units[first].first, units[last].last, text.rstrip())]
