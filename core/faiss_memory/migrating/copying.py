"""Storing what lacks there: memories with their vectors, what replaces what, and how they were used.

Every step looks at what is there already, so it may be cut short anywhere and begun again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from faiss_memory.contracts.embedder import Embedding
from faiss_memory.contracts.ledger import Ledger
from faiss_memory.contracts.merging import Arrival, Merging, arrival_of
from faiss_memory.contracts.store import Store
from faiss_memory.errors import Conflict, NotReady, StoreError
from faiss_memory.memory import FOREVER, Change, Draft, Memory, Origin
from faiss_memory.migrating.records import AT_ONCE, EVERYTHING, Step, all_origins, pages, replaced, said

NAMED = 5
"""So many memories stand for all that are in the way."""
ROUNDS = 100
"""So often what others have written meanwhile is brought as well; somebody may never stop."""


@dataclass(slots=True)
class Copied:
    """What was done: how many memories were stored, and how many were there already."""

    stored: int = 0
    there: int = 0
    links_lost: int = 0
    """How many memories replace one that is gone, or has moved to another project: that is not known there."""


def check(source: Store, target: Store, step: Step) -> None:
    """Raise Conflict if a store holds a memory that is not in the other, or that says something else there."""
    strangers, changed = list[int](), list[int]()
    for page in pages(target, target.matching_ids(EVERYTHING), "looking at what is there", step):
        here = _same_ones(source, page)
        strangers += [one.id for one in page if one.uid not in here]
        changed += [one.id for one in page if one.uid in here and said(one) != said(here[one.uid])]
    for ids, what in (
        (strangers, "it holds memories that are not here"),
        (changed, "it holds memories that say something else than here"),
    ):
        if ids:
            named = ", ".join(str(one) for one in ids[:NAMED])
            raise Conflict(
                f"nothing was written to the store to migrate to: {what} ({len(ids)}, such as {named}). Name an empty "
                "one, or one that a migration from here was begun to, if neither was written to since"
            )


def _same_ones(store: Store, memories: Sequence[Memory]) -> dict[str, Memory]:
    """Return the same memories as another store has them, by uid."""
    known = store.known([one.uid for one in memories])
    return {one.uid: one for one in store.get([standing.memory_id for standing in known.values()])}


def copy(source: Store, target: Store, step: Step) -> Copied:
    """Bring everything over that lacks there. Raises Conflict as `check` does, StoreError for what cannot be stored.

    What others write here meanwhile is brought as well, until they stop.
    """
    if (model := source.model_in_use()) is not None:
        source.use_model(model.identity, model.name, model.dimension)
    check(source, target, step)
    if model is not None:
        target.use_model(model.identity, model.name, model.dimension)
    position = source.position()
    done, origins = Copied(), all_origins(source)
    ids = source.matching_ids(EVERYTHING)  # ascending: what was stored first is so there as well
    for page in pages(source, ids, "storing memories", step):
        stored = _store_lacking(source, target, page, origins)
        done.stored += stored
        done.there += len(page) - stored
    for page in pages(source, ids, "noting what replaces what", step):
        done.links_lost += _link(source, target, [one for one in page if one.supersedes is not None])
    _follow(source, target, position)
    _bury(source, target)
    if model is not None:
        _embed(source, target)
    if isinstance(source, Ledger) and isinstance(target, Ledger):
        _bring_uses(source, target)
    return done


def _store_lacking(
    source: Store, target: Store, memories: Sequence[Memory], origins: Mapping[int, Origin]
) -> int:
    known = target.known([one.uid for one in memories])
    lacking = [one for one in memories if one.uid not in known]
    _store(source, target, lacking, source.embeddings([one.id for one in lacking]), origins)
    return len(lacking)


def _store(
    source: Store,
    target: Store,
    memories: Sequence[Memory],
    embeddings: Mapping[int, Embedding],
    origins: Mapping[int, Origin],
) -> None:
    if not memories:
        return
    try:
        if (merging := _merging(source, target)) is not None:
            _merge(merging, memories, embeddings, origins)
            return
        target.add(
            [_draft(one, origins.get(one.id)) for one in memories],
            [embeddings.get(one.id) for one in memories],
        )
    except NotReady:
        raise
    except StoreError as error:
        if len(memories) > 1:  # which of them is it?
            for one in memories:
                _store(source, target, [one], embeddings, origins)
            return
        raise StoreError(
            f"memory {memories[0].id} cannot be stored there: {error}. What comes before it is there; correct or "
            "forget that memory, and begin again"
        ) from error


def _merging(source: Store, target: Store) -> Merging | None:
    """Return the other store as one that takes states over, if both of them know such."""
    return target if isinstance(source, Merging) and isinstance(target, Merging) else None


def _merge(
    target: Merging,
    memories: Sequence[Memory],
    embeddings: Mapping[int, Embedding],
    origins: Mapping[int, Origin],
) -> None:
    """Bring memories with their revisions, and with what they replace."""
    arrivals = [arrival_of(one, origins.get(one.id)) for one in memories]
    target.merge(arrivals, [embeddings.get(one.id) for one in memories])


def _draft(memory: Memory, origin: Origin | None) -> Draft:
    return Draft(
        text=memory.text, project=memory.project, source=memory.source, tags=memory.tags, cues=memory.cues,
        metadata=memory.metadata, timestamp=memory.timestamp, origin=origin, by=memory.by, actor=memory.actor,
        uid=memory.uid, valid_until=memory.valid_until,
    )  # fmt: skip


def _link(source: Store, target: Store, memories: Sequence[Memory]) -> int:
    """Note there which memory each replaces; returns for how many that cannot be said."""
    older, there = replaced(source, memories), _same_ones(target, memories)
    known = target.known({one.uid for one in older.values()})
    changes = {}
    for one in memories:
        standing = known.get(older[one.id].uid) if one.id in older else None
        link = standing.memory_id if standing is not None and standing.state == "there" else 0
        if one.uid in there and (there[one.uid].supersedes or 0) != link:
            changes[there[one.uid].id] = Change(supersedes=link)
    if changes and _merging(source, target) is None:
        target.rewrite([], [], changes, [])
    return sum(one.supersedes is not None and one.id not in older for one in memories)


def _follow(source: Store, target: Store, position: str) -> None:
    """Bring what others have written here since a position of the feed."""
    for _ in range(ROUNDS):
        told = source.changes(position, AT_ONCE)
        if not told.stored and not told.removed:
            return
        position = told.position
        memories, origins = source.get(told.stored), all_origins(source)
        if _merging(source, target) is not None:
            _store(source, target, memories, source.embeddings(told.stored), origins)
            _bury(source, target)
            continue
        _store_lacking(source, target, memories, origins)
        embeddings, there = source.embeddings(told.stored), _same_ones(target, memories)
        for one in memories:
            if one.uid in there and said(one) != said(there[one.uid]):
                change = _change(there[one.uid], one, origins.get(one.id))
                target.change(there[one.uid].id, change, embeddings.get(one.id))
        _link(source, target, memories)
        if told.removed:
            _forget_gone(source, target)


def _change(there: Memory, here: Memory, origin: Origin | None) -> Change:
    return Change(
        text=None if here.text == there.text else here.text, source=here.source, tags=here.tags, cues=here.cues,
        metadata=here.metadata, timestamp=here.timestamp, project=here.project, origin=origin,
        valid_until=here.valid_until or FOREVER,
    )  # fmt: skip


def _bury(source: Store, target: Store) -> None:
    """Let the other store know what was forgotten and purged, so that it is not taken over there later."""
    if not isinstance(source, Merging) or not isinstance(target, Merging):
        return
    after = ""
    while page := source.tombstones(after=after, limit=AT_ONCE):
        merged = target.merge(
            [
                Arrival(
                    uid=one.uid,
                    revision=one.revision,
                    changed=one.changed,
                    purged=one.purged,
                    project=one.project,
                )
                for one in page
            ]
        )
        purged = [one.memory_id for one in merged if one.outcome == "purge" and one.memory_id is not None]
        if purged:
            target.purge(purged)
        after = page[-1].uid


def _forget_gone(source: Store, target: Store) -> None:
    for page in pages(target, target.matching_ids(EVERYTHING), "", lambda *_: None):
        here = _same_ones(source, page)
        if gone := [one.id for one in page if one.uid not in here]:
            target.forget(gone)


def _embed(source: Store, target: Store) -> None:
    """Bring the vectors that still lack there, of memories that were stored or changed before they were made here."""
    after = 0
    while page := target.unembedded(AT_ONCE, after=after):
        after = page[-1].id
        here = _same_ones(source, page)
        found = source.embeddings([one.id for one in here.values()])
        fresh = {
            one.id: (one.text, found[here[one.uid].id])
            for one in page
            if one.uid in here and here[one.uid].id in found
        }
        if fresh:
            target.embed(fresh)


def _bring_uses(source: Store, target: Store) -> None:
    """Bring what was counted, where nothing is yet: it is written as one, and counts once."""
    assert isinstance(source, Ledger)
    assert isinstance(target, Ledger)
    uses = source.uses()
    if not uses or target.uses():
        return
    names = {
        one.id: one.uid for one in source.get(sorted({use.memory for use in uses if use.memory is not None}))
    }
    there = {uid: standing.memory_id for uid, standing in target.known(names.values()).items()}
    target.note_uses(
        [
            replace(use, memory=None if use.memory is None else there.get(names.get(use.memory, "")))
            for use in uses
        ]
    )
    target.uses()  # (which writes what waits)
