"""Purging memories, and telling the plugins of it in time."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from faiss_memory import schema
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

    def let_go(ids: Sequence[int], texts: Collection[str]) -> None:
        plugins.notify("memories_purged", ids=ids, texts=texts)

    if not request.dry_run:  # already now, lest it be cut short
        let_go(ids, {memory.text for memory in engine.store.get(ids)})
    done = engine.purge(ids, dry_run=request.dry_run, prove=request.proof, let_go=let_go)
    if not request.dry_run and (removed := sorted(set(there) & set(done.ids))):
        plugins.notify("memories_removed", ids=removed)
    return messages.purge_answer(done, sorted((asked or set()) - set(done.ids)), where, request.dry_run)
