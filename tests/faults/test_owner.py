"""One process owns a data folder: a second one leaves at once, and a dead one is in nobody's way."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from faiss_memory.errors import StoreError, StoreLocked
from tests.faults.checking import check_store, looking_at, texts_of
from tests.faults.processes import RemoteHome
from tests.faults.test_kill import times
from tests.running import RunningService
from tests.store.oracle import add

IMPATIENT = {"constants": {"PATIENCE": 0.2}}


def test_a_second_service_leaves_at_once_and_says_who_owns_the_folder(tmp_path, tally):
    with RunningService(tmp_path / "data", fake=True) as first:
        second = RunningService(tmp_path / "data", fake=True)
        with pytest.raises(AssertionError, match="did not listen") as ended, second:
            pass
        assert second.process.returncode not in (None, 0)
        assert f"is in use by process {first.process.pid}" in str(ended.value)
        assert first.call("POST", "/memory/add", {"text": "shared words"})[0] == 201
        assert first.stop() == 0
    tally("a second service on one data folder", result="left at once, and said why")


@pytest.mark.faults
@times(4, 200)
def test_of_processes_that_start_together_one_gets_the_folder(nursery, tmp_path, tally, cycles):
    for cycle in range(cycles):
        homes = [RemoteHome(nursery, tmp_path / "data") for _ in range(3)]
        with ThreadPoolExecutor(3) as pool:
            # The lives are born one after another, their stores are opened at the same time.
            outcomes = list(pool.map(opened, homes))
        assert sorted(outcomes) == ["locked", "locked", "open"]
        (winner,) = [home for home, outcome in zip(homes, outcomes, strict=True) if outcome == "open"]
        assert len(add(winner.store, f"shared words {cycle}")) == 1
        winner.close() if cycle % 2 else winner.kill()
    with looking_at(tmp_path / "data") as store:
        assert len(texts_of(store)) == cycles
    tally("three processes that start together on one folder", cycles, "one opened it, two left")


def opened(home):
    try:
        home.open()
    except StoreLocked:
        return "locked"
    return "open"


def test_a_lock_of_a_dead_process_is_in_nobodys_way(nursery, tmp_path, journal, acknowledged, tally):
    """Also where its number has been given to another process meanwhile, as after a start of the machine."""
    home = RemoteHome(nursery, tmp_path / "data")
    for number in range(4):
        store = home.open()
        text = f"shared words {number}"
        journal.asked(0, "add", texts=[text])
        journal.done(0, add(store, text))
        home.kill()
        lock = tmp_path / "data" / ".lock"
        assert lock.read_text(encoding="utf-8").startswith("process ")
        if number % 2:
            lock.write_text(f"process {os.getpid() if number % 4 else 1}\n", encoding="utf-8")
        check_store(home.open(), acknowledged, journal)
        home.close()
    tally("a lock left by a killed process, its number in use again", 4)


def test_a_folder_whose_lock_is_taken_away_is_noticed(nursery, tmp_path, tally):
    """What the tests above would see if there were no lock: the second one is not told who owns the folder."""
    homes = [RemoteHome(nursery, tmp_path / "data", **IMPATIENT) for _ in range(2)]
    homes[0].open()
    (tmp_path / "data" / ".lock").unlink()
    with pytest.raises((AssertionError, StoreError)) as refused:
        raise AssertionError(f"the second one opened {homes[1].open()}")
    assert not isinstance(refused.value, StoreLocked)
    for home in homes:
        home.kill()
    tally("control: two processes without a lock", result="noticed, as it must be")


def test_records_that_another_program_holds_are_not_taken_for_damaged(nursery, tmp_path):
    """Somebody looks into memory.db with a tool of SQLite's while the service starts."""
    home = RemoteHome(nursery, tmp_path / "data", **IMPATIENT)
    add(home.open(), "shared words")
    home.close()
    with closing(sqlite3.connect(tmp_path / "data" / "memory.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="locked"):
            home.open()
    home.kill()
    assert not list((tmp_path / "data").glob("memory.db.broken*"))


@pytest.mark.faults
def test_a_service_leaves_a_process_of_its_own_folder_alone(tmp_path):
    """Two services with a folder each do not meet."""
    with (
        RunningService(tmp_path / "one", fake=True) as one,
        RunningService(tmp_path / "two", fake=True) as two,
    ):
        for service in (one, two):
            assert service.call("POST", "/memory/add", {"text": "shared words"})[1]["id"] == 1
            assert subprocess.run(["kill", "-0", str(service.process.pid)]).returncode == 0
