"""From headings to parts: the stretch under each heading, cut where it is long, with the headings above it.

No line is lost: a heading without a text is a part of its own, unless the heading below it is shown with it, and a
title that is too long to be shown above each part is part of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from faiss_memory import cut_before_secret, is_blank
from faiss_memory_plugins.ingest.cutting import ANY_LINE, Span, cut
from faiss_memory_plugins.ingest.parts import Part

LONGEST_HEADING = 200
MOST_HEADINGS = 8
"""Above a part; of more the innermost are shown."""
SEPARATOR = " > "
_RULES = frozenset("-=_*#~+.:^`'\"<>|/\\\u2010\u2011\u2012\u2013\u2014\u2015\u2022\u2026")
"""A line of one of these alone says nothing."""
_FRAMES = frozenset("-+|=:") | {chr(code) for code in range(0x2500, 0x25A0)}
"""Nor does one of these alone: tables and boxes are drawn with them."""


class Heading(NamedTuple):
    """A heading: its lines are `first` up to, and not including, `end`, counted from 0; level 1 is the highest.

    `tags` are those of what stands under it.
    """

    title: str
    level: int
    first: int
    end: int
    tags: tuple[str, ...] = ()


def place_of_lines(first: int, last: int) -> str:
    """Return the place of a part that no heading names: its lines, counted from 1."""
    return f":{first}-{last}"


def parts_of(
    lines: Sequence[str],
    headings: Sequence[Heading],
    first_line: int = 1,
    above: Sequence[str] = (),
    place_of: Callable[[int, int], str] = place_of_lines,
) -> tuple[Part, ...]:
    """Cut lines at their headings; `first_line` is the first one's number, `above` are headings over all of them.

    `place_of` names a part by its lines, where no heading does.
    """
    before = headings[0].first if headings else len(lines)
    shown = _shown(above)
    parts = [
        Part(_under(shown, span), place_of(span.first, span.last))
        for span in _cut(lines[:before], first_line)
    ]
    path: list[Heading] = []
    waiting = False  # whether a heading without a text is yet to be shown with one below it
    for number, heading in enumerate(headings, 1):
        following = headings[number] if number < len(headings) else None
        path = [upper for upper in path if upper.level < heading.level] + [heading]
        titles = [title for title in (*above, *(each.title for each in path)) if title]
        begin = heading.end if len(heading.title) <= LONGEST_HEADING else heading.first
        end = following.first if following else len(lines)
        spans = _cut(lines[begin:end], first_line + begin)
        below = following and following.level > heading.level and len(titles) < MOST_HEADINGS
        waiting = waiting or not says_nothing(heading.title)
        if waiting and not spans and not below:
            spans = [Span(first_line + heading.first, first_line + heading.end - 1, "")]
        parts += _parts(spans, titles, path, place_of)
        waiting = waiting and not spans
    return tuple(parts)


def _parts(
    spans: Sequence[Span],
    titles: Sequence[str],
    path: Sequence[Heading],
    place_of: Callable[[int, int], str],
) -> Iterator[Part]:
    """Yield the parts under the last heading of a path."""
    shown, title = _shown(titles), cut_before_secret(path[-1].title, LONGEST_HEADING)
    tags = tuple(tag for each in path for tag in each.tags)
    for span in spans:
        yield Part(_under(shown, span), f"#{title}" if title else place_of(span.first, span.last), tags)


def says_nothing(text: str) -> bool:
    """Return whether a text is nothing but rules, the frames of tables and blank lines."""
    return all(is_blank(line) or _is_rule(frozenset("".join(line.split()))) for line in text.split("\n"))


def _is_rule(marks: frozenset[str]) -> bool:
    return (len(marks) <= 1 and marks <= _RULES) or marks <= _FRAMES


def _shown(titles: Sequence[str]) -> str:
    return SEPARATOR.join(cut_before_secret(title, LONGEST_HEADING) for title in titles[-MOST_HEADINGS:])


def _under(shown: str, span: Span) -> str:
    return "\n\n".join(text for text in (shown, span.text) if text)


def _cut(lines: Sequence[str], first: int) -> list[Span]:
    return [span for span in cut(lines, _ranks(lines), first) if not says_nothing(span.text)]


def _ranks(lines: Sequence[str]) -> list[int]:
    """Prefer the beginning of a paragraph, the less indented the better."""
    ranks = []
    blank_before = True
    for line in lines:
        indent = len(line) - len(line.lstrip())
        ranks.append(min(indent, ANY_LINE - 1) if blank_before and line.strip() else ANY_LINE)
        blank_before = not line.strip()
    return ranks
