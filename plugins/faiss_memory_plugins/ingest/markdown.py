"""Markdown: by headings, with the front matter as tags, cues and metadata."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from markdown_it import MarkdownIt

from faiss_memory_plugins.ingest.front_matter import split_front_matter
from faiss_memory_plugins.ingest.parts import Document
from faiss_memory_plugins.ingest.sections import Heading, parts_of

# Only blocks: what stands inside a paragraph does not matter here, and takes most of the time.
_PARSER = MarkdownIt("commonmark").disable(["inline", "text_join"])


def read(text: str) -> Document:
    """Cut a Markdown text into the parts under its headings."""
    front, body = split_front_matter(text)
    lines = body.text.split("\n")
    headings = list(_headings(body.text, lines))
    top = [front.title] if front.title and not any(heading.level == 1 for heading in headings) else []
    parts = parts_of(lines, headings, body.first_line, above=top)
    return Document(parts, front.tags, front.cues, front.metadata, front.timestamp, front.note)


def _headings(text: str, lines: Sequence[str]) -> Iterator[Heading]:
    tokens = _PARSER.parse(text)
    for opening, content in pairwise(tokens):
        # One inside a list or a quotation says nothing about what follows it.
        if opening.type == "heading_open" and opening.level == 0 and opening.map is not None:
            title = " ".join(content.content.split())
            yield Heading(title, int(opening.tag[1:]), opening.map[0], opening.map[1])
