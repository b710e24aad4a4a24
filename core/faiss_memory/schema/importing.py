"""Messages of taking memories over from elsewhere."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from faiss_memory.schema.fields import (
    NOT_BLANK,
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
    ValidUntil,
    WrittenBy,
)
from faiss_memory.schema.write import KeepSecrets, Masked

Outcome: TypeAlias = Literal[
    "new", "known", "changed", "kept", "conflict", "forgotten", "purged", "forget", "purge", "back", "noted",
    "superseded", "refused",
]  # fmt: skip


class ImportedOrigin(Message):
    """Which part of which file a memory was built from, with digests of what it said then."""

    file: Annotated[str, Meta(min_length=1, max_length=2**15)]
    place: Annotated[str, Meta(max_length=2**15)]
    text: Annotated[str, Meta(max_length=128)]
    details: Annotated[str, Meta(max_length=128)]


class ImportedMemory(Message):
    """A memory as it is elsewhere, with the uid that it has there: all that a line of a bundle says of it.

    With a `revision` the later state counts, there or here. Without one it is stored if it was never met.
    """

    uid: Uid
    text: Text | None = None
    hash: Annotated[str, Meta(description="The SHA-256 of the text, in hex; compared if given.")] | None = (
        None
    )
    source: Source = ""
    metadata: Properties = msgspec.field(default_factory=dict)
    project: ProjectName | None = None
    tags: Tags = msgspec.field(default_factory=list)
    cues: Cues = msgspec.field(default_factory=list)
    timestamp: GivenTime | None = None
    valid_until: ValidUntil | None = None
    by: Annotated[WrittenBy, Meta(max_length=200)] | None = None
    actor: (
        Annotated[
            str,
            Meta(
                pattern=NOT_BLANK,
                max_length=64,
                description="The member of the team who wrote it; the owner's word alone counts, what a member brings "
                "is that member's.",
            ),
        ]
        | None
    ) = None
    origin: ImportedOrigin | None = None
    state: Annotated[
        Literal["active", "superseded", "forgotten", "purged"],
        Meta(description="What is forgotten or purged has no text."),
    ] = "active"
    supersedes: Annotated[Uid, Meta(description="The uid of the memory that this one replaces.")] | None = (
        None
    )
    superseded_by: Annotated[Uid, Meta(description="The uid of the memory that replaces it.")] | None = None
    revision: Annotated[int, Meta(ge=1, le=10**9, description="How often it was written there.")] | None = (
        None
    )
    changed_at: Annotated[GivenTime, Meta(description="When it came to this revision.")] | None = None
    expected: (
        Annotated[
            Outcome,
            Meta(description="What a dry run has said of it; if that is not so any more, nothing is stored."),
        ]
        | None
    ) = None


class ImportRequest(Message):
    """Take over memories from elsewhere: all of those that count and may be, or none."""

    memories: Annotated[list[ImportedMemory], Meta(min_length=1, extra_json_schema={"x-limit": "batch"})]
    dry_run: Annotated[bool, Meta(description="Only say what would become of each.")] = False
    secrets: KeepSecrets | None = None


class ImportResult(Answer):
    """What became of one memory: `id` is that of the one with this uid, null where none is there."""

    uid: str
    outcome: Outcome
    id: int | None
    reason: str
    """Why it is not here as it was there; empty if it is."""


class Lacking(Answer):
    """A right that memories were refused for, and how many."""

    project: str
    """`*` for every project."""
    can: Literal["write", "admin"]
    memories: int


class ImportAnswer(Answer):
    """What became of each memory, and how many there are of each kind."""

    success: bool
    results: list[ImportResult]
    counts: dict[str, int]
    dry_run: bool
    refused: list[Lacking] | UnsetType = UNSET
    """Which rights in which projects were lacking; left out if none."""
    masked: Masked | UnsetType = UNSET
    masked_counts: (
        Annotated[
            dict[str, int],
            Meta(
                description="How many secrets of each kind were masked in what is written; left out if none."
            ),
        ]
        | UnsetType
    ) = UNSET
