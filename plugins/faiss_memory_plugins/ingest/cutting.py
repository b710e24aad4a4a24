"""Cutting a stretch of text at its best places, so that an edit moves few cuts.

Each cut goes where the structure is clearest; among equals, where a digest of the following line is smallest, which is
how content-defined chunking finds the same cuts again after an edit (Muthitacharoen, Chen and Mazières, "A
Low-bandwidth Network File System", 2001): the line decides, and not how many others stand before it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

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
    """What is never cut: a line, or a piece of a line that is too long to be kept whole."""

    line: int
    text: str
    rank: int


def cut(lines: Sequence[str], ranks: Sequence[int], first: int) -> list[Span]:
    """Cut lines into spans of at most `MOST` characters; `first` is the number of the first line.

    `ranks` say of each line how well a span may begin there. Blank lines around a span are left out, and spans of
    nothing else with them.
    """
    units = [
        unit
        for number, (line, rank) in enumerate(zip(lines, ranks, strict=True), first)
        for unit in _units(number, line, rank)
    ]
    spans, at = [], 0
    while at < len(units):
        size = _next_size(units[at : at + MOST + 2])  # a unit is at least a character
        spans += _span(units[at : at + size])
        at += size
    return spans


def _units(number: int, line: str, rank: int) -> list[_Unit]:
    if len(line) <= MOST:
        return [_Unit(number, line + "\n", rank)]
    pieces, at = [], 0
    while len(line) - at > MOST:
        least, most = at + LEAST, at + MOST
        # At the end of a sentence, of a word, or wherever there is neither.
        end = next((place for mark in (". ", " ") if (place := line.rfind(mark, least, most) + 1)), most)
        pieces.append(line[at:end])
        at = end
    return [
        _Unit(number, piece, INSIDE_A_LINE if n else rank)
        for n, piece in enumerate([*pieces, line[at:] + "\n"])
    ]


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
    return [Span(units[first].line, units[last].line, text.rstrip())]
