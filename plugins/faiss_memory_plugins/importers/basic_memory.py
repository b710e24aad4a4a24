"""basic-memory: Markdown notes with a permalink, with observations and relations in lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from faiss_memory import Importer, LeftOut, Record
from faiss_memory_plugins.importers.reading.folders import files_in, read_each, written
from faiss_memory_plugins.importers.reading.front import apart, time_of
from faiss_memory_plugins.importers.reading.texts import text_in
from faiss_memory_plugins.importers.reading.values import text_of, words

_OBSERVATION = re.compile(r"\s*[-*] \[([^\[\]()]{2,})\] +(\S.*)")
_RELATION = re.compile(r"\s*[-*] (?:([^\[\]]+?) )?\[\[([^\[\]]+)\]\].*")
_TAG = re.compile(r"(?<!\S)#([^\s#,;()\[\]]+)")
_WRITTEN = {"title", "type", "permalink"}
"""What it writes at the beginning of each note."""
_MOST_TAGS = 32
_LOOKED_AT = 200
"""Files of a folder, among which there has to be one with a permalink."""


class BasicMemory(Importer):
    """Each note becomes a memory, known by its permalink: with the tags and categories of its observations as tags."""

    name = "basic-memory"
    title = "basic-memory's notes"
    places = ("~/basic-memory",)

    def fits(self, path: Path) -> bool:
        """Return whether it is a note with a permalink, or a folder in which there are some."""
        files = [path] if path.is_file() else files_in(path)
        return any(_is_note(file) for _, file in zip(range(_LOOKED_AT), files, strict=False))

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the notes, by their names."""
        folder = path.parent if path.is_file() else path
        yield from read_each(iter([path]) if path.is_file() else files_in(path), folder, _records)


def _is_note(file: Path) -> bool:
    try:
        return apart(text_in(file, file.parent))[0].keys() >= _WRITTEN
    except (OSError, ValueError):
        return False


def _records(name: str, whole: str, file: Path) -> Iterator[Record | LeftOut]:
    front, text = apart(whole)
    if not text.strip():
        yield LeftOut(name, "it has no text")
        return
    observed = [found for line in text.split("\n") if (found := _OBSERVATION.fullmatch(line))]
    related = [found for line in text.split("\n") if (found := _RELATION.fullmatch(line))]
    categories = list(dict.fromkeys(found[1].strip() for found in observed))
    tags = [tag for found in observed for tag in _TAG.findall(found[2])]
    relations = [f"{found[1] or 'links to'} {found[2]}" for found in related]
    yield Record(
        key=text_of(front.get("permalink")) or name,
        text=text.strip(),
        source=name,
        tags=words([*words(front.get("tags")), *tags, *categories])[:_MOST_TAGS],
        metadata={
            **{key: value for key, value in front.items() if key != "tags"},
            **({"categories": categories} if categories else {}),
            **({"relations": relations} if relations else {}),
        },
        timestamp=time_of(front) or written(file),
    )
