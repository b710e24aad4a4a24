"""A store under any sequence of calls, restarts and damage is the dict it stands for."""

from __future__ import annotations

import random
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from faiss_memory.errors import MemoryNotFound
from faiss_memory.memory import Change
from tests.store.asking import nearest
from tests.store.oracle import (
    EVERYTHING,
    EmbeddedHome,
    Oracle,
    add,
    assert_same,
    embed,
    embed_query,
    settled,
    some_draft,
)

SEEDS = strategies.integers(0, 2**32)
FILES = [
    "index.faiss",
    "index.faiss.json",
    "search.db",
    "search.db.sha256",
    "metadata.json",
    "indexes/alpha/index.faiss",
]


class StoreIsADict(RuleBasedStateMachine):
    """Random content comes from a seed, so that hypothesis shrinks the sequence of calls and nothing else."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp(prefix="store-is-a-dict-"))
        self.home, self.oracle = EmbeddedHome(self.folder / "data"), Oracle()
        self.store = self.home.open()

    def teardown(self):
        if hasattr(self, "home"):
            try:
                assert_same(self.store, self.oracle)
                assert self.home.failures == []
            finally:
                self.home.close()
                shutil.rmtree(self.folder)

    def known(self, chance):
        return chance.choice(sorted(self.oracle.memories))

    @rule(seed=SEEDS, number=strategies.integers(1, 12))
    def add(self, seed, number):
        chance = random.Random(seed)
        drafts = [some_draft(chance, chance.choice([5, 100])) for _ in range(number)]
        self.oracle.add(add(self.store, *drafts), drafts)

    @precondition(lambda self: self.oracle.memories)
    @rule(seed=SEEDS)
    def supersede(self, seed):
        chance = random.Random(seed)
        old = self.known(chance)
        draft = some_draft(chance, project=self.oracle.memories[old].project, supersedes=old)
        self.oracle.add(add(self.store, draft), [draft])

    @precondition(lambda self: self.oracle.memories)
    @rule(seed=SEEDS)
    def change(self, seed):
        chance = random.Random(seed)
        memory_id, draft = self.known(chance), some_draft(chance, chance.choice([5, 100]))
        names = chance.sample(["text", "source", "tags", "metadata", "timestamp"], chance.randint(1, 3))
        change = Change(**{name: getattr(draft, name) for name in names})
        self.store.change(memory_id, change, None if change.text is None else embed(change.text))
        self.oracle.change(memory_id, change)

    @rule(seed=SEEDS)
    def forget(self, seed):
        chance = random.Random(seed)
        ids = chance.sample(
            [*sorted(self.oracle.given), 10_000], chance.randint(1, min(5, len(self.oracle.given) + 1))
        )
        gone = self.store.forget(ids)
        assert gone == [memory_id for memory_id in ids if memory_id in self.oracle.memories]
        self.oracle.forget(gone)

    @precondition(lambda self: self.oracle.memories)
    @rule()
    def forget_the_newest_and_restart(self):
        newest = max(self.oracle.memories)
        self.store.forget([newest])
        self.oracle.forget([newest])
        self.store = self.home.reopen()

    @rule(project=strategies.sampled_from(["alpha", "beta", "nobody"]))
    def drop_project(self, project):
        ids = [memory.id for memory in self.oracle.memories.values() if memory.project == project]
        if project not in {found.name for found in self.store.projects()}:
            assert not ids
            with pytest.raises(MemoryNotFound):
                self.store.drop_project(project)
        else:
            assert self.store.drop_project(project) == len(ids)
        self.oracle.forget(ids)

    @rule()
    def restart(self):
        self.store = self.home.reopen()

    @rule(
        name=strategies.sampled_from(FILES),
        how=strategies.sampled_from(["gone", "cut", "flipped"]),
        seed=SEEDS,
    )
    def restart_with_a_derived_file_harmed(self, name, how, seed):
        self.home.close()
        path = self.home.folder / name
        if path.exists():
            content = bytearray(path.read_bytes())
            at = random.Random(seed).randrange(len(content))
            content[at] ^= 1 << seed % 8
            path.unlink() if how == "gone" else path.write_bytes(content[:at] if how == "cut" else content)
        self.store = self.home.open()

    @rule()
    def change_the_model_and_back(self):
        """The new model answers with its own vectors only; then the first one's are there again."""
        self.store.use_model("other@1", "other", self.home.dimension)
        query = embed_query("ledger queue", "other")
        known = {match.memory_id for match in nearest(self.store, query, EVERYTHING, 1000)}
        assert known == self.oracle.memories.keys() - {memory.id for memory in self.store.unembedded(1000)}
        while memories := self.store.unembedded(7):
            self.store.embed(
                {memory.id: (memory.text, embed(memory.text, "other", memory.cues)) for memory in memories}
            )
        found = {match.memory_id: match.similarity for match in nearest(self.store, query, EVERYTHING, 1000)}
        expected = {
            key: float((embed(memory.text, "other", memory.cues).vectors @ query).max())
            for key, memory in self.oracle.memories.items()
        }
        assert found == pytest.approx(expected, abs=1e-5)
        self.store.use_model(self.home.identity, self.home.identity, self.home.dimension)
        settled(self.store)
        missing = self.store.unembedded(10_000)
        self.store.embed(
            {memory.id: (memory.text, embed(memory.text, cues=memory.cues)) for memory in missing}
        )

    @rule()
    def prepare_a_model_and_change_to_it_and_back(self):
        """While one model answers, another's vectors are there for those who name it; then it takes the place."""
        self.store.prepare_model("third@1", "third", self.home.dimension)
        while memories := self.store.unembedded(7, "third@1"):
            parts = {
                memory.id: replace(embed(memory.text, "third", memory.cues), model="third@1")
                for memory in memories
            }
            self.store.embed({memory.id: (memory.text, parts[memory.id]) for memory in memories})
        query = embed_query("ledger queue", "third")
        expected = {
            key: float((embed(memory.text, "third", memory.cues).vectors @ query).max())
            for key, memory in self.oracle.memories.items()
        }
        named = nearest(self.store, query, EVERYTHING, 1000, "third@1")
        self.store.use_model("third@1", "third", self.home.dimension)
        for found in (named, nearest(self.store, query, EVERYTHING, 1000)):
            similarities = {match.memory_id: match.similarity for match in found}
            assert similarities == pytest.approx(expected, abs=1e-5)
        assert self.store.model_in_use().identity == "third@1"
        self.store.use_model(self.home.identity, self.home.identity, self.home.dimension)
        settled(self.store)
        missing = self.store.unembedded(10_000)
        self.store.embed(
            {memory.id: (memory.text, embed(memory.text, cues=memory.cues)) for memory in missing}
        )

    @rule(seed=SEEDS)
    def compare(self, seed):
        assert_same(self.store, self.oracle, seed, searches=2)


StoreIsADict.TestCase.settings = settings(
    max_examples=settings.default.max_examples // 2, stateful_step_count=20, deadline=None, database=None,
    suppress_health_check=list(HealthCheck), print_blob=False,
)  # fmt: skip
test_a_store_is_a_dict = StoreIsADict.TestCase
