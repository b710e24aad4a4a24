"""Which memories an assistant is shown, unasked."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from faiss_memory import (
    DEFAULT_PROJECT,
    FoundMemory,
    ListRequest,
    Note,
    Rights,
    SearchRequest,
    Service,
    differ_by_a_value,
    is_same_text,
    project_of,
)
from faiss_memory_plugins.recall.prompt_parts import PromptParts, prompt_parts
from faiss_memory_plugins.recall.settings import RecallSettings

PINNED, DECISION, SESSION_NOTE = "pinned", "decision", "session-note"
"""Tags: what is shown at every start; what is shown there after it; the summary of a session, shown to it alone."""

CANDIDATES = 15
"""How many memories the ranking hands to the judgement of relevance."""
MOST_BELOW = math.e
"""A note is shown beside the best one if the odds that it helps are not lower than by this factor."""
SURE = 0.6
"""A note as relevant as this is shown beside any other."""
SHORT = 14
"""Words; a longer prompt says itself what it is about."""
PREVIOUS = 300
"""Characters of a prompt that are kept for the next one, in memory."""
_OF_EACH = 10
SESSION_NOTES_KEPT = 20
"""Of each project."""


def project_for(named: str | None, folder: str) -> str:
    """Name the project of an event: what the configuration carries, else the folder's, else `default`."""
    return named or (project_of(Path(folder)) if folder and Path(folder).is_absolute() else DEFAULT_PROJECT)


def found_for(
    service: Service, project: str, prompt: str, previous: str, known: Collection[int]
) -> tuple[list[Note], str]:
    """Find what helps with a prompt: only what is relevant enough, and was not shown before.

    A short prompt may follow up on the `previous` one of its session. Also returns what this one will be to the next.
    """
    settings = service.settings.of(RecallSettings)
    parts = prompt_parts(prompt)
    wordings = wordings_of(parts, previous)
    if not wordings:
        return [], previous
    answer = service.find(
        SearchRequest(
            query=wordings[0],
            k=min(CANDIDATES + len(known), service.settings.limits.k),
            project=_scope(project),
        ),
        Rights(by="hook"),
        wordings[1:],
    )
    found = [one for one in answer.results if SESSION_NOTE not in one.tags]
    return chosen(found, known)[: settings.k], next_previous(parts, previous)


def wordings_of(parts: PromptParts, previous: str) -> list[str]:
    """Return how a prompt is asked, the first wording first; nothing where there is nothing to ask."""
    wordings = [*parts.queries]
    if wordings and previous and parts.prose and len(parts.prose.split()) <= SHORT:
        wordings.append(f"{previous}\n{parts.prose}")
    return wordings


def next_previous(parts: PromptParts, previous: str) -> str:
    """Return what a prompt will be to the next one of its session, which may follow up on it."""
    return parts.prose[:PREVIOUS] or previous


def chosen(found: Sequence[FoundMemory], known: Collection[int] = ()) -> list[Note]:
    """Choose from what is relevant enough: the best and what is nearly as good, each thing once, and no `known` one."""
    near = _near_the_best(sorted(found, key=lambda one: -one.relevance))
    return _without_repeats([note(one, passage=True) for one in near if one.id not in known])


def _near_the_best(found: Sequence[FoundMemory]) -> Sequence[FoundMemory]:
    """Return those that are nearly as relevant as the best: beside a good note a mediocre one distracts."""
    return [one for one in found if one.relevance >= SURE or _odds(one) >= _odds(found[0]) / MOST_BELOW]


def _odds(found: FoundMemory) -> float:
    return found.relevance / max(1 - found.relevance, 1e-6)


def _without_repeats(notes: Sequence[Note]) -> list[Note]:
    """Return each text once, and of notes that say the same with another value the newest, which names the others."""
    kept: list[Note] = []
    for one in notes:
        for place, other in enumerate(kept):
            if is_same_text(one.text, other.text):
                break
            if differ_by_a_value(one.text, other.text):
                newer, older = (one, other) if one.date > other.date else (other, one)
                kept[place] = replace(newer, replaces=(*newer.replaces, *older.replaces, older.date))
                break
        else:
            kept.append(one)
    return kept


def digest_of(
    service: Service, project: str, session: str, known: Collection[int], forgotten: bool
) -> list[Note]:
    """Choose for the beginning of a session, where nothing was asked yet: what is pinned, then decisions.

    `forgotten` says that the session goes on without what was said in it: then its own summary comes first.
    """
    own: list[Any] = []
    if forgotten and session:
        kept = newest(service, project, SESSION_NOTE, SESSION_NOTES_KEPT)
        own = [memory for memory in kept if memory.metadata.get("session") == session][:1]
    pinned = [memory for name in _scope(project) for memory in newest(service, name, PINNED)]
    chosen = [*own, *pinned, *newest(service, project, DECISION)]
    return _news([note(memory) for memory in {memory.id: memory for memory in chosen}.values()], known)


def note(memory: Any, *, passage: bool = False) -> Note:
    """Make a note of a memory in an answer; of a long one, only the passage that was found."""
    found = getattr(memory, "passage", None) if passage else None
    return Note(
        id=memory.id,
        date=memory.timestamp[:10],
        source=memory.source,
        project=memory.project,
        text=found.text if found else memory.text,
    )


def _scope(project: str) -> list[str]:
    return list(dict.fromkeys([project, DEFAULT_PROJECT]))


def newest(service: Service, project: str, tag: str, most: int = _OF_EACH) -> Sequence[Any]:
    """List a project's latest memories with a tag."""
    return service.list_memories(ListRequest(project=project, tag=tag, limit=most)).memories


def _news(notes: Sequence[Note], known: Collection[int]) -> list[Note]:
    return [one for one in notes if one.id not in known]
