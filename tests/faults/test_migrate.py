"""A kill while a data folder of an earlier version is brought up to date: the next start finishes it."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from contextlib import closing

import pytest

from faiss_memory.store.records.schema import SCHEMA_VERSION
from tests.faults.checking import looking_at, visible_backups
from tests.faults.points import POINTS
from tests.older import EXPECTED, VERSION, expected_texts, unpacked
from tests.store.oracle import EVERYTHING, settled


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    return unpacked(tmp_path_factory.mktemp("older"))


def versions(data):
    """The versions of the tables of memory.db, and of each manual backup's base."""
    found = []
    for path in (data / "memory.db", *(folder / "base.db" for folder in visible_backups(data, "manual"))):
        with closing(sqlite3.connect(path)) as connection:
            found.append(connection.execute("PRAGMA user_version").fetchone()[0])
    return found


def is_finished(data):
    """Whether a start after a kill leads to all that there was, with one backup of what was before."""
    with looking_at(data) as store:
        settled(store)
        found = {memory.id: memory.text for memory in store.select(EVERYTHING, limit=1000)}
        assert found == expected_texts()
        assert len(store.backups()) == EXPECTED["backups"]["count"] + 1
    assert versions(data) == [SCHEMA_VERSION, VERSION, VERSION]
    return True


@pytest.mark.parametrize("point", [name for name, point in POINTS.items() if point.work == "migrate"])
def test_a_migration_killed_at_a_named_point_is_finished(nursery, older, memory_path, tally, point):
    data = memory_path / "data"
    shutil.copytree(older, data)
    count = POINTS[point].most
    assert nursery.born("migrate", data, point=point, count=count).wait() == -signal.SIGKILL
    assert is_finished(data)
    tally(f"kill -9 of a migration, {point}")


@pytest.mark.parametrize("moment", ["kill before", "kill after"])
@pytest.mark.parametrize("step", [100, pytest.param(3, marks=pytest.mark.faults)])
def test_a_migration_that_was_cut_short_anywhere_is_finished(
    nursery, older, control, memory_path, tally, moment, step
):
    data, done, number = memory_path / "data", 0, 1
    while True:
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(older, data)
        control.watch(data)
        control.harm(moment, number)
        ended = nursery.born("migrate", data).wait()
        control.rest()
        if ended != -signal.SIGKILL:
            break
        assert is_finished(data)
        done, number = done + 1, number + step
    assert done >= 2
    tally("kill -9 before or after each call to the disk of a migration", done)
