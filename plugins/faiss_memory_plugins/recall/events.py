"""What an assistant's hook says, read into one form for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from faiss_memory import HookDialect, Message, ProjectName

LONGEST_SESSION = 256
LONGEST_FOLDER = 4096
"""Characters; what is longer names no session, and no folder."""

Moment: TypeAlias = Literal["session start", "prompt", "compacted"]


class HookParams(Message):
    """What the assistant's configuration carries."""

    project: ProjectName | None = None
    within_ms: Annotated[
        int, Meta(ge=1, le=60_000, description="After so long nobody waits for the answer any more.")
    ] = 60_000


class HookRequest(Struct, kw_only=True):
    """An event as the assistants write it, each in its own way and differently from version to version.

    So nothing is refused: other fields are passed over, and so is a value of a kind that is not expected.
    """

    hook_event_name: Any = None
    session_id: Any = None
    conversation_id: Any = None
    cwd: Any = None
    workspace_roots: Any = None
    prompt: Any = None
    source: Any = None
    compact_summary: Any = None
    cursor_version: Any = None


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
    """Read an event; None for one that needs no answer, or another's."""
    moments: dict[str, Moment] = {
        dialect.session_start: "session start",
        dialect.prompt: "prompt",
        dialect.compacted: "compacted",
    }
    name = _text(request.hook_event_name)
    moment = moments.get(name) if name else None
    if moment is None or (request.cursor_version and not dialect.fires_others):
        return None
    roots = request.workspace_roots if isinstance(request.workspace_roots, list) else []
    return Event(
        moment=moment,
        name=name,
        session=_name(request.conversation_id, LONGEST_SESSION) or _name(request.session_id, LONGEST_SESSION),
        folder=_name(request.cwd, LONGEST_FOLDER) or _name(next(iter(roots), ""), LONGEST_FOLDER),
        text=_text(request.compact_summary)
        if moment == "compacted"
        else _without_echo(_text(request.prompt), dialect.echo),
        forgotten=request.source in ("clear", "compact"),
    )


def _without_echo(prompt: str, element: str) -> str:
    """Return a prompt as the person has written it: without what hooks have answered before it or behind it."""
    opened, closed = f"<{element}>", f"</{element}>"
    while element and (start := prompt.find(opened)) >= 0 and (end := prompt.find(closed, start)) >= 0:
        prompt = f"{prompt[:start]}{prompt[end + len(closed) :]}".strip()
    return prompt


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _name(value: Any, most: int) -> str:
    name = _text(value)
    return name if len(name) <= most else ""
