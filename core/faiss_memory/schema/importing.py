"""Messages of taking memories over from elsewhere."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from faiss_memory.schema.fields import (
    Answer,
    Cues,
    GivenTime,
    Message,
    ProjectName,
    Properties,
    Source,
    Tags,
    Text,
    Uid,
)
from faiss_memory.schema.write import KeepSecrets, Masked

Outcome: TypeAlias = Literal["new", "known", "conflict", "forgotten", "purged"]


class ImportedMemory(Message):
    """A memory as it is elsewhere, with the uid that it has there."""

    uid: Uid
    text: Text
    source: Source = ""
    metadata: Properties = msgspec.field(default_factory=dict)
    project: ProjectName | None = None
    tags: Tags = msgspec.field(default_factory=list)
    cues: Cues = msgspec.field(default_factory=list)
    timestamp: GivenTime | None = None
    supersedes: Annotated[Uid, Meta(description="The uid of the memory that this one replaces.")] | None = (
        None
    )


class ImportRequest(Message):
    """Take over memories that were never met before: all of those, or none."""

    memories: Annotated[list[ImportedMemory], Meta(min_length=1, extra_json_schema={"x-limit": "batch"})]
    dry_run: Annotated[bool, Meta(description="Only say what would become of each.")] = False
    secrets: KeepSecrets | None = None


class ImportResult(Answer):
    """What became of one memory: `id` is that of the one with this uid, null where none is there."""

    uid: str
    outcome: Outcome
    id: int | None
    reason: str
    """Why it is not stored whole, or not at all; empty if it is as it was there."""


class ImportAnswer(Answer):
    """What became of each memory, and how many there are of each kind."""

    success: bool
    results: list[ImportResult]
    counts: dict[str, int]
    dry_run: bool
    masked: Masked | UnsetType = UNSET
