"""What a prompt brings: which memories are shown, and which are withheld and why."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from faiss_memory import (
    DEFAULT_PROJECT,
    OWNER,
    FoundMemory,
    Note,
    NotReady,
    Rights,
    SearchRequest,
    Service,
    differ_by_a_value,
    framed,
    is_generic,
    is_same_text,
    written_by_another,
)
from faiss_memory_plugins.recall.choosing import SESSION_NOTE, note, why_not_true
from faiss_memory_plugins.recall.events import EVERYTHING
from faiss_memory_plugins.recall.messages import Why
from faiss_memory_plugins.recall.prompt_parts import PromptParts, prompt_parts, why_nothing
from faiss_memory_plugins.recall.settings import RecallSettings

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
FOUND = "found for this prompt"
NOT_FOR = "not_for"
"""The property of a memory that holds prompts it is not to be shown for."""
LONGEST_PHRASE = 300
NEARLY_THE_SAME = 0.8
"""The cosine from which a prompt is one that a memory is not for."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What a prompt brings."""

    queries: Sequence[str] = ()
    """The wordings that were searched."""
    notes: Sequence[Note] = ()
    """What is shown, within its budget."""
    text: str = ""
    """That, in its frame."""
    why: str = FOUND
    """What its frame says that they are."""
    tokens: int = 0
    """What the frame may cost."""
    found: Mapping[int, FoundMemory] = field(default_factory=dict)
    """Each candidate by its id, the most relevant first."""
    withheld: Mapping[int, Why] = field(default_factory=dict)
    """Why each candidate is withheld that is not shown, by its id."""
    nothing: str = ""
    """Why nothing is shown, in plain words; empty where something is."""
    asked: str = ""
    """What this prompt will be to the next one of its session."""


def brought_by(
    service: Service,
    project: str,
    prompt: str,
    previous: str = "",
    known: Collection[int] = (),
    most: int | None = None,
    bar: float | None = None,
    rights: Rights = EVERYTHING,
) -> Brought:
    """Find what helps with a prompt: only what is relevant enough, and is not `known` from before.

    A short prompt may follow up on the `previous` one of its session. `most` is how many may be shown, and
    `bar` the least relevance, if not as they are set. `rights` are those of who asks. Counts nothing.
    """
    settings = service.settings.of(RecallSettings)
    bar = service.settings.min_relevance if bar is None else bar
    parts = prompt_parts(prompt)
    wordings = wordings_of(parts, previous)
    if not wordings:
        return Brought(nothing=why_nothing(prompt), asked=previous)
    asked = parts.prose[:PREVIOUS] or previous
    try:
        found = _candidates(service, project, wordings, len(known), rights)
        unwanted = _unwanted(service, parts, [one for one in found if one.relevance >= bar])
    except NotReady:
        return Brought(wordings, nothing="the model is not ready yet", asked=asked)
    notes, withheld = chosen(found, bar, most or settings.k, known, unwanted, rights)
    text, shown = framed(notes, FOUND, settings.tokens, here=project)
    fitted = {one.id for one in shown}
    withheld |= {one.id: "budget" for one in notes if one.id not in fitted}
    return Brought(
        wordings, shown, text, tokens=settings.tokens, found={one.id: one for one in found}, withheld=withheld,
        nothing="" if shown else _nothing(found, withheld, bar), asked=asked,
    )  # fmt: skip


def _candidates(
    service: Service, project: str, wordings: Sequence[str], more: int, rights: Rights
) -> Sequence[FoundMemory]:
    """Return what could help, the most relevant first; of one's own enough, also where others have written much."""
    request = SearchRequest(
        query=wordings[0],
        k=min(CANDIDATES + more, service.settings.limits.k),
        project=list(dict.fromkeys([project, DEFAULT_PROJECT])),
        explain=True,
    )
    asks = replace(rights, by="hook")
    results = service.search(request, asks, wordings[1:], is_counted=False).results
    own = sum(not written_by_another(one.actor, rights) for one in results)
    if own < len(results) and own < CANDIDATES // 2:
        request.actor = [rights.actor or OWNER]
        own_results = service.search(request, asks, wordings[1:], is_counted=False).results
        results = [*{one.id: one for one in (*results, *own_results)}.values()]
    found = [one for one in results if SESSION_NOTE not in one.tags]
    return sorted(found, key=lambda one: -one.relevance)


def wordings_of(parts: PromptParts, previous: str) -> list[str]:
    """Return how a prompt is asked, the first wording first; nothing where there is nothing to ask."""
    wordings = [*parts.queries]
    if wordings and previous and parts.prose and len(parts.prose.split()) <= SHORT:
        wordings.append(f"{previous}\n{parts.prose}")
    return wordings


def chosen(
    found: Sequence[FoundMemory],
    bar: float,
    most: int,
    known: Collection[int] = (),
    unwanted: Collection[int] = (),
    rights: Rights = EVERYTHING,
) -> tuple[list[Note], dict[int, Why]]:
    """Choose what is shown of what was found, the most relevant first; the rest has its reason."""
    withheld: dict[int, Why] = {one.id: "relevance" for one in found if one.relevance < bar}
    withheld |= {one.id: over for one in found if one.id not in withheld and (over := why_not_true(one))}
    withheld |= {one: "not for this" for one in unwanted}
    left = [one for one in found if one.id not in withheld]
    # Beside a good note a mediocre one distracts.
    withheld |= {
        one.id: "beside a better one"
        for one in left
        if one.relevance < SURE and _odds(one) < _odds(left[0]) / MOST_BELOW
    }
    withheld |= {one.id: "shown before" for one in left if one.id not in withheld and one.id in known}
    notes, repeats = _without_repeats(
        [note(one, rights, passage=True) for one in left if one.id not in withheld]
    )
    withheld |= repeats
    kept = _with_own(notes, most)
    withheld |= {one.id: "budget" for one in notes if one not in kept}
    return kept, withheld


def _with_own(notes: Sequence[Note], most: int) -> list[Note]:
    """Return so many notes, the first ones first; others' fill no more than half while there are one's own."""
    room = max(most - sum(not one.by for one in notes), most // 2)
    kept: list[Note] = []
    for one in notes:
        if one.by and not room:
            continue
        room -= bool(one.by)
        kept.append(one)
    return kept[:most]


def _odds(found: FoundMemory) -> float:
    return found.relevance / max(1 - found.relevance, 1e-6)


def _unwanted(service: Service, parts: PromptParts, found: Sequence[FoundMemory]) -> set[int]:
    """Return the memories of which a person has said that they are not for prompts like this."""
    phrases = {one.id: phrases_of(one.metadata) for one in found}
    others = list(dict.fromkeys(phrase for some in phrases.values() for phrase in some))
    if not others:
        return set()
    rows = service.similarities([phrase_of(parts), *parts.queries], others)
    near = {
        phrase
        for row in rows
        for phrase, cosine in zip(others, row, strict=True)
        if cosine >= NEARLY_THE_SAME
    }
    return {memory_id for memory_id, some in phrases.items() if near.intersection(some)}


def phrases_of(metadata: Mapping[str, Any]) -> list[str]:
    """Return the prompts that a memory is not for; what else somebody keeps by that name is passed over."""
    given = metadata.get(NOT_FOR)
    return [one for one in given if isinstance(one, str)] if isinstance(given, list) else []


def phrase_of(parts: PromptParts) -> str:
    """Return what is kept of a prompt that a memory is not for; empty if it says nothing."""
    return " ".join((parts.prose or next(iter(parts.queries), "")).split())[:LONGEST_PHRASE].rstrip()


def _without_repeats(notes: Sequence[Note]) -> tuple[list[Note], dict[int, Why]]:
    """Return each text once, and of notes that say the same with another value the newest, which names the others."""
    kept: list[Note] = []
    withheld: dict[int, Why] = {}
    for one in notes:
        for place, other in enumerate(kept):
            if is_same_text(one.text, other.text):
                withheld[one.id] = "duplicate"
                break
            if differ_by_a_value(one.text, other.text):
                # Of the same day, the one that was stored later.
                newer, older = sorted((one, other), key=lambda note: (note.date, note.id), reverse=True)
                kept[place] = replace(newer, replaces=(*newer.replaces, *older.replaces, older.date))
                withheld[older.id] = "replaced"
                break
        else:
            kept.append(one)
    return kept, withheld


def _nothing(found: Sequence[FoundMemory], withheld: Mapping[int, Why], bar: float) -> str:
    """Return in plain words why nothing is shown."""
    if not found:
        return "there are no memories in this project and the shared one"
    if all(one.evidence and is_generic(one.evidence.generic, one.evidence.similarity) for one in found):
        return 'it is said in any work, such as "yes" or "run the tests": no memory is meant'
    if all(withheld[one.id] == "relevance" for one in found):
        return f"nothing is about that: the relevance of the nearest is {found[0].relevance:.2f}, below {bar:.2f}"
    return "whatever is about that is withheld"
