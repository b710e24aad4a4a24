"""Messages of keeping memories: adding, reading, listing, correcting and forgetting them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from faiss_memory.schema.fields import (
    CURSOR_PATTERN,
    Actor,
    Actors,
    Answer,
    Choice,
    Cues,
    Expired,
    GivenTime,
    Hint,
    Id,
    IdempotencyKey,
    Message,
    ProjectName,
    Properties,
    Scope,
    Scopes,
    Similarity,
    Source,
    State,
    Superseded,
    Tag,
    Tags,
    TagsMode,
    Text,
    Time,
    Uid,
    ValidUntil,
    Ways,
    WrittenBy,
)
from faiss_memory.schema.search import ClosestMatch, Differences


class NewMemory(Message):
    """A memory to store."""

    text: Text
    source: Source = ""
    metadata: Properties = msgspec.field(default_factory=dict)
    project: ProjectName | None = None
    tags: Tags = msgspec.field(default_factory=list)
    cues: Cues = msgspec.field(default_factory=list)
    timestamp: GivenTime | None = None
    valid_until: ValidUntil | None = None
    supersedes: Annotated[Id, Meta(description="The memory that this one replaces.")] | None = None
    if_novel: (
        Annotated[
            Similarity, Meta(description="Store only if no memory of the project is at least this similar.")
        ]
        | None
    ) = None


KeepSecrets = Annotated[
    Literal["keep"],
    Meta(
        description="`keep` stores what looks like a secret as it is; otherwise the setting `secrets` says."
    ),
]
Masked = Annotated[
    list[str],
    Meta(description="The kinds of secrets that were masked, such as `GitHub token`; left out if none."),
]


class AddRequest(NewMemory):
    """Store one memory."""

    idempotency_key: IdempotencyKey | None = None
    secrets: KeepSecrets | None = None


class AddBatchRequest(Message):
    """Store several memories: all of them, or none."""

    memories: Annotated[list[NewMemory], Meta(min_length=1, extra_json_schema={"x-limit": "batch"})]
    idempotency_key: IdempotencyKey | None = None
    secrets: KeepSecrets | None = None


class AddAnswer(Answer):
    """What became of one memory."""

    success: bool
    id: int | None
    message: str
    project: str
    closest_match: ClosestMatch | UnsetType = UNSET
    differs_in: Differences | UnsetType = UNSET
    masked: Masked | UnsetType = UNSET


class AddBatchAnswer(Answer):
    """What became of a batch; an id is null where `if_novel` found a near twin."""

    success: bool
    ids: list[int | None]
    count: int
    message: str
    project: str | list[str]
    masked: Masked | UnsetType = UNSET


class MemoryAnswer(Answer):
    """A stored memory."""

    id: int
    text: str
    source: str
    timestamp: Time
    project: str
    tags: list[str]
    cues: list[str]
    metadata: dict[str, Any]
    supersedes: int | None
    superseded_by: int | None
    uid: Uid
    by: WrittenBy | None
    actor: Actor | None
    valid_until: Annotated[Time, Meta(description="When it stops being true.")] | UnsetType = UNSET
    state: State | UnsetType = UNSET


class PatchAnswer(MemoryAnswer):
    """A memory as it was corrected."""

    masked: Masked | UnsetType = UNSET


class ById(Message):
    """Names one memory; with `project`, only if it is in one of these."""

    id: Id
    project: Scopes | None = None


class PatchRequest(Message):
    """Correct a memory; what is not given stays, `tags`, `cues` and `metadata` are replaced whole."""

    text: Text | UnsetType = UNSET
    source: Source | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    cues: Cues | UnsetType = UNSET
    metadata: Properties | UnsetType = UNSET
    timestamp: GivenTime | UnsetType = UNSET
    valid_until: ValidUntil | UnsetType = UNSET
    forever: Annotated[bool, Meta(description="Take the end of its validity away.")] = False
    secrets: KeepSecrets | None = None


class ListRequest(Message):
    """List memories by time."""

    project: Scope | None = None
    tag: Tag | None = None
    source: Annotated[str, Meta(description="A glob over sources.")] | None = None
    by: Ways = msgspec.field(default_factory=list)
    actor: Actors = msgspec.field(default_factory=list)
    after: GivenTime | None = None
    before: GivenTime | None = None
    q: (
        Annotated[str, Meta(description="Words the text must contain, in this order; case does not matter.")]
        | None
    ) = None
    order: Literal["newest", "oldest"] = "newest"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    cursor: (
        Annotated[str, Meta(pattern=CURSOR_PATTERN, description="`next_cursor` of the page before.")] | None
    ) = None
    include_superseded: Superseded = False
    expired: Expired = False
    without_cues: Annotated[bool, Meta(description="Only memories that have no cues.")] = False


class ListAnswer(Answer):
    """A page of memories; `next_cursor` is null on the last one."""

    memories: list[MemoryAnswer]
    count: int
    next_cursor: str | None
    project: str | list[str]
    hint: Hint | UnsetType = UNSET


class HistoryAnswer(Answer):
    """A memory and what it superseded, newest first."""

    memories: list[MemoryAnswer]
    count: int
    project: str


class ForgetOneAnswer(Answer):
    """Confirms that a memory is gone from every answer."""

    success: bool
    id: int
    message: str
    project: str


class ForgetRequest(Choice):
    """Forget the memories that meet every condition given; at least one must be."""

    ids: Annotated[list[Id], Meta(min_length=1, extra_json_schema={"x-limit": "batch"})] | UnsetType = UNSET
    project: ProjectName | UnsetType = UNSET
    tags: Annotated[list[Tag], Meta(min_length=1, extra_json_schema={"x-limit": "tags"})] | UnsetType = UNSET
    tags_mode: TagsMode = "any"
    source: Annotated[str, Meta(min_length=1, description="A glob over sources.")] | UnsetType = UNSET
    metadata: Annotated[dict[str, Any], Meta(min_length=1)] | UnsetType = UNSET
    after: GivenTime | UnsetType = UNSET
    before: GivenTime | UnsetType = UNSET
    dry_run: Annotated[bool, Meta(description="Only say what would be forgotten.")] = False


FORGET_CONDITIONS = ("ids", "project", "tags", "source", "metadata", "after", "before")


class ForgetAnswer(Answer):
    """What was forgotten, or would be."""

    success: bool
    ids: list[int]
    count: int
    missing: list[int]
    dry_run: bool
    project: str | list[str]


class PurgeRequest(ForgetRequest):
    """Purge the memories that meet every condition given; at least one must be."""

    dry_run: Annotated[bool, Meta(description="Only say what would be purged.")] = False
    proof: Annotated[
        bool, Meta(description="Search every file of the data folder for the texts afterwards.")
    ] = False


class PurgeProof(Answer):
    """What a search of every byte of the data folder has found; `found` are files that hold a part of a text."""

    files_searched: int
    bytes_searched: int
    texts: int
    found: list[str]
    shared: list[int]
    not_covered: list[str]
    """What may still hold the texts and could not be searched."""


class PurgeAnswer(Answer):
    """What was purged, or would be; how many files were rewritten, and which were removed, being unreadable."""

    success: bool
    ids: list[int]
    count: int
    missing: list[int]
    rewritten: int
    removed: list[str]
    dry_run: bool
    project: str | list[str]
    proof: PurgeProof | UnsetType = UNSET


class ByProject(Choice):
    """Names one project."""

    name: ProjectName


class ClaimRequest(Message):
    """Names a place that a program has looked at, for which it needs a project that is nobody else's."""

    name: ProjectName
    owner: Annotated[
        str,
        Meta(
            max_length=4096,
            description="Whose the place is: its remote without a scheme, else its path; empty for nobody's.",
            examples=["github.com/acme/web_app"],
        ),
    ]
    former: Annotated[list[ProjectName], Meta(description="Names that it had in earlier versions.")] = (
        msgspec.field(default_factory=list)
    )
    instead_of: Annotated[
        str, Meta(max_length=4096, description="An owner that is no more, whose name is free.")
    ] = ""


class ClaimAnswer(Answer):
    """The project of a place; `owned_by` has the name that it would have had."""

    project: str
    owned_by: str | None


class DropProjectAnswer(Answer):
    """Confirms that a project is gone."""

    success: bool
    project: str
    forgotten: int
    message: str
