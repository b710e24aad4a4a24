"""A small store in memory, as a stranger would write one: numpy, dictionaries, and the front door.

What is written outlives the store that wrote it, as it would on a server: it lies on a shelf by the name of its place.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import zip_longest
from threading import RLock
from typing import Any

import numpy as np

from faiss_memory import (
    FOREVER,
    FORGOTTEN_BEFORE,
    WRITTEN,
    Added,
    Arrival,
    Change,
    Closest,
    Conflict,
    Draft,
    Embedding,
    Facets,
    Feed,
    Filter,
    Found,
    Here,
    KnownModel,
    Legs,
    LetGo,
    Link,
    Match,
    Memory,
    MemoryNotFound,
    Merged,
    Merging,
    Origin,
    ProjectCount,
    Purged,
    Retry,
    Rewritten,
    Scope,
    Search,
    Standing,
    Store,
    StoreStats,
    Tombstone,
    cosines,
    hookimpl,
    judged,
    keeps_nothing,
    memory_of,
    merged_as,
    metric_in,
    nearest_known,
    relinked,
    similarities,
    unit_of,
)


@dataclass
class Shelf:
    """All that a store keeps."""

    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    memories: dict[int, Memory] = field(default_factory=dict)
    vectors: dict[str, dict[int, Embedding]] = field(default_factory=dict)
    models: dict[str, KnownModel] = field(default_factory=dict)
    in_use: str = ""
    origins: dict[int, Origin] = field(default_factory=dict)
    retries: dict[str, tuple[bytes, list[Added]]] = field(default_factory=dict)
    gone: dict[str, Standing] = field(default_factory=dict)
    graves: dict[str, Tombstone] = field(default_factory=dict)
    last_id: int = 0
    seq: int = 0
    written: dict[int, int] = field(default_factory=dict)


SHELVES: dict[str, Shelf] = {}


class ShelfStore(Store, Merging):
    def __init__(self, place: str) -> None:
        self.place, self.lock = place, RLock()

    def open(self) -> None:
        self.shelf = SHELVES.setdefault(self.place, Shelf())

    def close(self) -> None:
        pass

    def busy(self) -> None:
        return None

    def rebuilding(self) -> list[Any]:
        return []

    # Writing.

    def _atomically(self, call: Callable[[], Any]) -> Any:
        with self.lock:
            before = deepcopy(self.shelf)
            try:
                self.shelf.seq += 1
                return call()
            except BaseException:
                self.shelf = SHELVES[self.place] = before
                raise

    def add(
        self, drafts: Sequence[Draft], embeddings: Sequence[Embedding | None], retry: Retry | None = None
    ) -> list[Added]:
        def call() -> list[Added]:
            if retry is not None and retry.key in self.shelf.retries:
                digest, answer = self.shelf.retries[retry.key]
                if digest != retry.digest:
                    raise Conflict("the key was used with another request")
                return [replace(one, repeated=True) for one in answer]
            added = [self._add(draft, part) for draft, part in zip(drafts, embeddings, strict=True)]
            if retry is not None:
                self.shelf.retries[retry.key] = (retry.digest, added)
            return added

        return self._atomically(call)

    def _add(self, draft: Draft, embedding: Embedding | None) -> Added:
        twin = None
        if draft.if_novel is not None and embedding is not None:
            near = self.closest(embedding, Filter(projects=(draft.project,)), 5)
            found = nearest_known(draft.text, embedding.passages, near, draft.if_novel)
            if found is not None and found.closest.similarity >= draft.if_novel:
                twin = found.closest.memory.id, found.closest.similarity
                if not found.differs_in:
                    return Added(None, twin)
        if draft.supersedes is not None:
            older = self.shelf.memories.get(draft.supersedes)
            if older is None or older.project != draft.project:
                raise MemoryNotFound(f"there is no memory {draft.supersedes}", "supersedes")
        if draft.uid is not None and draft.uid in self.known([draft.uid]):
            raise Conflict(f"the uid {draft.uid} is known", "uid")
        self.shelf.last_id += 1
        number = self.shelf.last_id
        older = self._uid_of(draft.supersedes)
        self._put(memory_of(draft, number, datetime.now(UTC), supersedes_uid=older), embedding)
        if draft.origin is not None:
            self.shelf.origins[number] = draft.origin
        self._relink()
        return Added(number, twin)

    def _uid_of(self, number: int | None) -> str | None:
        gone = {one.memory_id: uid for uid, one in self.shelf.gone.items()}
        return self.shelf.memories[number].uid if number in self.shelf.memories else gone.get(number or 0)

    def _relink(self) -> None:
        memories = self.shelf.memories
        links = {
            one.uid: Link(one.id, one.uid, one.project, one.supersedes, one.supersedes_uid)
            for one in memories.values()
        }
        gone = {uid: one.memory_id for uid, one in self.shelf.gone.items()}
        for number, older in relinked(links.values(), lambda uid: links.get(uid) or gone.get(uid)).items():
            self._put(replace(memories[number], supersedes=older), None)

    def _put(self, memory: Memory, embedding: Embedding | None) -> None:
        self.shelf.memories[memory.id] = memory
        self.shelf.written[memory.id] = self.shelf.seq
        for part in () if embedding is None else embedding.by_each():
            self.shelf.vectors.setdefault(part.model or self.shelf.in_use, {})[memory.id] = part

    def known(self, uids: Collection[str]) -> dict[str, Standing]:
        there = {one.uid: Standing("there", one.id, one.project) for one in self.shelf.memories.values()}
        return {uid: found for uid, found in (self.shelf.gone | there).items() if uid in uids}

    def change(self, memory_id: int, change: Change, embedding: Embedding | None) -> Memory:
        def call() -> Memory:
            if memory_id not in self.shelf.memories:
                raise MemoryNotFound(f"there is no memory {memory_id}")
            changed = self._changed(self.shelf.memories[memory_id], change)
            older = change.supersedes or None
            if older is not None and older not in self.shelf.memories:
                raise MemoryNotFound(f"there is no memory {older}", "supersedes")
            while older is not None and (there := self.shelf.memories.get(older)) is not None:
                if there.id == memory_id:
                    raise Conflict(f"memory {memory_id} would supersede itself")
                older = there.supersedes
            if change.text is not None or change.cues is not None:
                self._drop_vectors(memory_id)
            fits = change.text is not None and embedding is not None and embedding.cues == changed.cues
            self._put(changed, embedding if fits else None)
            if change.origin is not None:
                self.shelf.origins[memory_id] = change.origin
            self._relink()
            return self.get([memory_id])[0]

        return self._atomically(call)

    def _changed(self, before: Memory, change: Change) -> Memory:
        names = ("text", "source", "tags", "cues", "metadata", "timestamp", "project", "valid_until")
        given = {name: getattr(change, name) for name in names if getattr(change, name) is not None}
        if change.supersedes is not None:
            given["supersedes"] = change.supersedes or None
            given["supersedes_uid"] = self._uid_of(change.supersedes)
        if change.valid_until == FOREVER:
            given["valid_until"] = None
        changed = replace(before, **given)
        if (changed, changed.supersedes_uid) == (before, before.supersedes_uid):
            return changed
        return replace(changed, revision=before.revision + 1, changed=datetime.now(UTC))

    def rewrite(
        self,
        drafts: Sequence[Draft],
        embeddings: Sequence[Embedding | None],
        changes: Mapping[int, Change],
        gone: Sequence[int],
    ) -> Rewritten:
        def call() -> Rewritten:
            added = [self._add(draft, part).id or 0 for draft, part in zip(drafts, embeddings, strict=True)]
            there = [memory_id for memory_id in changes if memory_id in self.shelf.memories]
            for memory_id in there:
                self.change(memory_id, changes[memory_id], None)
            return Rewritten(added, there, self.forget(gone))

        return self._atomically(call)

    def origins(self, project: str) -> dict[int, Origin]:
        memories = self.shelf.memories
        return {key: one for key, one in self.shelf.origins.items() if memories[key].project == project}

    def forget(self, ids: Sequence[int]) -> list[int]:
        def call() -> list[int]:
            there = [memory_id for memory_id in ids if memory_id in self.shelf.memories]
            for memory_id in there:
                memory = self.shelf.memories.pop(memory_id)
                self._bury(
                    memory_id,
                    Tombstone(
                        uid=memory.uid, revision=memory.revision + 1, changed=datetime.now(UTC), project=memory.project
                    ),
                )  # fmt: skip
                self._drop_vectors(memory_id)
                self.shelf.origins.pop(memory_id, None)
            self._relink()
            return there

        return self._atomically(call)

    def purge(
        self, ids: Sequence[int], *, dry_run: bool = False, prove: bool = False, let_go: LetGo = keeps_nothing
    ) -> Purged:
        known = [memory_id for memory_id in ids if memory_id in self.shelf.written]
        if not dry_run:
            let_go(known, {self.shelf.memories[one].text for one in known if one in self.shelf.memories})
            self.forget(ids)
            gone = self.shelf.gone.items()
            for uid, one in [pair for pair in gone if pair[1].memory_id in ids]:
                self._bury(one.memory_id, Tombstone(uid=uid, purged=True))
        return Purged(known, [memory_id for memory_id in ids if memory_id not in known])

    def _bury(self, number: int, grave: Tombstone) -> None:
        self.shelf.gone[grave.uid] = Standing(
            "purged" if grave.purged else "forgotten", number, grave.project
        )
        self.shelf.graves[grave.uid] = grave
        self.shelf.written[number] = self.shelf.seq

    def _drop_vectors(self, number: int) -> None:
        for vectors in self.shelf.vectors.values():
            vectors.pop(number, None)

    # Merging.

    def _here(self, uid: str) -> Here | None:
        standing = self.known([uid]).get(uid)
        if standing is None:
            return None
        memory, grave = self.shelf.memories.get(standing.memory_id), self.shelf.graves.get(uid)
        if memory is not None:
            return Here(memory.id, memory, memory.revision, memory.changed or memory.timestamp)
        grave = grave or Tombstone(uid=uid, revision=FORGOTTEN_BEFORE)
        return Here(standing.memory_id, None, grave.revision, grave.changed, grave.purged)

    def merge(self, arrivals, embeddings=(), *, dry_run=False) -> list[Merged]:
        def call() -> list[Merged]:
            merged = []
            for arrival, part in zip_longest(arrivals, embeddings):
                here = self._here(arrival.uid)
                outcome = judged(arrival, here)
                if outcome in WRITTEN and outcome != "purge" and not dry_run:
                    self._take(arrival, here, part)
                    here = self._here(arrival.uid)
                merged.append(merged_as(outcome, here))
            self._relink()
            return merged

        return self._atomically(call)

    def _take(self, arrival: Arrival, here: Here | None, embedding: Embedding | None) -> None:
        if here is None:
            self.shelf.last_id += 1
        number = self.shelf.last_id if here is None else here.memory_id
        there = self.shelf.memories.get(number)
        if arrival.draft is None:
            self.forget([number])
            grave = Tombstone(
                uid=arrival.uid, revision=arrival.revision or 1, changed=arrival.changed,
                project=arrival.project or (there.project if there is not None else ""),
            )  # fmt: skip
            self._bury(number, Tombstone(uid=arrival.uid, purged=True) if arrival.purged else grave)
            return
        now, draft = datetime.now(UTC), replace(arrival.draft, uid=arrival.uid)
        changed = now if arrival.revision is None else arrival.changed
        memory = memory_of(
            draft, number, now, revision=arrival.revision or 1, changed=changed, supersedes_uid=arrival.supersedes,
            supersedes=there.supersedes if there is not None and arrival.supersedes is not None else None,
        )  # fmt: skip
        self.shelf.gone.pop(arrival.uid, None)
        is_same = there is not None and (there.text, there.cues) == (memory.text, memory.cues)
        if not is_same:
            self._drop_vectors(number)
        self._put(
            memory, None if is_same or embedding is None or embedding.cues != memory.cues else embedding
        )
        taken = {(one.file, one.place) for one in self.origins(memory.project).values()}
        if (
            there is None
            and draft.origin is not None
            and (draft.origin.file, draft.origin.place) not in taken
        ):
            self.shelf.origins[number] = draft.origin

    def tombstones(self, projects=None, after="", limit=1000) -> list[Tombstone]:
        graves = [
            one for uid, one in sorted(self.shelf.graves.items()) if uid > after and uid in self.shelf.gone
        ]
        return [one for one in graves if projects is None or one.project in projects][:limit]

    def drop_project(self, name: str) -> int:
        ids = [memory.id for memory in self.shelf.memories.values() if memory.project == name]
        if not ids:
            raise MemoryNotFound(f"there is no project {name}")
        return len(self.forget(ids))

    # Reading.

    def _read(self, memory: Memory) -> Memory:
        newer = [one.id for one in self.shelf.memories.values() if one.supersedes == memory.id]
        return replace(memory, superseded_by=max(newer, default=None))

    def get(self, ids: Sequence[int]) -> list[Memory]:
        with self.lock:
            return [self._read(self.shelf.memories[key]) for key in ids if key in self.shelf.memories]

    def history(self, memory_id: int) -> list[Memory]:
        with self.lock:
            chain = self.get([memory_id])
            while chain and chain[-1].supersedes in self.shelf.memories:
                chain += self.get([chain[-1].supersedes or 0])
        if not chain:
            raise MemoryNotFound(f"there is no memory {memory_id}")
        return chain

    def _passing(self, where: Filter) -> dict[int, Memory]:
        return {key: one for key in sorted(self.shelf.memories) if passes(one := self.get([key])[0], where)}

    def select(self, where, *, contains=None, order="newest", limit=50, after=None) -> list[Memory]:
        with self.lock:
            found = sorted(self._passing(where).values(), key=lambda memory: (memory.timestamp, memory.id))
        if order == "newest":
            found.reverse()
        if after is not None:
            places = [(one.timestamp, one.id) for one in found]
            follows = [place > after if order == "oldest" else place < after for place in places]
            found = [one for one, is_next in zip(found, follows, strict=True) if is_next]
        return [one for one in found if not contains or contains.casefold() in one.text.casefold()][:limit]

    def matching_ids(self, where: Filter) -> list[int]:
        with self.lock:
            return [*self._passing(where)]

    def allowed(self, ids: Collection[int], where: Filter) -> set[int]:
        return set(ids) & set(self.matching_ids(where))

    def changes(self, after: str | None = None, limit: int = 1000) -> Feed:
        with self.lock:
            place, _, number = (after or "").partition("@")
            since = int(number) if place == self.place else 0
            seqs = sorted(seq for seq in self.shelf.written.values() if seq > since)
            until = seqs[limit - 1] if len(seqs) >= limit else self.shelf.seq
            told = sorted((seq, key) for key, seq in self.shelf.written.items() if since < seq <= until)
            return Feed(
                position=f"{self.place}@{until}",
                stored=[key for _, key in told if key in self.shelf.memories],
                removed=[key for _, key in told if key not in self.shelf.memories],
                anew=after is not None and place != self.place,
                more=until < self.shelf.seq,
            )

    def search(self, asked: Search, choose: Callable[[Legs], Sequence[int]]) -> Found:
        with self.lock:
            there = self._passing(asked.where)
            near = [] if asked.vector is None else self._matches(asked, there)
            words = [] if asked.text is None else by_words(asked.text, there)[: asked.depth]
            named = {key for key in asked.named if key in there}
            nearest = near[: asked.depth] if asked.nearest else []
            wanted = {match.memory_id for match in nearest} | {key for key, _ in words} | named
            values = [match.similarity for match in near] or [0.0]
            spread, of_cosines = float(np.std(values)), float(np.std([match.cosine for match in near] or [0]))
            scope = Scope(
                len(there), float(np.mean(values)), spread, float(bool(words)), unit_of(spread, of_cosines)
            )
            legs = Legs(
                nearest, words, {one.memory_id: one for one in near if one.memory_id in wanted}, named, scope
            )
            return Found(legs, self.get(choose(legs)))

    def _matches(self, asked: Search, there: Collection[int], *, by_angle: bool = False) -> list[Match]:
        """Compare with all, `by_angle` their passages alone."""
        found = []
        model = asked.model or self.shelf.in_use
        _, metric = metric_in(model)
        for key, part in self.shelf.vectors.get(model, {}).items():
            if key in there:
                vectors = part.of_passages if by_angle else part.vectors
                angles = cosines(metric, vectors, asked.vector[np.newaxis])[:, 0]
                scores = angles if by_angle else similarities(metric, vectors, asked.vector)
                best = int(scores.argmax())
                count = len(part.passages)
                place = (
                    (part.passages[best], count, None)
                    if best < count
                    else (part.passages[0], 1, best - count)
                )
                found.append(Match(key, float(scores[best]), *place, float(angles[best])))
        return sorted(found, key=lambda match: (-match.similarity, match.memory_id))

    def closest(self, embedding: Embedding, where: Filter, depth: int = 1) -> list[list[Closest]]:
        with self.lock:
            there = self._passing(where)
            each = [
                self._matches(
                    Search(where=where, depth=depth, vector=vector, model=embedding.model),
                    there,
                    by_angle=True,
                )
                for vector in embedding.of_passages
            ]
            return [
                [
                    Closest(self.get([match.memory_id])[0], match.similarity, match.passage)
                    for match in found[:depth]
                ]
                for found in each
            ]

    def older_alike(
        self, project: str, ids: Sequence[int], least: float, depth: int
    ) -> dict[int, list[tuple[int, float]]]:
        with self.lock:
            there = self._passing(Filter(projects=(project,)))
            parts = self.shelf.vectors.get(self.shelf.in_use, {})
            _, metric = metric_in(self.shelf.in_use)
            found: dict[int, list[tuple[int, float]]] = {}
            for one in ids:
                vectors = parts[one].of_passages if one in there and one in parts else None
                near = [
                    (other, float(cosines(metric, parts[other].of_passages, vectors).max()))
                    for other in there
                    if vectors is not None and other < one and other in parts
                ]
                near = sorted(
                    (pair for pair in near if pair[1] >= least), key=lambda pair: (-pair[1], pair[0])
                )
                if near:
                    found[one] = near[:depth]
            return found

    def projects(self) -> list[ProjectCount]:
        with self.lock:
            times: dict[str, list[datetime]] = {}
            for memory in self.shelf.memories.values():
                times.setdefault(memory.project, []).append(memory.timestamp)
        return [
            ProjectCount(name=name, memories=len(some), created_at=min(some), last_updated=max(some))
            for name, some in sorted(times.items())
        ]

    def tags(self, where: Filter) -> dict[str, int]:
        with self.lock:
            found = Counter(tag for memory in self._passing(where).values() for tag in memory.tags)
        return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))

    def facets(self, where: Filter, contains: str | None = None) -> Facets:
        asked = replace(where, include_superseded=True)
        found = self.get([one.id for one in self.select(asked, contains=contains, limit=10**9)])
        counted = [one for one in found if where.include_superseded or one.superseded_by is None]
        superseded = sum(one.superseded_by is not None for one in found)
        return Facets(
            projects=Counter(one.project for one in counted),
            tags=Counter(tag for one in counted for tag in one.tags),
            sources=Counter(one.source for one in counted),
            by=Counter(one.by for one in counted),
            current=len(found) - superseded,
            superseded=superseded,
        )

    def stats(self) -> StoreStats:
        last = max((one.last_updated for one in self.projects()), default=self.shelf.created_at)
        return StoreStats(created_at=min(self.shelf.created_at, last), last_updated=last, index_size_bytes={})

    # Models.

    def use_model(self, identity: str, name: str, dimension: int) -> None:
        self.prepare_model(identity, name, dimension)
        self.shelf.in_use = identity

    def prepare_model(self, identity: str, name: str, dimension: int) -> None:
        self.shelf.models[identity] = KnownModel(identity, name, dimension)

    def keep_models(self, identities: Collection[str]) -> None:
        for identity in [*self.shelf.vectors]:
            if identity not in identities:
                del self.shelf.vectors[identity]

    def model_in_use(self) -> KnownModel | None:
        return self.shelf.models.get(self.shelf.in_use)

    def embeddings(self, ids: Sequence[int]) -> dict[int, Embedding]:
        with self.lock:
            found = self.shelf.vectors.get(self.shelf.in_use, {})
            return {key: replace(found[key], model=self.shelf.in_use) for key in ids if key in found}

    def unembedded(self, limit: int, model: str | None = None, after: int = 0) -> list[Memory]:
        known = self.shelf.vectors.get(model or self.shelf.in_use, {})
        return self.get(
            [key for key in sorted(self.shelf.memories) if key > after and key not in known][:limit]
        )

    def count_unembedded(self, model: str | None = None) -> dict[str, int]:
        return dict(Counter(memory.project for memory in self.unembedded(10**9, model)))

    def embed(self, embeddings: Mapping[int, tuple[str, Embedding]]) -> None:
        with self.lock:
            for key, (text, embedding) in embeddings.items():
                memory = self.shelf.memories.get(key)
                if memory is not None and (memory.text, memory.cues) == (text, embedding.cues):
                    for part in embedding.by_each():
                        self.shelf.vectors.setdefault(part.model or self.shelf.in_use, {}).setdefault(
                            key, part
                        )


def by_words(text: str, there: Mapping[int, Memory]) -> list[tuple[int, float]]:
    """BM25 over what a filter lets through."""
    texts = {key: Counter(words_of(" ".join((one.text, *one.cues)))) for key, one in there.items()}
    mean = sum(counts.total() for counts in texts.values()) / max(1, len(texts))
    scores: Counter[int] = Counter()
    for word in set(words_of(text)):
        holders = [key for key, counts in texts.items() if word in counts]
        rarity = math.log(1 + (len(texts) - len(holders) + 0.5) / (len(holders) + 0.5))
        for key in holders:
            count = texts[key][word]
            scores[key] += rarity * count * 2.2 / (count + 1.2 * texts[key].total() / mean)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def as_json(value: Any) -> str:
    return json.dumps(value, default=str)


def passes(memory: Memory, where: Filter) -> bool:
    shared = set(where.tags) & set(memory.tags)
    enough = len(where.tags) if where.tags_mode == "all" else min(1, len(where.tags))
    return (
        (where.projects is None or memory.project in where.projects)
        and len(shared) >= enough
        and (where.source in (None, memory.source) or fnmatchcase(memory.source, where.source or ""))
        and all(
            as_json(memory.metadata.get(key, ...)) == as_json(value) for key, value in where.metadata.items()
        )
        and (where.after is None or memory.timestamp >= where.after)
        and (where.before is None or memory.timestamp < where.before)
        and (where.include_superseded or memory.superseded_by is None)
        and (where.expired_by is None or bool(memory.valid_until and memory.valid_until <= where.expired_by))
        and not (where.without_cues and memory.cues)
        and (not where.actors or (memory.actor or "owner") in where.actors)
        and (not where.by or any(fnmatchcase(memory.by or "unknown", way) for way in where.by))
    )


@hookimpl
def open_store(settings: Any) -> Store:
    return ShelfStore(settings.data_dir)
