"""A store in plain Python, slow and simple, that a real one must agree with; and what it is filled with."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from faiss_memory.memory import Change, Draft, Filter, Memory
from faiss_memory_conformance.store_home import Home, embed

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = (
    "ledger", "postgres", "redis", "token", "cache", "queue", "retry", "deploy",
    "schema", "index", "worker", "shard", "login", "cookie", "region", "tax",
)  # fmt: skip


class Oracle:
    """What a store must hold and answer after the same calls, in plain Python."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._memories: dict[int, Memory] = {}

    def grow(self, number: int, seed: int) -> None:
        """Add, change, supersede and forget."""
        chance = random.Random(seed)
        for _ in range(number):
            draft = Draft(
                text=" ".join(chance.choices(WORDS, k=chance.randint(1, 30))),
                project=chance.choice(["default", "alpha"]),
                source=chance.choice(["docs/a.md", "docs/b.md", "src/main.py", ""]),
                tags=tuple(chance.sample(["red", "green", "blue"], chance.randint(0, 2))),
                cues=chance.choice([(), (), ("when it rains",)]),
                metadata=chance.choice([{}, {"x": 1}, {"x": "1"}, {"x": True, "y": None}]),
                timestamp=EPOCH + timedelta(hours=chance.randint(0, 50)),
                by=chance.choice([None, "cli", "hook", "mcp:cursor"]),
                actor=chance.choice([None, None, "ana", "ben"]),
            )
            (memory_id,) = self._home.add(draft)
            self._read(memory_id)
        for memory_id in chance.sample(sorted(self._memories), number // 5):
            text = " ".join(chance.choices(WORDS, k=20))
            self._home.store.change(memory_id, Change(text=text, cues=()), embed(text))
            self._read(memory_id)
        for old in chance.sample(sorted(self._memories), 3):
            project = self._memories[old].project
            (memory_id,) = self._home.add(
                Draft(text="instead", project=project, supersedes=old, timestamp=EPOCH)
            )
            self._read(memory_id)
            self._memories[old] = replace(self._memories[old], superseded_by=memory_id)
        gone = chance.sample(
            [key for key, one in self._memories.items() if one.text != "instead"], number // 8
        )
        self._home.store.forget(gone)
        for memory_id in gone:
            del self._memories[memory_id]

    def _read(self, memory_id: int) -> None:
        self._memories[memory_id] = self._home.store.get([memory_id])[0]

    def ids(self, where: Filter) -> list[int]:
        """Return what a filter lets through."""
        return sorted(key for key, memory in self._memories.items() if _passes(memory, where))

    def check(self, when: str, searches: int = 8) -> None:
        """Compare the answers to generated searches."""
        chance, store = random.Random(when), self._home.store
        assert store.get(sorted(self._memories)) == [self._memories[key] for key in sorted(self._memories)]
        for _ in range(searches):
            where, depth = _some_filter(chance), chance.choice([1, 3, 100])
            query = " ".join(chance.choices(WORDS, k=3))
            there = self.ids(where)
            assert store.matching_ids(where) == there
            assert store.count(where) == len(there)
            assert store.allowed(self._memories, where) == set(there)
            near = self._home.nearest(query, where, depth)
            assert len(near) == len(set(near)) == min(depth, len(there))
            assert set(near) <= set(there)
            words = set(query.split())
            held = {key for key in there if words & set(self._memories[key].text.split())}
            by_words = self._home.by_words(query, where, depth)
            assert len(by_words) == len(set(by_words)) >= min(depth, len(held))
            assert len(by_words) == depth or held <= set(by_words)
            # A store may take what stands in the same file beside one that holds a word, and nothing else.
            beside = {one.source for one in self._memories.values() if words & set(one.text.split())}
            assert set(by_words) <= {key for key in there if self._memories[key].source in beside} | held


def _some_filter(chance: random.Random) -> Filter:
    hours = sorted(chance.sample(range(50), 2))
    return Filter(
        projects=chance.choice([None, ("default",), ("alpha", "nobody"), ()]),
        tags=tuple(chance.sample(["red", "green", "blue"], chance.choice([0, 0, 1, 2]))),
        tags_mode=chance.choice(["any", "all"]),
        source=chance.choice([None, None, "docs/*", "*.md", "src/main.p?"]),
        metadata=chance.choice([{}, {}, {"x": 1}, {"x": True}]),
        after=chance.choice([None, EPOCH + timedelta(hours=hours[0])]),
        before=chance.choice([None, EPOCH + timedelta(hours=hours[1])]),
        include_superseded=chance.random() < 0.5,
        expired_by=chance.choice([None, None, None, EPOCH + timedelta(hours=hours[1])]),
        without_cues=chance.random() < 0.2,
        by=chance.choice([(), (), ("cli",), ("mcp:*", "unknown"), ("[h-m]*",)]),
        actors=chance.choice([(), (), (), ("ana",), ("owner", "ben")]),
    )


def _passes(memory: Memory, where: Filter) -> bool:
    shared = set(where.tags) & set(memory.tags)
    enough = len(where.tags) if where.tags_mode == "all" else min(1, len(where.tags))
    return (
        (where.projects is None or memory.project in where.projects)
        and len(shared) >= enough
        and (where.source in (None, memory.source) or fnmatchcase(memory.source, where.source or ""))
        and all(_same(memory.metadata.get(key, ...), value) for key, value in where.metadata.items())
        and (where.after is None or memory.timestamp >= where.after)
        and (where.before is None or memory.timestamp < where.before)
        and (where.include_superseded or memory.superseded_by is None)
        and (where.expired_by is None or bool(memory.valid_until and memory.valid_until <= where.expired_by))
        and not (where.without_cues and memory.cues)
        and (not where.actors or (memory.actor or "owner") in where.actors)
        and (not where.by or any(fnmatchcase(memory.by or "unknown", way) for way in where.by))
    )


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
