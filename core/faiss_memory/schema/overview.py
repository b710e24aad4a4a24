"""Messages that tell what there is: health, counts, projects, tags, backups, adapters, errors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from faiss_memory.memory import Metric
from faiss_memory.schema.fields import Answer, Choice, GivenTime, Message, ProjectName, Scope, Time
from faiss_memory.schema.write import MemoryAnswer


class ScopeRequest(Message):
    """Names a project, or `*` for all."""

    project: Scope | None = None


class RebuildingPart(Answer):
    """A derived file that is being rebuilt, and how far it is, from 0 to 1."""

    project: str
    what: str
    progress: float


class ProblemEntry(Answer):
    """What goes wrong in the background, and why."""

    part: str
    reason: str


class HealthAnswer(Answer):
    """Whether the service answers."""

    status: str
    version: str
    model_ready: bool
    model_in_use: str | None
    """Which model answers, by its short name and a digest of its content."""
    metric: Metric | None
    rebuilding: list[RebuildingPart]
    problems: list[ProblemEntry]


class ProjectStats(Answer):
    """One project's share of the statistics."""

    name: str
    memories: int
    created_at: Time
    last_updated: Time
    index_size_bytes: int


class StatsAnswer(Answer):
    """Counts and sizes; what is of the machine is left out by the public address."""

    total_memories: int
    dimension: int | None
    model: str
    created_at: Time | None
    last_updated: Time | None
    index_size_bytes: int
    model_ready: bool
    model_in_use: str | None
    metric: Metric | None
    projects: list[ProjectStats]
    backup_count: int | UnsetType = UNSET
    backups_stand_alone: bool | UnsetType = UNSET
    model_error: str | UnsetType | None = UNSET
    plugins: dict[str, Any] | UnsetType = UNSET


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


class TagCount(Answer):
    """A tag and how many memories bear it."""

    tag: str
    count: int


class TagsAnswer(Answer):
    """The tags in use, the most frequent first."""

    tags: list[TagCount]
    count: int
    project: str | list[str]


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
    label: str | None


class BackupsAnswer(Answer):
    """Every backup, oldest first."""

    backups: list[BackupEntry]
    count: int


class ArchiveRequest(Message):
    """Take a backup away as one file, or the present state if none is named."""

    backup: Annotated[str, Meta(min_length=1, max_length=200, description="The name of a backup.")] | None = (
        None
    )
    label: Annotated[str, Meta(max_length=200)] | None = None


class RestoreRequest(Choice):
    """Go back to a backup, or to a time since the oldest one."""

    backup: (
        Annotated[str, Meta(min_length=1, max_length=200, description="The name of a backup.")] | UnsetType
    ) = UNSET
    time: GivenTime | UnsetType = UNSET


class LeftOutMemory(Answer):
    """A memory that a restore does not bring back: it was purged, or it is damaged."""

    id: int
    uid: str
    reason: Literal["purged", "damaged"]


class RestoreAnswer(Answer):
    """What was restored, what of it was left out, and under which name the state before was set aside."""

    success: bool
    restored: str
    memories: int
    set_aside: str
    left_out: list[LeftOutMemory]
    left_behind: list[str]
    with_secrets: Annotated[
        int | None,
        Meta(
            description="How many memories hold what looks like a secret; null where there are too many to look."
        ),
    ]
    message: str


class RestoreChangesRequest(Message):
    """Name a backup or a time, and how much is told of what going back to it would change."""

    backup: (
        Annotated[str, Meta(min_length=1, max_length=200, description="The name of a backup.")] | UnsetType
    ) = UNSET
    time: GivenTime | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=200, description="How many memories of each kind at most.")] = 20


class ChangeByRestore(Answer):
    """A memory that was added, changed or forgotten since; null is where it is not there."""

    kind: Literal["added", "changed", "forgotten"]
    now: MemoryAnswer | None
    then: MemoryAnswer | None


class RestoreChangesAnswer(Answer):
    """What a restore would change: how many memories were added, changed and forgotten since, and some of each."""

    backup: str
    now: int
    then: int
    added: int
    changed: int
    forgotten: int
    changes: list[ChangeByRestore]
    more: bool
    left_out: list[LeftOutMemory]


class AdapterEntry(Answer):
    """One assistant's adapter."""

    name: str
    title: str
    routes: list[str]
    marks: list[str]
    """Files and folders by which a folder without git is known for a project."""


class AdaptersAnswer(Answer):
    """The adapters that are loaded."""

    adapters: list[AdapterEntry]
    count: int


class FilesRequest(Message):
    """Names an adapter and the project its files should speak of."""

    name: str
    project: ProjectName | None = None
    scope: Literal["personal", "shared", "user"] = "personal"
    format: Literal["json", "zip"] = "json"


class PromptRequest(Message):
    """Names a prompt, which is an adapter's or a plugin's, and the project it should speak of."""

    name: str
    project: ProjectName | None = None


class PromptAnswer(Answer):
    """What an assistant is told of the memory: when to search, and what to store."""

    name: str
    project: str
    text: str


class PackageRequest(Message):
    """Names an adapter."""

    name: str


class FileEntry(Answer):
    """A file that is wholly ours, or an entry for a file of the person's; `text` is in the file's own syntax."""

    path: str
    kind: str
    keys: list[str]
    text: str


class FilesAnswer(Answer):
    """The files that connect an assistant."""

    adapter: str
    files: list[FileEntry]
    count: int
    project: str
    scope: str


class DiagnosisAnswer(Answer):
    """How the service finds its surroundings; `not_writable` says why the data folder cannot be written."""

    version: str
    time: Time
    data_folder: str
    not_writable: str | None
    free_bytes: int


class ErrorAnswer(Answer):
    """What is wrong, and what to do."""

    title: str
    description: str
    field: str | UnsetType = UNSET
    details: list[str] | UnsetType = UNSET
