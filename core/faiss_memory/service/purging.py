"""Purging memories, and telling the plugins of it in time."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from faiss_memory import schema
from faiss_memory.contracts.store import Purged
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.plugin_host import PluginHost
from faiss_memory.service import messages
from faiss_memory.service.selection import named_alone, select_memories
from faiss_memory.service.vocabulary import Vocabulary
from faiss_memory.settings import Limits


def purge_memories(
    request: schema.PurgeRequest,
    limits: Limits,
    engine: MemoryEngine,
    plugins: PluginHost,
    vocabulary: Vocabulary,
) -> schema.PurgeAnswer:
    """Purge the memories that a request names; by id alone, those too that were forgotten before.

    Raises InvalidRequest for a request that names none, and what the engine raises.
    """
    asked, where, there = select_memories(request, limits, engine.store, vocabulary)
    ids = sorted(asked) if asked is not None and named_alone(request) else there

    done = purge_by_id(ids, engine, plugins, dry_run=request.dry_run, prove=request.proof)
    return messages.purge_answer(done, sorted((asked or set()) - set(done.ids)), where, request.dry_run)


def purge_by_id(
    ids: Sequence[int],
    engine: MemoryEngine,
    plugins: PluginHost,
    *,
    dry_run: bool = False,
    prove: bool = False,
) -> Purged:
    """Purge memories, those too that were forgotten before; raises what the engine raises."""

    def let_go(ids: Sequence[int], texts: Collection[str]) -> None:
        plugins.notify("memories_purged", ids=ids, texts=texts)

    there = engine.store.get(ids)
    if not dry_run:  # already now, lest it be cut short
        let_go(ids, {memory.text for memory in there})
    done = engine.purge(ids, dry_run=dry_run, prove=prove, let_go=let_go)
    if not dry_run and (removed := sorted({memory.id for memory in there} & set(done.ids))):
        plugins.notify("memories_removed", ids=removed)
    return done
