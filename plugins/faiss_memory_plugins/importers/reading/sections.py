"""A Markdown document, cut at its headings: each section is to stand alone as a memory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*\s*")
_FENCE = re.compile(r"\s*(```+|~~~+)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_OURS = re.compile(r"<!-- faiss-memory:start -->.*?(?:<!-- faiss-memory:end -->|\Z)", re.DOTALL)
"""What `faiss-memory install` writes: instructions of ours, and no memory of anybody's."""


def sections_of(text: str) -> Iterator[tuple[str, str]]:
    """Yield each section that says something, with a name of its own; above it stand the headings that it is under.

    Comments are left out, and so is what FAISS Memory itself has written into the document.
    """
    path: list[tuple[int, str]] = []
    names: Counter[str] = Counter()
    for heading, said in _cut(_COMMENT.sub("", _OURS.sub("", text))):
        if heading is not None:
            level = len(heading[1])
            path = [*(one for one in path if one[0] < level), (level, heading[2])]
        if said:
            name = " / ".join(title for _, title in path)
            names[name] += 1
            above = "\n".join(f"{'#' * level} {title}" for level, title in path)
            yield (name if names[name] == 1 else f"{name} ({names[name]})"), f"{above}\n\n{said}".strip()


def _cut(text: str) -> Iterator[tuple[re.Match[str] | None, str]]:
    """Yield what is under each heading, and at first what is above all of them."""
    above: re.Match[str] | None = None
    body: list[str] = []
    fence = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if found and not fence:
            fence = found[1]
        elif found and line.strip().startswith(fence):
            fence = ""
        heading = None if fence else _HEADING.fullmatch(line)
        if heading is None:
            body.append(line)
        else:
            yield above, "\n".join(body).strip()
            above, body = heading, []
    yield above, "\n".join(body).strip()
