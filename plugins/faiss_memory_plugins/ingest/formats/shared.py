"""The files of a repository's folder `.memory/`: each is a memory that somebody shares."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from faiss_memory import SHARED, is_uid
from faiss_memory_plugins.ingest.formats import markdown
from faiss_memory_plugins.ingest.formats.front_matter import FrontMatter, read_time, split_front_matter
from faiss_memory_plugins.ingest.parts import Document, Part

INDEX = "index.md"
"""A list of the others, made of them."""


def read(name: str, text: str) -> Document:
    """Read a memory as it is, whole. Markdown that was not made of one is read as everywhere."""
    if name == INDEX:
        return Document((), note="it is the list of the others")
    front, body = split_front_matter(text)
    said = front.metadata
    if said.get("status") == "deprecated":
        return Document((), note="it is marked as deprecated")
    if not is_uid(said.get("uid")):
        document = markdown.read(text)
        return replace(document, tags=_tagged(document.tags), by=SHARED)
    own = body.text.removeprefix("\n").removesuffix("\n")
    return Document(
        parts=(Part(own, "", uid=said["uid"]),),
        tags=_tagged(front.tags),
        cues=front.cues,
        metadata=_metadata(front),
        timestamp=read_time(said.get("timestamp")),
        by=SHARED,
        note=front.note,
    )


def _tagged(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*tags, SHARED)))


def _metadata(front: FrontMatter) -> dict[str, Any]:
    own = front.metadata.get("metadata")
    sources = front.metadata.get("sources")
    return {**(own if isinstance(own, dict) else {}), **({"sources": sources} if sources else {})}
