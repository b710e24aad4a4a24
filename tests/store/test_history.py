"""Every write can be gone back to: by its backup, or by the time, while the store runs or by copying files."""

import copy
import errno
import io
import json
import os
import random
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from faiss_memory.contracts.store import Retry
from faiss_memory.errors import Conflict, InvalidRequest, MemoryNotFound, StoreCorrupt, StoreError
from faiss_memory.memory import Change, Draft, Filter, Origin
from faiss_memory.store import EmbeddedStore
from faiss_memory.store.backup import log, restore, snapshots
from faiss_memory.store.backup.backups import _kept_by_time
from faiss_memory.store.backup.manifests import Manifest
from faiss_memory.store.records import clock as clock_module
from tests.fakes import DIMENSION
from tests.store.asking import nearest
from tests.store.oracle import (
    EVERYTHING,
    EmbeddedHome,
    Oracle,
    add,
    assert_same,
    embed,
    embed_query,
    grow,
    settled,
    until,
)


def texts(store):
    return sorted(memory.text for memory in store.select(EVERYTHING, limit=10_000))


def autos(store):
    return [backup for backup in store.backups() if backup.name.startswith("auto_")]


def lay(home, name, target):
    """Copy a backup's files into a fresh data folder, as a person would."""
    target.mkdir()
    for path in (home.folder / "backups" / name).iterdir():
        shutil.copyfile(path, target / path.name)
    return EmbeddedHome(target)


def copy_records(source, target):
    """Put the records of a data folder, which may be in use, in the place of another's."""
    target.mkdir(exist_ok=True)
    for path in target.glob("memory.db*"):
        path.unlink()
    for path in source.glob("memory.db*"):
        shutil.copyfile(path, target / path.name)


class Clock:
    """The time as the backups see it."""

    def __init__(self, monkeypatch):
        self.now = datetime(2026, 2, 12, 12, 0, 0, tzinfo=UTC)
        monkeypatch.setattr(clock_module, "now", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def small_log(monkeypatch):
    """Bases are rolled after every few writes."""
    monkeypatch.setattr(snapshots, "LEAST_TO_ROLL", 2_000)
    monkeypatch.setattr(snapshots, "TIMES_TO_ROLL", 0)
    monkeypatch.setattr("faiss_memory.store.worker.SECONDS_BETWEEN_SAVES", 0.0)


def test_every_write_is_a_backup_that_restores_by_copying_its_files(home, clock, tmp_path):
    store = home.open()
    states = []
    for number in range(8):
        clock.now += timedelta(seconds=1)
        (memory_id,) = add(store, f"memory {number}")
        if number % 3 == 2:
            store.forget([memory_id - 1])
        states.append(texts(store))
    made = autos(store)
    assert [backup.memories for backup in made] == [len(state) for state in states]
    home.close()
    for backup, state in zip(made, states, strict=True):
        restored = lay(home, backup.name, tmp_path / backup.name)
        assert texts(restored.open()) == state
        restored.close()


def test_writes_of_one_second_share_a_folder_that_holds_the_last(home, clock, tmp_path):
    store = home.open()
    for number in range(5):
        add(store, f"memory {number}")
    (backup,) = autos(store)
    assert (backup.name, backup.memories) == ("auto_20260212_120000", 5)
    home.close()
    restored = lay(home, backup.name, tmp_path / "restored")
    assert len(texts(restored.open())) == 5
    restored.close()


@pytest.mark.long
def test_backups_of_a_store_that_grows_fast_stay_near_its_size(home, clock, monkeypatch):
    monkeypatch.setattr(snapshots, "LEAST_TO_ROLL", 50_000)
    monkeypatch.setattr("faiss_memory.store.worker.SECONDS_BETWEEN_SAVES", 0.0)
    store = home.open()
    for number in range(80):
        add(store, *(f"memory {number} {place} " + "word " * 100 for place in range(25)))
    until(lambda: snapshots.bases(home.folder / "backups/.store")[0].seq > 0, "a base was rolled")
    home.close()
    files = {path.stat().st_ino: path.stat().st_size for path in (home.folder / "backups").rglob("*")}
    assert len(list(home.folder.glob("backups/.store/base-*.db"))) > 1
    assert sum(files.values()) < 2.4 * (home.folder / "memory.db").stat().st_size


def test_a_backup_holds_everything_of_a_memory(home, tmp_path):
    store = home.open()
    origin = Origin("/notes/a.md", "#A", "digest", "details")
    draft = Draft(
        text="ledger", project="alpha", source="s", tags=("x",), metadata={"a": [1]}, origin=origin,
        timestamp=datetime(2020, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    (first,) = add(store, draft)
    (second,) = add(store, Draft(text="ledger two", project="alpha", supersedes=first))
    retry = Retry("key", b"digest")
    added = store.add([Draft(text="once")], [embed("once")], retry)
    store.change(second, Change(text="ledger three"), embed("ledger three"))
    add(store, Draft(text="gone", project="beta"))
    store.drop_project("beta")
    made = autos(store)[-1]
    expected = store.get([first, second, added[0].id]), store.origins("alpha"), store.projects()
    home.close()
    restored = lay(home, made.name, tmp_path / "restored")
    store = restored.open()
    assert (store.get([first, second, added[0].id]), store.origins("alpha"), store.projects()) == expected
    again = store.add([Draft(text="once")], [embed("once")], retry)
    assert (again[0].id, again[0].repeated) == (added[0].id, True)
    match = nearest(store, embed_query("ledger three"), Filter(projects=("alpha",)), 1)[0]
    assert (match.memory_id, match.similarity) == (second, pytest.approx(1, abs=1e-5))
    restored.close()


def test_the_latest_ones_stay_and_the_last_of_each_hour_and_day(clock, tmp_path):
    store = EmbeddedStore(tmp_path / "data", print, max_backups=3)
    store.open()
    store.use_model("fake@1", "fake", DIMENSION)
    for step in (timedelta(days=2), timedelta(hours=30), timedelta(minutes=90), timedelta(minutes=20)):
        for _ in range(5):
            clock.now += timedelta(seconds=1)
            add(store, "ledger")
        clock.now += step
    for _ in range(5):
        clock.now += timedelta(seconds=1)
        add(store, "ledger")
    assert [backup.memories for backup in autos(store)] == [5, 10, 15, 23, 24, 25]
    assert {path.name for path in (tmp_path / "data/backups").iterdir() if path.name != ".store"} == {
        backup.name for backup in autos(store)
    }
    store.close()


def test_kept_by_time_is_the_last_of_each_hour_and_day():
    now = datetime(2026, 2, 12, 12, 30, tzinfo=UTC)
    made = [now - timedelta(minutes=10 * n) for n in range(7 * 24 * 6, -1, -1)]
    entries = [
        Manifest(name=f"auto_{n}", created_at=at, store="", seq=n, memories=0, size_bytes=0, sha256="")
        for n, at in enumerate(made)
    ]
    names = _kept_by_time(entries, now)
    kept = {entry.created_at for entry in entries if entry.name in names}
    hours = {at.replace(minute=0): at for at in made}.values()  # the last of each
    assert {at for at in hours if now - at < timedelta(hours=24)} <= kept
    assert len(kept) == 24 + 7


def test_manual_backups_stay_and_are_copies_of_their_own(home, clock):
    store = home.open()
    add(store, "ledger")
    manual = store.backup("first")
    for _ in range(30):
        clock.now += timedelta(seconds=1)
        add(store, "more")
    assert manual.name in {backup.name for backup in store.backups()}
    folder = home.folder / "backups" / manual.name
    assert all(path.stat().st_nlink == 1 for path in folder.iterdir())
    assert all(path.stat().st_nlink > 1 for path in (home.folder / "backups").glob("auto_*/base.db"))


def test_the_running_store_goes_back_to_a_backup_and_forth_again(home):
    store = home.open()
    oracle = Oracle()
    grow(store, oracle, 30, 1)
    backup = store.backup(None)
    before = {memory.id: memory for memory in store.select(EVERYTHING, limit=1000)}
    given = set(oracle.given)
    grow(store, oracle, 30, 2)
    after = store.backup(None)
    restored = store.restore(backup.name)
    assert (restored.name, restored.memories) == (backup.name, len(before))
    assert {memory.id: memory for memory in store.select(EVERYTHING, limit=1000)} == before
    assert (home.folder / restored.set_aside).exists()
    (fresh,) = add(store, "after the restore")
    assert fresh > max(given | oracle.given)
    assert [match.memory_id for match in nearest(store, embed_query("after the restore"), EVERYTHING, 1)] == [
        fresh
    ]
    store.restore(after.name)
    oracle.given = set()
    assert_same(store, oracle)
    store = home.reopen()
    assert_same(store, oracle)


def test_the_store_goes_back_to_any_moment(tmp_path, clock, small_log):
    store = EmbeddedStore(tmp_path / "data", print, max_backups=100)
    store.open()
    store.use_model("fake@1", "fake", DIMENSION)
    states = {}
    for number in range(60):
        clock.now += timedelta(seconds=1)
        add(store, f"memory {number}")
        states[clock.now] = texts(store)
    end = clock.now
    until(lambda: len(snapshots.bases(tmp_path / "data/backups/.store")) > 1, "a base was rolled")
    chosen = random.Random(3).sample(sorted(states), 6)
    for moment in chosen:
        clock.now += timedelta(seconds=1)
        store.restore(moment + timedelta(milliseconds=500))
        assert texts(store) == states[moment]
        clock.now += timedelta(seconds=1)
        store.restore(end + timedelta(milliseconds=500))
        assert texts(store) == states[end]
    store.close()


def test_what_no_backup_reaches_is_told(home, clock):
    store = home.open()
    add(store, "ledger")
    with pytest.raises(MemoryNotFound, match="reaches back"):
        store.restore(clock.now - timedelta(days=1))
    with pytest.raises(MemoryNotFound, match="no backup `auto_1`"):
        store.restore("auto_1")
    assert texts(store) == ["ledger"]


@pytest.mark.long
def test_bases_are_rolled_while_writers_write_and_every_backup_restores(home, small_log, tmp_path):
    store = home.open()
    failures = []

    def write(worker):
        try:
            for number in range(40):
                (memory_id,) = add(store, f"text {worker} {number}")
                if number % 4 == 3:
                    store.forget([memory_id])
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    writers = [threading.Thread(target=write, args=(worker,)) for worker in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    until(lambda: snapshots.bases(home.folder / "backups/.store")[0].seq > 0, "a base was rolled")
    count, made = len(texts(store)), store.backups()
    home.close()
    assert made[-1].memories == count
    for backup in made:
        restored = lay(home, backup.name, tmp_path / backup.name)
        assert len(texts(restored.open())) == backup.memories
        restored.close()
    assert len(texts(home.open())) == count


def test_a_restore_while_a_base_is_rolled_leaves_a_store_that_goes_on(home, monkeypatch):
    store, roll, during = home.open(), snapshots.Chain.roll, []
    add(store, "before")
    backup = store.backup(None)

    def restoring_meanwhile(*arguments):
        base = roll(*arguments)
        if not during:
            during.append(store.restore(backup.name))
        return base

    monkeypatch.setattr(snapshots.Chain, "roll", restoring_meanwhile)
    monkeypatch.setattr(snapshots, "LEAST_TO_ROLL", 2_000)
    monkeypatch.setattr("faiss_memory.store.worker.SECONDS_BETWEEN_SAVES", 0.0)
    for number in range(40):
        add(store, f"memory {number}")
    until(lambda: during, "a restore came in between")
    count = len(texts(store))
    for number in range(40):
        add(store, f"another {number}")
    settled(store)
    assert len(texts(home.reopen())) == count + 40


def test_records_that_are_lost_after_a_restore_are_not_built_from_a_base_that_was_rolled_meanwhile(
    home, monkeypatch, tmp_path
):
    store, describe, during = home.open(), snapshots._describe, []
    add(store, "before")
    backup = store.backup(None)

    def restoring_meanwhile(*arguments):
        if during:
            return describe(*arguments)
        during.append("a restore")
        store.restore(backup.name)
        add(store, "after")
        base = describe(*arguments)
        shutil.copytree(home.folder, tmp_path / "killed")
        return base

    monkeypatch.setattr(snapshots, "_describe", restoring_meanwhile)
    monkeypatch.setattr(snapshots, "LEAST_TO_ROLL", 2_000)
    monkeypatch.setattr("faiss_memory.store.worker.SECONDS_BETWEEN_SAVES", 0.0)
    add(store, *(f"memory {number}" for number in range(40)))
    until((tmp_path / "killed").exists, "a base was rolled")
    home.close()
    for path in (tmp_path / "killed").glob("memory.db*"):
        path.unlink()
    killed = EmbeddedHome(tmp_path / "killed")
    assert texts(killed.open()) == ["after", "before"]
    killed.close()


def test_what_no_backup_needs_goes(home, clock, small_log, monkeypatch):
    store = EmbeddedStore(home.folder, print, max_backups=2)
    store.open()
    store.use_model("fake@1", "fake", DIMENSION)
    for number in range(200):
        clock.now += timedelta(seconds=1)
        add(store, f"memory {number}")
    folder = home.folder / "backups"
    until(lambda: snapshots.bases(folder / ".store")[0].seq > 150, "a late base was rolled")
    add(store, "the last")

    def left() -> tuple[set[str], set[str]]:
        there = {path.name for path in (folder / ".store").iterdir() if path.suffix in (".db", ".jsonl")}
        manifests = [json.loads(path.read_text()) for path in folder.glob("*/manifest.json")]
        named = {manifest["base"] for manifest in manifests}
        return there, {*named, snapshots.bases(folder / ".store")[0].name}

    def only_what_is_needed() -> bool:
        there, needed = left()
        return {name for name in there if name.startswith("base-")} <= needed

    # "the last" may have had another one rolled
    until(only_what_is_needed, "only bases that are needed are there")
    there, needed = left()
    oldest = min(int(name.split("-")[1]) for name in needed)
    assert all(int(name.split("-")[1]) >= oldest for name in there)
    store.close()


def test_between_two_backups_that_are_kept_for_long_every_moment_can_be_gone_back_to(home, clock, small_log):
    store = EmbeddedStore(home.folder, print, max_backups=1)
    store.open()
    store.use_model("fake@1", "fake", DIMENSION)
    states = {}
    for number in range(300):
        clock.now += timedelta(minutes=2)
        add(store, f"memory {number}")
        states[clock.now] = texts(store)
        # How many writes a base waits for depends on when the background worker has its turn.
        if number >= 89 and snapshots.bases(home.folder / "backups/.store")[0].seq > 60:
            break
    first, *others = autos(store)
    assert len(others) >= 3, "one of each hour"
    end = clock.now
    between = [moment for moment in sorted(states) if moment >= first.created_at]
    for moment in random.Random(3).sample(between, 8):
        clock.now += timedelta(seconds=1)
        store.restore(moment + timedelta(seconds=1))
        assert texts(store) == states[moment]
        clock.now += timedelta(seconds=1)
        store.restore(end + timedelta(milliseconds=500))
    store.close()


def test_a_gap_in_the_log_is_told_and_no_earlier_moment_is_taken_for_another(home, clock, small_log):
    store = EmbeddedStore(home.folder, print, max_backups=1000)  # so that no base goes
    store.open()
    store.use_model("fake@1", "fake", DIMENSION)
    folder = home.folder / "backups/.store"

    def write_on() -> bool:
        clock.now += timedelta(seconds=1)
        add(store, "memory")
        return len(snapshots.bases(folder)) > 2

    until(write_on, "bases were rolled")
    first, second = sorted(base.seq for base in snapshots.bases(folder))[:2]
    (gone,) = folder.glob(f"seg-{first}-*")
    gone.unlink()
    time = next(base.time for base in snapshots.bases(folder) if base.seq == second)
    with pytest.raises(MemoryNotFound, match="reaches back"):
        store.restore(datetime.fromtimestamp(time / 1e6 - 1, UTC))
    store.close()


@pytest.mark.parametrize("harm", ["cut", "flip", "gone", "foreign"])
def test_a_log_that_no_longer_leads_to_the_records_begins_anew_and_loses_nothing(home, harm, caplog):
    store = home.open()
    for number in range(20):
        add(store, f"memory {number}")
    home.close()
    (segment,) = (home.folder / "backups/.store").glob("seg-*.jsonl")
    content = segment.read_bytes()
    if harm == "cut":
        segment.write_bytes(content[: len(content) // 2])
    elif harm == "flip":
        middle = len(content) // 2
        segment.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif harm == "gone":
        segment.unlink()
    else:
        segment.write_bytes(content.replace(b'"after":3', b'"after":9', 1))
    store = home.open()
    assert len(texts(store)) == 20
    assert "begins anew" in caplog.text
    add(store, "the next")
    made = store.backups()[-1]
    assert store.restore(made.name).memories == 21


def test_a_torn_last_line_of_the_log_is_cut_off(home):
    store = home.open()
    add(store, "ledger")
    home.close()
    (segment,) = (home.folder / "backups/.store").glob("seg-*.jsonl")
    with segment.open("ab") as file:
        file.write(b'1234abcd {"seq":2,"after"')
    store = home.open()
    add(store, "token")
    home.close()
    assert [record.seq for _, record in log.read_records(segment)] == [1, 2]
    assert texts(home.open()) == ["ledger", "token"]


@pytest.mark.parametrize("lost", [1, 7])
def test_what_was_logged_and_is_not_in_the_records_is_taken_from_the_log(home, lost, caplog):
    store = home.open()
    add(store, "ledger")
    copy_records(home.folder, home.folder.with_name("before"))
    for number in range(lost):
        add(store, f"later {number}")
    store.forget([1])
    expected = texts(store)
    home.close()
    copy_records(home.folder.with_name("before"), home.folder)
    store = home.open()
    assert texts(store) == expected
    assert f"{lost + 1} changes that memory.db lacked" in caplog.text
    assert len(nearest(store, embed_query("later"), EVERYTHING, 99)) == lost
    assert home.reopen().restore(datetime.now(UTC)).memories == lost


def test_records_older_than_their_log_reaches_back_are_built_anew(home, small_log, caplog):
    store = home.open()
    add(store, "ledger")
    copy_records(home.folder, home.folder.with_name("before"))
    for number in range(80):
        add(store, f"later {number}")
    until(lambda: snapshots.bases(home.folder / "backups/.store")[0].seq > 5, "a base was rolled")
    expected = texts(store)
    home.close()
    copy_records(home.folder.with_name("before"), home.folder)
    assert texts(home.open()) == expected
    assert "is older than the log" in caplog.text


def test_without_hard_links_backups_lean_on_the_store_folder(home, monkeypatch, caplog, tmp_path):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    store = home.open()
    add(store, "ledger")
    made = autos(store)[-1]
    add(store, "token")
    assert "no hard links" in caplog.text
    assert store.stats().backups_stand_alone is False
    assert [path.name for path in (home.folder / "backups" / made.name).iterdir()] == ["manifest.json"]
    assert store.restore(made.name).memories >= 1
    home.close()
    manifest = home.folder / "backups" / made.name / "manifest.json"
    shutil.copyfile(manifest, home.folder / "manifest.json")
    assert "ledger" in texts(home.open())


def test_a_damaged_backup_is_refused_by_the_running_store_and_nothing_changes(home):
    store = home.open()
    add(store, "ledger")
    manual = store.backup(None)
    base = home.folder / "backups" / manual.name / "base.db"
    content = bytearray(base.read_bytes())
    content[len(content) // 2] ^= 1
    base.write_bytes(content)
    add(store, "token")
    with pytest.raises(StoreCorrupt, match="is not as it was"):
        store.restore(manual.name)
    assert texts(store) == ["ledger", "token"]


def test_two_restores_do_not_run_at_once(home, monkeypatch):
    store = home.open()
    add(store, "ledger")
    backup = store.backup(None)
    reached, go_on = threading.Event(), threading.Event()
    really = restore.build

    def slow(*arguments):
        reached.set()
        assert go_on.wait(30)
        return really(*arguments)

    monkeypatch.setattr(restore, "build", slow)
    first = threading.Thread(target=store.restore, args=(backup.name,))
    first.start()
    assert reached.wait(30)
    with pytest.raises(Conflict):
        store.restore(backup.name)
    go_on.set()
    first.join()


def test_a_backup_that_is_being_restored_is_not_pruned(home, clock, monkeypatch):
    store = home.open()
    add(store, "ledger")
    (wanted,) = autos(store)
    really = restore.build

    def while_others_write(*arguments):
        for number in range(12):
            clock.now += timedelta(seconds=1)
            add(store, f"later {number}")
        return really(*arguments)

    monkeypatch.setattr(restore, "build", while_others_write)
    store.restore(wanted.name)
    assert texts(store) == ["ledger"]


@pytest.mark.parametrize("step", ["memory.db", restore.MAKING, "the folder"])
def test_a_restore_that_could_not_be_put_in_place_stops_the_writing_and_says_so(home, monkeypatch, step):
    store = home.open()
    add(store, "ledger")
    backup = store.backup(None)
    add(store, "tax")
    rename = Path.rename

    def fails(path, target=None):
        if path.name in (step, home.folder.name):
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    if step == "the folder":
        monkeypatch.setattr(restore, "sync_folder", fails)
    with pytest.raises(StoreError, match=r"was being put in its place.*Nothing more is written"):
        store.restore(backup.name)
    monkeypatch.undo()
    with pytest.raises(StoreError, match="Nothing more is written"):
        add(store, "lost")
    assert len(home.failures) == 1
    assert texts(home.reopen()) == (["ledger"] if step == "the folder" else ["ledger", "tax"])


def test_a_log_that_has_no_room_to_follow_a_restore_follows_with_a_later_write(home, monkeypatch, caplog):
    store = home.open()
    add(store, "ledger")
    backup = store.backup(None)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "copy_truth", full)
        store.restore(backup.name)
        add(store, "invoice")
    assert "cannot follow the restore yet" in caplog.text
    assert "; only memory.db holds it" in caplog.text
    add(store, "tax")
    home.close()
    for path in home.folder.glob("memory.db*"):
        path.unlink()
    assert texts(home.open()) == ["invoice", "ledger", "tax"]


def test_what_is_said_of_an_archive_that_does_not_restore_ends_in_one_full_stop(home, monkeypatch):
    store = home.open()
    add(store, "ledger")
    with closing(store.archive(None, None).pieces) as pieces:
        archive = b"".join(pieces)

    def newer(*_):
        raise StoreCorrupt("it was written by a newer one. Update yours.")

    monkeypatch.setattr(restore, "build", newer)
    with pytest.raises(InvalidRequest, match=r"Update yours\. Nothing was changed$"):
        store.restore_archive(io.BytesIO(archive))
    assert texts(store) == ["ledger"]


def swapped_for_a_copy(folder):
    shutil.copytree(folder, folder.with_name("copy"))
    shutil.rmtree(folder)
    folder.with_name("copy").rename(folder)


@pytest.mark.parametrize("remove", [shutil.rmtree, swapped_for_a_copy])
@pytest.mark.parametrize("name", ["backups", "backups/.store"])
def test_a_log_that_is_removed_under_the_running_store_begins_anew_at_once(home, caplog, name, remove):
    store = home.open()
    add(store, "ledger", "invoice")
    store.purge([2])
    remove(home.folder / name)
    add(store, "tax")
    assert "are gone: the log begins anew" in caplog.text
    store.restore(autos(store)[-1].name)
    add(store, "queue")
    home.close()
    for path in home.folder.glob("memory.db*"):
        path.unlink()
    assert texts(home.open()) == ["ledger", "queue", "tax"]
    assert (home.folder / "backups/.store/purged.json").exists()


def test_a_backup_is_made_though_the_log_was_removed(home, caplog):
    store = home.open()
    add(store, "ledger")
    home.reopen()
    shutil.rmtree(home.folder / "backups")
    home.store.restore(home.store.backup("by hand").name)
    assert texts(home.store) == ["ledger"]


def test_without_room_for_a_new_log_it_is_said_that_only_the_records_hold_it(home, caplog):
    store = home.open()
    add(store, "ledger")
    shutil.rmtree(home.folder / "backups")
    (home.folder / "backups").write_bytes(b"")
    add(store, "tax")
    assert "; only memory.db holds it" in caplog.text
    (home.folder / "backups").unlink()
    add(store, "queue")
    assert autos(store)[-1].memories == 3


def test_automatic_backups_that_a_person_has_removed_keep_no_others_from_being_made_or_going(
    home, clock, caplog
):
    store = home.open()
    for number in range(30):
        clock.now += timedelta(seconds=1)
        add(store, f"ledger {number}")
        if number < 5:
            shutil.rmtree(home.folder / "backups" / autos(store)[-1].name)
    assert "no automatic backup was made" not in caplog.text
    assert len(autos(store)) < 15


def test_missing_records_are_built_anew_from_the_log(home, caplog):
    store = home.open()
    oracle = Oracle()
    grow(store, oracle, 40, 3)
    home.close()
    for path in home.folder.glob("memory.db*"):
        path.unlink()
    assert_same(home.open(), oracle)
    assert "is missing; it was built anew" in caplog.text


def test_records_of_another_data_folder_are_taken_as_they_are(home, tmp_path):
    store = home.open()
    add(store, "ledger")
    home.close()
    other = EmbeddedHome(tmp_path / "other")
    add(other.open(), "another", "folder")
    other.close()
    shutil.copyfile(other.folder / "memory.db", home.folder / "memory.db")
    store = home.open()
    assert texts(store) == ["another", "folder"]
    add(store, "third")
    assert store.restore(autos(store)[-1].name).memories == 3


def test_the_log_can_be_read_without_the_program(home):
    store = home.open()
    add(store, Draft(text="Grüße", tags=("x",)))
    (segment,) = (home.folder / "backups/.store").glob("seg-*.jsonl")
    line = json.loads(segment.read_text(encoding="utf-8")[9:])
    assert next(op[:2] for op in line["operations"] if op[0] == "memory") == ["memory", 1]
    assert "Grüße" in segment.read_text(encoding="utf-8")
    with closing(sqlite3.connect(next((home.folder / "backups/.store").glob("base-*.db")))) as base:
        assert base.execute("SELECT count(*) FROM memories").fetchone() == (0,)


# Files that are damaged, or come from another data folder.


@pytest.mark.parametrize("name", ["manifest.json of a backup", "description of the base"])
def test_a_description_that_is_no_text_any_more_keeps_nobody_out(home, name, caplog):
    add(home.open(), "ledger")
    home.close()
    backups = home.folder / "backups"
    (path, *_) = (
        backups.glob("auto_*/manifest.json") if name.startswith("m") else backups.glob(".store/*.db.json")
    )
    path.write_bytes(path.read_bytes().replace(b'": "', b'": "\xff', 1))
    assert texts(home.open()) == ["ledger"]
    assert "cannot be read" in caplog.text
    home.close()


@pytest.fixture
def another(tmp_path):
    """Another data folder, whose log is longer."""
    made = EmbeddedHome(tmp_path / "another")
    store = made.open()
    for number in range(5):
        add(store, f"another's memory {number}")
    made.close()
    return made.folder


@pytest.mark.parametrize("longer", [True, False])
def test_the_log_of_another_data_folder_is_not_believed(home, another, longer, caplog):
    store = home.open()
    for number in range(3 if longer else 5):
        add(store, f"ledger {number}")
    expected = texts(store)
    home.close()
    (own,) = home.folder.glob("backups/.store/seg-*")
    (foreign,) = another.glob("backups/.store/seg-*")
    own.write_bytes(foreign.read_bytes())
    assert texts(home.open()) == expected
    assert "it begins anew with a full copy" in caplog.text
    add(home.store, "afterwards")
    expected = texts(home.store)
    home.close()
    (home.folder / "memory.db").unlink()
    assert texts(home.open()) == expected
    home.close()


def test_base_and_log_of_another_data_folder_are_swept_away(home, another):
    add(home.open(), "ledger")
    expected = texts(home.store)
    home.close()
    store = home.folder / "backups/.store"
    foreign = [path.name for path in (another / "backups/.store").iterdir()]
    shutil.copytree(another / "backups/.store", store, dirs_exist_ok=True)
    assert texts(home.open()) == expected
    assert not any((store / name).exists() for name in foreign)
    home.close()


def test_the_manifest_of_another_data_folder_restores_nothing(home, another, caplog):
    add(home.open(), "ledger")
    expected = texts(home.store)
    home.close()
    manifest = max(another.glob("backups/auto_*/manifest.json"))
    shutil.copy(manifest, home.folder)
    assert texts(home.open()) == expected
    assert "nothing was restored" in caplog.text
    (backup,) = home.folder.glob("backups/auto_*")
    shutil.copy(manifest, backup)
    home.reopen()
    for name in {backup.name, manifest.parent.name}:
        with pytest.raises((MemoryNotFound, StoreCorrupt)):
            home.store.restore(name)
    assert texts(home.store) == expected
    home.close()


@pytest.mark.parametrize("how", ["a call", "copied files"])
def test_a_restore_takes_over_what_is_the_same_of_search_db(home, caplog, how):
    store, oracle = home.open(), Oracle()
    grow(store, oracle, 60, seed=1)
    made, then = autos(store)[-1], copy.deepcopy(oracle)
    backup = store.backup("then")
    grow(store, oracle, 30, seed=2)
    with caplog.at_level("WARNING", logger="faiss_memory.store"):
        if how == "a call":
            store.restore(backup.name)
        else:
            home.close()
            for path in (home.folder / "backups" / backup.name).iterdir():
                shutil.copyfile(path, home.folder / path.name)
            store = home.open()
        settled(store)
    assert made.memories == backup.memories == len(then.memories)
    assert_same(store, then)
    assert "search.db is made anew" not in caplog.text
