"""A clock that steps back and forth between writes: nothing that is kept may depend on it."""

from __future__ import annotations

import random

import pytest

from faiss_memory.contracts.store import Retry
from faiss_memory.memory import Change, Draft
from tests.faults.checking import check_backups, check_store, visible_backups
from tests.faults.processes import RemoteHome
from tests.faults.test_kill import times
from tests.store.oracle import embed

DAY = 86_400


class Dated:
    """A store whose clock jumps before each call."""

    def __init__(self, home, control, journal, seed):
        self.home, self.control, self.journal = home, control, journal
        self.chance, self.held, self.number = random.Random(seed), [], 0
        self.store = home.open()

    def jump(self):
        self.control.shift_clock(
            self.chance.choice([-1, 1]) * self.chance.choice([0.001, 1, 3600, DAY, 400 * DAY])
        )

    def write(self):
        self.jump()
        self.number += 1
        text = f"shared words {self.number}"
        kind = self.chance.random()
        if kind < 0.5 or not self.held:
            self.add(text)
        elif kind < 0.75:
            memory_id = self.chance.choice(self.held)
            self.journal.asked(0, "change", [memory_id], [text])
            self.store.change(memory_id, Change(text=text), embed(text))
            self.journal.done(0, [memory_id])
        else:
            memory_id = self.held.pop(self.chance.randrange(len(self.held)))
            self.journal.asked(0, "forget", [memory_id])
            self.store.forget([memory_id])
            self.journal.done(0, [memory_id])

    def add(self, text):
        """Add, and send it again within the minute, whatever the clock said before."""
        self.journal.asked(0, "add", texts=[text])
        key = Retry(text, b"digest")
        first = self.store.add([Draft(text=text)], [embed(text)], key)
        ids = [added.id for added in first]
        self.held += ids
        self.journal.done(0, ids)
        again = self.store.add([Draft(text=text)], [embed(text)], key)
        assert [added.id for added in again] == ids


@times(10, 300)
def test_a_clock_that_steps_back_and_forth_changes_nothing(
    nursery, control, tmp_path, journal, acknowledged, tally, cycles
):
    home = RemoteHome(nursery, tmp_path / "data")
    dated = Dated(home, control, journal, cycles)
    for cycle in range(cycles):
        dated.write()
        if cycle % 5 == 0:
            dated.jump()
            dated.store.backup(f"{cycle}")
        if cycle % 10 == 9:
            dated.jump()
            home.kill() if cycle % 20 == 9 else home.close()
            dated.jump()
            dated.store = home.open()
            check_store(dated.store, acknowledged, journal)
    backups = dated.store.backups()
    assert sorted(backup.name for backup in backups) == [path.name for path in visible_backups(home.folder)]
    assert len(visible_backups(home.folder, "manual")) == cycles // 5
    home.close()
    check_backups(home.folder, [backup.name for backup in backups])
    tally("the clock stepped by up to 400 days, back or forth, between writes", cycles)


def test_a_key_is_known_again_when_the_clock_stepped_back_after_it(nursery, control, tmp_path, tally):
    home = RemoteHome(nursery, tmp_path / "data")
    store, key = home.open(), Retry("key", b"digest")
    first = store.add([Draft(text="shared words")], [embed("shared words")], key)
    for seconds in (-3600, -400 * DAY, 3600):
        control.shift_clock(seconds)
        again = store.add([Draft(text="shared words")], [embed("shared words")], key)
        assert [added.id for added in again] == [added.id for added in first]
    home.close()
    tally("a request sent again after the clock stepped back", 3)


def test_the_clock_of_the_tests_really_jumps(nursery, control, tmp_path):
    home = RemoteHome(nursery, tmp_path / "data")
    store = home.open()
    before = store.ask("time")
    control.shift_clock(-10 * DAY)
    assert store.ask("time") - before == pytest.approx(-10 * DAY, abs=120)
    add = [Draft(text="shared words")], [embed("shared words")]
    memory_id = store.add(*add)[0].id
    assert store.get([memory_id])[0].timestamp.timestamp() == pytest.approx(before - 10 * DAY, abs=120)
    home.close()
