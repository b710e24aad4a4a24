"""From headings to parts: the stretch under each heading, cut where it is long, with the headings above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from faiss_memory_plugins.ingest.cutting import ANY_LINE, Span, cut
from faiss_memory_plugins.ingest.parts import Part

LONGEST_HEADING = 200
MOST_HEADINGS = 8
"""Above a part; of more the innermost are shown."""
SEPARATOR = " > "


class Heading(NamedTuple):
    """A heading: its lines are `first` up to, and not including, `end`, counted from 0; level 1 is the highest."""

    title: str
    level: int
    first: int
    end: int


def parts_of(
    lines: Sequence[str], headings: Sequence[Heading], first_line: int = 1, above: Sequence[str] = ()
) -> tuple[Part, ...]:
    """Cut lines at their headings; `first_line` is the first one's number, `above` are headings over all of them."""
    parts: list[Part] = []
    path: list[Heading] = []
    before = headings[0].first if headings else len(lines)
    parts += _parts(lines[:before], first_line, tuple(above), "")
    for number, heading in enumerate(headings, 1):
        end = headings[number].first if number < len(headings) else len(lines)
        path = [upper for upper in path if upper.level < heading.level] + [heading]
        titles = tuple(title for title in (*above, *(each.title for each in path)) if title)
        parts += _parts(lines[heading.end : end], first_line + heading.end, titles, heading.title)
    return tuple(parts)


def _parts(lines: Sequence[str], first: int, titles: tuple[str, ...], title: str) -> list[Part]:
    shown = SEPARATOR.join(each[:LONGEST_HEADING] for each in titles[-MOST_HEADINGS:])
    spans = cut(lines, _ranks(lines), first)
    return [
        Part(f"{shown}\n\n{span.text}" if shown else span.text, _place(span, title[:LONGEST_HEADING]))
        for span in spans
        if any(character.isalnum() for character in span.text)  # a rule or a frame says nothing
    ]


def _place(span: Span, title: str) -> str:
    return f"#{title}" if title else f":{span.first}-{span.last}"


def _ranks(lines: Sequence[str]) -> list[int]:
    """Prefer the beginning of a paragraph, the less indented the better."""
    ranks = []
    blank_before = True
    for line in lines:
        indent = len(line) - len(line.lstrip())
        ranks.append(min(indent, ANY_LINE - 1) if blank_before and line.strip() else ANY_LINE)
        blank_before = not line.strip()
    return ranks
