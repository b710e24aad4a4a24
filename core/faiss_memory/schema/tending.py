"""Messages of looking after memories: counting them, putting them in order, bringing them back, reviewing their use."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from faiss_memory.schema.fields import (
    Actors,
    Answer,
    Choice,
    Expired,
    GivenTime,
    Id,
    Message,
    ProjectName,
    Scope,
    Scopes,
    Superseded,
    Tag,
    Time,
    Ways,
)
from faiss_memory.schema.overview import ProblemEntry, TagCount
from faiss_memory.schema.write import MemoryAnswer

Days = Annotated[int, Meta(ge=1, le=366, description="How many days back, today included.")]


class FacetsRequest(Message):
    """Choose the memories that are counted, as a list does."""

    project: Scope | None = None
    tag: Tag | None = None
    source: Annotated[str, Meta(description="A glob over sources.")] | None = None
    by: Ways = msgspec.field(default_factory=list)
    actor: Actors = msgspec.field(default_factory=list)
    after: GivenTime | None = None
    before: GivenTime | None = None
    q: Annotated[str, Meta(description="Words the text must contain, in this order.")] | None = None
    include_superseded: Superseded = False
    expired: Expired = False
    without_cues: Annotated[bool, Meta(description="Only memories that have no cues.")] = False
    limit: Annotated[int, Meta(ge=1, le=1000, description="How many of each kind, the most frequent.")] = 100


class NameCount(Answer):
    """A project and how many memories it has."""

    name: str
    count: int


class SourceCount(Answer):
    """A source and how many memories have it."""

    source: str
    count: int


class ByCount(Answer):
    """A way and how many memories came by it; null for those that are older than this is noted."""

    by: str | None
    count: int


class StateCounts(Answer):
    """How many memories are current, and how many a newer one supersedes."""

    current: int
    superseded: int
    expired: Annotated[int, Meta(description="How many of the current ones have stopped being true.")]


class FacetsAnswer(Answer):
    """How many memories there are of each kind, the most frequent first."""

    projects: list[NameCount]
    tags: list[TagCount]
    sources: list[SourceCount]
    by: list[ByCount]
    states: StateCounts
    project: str | list[str]


class SimilarRequest(Message):
    """Names a memory, and where others like it are looked for."""

    id: Id
    k: Annotated[int, Meta(ge=1, le=100, description="How many.")] = 5
    project: Annotated[Scopes, Meta(description="Where to look; its own project by default.")] | None = None


class SimilarMemory(MemoryAnswer, kw_only=True):
    """A memory that says something like another, and what tells the two apart."""

    similarity: float
    differs_in: list[str]


class SimilarAnswer(Answer):
    """The memories most like one, the nearest first."""

    results: list[SimilarMemory]
    count: int
    project: str | list[str]


class ChangesRequest(Message):
    """Names the position that an earlier answer gave."""

    after: (
        Annotated[
            str, Meta(max_length=200, description="`position` of the answer before; without it, from now on.")
        ]
        | None
    ) = None
    limit: Annotated[int, Meta(ge=1, le=10_000, description="About how many ids at once.")] = 1000


class ChangesAnswer(Answer):
    """What was written since a position, by id, each memory once."""

    position: str
    changed: list[int]
    removed: list[int]
    anew: bool
    """Whether all that is known is to be read again, such as after a restore."""
    more: bool


class RenameTagRequest(Choice):
    """Call a tag otherwise; one that there is already takes its memories in."""

    old: Tag = msgspec.field(name="from")
    to: Tag
    project: Scope | UnsetType = UNSET


class ChangedAnswer(Answer):
    """How many memories were changed."""

    success: bool
    changed: int


class NewName(Choice):
    """Call a project otherwise; one that there is already takes its memories in if `merge` says so."""

    to: ProjectName
    merge: Annotated[bool, Meta(description="Whether it may go into a project that there is already.")] = (
        False
    )


class MoveRequest(Choice):
    """Move memories to another project, and with them what they superseded and what supersedes them."""

    ids: Annotated[list[Id], Meta(min_length=1, extra_json_schema={"x-limit": "batch"})]
    project: ProjectName


class MovedAnswer(Answer):
    """How many memories were moved, and which of the named ones are not there."""

    success: bool
    moved: int
    missing: list[int]
    project: str


class OneMemory(Message):
    """Names one memory."""

    id: Id


class ConfirmRequest(Message):
    """Say until when a memory still holds."""

    valid_until: (
        Annotated[
            GivenTime,
            Meta(description="When it stops being true; without it, what is over has no end any more."),
        ]
        | None
    ) = None


class ForgottenRequest(Message):
    """Choose from what can come back."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="How many at most.")] = 50


class ForgottenMemory(MemoryAnswer, kw_only=True):
    """A memory that was forgotten, as it was then."""

    forgotten_at: Time | None


class ForgottenAnswer(Answer):
    """The memories that were forgotten and can come back, the last first."""

    memories: list[ForgottenMemory]
    count: int


class UsesRequest(Message):
    """Choose what is counted of the ledger, and by what."""

    days: Days = 90
    project: Scope | None = None
    by: Annotated[
        Literal["day", "memory", "assistant", "project"], Meta(description="What each row stands for.")
    ] = "day"
    limit: Annotated[int, Meta(ge=1, le=1000, description="How many rows, those with the most uses.")] = 366


class MemoryUsesRequest(Message):
    """Names a memory, and how far back its uses are counted."""

    id: Id
    days: Days = 90


class UsesRow(Answer):
    """What was counted for a day, a memory, an assistant or a project."""

    key: str
    events: dict[str, int]
    tokens: int
    p50_ms: int | None
    """The upper end of the bucket that half of the measured calls were no slower than; null where none was measured."""
    p95_ms: int | None


class UsesAnswer(Answer):
    """What the ledger has counted."""

    since: str
    by: str
    rows: list[UsesRow]
    total: UsesRow
    project: str | list[str]


class StaleRequest(Message):
    """Choose what counts as stale."""

    project: Scope | None = None
    days: Days = 90
    limit: Annotated[int, Meta(ge=1, le=1000, description="How many of each kind at most.")] = 100


class StaleFile(Answer):
    """A memory whose file is gone, or says something else by now; `why` puts it into words."""

    memory: MemoryAnswer
    file: str
    reason: Literal["gone", "changed"]
    why: str


class StaleAnswer(Answer):
    """Memories whose files are gone or have changed, that are over, or that nothing has found since a day."""

    files: list[StaleFile]
    files_left: Annotated[
        int, Meta(description="How many files were not looked at, because the time or the room was up.")
    ]
    expired: Annotated[list[MemoryAnswer], Meta(description="Those whose `valid_until` is past.")]
    never_recalled: list[MemoryAnswer]
    since: str
    project: str | list[str]


class SettingEntry(Answer):
    """A setting in force; a secret one says only whether it is set."""

    key: str
    value: Any
    origin: str


class PluginEntry(Answer):
    """A plugin or an adapter that takes part."""

    name: str
    kind: Literal["adapter", "plugin"]


class InstalledFile(Answer):
    """A file that connects an assistant, and how it stands."""

    path: str
    state: str


class AssistantEntry(Answer):
    """An assistant that is connected in one place, and what the person still has to do."""

    name: str
    title: str
    scope: str
    project: str
    files: list[InstalledFile]
    steps: list[str]


class OverviewAnswer(Answer):
    """What is in force."""

    version: str
    settings: list[SettingEntry]
    plugins: list[PluginEntry]
    disabled: list[str]
    problems: list[ProblemEntry]
    assistants: list[AssistantEntry]
