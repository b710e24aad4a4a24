"""What becomes of one file when an owner's parts come or go.

As long as a file holds what was last written, it is made anew from its original and what all owners have in it, so the
last one to go leaves the original behind. In a file that was edited since, only our parts are touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from faiss_memory.config_files import JsonDefault, OwnFile, YamlDefault
from faiss_memory.errors import CannotMerge
from faiss_memory.install.formats import (
    KINDS,
    Content,
    Part,
    is_ours,
    is_within,
    place,
    put,
    shares_place,
    state,
    take_out,
)
from faiss_memory.install.record import Entry, FileRecord, Owner, digest, stored


@dataclass(frozen=True, slots=True)
class Merged:
    """A file as it will be, what will be recorded of it, and the parts that stay as the person has edited them."""

    content: Content
    record: FileRecord | None
    edited: list[Part] = field(default_factory=list)
    structural: bool = False
    """Whether the file was edited since, so that only our own parts were removed."""


def with_owner(
    content: Content, record: FileRecord | None, owner: Owner, parts: Sequence[Part], force: bool
) -> Merged:
    """Let an owner have these parts in a file, in place of those it has. Raises CannotMerge."""
    entries = _entries_with(record, owner, parts)
    if record is not None and digest(content) == record.written:
        if entries == record.entries:
            return Merged(content, record)
        original = Content(record.original)
        wanted = made_of(original, entries)
        return Merged(wanted, FileRecord(original.raw, digest(wanted), entries))
    mine = record.entry(owner) if record is not None else None
    former = mine.read() if mine is not None else []
    others = record.others(owner) if record is not None else []
    first = Content(record.original if record is not None else None)
    original = _without(content, [*others, *former, *parts], first, by_mark=record is None)
    edited: list[Part] = []
    now = content
    for part in _for_removal(former, parts, others):
        now = _taken_out(now, part, first, force, edited)
    for part in parts:
        now = _replaced(now, part, record, [*former], others, first, force, edited)
    return Merged(now, FileRecord(original.raw, digest(now), entries), edited)


def without_owner(
    content: Content, record: FileRecord | None, owner: Owner, parts: Sequence[Part], force: bool
) -> Merged:
    """Let an owner have nothing in a file any more; `parts` is what it has there. Raises CannotMerge."""
    remaining = [entry for entry in record.entries if entry.owner != owner] if record is not None else []
    if record is not None and digest(content) == record.written:
        original = Content(record.original)
        if not remaining:
            return Merged(original, None)
        wanted = made_of(original, remaining)
        return Merged(wanted, FileRecord(original.raw, digest(wanted), remaining))
    first = Content(record.original if record is not None else None)
    others = [part for entry in remaining for part in entry.read()]
    edited: list[Part] = []
    now = content
    for part in _for_removal(parts, (), others):
        rival = next((other for other in reversed(others) if _excludes(part, other)), None)
        if rival is not None:
            now = put(now, rival) if state(now, part) == "same" else now
        else:
            by_mark = record is None and not isinstance(part, OwnFile)
            now = _taken_out(now, part, first, force or by_mark, edited, others)
    for other in others:  # what two owners share went with the one
        if shares_place(other) and state(content, other) == "same":
            now = put(now, other)
    left = None
    if remaining:
        left = FileRecord(_without(now, others, first).raw, digest(now), remaining)
    return Merged(now, left, edited, structural=content.raw is not None)


def made_of(original: Content, entries: Iterable[Entry]) -> Content:
    """Put every owner's parts into a file, in their order."""
    content = original
    for entry in entries:
        for part in entry.read():
            content = put(content, part)
    return content


def is_edited(content: Content, record: FileRecord, part: Part) -> bool:
    """Say whether a recorded part stands there in another form than ours; another owner's is ours."""
    everything = [other for entry in record.entries for other in entry.read()]
    if state(content, part) == "same":
        return False
    return not any(_excludes(part, other) and state(content, other) == "same" for other in everything)


def in_words(part: Part) -> str:
    """Name a part for people."""
    keys = getattr(part, "keys", ())
    return f"{KINDS[type(part)]} `{'.'.join(keys)}`" if keys else KINDS[type(part)]


def _entries_with(record: FileRecord | None, owner: Owner, parts: Sequence[Part]) -> list[Entry]:
    entry = Entry(owner, [stored(part) for part in parts])
    entries = list(record.entries) if record is not None else []
    for at, there in enumerate(entries):
        if there.owner == owner:
            return [*entries[:at], entry, *entries[at + 1 :]]
    return [*entries, entry]


def _replaced(
    now: Content,
    part: Part,
    record: FileRecord | None,
    former: Sequence[Part],
    others: Sequence[Part],
    first: Content,
    force: bool,
    edited: list[Part],
) -> Content:
    """Put a part in place of what is there of it, unless the person has edited that."""
    if state(now, part) == "other":
        if record is None and isinstance(part, OwnFile) and not is_ours(now) and not force:
            raise CannotMerge("it is there already, and is not ours; --force replaces it until you uninstall")
        if shares_place(part) and (record is None or force):
            now = take_out(now, part, first, by_mark=True)
        elif record is not None and not force:
            ours = [other for other in (*former, *others) if place(other) == place(part)]
            if ours and not any(state(now, other) == "same" for other in ours):
                edited.append(part)
                return now
    return put(now, part)


def _taken_out(
    now: Content,
    part: Part,
    first: Content,
    force: bool,
    edited: list[Part],
    others: Sequence[Part] = (),
) -> Content:
    """Take a part out, unless the person has edited it."""
    found = state(now, part)
    if found == "absent":
        return now
    if found == "other" and not force:
        if not any(place(other) == place(part) for other in others):
            edited.append(part)
        return now
    return take_out(now, part, first, by_mark=force)


def _without(content: Content, parts: Sequence[Part], first: Content, by_mark: bool = False) -> Content:
    """Give a file as it would be without us: what the person has edited is theirs."""
    for part in _for_removal(parts, (), ()):
        found = state(content, part)
        if isinstance(part, OwnFile) and found == "other" and not (by_mark and is_ours(content)):
            continue
        if found == "same" or (by_mark and found == "other"):
            content = take_out(content, part, first, by_mark)
    return content


def _for_removal(parts: Sequence[Part], kept: Sequence[Part], others: Sequence[Part]) -> list[Part]:
    """Order parts so that what others need goes last, and leave out those that stay."""
    staying = {place(part) for part in kept if not shares_place(part)}
    going = [
        part for part in reversed(parts)
        if place(part) not in staying and not is_within(part, [*kept, *others])
    ]  # fmt: skip
    return sorted(going, key=lambda part: isinstance(part, JsonDefault | YamlDefault))


def _excludes(part: Part, other: Part) -> bool:
    return not shares_place(part) and place(part) == place(other)
