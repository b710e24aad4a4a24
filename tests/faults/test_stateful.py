"""A store under any sequence of calls, kills, backups and restores is the dict it stands for."""

from __future__ import annotations

import random
import shutil
import tempfile
from copy import copy
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings, strategies
from hypothesis.errors import Flaky
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test

from faiss_memory.contracts.store import Retry
from faiss_memory.errors import Conflict
from faiss_memory.memory import Change
from tests.faults.processes import Gone, Nursery, RemoteHome
from tests.faults.test_kill import times
from tests.store.oracle import EVERYTHING, Oracle, add, embed, some_draft
from tests.store.test_model import SEEDS, StoreIsADict


def as_it_is(oracle):
    """A copy of an oracle, which later calls leave alone."""
    same = copy(oracle)
    same.memories, same.embeddings = dict(oracle.memories), dict(oracle.embeddings)
    same.given = set(oracle.given)
    return same


class StoreOutlivesItsProcess(StoreIsADict):
    """The rules of the model in tests/store, on a store in a process of its own, and the ends that it can come to."""

    nursery: Nursery
    broken: str | None = None

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp(prefix="store-outlives-"))
        options = {"broken": self.broken} if self.broken else {}
        self.home, self.oracle = RemoteHome(self.nursery, self.folder / "data", **options), Oracle()
        self.store = self.home.open()
        self.kept, self.answers = {}, {}

    def teardown(self):
        self.nursery.control.rest()
        try:
            super().teardown()
        finally:
            if hasattr(self, "home"):
                self.home.kill()

    # Ends.

    @rule()
    def kill_and_restart(self):
        self.home.kill()
        self.store = self.home.open()

    @rule(seed=SEEDS, first=strategies.integers(1, 60))
    def die_in_the_middle_of_a_write(self, seed, first):
        """Killed at a call to the disk: the write is there wholly, or not at all."""
        if self.nursery.control.library is None:
            return
        chance = random.Random(seed)
        write, after = self._some_write(chance)
        self.nursery.control.watch(self.home.folder)
        self.nursery.control.harm(chance.choice(["kill before", "kill after"]), first)
        try:
            write()
            done = True
        except Gone:
            done = False
        self.nursery.control.rest()
        self.home.kill()
        self.store = self.home.open()
        self.oracle = after() if done else self._what_became(after)

    def _what_became(self, after):
        ids = self.store.matching_ids(EVERYTHING)
        for oracle in (self.oracle, after()):
            if ids == sorted(oracle.memories) and self.store.get(ids) == [oracle.get(one) for one in ids]:
                return oracle
        raise AssertionError(
            "after a kill in the middle of a write there is neither what was nor what was to be"
        )

    def _some_write(self, chance):
        """A write, and what there is when it was done."""
        kinds = ["add", *(["change", "forget"] if self.oracle.memories else [])]
        oracle, kind = as_it_is(self.oracle), chance.choice(kinds)
        known = sorted(oracle.memories)
        if kind == "change":
            memory_id, text = chance.choice(known), some_draft(chance).text
            change = Change(text=text)
            return (
                lambda: self.store.change(memory_id, change, embed(text)),
                lambda: oracle.change(memory_id, change) or oracle,
            )
        if kind == "forget":
            ids = chance.sample(known, min(3, len(known)))
            return lambda: self.store.forget(ids), lambda: oracle.forget(ids) or oracle
        drafts = [some_draft(chance) for _ in range(chance.randint(1, 6))]
        return lambda: add(self.store, *drafts), lambda: self._with_new(oracle, drafts)

    def _with_new(self, oracle, drafts):
        fresh = [one for one in self.store.matching_ids(EVERYTHING) if one not in oracle.memories]
        if len(fresh) == len(drafts):
            oracle.add(fresh, drafts)
        return oracle

    # Retried calls.

    @rule(seed=SEEDS, number=strategies.integers(1, 4))
    def add_with_a_key(self, seed, number):
        chance = random.Random(seed)
        drafts = [some_draft(chance) for _ in range(number)]
        key = Retry(f"key {len(self.answers)}", b"digest")
        ids = self._added(drafts, key)
        self.oracle.add(ids, drafts)
        self.answers[key.key] = drafts, ids

    @precondition(lambda self: self.answers)
    @rule(seed=SEEDS)
    def send_it_again(self, seed):
        name = random.Random(seed).choice(sorted(self.answers))
        drafts, ids = self.answers[name]
        assert self._added(drafts, Retry(name, b"digest")) == ids
        with pytest.raises(Conflict):
            self._added(drafts, Retry(name, b"another request"))

    def _added(self, drafts, key):
        added = self.store.add(drafts, [embed(draft.text) for draft in drafts], key)
        return [one.id for one in added]

    # Backups.

    @precondition(lambda self: len(self.kept) < 3)
    @rule()
    def back_up(self):
        backup = self.store.backup(None)
        assert backup.memories == len(self.oracle.memories)
        self.kept[backup.name] = as_it_is(self.oracle), dict(self.answers)

    @precondition(lambda self: self.kept)
    @rule(seed=SEEDS, in_order=strategies.booleans())
    def restore(self, seed, in_order):
        chance = random.Random(seed)
        name = chance.choice(sorted(self.kept))
        self.home.close() if in_order else self.home.kill()
        for file in (self.home.folder / "backups" / name).iterdir():
            shutil.copyfile(file, self.home.folder / file.name)
        self.store = self.home.open()
        self._is_again(name)

    @precondition(lambda self: self.kept)
    @rule(seed=SEEDS)
    def restore_by_a_call(self, seed):
        name = random.Random(seed).choice(sorted(self.kept))
        assert self.store.restore(name).memories == len(self.kept[name][0].memories)
        self._is_again(name)

    def _is_again(self, name):
        """What was there when the backup was made; ids that were given since are not given again."""
        given = set(self.oracle.given)
        self.oracle, self.answers = as_it_is(self.kept[name][0]), dict(self.kept[name][1])
        self.oracle.given |= given

    # All at once.

    @rule(seed=SEEDS)
    def rewrite(self, seed):
        chance = random.Random(seed)
        known = sorted(self.oracle.memories)
        drafts = [some_draft(chance) for _ in range(chance.randint(0, 3))]
        gone = chance.sample(known, min(2, len(known)))
        rest = [one for one in known if one not in gone]
        changes = {one: Change(source="rewritten", tags=("blue",)) for one in rest[:2]}
        done = self.store.rewrite(drafts, [embed(draft.text) for draft in drafts], changes, gone)
        self.oracle.add(done.added, drafts)
        for memory_id, change in changes.items():
            self.oracle.change(memory_id, change)
        self.oracle.forget(gone)


def run(examples, phases=tuple(Phase), **attributes):
    machine = type("Machine", (StoreOutlivesItsProcess,), attributes)
    given = settings(
        max_examples=examples, stateful_step_count=20, deadline=None, derandomize=True, database=None, phases=phases,
        report_multiple_bugs=False, suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=given)


@times(5, 300)
def test_a_store_is_a_dict_whatever_end_it_comes_to(nursery, tally, cycles):
    run(cycles, nursery=nursery)
    tally("sequences of 20 calls, kills, backups and restores, drawn by hypothesis", cycles)


def test_a_store_that_is_no_dict_is_noticed(nursery, tally):
    with pytest.raises((AssertionError, Flaky)):
        run(20, [Phase.generate], nursery=nursery, broken="keeps the old text")
    tally("control: sequences on a store that keeps the old text", result="noticed, as it must be")
