"""Comparing what a file says now with the memories that an earlier build made of it."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from faiss_memory import Change, Draft, Origin, is_blank
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

    def forget_texts(self) -> None:
        """Let go of what the file says: a whole tree of it may be more than the memory holds."""
        self.drafts = []
        self.changes = dict.fromkeys(self.changes, Change())


class Orphans:
    """Memories whose file is gone, which a file that says the same may take over: it was renamed."""

    def __init__(self, origins: Mapping[int, Origin]) -> None:
        self._by_text: dict[str, list[int]] = defaultdict(list)
        self._origins = origins
        for memory_id in sorted(origins, reverse=True):
            self._by_text[origins[memory_id].text].append(memory_id)

    def adopt(self, text: str) -> tuple[int, Origin] | None:
        """Take one whose text was built the same."""
        if not self._by_text.get(text):
            return None
        memory_id = self._by_text[text].pop()
        return memory_id, self._origins[memory_id]

    @property
    def left(self) -> list[int]:
        """Those that nobody has taken."""
        return sorted(memory_id for ids in self._by_text.values() for memory_id in ids)


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
    cues = document.cues
    for text, part in _distinct(document.parts):
        origin = Origin(file, part.place, text, _details(document, cues))
        found = by_text[text].pop() if by_text.get(text) else orphans.adopt(text)
        if found is not None:
            plan.known[found[0]] = found[1]
        if found is None:
            plan.drafts.append(_draft(part, document, cues, changed, project, origin))
        else:
            plan.kept += 1
            if found[1] != origin:
                plan.changes[found[0]] = _change(document, cues, found[1], origin)
        cues = ()  # They are those of the first part.
    plan.fresh = len(plan.drafts)
    plan.gone = sorted(memory_id for left in by_text.values() for memory_id, _ in left)
    return plan


def _distinct(parts: Iterable[Part]) -> Iterable[tuple[str, Part]]:
    found: dict[str, Part] = {}
    for part in parts:
        if not is_blank(part.text):
            found.setdefault(_digest(part.text), part)
    return found.items()


def _details(document: Document, cues: tuple[str, ...]) -> str:
    """Return the digest of a part's tags and metadata, and behind it that of its cues, if it has any."""
    digest = _digest(json.dumps([document.tags, document.metadata], sort_keys=True))
    return f"{digest}:{_digest(json.dumps(cues))}" if cues else digest


def _draft(
    part: Part, document: Document, cues: tuple[str, ...], changed: datetime, project: str, origin: Origin
) -> Draft:
    return Draft(
        text=part.text,
        project=project,
        source=origin.file + origin.place,
        tags=document.tags,
        cues=cues,
        metadata=document.metadata,
        timestamp=document.timestamp or changed,
        origin=origin,
        by="build",
    )


def _change(document: Document, cues: tuple[str, ...], before: Origin, now: Origin) -> Change:
    details, _, of_cues = now.details.partition(":")
    details_before, _, of_cues_before = before.details.partition(":")
    return Change(
        source=now.file + now.place,
        tags=None if details == details_before else document.tags,
        cues=None if of_cues == of_cues_before else cues,
        metadata=None if details == details_before else document.metadata,
        origin=now,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
