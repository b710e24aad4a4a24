"""Storing drafts; one that is to be stored only if it is novel is left out if it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from faiss_memory.contracts.comparing import cosines, metric_in
from faiss_memory.contracts.embedder import Embedding
from faiss_memory.contracts.store import Added, Closest
from faiss_memory.memory import Draft, Filter, Memory
from faiss_memory.novelty.known import LOOKED_AT, is_known, nearest_known
from faiss_memory.store.records.changes import Changes
from faiss_memory.store.records.database import Truth


class _Fresh(NamedTuple):
    """What the same call has just stored, which no index knows yet."""

    memory: Memory
    embedding: Embedding


def add_novel(
    truth: Truth,
    drafts: Sequence[Draft],
    embeddings: Sequence[Embedding | None],
    closest: Callable[[Embedding, Filter, int], list[list[Closest]]],
    changes: Changes,
) -> list[Added]:
    """Store drafts, except those with a twin among what is stored or among the drafts before them."""
    if all(draft.if_novel is None for draft in drafts):
        return [Added(memory_id) for memory_id in truth.add(drafts, embeddings, changes)]
    pairs = list(zip(drafts, embeddings, strict=True))
    # All of them before the first is written: a damaged index is made anew from what is in the truth, and
    # nothing that is not committed may get into it.
    stored = [
        []
        if draft.if_novel is None or embedding is None
        else closest(embedding, Filter(projects=(draft.project,)), LOOKED_AT)
        for draft, embedding in pairs
    ]
    added: list[Added] = []
    fresh: list[_Fresh] = []
    for (draft, embedding), near in zip(pairs, stored, strict=True):
        found = None
        if draft.if_novel is not None and embedding is not None:
            here = [one for one in fresh if one.memory.project == draft.project]
            found = nearest_known(
                draft.text, embedding.passages, _with_fresh(embedding, near, here), draft.if_novel
            )
        twin = None if found is None else (found.closest.memory.id, found.closest.similarity)
        if draft.if_novel is not None and is_known(found, draft.if_novel):
            added.append(Added(None, twin))
            continue
        memory_id = truth.add([draft], [embedding], changes)[0]
        is_near = found is not None and found.closest.similarity >= (draft.if_novel or 0)
        added.append(Added(memory_id, twin if is_near else None))
        if embedding is not None:
            fresh.append(_Fresh(changes.stored[memory_id].memory, embedding))
    return added


def _with_fresh(
    embedding: Embedding, near: Sequence[Sequence[Closest]], fresh: Sequence[_Fresh]
) -> list[list[Closest]]:
    """Put what the same call has stored among what is near to each passage, best first."""
    each = [list(found) for found in near] or [[] for _ in embedding.passages]
    metric = metric_in(embedding.model or "")[1]
    for memory, other in fresh:
        angles = cosines(metric, embedding.of_passages, other.of_passages)
        for found, row in zip(each, angles, strict=True):
            best = int(row.argmax())
            found.append(Closest(memory, float(row[best]), other.passages[best]))
    return [sorted(found, key=lambda one: -one.similarity) for found in each]
