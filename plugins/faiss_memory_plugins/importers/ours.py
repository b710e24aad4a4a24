"""What `faiss-memory export` has written, as lines or as one document."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from faiss_memory import (
    LONG_AGO,
    Importer,
    InvalidRequest,
    LeftOut,
    Origin,
    Record,
    Tombstone,
    is_uid,
    located,
    open_file,
)
from faiss_memory_plugins.importers.reading.values import as_json, lines_of, when, words

FORMAT, VERSION = "faiss-memory", 1
_HEAD = 200
"""Bytes in which the format is named."""
_BEGINNING = re.compile(rb'\s{0,9}\{\s{0,9}"format"\s{0,9}:\s{0,9}"faiss-memory"')
MOST_OFTEN = 10**9
"""The highest revision that is believed."""


class Ours(Importer):
    """Memories of ours keep their uids, so a memory that is known here is known again."""

    name = "faiss-memory"
    title = "an export of FAISS Memory (jsonl or json)"

    def fits(self, path: Path) -> bool:
        """Return whether its beginning names our format."""
        try:
            with open_file(located(path)) as file:
                return _BEGINNING.match(file.read(_HEAD)) is not None
        except OSError:
            return False

    def read(self, path: Path) -> Iterator[Record | Tombstone | LeftOut]:
        """Read the memories."""
        with open_file(located(path)) as file:
            first = file.readline()
            head = as_json(first.decode("utf-8", "replace"), {})
            if head.get("format") == FORMAT and "memories" not in head:
                _check(head)
                found = lines_of(file)
            else:
                document = as_json((first + file.read()).decode("utf-8", "replace"), {})
                _check(document)
                found = enumerate(as_json(document.get("memories"), []), 1)
            for number, memory in found:
                yield read_line(memory, str(number))


def _check(head: Mapping[str, Any]) -> None:
    if head.get("format") != FORMAT:
        raise InvalidRequest("the file is cut short, or not what `faiss-memory export` writes", "path")
    if head.get("version") != VERSION:
        raise InvalidRequest(
            f"the file is of version {json.dumps(head.get('version'))}, and this program reads {VERSION}; update it",
            "path",
        )


def read_line(fields: Any, place: str) -> Record | Tombstone | LeftOut:
    """Return a line of a bundle, by its fields: a memory, or what is left of one that is gone."""
    if not isinstance(fields, dict) or not is_uid(fields.get("uid")):
        return LeftOut(place, "it is no memory: it has no uid of ours")
    uid, state = fields["uid"], fields.get("state")
    if state == "purged":
        return Tombstone(uid=uid, purged=True)
    revision, changed = fields.get("revision"), when(fields.get("changed_at"))
    if not isinstance(revision, int) or isinstance(revision, bool) or not 1 <= revision <= MOST_OFTEN:
        revision = None
    if state == "forgotten":
        if revision is None:
            return LeftOut(place, "it was forgotten, and does not say when: it has no revision")
        project = str(fields.get("project") or "")
        return Tombstone(uid=uid, revision=revision, changed=changed or LONG_AGO, project=project)
    record = record_of(fields, place)
    if isinstance(record, LeftOut):
        return record
    if fields.get("hash") not in (None, hashlib.sha256(record.text.encode("utf-8", "replace")).hexdigest()):
        return LeftOut(
            uid, "its text is not that of its hash: it was changed since; take `hash` out to have it as it is"
        )
    newer = fields.get("superseded_by")
    return replace(
        record,
        revision=revision,
        changed=changed,
        superseded_by=newer if is_uid(newer) else None,
        origin=_origin(fields.get("origin")),
    )


def _origin(fields: Any) -> Origin | None:
    parts = (
        [fields.get(name) for name in ("file", "place", "text", "details")]
        if isinstance(fields, dict)
        else []
    )
    whole = [part for part in parts if isinstance(part, str)]
    return Origin(*whole) if len(whole) == len(parts) > 0 else None


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
        valid_until=when(fields.get("valid_until")),
        by=text_or_none(fields.get("by")),
        actor=text_or_none(fields.get("actor")),
    )


def text_or_none(value: Any) -> str | None:
    """Return a text as it is, and nothing of what is none."""
    return value if isinstance(value, str) and value else None
