"""What `faiss-memory export` has written, as lines or as one document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from faiss_memory import Importer, InvalidRequest, LeftOut, Record, is_uid, located, open_file
from faiss_memory_plugins.importers.reading.values import as_json, lines_of, when, words

FORMAT, VERSION = "faiss-memory", 1
_HEAD = 200
"""Bytes in which the format is named."""


class Ours(Importer):
    """Memories of ours keep their uids, so a memory that is known here is known again."""

    name = "faiss-memory"
    title = "an export of FAISS Memory (jsonl or json)"

    def fits(self, path: Path) -> bool:
        """Return whether its beginning names our format."""
        try:
            with open_file(located(path)) as file:
                return file.read(_HEAD).lstrip().startswith(b'{"format":"faiss-memory"')
        except OSError:
            return False

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the memories."""
        with open_file(located(path)) as file:
            first = file.readline()
            head = as_json(first.decode("utf-8", "replace"), {})
            if head.get("format") == FORMAT:
                _check(head)
                found = lines_of(file)
            else:
                document = as_json((first + file.read()).decode("utf-8", "replace"), {})
                _check(document)
                found = enumerate(as_json(document.get("memories"), []), 1)
            for number, memory in found:
                yield record_of(memory, str(number))


def _check(head: Mapping[str, Any]) -> None:
    if head.get("format") != FORMAT:
        raise InvalidRequest("the file is cut short, or not what `faiss-memory export` writes", "path")
    if head.get("version") != VERSION:
        raise InvalidRequest(
            f"the file is of version {json.dumps(head.get('version'))}, and this program reads {VERSION}; update it",
            "path",
        )


def record_of(fields: Any, place: str) -> Record | LeftOut:
    """Return a memory as it was exported, by its fields."""
    if (
        not isinstance(fields, dict)
        or not is_uid(fields.get("uid"))
        or not isinstance(fields.get("text"), str)
    ):
        return LeftOut(place, "it is no memory: it has no uid of ours, or no text")
    older = fields.get("supersedes")
    return Record(
        key=fields["uid"],
        uid=fields["uid"],
        text=fields["text"],
        project=fields.get("project") or None,
        source=str(fields.get("source") or ""),
        tags=words(fields.get("tags")),
        cues=tuple(str(cue) for cue in as_json(fields.get("cues") or [], [])),
        metadata=as_json(fields.get("metadata") or {}, {}),
        timestamp=when(fields.get("timestamp")),
        supersedes=older if is_uid(older) else None,
    )
