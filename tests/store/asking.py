"""Questions to a store, each about one leg of its search."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory.contracts.embedder import Vectors
from faiss_memory.contracts.store import Legs, Search, Store
from faiss_memory.memory import Filter, Match, Ranking

ANYWHERE = Filter(projects=None, include_superseded=True)


def none_of_them(_: Legs) -> Sequence[int]:
    return ()


def legs(store: Store, **asked) -> Legs:
    return store.search(Search(**asked), none_of_them).legs


def nearest(
    store: Store, vector: Vectors, where: Filter, limit: int, model: str | None = None
) -> list[Match]:
    return [*legs(store, vector=vector, where=where, depth=limit, model=model).nearest]


def similarities(
    store: Store, vector: Vectors, ids: Sequence[int], model: str | None = None
) -> dict[int, Match]:
    asked = {"vector": vector, "where": ANYWHERE, "depth": 1, "model": model, "named": ids, "nearest": False}
    return dict(legs(store, **asked).matches)


def matching(store: Store, text: str, where: Filter, limit: int) -> Ranking:
    return legs(store, text=text, where=where, depth=limit).words
