"""What an assistant's hook says, read into one form for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from faiss_memory import HookDialect, Message, ProjectName, Rights
from faiss_memory_plugins.recall.failures import failure_of

LONGEST_SESSION = 256
LONGEST_FOLDER = 4096
"""Characters; what is longer names no session, and no folder."""

ANNOUNCEMENT = "<task-notification>"
"""What Claude Code hands in as a prompt when a background task has ended: nobody asks anything."""

Moment: TypeAlias = Literal["session start", "prompt", "compacted", "task", "failure", "stop"]
"""A `task` is what a subagent is about to be given, a `failure` what a command said that has failed."""


class HookParams(Message):
    """What the assistant's configuration carries."""

    project: ProjectName | None = None
    within_ms: Annotated[
        int, Meta(ge=1, le=60_000, description="After so long nobody waits for the answer any more.")
    ] = 60_000
    missed_start: Annotated[
        bool,
        Meta(
            description="Nobody answered when the session began: a prompt brings what it would have begun with."
        ),
    ] = False


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
    last_assistant_message: Any = None
    stop_hook_active: Any = None
    cursor_version: Any = None
    agent_id: Any = None
    tool_name: Any = None
    tool_input: Any = None
    tool_response: Any = None
    tool_result: Any = None
    error: Any = None
    is_interrupt: Any = None


EVERYTHING = Rights()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What has happened in which session."""

    moment: Moment
    name: str
    """As the assistant calls it."""
    session: str
    """A subagent's is another than that of the conversation which has started it."""
    folder: str
    text: str
    """The prompt, the summary, the task, what a command said, or the assistant's last words."""
    given: Mapping[str, Any]
    """What the tool is about to be given, where one is."""
    forgotten: bool
    """Whether the assistant has lost what was in its context."""
    rights: Rights = EVERYTHING
    """Those of who asks."""


def read_event(request: HookRequest, dialect: HookDialect) -> Event | None:
    """Read an event; None for one that needs no answer, or another's."""
    name = _text(request.hook_event_name)
    happened = _happened(name, request, dialect) if name else None
    if happened is None or (request.cursor_version and not dialect.fires_others):
        return None
    moment, text = happened
    roots = request.workspace_roots if isinstance(request.workspace_roots, list) else []
    session = _text(request.conversation_id) or _text(request.session_id)
    agent = _text(request.agent_id)
    if session and agent not in ("", session):
        session = f"{session}/{agent}"
    return Event(
        moment=moment,
        name=name,
        session=_name(session, LONGEST_SESSION),
        folder=_name(request.cwd, LONGEST_FOLDER) or _name(next(iter(roots), ""), LONGEST_FOLDER),
        text=text,
        given=request.tool_input if isinstance(request.tool_input, dict) else {},
        forgotten=request.source in ("clear", "compact"),
    )


def _happened(name: str, request: HookRequest, dialect: HookDialect) -> tuple[Moment, str] | None:
    """Return what has happened, and the text that it is about; None where nothing is asked."""
    tools, tool = dialect.tools, _text(request.tool_name)
    if name in (dialect.session_start, dialect.subagent):
        return "session start", ""
    if name == dialect.prompt:
        prompt = _without_echo(_text(request.prompt), dialect.echo)
        is_one = prompt.strip() and not prompt.lstrip().startswith(ANNOUNCEMENT)
        return ("prompt", prompt) if is_one else None
    if name == dialect.compacted:
        return "compacted", _text(request.compact_summary)
    if name == dialect.stop:
        # Where a hook keeps it going, it has not come to an end.
        return None if request.stop_hook_active else ("stop", _text(request.last_assistant_message))
    if tools and name == tools.before and tool in tools.delegating and isinstance(request.tool_input, dict):
        task = _text(request.tool_input.get(tools.task))
        return ("task", task) if task else None
    if tools and name == tools.after and tool in tools.shells and request.is_interrupt is not True:
        said = failure_of(request.error, request.tool_result or request.tool_response)
        return ("failure", said) if said else None
    return None


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
