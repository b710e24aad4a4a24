"""A Markdown document, cut at its headings: each section is to stand alone as a memory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from faiss_memory_plugins.importers.reading.values import MOST_OF_A_NAME

_HEADING = re.compile(r"(#{1,6})\s+(\S.*)")
_FENCE = re.compile(r"\s*(```+|~~~+)")
_OURS = re.compile(r"<!-- faiss-memory:start -->.*?(?:<!-- faiss-memory:end -->|\Z)", re.DOTALL)
"""What `faiss-memory install` writes: instructions of ours, and no memory of anybody's."""


def sections_of(text: str) -> Iterator[tuple[str, str]]:
    """Yield each section that says something, with a name of its own; above it stand the headings that it is under.

    Comments are left out, and so is what FAISS Memory itself has written into the document.
    """
    path: list[_Heading] = []
    names: Counter[str] = Counter()
    for heading, said in _cut(_without_comments(_OURS.sub("", text))):
        if heading is not None:
            path = [*(one for one in path if one.level < heading.level), heading]
        if said:
            name = " / ".join(one.title for one in path)
            names[name] += 1
            above = "\n".join(f"{'#' * one.level} {one.title}" for one in path)
            yield (name if names[name] == 1 else f"{name} ({names[name]})"), f"{above}\n\n{said}".strip()


class _Heading(NamedTuple):
    level: int
    title: str


def _heading(line: str) -> _Heading | None:
    """Read a heading; one that is too long to stand above each section below it is a text like others."""
    found = _HEADING.fullmatch(line)
    if found is None:
        return None
    whole = found[2].rstrip()
    title = whole.rstrip("#").rstrip() or whole[:1]
    return _Heading(len(found[1]), title) if len(title) <= MOST_OF_A_NAME else None


def _without_comments(text: str) -> str:
    kept, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept.append(text[at:start])
        at = end + 3
    return "".join([*kept, text[at:]])


def _cut(text: str) -> Iterator[tuple[_Heading | None, str]]:
    """Yield what is under each heading, and at first what is above all of them."""
    above: _Heading | None = None
    body: list[str] = []
    fence = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if found and not fence:
            fence = found[1]
        elif found and line.strip().startswith(fence):
            fence = ""
        heading = None if fence else _heading(line)
        if heading is None:
            body.append(line)
        else:
            yield above, "\n".join(body).strip()
            above, body = heading, []
    yield above, "\n".join(body).strip()
