"""Answers as a model reads them: short, dated, with source and id, within a budget of tokens.

Some clients show a model the text of an answer, others its structure: so both are short, and say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import msgspec

from faiss_memory.framing import Note, clean_line, clean_text, frame, note_text
from faiss_memory.schema import (
    AddAnswer,
    Answer,
    ClosestMatch,
    FoundMemory,
    MemoryAnswer,
    SearchAnswer,
)
from faiss_memory.tokens import count_tokens, within_tokens

LEAST_SHOWN = 20
"""Tokens of a memory's text, below which it is better left out."""
MOST_OF_SOURCE = 50
"""Tokens of a source that are shown, and of all tags of a memory."""
TITLE_LENGTH = 80
_MARK = "…"


class ShownMemory(Answer, kw_only=True, omit_defaults=True):
    """A memory as a model is shown it; `shortened` if the text was cut."""

    id: int
    date: str
    text: str
    source: str = ""
    project: str
    tags: list[str] = msgspec.field(default_factory=list)
    relevance: float = 0.0
    superseded_by: int | None = None
    ended: str = ""
    """The day since which it is not true any more."""
    shortened: bool = False


class Notes(Answer, kw_only=True, omit_defaults=True):
    """What was found, best first."""

    results: list[ShownMemory]
    count: int
    project: str | list[str]
    withheld: int = 0
    left_out: int = 0
    """How many were found that did not fit into the answer."""
    degraded: list[str] = msgspec.field(default_factory=list)
    hint: str = ""
    """What of the projects and tags that were asked for there is not."""


def notes_of(answer: SearchAnswer, tokens: int) -> Notes:
    """Shorten what was found to a budget; what does not fit even so is left out, the last ones first."""
    notes = Notes(
        results=[],
        count=answer.count,
        project=answer.project,
        withheld=answer.withheld,
        left_out=answer.count,
        degraded=list(answer.degraded or []),
        hint=clean_line(answer.hint or ""),
    )
    return _filled(notes, answer.results, tokens)


def newest_notes(memories: Sequence[MemoryAnswer], project: str, tokens: int) -> Notes:
    """Do the same with the newest memories of a project."""
    notes = Notes(results=[], count=len(memories), project=project, left_out=len(memories))
    return _filled(notes, memories, tokens)


def _filled(notes: Notes, memories: Sequence[FoundMemory | MemoryAnswer], tokens: int) -> Notes:
    left = tokens - _cost(notes, found_text(notes))
    bare = [_shown(found, 0) for found in memories]
    facts = [_cost(one, f"{_written(one)}\n") for one in bare]
    texts = [_cost_of_text(clean_text(found.text)) for found in memories]
    needed = accumulate(fact + min(text, LEAST_SHOWN) for fact, text in zip(facts, texts, strict=True))
    fit = max(1, sum(need <= left for need in needed))
    rooms = _share_out(texts[:fit], left - sum(facts[:fit]))
    notes.results = [_shown(found, room) for found, room in zip(memories[:fit], rooms, strict=True)]
    notes.count = len(notes.results)
    notes.left_out -= notes.count
    return notes


def _cost(structure: Answer, text: str) -> int:
    return max(count_tokens(msgspec.json.encode(structure).decode()), count_tokens(text))


def _cost_of_text(text: str) -> int:
    """Return the tokens of a text with each of its lines quoted."""
    return count_tokens("> " + text.replace("\n", "\n> "))


def _shown(found: FoundMemory | MemoryAnswer, room: int) -> ShownMemory:
    whole = clean_text(found.text)
    shown = _fitted(whole, room)
    passage = found.passage if isinstance(found, FoundMemory) else None
    if shown != whole and passage and passage.start:
        # What matched is what was asked for, and where it begins is worth more than where the memory begins.
        shown = _fitted(f"{_MARK}{clean_text(found.text[passage.start :])}", room)
    costs = accumulate(map(count_tokens, found.tags))
    return ShownMemory(
        id=found.id,
        date=found.timestamp[:10],
        text=shown,
        source=shortened(clean_line(found.source), MOST_OF_SOURCE),
        project=found.project,
        tags=[clean_line(tag) for tag, cost in zip(found.tags, costs, strict=True) if cost <= MOST_OF_SOURCE],
        relevance=round(found.relevance, 2) if isinstance(found, FoundMemory) else 0.0,
        superseded_by=found.superseded_by or None,
        ended=_ended(found),
        shortened=shown != whole,
    )


def _ended(memory: FoundMemory | MemoryAnswer) -> str:
    return (memory.valid_until or "")[:10] if memory.state == "expired" else ""


def _fitted(text: str, room: int) -> str:
    """Cut a text to what so many tokens hold of it, its lines quoted."""
    given = room
    while _cost_of_text(cut := shortened(text, given)) > room and given > 0:
        given = given * 4 // 5
    return cut


def _share_out(sizes: Sequence[int], budget: int) -> list[int]:
    """Divide a budget fairly: what the small ones leave over goes to the large ones."""
    rooms = [0] * len(sizes)
    left = max(0, budget)
    for place, number in enumerate(sorted(range(len(sizes)), key=sizes.__getitem__)):
        rooms[number] = min(sizes[number], left // (len(sizes) - place))
        left -= rooms[number]
    return rooms


def shortened(text: str, tokens: int) -> str:
    """Cut a text to so many tokens, at the end of a word where one is near."""
    if count_tokens(text) <= tokens:
        return text
    return _cut(text, len(within_tokens(text, tokens - count_tokens(_MARK))))


def _cut(text: str, length: int) -> str:
    cut = text[:length]
    at_word = cut.rpartition(" ")[0]
    return f"{at_word if len(at_word) > len(cut) * 3 // 4 else cut}{_MARK}"


def found_text(notes: Notes) -> str:
    """Write what was found for a model to read."""
    where = _named(notes.project)
    if not notes.count + notes.left_out:
        withheld = f"; {_withheld(notes.withheld)}" if notes.withheld else ""
        if notes.degraded:
            said = f"Nothing was found in {where}{withheld}, but not everything could be searched yet"
            return f"{said}: ask again in a moment. {_degraded(notes)}{_hinted(notes)}"
        return f"Nothing is remembered about that in {where}{withheld}.{_hinted(notes)}"
    found = frame(f"found in {where}, best first", [*map(_written, notes.results)])
    return "\n".join([found, *_remarks(notes)])


def newest_text(notes: Notes) -> str:
    """Write the newest memories of a project for a model to read."""
    where = _named(notes.project)
    if not notes.results:
        return f"Nothing is remembered in {where}."
    found = frame(f"the newest of {where}", [*map(_written, notes.results)])
    return "\n".join([found, *_remarks(notes)])


def _withheld(count: int) -> str:
    verb = "was" if count == 1 else "were"
    return f"{_counted(count)} that hardly fit {verb} withheld (min_relevance 0 shows them)"


def _hinted(notes: Notes) -> str:
    return f" Beware: {notes.hint}." if notes.hint else ""


def _remarks(notes: Notes) -> list[str]:
    remarks = [_hinted(notes).strip()] if notes.hint else []
    if notes.withheld:
        remarks.append(f"{_withheld(notes.withheld).capitalize()}.")
    if notes.left_out:
        remarks.append(f"{notes.left_out} more did not fit: ask for less at once.")
    if notes.degraded:
        remarks.append(_degraded(notes))
    return remarks


def _degraded(notes: Notes) -> str:
    return f"For now without the {' and '.join(notes.degraded)} part of the search."


def _written(shown: ShownMemory) -> str:
    return note_text(
        Note(
            id=shown.id,
            date=shown.date,
            source=shown.source,
            project=shown.project,
            text=shown.text,
            tags=shown.tags,
            superseded_by=shown.superseded_by,
            ended=shown.ended,
        )
    )


def added_text(answer: AddAnswer, tokens: int) -> str:
    """Write what has become of a text that was to be stored, for a model to read.

    The memory that makes it nothing new is shown in so many tokens, in the text and in the answer itself.
    """
    twin = answer.closest_match
    if twin:
        twin.text, twin.source = shortened(clean_text(twin.text), tokens), clean_line(twin.source)
    if answer.success:
        stored = f"Stored as memory {answer.id} in project {answer.project}."
        if twin and answer.differs_in:
            stored += (
                f" Memory {twin.id} says nearly the same, but for: {clean_line('; '.join(answer.differs_in))}\n"
                f"{_twin_note(twin)}\nIf memory {twin.id} is no longer true, forget it with memory_forget."
            )
        return stored
    if not twin:
        return f"Not stored: {answer.message}."
    return (
        f"Not stored: memory {twin.id} says nearly the same (similarity {twin.similarity:.2f}):\n"
        f"{_twin_note(twin)}\n"
        "If it is wrong, correct it with memory_update."
    )


def _twin_note(twin: ClosestMatch) -> str:
    """Write the memory that makes a text nothing new, for a model to read."""
    note = Note(id=twin.id, date="", source=twin.source, project="", text=twin.text)
    return frame("what comes closest", [note_text(note)])


def whole_notes(memories: Sequence[MemoryAnswer], why: str, tokens: int | None = None) -> str:
    """Write memories as they are for a model to read, what is long cut so that all fit into so many tokens."""
    texts = [clean_text(memory.text) for memory in memories]
    rooms = [_cost_of_text(text) for text in texts]
    if tokens is not None:
        facts = sum(count_tokens(f"{_memory_note(memory, '')}\n") for memory in memories)
        rooms = _share_out(rooms, tokens - facts)
    return frame(
        why,
        [
            _memory_note(memory, text if tokens is None else _fitted(text, room))
            for memory, text, room in zip(memories, texts, rooms, strict=True)
        ],
    )


def _memory_note(memory: MemoryAnswer, text: str) -> str:
    return note_text(
        Note(
            id=memory.id,
            date=memory.timestamp[:10],
            source=shortened(memory.source, MOST_OF_SOURCE),
            project=memory.project,
            text=text,
            ended=_ended(memory),
        )
    )


def _counted(count: int) -> str:
    """Write a number of memories."""
    return f"{count} {'memory' if count == 1 else 'memories'}"


def _named(project: str | Sequence[str]) -> str:
    """Write the projects that an answer is about."""
    if project == "*":
        return "all projects"
    names = [project] if isinstance(project, str) else list(project)
    return f"project {names[0]}" if len(names) == 1 else f"projects {', '.join(names)}"


def title_of(memory: FoundMemory | MemoryAnswer) -> str:
    """Return a memory a title: the beginning of its text, in one line."""
    text = clean_text(memory.text)
    line = next((line.strip(" #*-") for line in text.split("\n") if line.strip(" #*-")), text)
    title = " ".join(line.split())
    return title if len(title) <= TITLE_LENGTH else _cut(title, TITLE_LENGTH - len(_MARK))
