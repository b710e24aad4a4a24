"""How memories are written as a file that other programs read, each format a value."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from faiss_memory.contracts.merging import Tombstone
from faiss_memory.memory import Memory, Origin
from faiss_memory.service import messages

VERSION = 1
"""Of the lines of `jsonl`; raised when a reader of before could misread them."""
HEADER = {"format": "faiss-memory", "version": VERSION}
COLUMNS = (
    "uid", "project", "timestamp", "text", "source", "tags", "cues", "metadata", "by", "actor", "state", "supersedes",
    "valid_until",
)  # fmt: skip
LONGEST_NAME = 60
"""Characters of a file's name before its uid."""
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_OTHER_LINE_ENDS = "\x85\u2028\u2029"
_DOS_EPOCH = (1980, 1, 1, 0, 0, 0)

Pieces = Generator[bytes, None, None]


class Exported(NamedTuple):
    """A memory, with what is named by ids in it."""

    memory: Memory
    supersedes: str | None = None
    """The uid of the memory that it replaces, if that is there."""
    superseded_by: str | None = None
    """The uid of the memory that replaces it."""
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """How memories are written; `write` gives the file in pieces, and holds only some memories at once."""

    ending: str
    content_type: str
    write: Callable[[Iterable[Exported], Iterable[Tombstone]], Pieces]
    is_bundle: bool = False
    """Whether it tells of what was forgotten and purged as well."""


def fields_of(exported: Exported) -> dict[str, Any]:
    """Return all that is written of a memory. Ids are left out, which mean nothing elsewhere."""
    memory = exported.memory
    return {
        "uid": memory.uid,
        "hash": hash_of(memory.text),
        "project": memory.project,
        "timestamp": messages.time_text(memory.timestamp),
        "text": memory.text,
        "source": memory.source,
        "tags": list(memory.tags),
        "cues": list(memory.cues),
        "metadata": dict(memory.metadata),
        "by": memory.by,
        "actor": memory.actor,
        "state": "active" if memory.superseded_by is None else "superseded",
        "supersedes": exported.supersedes,
        **({} if memory.valid_until is None else {"valid_until": messages.time_text(memory.valid_until)}),
    }


def bundle_fields(exported: Exported) -> dict[str, Any]:
    """Return a line of a bundle: with all by which states of a memory are told apart."""
    memory, origin = exported.memory, exported.origin
    return {
        **fields_of(exported),
        "supersedes": memory.supersedes_uid,
        "superseded_by": exported.superseded_by,
        "valid_until": None if memory.valid_until is None else messages.time_text(memory.valid_until),
        "origin": None if origin is None else asdict(origin),
        "revision": memory.revision,
        "changed_at": messages.time_text(memory.changed or memory.timestamp),
    }


def tombstone_fields(one: Tombstone) -> dict[str, Any]:
    """Return the line of what is gone; of what was purged it says nothing but the uid."""
    if one.purged:
        return {"uid": one.uid, "state": "purged"}
    named = {"project": one.project} if one.project else {}
    changed = messages.time_text(one.changed)
    return {"uid": one.uid, **named, "state": "forgotten", "revision": one.revision, "changed_at": changed}


def hash_of(text: str) -> str:
    """Return the SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def _jsonl(memories: Iterable[Exported], gone: Iterable[Tombstone]) -> Pieces:
    yield msgspec.json.encode(HEADER) + b"\n"
    for fields in chain(map(bundle_fields, memories), map(tombstone_fields, gone)):
        line = msgspec.json.encode(fields)
        for character in _OTHER_LINE_ENDS:  # some readers take them for the end of a line
            line = line.replace(character.encode(), b"\\u%04x" % ord(character))
        yield line + b"\n"


def _json(memories: Iterable[Exported], _: Iterable[Tombstone]) -> Pieces:
    yield msgspec.json.encode(HEADER)[:-1] + b',"memories":['
    for number, one in enumerate(memories):
        yield (b",\n" if number else b"\n") + msgspec.json.encode(fields_of(one))
    yield b"\n]}\n"


def _csv(memories: Iterable[Exported], _: Iterable[Tombstone]) -> Pieces:
    """Write a table. What lists and objects hold is JSON; what a spreadsheet would calculate has a ' before it."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for one in memories:
        fields = fields_of(one)
        writer.writerow([_cell(fields.get(name)) for name in COLUMNS])
        yield _taken(buffer)
    yield _taken(buffer)


def _cell(value: Any) -> str:
    if isinstance(value, (list, dict)):
        value = json.dumps(value, ensure_ascii=False) if value else ""
    written = "" if value is None else str(value)
    return f"'{written}" if _FORMULA.match(written) else written


def _taken(buffer: io.StringIO) -> bytes:
    content = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return content


def _markdown(memories: Iterable[Exported], _: Iterable[Tombstone]) -> Pieces:
    """Write a zip of Markdown files with front matter, a folder for each project."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in memories:
            # (The time is that of the memory: two exports of the same memories are the same.)
            at = max(_DOS_EPOCH, one.memory.timestamp.timetuple()[:6])
            info = zipfile.ZipInfo(file_name(one.memory), at)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            archive.writestr(info, markdown_of(one))
            yield sink.taken()
    yield sink.taken()


def file_name(memory: Memory) -> str:
    """Return where a memory lies in a folder of Markdown files: after its first words and its uid."""
    first = memory.text.strip().partition("\n")[0][: 4 * LONGEST_NAME]
    words = re.sub(r"[^a-z0-9]+", "-", first.lower()).strip("-")[:LONGEST_NAME].rstrip("-")
    return f"{memory.project}/{words or 'memory'}-{memory.uid[-12:]}.md"


def markdown_of(exported: Exported) -> str:
    """Write a memory as a Markdown file of the Open Knowledge Format: front matter, then the text as it is."""
    memory, fields = exported.memory, fields_of(exported)
    title = memory.text.strip().partition("\n")[0].lstrip("# ")[:120]
    front = {
        "type": "memory",
        "title": title,
        "tags": fields["tags"],
        "timestamp": fields["timestamp"],
        "status": "stable" if fields["state"] == "active" else "deprecated",
        "generated": {"by": memory.by, "at": fields["timestamp"]} if memory.by else None,
        "sources": [memory.source] if memory.source else None,
        "stale_after": fields.get("valid_until"),
        "actor": memory.actor,
        "supersedes": fields["supersedes"],
        "cues": fields["cues"],
        "metadata": fields["metadata"],
        "project": memory.project,
        "uid": memory.uid,
    }
    # JSON is YAML, so nothing in a text can be taken for anything else.
    lines = [f"{name}: {_yaml(value)}" for name, value in front.items() if value not in (None, [], {})]
    return "\n".join(["---", *lines, "---", "", memory.text, ""])


def _yaml(value: Any) -> str:
    return _UNPRINTABLE.sub(lambda one: f"\\u{ord(one[0]):04x}", json.dumps(value, ensure_ascii=False))


class _Sink:
    """What a zip is written to; it cannot go back, and lets go of what was taken."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def write(self, piece: bytes, /) -> int:
        """Keep a piece."""
        self._waiting.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Do nothing: it is all here."""

    def close(self) -> None:
        """Do nothing either."""

    def taken(self) -> bytes:
        """Return what was written, and forget it."""
        content = b"".join(self._waiting)
        self._waiting.clear()
        return content


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "jsonl": Format("jsonl", "application/x-ndjson", _jsonl, is_bundle=True),
        "json": Format("json", "application/json", _json),
        "csv": Format("csv", "text/csv; charset=utf-8", _csv),
        "markdown": Format("zip", "application/zip", _markdown),
    }
)
