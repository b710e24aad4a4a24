"""Storing drafts, those aside that say nothing new and were to be stored only if they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from faiss_memory.contracts.embedder import Embedding, Vectors
from faiss_memory.contracts.store import Added, Closest
from faiss_memory.memory import Draft, Filter
from faiss_memory.store.records.changes import Changes
from faiss_memory.store.records.database import Truth

Twin = tuple[int, float]
"""The id of the nearest memory and its similarity."""


class _Fresh(NamedTuple):
    """What the same call has just stored, which no index knows yet."""

    memory_id: int
    project: str
    vectors: Vectors


def add_novel(
    truth: Truth,
    drafts: Sequence[Draft],
    embeddings: Sequence[Embedding | None],
    closest: Callable[[Embedding, Filter], Closest | None],
    changes: Changes,
) -> list[Added]:
    """Store drafts, except those with a twin among what is stored or among the drafts before them."""
    if all(draft.if_novel is None for draft in drafts):
        return [Added(memory_id) for memory_id in truth.add(drafts, embeddings, changes)]
    pairs = list(zip(drafts, embeddings, strict=True))
    # All of them before the first is written: a damaged index is made anew from what is in the truth, and
    # nothing that is not committed may get into it.
    stored = [
        None
        if draft.if_novel is None or embedding is None
        else closest(embedding, Filter(projects=(draft.project,)))
        for draft, embedding in pairs
    ]
    added: list[Added] = []
    fresh: list[_Fresh] = []
    for (draft, embedding), known in zip(pairs, stored, strict=True):
        twin = _twin_of(draft, embedding, known, [part for part in fresh if part.project == draft.project])
        if twin is not None:
            added.append(Added(None, twin))
            continue
        memory_id = truth.add([draft], [embedding], changes)[0]
        added.append(Added(memory_id))
        if embedding is not None:
            fresh.append(_Fresh(memory_id, draft.project, embedding.of_passages))
    return added


def _twin_of(
    draft: Draft, embedding: Embedding | None, closest: Closest | None, fresh: Sequence[_Fresh]
) -> Twin | None:
    """Choose the memory that makes a draft nothing new: the closest stored, or one that precedes it in its call."""
    if draft.if_novel is None or embedding is None:
        return None
    found = [] if closest is None else [(closest.memory.id, closest.similarity)]
    found += [
        (key, float((embedding.of_passages @ vectors.T).max(axis=1).min())) for key, _, vectors in fresh
    ]
    best = max(found, key=lambda pair: pair[1], default=None)
    return best if best is not None and best[1] >= draft.if_novel else None
