"""Taking memories over from elsewhere: of what was met before the later state counts, there or here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import UNSET

from faiss_memory.contracts.merging import LONG_AGO, Arrival, Merged
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.engine.whole_memories import merge
from faiss_memory.errors import Conflict, InvalidRequest
from faiss_memory.memory import DEFAULT_PROJECT, Draft, Origin
from faiss_memory.plugin_host import PluginHost
from faiss_memory.rights import PERSON
from faiss_memory.schema import NewMemory
from faiss_memory.schema.importing import ImportAnswer, ImportedMemory, ImportRequest, ImportResult, Outcome
from faiss_memory.schema.limits import check_time
from faiss_memory.service.before_writing import BeforeWriting
from faiss_memory.service.drafts import draft_of
from faiss_memory.service.export_formats import hash_of
from faiss_memory.service.purging import purge_by_id
from faiss_memory.settings import Limits
from faiss_memory.uids import is_uid

BY = "import"
LOST = "what it replaces is not in its project here"
GONE = ("forgotten", "purged")
_REASONS: dict[Outcome, str] = {
    "kept": "it was changed here since, and stays so",
    "conflict": "it says something else here, and stays so",
    "forgotten": "it was forgotten here",
    "purged": "it was purged here",
    "superseded": "what replaces it is not here",
}


class Importing:
    """Knows each memory by its uid; raises what the service raises, NotSupported where the store cannot merge."""

    def __init__(
        self,
        limits: Limits,
        engine: MemoryEngine,
        plugins: PluginHost,
        before: BeforeWriting,
        tell: Callable[[str, Sequence[int]], None],
    ) -> None:
        self._limits = limits
        self._engine = engine
        self._plugins = plugins
        self._before = before
        self._tell = tell

    def take_over(self, request: ImportRequest) -> ImportAnswer:
        """Merge memories with what is here, in one transaction; what was purged there is purged here after it."""
        if len(request.memories) > self._limits.batch:
            raise InvalidRequest(
                f"`memories` holds {len(request.memories)}; the most is {self._limits.batch} (setting limits.batch)",
                "memories",
            )
        arrivals, masked = self._arrivals(request)
        waiting = self._without_successor(request.memories)
        _check_waiting(request.memories, waiting)
        chosen = [one for one in arrivals if one.uid not in waiting]
        merged = iter(merge(self._engine, chosen, dry_run=request.dry_run))
        done = [None if one.uid in waiting else next(merged) for one in arrivals]
        if not request.dry_run:
            self._follow(done)
        return self._answer(request, done, masked)

    def _answer(
        self, request: ImportRequest, done: Sequence[Merged | None], masked: Sequence[str]
    ) -> ImportAnswer:
        results = []
        lost = self._lost(request.memories)
        for one, merged in zip(request.memories, done, strict=True):
            outcome: Outcome = "superseded" if merged is None else merged.outcome
            is_there = merged is not None and outcome not in ("purge", "forget")
            number = merged.memory_id if merged is not None and (is_there or request.dry_run) else None
            reason = LOST if outcome == "new" and one.uid in lost else _REASONS.get(outcome, "")
            results.append(ImportResult(uid=one.uid, outcome=outcome, id=number, reason=reason))
        return ImportAnswer(
            success=True,
            results=results,
            counts=dict(Counter(one.outcome for one in results)),
            dry_run=request.dry_run,
            masked=list(masked) or UNSET,
        )

    def _follow(self, done: Sequence[Merged | None]) -> None:
        """Purge what was purged there, and tell the plugins of everything."""
        ids: dict[str, list[int]] = {}
        for one in done:
            if one is not None and one.memory_id is not None:
                ids.setdefault(one.outcome, []).append(one.memory_id)
        self._tell("memories_added", [*ids.get("new", ()), *ids.get("back", ())])
        self._tell("memories_changed", ids.get("changed", ()))
        if gone := ids.get("forget"):
            self._plugins.notify("memories_removed", ids=gone)
        if purged := ids.get("purge"):
            purge_by_id(sorted(set(purged)), self._engine, self._plugins)

    def _lost(self, memories: Sequence[ImportedMemory]) -> set[str]:
        """Return those of other programs whose older one is not in their project, and does not arrive with them."""
        older = {one.supersedes for one in memories if one.supersedes is not None and one.revision is None}
        known = self._engine.store.known(older)
        there = {
            one.uid: one.project for one in self._engine.store.get([at.memory_id for at in known.values()])
        }
        there |= {one.uid: one.project or DEFAULT_PROJECT for one in memories}
        return {
            one.uid
            for one in memories
            if one.supersedes in older and there.get(one.supersedes or "") != (one.project or DEFAULT_PROJECT)
        }

    def _without_successor(self, memories: Sequence[ImportedMemory]) -> set[str]:
        """Return those that something replaces which is neither here nor arrives with them.

        In a bundle of some of the memories it may lack; alone they would count again.
        """
        replaced = {one.uid: one.superseded_by for one in memories if one.superseded_by is not None}
        arriving = {one.uid for one in memories}
        named = {uid for uid in replaced.values() if uid not in arriving}
        known = self._engine.store.known(named | replaced.keys())
        return {uid for uid, newer in replaced.items() if newer in named - known.keys() and uid not in known}

    def _arrivals(self, request: ImportRequest) -> tuple[list[Arrival], list[str]]:
        """Return the memories as they may be written, and the kinds of secrets that were masked in them."""
        drafts: list[Draft] = []
        prefixes: list[str] = []
        for place, one in enumerate(request.memories):
            prefix = f"memories[{place}]."
            _check(one, prefix)
            if one.state not in GONE:
                drafts.append(self._draft(one, prefix))
                prefixes.append(prefix)
        masked = self._before.add(drafts, request.secrets, prefixes)
        said = iter(drafts)
        return [_arrival(one, None if one.state in GONE else next(said)) for one in request.memories], masked

    def _draft(self, one: ImportedMemory, prefix: str) -> Draft:
        timestamp = one.timestamp if one.revision is None else one.timestamp or one.changed_at or LONG_AGO
        memory = NewMemory(
            text=one.text or "",
            source=one.source,
            metadata=one.metadata,
            project=one.project,
            tags=one.tags,
            cues=one.cues,
            timestamp=timestamp,
            valid_until=one.valid_until,
        )
        draft = draft_of(memory, prefix, PERSON, self._limits)
        return replace(
            draft, uid=one.uid, by=one.by or (BY if one.revision is None else None), origin=_origin(one)
        )


def _check(one: ImportedMemory, prefix: str) -> None:
    for name in ("uid", "supersedes", "superseded_by"):
        uid = getattr(one, name)
        if uid is not None and not is_uid(uid):
            raise InvalidRequest(
                f"`{prefix}{name}` is no UUID of version 7 in small letters", f"{prefix}{name}"
            )
    check_time(one.changed_at, f"{prefix}changed_at")
    if one.state in GONE and one.text is not None:
        raise InvalidRequest(f"`{prefix}text`: what is {one.state} has none; leave it out", f"{prefix}text")
    if one.state not in GONE and one.text is None:
        raise InvalidRequest(f"`{prefix}text` is missing, and its state is `{one.state}`", f"{prefix}text")
    if one.state == "forgotten" and one.revision is None:
        raise InvalidRequest(
            f"`{prefix}revision` is missing: nobody can tell which is later", f"{prefix}revision"
        )
    if one.hash is not None and one.text is not None and one.hash != hash_of(one.text):
        raise InvalidRequest(
            f"`{prefix}hash` is not that of the text: it was changed since; leave `hash` out to take it as it is",
            f"{prefix}hash",
        )


def _arrival(one: ImportedMemory, draft: Draft | None) -> Arrival:
    changed = check_time(one.changed_at, "changed_at") or (draft.timestamp if draft else None) or LONG_AGO
    return Arrival(
        uid=one.uid,
        draft=draft,
        revision=one.revision,
        changed=changed,
        supersedes=one.supersedes if draft is not None else None,
        purged=one.state == "purged",
        project=one.project or "",
        expected=None if one.expected == "superseded" else one.expected,
    )


def _check_waiting(memories: Sequence[ImportedMemory], waiting: Collection[str]) -> None:
    for one in memories:
        if one.expected is not None and (one.expected == "superseded") != (one.uid in waiting):
            raise Conflict(
                f"memory {one.uid} is not any more as the preview had it: what replaces it came or went; nothing was "
                "stored: look at a new preview"
            )


def _origin(one: ImportedMemory) -> Origin | None:
    """Return which file a memory was built from, if that is here: a build then knows it again."""
    if one.origin is None or "\0" in one.origin.file:
        return None
    file = Path(one.origin.file)
    is_here = file.is_absolute() and file.is_file()
    return Origin(str(file), one.origin.place, one.origin.text, one.origin.details) if is_here else None
