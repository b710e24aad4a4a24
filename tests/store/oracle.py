"""A store in plain Python, slow and simple, that a real one must agree with."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from faiss_memory.analyzer import Terms, analyze, analyze_query
from faiss_memory.contracts.embedder import Embedding, Vectors
from faiss_memory.contracts.store import Store
from faiss_memory.contracts.weighing import NO_SEQUENCE, sequence_of, words_of
from faiss_memory.engine.passages import split
from faiss_memory.memory import Change, Draft, Filter, Memory
from faiss_memory.store import EmbeddedStore
from tests.fakes import DIMENSION, FakeEmbedder
from tests.store.asking import matching, nearest

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = [
    "ledger",
    "postgres",
    "redis",
    "token",
    "cache",
    "queue",
    "retry",
    "deploy",
    "schema",
    "index",
    "worker",
    "shard",
    "login",
    "session",
    "cookie",
    "region",
    "tax",
    "invoice",
    "parser",
    "lexer",
    "kernel",
    "socket",
    "thread",
    "mutex",
    "vector",
    "passage",
    "keyword",
    "ranking",
    "backup",
    "restore",
    "journal",
    "disk",
]
SOURCES = ("docs/a.md", "docs/b.md", "src/main.py", "notes", "")
TAGS = ("red", "green", "blue", "decision")
PROJECTS = ("default", "alpha", "beta")
EVERYTHING = Filter(projects=None, include_superseded=True)


class EmbeddedHome:
    """Where an embedded store lives: opened, closed and opened again."""

    identity, dimension = "fake@1", DIMENSION

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failures: list[Exception] = []
        self.store: EmbeddedStore | None = None

    def open(self, *, model: bool = True) -> EmbeddedStore:
        store = EmbeddedStore(self.folder, self.failures.append)
        try:
            store.open()
            if model:
                store.use_model(self.identity, self.identity, self.dimension)
        except BaseException:
            store.close()
            raise
        self.store = store
        return store

    def close(self) -> None:
        if self.store is not None:
            store, self.store = self.store, None
            store.close()

    def reopen(self) -> EmbeddedStore:
        self.close()
        return self.open()


HOMES = [EmbeddedHome]
"""Every kind of store; each must pass the same tests."""


@lru_cache(maxsize=10_000)
def embed(text: str, salt: str = "", cues: tuple[str, ...] = ()) -> Embedding:
    """Cut a text and embed its passages and the cues; a salt makes another model of it."""
    model = FakeEmbedder()
    passages = split(text, model.token_offsets(text), model.window)
    pieces = [*(text[part.start : part.end] for part in passages), *cues]
    if salt:
        pieces = [" ".join(salt + word for word in piece.split()) for piece in pieces]
    return Embedding(passages, model.embed_documents(pieces), cues=cues)


def embed_query(text: str, salt: str = "") -> Vectors:
    return embed(text, salt).vectors[0]


def add(store: Store, *drafts: Draft | str) -> list[int]:
    """Store drafts with their embeddings; a plain text is a draft too."""
    whole = [Draft(text=draft) if isinstance(draft, str) else draft for draft in drafts]
    return [
        added.id or 0 for added in store.add(whole, [embed(draft.text, cues=draft.cues) for draft in whole])
    ]


def until(condition: Callable[[], Any], what: str, seconds: float = 300) -> None:
    """Wait for something that another thread or process brings about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.001)


def settled(store: Store) -> None:
    """Wait until every derived file is whole again."""
    until(lambda: not store.rebuilding(), "the indexes are whole")


def some_text(chance: random.Random, most: int = 12) -> str:
    return " ".join(chance.choices(WORDS, k=chance.randint(1, most)))


def some_cues(chance: random.Random) -> tuple[str, ...]:
    return tuple(dict.fromkeys(some_text(chance, 3) for _ in range(chance.choice([0, 0, 1, 3]))))


def some_draft(chance: random.Random, most: int = 12, **given: Any) -> Draft:
    fields: dict[str, Any] = {
        "text": some_text(chance, most),
        "project": chance.choice(PROJECTS),
        "source": chance.choice(SOURCES),
        "tags": tuple(chance.sample(TAGS, chance.randint(0, 3))),
        "metadata": {
            key: chance.choice([1, 1.0, "1", True, None, [1]])
            for key in chance.sample("xyz", chance.randint(0, 2))
        },
        "timestamp": EPOCH + timedelta(hours=chance.randint(0, 100)),
        "by": chance.choice([None, "cli", "hook", "mcp:cursor"]),
    }
    return Draft(**fields | given)


def some_filter(chance: random.Random) -> Filter:
    def maybe(value: Any, otherwise: Any = None) -> Any:
        return value if chance.random() < 0.3 else otherwise

    hours = sorted(chance.sample(range(100), 2))
    return Filter(
        projects=chance.choice([None, None, ("default",), ("alpha", "beta"), ("nobody", "alpha")]),
        tags=maybe(tuple(chance.sample(TAGS, 2)), ()),
        tags_mode=chance.choice(["any", "all"]),
        source=maybe(chance.choice(["docs/*", "*.md", "src/main.p?", "[dn]o*", "notes", "*", "x"])),
        metadata=maybe({chance.choice("xyz"): chance.choice([1, "1", True, None, [1.0]])}, {}),
        after=maybe(EPOCH + timedelta(hours=hours[0])),
        before=maybe(EPOCH + timedelta(hours=hours[1])),
        include_superseded=chance.random() < 0.3,
        expired_by=maybe(EPOCH + timedelta(hours=hours[0])) if chance.random() < 0.3 else None,
        without_cues=chance.random() < 0.1,
        by=maybe(chance.choice([("cli",), ("mcp:*", "unknown"), ("*",)]), ()),
    )


class Oracle:
    """What a store must hold and answer after the same calls."""

    def __init__(self) -> None:
        self.memories: dict[int, Memory] = {}
        self.embeddings: dict[int, Embedding] = {}
        self.given: set[int] = set()

    def add(self, ids: Sequence[int], drafts: Sequence[Draft]) -> None:
        assert not self.given & set(ids), "an id was given twice"
        assert list(ids) == sorted(set(ids))
        self.given |= set(ids)
        for memory_id, draft in zip(ids, drafts, strict=True):
            assert draft.timestamp is not None
            self.memories[memory_id] = Memory(
                id=memory_id, text=draft.text, project=draft.project, source=draft.source, tags=draft.tags,
                cues=draft.cues,
                metadata=draft.metadata, timestamp=draft.timestamp, supersedes=draft.supersedes, by=draft.by,
                actor=draft.actor,
            )  # fmt: skip
            self.embeddings[memory_id] = embed(draft.text, cues=draft.cues)

    def change(self, memory_id: int, change: Change) -> None:
        fields = ("text", "source", "tags", "cues", "metadata", "timestamp")
        given = {name: getattr(change, name) for name in fields if getattr(change, name) is not None}
        self.memories[memory_id] = replace(self.memories[memory_id], **given)
        memory = self.memories[memory_id]
        self.embeddings[memory_id] = embed(memory.text, cues=memory.cues)

    def forget(self, ids: Sequence[int]) -> None:
        for memory_id in ids:
            self.memories.pop(memory_id, None)
            self.embeddings.pop(memory_id, None)

    def superseded_by(self, memory_id: int) -> int | None:
        return max((m.id for m in self.memories.values() if m.supersedes == memory_id), default=None)

    def get(self, memory_id: int) -> Memory:
        return replace(self.memories[memory_id], superseded_by=self.superseded_by(memory_id))

    def ids(self, where: Filter) -> list[int]:
        superseded = {memory.supersedes for memory in self.memories.values()}
        return [key for key in sorted(self.memories) if _passes(self.memories[key], where, key in superseded)]

    def nearest(self, vector: Vectors, where: Filter) -> dict[int, float]:
        vector = vector.astype(np.float64)
        return {
            memory_id: float((self.embeddings[memory_id].vectors.astype(np.float64) @ vector).max())
            for memory_id in self.ids(where)
        }

    def matching(self, text: str, where: Filter) -> dict[int, float]:
        allowed, found = set(self.ids(where)), {}
        for project in {self.memories[key].project for key in allowed}:
            there = [m for m in self.memories.values() if m.project == project]
            texts = {m.id: known_terms(*words_of(m)) for m in there}
            follow = neighbours({m.id: sequence_of(m.source) for m in there})
            scores = bm25(analyze_query(text), texts, follow)
            found |= {key: score for key, score in scores.items() if key in allowed}
        return found


known_terms = lru_cache(maxsize=10_000)(analyze)


def neighbours(sequences: dict[int, int]) -> dict[int, list[int]]:
    """Return who comes before and after each memory in its session or file."""
    found: dict[int, list[int]] = {key: [] for key in sequences}
    for number in set(sequences.values()) - {NO_SEQUENCE}:
        for one, other in pairwise(sorted(key for key, its in sequences.items() if its == number)):
            found[one].append(other)
            found[other].append(one)
    return found


def bm25(
    query: Counter[str],
    texts: dict[int, Terms],
    follow: dict[int, list[int]],
    k1: float = 1.2,
    power: float = 0.75,
) -> dict[int, float]:
    share = {key: 0.5 * 30 / (30 + terms.length) for key, terms in texts.items()}
    lengths = {
        key: terms.length + share[key] * sum(texts[other].length for other in follow[key])
        for key, terms in texts.items()
    }
    mean = sum(lengths.values()) / len(texts)
    scores: dict[int, float] = {}
    for term, weight in query.items():
        holders = [key for key, terms in texts.items() if term in terms.counts]
        idf = math.log(1 + (len(texts) - len(holders) + 0.5) / (len(holders) + 0.5))
        for key, terms in texts.items():
            borrowed = sum(texts[other].counts[term] for other in follow[key])
            count = terms.counts[term] + share[key] * borrowed
            if count:
                part = count * (k1 + 1) / (count + k1 * (lengths[key] / max(mean, 1.0)) ** power)
                scores[key] = scores.get(key, 0.0) + weight * idf * part
    return scores


def _passes(memory: Memory, where: Filter, is_superseded: bool) -> bool:
    shared = set(where.tags) & set(memory.tags)
    enough = len(set(where.tags)) if where.tags_mode == "all" else min(1, len(where.tags))
    return (
        (where.projects is None or memory.project in where.projects)
        and len(shared) >= enough
        and (where.source is None or _globs(where.source, memory.source))
        and all(
            key in memory.metadata and _same(memory.metadata[key], v) for key, v in where.metadata.items()
        )
        and (where.after is None or memory.timestamp >= where.after)
        and (where.before is None or memory.timestamp < where.before)
        and (where.include_superseded or not is_superseded)
        and (where.expired_by is None or bool(memory.valid_until and memory.valid_until <= where.expired_by))
        and not (where.without_cues and memory.cues)
        and (not where.actors or (memory.actor or "owner") in where.actors)
        and (not where.by or any(_globs(way, memory.by or "unknown") for way in where.by))
    )


def _globs(pattern: str, text: str) -> bool:
    """`*`, `?` and `[…]`, character by character."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_globs(pattern[1:], text[n:]) for n in range(len(text) + 1))
    if not text:
        return False
    if pattern[0] == "[":
        end = pattern.index("]")
        return text[0] in pattern[1:end] and _globs(pattern[end + 1 :], text[1:])
    return pattern[0] in ("?", text[0]) and _globs(pattern[1:], text[1:])


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON values: true is not 1, but 1.0 is."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def assert_ranked(found: Sequence[tuple[int, float]], expected: dict[int, float], limit: int) -> None:
    """Check ids and scores against all that could be found; equal scores may come in any order."""
    ids = [memory_id for memory_id, _ in found]
    assert len(ids) == len(set(ids)) == min(limit, len(expected)), (ids, expected)
    best = sorted(expected.values(), reverse=True)[:limit]
    assert np.allclose([score for _, score in found], best, rtol=1e-4, atol=1e-5)
    assert np.allclose([expected[memory_id] for memory_id in ids], best, rtol=1e-4, atol=1e-5)


def assert_nearest(store: Store, oracle: Oracle, query: str, where: Filter, limit: int) -> None:
    vector = embed_query(query)
    matches = nearest(store, vector, where, limit)
    expected = oracle.nearest(vector, where)
    assert_ranked([(match.memory_id, match.similarity) for match in matches], expected, limit)
    for match in matches:
        parts = oracle.embeddings[match.memory_id]
        count = len(parts.passages)
        assert match.passages == (count if match.cue is None else 1)
        at = parts.passages.index(match.passage) if match.cue is None else count + match.cue
        assert match.cue is None or match.passage == parts.passages[0]
        assert abs(float(parts.vectors[at] @ vector) - match.similarity) < 1e-5
        assert -1 <= match.similarity <= 1


def assert_same(store: Store, oracle: Oracle, seed: int = 0, searches: int = 6) -> None:
    """Check everything a store can be asked against the oracle."""
    settled(store)
    every = sorted(oracle.memories)
    assert store.get(every) == [oracle.get(memory_id) for memory_id in every]
    assert store.get(sorted(oracle.given - oracle.memories.keys())) == []
    assert store.matching_ids(EVERYTHING) == every
    counts = Counter(memory.project for memory in oracle.memories.values())
    assert {project.name: project.memories for project in store.projects() if project.memories} == counts
    listed = store.select(EVERYTHING, limit=len(every) + 1, order="oldest")
    assert listed == sorted(
        (oracle.get(key) for key in every), key=lambda memory: (memory.timestamp, memory.id)
    )
    tags = Counter(tag for memory in oracle.memories.values() for tag in memory.tags)
    assert store.tags(EVERYTHING) == tags
    chance = random.Random(seed)
    for number in range(searches):
        query, limit = some_text(chance), chance.choice([1, 3, 10, 1000])
        where = EVERYTHING if not number else some_filter(chance)
        assert store.matching_ids(where) == oracle.ids(where)
        assert_nearest(store, oracle, query, where, limit)
        assert_ranked(matching(store, query, where, limit), oracle.matching(query, where), limit)


def grow(store, oracle, number, seed):
    chance = random.Random(seed)
    drafts = [some_draft(chance, chance.choice([8, 100]), cues=some_cues(chance)) for _ in range(number)]
    oracle.add(add(store, *drafts), drafts)
    for memory_id in chance.sample(sorted(oracle.memories), number // 4):
        change = Change(text=some_text(chance, 30))
        store.change(memory_id, change, embed(change.text, cues=oracle.memories[memory_id].cues))
        oracle.change(memory_id, change)
    gone = chance.sample(sorted(oracle.memories), number // 6)
    store.forget(gone)
    oracle.forget(gone)
    for old in chance.sample(sorted(oracle.memories), 3):
        draft = some_draft(chance, project=oracle.memories[old].project, supersedes=old)
        oracle.add(add(store, draft), [draft])
