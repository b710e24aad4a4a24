"""Merging what the same memories have become elsewhere: what arrives, which state of a memory counts, and what a store
promises that can do it.

A memory is known by its uid, and each state of it by its `revision`. Of two states the later one counts: purged before
everything else; then the higher revision; at equal ones forgotten before there; then the later time; then the content,
by its digest, so that everybody decides the same. What replaces what is a part of what a memory says: it is named by
uid, and followed as soon as both are there. So stores that exchange their states, in any order and any number of times,
come to the same.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, TypeAlias

from faiss_memory.contracts.embedder import Embedding
from faiss_memory.errors import Conflict
from faiss_memory.memory import Draft, Memory, Origin
from faiss_memory.uids import new_uid

Outcome: TypeAlias = Literal[
    "new", "known", "changed", "kept", "conflict", "forgotten", "purged", "forget", "purge", "back", "noted"
]
"""What becomes of an arrival:

- `new`: it was never met, and is stored; `known`: it is the same here
- `changed`: it was changed there since, and so it is here now; `kept`: it was changed here since, and stays so
- `conflict`: it says something else here, nobody knows which is later, and it stays so
- `forgotten`, `purged`: it was forgotten or purged here, and stays so
- `forget`, `purge`: it was forgotten or purged there since, and so it is here now
- `back`: it was forgotten here, came back there since, and so it does here
- `noted`: it was forgotten or purged there and never met here, so that it is not taken over later
"""
WRITTEN: frozenset[Outcome] = frozenset({"new", "changed", "forget", "purge", "back", "noted"})
"""The outcomes by which something is written."""
FIRST = 1
"""The revision of a memory that was never changed."""
FORGOTTEN_BEFORE = 2
"""The revision of what was forgotten before revisions were counted."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of a change where nobody has noted it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What is left of a memory that was forgotten or purged."""

    uid: str
    purged: bool = False
    revision: int = FORGOTTEN_BEFORE
    changed: datetime = LONG_AGO
    project: str = ""
    """Where it was; empty where that is not known, and of what was purged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A memory as it is elsewhere. Of one that is not there any more no `draft` is given."""

    uid: str
    draft: Draft | None = None
    """What it says. With a revision its `timestamp` is given as well."""
    revision: int | None = FIRST
    """None where nobody has counted: then it is stored if it was never met, and changes nothing else."""
    changed: datetime = LONG_AGO
    supersedes: str | None = None
    """The uid of the memory that it replaces."""
    purged: bool = False
    project: str = ""
    """Where it was at last, of what was forgotten; empty for where it is here."""
    expected: Outcome | None = None
    """What it must come to, or nothing of the call is stored; None for anything."""


class Here(NamedTuple):
    """What a store knows of a uid."""

    memory_id: int
    memory: Memory | None
    """As it is, if it is there."""
    revision: int
    changed: datetime
    purged: bool = False


class Merged(NamedTuple):
    """What became of an arrival, or would."""

    outcome: Outcome
    memory_id: int | None
    """The memory that has this uid here; None where none is there any more, unless it is to be purged."""


class Merging(ABC):
    """An optional capability: a store that is one of these takes over what memories have become elsewhere."""

    @abstractmethod
    def merge(
        self,
        arrivals: Sequence[Arrival],
        embeddings: Sequence[Embedding | None] = (),
        *,
        dry_run: bool = False,
    ) -> list[Merged]:
        """Take over the arrivals whose state counts, by `judged`, in one transaction; they keep their revisions.

        `embeddings`, if any, are one for each arrival; without one, keywords alone find it. What comes back has the id
        that it had. What a memory replaces is followed whenever one of the two is written; where memories replace each
        other in a circle, the one with the lowest uid replaces nothing, and nothing in another project is replaced.
        What is to be purged and was met before is left to `purge`, by the ids that are returned. With `dry_run` nothing
        is written. Raises Conflict when an arrival does not come to what was expected.
        """

    @abstractmethod
    def tombstones(
        self, projects: Collection[str] | None = None, after: str = "", limit: int = 1000
    ) -> list[Tombstone]:
        """List what was forgotten or purged, by uid, from the one after a uid on.

        With `projects` it is what was forgotten in these alone: where it was that was purged, nobody knows any more.
        """


def arrival_of(memory: Memory, origin: Origin | None = None) -> Arrival:
    """Return a stored memory as it arrives elsewhere."""
    draft = Draft(
        text=memory.text, project=memory.project, source=memory.source, tags=memory.tags, cues=memory.cues,
        metadata=memory.metadata, timestamp=memory.timestamp, by=memory.by, actor=memory.actor,
        uid=memory.uid, valid_until=memory.valid_until, origin=origin,
    )  # fmt: skip
    return Arrival(
        uid=memory.uid,
        draft=draft,
        revision=memory.revision,
        changed=memory.changed or memory.timestamp,
        supersedes=memory.supersedes_uid,
    )


def memory_of(draft: Draft, memory_id: int, now: datetime, **state: Any) -> Memory:
    """Return the memory that a draft becomes; `state` is what a draft does not say."""
    fields = {"supersedes": draft.supersedes, "changed": now} | state
    return Memory(
        id=memory_id, text=draft.text, project=draft.project, source=draft.source, tags=draft.tags, cues=draft.cues,
        metadata=draft.metadata, timestamp=draft.timestamp or now, uid=draft.uid or new_uid(), by=draft.by,
        actor=draft.actor, valid_until=draft.valid_until, **fields,
    )  # fmt: skip


def judged(arrival: Arrival, here: Here | None) -> Outcome:
    """Return what becomes of an arrival where this is known of it.

    Raises Conflict when something else was expected, unless nothing is to be done.
    """
    outcome = _judged(arrival, here)
    if arrival.expected not in (None, outcome) and outcome != "known":
        raise Conflict(
            f"memory {arrival.uid} is not any more as the preview had it (`{arrival.expected}`, and now `{outcome}`); "
            "nothing was stored: look at a new preview"
        )
    return outcome


def merged_as(outcome: Outcome, here: Here | None) -> Merged:
    """Return what is answered of an arrival, where this is known of it now."""
    is_meant = here is not None and (here.memory is not None or outcome == "purge")
    return Merged(outcome, here.memory_id if here is not None and is_meant else None)


def _judged(arrival: Arrival, here: Here | None) -> Outcome:
    if here is None:
        return "noted" if arrival.draft is None else "new"
    if here.purged:
        return "known" if arrival.purged else "purged"
    if arrival.purged:
        return "purge"
    if arrival.revision is None:
        return _unless_met(arrival, here)
    is_later = _key(arrival) > _key_here(here)
    if arrival.draft is None:
        return "forget" if is_later else "known" if here.memory is None else "kept"
    if here.memory is None:
        return "back" if is_later else "forgotten"
    if is_later:
        return "changed"
    return "known" if _key(arrival)[-1] == _key_here(here)[-1] else "kept"


def _unless_met(arrival: Arrival, here: Here) -> Outcome:
    if here.memory is None or arrival.draft is None:
        return "forgotten"
    return "known" if here.memory.text == arrival.draft.text else "conflict"


_Key: TypeAlias = tuple[int, bool, datetime, str]


def _key(arrival: Arrival) -> _Key:
    is_gone = arrival.draft is None
    digest = "" if arrival.draft is None else said(arrival.draft, arrival.supersedes)
    return arrival.revision or FIRST, is_gone, arrival.changed, digest


def _key_here(here: Here) -> _Key:
    digest = "" if here.memory is None else said(here.memory, here.memory.supersedes_uid)
    return here.revision, here.memory is None, here.changed, digest


def said(one: Memory | Draft, supersedes: str | None) -> str:
    """Return a digest of all that a memory says, the uid of what it replaces included."""
    ends = None if one.valid_until is None else one.valid_until.astimezone(UTC).isoformat()
    learnt = None if one.timestamp is None else one.timestamp.astimezone(UTC).isoformat()
    whole = (
        one.text, one.project, one.source, one.tags, one.cues, dict(one.metadata), learnt, one.by, one.actor, ends,
        supersedes,
    )  # fmt: skip
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


class Link(NamedTuple):
    """A memory that is there, and the uid of what it replaces."""

    id: int
    uid: str
    project: object
    """Its name, or whatever stands for it in a store."""
    supersedes: int | None
    """The id of the memory that it supersedes as things are."""
    older: str | None


def relinked(links: Iterable[Link], find: Callable[[str], Link | int | None]) -> dict[int, int | None]:
    """Return what some memories are to supersede from now on, by id, where that is another one than before.

    `find` returns for a uid the memory, the id of one that is gone, or None if it was never met. A memory that others
    replace in a circle is looked at with all of the circle; the answer follows from what is there alone.
    """
    waiting = {link for link in links if link.older is not None}
    seen: set[int] = set()
    changed: dict[int, int | None] = {}
    while waiting:
        link = waiting.pop()
        seen.add(link.id)
        circle = _circle(link, find)
        waiting |= {one for one in circle if one.id not in seen}
        older = find(link.older or "")
        if isinstance(older, Link):
            is_last = bool(circle) and link.uid == min(one.uid for one in circle)
            target = None if is_last or older.project != link.project else older.id
        else:
            target = older
        if target != link.supersedes:
            changed[link.id] = target
    return changed


def _circle(link: Link, find: Callable[[str], Link | int | None]) -> list[Link]:
    """Return the circle that a memory is a part of, if it is."""
    line = [link]
    ids = {link.id}
    at = link
    while at.older is not None:
        older = find(at.older)
        if not isinstance(older, Link) or older.project != at.project:
            return []
        if older.id == link.id:
            return line
        if older.id in ids:
            return []
        line.append(older)
        ids.add(older.id)
        at = older
    return []
