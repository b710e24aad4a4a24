"""A kill in the middle of a backup or of a restore: what can be seen is whole, and the restore is done again."""

from __future__ import annotations

import shutil
import signal
from contextlib import suppress

import pytest

from faiss_memory.memory import Draft
from tests.faults.checking import check_indexes, looking_at, restored, texts_of, visible_backups
from tests.faults.points import POINTS
from tests.faults.processes import Gone, RemoteHome
from tests.store.oracle import embed, settled


def filled(home, start, number):
    """Add some memories, and give all there are."""
    for n in range(start, start + number):
        text = f"shared words {n} " + "ledger " * (60 if n % 5 == 0 else 0)
        home.store.add([Draft(text=text, project=f"p{n % 2}")], [embed(text)])
    settled(home.store)
    return texts_of(home.store)


def holds(store, content):
    settled(store)
    assert texts_of(store) == content
    check_indexes(store, content)


@pytest.fixture
def home(nursery, memory_path):
    made = RemoteHome(nursery, memory_path / "kept")
    made.open()
    yield made
    made.kill()


def fresh_copy(home, memory_path):
    shutil.rmtree(memory_path / "data", ignore_errors=True)
    shutil.copytree(home.folder, memory_path / "data")
    return RemoteHome(home.nursery, memory_path / "data")


def calls_of(control, folder, call):
    """How many calls to the disk something makes."""
    control.watch(folder)
    call()
    return control.passed


@pytest.mark.parametrize("moment", ["kill before", "kill after"])
@pytest.mark.parametrize("step", [10, pytest.param(1, marks=pytest.mark.faults)])
def test_a_backup_that_was_cut_short_is_not_seen_or_whole(home, control, memory_path, tally, moment, step):
    content = filled(home, 0, 30)
    home.close()
    trial = fresh_copy(home, memory_path)
    trial.open()
    most = calls_of(control, trial.folder, lambda: trial.store.backup("whole"))
    trial.close()
    assert most > 8
    cut = 0
    for number in range(1, most + 1, step):
        trial = fresh_copy(home, memory_path)
        trial.open()
        trial.store.backup("before it")
        control.watch(trial.folder)
        control.harm(moment, number)
        with suppress(Gone):  # or its calls were fewer this time, and the last of them was not met
            trial.store.backup("cut short")
        cut += control.harmed
        control.rest()
        trial.kill()
        with looking_at(trial.folder) as store:
            holds(store, content)
            assert len(store.backups()) == len(visible_backups(trial.folder))
        assert len(visible_backups(trial.folder, "manual")) in (1, 2)
        for backup in visible_backups(trial.folder, "manual"):
            with restored(backup) as store:
                holds(store, content)
    tally("kill -9 before or after each call to the disk of a backup", cut)


def laid_in(home, memory_path):
    """A copy of the folder, with its backup's files beside the present database, as a person puts them there."""
    trial = fresh_copy(home, memory_path)
    (backup,) = visible_backups(trial.folder, "manual")
    for file in backup.iterdir():
        shutil.copyfile(file, trial.folder / file.name)
    return trial


@pytest.fixture
def backed_up(home):
    """A folder with a backup, killed some writes later; with what was there then, and what is there now."""
    then = filled(home, 0, 30)
    home.store.backup("then")
    now = filled(home, 30, 10)
    home.kill()
    return then, now


def was_there_before(folder, memory_path):
    """What the databases hold that were set aside."""
    found = []
    for aside in folder.glob("memory.db.before-restore*"):
        if aside.name.endswith("-wal"):
            continue
        back = memory_path / "back"
        back.mkdir()
        for part in ("", "-wal"):
            if (whole := aside.with_name(aside.name + part)).exists():
                shutil.copyfile(whole, back / f"memory.db{part}")
        with looking_at(back) as store:
            found.append(texts_of(store))
        shutil.rmtree(back)
    return found


@pytest.mark.parametrize("moment", ["kill before", "kill after"])
@pytest.mark.parametrize("step", [25, pytest.param(2, marks=pytest.mark.faults)])
def test_a_restore_that_was_cut_short_is_done_again(
    home, backed_up, control, memory_path, tally, moment, step
):
    then, now = backed_up
    trial = laid_in(home, memory_path)
    most = calls_of(control, trial.folder, trial.open)
    trial.close()
    assert most > 10
    done = 0
    for number in range(1, most + 1, step):
        trial = laid_in(home, memory_path)
        control.watch(trial.folder)
        control.harm(moment, number)
        try:
            trial.open()
        except Gone:
            done += 1
        control.rest()
        trial.kill()
        with looking_at(trial.folder) as store:
            holds(store, then)
        assert now in was_there_before(trial.folder, memory_path), (
            "what was there before the restore must not be lost"
        )
    assert done > most // step // 2
    tally("kill -9 before or after each call to the disk of a restore", done)


@pytest.mark.parametrize("point", [name for name, point in POINTS.items() if point.work == "restore"])
def test_a_restore_killed_at_a_named_point_is_done_again(nursery, home, backed_up, memory_path, tally, point):
    then, now = backed_up
    trial = laid_in(home, memory_path)
    assert nursery.born("restore", trial.folder, point=point, count=1).wait() == -signal.SIGKILL
    with looking_at(trial.folder) as store:
        holds(store, then)
    assert now in was_there_before(trial.folder, memory_path)
    tally(f"kill -9 of a restore at a start, {point}")


def check_one_of_the_two(trial, then, now, memory_path):
    """After a restore by a call that was cut short there is what was, or what was to be; and an id is not reused."""
    with looking_at(trial.folder) as store:
        settled(store)
        content = texts_of(store)
        assert content in (then, now)
        check_indexes(store, content)
        text = "shared afterwards"
        assert store.add([Draft(text=text)], [embed(text)])[0].id > max(now), "an id is given twice"
    assert content == now or now in was_there_before(trial.folder, memory_path)
    return content == then


@pytest.mark.parametrize("moment", ["kill before", "kill after"])
@pytest.mark.parametrize("step", [25, pytest.param(2, marks=pytest.mark.faults)])
def test_a_restore_by_a_call_is_done_or_not(home, backed_up, control, memory_path, tally, moment, step):
    then, now = backed_up
    (backup,) = visible_backups(home.folder, "manual")
    trial = fresh_copy(home, memory_path)
    trial.open()
    most = calls_of(control, trial.folder, lambda: trial.store.restore(backup.name))
    trial.close()
    cut, done = 0, set()
    for number in range(1, most + 1, step):
        trial = fresh_copy(home, memory_path)
        trial.open()
        control.watch(trial.folder)
        control.harm(moment, number)
        with suppress(Gone):
            trial.store.restore(backup.name)
        cut += control.harmed
        control.rest()
        trial.kill()
        done.add(check_one_of_the_two(trial, then, now, memory_path))
    assert done == {True, False}
    tally("kill -9 before or after each call to the disk of POST /restore", cut)


@pytest.mark.parametrize("point", [name for name, point in POINTS.items() if point.work == "answer calls"])
def test_a_restore_by_a_call_killed_at_a_named_point_is_done_or_not(
    home, backed_up, memory_path, tally, point
):
    then, now = backed_up
    (backup,) = visible_backups(home.folder, "manual")
    trial = fresh_copy(home, memory_path)
    trial.options |= {"point": point, "count": 1}
    trial.open()
    with pytest.raises(Gone):
        trial.store.restore(backup.name)
    trial.kill()
    check_one_of_the_two(trial, then, now, memory_path)
    tally(f"kill -9 of POST /restore, {point}")


@pytest.mark.parametrize("share", [0, 0.5, 0.999])
def test_a_copy_that_was_cut_short_is_not_restored(home, backed_up, memory_path, tally, share):
    """The machine went down while the person was copying: base.db is there in part, with or without its manifest."""
    _, now = backed_up
    for with_manifest in (True, False):
        trial = laid_in(home, memory_path)
        content = (trial.folder / "base.db").read_bytes()
        (trial.folder / "base.db").write_bytes(content[: int(len(content) * share)])
        if not with_manifest:
            (trial.folder / "manifest.json").unlink()
        with looking_at(trial.folder) as store:
            holds(store, now)
    tally("a backup copied into the data folder in part only", 2, "set aside, and nothing was lost")


def test_a_backup_that_is_seen_before_it_is_whole_is_noticed(home, memory_path, tally):
    content = filled(home, 0, 30)
    home.store.backup("whole")
    (backup,) = visible_backups(home.folder, "manual")
    base = backup / "base.db"
    base.write_bytes(base.read_bytes()[:-4096])
    with pytest.raises(AssertionError), restored(backup) as store:
        holds(store, content)
    tally("control: a backup that is seen before it is whole", result="noticed, as it must be")
