"""What is done with whole stored memories: finding others like them, bringing back a forgotten one, merging."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory.contracts.merging import WRITTEN, Arrival, Merged, Merging
from faiss_memory.contracts.store import Closest
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.engine.models import embed, embedded
from faiss_memory.errors import MemoryNotFound, NotSupported
from faiss_memory.memory import Filter, Memory


def bring_back(engine: MemoryEngine, memory_id: int) -> Memory:
    """Embed and store again a memory that was forgotten. Raises MemoryNotFound if no copy holds it."""
    found = engine.backups.forgotten(1, [memory_id])
    if not found:
        raise MemoryNotFound(
            f"memory {memory_id} cannot come back: no backup and no log holds it, or it was purged", "id"
        )
    with engine.lent_models(needed=False) as models:
        return engine.backups.bring_back(found[0], embedded(models, [found[0].memory])[0])


def merge(engine: MemoryEngine, arrivals: Sequence[Arrival], *, dry_run: bool = False) -> list[Merged]:
    """Embed and take over what memories have become elsewhere, where that counts.

    Raises NotSupported for a store that cannot, Conflict where something else was expected.
    """
    store = engine.store
    if not isinstance(store, Merging):
        raise NotSupported("the store cannot merge memories; it lacks what `faiss_memory.Merging` promises")
    told = store.merge(arrivals, dry_run=True)
    if dry_run or not any(one.outcome in WRITTEN for one in told):
        return told
    wanted = {
        place: arrival.draft
        for place, (arrival, one) in enumerate(zip(arrivals, told, strict=True))
        if one.outcome in WRITTEN and arrival.draft is not None
    }
    with engine.lent_models(needed=False) as models:
        parts = dict(zip(wanted, embedded(models, list(wanted.values())), strict=True))
        done = store.merge(arrivals, [parts.get(place) for place in range(len(arrivals))])
        # What others have changed meanwhile may have let more of them count.
        late = [
            one.memory_id
            for place, one in enumerate(done)
            if one.memory_id is not None and one.outcome in WRITTEN and place not in wanted
        ]
        engine.embed_anew(models, late)
    return done


def near(engine: MemoryEngine, memories: Sequence[Memory], where: Filter, k: int) -> list[list[Closest]]:
    """Find for each of some memories the k others that are most like it, the nearest first.

    Raises EmbedderError or NotReady without a model.
    """
    with engine.lent_models(needed=True) as models:
        assert models is not None
        embeddings = embed(models.answering, memories)
        return [
            _others(memory, engine.store.closest(embedding, where, k + 1))[:k]
            for memory, embedding in zip(memories, embeddings, strict=True)
        ]


def _others(memory: Memory, near: Sequence[Sequence[Closest]]) -> list[Closest]:
    """Join what the passages of a memory are near to, itself aside: each other memory once, by its nearest passage."""
    best: dict[int, Closest] = {}
    for one in (one for found in near for one in found if one.memory.id != memory.id):
        known = best.get(one.memory.id)
        if known is None or known.similarity < one.similarity:
            best[one.memory.id] = one
    return sorted(best.values(), key=lambda one: (-one.similarity, one.memory.id))
