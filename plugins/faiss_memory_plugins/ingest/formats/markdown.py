"""Markdown: by headings, with the front matter as tags, cues, metadata and text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from faiss_memory_plugins.ingest.cutting import MOST
from faiss_memory_plugins.ingest.formats.front_matter import FrontMatter, Role, split_front_matter
from faiss_memory_plugins.ingest.formats.sections import Heading, parts_of, place_of_lines
from faiss_memory_plugins.ingest.parts import Document, Part

if TYPE_CHECKING:
    from markdown_it import MarkdownIt


@cache
def _parser() -> MarkdownIt:
    """Return a parser of blocks: what stands inside a paragraph does not matter here, and takes most of the time."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").disable(["inline", "text_join"])


def read(text: str) -> Document:
    """Cut a Markdown text into the parts under its headings; what its front matter says besides goes to the first."""
    front, body = split_front_matter(text)
    headings = list(headings_of(body.text))
    top = [front.title] if front.title and not any(heading.level == 1 for heading in headings) else []
    parts = parts_of(body.text.split("\n"), headings, body.first_line, above=top)
    if parts:
        is_shown = bool(top) or any(heading.title == front.title for heading in headings)
        parts = _with_properties(parts, front, is_shown=is_shown)
    else:
        parts = _alone(front)
    return Document(parts, front.tags, front.cues, front.metadata, front.timestamp, front.note)


def headings_of(text: str) -> Iterator[Heading]:
    """Find the headings of a Markdown text, by its lines."""
    for opening, content in pairwise(_parser().parse(text)):
        # One inside a list or a quotation says nothing about what follows it.
        if opening.type == "heading_open" and opening.level == 0 and opening.map is not None:
            title = " ".join(content.content.split())
            yield Heading(title, int(opening.tag[1:]), opening.map[0], opening.map[1])


def _with_properties(parts: tuple[Part, ...], front: FrontMatter, *, is_shown: bool) -> tuple[Part, ...]:
    """Add what the front matter says to the first part, which says what the file is about; if it is long, behind all.

    Times are not added: they would make another text of it each time that a file is saved.
    """
    without: tuple[Role, ...] = ("list", "time", "nothing")
    lines = front.lines(*without, "title") if is_shown else front.lines(*without)
    text = "\n".join(lines)
    if len(text) > MOST:
        return (*parts, *_properties(lines, front))
    first, *others = parts
    return (replace(first, text=f"{first.text}\n\n{text}") if text else first, *others)


def _alone(front: FrontMatter) -> tuple[Part, ...]:
    """Return the parts of a file that says nothing else."""
    lines = front.lines("list", "title")
    if front.title and not lines:
        return (Part(front.title, place_of_lines(1, front.last_line)),)
    return _properties(lines or front.lines(), front)


def _properties(lines: list[str], front: FrontMatter) -> tuple[Part, ...]:
    place = place_of_lines(1, front.last_line)
    return tuple(
        replace(part, place=place) for part in parts_of(lines, [], above=[front.title] if front.title else [])
    )
