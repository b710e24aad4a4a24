"""Plain text: by paragraphs, and by headings where it has underlined ones, as reStructuredText does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from faiss_memory_plugins.ingest.parts import Document
from faiss_memory_plugins.ingest.sections import Heading, parts_of

_LINE = re.compile(r"([!-/:-@[-`{-~])\1{2,}\s*$")
"""A line of one punctuation mark, at least three times."""


def read(text: str) -> Document:
    """Cut a plain text into parts."""
    lines = text.split("\n")
    return Document(parts_of(lines, list(_headings(lines))))


def _headings(lines: Sequence[str]) -> Iterator[Heading]:
    """Find underlined titles; each way of underlining is a level, in the order in which they are met.

    As reStructuredText has it: the line is as long as the title, and may also stand above it.
    """
    styles: list[tuple[str, bool]] = []
    at = 0
    while at + 1 < len(lines):
        title, under = lines[at].rstrip(), lines[at + 1].rstrip()
        over = at > 0 and lines[at - 1].rstrip() == under
        begins = over or at == 0 or not lines[at - 1].strip()
        if not (begins and _is_title(title, under) and (over or not title.startswith(" "))):
            at += 1
            continue
        style = (under[0], over)
        if style not in styles:
            styles.append(style)
        yield Heading(title.strip(), styles.index(style) + 1, at - 1 if over else at, at + 2)
        at += 2


def _is_title(title: str, under: str) -> bool:
    return (
        bool(title.strip())
        and _LINE.match(under) is not None
        and len(under) >= len(title)
        and _LINE.match(title) is None
    )
