"""What is asked for memories as they are stored: which others are like them, and to have one back."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory.contracts.store import Closest
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.engine.models import embed, embedded
from faiss_memory.errors import MemoryNotFound
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
