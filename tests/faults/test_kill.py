"""kill -9 at any moment: what was acknowledged is there, what was not is there whole or not at all."""

from __future__ import annotations

import json
import random
import signal

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
from tests.faults.points import POINTS
from tests.faults.workloads import ENOUGH_EACH, WRITERS
from tests.store.oracle import until

CALLS = 12
"""Of each writer in each life."""


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

    def born(self, work="write", **options):
        given = {
            "journal": str(self.journal.path),
            "calls": CALLS,
            "max_backups": 2,
            **self.options,
            **options,
        }
        return self.nursery.born(work, self.data, **given)

    def ended(self, life):
        """Wait for the end of a life, and check what it left behind."""
        code = life.wait()
        assert code in (0, -signal.SIGKILL), self.nursery.log.read_text()[-4000:]
        self.kills += code != 0
        self.lives += 1
        self.check()
        return code

    def check_latest_backup(self):
        """Whatever was answered is in the latest automatic backup already."""
        autos = visible_backups(self.data, "auto")
        if autos:
            latest = max(autos, key=lambda path: json.loads((path / "manifest.json").read_bytes())["seq"])
            content = check_backup(latest)
            self.acknowledged.check_backup(self.journal, content)
            self.backups += 1

    def check_log(self):
        """The records can be lost as well."""
        with looking_at_what_the_log_says(self.data) as store:
            self.acknowledged.check_log(self.journal, texts_of(store))
        self.rebuilt += 1

    def check(self):
        """Look at a copy, so that the next life begins with what the kill left, or close the folder in order."""
        self.check_latest_backup()
        if self.lives % 4 == 0:
            self.check_log()
        if self.lives % 3:
            with looking_at_a_copy(self.data) as store:
                check_store(store, self.acknowledged, self.journal)
        else:
            with looking_at(self.data) as store:
                check_store(store, self.acknowledged, self.journal)
                if self.lives % 30 == 0:
                    check_wholly(store)
        manual = [path.name for path in visible_backups(self.data, "manual")]
        self.backups += check_backups(self.data, manual)
        assert len(self.acknowledged.present) < 6 * WRITERS * ENOUGH_EACH  # or each life would cost more


@pytest.fixture
def killing(nursery, tmp_path, journal, acknowledged, tally, request):
    made = Killing(nursery, tmp_path, journal, acknowledged, request.node.name)
    yield made
    if made.backups:
        tally("backup restored after a kill, the latest one holding all that was answered", made.backups)
    if made.rebuilt:
        tally("memory.db lost after a kill, and built anew from the log", made.rebuilt)


@times(10, 1100, parts=5)
def test_a_kill_at_a_random_moment_loses_nothing_acknowledged(killing, tally, cycles):
    chance = killing.chance
    for _ in range(cycles):
        before = killing.journal.path.stat().st_size
        target = before + chance.randrange(20_000)
        life = killing.born(calls=1_000_000)  # so that it does not end by itself
        until(
            lambda: killing.journal.path.stat().st_size >= target or life.stopped(),  # noqa: B023
            "enough was written",
        )
        life.kill()
        killing.ended(life)
    assert killing.kills == cycles
    assert min(killing.acknowledged.counts.values()) > cycles / 2
    tally("kill -9 of the store under 8 writers, at a random moment", killing.kills)


@times(15, 1400, parts=7)
def test_a_kill_at_any_call_to_the_disk_loses_nothing_acknowledged(killing, control, tally, cycles):
    """Between any two steps there are, also those of a start, of saving an index and of the end."""
    chance = killing.chance
    control.watch(killing.data)
    killing.ended(killing.born())
    most = control.passed
    assert most > 100
    for _ in range(cycles):
        kinds = chance.choice([(), (), ("fsync", "fdatasync"), ("rename", "link", "unlink", "mkdir", "open")])
        control.watch(killing.data, *kinds)
        control.harm(
            chance.choice(["kill before", "kill after"]), chance.randint(1, most if not kinds else 40)
        )
        killing.ended(killing.born())
    assert killing.kills > cycles * 0.4
    assert min(killing.acknowledged.counts.values()) > cycles / 2
    tally("kill -9 of the store under 8 writers, before or after its n-th call to the disk", killing.kills)


WRITING = [name for name, point in POINTS.items() if point.work in ("write", "back up")]


@pytest.mark.parametrize("point", WRITING)
@times(1, 12)
def test_a_kill_at_a_named_point_loses_nothing_acknowledged(killing, tally, point, cycles):
    work, most = POINTS[point].work, POINTS[point].most
    killing.ended(killing.born(work))  # so that there is something old
    for count in range(1, cycles + 1):
        life = killing.born(work, point=point, count=1 + count * 2 % most)
        assert killing.ended(life) == -signal.SIGKILL, "the point was not passed"
    tally(f"kill -9 of the store under 8 writers, {point}", cycles)


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
