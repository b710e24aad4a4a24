"""What a build is asked, and what it answers."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from faiss_memory import Answer, Message, ProjectName, Time


class BuildRequest(Message):
    """Make memories of files, and bring those that earlier builds made up to date."""

    sources: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=4096)]],
        Meta(
            min_length=1,
            max_length=1000,
            description="Files, folders or globs: absolute paths, or beginning with ~.",
            examples=[["~/notes", "~/work/docs/**/*.md"]],
        ),
    ]
    project: ProjectName | None = None
    prune: Annotated[
        bool | Literal["force"],
        Meta(
            description="Whether memories made of files that are gone are forgotten; `force` even if they are many."
        ),
    ] = True
    dry_run: Annotated[bool, Meta(description="Only say what would be done.")] = False
    wait: Annotated[bool, Meta(description="Answer when it is done; otherwise at once.")] = True


class BuildJob(Message):
    """What a build at set times takes; it never forgets by force."""

    sources: Annotated[list[str], Meta(min_length=1, max_length=1000)]
    project: ProjectName | None = None
    prune: bool = True


class BuiltFile(Answer):
    """What became of one file; the numbers count its memories."""

    file: str
    outcome: Literal["added", "kept", "changed", "removed", "skipped"]
    added: int = 0
    kept: int = 0
    removed: int = 0
    reason: str | UnsetType = UNSET


class MemoryCounts(Answer):
    """What became of memories."""

    added: int = 0
    kept: int = 0
    removed: int = 0


class BuildProgress(Answer):
    """How far a build is: files while it reads, memories while it embeds."""

    phase: Literal["reading", "embedding", "done"]
    done: int
    total: int
    file: str


class BuildAnswer(Answer):
    """One build: `added` to `skipped` count files, `memories` the memories, `embedded` the passages embedded anew."""

    success: bool
    state: Literal["running", "done", "failed", "stopped"]
    message: str
    project: str
    sources: list[str]
    dry_run: bool
    started_at: Time
    took_ms: float
    added: int
    kept: int
    changed: int
    removed: int
    skipped: int
    memories: MemoryCounts
    embedded: int
    progress: BuildProgress
    files: list[BuiltFile] = msgspec.field(default_factory=list)
    masked: list[str] | UnsetType = UNSET
    """The kinds of secrets that were masked, if there were any."""


class BuildsAnswer(Answer):
    """The builds that run, without their files, and the one that ended last."""

    running: list[BuildAnswer]
    last: BuildAnswer | None
