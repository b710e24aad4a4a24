"""Memories that say the same: finding them, letting one stand for the others, and undoing that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Struct

from faiss_memory.engine.duplicates import NEAR, compared
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.errors import Conflict, InvalidRequest, MemoryNotFound
from faiss_memory.memory import Change, Filter, Memory
from faiss_memory.rights import PERSON, Rights
from faiss_memory.schema import duplicates
from faiss_memory.schema.limits import check_cues, check_metadata, check_tags
from faiss_memory.service import messages
from faiss_memory.service.tending.arranging import Rewrite
from faiss_memory.settings import Limits
from faiss_memory.team.team import Note

NEIGHBOURS = 5
"""So many older memories each one is compared with."""
AT_ONCE = 500
"""Memories that are compared in one go, while nothing is written."""
MOST_COMPARED = 2_000
"""Memories that one answer is about, at most."""
RECORD = "merged_from"
"""The property of a memory that says what it stands for, and what of it came from there."""
_ORDER = ("identical", "differs", "similar")


class Part(Struct, frozen=True):
    """What a memory took over from another one that it stands for."""

    uid: str
    tags: tuple[str, ...] = ()
    cues: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()


class _Place(NamedTuple):
    """What is still to be compared: some memories of a project, and all of the projects behind it."""

    project: str
    ids: list[int]
    """Descending."""
    later: list[str]


class Joining:
    """Finds duplicates and joins them, with work that is bounded; raises what the service raises."""

    def __init__(self, limits: Limits, engine: MemoryEngine, rewrite: Rewrite, note: Note) -> None:
        self._limits = limits
        self._engine = engine
        self._rewrite = rewrite
        self._note = note

    def find(
        self, request: duplicates.DuplicatesRequest, rights: Rights = PERSON
    ) -> duplicates.DuplicatesAnswer:
        """Compare memories with what is most like them in their own project, some at a time."""
        projects = rights.to_read(request.project)
        pairs: list[duplicates.DuplicatePair] = []
        place = self._place(projects, request.cursor)
        done = 0
        while place.ids and done < MOST_COMPARED and len(pairs) < request.limit:
            batch = place.ids[:AT_ONCE]
            pairs += [one for one in self._pairs(place.project, batch) if request.kind in (None, one.kind)]
            done += len(batch)
            place = self._after(place._replace(ids=place.ids[AT_ONCE:]))
        pairs.sort(key=lambda pair: (_ORDER.index(pair.kind), -pair.similarity, -pair.one.id))
        return duplicates.DuplicatesAnswer(
            pairs=pairs,
            count=len(pairs),
            compared=done,
            left=len(place.ids) + self._count(place.later),
            next_cursor=f"{place.project}:{place.ids[0] + 1}" if place.ids else None,
            project=messages.format_projects(projects),
        )

    def _place(self, projects: tuple[str, ...] | None, cursor: str | None) -> _Place:
        """Return where to go on: project by project by name, in each with the highest id."""
        name, _, number = (cursor or "").partition(":")
        every = [one.name for one in self._engine.store.projects()] if projects is None else projects
        later = sorted(project for project in every if project > name)
        ids = [one for one in self._ids(name) if one < int(number)] if name in every else []
        return self._after(_Place(name, ids, later))

    def _after(self, place: _Place) -> _Place:
        """Return a place, or that in the next project that holds something if nothing is left in this one."""
        while not place.ids and place.later:
            name, *later = place.later
            place = _Place(name, self._ids(name), later)
        return place

    def _ids(self, project: str) -> list[int]:
        return self._engine.store.matching_ids(Filter(projects=(project,)))[::-1]

    def _count(self, projects: Sequence[str]) -> int:
        some = (tuple(projects[n : n + AT_ONCE]) for n in range(0, len(projects), AT_ONCE))
        return sum(self._engine.store.count(Filter(projects=names)) for names in some)

    def _pairs(self, project: str, ids: Sequence[int]) -> Iterator[duplicates.DuplicatePair]:
        alike = self._engine.store.older_alike(project, ids, NEAR, NEIGHBOURS)
        named = {
            one for memory_id, others in alike.items() for one in (memory_id, *(other for other, _ in others))
        }
        memories = {memory.id: memory for memory in self._engine.store.get(sorted(named))}
        for memory_id, others in alike.items():
            for other_id, similarity in others:
                if memory_id in memories and other_id in memories:  # neither was forgotten meanwhile
                    newer, older = newest_first([memories[memory_id], memories[other_id]])
                    share = min(self._engine.known_share(one.text) for one in (newer, older))
                    verdict = compared(newer, older, similarity, share)
                    if verdict is not None:
                        yield duplicates.DuplicatePair(
                            one=messages.memory(newer),
                            other=messages.memory(older),
                            similarity=round(similarity, 4),
                            relevance=round(verdict.relevance, 4),
                            kind=verdict.kind,
                            differs_in=verdict.differs_in,
                        )

    def merge(self, request: duplicates.MergeRequest, rights: Rights = PERSON) -> duplicates.MergeAnswer:
        """Let a memory supersede others of its project, and take over their tags, cues and properties.

        Where both have a property, that of the kept one stays. Raises MemoryNotFound, and Conflict if one of them is
        superseded already.
        """
        if request.keep in request.ids:
            raise InvalidRequest(
                f"`ids` names memory {request.keep}, which is to be kept; leave it out", "ids"
            )
        if len(request.ids) > self._limits.batch:
            raise InvalidRequest(
                f"`ids` holds {len(request.ids)}; the most is {self._limits.batch} (setting limits.batch)",
                "ids",
            )
        keep = self._current(request.keep, "keep", rights)
        others = [self._current(one, "ids", rights) for one in request.ids]
        for other in others:
            if other.project != keep.project:
                raise InvalidRequest(
                    f"memory {other.id} is in project `{other.project}`, memory {keep.id} in `{keep.project}`; "
                    "move one of them first (POST /memory/move)",
                    "ids",
                )
        kept = self._united(keep, others)
        lines = [self._engine.store.history(one.id) for one in (keep, *others)]
        changes = _changes(keep, kept, lines)
        if not request.dry_run:
            self._rewrite(changes)
            self._note(rights, "joined", [keep.project], [keep.id, *request.ids])
        kept = replace(kept, supersedes=changes[keep.id].supersedes or keep.supersedes)
        return duplicates.MergeAnswer(
            success=True,
            kept=messages.memory(kept),
            superseded=[other.id for other in others],
            dry_run=request.dry_run,
            project=keep.project,
        )

    def unmerge(
        self, request: duplicates.UnmergeRequest, rights: Rights = PERSON
    ) -> duplicates.UnmergeAnswer:
        """Undo a merge: what was superseded by it is current again, and what came from there is taken back.

        Raises MemoryNotFound if a memory does not stand for one that is named.
        """
        keep = self._there(request.keep, "keep", rights)
        parts = _parts_of(keep)
        line = self._engine.store.history(keep.id)
        merged = {one.id: part for one in line for part in parts if part.uid == one.uid}
        asked = set(merged) if request.ids is UNSET else set(request.ids)
        if unknown := sorted(asked - merged.keys()):
            raise MemoryNotFound(f"memory {keep.id} does not stand for memory {unknown[0]}", "ids")
        if not asked:
            raise MemoryNotFound(f"memory {keep.id} stands for no other memory", "keep")
        heads = [n for n, one in enumerate(line) if not n or one.id in merged]
        lines = [line[start:end] for start, end in pairwise([*heads, len(line)])]
        stay = [some for some in lines if some[0].id not in asked]
        kept = _apart(keep, [merged[one] for one in asked], [one for one in line if one.id in merged])
        apart = [some for some in lines if some[0].id in asked]
        self._rewrite(_changes(keep, kept, stay, apart))
        self._note(rights, "taken apart", [keep.project], [keep.id, *sorted(asked)])
        return duplicates.UnmergeAnswer(
            success=True,
            kept=messages.memory(self._there(keep.id, "keep", rights)),
            current=sorted(asked),
            project=keep.project,
        )

    def _there(self, memory_id: int, field: str, rights: Rights) -> Memory:
        return rights.changeable(memory_id, self._engine.store.get([memory_id]), field)

    def _current(self, memory_id: int, field: str, rights: Rights) -> Memory:
        memory = self._there(memory_id, field, rights)
        if memory.superseded_by is not None:
            raise Conflict(
                f"memory {memory_id} is superseded by memory {memory.superseded_by} already", field
            )
        return memory

    def _united(self, keep: Memory, others: Sequence[Memory]) -> Memory:
        """Return a memory with what others have besides, and the record of that."""
        tags, cues, metadata = list(keep.tags), list(keep.cues), dict(keep.metadata)
        parts = _parts_of(keep)
        own = _own(keep, parts)
        for other in others:
            tags += [tag for tag in other.tags if tag not in tags]
            cues += [cue for cue in other.cues if cue not in cues]
            metadata |= {name: other.metadata[name] for name in _names(other) if name not in metadata}
            parts.append(_own(other, [own]))
        metadata[RECORD] = msgspec.to_builtins(parts)
        check_metadata(metadata, self._limits.metadata_bytes, "metadata")
        return replace(
            keep,
            tags=check_tags(tags, self._limits.tags, "tags"),
            cues=check_cues(cues, self._limits.cues, "cues"),
            metadata=metadata,
        )


def _changes(
    before: Memory,
    after: Memory,
    lines: Sequence[Sequence[Memory]],
    apart: Sequence[Sequence[Memory]] = (),
) -> dict[int, Change]:
    """Return what joins histories one behind the other, lets others end where they did, and changes a memory."""
    heads = {some[0].id for some in (*lines, *apart)}
    links = {newer[-1].id: older[0].id for newer, older in pairwise(lines)}
    for last in (lines[-1][-1], *(some[-1] for some in apart)):
        if last.supersedes in heads:
            links[last.id] = 0
    changes = {memory_id: Change(supersedes=older) for memory_id, older in links.items()}
    changes[before.id] = replace(
        changes.get(before.id, Change()),
        tags=None if after.tags == before.tags else after.tags,
        cues=None if after.cues == before.cues else after.cues,
        metadata=after.metadata,
    )
    return changes


def newest_first(memories: Sequence[Memory]) -> list[Memory]:
    """Return memories by when they were learnt."""
    return sorted(memories, key=lambda one: (one.timestamp, one.id), reverse=True)


def _parts_of(memory: Memory) -> list[Part]:
    """Read the record of what a memory stands for. Raises Conflict if a person has used its name."""
    try:
        return msgspec.convert(memory.metadata.get(RECORD, []), list[Part])
    except msgspec.ValidationError:
        raise Conflict(
            f"memory {memory.id} has a property `{RECORD}` of its own, which says what a memory stands for; "
            "call it otherwise"
        ) from None


def _names(memory: Memory) -> list[str]:
    """Name a memory's properties, but for the record of what it stands for."""
    return [name for name in memory.metadata if name != RECORD]


def _own(memory: Memory, others: Sequence[Part]) -> Part:
    """Return what a memory has that does not come from others."""
    return Part(
        memory.uid,
        tags=tuple(tag for tag in memory.tags if not any(tag in part.tags for part in others)),
        cues=tuple(cue for cue in memory.cues if not any(cue in part.cues for part in others)),
        metadata=tuple(name for name in _names(memory) if not any(name in part.metadata for part in others)),
    )


def _apart(keep: Memory, gone: Sequence[Part], line: Sequence[Memory]) -> Memory:
    """Return a memory without what came from some others, as its record says; `line` are all that it stands for."""
    stay = [part for part in _parts_of(keep) if part not in gone]
    own = _own(keep, [*gone, *stay])
    metadata = {name: keep.metadata[name] for name in own.metadata}
    tags, cues = list(own.tags), list(own.cues)
    for part in stay:
        tags += [tag for tag in part.tags if tag not in tags and tag in keep.tags]
        cues += [cue for cue in part.cues if cue not in cues and cue in keep.cues]
        there = next((one.metadata for one in line if one.uid == part.uid), {})
        for name in part.metadata:
            taken = any(name in other.metadata for other in gone)  # then the value was another one's
            if name not in metadata and name in (there if taken else keep.metadata):
                metadata[name] = (there if taken else keep.metadata)[name]
    if stay:
        metadata[RECORD] = msgspec.to_builtins(stay)
    return replace(keep, tags=tuple(tags), cues=tuple(cues), metadata=metadata)
