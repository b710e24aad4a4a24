"""AsciiDoc: by headings, with one sign for each level before them, or a line below them."""

from __future__ import annotations

import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Sequence

from faiss_memory_plugins.ingest.formats.sections import Heading, parts_of
from faiss_memory_plugins.ingest.parts import Document

_HEADING = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)")
_UNDER = {"=": 1, "-": 2, "~": 3, "^": 4, "+": 5}
"""Levels of headings by what they are underlined with."""
_FENCE = re.compile(r"-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|/{4,}|--|```\S*|[|,:!]===")
"""The line above and below a block, in which no heading stands."""


def read(text: str) -> Document:
    """Cut an AsciiDoc text into parts."""
    lines = text.split("\n")
    return Document(parts_of(lines, list(_headings(lines))))


def _headings(lines: Sequence[str]) -> Iterator[Heading]:
    fences: dict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(lines):
        if _FENCE.fullmatch(line.rstrip()):
            fences[line.rstrip()].append(number)
    at = 0
    while at < len(lines):
        line = lines[at].rstrip()
        if found := _HEADING.match(line):
            yield Heading(found[2], len(found[1]), at, at + 1)
        elif level := _level_below(lines, at):
            yield Heading(line, level, at, at + 2)
            at += 1
        elif line in fences:
            at = _end(fences, line, at)
        at += 1


def _end(fences: dict[str, list[int]], fence: str, at: int) -> int:
    """Return the line that ends the block which begins here; this one if none does."""
    ends = fences["```" if fence.startswith("```") else fence]
    following = bisect(ends, at)
    return ends[following] if following < len(ends) else at


def _level_below(lines: Sequence[str], at: int) -> int | None:
    """Return the level of a heading that the next line underlines, as long as it is, give or take one."""
    title = lines[at].rstrip()
    under = lines[at + 1].rstrip() if at + 1 < len(lines) else ""
    if (at and lines[at - 1].strip()) or not title[:1].strip() or not any(map(str.isalnum, title)):
        return None
    same = len(under) > 1 and under == under[0] * len(under) and abs(len(under) - len(title)) < 2
    return _UNDER.get(under[0]) if same else None
