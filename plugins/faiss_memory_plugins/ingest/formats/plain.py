"""Plain text and reStructuredText: by paragraphs, and by underlined headings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from faiss_memory_plugins.ingest.formats.sections import Heading, parts_of
from faiss_memory_plugins.ingest.parts import Document

_LINE = re.compile(r"([!-/:-@[-`{-~])\1*$")
"""A line of one punctuation mark."""
_LONG = 4
"""Characters of a line that reStructuredText takes for one under a title that is longer."""


def read(text: str) -> Document:
    """Cut a plain text into parts; a line under a title is three characters long, and no shorter than the title."""
    lines = text.split("\n")
    return Document(
        parts_of(lines, list(_headings(lines, lambda title, under: len(under) >= max(3, len(title)))))
    )


def read_restructured(text: str) -> Document:
    """Cut reStructuredText into parts, with what its own parser takes for titles."""
    lines = text.split("\n")
    return Document(
        parts_of(lines, list(_headings(lines, lambda title, under: len(under) >= min(_LONG, len(title)))))
    )


def _headings(lines: Sequence[str], is_long_enough: Callable[[str, str], bool]) -> Iterator[Heading]:
    """Find underlined titles; each way of underlining is a level, in the order in which they are met.

    As reStructuredText has it: the line may also stand above the title.
    """
    styles: list[tuple[str, bool]] = []
    at = 0
    while at + 1 < len(lines):
        title, under = lines[at].rstrip(), lines[at + 1].rstrip()
        over = at > 0 and lines[at - 1].rstrip() == under
        begins = over or at == 0 or not lines[at - 1].strip()
        is_title = begins and _is_title(title, under) and is_long_enough(title, under)
        if not (is_title and (over or not title.startswith(" "))):
            at += 1
            continue
        style = (under[0], over)
        if style not in styles:
            styles.append(style)
        yield Heading(title.strip(), styles.index(style) + 1, at - 1 if over else at, at + 2)
        at += 2


def _is_title(title: str, under: str) -> bool:
    return bool(title.strip()) and _LINE.match(under) is not None and _LINE.match(title) is None
