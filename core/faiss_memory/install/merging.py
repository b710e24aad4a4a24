"""What becomes of one file when an owner's parts come or go.

As long as a file holds what was last written, it is made anew from its original and what all owners have in it, so the
last one to go leaves the original behind. In a file that was edited since, only our parts are touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from faiss_memory.contracts.config_files import JsonDefault, OwnFile, YamlDefault
from faiss_memory.errors import CannotMerge
from faiss_memory.install.data import Presence
from faiss_memory.install.formats import (
    KINDS,
    Content,
    Part,
    give_back,
    is_ours,
    is_within,
    marked_items,
    place,
    put,
    shares_place,
    singly,
    state,
    take_out,
)
from faiss_memory.install.marked_text import IgnoredPaths
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
    mine = record.entry(owner) if record is not None else None
    if record is not None and digest(content) == record.written and not record.is_edited:
        return _made_anew(
            content, record, _entries_with(record, Entry(owner, [stored(part) for part in parts]))
        )
    former = mine.read() if mine is not None else []
    others = record.others(owner) if record is not None else []
    file = _Edited(content, record, [*others, *former, *parts], force)
    # Without a record, a file that holds all of ours is known for ours. What else is there, whatever its name, is the
    # person's own, and is there again when we go.
    known = record is not None or all(state(content, part) == "same" for part in parts)
    original = file.without_us() if known else content
    for part in _for_removal(former, parts, others):
        file.take_out(part)
    for part in parts:
        file.put(part, [*former, *others])
    left = [stored(part) for part in file.edited if part in parts]
    entries = _entries_with(record, Entry(owner, [stored(part) for part in parts], left))
    return Merged(file.now, _recorded(original, file.now, entries, record), file.edited)


def without_owner(
    content: Content, record: FileRecord | None, owner: Owner, parts: Sequence[Part], force: bool
) -> Merged:
    """Let an owner have nothing in a file any more; `parts` is what it has there. Raises CannotMerge."""
    remaining = [entry for entry in record.entries if entry.owner != owner] if record is not None else []
    if record is not None and digest(content) == record.written and not record.is_edited:
        return _made_anew(content, record, remaining)
    return _taken_out(content, record, owner, parts, remaining, force)


def _made_anew(content: Content, record: FileRecord, entries: list[Entry]) -> Merged:
    """Write an untouched file as its original and what all owners have in it; without any, the original is back."""
    original = Content(record.original)
    if entries == record.entries:
        return Merged(content, record)
    if not entries:
        return Merged(original, None)
    wanted = made_of(original, entries, content)
    return Merged(wanted, FileRecord(original.raw, digest(wanted), entries))


def _taken_out(
    content: Content,
    record: FileRecord | None,
    owner: Owner,
    parts: Sequence[Part],
    remaining: list[Entry],
    force: bool,
) -> Merged:
    """Take parts out of a file that was edited since, and leave all else in it alone.

    What the person has edited of ours stays recorded, so that it is known for theirs the next time too.
    """
    others = [part for entry in remaining for part in entry.read()]
    file = _Edited(content, record, [*others, *parts], force)
    for part in _for_removal(parts, (), others):
        file.make_way(part, others)
    for other in others:  # what two owners share went with the one
        if shares_place(other) and state(content, other) == "same":
            file.now = put(file.now, other)
    left, kept = None, [stored(part) for part in file.edited]
    if record is not None and kept:
        remaining = [*remaining, Entry(owner, kept, kept, kept=True)]
    if remaining:
        left = _recorded(file.without_us(others), file.now, remaining, record)
    refreshed = all(isinstance(part, OwnFile) and part.refreshed for part in parts)  # nobody's edit
    structural = record is not None and content.raw is not None and not refreshed
    return Merged(file.now, left, file.edited, structural)


def _recorded(original: Content, now: Content, entries: list[Entry], record: FileRecord | None) -> FileRecord:
    """Record a file. While the person has edited anything of ours, the bytes before us stay those of the beginning."""
    found = FileRecord(original.raw, digest(now), entries)
    if record is not None and found.is_edited:
        found.original = record.original
    return found


def made_of(original: Content, entries: Iterable[Entry], now: Content) -> Content:
    """Put every owner's parts into a file, in their order; items that made way for them are not there `now` either."""
    content, parts = original, [part for entry in entries for part in entry.untouched()]
    for part in parts:
        for item in marked_items(content, part):
            if not is_within(item, parts) and state(now, item) == "absent":
                content = take_out(content, item, original)
        content = put(content, part)
    return content


def is_edited(content: Content, record: FileRecord, part: Part) -> bool:
    """Return whether a recorded part stands there in another form than ours; another owner's is ours."""
    everything = [other for entry in record.entries for other in entry.read()]
    if state(content, part) == "same" or any(
        _excludes(part, other) and state(content, other) == "same" for other in everything
    ):
        return False
    return presence(content, part, everything) == "other"


def presence(content: Content, part: Part, known: Sequence[Part]) -> Presence:
    """Return how a part stands: of items, marked ones that nobody has put there are another form of ours."""
    found = state(content, part)
    if (
        found == "absent"
        and not isinstance(part, IgnoredPaths)
        and any(not is_within(item, known) for item in marked_items(content, part))
    ):
        return "other"
    return found


class NotOurs(CannotMerge):
    """Where a file of our own would be, there is one of the person's."""


class _Edited:
    """A file that does not hold what we last wrote, on its way to what it will be."""

    def __init__(
        self, content: Content, record: FileRecord | None, known: Sequence[Part], force: bool
    ) -> None:
        self.now = self._before = content
        self.edited: list[Part] = []
        """Parts that are left as the person has edited them."""
        self._recorded = record is not None
        self._first = Content(record.original if record is not None else None)
        self._known = known
        self._force = force

    def put(self, part: Part, recorded: Sequence[Part]) -> None:
        """Put a part in place of what is there of it, unless the person has edited that."""
        if presence(self.now, part, self._known) == "other":
            if (
                isinstance(part, OwnFile)
                and not (self._recorded or self._force)
                and not is_ours(self.now, part)
            ):
                raise NotOurs("it is there already, and is not ours; --force replaces it until you uninstall")
            ours = [other for other in recorded if place(other) == place(part)]
            if ours and not self._force and not any(state(self.now, other) == "same" for other in ours):
                self.edited.append(part)
                return
            self._drop_stale_items(part)
        self.now = put(self.now, part)

    def take_out(self, part: Part) -> None:
        """Take a part out, unless the person has edited it. Without a record, a file of our own must be as declared."""
        found = presence(self.now, part, self._known)
        if found == "other" and not self._may_go(part):
            self.edited.append(part)
        elif found != "absent" and not self._is_only_a_default(part):
            if found == "other":
                self._drop_stale_items(part)
            self.now = give_back(self.now, part, self._first)

    def _may_go(self, part: Part) -> bool:
        """Return whether a part may go that does not say what was declared. Entries are known by their name."""
        if isinstance(part, OwnFile) and not self._recorded:
            return self._force and is_ours(self.now, part)
        return self._force or not self._recorded

    def make_way(self, part: Part, others: Sequence[Part]) -> None:
        """Take a part out, or let that of another owner stand again which it has displaced."""
        rival = next((other for other in reversed(others) if _excludes(part, other)), None)
        if rival is None:
            self.take_out(part)
        elif state(self.now, part) == "same":
            self.now = put(self.now, rival)

    def without_us(self, parts: Sequence[Part] | None = None) -> Content:
        """Return the file as it would be without us: what the person has edited is theirs."""
        before, self.now = self.now, self._before if parts is None else self.now
        for part in _for_removal(self._known if parts is None else parts, (), ()):
            if presence(self.now, part, self._known) == "same" and not self._is_only_a_default(part):
                self._drop_stale_items(part)
                self.now = give_back(self.now, part, self._first)
        found_without, self.now = self.now, before
        return found_without

    def _is_only_a_default(self, part: Part) -> bool:
        """Return whether a default is all that could be ours here: without a record it is taken for the person's."""
        return isinstance(part, JsonDefault | YamlDefault) and not self._recorded and self.now == self._before

    def _drop_stale_items(self, part: Part) -> None:
        if self._recorded and not self._force:
            return
        for item in marked_items(self.now, part):
            if not is_within(item, self._known):
                self.now = take_out(self.now, item, self._first)


def in_words(part: Part) -> str:
    """Name a part for people."""
    keys = getattr(part, "keys", ())
    return f"{KINDS[type(part)]} `{'.'.join(keys)}`" if keys else KINDS[type(part)]


def _entries_with(record: FileRecord | None, entry: Entry) -> list[Entry]:
    entries = list(record.entries) if record is not None else []
    for at, there in enumerate(entries):
        if there.owner == entry.owner:
            return [*entries[:at], entry, *entries[at + 1 :]]
    return [*entries, entry]


def _for_removal(parts: Sequence[Part], kept: Sequence[Part], others: Sequence[Part]) -> list[Part]:
    """Order parts so that what others need goes last, and leave out those that stay."""
    staying = {place(part) for part in kept if not shares_place(part)}
    going = [
        part
        for whole in reversed(parts)
        for part in singly(whole)
        if place(part) not in staying and not is_within(part, [*kept, *others])
    ]
    return sorted(going, key=lambda part: isinstance(part, JsonDefault | YamlDefault))


def _excludes(part: Part, other: Part) -> bool:
    return not shares_place(part) and place(part) == place(other)
