"""What an assistant's hook says, read into one form for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from faiss_memory import HookDialect, Message, ProjectName

Moment: TypeAlias = Literal["session start", "prompt", "compacted"]


class HookParams(Message):
    """What the assistant's configuration carries."""

    project: ProjectName | None = None
    within_ms: Annotated[
        int, Meta(ge=1, le=60_000, description="After so long nobody waits for the answer any more.")
    ] = 60_000


class HookRequest(Struct, kw_only=True):
    """An event as the assistants write it. Fields that are not listed are theirs, and are passed over."""

    hook_event_name: str
    session_id: str = ""
    conversation_id: str = ""
    cwd: str = ""
    workspace_roots: list[str] = []
    prompt: str = ""
    source: str = ""
    compact_summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What has happened in which session."""

    moment: Moment
    name: str
    """As the assistant calls it."""
    session: str
    folder: str
    text: str
    """The prompt, or the summary."""
    forgotten: bool
    """Whether the assistant has lost what was in its context."""


def read_event(request: HookRequest, dialect: HookDialect) -> Event | None:
    """Read an event; None for one that needs no answer."""
    moments: dict[str, Moment] = {
        dialect.session_start: "session start",
        dialect.prompt: "prompt",
        dialect.compacted: "compacted",
    }
    moment = moments.get(request.hook_event_name) if request.hook_event_name else None
    if moment is None:
        return None
    return Event(
        moment=moment,
        name=request.hook_event_name,
        session=request.conversation_id or request.session_id,
        folder=request.cwd or next(iter(request.workspace_roots), ""),
        text=request.compact_summary if moment == "compacted" else request.prompt,
        forgotten=request.source in ("clear", "compact"),
    )
