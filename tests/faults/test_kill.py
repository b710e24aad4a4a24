"""kill -9 at any moment: what was acknowledged is there, what was not is there whole or not at all."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from copy import deepcopy

import pytest

from tests.faults.checking import (
    check_backup,
    check_backups,
    check_store,
    check_wholly,
    looking_at,
    looking_at_a_copy,
    looking_at_what_the_log_says,
    texts_of,
    visible_backups,
)
from tests.faults.journal import marks_in
from tests.faults.points import POINTS
from tests.faults.workloads import ENOUGH_EACH, PURGES, WRITERS
from tests.store.oracle import until

CALLS = 12
"""Of each writer in each life."""
ENDLESS = 1_000_000
"""Calls of a life that does not end by itself."""


def times(normal, long, parts=1):
    """How often: in every run of the tests, and in `make faults`, there in parts that each begin anew."""
    longer = [pytest.param(long // parts, marks=pytest.mark.faults) for _ in range(parts)]
    return pytest.mark.parametrize("cycles", [normal, *longer])


class Killing:
    """One data folder through many lives, each ended by a kill."""

    def __init__(self, nursery, folder, journal, acknowledged, seed):
        self.nursery, self.data = nursery, folder / "data"
        self.journal, self.acknowledged, self.options = journal, acknowledged, {}
        self.chance = random.Random(seed)
        self.lives, self.kills, self.backups, self.rebuilt = 0, 0, 0, 0
        self.work = ""

    def born(self, work="write", **options):
        self.work = work
        given = {
            "journal": str(self.journal.path),
            "calls": CALLS,
            "max_backups": 2,
            **self.options,
            **options,
        }
        return self.nursery.born(work, self.data, **given)

    def killed_at_random_moments(self, work, cycles, most=20_000):
        """Kill so many lives, each when up to so many bytes were noted in the journal; gives how many died of it."""
        self.ended(self.born(work))  # so that there is something old
        for _ in range(cycles):
            target = self.journal.path.stat().st_size + self.chance.randrange(most)
            life = self.born(work, calls=ENDLESS)
            until(
                lambda: self.journal.path.stat().st_size >= target or life.stopped(),  # noqa: B023
                "enough was written",
            )
            life.kill()
            self.ended(life)
        assert self.kills == cycles
        self.all_was_asked_for(cycles)
        return self.kills

    def killed_at_calls_to_the_disk(self, work, cycles, control):
        """Between any two steps there are, also those of a start, of saving an index and of the end."""
        control.watch(self.data)
        self.ended(self.born(work))
        most = control.passed
        assert most > 100
        for _ in range(cycles):
            some = ("fsync", "fdatasync"), ("rename", "link", "unlink", "mkdir", "open")
            kinds = self.chance.choice([(), (), *some])
            control.watch(self.data, *kinds)
            moment = self.chance.choice(["kill before", "kill after"])
            control.harm(moment, self.chance.randint(1, most if not kinds else most // 20))
            self.ended(self.born(work))
        assert self.kills > cycles * 0.4 - 1
        self.all_was_asked_for(cycles)
        return self.kills

    def all_was_asked_for(self, cycles):
        counts = dict(self.acknowledged.counts)
        purges = counts.pop("purge", cycles)  # long calls, so most lives end in the middle of one
        assert min(counts.values()) > cycles / 2, counts
        assert purges > cycles / 10

    def ended(self, life):
        """Wait for the end of a life, and check what it left behind."""
        code = life.wait()
        assert code in (0, -signal.SIGKILL), self.nursery.log.read_text()[-4000:]
        self.kills += code != 0
        self.lives += 1
        self.check()
        return code

    def check_backups(self, data, acknowledged):
        """Whatever was answered is in the latest automatic backup; manual ones, and after purges all, restore."""
        others = {path.name for path in visible_backups(data, "" if "purge" in self.work else "manual")}
        autos = visible_backups(data, "auto")
        if autos:
            latest = max(autos, key=lambda path: json.loads((path / "manifest.json").read_bytes())["seq"])
            acknowledged.check_backup(self.journal, check_backup(latest))
            self.backups += 1
            others.discard(latest.name)
        self.backups += check_backups(data, others)

    def check_log(self):
        """The records can be lost as well."""
        with looking_at_what_the_log_says(self.data) as store:
            self.acknowledged.check_log(self.journal, texts_of(store))
        self.rebuilt += 1

    def check(self):
        """Look at a copy, so that the next life begins with what the kill left, or close the folder in order."""
        marks, before = marks_in(self.data), deepcopy(self.acknowledged)
        purging = (self.data / "backups/.store/purging.json").exists()
        if not purging:
            self.check_backups(self.data, before)
        if self.lives % 4 == 0:
            self.check_log()
        with looking_at_a_copy(self.data) if self.lives % 3 else looking_at(self.data) as store:
            check_store(store, self.acknowledged, self.journal)
            if purging:  # which the start has finished
                self.check_backups(store.folder, before)
            if self.lives % 30 == 0:
                check_wholly(store)
        found = marks & self.acknowledged.purged
        assert not found, f"texts whose purge was acknowledged are in some file: {found}"
        self.tidy()
        assert len(self.acknowledged.present) < 6 * WRITERS * ENOUGH_EACH  # or each life would cost more

    def tidy(self):
        """Remove what would make each life cost more, as a person may."""
        for manual in visible_backups(self.data, "manual"):
            shutil.rmtree(manual)
        for aside in self.data.glob("memory.db.before-restore*") if self.lives % 3 == 0 else ():
            aside.unlink()


@pytest.fixture
def killing(nursery, tmp_path, journal, acknowledged, tally, request):
    made = Killing(nursery, tmp_path, journal, acknowledged, request.node.name)
    yield made
    if made.backups:
        tally("backup restored after a kill, the latest one holding all that was answered", made.backups)
    if made.rebuilt:
        tally("memory.db lost after a kill, and built anew from the log", made.rebuilt)


@pytest.fixture
def purging(killing, memory_path):
    """As `killing`, in memory: a purge syncs so many files that little else would be done meanwhile."""
    killing.data = memory_path / "data"
    killing.options |= {"since": time.time(), "max_backups": 6}
    return killing


@times(6, 1100, parts=5)
def test_a_kill_at_a_random_moment_loses_nothing_acknowledged(killing, tally, cycles):
    kills = killing.killed_at_random_moments("write", cycles)
    tally("kill -9 of the store under 8 writers, at a random moment", kills)


@times(8, 1400, parts=7)
def test_a_kill_at_any_call_to_the_disk_loses_nothing_acknowledged(killing, control, tally, cycles):
    kills = killing.killed_at_calls_to_the_disk("write", cycles, control)
    tally("kill -9 of the store under 8 writers, before or after its n-th call to the disk", kills)


BESIDE = [("purge beside writers", "purges and backups"), ("purge and restore", "purges and restores")]
PURGING = pytest.mark.parametrize(("work", "beside"), BESIDE)
LONG = [pytest.param(*beside, 100, marks=pytest.mark.faults) for beside in BESIDE for _ in range(3)]


@pytest.mark.parametrize(("work", "beside", "cycles"), LONG)
def test_a_kill_at_a_random_moment_beside_purges_loses_nothing_else(purging, tally, work, beside, cycles):
    kills = purging.killed_at_random_moments(work, cycles, most=40_000)
    tally(f"kill -9 of the store under 8 writers, {beside}, at a random moment", kills)


@pytest.mark.parametrize(("work", "beside", "cycles"), [(*BESIDE[1], 2), *LONG])
def test_a_kill_at_any_call_to_the_disk_beside_purges_loses_nothing_else(
    purging, control, tally, work, beside, cycles
):
    kills = purging.killed_at_calls_to_the_disk(work, cycles, control)
    tally(f"kill -9 of the store under 8 writers, {beside}, before or after its n-th call to the disk", kills)


WRITING = [name for name, point in POINTS.items() if point.work in ("write", "back up")]


@pytest.mark.faults
def test_a_kill_at_each_named_point_loses_nothing_acknowledged(killing, tally):
    killing.ended(killing.born())  # so that there is something old
    for point in WRITING:
        life = killing.born(POINTS[point].work, point=point, count=1 + 2 % POINTS[point].most)
        assert killing.ended(life) == -signal.SIGKILL, f"it was not passed: {point}"
    tally("kill -9 of the store under 8 writers, at each named point, one after the other", len(WRITING))


@pytest.mark.faults
@pytest.mark.parametrize("point", WRITING)
def test_kills_at_a_named_point_lose_nothing_acknowledged(killing, tally, point):
    work, most = POINTS[point].work, POINTS[point].most
    killing.ended(killing.born(work))  # so that there is something old
    calls = (
        CALLS if most == 1 else ENDLESS
    )  # (some are passed at the end alone, some again after a while alone)
    for count in range(1, 13):
        life = killing.born(work, point=point, count=1 + count * 2 % most, calls=calls)
        assert killing.ended(life) == -signal.SIGKILL, "the point was not passed"
    tally(f"kill -9 of the store under 8 writers, {point}", 12)


@pytest.mark.faults
@pytest.mark.parametrize("point", [name for name, point in POINTS.items() if point.work == "purge"])
def test_a_kill_at_a_named_point_of_a_purge_loses_nothing_else(purging, tally, point):
    for count in range(12):
        life = purging.born("purge beside writers", point=point, count=1 + count % PURGES)
        assert purging.ended(life) == -signal.SIGKILL, "the point was not passed"
    tally(f"kill -9 of the store under 8 writers, {point}", 12)


@pytest.mark.parametrize(
    "broken", ["loses what was added", "forgets nothing", "keeps the old text", "stores half a batch"]
)
def test_a_store_that_breaks_its_promise_is_noticed(killing, tally, broken):
    killing.options["broken"] = broken

    def live():
        for _ in range(10):
            killing.ended(killing.born())

    with pytest.raises(AssertionError, match=r"memory \d+ is|half a batch"):
        live()
    tally(f"control: a store that {broken}", result="noticed, as it must be")


def test_a_store_that_only_forgets_what_it_is_to_purge_is_noticed(purging, tally):
    purging.options["broken"] = "purges answers alone"
    with pytest.raises(AssertionError, match="in some file"):
        purging.ended(purging.born("purge beside writers"))
    tally("control: a store that purges answers alone", result="noticed, as it must be")
