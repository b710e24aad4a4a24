"""Which memories an assistant is shown when a session begins, and the form in which it is shown any."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from faiss_memory import (
    DEFAULT_PROJECT,
    FoundMemory,
    ListRequest,
    MemoryAnswer,
    MemoryNotFound,
    Note,
    Rights,
    Service,
    written_by_another,
)
from faiss_memory_plugins.recall.messages import Why

PINNED, DECISION, SESSION_NOTE = "pinned", "decision", "session-note"
"""Tags: what is shown at every start; what is shown there after it; the summary of a session, shown to it alone."""

_OF_EACH = 10
SESSION_NOTES_KEPT = 20
"""Of each project."""


def project_for(service: Service, named: str | None, folder: str, rights: Rights) -> str:
    """Name the project of an event: what the configuration carries, else the folder's, else `default`.

    The folder of a member of the team need not be one of this machine.
    """
    if rights.actor:
        return named or rights.usual_write
    if named or not folder or not Path(folder).is_absolute():
        return named or DEFAULT_PROJECT
    return service.project_at(Path(folder))


def digest_of(
    service: Service, project: str, session: str, known: Collection[int], forgotten: bool, rights: Rights
) -> list[Note]:
    """Choose for the beginning of a session, where nothing was asked yet: what is pinned, then decisions.

    `forgotten` says that the session goes on without what was said in it: then its own summary comes first.
    """
    own: list[Any] = []
    if forgotten and session:
        kept = newest(service, project, SESSION_NOTE, rights, SESSION_NOTES_KEPT)
        own = [memory for memory in kept if memory.metadata.get("session") == session][:1]
    pinned = [memory for name in _scope(project) for memory in newest(service, name, PINNED, rights)]
    chosen = [*own, *pinned, *newest(service, project, DECISION, rights)]
    each = {memory.id: memory for memory in chosen}.values()
    return _news([note(memory, rights) for memory in each if _holds(service, memory)], known)


def note(memory: Any, rights: Rights, *, passage: bool = False) -> Note:
    """Make a note of a memory in an answer; of a long one, only the passage that was found."""
    found = getattr(memory, "passage", None) if passage else None
    return Note(
        id=memory.id,
        date=memory.timestamp[:10],
        source=memory.source,
        project=memory.project,
        text=found.text if found else memory.text,
        by=written_by_another(memory.actor, rights),
    )


def _scope(project: str) -> list[str]:
    return list(dict.fromkeys([project, DEFAULT_PROJECT]))


def newest(service: Service, project: str, tag: str, rights: Rights, most: int = _OF_EACH) -> Sequence[Any]:
    """List a project's latest memories with a tag."""
    return service.list_memories(ListRequest(project=project, tag=tag, limit=most), rights).memories


def _news(notes: Sequence[Note], known: Collection[int]) -> list[Note]:
    return [one for one in notes if one.id not in known]


def _holds(service: Service, memory: Any) -> bool:
    """Return whether a memory is still true, as far as anybody knows."""
    try:
        return not why_not_true(service.get(memory.id))
    except MemoryNotFound:  # forgotten in this moment
        return False


def why_not_true(memory: FoundMemory | MemoryAnswer) -> Why:
    """Return why a memory in an answer does not hold any more; empty where nothing is known against it."""
    if memory.state == "expired":
        return f"no longer valid since {(memory.valid_until or '')[:10]}"
    return {"changed": "file changed", "gone": "file gone"}.get(memory.state or "", "")
