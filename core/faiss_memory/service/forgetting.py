"""Forgetting and purging memories: within the rights of who asks, noted, and told to the plugins in time."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from faiss_memory import schema
from faiss_memory.contracts.store import Purged
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.errors import MemoryNotFound
from faiss_memory.plugin_host import PluginHost
from faiss_memory.rights import Rights
from faiss_memory.service import messages
from faiss_memory.service.selection import named_alone, select_memories
from faiss_memory.service.vocabulary import Vocabulary
from faiss_memory.settings import Limits
from faiss_memory.team.team import Team


class Forgetting:
    """Takes memories away; raises what the service raises."""

    def __init__(
        self, limits: Limits, engine: MemoryEngine, plugins: PluginHost, vocabulary: Vocabulary, team: Team
    ) -> None:
        self._limits = limits
        self._engine = engine
        self._plugins = plugins
        self._vocabulary = vocabulary
        self._team = team

    def one(self, memory_id: int, rights: Rights) -> schema.ForgetOneAnswer:
        """Take one memory out of every answer. Raises MemoryNotFound."""
        memory = rights.changeable(memory_id, self._engine.store.get([memory_id]))
        if not self._engine.store.forget([memory_id]):
            raise MemoryNotFound(f"there is no memory {memory_id}")
        self._team.note(rights, "forgotten", [memory.project], [memory_id])
        self._plugins.notify("memories_removed", ids=[memory_id])
        return schema.ForgetOneAnswer(
            success=True,
            id=memory_id,
            project=memory.project,
            message="Memory forgotten; backups made before still hold it",
        )

    def several(self, request: schema.ForgetRequest, rights: Rights) -> schema.ForgetAnswer:
        """Take the memories that meet every condition out of every answer."""
        store = self._engine.store
        asked, where, ids = select_memories(request, self._limits, store, self._vocabulary, rights)
        gone = ids if request.dry_run else self._forget(ids, rights)
        return schema.ForgetAnswer(
            success=True,
            ids=gone,
            count=len(gone),
            missing=sorted((asked or set()) - set(gone)),
            dry_run=request.dry_run,
            project=messages.format_projects(where.projects),
        )

    def _forget(self, ids: Sequence[int], rights: Rights) -> list[int]:
        projects = self._projects_of(ids)
        gone = self._engine.store.forget(ids) if ids else []
        if gone:
            self._team.note(rights, "forgotten", projects, gone)
            self._plugins.notify("memories_removed", ids=gone)
        return gone

    def _projects_of(self, ids: Sequence[int]) -> list[str]:
        """Name the projects of memories, for the log: where there is no team, nobody needs to know."""
        return sorted({one.project for one in self._engine.store.get(ids)}) if self._team.exists else []

    def purge(self, request: schema.PurgeRequest, rights: Rights) -> schema.PurgeAnswer:
        """Purge the memories that a request names; by id alone, those too that were forgotten before.

        Raises InvalidRequest for a request that names none, and what the engine raises.
        """
        seen = rights.where_it_arranges()
        asked, where, there = select_memories(
            request, self._limits, self._engine.store, self._vocabulary, seen
        )
        # (Of what was forgotten before nobody knows the project: only who looks after all of them purges that.)
        by_id = asked is not None and named_alone(request) and rights.admins is None
        ids = sorted(asked or ()) if by_id else there
        done = self.purge_by_id(ids, rights, dry_run=request.dry_run, prove=request.proof)
        return messages.purge_answer(done, sorted((asked or set()) - set(done.ids)), where, request.dry_run)

    def purge_by_id(
        self, ids: Sequence[int], rights: Rights, *, dry_run: bool = False, prove: bool = False
    ) -> Purged:
        """Purge memories that may be purged, those too that were forgotten before; raises what the engine raises."""

        def let_go(ids: Sequence[int], texts: Collection[str]) -> None:
            self._plugins.notify("memories_purged", ids=ids, texts=texts)

        there = self._engine.store.get(ids)
        if not dry_run:  # already now, lest it be cut short
            let_go(ids, {memory.text for memory in there})
        done = self._engine.purge(ids, dry_run=dry_run, prove=prove, let_go=let_go)
        if not dry_run:
            self._team.note(rights, "purged", sorted({memory.project for memory in there}), done.ids)
            if removed := sorted({memory.id for memory in there} & set(done.ids)):
                self._plugins.notify("memories_removed", ids=removed)
        return done
