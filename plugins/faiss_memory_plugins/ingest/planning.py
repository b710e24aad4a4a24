"""Comparing what a file says now with the memories that an earlier build made of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from faiss_memory import Change, Draft, MemoryAnswer, Origin, Standing, is_blank, masked
from faiss_memory_plugins.ingest.parts import Document, Part

Known = Mapping[int, Origin]
"""The memories made of one file, by id."""


@dataclass(slots=True)
class FilePlan:
    """What is to be done for one file."""

    file: str
    known: dict[int, Origin]
    """The memories made of it before, and those of a file that is gone and said the same."""
    was_known: bool
    """Whether any were made of this very file."""
    drafts: list[Draft] = field(default_factory=list)
    changes: dict[int, Change] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)
    kept: int = 0
    note: str = ""
    fresh: int = 0
    """How many memories are to be added: the drafts, also when they have been let go of."""

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.fresh or self.changes or self.gone)

    @property
    def is_empty(self) -> bool:
        """Whether the file says nothing, and never did."""
        return not (self.fresh or self.kept or self.was_known)

    @property
    def loss(self) -> int:
        """How many memories the file has fewer than before."""
        return max(0, len(self.gone) - self.fresh)

    @property
    def outcome(self) -> Literal["added", "kept", "changed"]:
        """What happens to the file's memories, in a word."""
        if not self.was_known:
            return "added"
        return "kept" if self.is_done else "changed"

    def leave_known(self, known: Mapping[str, Standing], there: Mapping[str, MemoryAnswer]) -> None:
        """Leave out drafts of what was purged, and of memories that are `there`. A uid that is known is given once."""
        drafts, self.drafts = self.drafts, []
        for draft in drafts:
            standing = known.get(draft.uid or "")
            memory = there.get(draft.uid or "")
            if memory is not None:
                same = memory.text == draft.text
                self.note = (
                    f"it is memory {memory.id}{' already' if same else ', which says something else here'}"
                )
            elif standing is not None and standing.state == "purged":
                self.note = "it was purged here"
            else:
                self.drafts.append(draft if standing is None else replace(draft, uid=None))
        self.fresh = len(self.drafts)

    def forget_texts(self) -> None:
        """Let go of what the file says: a whole tree of it may be more than the memory holds."""
        self.drafts = []
        self.changes = dict.fromkeys(self.changes, Change())


class Orphans:
    """Memories whose file is gone, which a file that says the same may take over: it was renamed, or moved.

    `own` are those that the build may forget; of `elsewhere`, made of files that it does not read, those whose file
    `is_gone` may be taken over as well.
    """

    def __init__(
        self,
        own: Mapping[int, Origin],
        elsewhere: Mapping[int, Origin] = MappingProxyType({}),
        is_gone: Callable[[str], bool] = lambda _file: True,
    ) -> None:
        self._is_gone = is_gone
        self._own, self._elsewhere = own, elsewhere
        self._free = {**elsewhere, **own}
        self._by_text: dict[tuple[str, str], list[int]] = defaultdict(list)
        # The best one last: of this build's own before others, and the oldest first.
        for memory_id in (*sorted(elsewhere, reverse=True), *sorted(own, reverse=True)):
            origin = self._free[memory_id]
            for name in ("", os.path.basename(origin.file)):
                self._by_text[origin.text, name].append(memory_id)
        self._said: set[str] = set()

    def hear(self, text: str) -> None:
        """Note what a file says, so that one is known which is gone and said the same."""
        self._said.add(text)

    def adopt(self, text: str, file: str) -> tuple[int, Origin] | None:
        """Take one whose text was built the same, of a file of the same name if there is one."""
        for name in (os.path.basename(file), ""):
            ids = self._by_text.get((text, name), [])
            while ids:
                memory_id = ids.pop()
                origin = self._free.get(memory_id)
                if origin is not None and (memory_id in self._own or self._is_gone(origin.file)):
                    del self._free[memory_id]
                    return memory_id, origin
        return None

    @property
    def left(self) -> dict[str, list[int]]:
        """Those that nobody has taken, by file; of one elsewhere only if most of what it said is said here.

        It moved.
        """
        heard, silent = Counter[str](), Counter[str]()
        for origin in self._elsewhere.values():
            (heard if origin.text in self._said else silent)[origin.file] += 1
        moved = {file for file, count in heard.items() if count > silent[file] and self._is_gone(file)}
        left: dict[str, list[int]] = {}
        for memory_id, origin in sorted(self._free.items()):
            if memory_id in self._own or origin.file in moved:
                left.setdefault(origin.file, []).append(memory_id)
        return left


def plan_file(
    file: str, document: Document, changed: datetime, project: str, known: Known, orphans: Orphans
) -> FilePlan:
    """Return what is to be stored, corrected and forgotten, so that the memories say what the file says.

    A part is known by its text alone. One that moved within the file, or into another, keeps its memory with all that
    a person has corrected in it; only what the file itself says otherwise is written anew. Parts that say the same
    are one memory.
    """
    plan = FilePlan(file, dict(known), was_known=any(origin.file == file for origin in known.values()))
    plan.note = document.note
    by_text: dict[str, list[tuple[int, Origin]]] = defaultdict(list)
    for memory_id, origin in sorted(known.items(), reverse=True):
        by_text[origin.text].append((memory_id, origin))
    for text, part in _distinct(document):
        orphans.hear(text)
        origin = Origin(file, part.place, text, _details(part, document))
        found = by_text[text].pop() if by_text.get(text) else orphans.adopt(text, file)
        if found is None:
            plan.drafts.append(_draft(part, document, changed, project, origin))
            continue
        plan.known[found[0]] = found[1]
        plan.kept += 1
        if found[1] not in (
            origin,
            replace(origin, place=masked(origin.place)),
        ):  # (as it may have been kept)
            plan.changes[found[0]] = _change(part, document, found[1], origin)
    plan.fresh = len(plan.drafts)
    plan.gone = sorted(memory_id for left in by_text.values() for memory_id, _ in left)
    return plan


def _distinct(document: Document) -> Iterator[tuple[str, Part]]:
    """Yield each text once, as its digest, with the part that says it first, and all of its tags and cues."""
    found: set[str] = set()
    for part in document.parts:
        digest = _digest(part.text)
        if is_blank(part.text) or digest in found:
            continue
        tags = tuple(dict.fromkeys((*document.tags, *part.tags)))
        yield digest, replace(part, tags=tags, cues=part.cues if found else document.cues)
        found.add(digest)


def _details(part: Part, document: Document) -> str:
    """Return the digest of a part's tags and metadata, and behind it that of its cues, if it has any."""
    digest = _digest(json.dumps([part.tags, document.metadata], sort_keys=True))
    return f"{digest}:{_digest(json.dumps(part.cues))}" if part.cues else digest


def _draft(part: Part, document: Document, changed: datetime, project: str, origin: Origin) -> Draft:
    return Draft(
        text=part.text,
        project=project,
        source=origin.file + origin.place,
        tags=part.tags,
        cues=part.cues,
        metadata=document.metadata,
        timestamp=document.timestamp or changed,
        origin=origin,
        by=document.by,
        uid=part.uid,
    )


def _change(part: Part, document: Document, before: Origin, now: Origin) -> Change:
    details, _, of_cues = now.details.partition(":")
    details_before, _, of_cues_before = before.details.partition(":")
    return Change(
        source=now.file + now.place,
        tags=None if details == details_before else part.tags,
        cues=None if of_cues == of_cues_before else part.cues,
        metadata=None if details == details_before else document.metadata,
        origin=now,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
