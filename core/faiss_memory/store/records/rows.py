"""How records are written in SQLite: times as microseconds, tags and metadata as JSON, checksums over both."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from faiss_memory.contracts.embedder import Embedding
from faiss_memory.errors import StoreCorrupt
from faiss_memory.memory import Memory, Passage
from faiss_memory.schema.fields import PROJECT_PATTERN

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PROJECT = re.compile(PROJECT_PATTERN)
_TEXTS = msgspec.json.Decoder(list[str])
_METADATA = msgspec.json.Decoder(dict[str, Any])
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_sorted = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
NO_CUES = "[]"
MEMORY_COLUMNS = (
    "id, project, text, source, tags, metadata, timestamp, supersedes, crc, uid, written_by, uid_crc, cues,"
    " valid_until, revision, changed, older, state_crc, actor"
)
"""Everything that is written of a memory, in the order in which `from_row` reads it."""
FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
"""The microseconds since 1970 of the first and the last time that there is."""


class Embedded(NamedTuple):
    """The passages of a memory by one model, as they were written: `passage_ids` go with the embedding's passages."""

    model: str
    embedding: Embedding
    passage_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """A memory as it was just committed, with what the derived indexes need."""

    memory: Memory
    embedded: tuple[Embedded, ...]
    """By each model at most once."""
    same_vectors: bool = False
    """Whether the memory was known and neither its text nor its cues have changed, so that its vectors stand."""
    same_words: bool = False
    """Whether the same holds for everything that keywords are taken from."""


def is_project(name: object) -> bool:
    """Return whether a value is the name of a project, as a request may give it."""
    return isinstance(name, str) and _PROJECT.match(name) is not None


def to_row(memory: Memory) -> tuple[Any, ...]:
    """Return a memory's columns: project, text, source, tags, metadata, timestamp, supersedes."""
    return (
        memory.project,
        memory.text,
        memory.source,
        to_json(memory.tags),
        to_json(memory.metadata),
        to_microseconds(memory.timestamp),
        memory.supersedes,
    )


def cues_column(memory: Memory) -> str:
    """Return the column of a memory's cues."""
    return to_json(memory.cues)


def texts_of(column: str) -> list[str]:
    """Read a column of texts, such as that of cues; nothing of one that is damaged."""
    try:
        return _TEXTS.decode(column)
    except (msgspec.MsgspecError, TypeError):
        return []


def ends_column(memory: Memory) -> int | None:
    """Return the column of when a memory stops being true."""
    return None if memory.valid_until is None else to_microseconds(memory.valid_until)


def checksum_of(columns: Sequence[Any], cues: str, ends: int | None = None) -> int:
    """Return the checksum of a row: of the columns of `to_row`, of the cues if there are any, and of its end if known.

    (A row that is older than these has none of them, and keeps its checksum.)
    """
    return checksum(*columns, *(() if cues == NO_CUES else (cues,)), *(() if ends is None else (ends,)))


def places_of(embedding: Embedding) -> tuple[Passage, ...]:
    """Return what each row of an embedding stands for: passages, and cues at -1, -2 and so on, where no text begins."""
    return (
        *embedding.passages,
        *(Passage(-1 - number, -1 - number) for number in range(len(embedding.cues))),
    )


def uid_columns(memory: Memory) -> tuple[str, str | None, int]:
    """Return the columns of who a memory is and where it came from: uid, by, the checksum of `identity_checksum`."""
    return memory.uid, memory.by, identity_checksum(memory.id, memory.uid, memory.by, memory.actor)


def identity_checksum(memory_id: int, uid: str, by: str | None, actor: str | None) -> int:
    """Return the checksum of who a memory is and where it came from.

    (A row that is older than actors has none, and keeps its checksum.)
    """
    return checksum(memory_id, uid, by, *(() if actor is None else (actor,)))


def state_columns(memory: Memory) -> tuple[int, int | None, str | None, int]:
    """Return the columns of which state of a memory it is: revision, time, what it replaces, their checksum."""
    changed = None if memory.changed is None else to_microseconds(memory.changed)
    values = (memory.revision, changed, memory.supersedes_uid)
    return *values, checksum(*values)


def from_row(row: Sequence[Any], superseded_by: int | None = None) -> Memory:
    """Read MEMORY_COLUMNS. Raises StoreCorrupt when their checksums do not fit."""
    if (
        checksum_of(row[1:8], row[12], row[13]) != row[8]
        or identity_checksum(row[0], row[9], row[10], row[18]) != row[11]
        or checksum(*row[14:17]) != row[17]
    ):
        raise StoreCorrupt(f"memory {row[0]}: its checksum does not match its content")
    if not is_project(row[1]) or not isinstance(row[2], str) or not isinstance(row[3], str):
        raise StoreCorrupt(f"memory {row[0]}: it is in no project, or its text or source is none")
    try:
        # (Whoever wrote the file may have counted right, and yet have written what no request could.)
        tags, cues, metadata = _TEXTS.decode(row[4]), _TEXTS.decode(row[12]), _METADATA.decode(row[5])
        timestamp = from_microseconds(row[6])
        ends, changed = (None if one is None else from_microseconds(one) for one in (row[13], row[15]))
    except (msgspec.MsgspecError, OverflowError, TypeError) as error:
        raise StoreCorrupt(
            f"memory {row[0]}: its tags, cues, metadata or time cannot be read ({error})"
        ) from None
    return Memory(
        id=row[0],
        project=row[1],
        text=row[2],
        source=row[3],
        tags=tuple(tags),
        cues=tuple(cues),
        metadata=metadata,
        timestamp=timestamp,
        supersedes=row[7],
        superseded_by=superseded_by,
        uid=row[9],
        by=row[10],
        actor=row[18],
        valid_until=ends,
        revision=row[14],
        changed=changed,
        supersedes_uid=row[16],
    )


def to_microseconds(time: datetime) -> int:
    """Return a time as whole microseconds since 1970, which sort and compare exactly."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    """Undo `to_microseconds`."""
    return _EPOCH + timedelta(microseconds=value)


def to_json(value: Any) -> str:
    """Write a JSON value compactly, keeping every character."""
    return _compact(value)


def comparable(value: Any) -> str:
    """Write a JSON value so that equal values are equal texts: keys sorted, 1.0 as 1."""
    return _sorted(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def checksum(*parts: str | bytes | int | None) -> int:
    """Return a crc32 over the parts of a row; SQLite's own check does not see a flipped byte inside a value."""
    joined = b"\0".join(
        part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass") for part in parts
    )
    return zlib.crc32(joined + b"\0")
