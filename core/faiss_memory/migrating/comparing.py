"""Whether the other store holds and finds the same: each memory is compared, and then some are searched for in both."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec

from faiss_memory.contracts.embedder import Embedding
from faiss_memory.contracts.store import KnownModel, Legs, Search, Store
from faiss_memory.memory import Filter, Memory, Origin
from faiss_memory.migrating.records import EVERYTHING, Step, all_origins, pages, replaced, said

SEARCHES = 1000
"""How many memories are searched for."""
DEPTH = 10
QUERY = 200
"""Characters of a text that are searched for by words."""
ALIKE = 0.98
"""Which share of what is found must be found in both: an approximate index may miss some."""


@dataclass(slots=True)
class Side:
    """What one of the stores holds: how many memories by project, and a digest of everything."""

    projects: dict[str, int]
    digest: str = ""


@dataclass(slots=True)
class Compared:
    """Both stores, the uids of memories that are not the same in both, and what searches find."""

    here: Side
    there: Side
    differing: list[str] = field(default_factory=list)
    searches: int = 0
    alike: float = 1.0
    """The share of what searches find here that they find there."""

    @property
    def is_same(self) -> bool:
        """Whether the other store holds the same, and finds as much."""
        return not self.differing and self.here == self.there and self.alike >= ALIKE


def compare(source: Store, target: Store, step: Step, searches: int = SEARCHES) -> Compared:
    """Compare two stores, of which one is a copy of the other, each memory, and so many of them by searches."""
    found = Compared(_side(source), _side(target))
    hashes = [blake2b(digest_size=16), blake2b(digest_size=16)]
    origins, ids = [all_origins(store) for store in (source, target)], source.matching_ids(EVERYTHING)
    for page in pages(source, ids, "comparing memories", step):
        known = target.known([one.uid for one in page])
        ours = _records(source, page, origins[0])
        others = target.get([one.memory_id for one in known.values()])
        theirs = _records(target, others, origins[1])
        for uid, record in ours.items():
            hashes[0].update(record)
            hashes[1].update(theirs.get(uid, b""))
            if theirs.get(uid) != record:
                found.differing.append(uid)
    found.here.digest, found.there.digest = (one.hexdigest() for one in hashes)
    model = source.model_in_use()
    chosen = ids[:: max(1, -(-len(ids) // searches))]
    _search(source, target, chosen, model, found, step)
    return found


def _side(store: Store) -> Side:
    return Side({one.name: one.memories for one in store.projects() if one.memories})


def _records(store: Store, memories: Sequence[Memory], origins: Mapping[int, Origin]) -> dict[str, bytes]:
    """Write all that a store knows of memories, by uid, in a form that is the same wherever they are."""
    older = replaced(store, memories)
    embeddings = store.embeddings([one.id for one in memories])
    return {
        one.uid: msgspec.json.encode(
            (
                said(one),
                older[one.id].uid if one.id in older else None,
                one.superseded_by is not None,
                origins.get(one.id),
                _vectors(embeddings.get(one.id)),
            ),
            order="sorted",
        )
        for one in memories
    }


def _vectors(embedding: Embedding | None) -> tuple[object, ...]:
    if embedding is None:
        return ()
    return embedding.passages, embedding.model, embedding.vectors.astype("<f4").tobytes()


def _search(
    source: Store, target: Store, ids: Sequence[int], model: KnownModel | None, found: Compared, step: Step
) -> None:
    for store in (source, target):
        if model is not None:
            store.prepare_model(model.identity, model.name, model.dimension)
        while store.rebuilding():
            time.sleep(0.05)
    wanted = hit = 0
    for page in pages(source, ids, "searching in both", step):
        embeddings = source.embeddings([one.id for one in page])
        for one in page:
            here, there = (_finds(store, one, embeddings.get(one.id)) for store in (source, target))
            wanted += len(here)
            hit += len(here & there)
            found.searches += 1
    found.alike = hit / wanted if wanted else 1.0


def _finds(store: Store, memory: Memory, embedding: Embedding | None) -> set[tuple[str, str]]:
    """Return what a search for a memory finds, each with the leg that found it."""
    asked = Search(
        where=Filter(projects=(memory.project,)),
        depth=DEPTH,
        vector=None if embedding is None else embedding.vectors[0],
        model=None if embedding is None else embedding.model,
        text=memory.text[:QUERY],
    )
    legs: dict[str, list[int]] = {}

    def choose(found: Legs) -> Sequence[int]:
        legs["meaning"] = [match.memory_id for match in found.nearest[:DEPTH]]
        legs["words"] = [memory_id for memory_id, _ in found.words[:DEPTH]]
        return [*dict.fromkeys(legs["meaning"] + legs["words"])]

    uids = {one.id: one.uid for one in store.search(asked, choose).memories}
    return {(leg, uids[memory_id]) for leg, ids in legs.items() for memory_id in ids}
