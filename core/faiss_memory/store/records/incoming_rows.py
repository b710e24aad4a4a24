"""What each row of a stranger's database has to be, table by table: types, ranges, lengths."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from faiss_memory.schema import ProjectName
from faiss_memory.store.records.rows import FIRST, LAST

HIGHEST = 2**53 - 1
"""The highest id and number of a change: every client can write it, and there is room to count on."""

Count: TypeAlias = Annotated[int, Meta(ge=0, le=HIGHEST)]
_Id: TypeAlias = Annotated[int, Meta(ge=1, le=HIGHEST)]
_Place: TypeAlias = Annotated[int, Meta(ge=-HIGHEST, le=HIGHEST)]
Moment: TypeAlias = Annotated[int, Meta(ge=FIRST, le=LAST)]
_Crc: TypeAlias = Annotated[int, Meta(ge=0, lt=2**32)]
_Word: TypeAlias = Annotated[str, Meta(min_length=1, max_length=512)]


class ProjectRow(Struct, array_like=True):
    """A project."""

    name: ProjectName
    created: Moment
    updated: Moment


class MemoryRow(Struct, array_like=True):
    """A memory."""

    id: _Id
    project: ProjectName
    text: str
    source: str
    tags: str
    metadata: str
    timestamp: Moment
    supersedes: _Id | None
    crc: _Crc
    uid: str
    by: Annotated[str, Meta(max_length=200)] | None
    uid_crc: _Crc
    cues: str
    valid_until: Moment | None
    revision: _Id
    changed: Moment | None
    older: str | None
    state_crc: _Crc
    actor: Annotated[str, Meta(max_length=64)] | None
    seq: Count


class RemovedRow(Struct, array_like=True):
    """A memory that is gone, as the log of changes names it."""

    memory: _Id
    seq: Count
    uid: str


class ForgottenRow(Struct, array_like=True):
    """The last state of a memory that was forgotten."""

    memory: _Id
    revision: _Id
    changed: Moment
    project: str


class ModelRow(Struct, array_like=True):
    """A model whose vectors are held."""

    id: _Id
    identity: _Word
    name: _Word
    dimension: Annotated[int, Meta(ge=1, le=2**16)]


class PassageRow(Struct, array_like=True):
    """A passage or a cue, with its vector."""

    id: _Id
    memory: _Id
    start: _Place
    end: _Place
    crc: _Crc
    key_crc: _Crc
    model: _Id
    vector: bytes


class AnswerRow(Struct, forbid_unknown_fields=True):
    """What a retried request was answered."""

    id: _Id | None
    twin: tuple[_Id, float] | None
    repeated: bool


class RetryRow(Struct, array_like=True):
    """A request that may be retried."""

    key: Annotated[str, Meta(min_length=1, max_length=200)]
    digest: Annotated[bytes, Meta(max_length=128)]
    answer: str
    made: Count


class OriginRow(Struct, array_like=True):
    """What a memory was built of."""

    memory: _Id
    file: Annotated[str, Meta(min_length=1, max_length=2**15)]
    place: Annotated[str, Meta(max_length=2**15)]
    text: Annotated[str, Meta(max_length=128)]
    details: Annotated[str, Meta(max_length=128)]
    crc: _Crc


class PurgedRow(Struct, array_like=True):
    """A memory that was purged."""

    line: str
    uid: str
    memory: _Id


class UseRow(Struct, array_like=True):
    """A line of the ledger."""

    day: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d\Z")]
    assistant: Annotated[str, Meta(max_length=200)]
    project: ProjectName
    memory: Count
    event: _Word
    latency: Count
    count: Count
    tokens: Count
