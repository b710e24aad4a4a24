"""What the calls about watches are asked, and what they answer."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from faiss_memory import Answer, Message, ProjectName, Time

State = Literal["starting", "watching", "building", "waiting", "refused", "failed"]

Folder = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=4096,
        description="A folder: an absolute path, or beginning with ~.",
        examples=["~/notes"],
    ),
]


class WatchRequest(Message):
    """Build a folder now, and again whenever something in it changes."""

    path: Folder
    project: ProjectName | None = None


class UnwatchRequest(Message):
    """Watch a folder no more; what was built of it stays."""

    path: Folder
    project: Annotated[
        ProjectName | None,
        Meta(description="Only the watch for this project; otherwise each of this folder."),
    ] = None


class LastBuild(Answer):
    """How the last build of a watched folder ended, and how many files it found new, other, gone or left out."""

    ended_at: Time
    state: Literal["done", "failed", "stopped"]
    message: str
    added: int = 0
    changed: int = 0
    removed: int = 0
    skipped: int = 0


class WatchAnswer(Answer):
    """One folder that builds itself.

    `state`: `waiting` for what `message` says, `refused` to forget so much, `failed` and tries again.
    """

    path: str
    project: str | None
    """Null until it is known: of a folder that the settings name, when the service has started."""
    by: Literal["add", "settings"]
    state: State
    message: str
    """What is wrong, and what to do; empty when all is well."""
    how: Literal["events", "polling"]
    files: int
    folders: int
    unreadable: list[str]
    last_build: LastBuild | None


class WatchesAnswer(Answer):
    """The folders that build themselves."""

    watches: list[WatchAnswer]
    count: int


class UnwatchAnswer(Answer):
    """What is watched no more."""

    success: bool
    path: str
    projects: list[str]
    message: str
