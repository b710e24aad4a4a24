"""Every message of the API as a typed struct.

One definition validates the request, writes the answer, and is what the OpenAPI document and the assistants' tool
schemas are derived from. `x-limit` in a field's schema names the setting that bounds it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from faiss_memory.errors import InvalidRequest

# `(?!\n)$` because Python's `$` also matches before a last line break.
_NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
CURSOR_PATTERN = r"^-?[0-9]{1,18}\.[0-9]{1,18}(?!\n)$"
PROJECT_PATTERN = rf"^{_NAME}(?!\n)$"

ProjectName: TypeAlias = Annotated[
    str, Meta(pattern=PROJECT_PATTERN, description="A project: a separate index.", examples=["default"])
]
Scope: TypeAlias = Annotated[str, Meta(pattern=rf"^(\*|{_NAME})(?!\n)$")]
Scopes: TypeAlias = Scope | Annotated[list[ProjectName], Meta(min_length=1)]
Text: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"\S",
        description="What to remember, in plain words.",
        extra_json_schema={"x-limit": "text_bytes"},
    ),
]
Source: TypeAlias = Annotated[
    str,
    Meta(max_length=4096, description="Where it comes from, such as a file name.", examples=["decisions.md"]),
]
Tag: TypeAlias = Annotated[str, Meta(pattern=r"\S", max_length=128)]
Tags: TypeAlias = Annotated[list[Tag], Meta(extra_json_schema={"x-limit": "tags"})]
Properties: TypeAlias = Annotated[
    dict[str, Any],
    Meta(description="Properties of your own.", extra_json_schema={"x-limit": "metadata_bytes"}),
]
Similarity: TypeAlias = Annotated[float, Meta(ge=-1, le=1, description="Cosine of two embeddings.")]
Chance: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Id: TypeAlias = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Time: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Mode: TypeAlias = Literal["hybrid", "semantic", "keyword"]
IdempotencyKey: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        description="A retry with the same key returns the first answer, for a day.",
    ),
]


class Message(Struct, kw_only=True, forbid_unknown_fields=True):
    """A request: fields it does not know are refused by name."""


class Answer(Struct, kw_only=True):
    """An answer: fields may be added."""


class SearchRequest(Message):
    """Search memories with a question in plain words."""

    query: Annotated[
        str,
        Meta(
            pattern=r"\S",
            description="What to look for.",
            examples=["How do we handle authentication?"],
            extra_json_schema={"x-limit": "text_bytes"},
        ),
    ]
    k: Annotated[int, Meta(ge=1, description="How many results.", extra_json_schema={"x-limit": "k"})] = 5
    threshold: Annotated[float, Meta(ge=-1, le=1, description="Least similarity of a result.")] | None = None
    mode: Mode = "hybrid"
    project: Scopes | None = None
    tags: Tags = []
    tags_mode: Literal["any", "all"] = "any"
    source: Annotated[str, Meta(description="A glob over sources, such as docs/*.md.")] | None = None
    metadata: Properties = {}
    after: datetime | None = None
    before: datetime | None = None
    min_relevance: Chance | None = None
    include_superseded: bool = False


class PassageText(Answer):
    """The stretch of a long memory that matched; `start` and `end` count characters of its text."""

    text: str
    start: int
    end: int


class FoundMemory(Answer):
    """One search result."""

    id: int
    text: str
    source: str
    similarity: float | None
    timestamp: Time
    score: float
    relevance: float | None
    project: str
    tags: list[str]
    metadata: dict[str, Any]
    passage: PassageText | UnsetType = UNSET


class SearchAnswer(Answer):
    """Search results, best first."""

    query: str
    results: list[FoundMemory]
    count: int
    mode: Mode
    project: str | list[str]
    took_ms: float
    withheld: int
    degraded: list[str] | UnsetType = UNSET


class NewMemory(Message):
    """A memory to store."""

    text: Text
    source: Source = ""
    metadata: Properties = {}
    project: ProjectName | None = None
    tags: Tags = []
    timestamp: datetime | None = None
    supersedes: Annotated[Id, Meta(description="The memory that this one replaces.")] | None = None
    if_novel: (
        Annotated[float, Meta(ge=-1, le=1, description="Store only if no memory is at least this similar.")]
        | None
    ) = None


class AddRequest(NewMemory):
    """Store one memory."""

    idempotency_key: IdempotencyKey | None = None


class AddBatchRequest(Message):
    """Store several memories: all of them, or none."""

    memories: Annotated[list[NewMemory], Meta(min_length=1, extra_json_schema={"x-limit": "batch"})]
    idempotency_key: IdempotencyKey | None = None


class ClosestMatch(Answer):
    """The most similar memory that is stored."""

    id: int
    text: str
    source: str
    similarity: float


class AddAnswer(Answer):
    """What became of one memory."""

    success: bool
    id: int | None
    message: str
    project: str
    closest_match: ClosestMatch | UnsetType = UNSET


class AddBatchAnswer(Answer):
    """What became of a batch; an id is null where `if_novel` found a near twin."""

    success: bool
    ids: list[int | None]
    count: int
    message: str
    project: str | list[str]


class NovelRequest(Message):
    """Ask whether a text says something that is not stored yet."""

    text: Text
    threshold: Similarity = 0.85
    project: Scopes | None = None


class NovelAnswer(Answer):
    """Whether it is news, and what comes closest."""

    is_novel: bool
    closest_match: ClosestMatch | None
    project: str | list[str]


class MemoryAnswer(Answer):
    """A stored memory."""

    id: int
    text: str
    source: str
    timestamp: Time
    project: str
    tags: list[str]
    metadata: dict[str, Any]
    supersedes: int | None
    superseded_by: int | None


class ById(Message):
    """Names one memory."""

    id: Id


class PatchRequest(Message):
    """Correct a memory; what is not given stays, `tags` and `metadata` are replaced whole."""

    text: Text | UnsetType = UNSET
    source: Source | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    metadata: Properties | UnsetType = UNSET
    timestamp: datetime | UnsetType = UNSET


class ForgetOneAnswer(Answer):
    """Confirms that a memory is gone from every answer."""

    success: bool
    id: int
    message: str
    project: str


class ForgetRequest(Message):
    """Forget the memories that meet every condition given; at least one must be."""

    ids: Annotated[list[Id], Meta(min_length=1, extra_json_schema={"x-limit": "batch"})] | UnsetType = UNSET
    project: ProjectName | UnsetType = UNSET
    tags: Annotated[list[Tag], Meta(min_length=1, extra_json_schema={"x-limit": "tags"})] | UnsetType = UNSET
    tags_mode: Literal["any", "all"] = "any"
    source: Annotated[str, Meta(description="A glob over sources.")] | UnsetType = UNSET
    metadata: Annotated[dict[str, Any], Meta(min_length=1)] | UnsetType = UNSET
    after: datetime | UnsetType = UNSET
    before: datetime | UnsetType = UNSET
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


class ListRequest(Message):
    """List memories by time."""

    project: Scope | None = None
    tag: Tag | None = None
    source: Annotated[str, Meta(description="A glob over sources.")] | None = None
    after: datetime | None = None
    before: datetime | None = None
    q: Annotated[str, Meta(description="Words the text must contain, as written.")] | None = None
    order: Literal["newest", "oldest"] = "newest"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    cursor: (
        Annotated[str, Meta(pattern=CURSOR_PATTERN, description="`next_cursor` of the page before.")] | None
    ) = None
    include_superseded: bool = False


class ListAnswer(Answer):
    """A page of memories; `next_cursor` is null on the last one."""

    memories: list[MemoryAnswer]
    count: int
    next_cursor: str | None
    project: str


class HistoryAnswer(Answer):
    """A memory and what it superseded, newest first."""

    memories: list[MemoryAnswer]
    count: int
    project: str


class ProjectAnswer(Answer):
    """A project and how much it holds."""

    name: str
    memories: int
    created_at: Time
    last_updated: Time


class ProjectsAnswer(Answer):
    """Every project."""

    projects: list[ProjectAnswer]
    count: int


class ByProject(Message):
    """Names one project."""

    name: ProjectName


class DropProjectAnswer(Answer):
    """Confirms that a project is gone."""

    success: bool
    project: str
    forgotten: int
    message: str


class TagCount(Answer):
    """A tag and how many memories bear it."""

    tag: str
    count: int


class TagsAnswer(Answer):
    """The tags in use, the most frequent first."""

    tags: list[TagCount]
    count: int
    project: str


class ScopeRequest(Message):
    """Names a project, or `*` for all."""

    project: Scope | None = None


class RebuildingPart(Answer):
    """A derived file that is being rebuilt, and how far it is, from 0 to 1."""

    project: str
    what: str
    progress: float


class HealthAnswer(Answer):
    """Whether the service answers."""

    status: str
    version: str
    model_ready: bool
    rebuilding: list[RebuildingPart]


class ProjectStats(Answer):
    """One project's share of the statistics."""

    name: str
    memories: int
    created_at: Time
    last_updated: Time
    index_size_bytes: int


class StatsAnswer(Answer):
    """Counts and sizes."""

    total_memories: int
    dimension: int | None
    model: str
    created_at: Time
    last_updated: Time
    index_size_bytes: int
    backup_count: int
    model_ready: bool
    model_error: str | None
    projects: list[ProjectStats]
    plugins: dict[str, Any]


class BackupRequest(Message):
    """Make a backup now."""

    label: Annotated[str, Meta(max_length=200)] | None = None


class BackupAnswer(Answer):
    """A backup that was made."""

    success: bool
    backup: str
    memories: int
    size_bytes: int
    message: str


class BackupEntry(Answer):
    """One backup."""

    name: str
    created_at: Time
    memories: int
    size_bytes: int


class BackupsAnswer(Answer):
    """Every backup, oldest first."""

    backups: list[BackupEntry]
    count: int


class Nothing(Message):
    """No parameters."""


class AdapterEntry(Answer):
    """One assistant's adapter."""

    name: str
    title: str
    routes: list[str]


class AdaptersAnswer(Answer):
    """The adapters that are loaded."""

    adapters: list[AdapterEntry]
    count: int


class FilesRequest(Message):
    """Names an adapter and the project its files should speak of."""

    name: str
    project: ProjectName | None = None


class FileEntry(Answer):
    """A file to put into a project: `kind` says whether it is wholly ours or a block in a file of the person's."""

    path: str
    kind: str
    text: str


class FilesAnswer(Answer):
    """The files that connect an assistant."""

    adapter: str
    files: list[FileEntry]
    count: int
    project: str


class ErrorAnswer(Answer):
    """What is wrong, and what to do."""

    title: str
    description: str
    field: str | UnsetType = UNSET


EXTRA: dict[type[Struct], dict[str, Any]] = {
    ForgetRequest: {"anyOf": [{"required": [name]} for name in FORGET_CONDITIONS]},
    PatchRequest: {"minProperties": 1},
}
"""What the types of a message's fields cannot say, as JSON Schema."""

M = TypeVar("M")


def decode(raw: bytes, message: type[M]) -> M:
    """Read a JSON body. Raises InvalidRequest naming the field."""
    try:
        return msgspec.json.decode(raw, type=message)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from None
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise InvalidRequest("the body is nested too deeply") from None


def convert(values: dict[str, Any], message: type[M]) -> M:
    """Read parameters, which are text, into a message. Raises InvalidRequest naming the field."""
    try:
        return msgspec.convert(values, message, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: msgspec.ValidationError) -> InvalidRequest:
    text, _, path = str(error).partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    if "unknown field" in text or "missing required field" in text:
        field = ".".join(part for part in (field, text.split("`")[1]) if part)
    if "unknown field" in text:
        text += "; check its spelling, /docs lists the fields"
    if text.endswith(r"regex '\\S'"):
        text = "must not be empty"
    return InvalidRequest(f"`{field}`: {text}" if field else text, field or None)
