"""Markdown: by headings, with the front matter as tags, cues, metadata and a part of its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from markdown_it import MarkdownIt

from faiss_memory_plugins.ingest.formats.front_matter import FrontMatter, split_front_matter
from faiss_memory_plugins.ingest.formats.sections import Heading, parts_of, place_of_lines
from faiss_memory_plugins.ingest.parts import Document, Part

# Only blocks: what stands inside a paragraph does not matter here, and takes most of the time.
_PARSER = MarkdownIt("commonmark").disable(["inline", "text_join"])


def read(text: str) -> Document:
    """Cut a Markdown text into the parts under its headings, and last the rest of its front matter."""
    front, body = split_front_matter(text)
    headings = list(headings_of(body.text))
    top = [front.title] if front.title and not any(heading.level == 1 for heading in headings) else []
    parts = parts_of(body.text.split("\n"), headings, body.first_line, above=top)
    shown = bool(top and parts) or any(heading.title == front.title for heading in headings)
    besides = _besides(front, shown=shown, alone=not parts)
    return Document((*parts, *besides), front.tags, front.cues, front.metadata, front.timestamp, front.note)


def headings_of(text: str) -> Iterator[Heading]:
    """Find the headings of a Markdown text, by its lines."""
    for opening, content in pairwise(_PARSER.parse(text)):
        # One inside a list or a quotation says nothing about what follows it.
        if opening.type == "heading_open" and opening.level == 0 and opening.map is not None:
            title = " ".join(content.content.split())
            yield Heading(title, int(opening.tag[1:]), opening.map[0], opening.map[1])


def _besides(front: FrontMatter, *, shown: bool, alone: bool) -> tuple[Part, ...]:
    """Return what the front matter says and no other part does; all of it where there is none.

    `shown` says whether the title stands above another part. These are the last parts: cues go to the first one.
    """
    lines = front.lines_besides(with_times=alone)
    if alone and not lines and not front.title:
        lines = front.all_lines()
    parts = parts_of(lines, [], above=[front.title] if front.title else [])
    if not parts and front.title and not shown:
        parts = (Part(front.title, ""),)
    return tuple(Part(part.text, place_of_lines(1, front.last_line)) for part in parts)
