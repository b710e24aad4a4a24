"""Putting memories in order: tags and projects get other names, memories move, and what was forgotten comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import UNSET

from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.engine.whole_memories import bring_back
from faiss_memory.errors import Conflict, InvalidRequest, MemoryNotFound
from faiss_memory.memory import Change, Filter, Memory
from faiss_memory.plugin_host import PluginHost
from faiss_memory.rights import PERSON, Rights
from faiss_memory.schema import DropProjectAnswer, MemoryAnswer, tending
from faiss_memory.schema.limits import check_tags
from faiss_memory.service import messages
from faiss_memory.service.claims import Claims
from faiss_memory.settings import Limits
from faiss_memory.team.team import Note

Rewrite = Callable[[Mapping[int, Change]], int]
"""Changes memories, all or nothing, as the rules of the service have it; gives how many were there."""
MOST = 10_000_000
"""Memories: all there are."""


class Arranging:
    """What a person does with many memories at once; raises what the service raises."""

    def __init__(
        self,
        limits: Limits,
        engine: MemoryEngine,
        plugins: PluginHost,
        claims: Claims,
        rewrite: Rewrite,
        note: Note,
    ) -> None:
        self._limits = limits
        self._claims = claims
        self._engine = engine
        self._plugins = plugins
        self._rewrite = rewrite
        self._note = note

    def rename_tag(self, request: tending.RenameTagRequest, rights: Rights = PERSON) -> tending.ChangedAnswer:
        """Call a tag otherwise. Raises MemoryNotFound when no memory bears it."""
        (old,) = check_tags([request.old], 1, "from")
        (new,) = check_tags([request.to], 1, "to")
        everywhere = request.project in (UNSET, "*")
        projects = rights.changes if everywhere else (rights.to_change(str(request.project)),)
        ids = self._engine.store.matching_ids(Filter(projects=projects, tags=(old,), include_superseded=True))
        if not ids:
            where = "" if everywhere or not projects else f" of project `{projects[0]}`"
            raise MemoryNotFound(f"no memory{where} has the tag `{old}`", "from")
        if old == new:
            return tending.ChangedAnswer(success=True, changed=0)
        changes = {}
        for memory in self._engine.store.get(ids):
            renamed = (new if tag == old else tag for tag in memory.tags)
            changes[memory.id] = Change(tags=tuple(dict.fromkeys(renamed)))
        changed = self._rewrite(changes)
        self._note(rights, "tag renamed", projects or ["*"], ids)
        return tending.ChangedAnswer(success=True, changed=changed)

    def rename_project(
        self, old: str, request: tending.NewName, rights: Rights = PERSON
    ) -> tending.MovedAnswer:
        """Call a project otherwise, or let another take it in.

        The folders that have it follow. Raises MemoryNotFound, and Conflict if there is one of that name.
        """
        rights.to_arrange(old, "name")
        rights.to_arrange(request.to, "to")
        there = {one.name for one in self._engine.store.projects()}
        if old not in there:
            raise MemoryNotFound(f"there is no project `{old}`", "name")
        if old == request.to:
            raise InvalidRequest(f"`to`: the project is called `{old}` already", "to")
        if request.to in there and not request.merge:
            raise Conflict(
                f'there is a project `{request.to}` already; with "merge": true it takes the memories in',
                "to",
            )
        ids = self._engine.store.matching_ids(Filter(projects=(old,), include_superseded=True))
        moved = self._rewrite(dict.fromkeys(ids, Change(project=request.to))) if ids else 0
        self._claims.rename(old, request.to)
        self._engine.store.drop_project(old)
        self._note(rights, "project renamed", [old, request.to], ids)
        return tending.MovedAnswer(success=True, moved=moved, missing=[], project=request.to)

    def drop_project(self, name: str, rights: Rights = PERSON) -> DropProjectAnswer:
        """Forget a project with all its memories. Raises MemoryNotFound."""
        rights.to_arrange(name, "name")
        ids = self._engine.store.matching_ids(Filter(projects=(name,), include_superseded=True))
        forgotten = self._engine.store.drop_project(name)
        self._note(rights, "project dropped", [name], ids)
        if ids:
            self._plugins.notify("memories_removed", ids=ids)
        return DropProjectAnswer(
            success=True,
            project=name,
            forgotten=forgotten,
            message="Project forgotten; backups made before still hold it",
        )

    def move(self, request: tending.MoveRequest, rights: Rights = PERSON) -> tending.MovedAnswer:
        """Move memories to another project, with what they superseded and what supersedes them."""
        if len(request.ids) > self._limits.batch:
            raise InvalidRequest(
                f"`ids` holds {len(request.ids)}; the most is {self._limits.batch} (setting limits.batch)",
                "ids",
            )
        rights.to_write(request.project)
        found = [
            rights.changeable(one.id, [one], "ids")
            for one in self._engine.store.get(list(dict.fromkeys(request.ids)))
            if rights.may_read(one.project)
        ]
        missing = sorted(set(request.ids) - {memory.id for memory in found})
        moving = self._with_histories([one for one in found if one.project != request.project])
        changes = dict.fromkeys(sorted(moving), Change(project=request.project))
        moved = self._rewrite(changes) if changes else 0
        self._note(rights, "moved", [*{one.project for one in found}, request.project], sorted(moving))
        return tending.MovedAnswer(success=True, moved=moved, missing=missing, project=request.project)

    def _with_histories(self, memories: Sequence[Memory]) -> set[int]:
        """Return memories by id, with all that they are joined to by superseding: a history lies in one project."""
        ids = {memory.id for memory in memories}
        joined = {
            memory.project for memory in memories if memory.supersedes or memory.superseded_by is not None
        }
        if not joined:
            return ids
        where = Filter(projects=tuple(joined), include_superseded=True)
        links: dict[int, set[int]] = {}
        for memory in self._engine.store.select(where, limit=MOST):
            if memory.supersedes is not None:
                links.setdefault(memory.id, set()).add(memory.supersedes)
                links.setdefault(memory.supersedes, set()).add(memory.id)
        fresh = set(ids)
        while fresh:
            fresh = {other for one in fresh for other in links.get(one, ())} - ids
            ids |= fresh
        return ids

    def forgotten(self, request: tending.ForgottenRequest) -> tending.ForgottenAnswer:
        """List the memories that were forgotten and can come back. Raises NotSupported where no copies are kept."""
        found = [
            tending.ForgottenMemory(
                **messages.memory_fields(one.memory),
                forgotten_at=None if one.forgotten_at is None else messages.time_text(one.forgotten_at),
            )
            for one in self._engine.backups.forgotten(request.limit)
        ]
        return tending.ForgottenAnswer(memories=found, count=len(found))

    def bring_back(self, memory_id: int) -> MemoryAnswer:
        """Store a memory again that was forgotten, under its id.

        Raises Conflict if it is there, MemoryNotFound if no backup holds it, or it was purged.
        """
        if self._engine.store.get([memory_id]):
            raise Conflict(f"memory {memory_id} is there: nothing is to be brought back", "id")
        memory = bring_back(self._engine, memory_id)
        self._note(PERSON, "brought back", [memory.project], [memory_id])
        self._plugins.notify("memories_added", memories=[memory])
        return messages.memory(memory)
