"""How an assistant's hooks speak: which of its events say what, and how an answer carries context."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TRIAL_SESSION = "faiss-memory-doctor-"
"""How the sessions of `faiss-memory doctor` begin: they are answered as any other, and not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEvents:
    """An assistant's events about its tools, and which tools matter to us."""

    before: str = ""
    """A tool is about to be used, and what it is given may be changed."""
    after: str = ""
    """A tool was used, or has failed."""
    delegating: tuple[str, ...] = ()
    """The tools that hand a task to a subagent, which sees nothing of the conversation."""
    task: str = "prompt"
    """The field in which they are given it."""
    shells: tuple[str, ...] = ()
    """The tools that run a command."""
    changed: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] = lambda event, given: given
    """Make an answer of an event's name and what the tool is to be given instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookDialect:
    """The names of an assistant's events, as it writes them in `hook_event_name`; empty for what it does not have."""

    session_start: str
    """A session begins, goes on, or has lost its context."""
    prompt: str
    """The person has written something."""
    compacted: str = ""
    """The assistant has summed up the session, and hands over the summary."""
    stop: str = ""
    """The assistant has done what it was asked, and hands over its last words; the person is told by `notice`."""
    remember: str = "/remember"
    """How a person begins to have something remembered."""
    subagent: str = ""
    """A subagent begins, with a context of its own."""
    tools: ToolEvents | None = None
    fires_others: bool = False
    """The assistant also fires the hooks of others that it finds. Its own has answered then."""
    digest_stands_apart: bool = False
    """What a session begins with stands beside its history, and is wanted whole whenever it is taken up again."""
    echo: str = ""
    """The element in which it puts what its hooks have answered into the prompt that it hands to the next one."""
    notice: str = ""
    """The field of an answer in which the person is told something, such as that the service does not run."""
    prints_text: bool = False
    """What a hook prints is added to the context as it stands: not an answer with the context somewhere in it."""
    inside: tuple[tuple[str, str], ...] = ()
    """Who else fires its hooks and reads the answer: a variable that shows it, and the adapter that answers then."""
    context: Callable[[str, str], Mapping[str, Any]]
    """Make an answer of an event's name and the text to be added to the context."""


def changed_input(event: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Change what a tool is given, as Claude Code has it. Whether it may run is asked as ever."""
    return {"hookSpecificOutput": {"hookEventName": event, "updatedInput": given}}


def nested_context(event: str, text: str) -> Mapping[str, Any]:
    """Answer as Claude Code began it, and others took over."""
    return {"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}}
