"""Taking memories over from elsewhere: what is news is stored, and what was met before is left as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from msgspec import UNSET

from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.errors import InvalidRequest
from faiss_memory.memory import Draft, Memory, Standing
from faiss_memory.rights import PERSON, Rights, everything_seen
from faiss_memory.schema import NewMemory
from faiss_memory.schema.importing import ImportAnswer, ImportedMemory, ImportRequest, ImportResult, Outcome
from faiss_memory.service.before_writing import BeforeWriting, wish_of
from faiss_memory.service.drafts import draft_of
from faiss_memory.settings import Limits
from faiss_memory.team.team import Note
from faiss_memory.uids import is_uid, named_uid

BY = "import"
_REASONS: dict[Outcome, str] = {
    "new": "",
    "known": "",
    "conflict": "it says something else here, and stays so",
    "forgotten": "it was forgotten here",
    "purged": "it was purged here",
}


class Importing:
    """Knows each memory by its uid; raises what the service raises."""

    def __init__(
        self,
        limits: Limits,
        engine: MemoryEngine,
        before: BeforeWriting,
        added: Callable[[str, Sequence[int]], None],
        note: Note,
    ) -> None:
        self._limits = limits
        self._engine = engine
        self._before = before
        self._added = added
        self._note = note

    def take_over(self, request: ImportRequest, rights: Rights = PERSON) -> ImportAnswer:
        """Store what has a uid that was never met. The rest stays as it is here, also what was forgotten or purged."""
        if len(request.memories) > self._limits.batch:
            raise InvalidRequest(
                f"`memories` holds {len(request.memories)}; the most is {self._limits.batch} (setting limits.batch)",
                "memories",
            )
        prefixes = [f"memories[{place}]." for place in range(len(request.memories))]
        drafts = [
            self._draft(one, prefix, rights) for one, prefix in zip(request.memories, prefixes, strict=True)
        ]
        masked = self._before.add(drafts, wish_of(request.secrets, rights), prefixes)
        results, fresh = self._judged(request.memories, drafts, rights)
        if fresh and not request.dry_run:
            self._store(fresh, results, rights)
        return ImportAnswer(
            success=True,
            results=results,
            counts=dict(Counter(one.outcome for one in results)),
            dry_run=request.dry_run,
            masked=masked or UNSET,
        )

    def _judged(
        self, memories: Sequence[ImportedMemory], drafts: Sequence[Draft], rights: Rights
    ) -> tuple[list[ImportResult], dict[str, Draft]]:
        """Return what becomes of each memory, and by uid those that are to be stored."""
        named = {one.supersedes for one in memories if one.supersedes is not None}
        known, there = self._known({one.uid for one in memories} | named)
        # Nobody is told of a memory that may not be seen: it is stored once more, under a uid of its own.
        hidden = [uid for uid, one in there.items() if not rights.may_read(one.project)]
        others = {uid: named_uid(f"{rights.actor}\n{uid}") for uid in hidden}
        known_others, there_others = self._known(others.values()) if others else ({}, {})
        known, there = known | known_others, there | there_others
        fresh: dict[str, Draft] = {}
        results = []
        for one, draft in zip(memories, drafts, strict=True):
            uid = others.get(one.uid, one.uid)
            memory = there.get(uid)
            outcome = _outcome(draft, known.get(uid), memory, fresh.get(one.uid))
            reason = _REASONS[outcome]
            if outcome == "new":
                older = there.get(one.supersedes or "")
                if older is not None and older.project == draft.project:
                    draft = replace(draft, supersedes=older.id)
                elif one.supersedes is not None:
                    reason = "what it replaces is not in its project here"
                fresh[one.uid] = replace(draft, uid=uid)
            number = None if memory is None else memory.id
            results.append(ImportResult(uid=one.uid, outcome=outcome, id=number, reason=reason))
        return results, fresh

    def _known(self, uids: Collection[str]) -> tuple[dict[str, Standing], dict[str, Memory]]:
        with everything_seen():
            known = self._engine.store.known(uids)
            found = self._engine.store.get([one.memory_id for one in known.values() if one.state == "there"])
        return known, {one.uid: one for one in found}

    def _draft(self, one: ImportedMemory, prefix: str, rights: Rights) -> Draft:
        if not is_uid(one.uid):
            raise InvalidRequest(f"`{prefix}uid` is no UUID of version 7 in small letters", f"{prefix}uid")
        memory = NewMemory(
            text=one.text,
            source=one.source,
            metadata=one.metadata,
            project=one.project,
            tags=one.tags,
            cues=one.cues,
            timestamp=one.timestamp,
        )
        return replace(draft_of(memory, prefix, rights, self._limits), uid=one.uid, by=BY)

    def _store(self, fresh: dict[str, Draft], results: Sequence[ImportResult], rights: Rights) -> None:
        added = self._engine.add(list(fresh.values()), None)
        ids = dict(zip(fresh, (one.id for one in added), strict=True))
        for result in results:
            result.id = ids.get(result.uid, result.id)
        stored = [one for one in ids.values() if one is not None]
        self._note(rights, "imported", [draft.project for draft in fresh.values()], stored)
        self._added("memories_added", stored)


def _outcome(draft: Draft, known: Standing | None, there: Memory | None, fresh: Draft | None) -> Outcome:
    """Return what becomes of a memory; of two with one uid in a request the first counts."""
    if known is not None and known.state != "there":
        return known.state
    text = there.text if there is not None else fresh.text if fresh is not None else None
    if text is None:
        return "new"
    return "known" if text == draft.text else "conflict"
