"""Whether a draft says anything new."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory.memory import Draft
from faiss_memory.parts import Embedding, Vectors


def twin_of(
    draft: Draft,
    embedding: Embedding | None,
    closest: tuple[int, float] | None,
    fresh: Sequence[tuple[int, str, Vectors]],
) -> tuple[int, float] | None:
    """Choose the memory that makes a draft nothing new: the closest stored, or one that precedes it in its call."""
    if draft.if_novel is None or embedding is None:
        return None
    found = [closest] if closest is not None else []
    found += [(key, float((embedding.vectors @ vectors.T).max(axis=1).min())) for key, _, vectors in fresh]
    best = max(found, key=lambda pair: pair[1], default=None)
    return best if best is not None and best[1] >= draft.if_novel else None
