"""Secrets that are stored already: which memories hold some, and masking them so that no file holds them any more.

A memory is masked by a copy of it, with its times, its origin and its place among what replaces what, and by the purge
of the memory itself: what it said before may stand in every backup, and only a purge rewrites these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from msgspec import UNSET, structs

from faiss_memory import schema
from faiss_memory.contracts.backups import Backups
from faiss_memory.contracts.merging import LONG_AGO, Arrival
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.engine.whole_memories import merge
from faiss_memory.errors import InvalidRequest
from faiss_memory.memory import Change, Draft, Filter, Memory, Origin
from faiss_memory.rights import PERSON, Rights
from faiss_memory.service import messages
from faiss_memory.service.forgetting import Forgetting
from faiss_memory.service.guarding import Guard
from faiss_memory.settings import Limits
from faiss_memory.team.team import Note
from faiss_memory.uids import named_uid

AT_ONCE = 500


class StoredSecrets:
    """Finds and masks them; raises what the service raises."""

    def __init__(
        self,
        limits: Limits,
        engine: MemoryEngine,
        guard: Guard,
        forgetting: Forgetting,
        tell: Callable[[str, Sequence[int]], None],
        note: Note,
    ) -> None:
        self._limits = limits
        self._engine = engine
        self._guard = guard
        self._forgetting = forgetting
        self._tell = tell
        self._note = note

    def scan(self, request: schema.ScanRequest, rights: Rights = PERSON) -> schema.ScanAnswer:
        """Look through what is stored, and tell which memories hold secrets, the oldest first."""
        where = Filter(projects=rights.to_read(request.project), include_superseded=True)
        findings, scanned = self._found(where, past=request.past and rights.is_person)
        return schema.ScanAnswer(
            findings=[*findings.values()],
            count=len(findings),
            scanned=scanned,
            project=messages.format_projects(where.projects),
        )

    def count(self) -> int | None:
        """Return how many memories that are there hold secrets; None where looking through all would take long."""
        every = Filter(projects=None, include_superseded=True)
        if self._engine.store.count(every) > schema.MOST_LOOKED_THROUGH:
            return None
        return len(self._found(every, past=False)[0])

    def mask(self, request: schema.MaskRequest, rights: Rights = PERSON) -> schema.MaskAnswer:
        """Mask the secrets in what is stored; raises InvalidRequest for too many ids, and what a purge raises."""
        asked = None if request.ids is UNSET else set(request.ids)
        if asked is not None and len(asked) > self._limits.batch:
            raise InvalidRequest(
                f"`ids` holds {len(asked)}; the most is {self._limits.batch} (setting limits.batch)", "ids"
            )
        where = Filter(projects=rights.where_it_arranges().to_read(request.project), include_superseded=True)
        found, _ = self._found(where, past=request.past and rights.is_person)
        wanted = {key: one for key, one in found.items() if asked is None or key in asked}
        new: Mapping[int, int] = {}
        answer = schema.MaskAnswer(
            success=True,
            masked=[],
            count=len(wanted),
            rewritten=0,
            removed=[],
            dry_run=request.dry_run,
            project=messages.format_projects(where.projects),
        )
        if wanted and not request.dry_run:
            copied = [key for key, one in wanted.items() if one.place != "forgotten"]
            origins = self._engine.store.origins_of(copied)
            new = self._copied(copied)
            done = self._forgetting.purge_by_id(sorted(wanted), rights, prove=request.proof)
            self._give(origins, new)
            purged = messages.purge_answer(done, [], where, dry_run=False)
            answer = structs.replace(
                answer, rewritten=purged.rewritten, removed=purged.removed, proof=purged.proof
            )
            self._note(rights, "masked", sorted({one.project for one in wanted.values()}), [*new.values()])
            self._tell("memories_added", [*new.values()])
        answer.masked = [
            schema.MaskedMemory(**structs.asdict(one), new_id=new.get(key)) for key, one in wanted.items()
        ]
        return answer

    def _found(self, where: Filter, *, past: bool) -> tuple[dict[int, schema.ScanFinding], int]:
        """Return what is found, by id, and how many memories were looked at."""
        findings: dict[int, schema.ScanFinding] = {}
        projects: dict[str, str] = {}
        scanned = 0
        for memory in self._there(where):
            scanned += 1
            projects[memory.uid] = memory.project
            self._look(memory, "there", findings)
        store = self._engine.store
        for memory in store.past() if past and isinstance(store, Backups) else ():
            if memory.uid in projects:
                self._look(replace(memory, project=projects[memory.uid]), "earlier", findings)
            elif where.projects is None or memory.project in where.projects:
                self._look(memory, "forgotten", findings)
        return findings, scanned

    def _look(self, memory: Memory, place: schema.Place, findings: dict[int, schema.ScanFinding]) -> None:
        if memory.id in findings:
            return
        fields, kinds = self._guard.found(memory)
        if kinds:
            findings[memory.id] = schema.ScanFinding(
                id=memory.id, project=memory.project, fields=fields, kinds=kinds, place=place
            )

    def _there(self, where: Filter) -> Iterator[Memory]:
        after = None
        while memories := self._engine.store.select(where, order="oldest", limit=AT_ONCE, after=after):
            yield from memories
            after = (memories[-1].timestamp, memories[-1].id)

    def _copied(self, ids: Sequence[int]) -> dict[int, int]:
        """Store a masked copy of each memory, in its place among what replaces what; returns new ids by old ones."""
        memories = {one.id: one for one in self._engine.store.get(ids)}
        # Always the same: where a kill has left a copy beside its memory, the next time there is no second one.
        uids = {one.uid: named_uid(f"masked\n{one.uid}") for one in memories.values()}
        following = {one.superseded_by for one in memories.values()} - memories.keys() - {None}
        successors = self._engine.store.get([one for one in following if one is not None])
        now = datetime.now(UTC)
        new: dict[int, int] = {}
        for start in range(0, len(ids), AT_ONCE):
            batch = [memories[one] for one in ids[start : start + AT_ONCE] if one in memories]
            done = merge(
                self._engine, [self._arrival(one, uids[one.uid], _renamed(one, uids)) for one in batch]
            )
            new |= {
                one.id: told.memory_id
                for one, told in zip(batch, done, strict=True)
                if told.memory_id is not None
            }
        relinked = [
            replace(self._arrival(one, one.uid, _renamed(one, uids)), revision=one.revision + 1, changed=now)
            for one in successors
        ]
        if relinked:
            merge(self._engine, relinked)
        return new

    def _give(self, origins: Mapping[int, Origin], new: Mapping[int, int]) -> None:
        """Let copies have the origins that the memories had: of a part of a file there is only one at a time."""
        changes = {
            new[old]: self._guard.masked(Change(origin=one))[0] for old, one in origins.items() if old in new
        }
        if changes:
            self._engine.rewrite([], changes, [])

    def _arrival(self, memory: Memory, uid: str, supersedes: str | None) -> Arrival:
        draft = Draft(
            text=memory.text, project=memory.project, source=memory.source, tags=memory.tags, cues=memory.cues,
            metadata=memory.metadata, timestamp=memory.timestamp, by=memory.by, actor=memory.actor,
            uid=uid, valid_until=memory.valid_until,
        )  # fmt: skip
        return Arrival(
            uid=uid,
            draft=self._guard.masked(draft)[0],
            revision=memory.revision,
            changed=memory.changed or LONG_AGO,
            supersedes=supersedes,
        )


def _renamed(memory: Memory, uids: Mapping[str, str]) -> str | None:
    """Return the uid of what a memory replaces, which may have a new one."""
    older = memory.supersedes_uid
    return None if older is None else uids.get(older, older)
