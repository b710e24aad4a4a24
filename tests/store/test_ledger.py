"""The ledger: what use memories are, counted for a year beside them, and never a backup of its own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta

import pytest

from faiss_memory.contracts.ledger import BUCKETS, Use, bucket_of, today
from faiss_memory.memory import Draft
from tests.store.oracle import EmbeddedHome, add

SHOWN = Use(assistant="claude-code", project="shop", event="shown", tokens=10)


def counted(store):
    return {(use.memory, use.event): (use.count, use.tokens) for use in store.uses()}


def test_the_same_use_is_counted_together_and_outlives_a_restart(home):
    store = home.open()
    (number,) = add(store, "ledger")
    store.note_uses([SHOWN, replace(SHOWN, memory=number)])
    store.note_uses([replace(SHOWN, memory=number)] * 2)
    assert counted(store) == {(None, "shown"): (1, 10), (number, "shown"): (3, 30)}
    store.note_uses([replace(SHOWN, memory=number)])  # is not written yet
    assert counted(home.reopen()) == {(None, "shown"): (1, 10), (number, "shown"): (4, 40)}


def test_it_makes_no_backup_and_counts_among_none(home):
    store = home.open()
    add(store, "ledger")
    before = store.backups()
    for _ in range(20):
        store.note_uses([SHOWN])
        assert store.uses()
    assert store.backups() == before
    add(store, "tax")
    assert len(store.backups()) <= len(before) + 1


def test_it_is_in_the_log_and_comes_back_with_the_records(home):
    store = home.open()
    (number,) = add(store, "ledger")
    store.note_uses([replace(SHOWN, memory=number)])
    assert store.uses()
    home.close()
    for path in home.folder.glob("memory.db*"):
        path.unlink()
    assert counted(home.open()) == {(number, "shown"): (1, 10)}
    assert [memory.id for memory in home.store.get([number])] == [number]


@pytest.mark.parametrize("way", ["forget", "purge", "drop"])
def test_what_was_counted_of_a_memory_that_goes_counts_for_none(home, way):
    store = home.open()
    gone, kept = add(store, Draft(text="ledger xyzzy", project="shop"), Draft(text="tax", project="other"))
    store.note_uses(
        [SHOWN, replace(SHOWN, memory=gone), replace(SHOWN, memory=gone), replace(SHOWN, memory=kept)]
    )
    assert store.uses()
    {"forget": store.forget, "purge": store.purge, "drop": lambda _: store.drop_project("shop")}[way]([gone])
    assert counted(store) == {(None, "shown"): (3, 30), (kept, "shown"): (1, 10)}
    store.note_uses([replace(SHOWN, memory=gone)])  # it was shown a moment before
    assert counted(store) == {(None, "shown"): (4, 40), (kept, "shown"): (1, 10)}


def test_a_purge_empties_the_column_in_every_file_and_keeps_the_counts(home):
    store = home.open()
    gone, kept = add(store, "ledger xyzzy", "tax")
    store.note_uses([replace(SHOWN, memory=gone), replace(SHOWN, memory=kept)])
    assert store.uses()
    backup = store.backup(None)
    store.purge([gone])
    assert store.restore(backup.name).memories == 1
    assert counted(store) == {(None, "shown"): (1, 10), (kept, "shown"): (1, 10)}
    home.close()
    for base in home.folder.glob("backups/**/*.db"):
        with closing(sqlite3.connect(base)) as connection:
            assert connection.execute("SELECT count(*) FROM uses WHERE memory = ?", (gone,)).fetchone() == (
                0,
            )


def test_it_is_kept_for_a_year(home):
    store = home.open()
    days = [str(date.fromisoformat(today()) - timedelta(days=back)) for back in (0, 365, 400)]
    store.note_uses([replace(SHOWN, day=day) for day in days])
    assert {use.day for use in store.uses()} == set(days[:2]) | {days[2]}
    store.note_uses([SHOWN])
    assert {use.day for use in store.uses()} == set(days[:2])
    assert {use.day for use in store.uses(days[0])} == {days[0]}


def test_latencies_are_counted_in_buckets():
    assert [bucket_of(seconds) for seconds in (0, 0.005, 0.006, 0.25, 99)] == [5, 5, 10, 250, BUCKETS[-1]]


def test_a_kill_loses_what_was_not_written_and_nothing_else(home):
    store = home.open()
    (number,) = add(store, "ledger")
    store.note_uses([replace(SHOWN, memory=number)])
    assert store.uses()
    copied = home.folder.with_name("copied")
    home.close()
    home.folder.rename(copied)
    another = EmbeddedHome(copied)
    assert counted(another.open()) == {(number, "shown"): (1, 10)}
    another.close()
