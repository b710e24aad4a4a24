"""A folder of Markdown files with front matter: ours, and those that people write."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from faiss_memory import Importer, LeftOut, Record, is_uid
from faiss_memory_plugins.importers.ours import text_or_none
from faiss_memory_plugins.importers.reading.folders import files_in, is_markdown, read_each
from faiss_memory_plugins.importers.reading.front import apart, time_of
from faiss_memory_plugins.importers.reading.values import as_json, when, words
from faiss_memory_plugins.importers.reading.zips import folder_of, names_in_zip
from faiss_memory_plugins.importers.rules import in_rule_folder, is_rule, rules_of

_READ = ("tags", "timestamp", "sources", "supersedes", "cues", "metadata", "project", "uid", "stale_after")
_DERIVED = ("type", "title", "status", "generated", "actor")
"""What an export of ours says besides, made from the memory itself."""


class Notes(Importer):
    """Each file of a folder or zip becomes one memory, and rules for assistants one for each section.

    To follow files as they change, `faiss-memory build` is the better way.
    """

    name = "markdown"
    title = "Markdown files, each a memory"

    def fits(self, path: Path) -> bool:
        """Return whether it is such a file, or a folder that holds one."""
        if path.is_file():
            return is_markdown(path.name) or any(map(is_markdown, names_in_zip(path)))
        return next(_files(path), None) is not None

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the files, by their names."""
        if path.is_file() and is_markdown(path.name):
            yield from read_each(iter([path]), path.parent, _records)
            return
        with folder_of(path) as folder:
            yield from read_each(_files(folder), folder, _records)


def _files(folder: Path) -> Iterator[Path]:
    return files_in(folder, lambda name: is_markdown(name) or is_rule(name), in_rule_folder)


def _records(name: str, whole: str, file: Path) -> Iterator[Record | LeftOut]:
    front, text = apart(whole)
    if not is_uid(front.get("uid")) and is_rule(name):
        yield from rules_of(name, whole, file)
    else:
        yield _record(name, front, text)


def _record(name: str, front: Mapping[str, Any], text: str) -> Record | LeftOut:
    if not text.strip():
        return LeftOut(name, "it has no text")
    uid = front.get("uid") if is_uid(front.get("uid")) else None
    older, sources = front.get("supersedes"), as_json(front.get("sources"), [])
    but = (*_READ, *_DERIVED) if uid else _READ
    return Record(
        key=uid or json.dumps([name, text]),
        uid=uid,
        text=text.removeprefix("\n").removesuffix("\n") if uid else text.strip(),
        project=str(front["project"]) if front.get("project") else None,
        source=str(sources[0]) if sources else "" if uid else name,
        tags=words(front.get("tags")),
        cues=tuple(str(cue) for cue in as_json(front.get("cues"), [])),
        metadata={
            **as_json(front.get("metadata"), {}),
            **{key: value for key, value in front.items() if key not in but},
        },
        timestamp=time_of(front),
        supersedes=older if is_uid(older) else None,
        valid_until=when(front.get("stale_after")),
        by=text_or_none(as_json(front.get("generated"), {}).get("by")) if uid else None,
        actor=text_or_none(front.get("actor")) if uid else None,
    )
