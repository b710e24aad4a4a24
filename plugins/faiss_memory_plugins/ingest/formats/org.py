"""Org: by headings, each with its own tags and those of the headings above it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from faiss_memory_plugins.ingest.formats.sections import LONGEST_HEADING, Heading, parts_of
from faiss_memory_plugins.ingest.parts import Document

_HEADING = re.compile(r"(\*+)[ \t]+(.*)")
_TAGS = re.compile(r":(?:[\w@#%]{1,128}:){1,16}")
_SETTING = re.compile(r"#\+(title|filetags):(.*)", re.IGNORECASE)


def read(text: str) -> Document:
    """Cut an Org text into parts. A line with stars is a heading wherever it stands, as in Org itself."""
    lines = text.split("\n")
    headings = list(_headings(lines))
    top = lines[: headings[0].first if headings else len(lines)]
    settings = [(found[1].lower(), found[2].strip()) for line in top if (found := _SETTING.match(line))]
    title = " ".join(value for name, value in settings if name == "title" and value)
    tags = [
        tag for name, value in settings if name == "filetags" for tag in re.split(r"[:\s]+", value) if tag
    ]
    above = [title] if title and len(title) <= LONGEST_HEADING else []
    return Document(parts_of(lines, headings, above=above), tags=tuple(dict.fromkeys(tags)))


def _headings(lines: Sequence[str]) -> Iterator[Heading]:
    for number, line in enumerate(lines):
        found = _HEADING.match(line)
        if found is None:
            continue
        title = " ".join(found[2].split())
        tags: tuple[str, ...] = ()
        before, _, last = title.rpartition(" ")
        if before and _TAGS.fullmatch(last):
            title, tags = before, tuple(last.strip(":").split(":"))
        yield Heading(title, len(found[1]), number, number + 1, tags)
