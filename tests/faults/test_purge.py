"""A kill in the middle of a purge: nothing of it is done and nobody was answered, or the next start finishes it."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import suppress

import pytest

from faiss_memory.memory import Change, Draft
from tests.faults.checking import check_indexes, looking_at, restored, texts_of, visible_backups
from tests.faults.points import POINTS
from tests.faults.processes import Gone, RemoteHome
from tests.store.oracle import embed, settled

SECRET = "shared xyzzy plugh " + "frobnicate " * 30
PARTS = (b"xyzzy", b"plugh", b"frobnicate")


def traces(folder):
    """The files that hold a word of the secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(part in path.read_bytes() for part in PARTS)]


def written(store, numbers):
    for n in numbers:
        text = f"shared words {n} " + "ledger " * (60 if n % 5 == 0 else 0)
        store.add([Draft(text=text, project=f"p{n % 2}")], [embed(text)])


@pytest.fixture
def home(nursery, memory_path):
    """A folder with a secret in its records, its indexes, its log, its bases and its backups."""
    made = RemoteHome(nursery, memory_path / "kept", max_backups=2)
    store = made.open()
    written(store, range(20))
    made.secret = store.add([Draft(text=SECRET, source="plugh.md")], [embed(SECRET)])[0].id
    store.backup("by hand")
    written(store, range(20, 40))
    store.change(made.secret, Change(text=SECRET + " again"), embed(SECRET + " again"))
    store.restore(store.backups()[-1].name)  # which sets a database aside
    written(store, range(40, 60))
    settled(store)
    made.content = texts_of(store)
    made.close()
    assert traces(made.folder)
    yield made
    made.kill()


def trial_of(home, memory_path, number=0):
    folder = memory_path / f"trial{number}"
    subprocess.run(["cp", "-a", home.folder, folder], check=True)  # with the hard links between backups
    return RemoteHome(home.nursery, folder, max_backups=2)


def check(home, trial, *, every_backup):
    """Look at what a purge that was cut short left; says whether the memory is gone."""
    begun = (trial.folder / "backups/.store/purging.json").exists()
    backups = {path.name for path in visible_backups(trial.folder)}
    with looking_at(trial.folder) as store:
        settled(store)
        content = texts_of(store)
        check_indexes(store, content)
        gone = home.secret not in content
        assert content == {key: text for key, text in home.content.items() if key != home.secret or not gone}
        assert gone or not begun, "a purge that was begun must be finished by the next start"
        if gone:
            assert traces(trial.folder) == []
    assert not [path.name for path in trial.folder.rglob("*") if path.name.endswith(".purged.new")]
    assert not (trial.folder / "backups/.store/purging.json").exists()
    kept = visible_backups(trial.folder)
    assert {name for name in backups if name.startswith("manual")} <= {path.name for path in kept}
    for backup in kept if every_backup else kept[-1:]:
        with restored(backup) as store:
            memories = json.loads((backup / "manifest.json").read_bytes())["memories"]
            found = texts_of(store)
            assert len(found) == memories, backup.name
            assert not gone or home.secret not in found
    return gone


@pytest.mark.parametrize("moment", ["kill before", "kill after"])
@pytest.mark.parametrize("step", [40, pytest.param(3, marks=pytest.mark.faults)])
def test_a_purge_that_was_cut_short_is_finished_or_was_not_begun(
    home, control, memory_path, tally, moment, step
):
    trial = trial_of(home, memory_path)
    trial.open()
    control.watch(trial.folder)
    trial.store.purge([home.secret])
    most = control.passed
    trial.close()
    assert most > 50
    cut, done = 0, []
    for number in range(1, most + 1, step):
        trial = trial_of(home, memory_path, number)
        trial.open()
        control.watch(trial.folder)
        control.harm(moment, number)
        with suppress(Gone):
            trial.store.purge([home.secret])
        cut += control.harmed
        control.rest()
        trial.kill()
        done.append(check(home, trial, every_backup=step == 3))
    assert done.count(True) > done.count(False) > 0
    tally("kill -9 before or after each call to the disk of a purge", cut, "finished at the next start")


@pytest.mark.parametrize("point", [name for name, point in POINTS.items() if point.work == "purge"])
def test_a_purge_killed_at_a_named_point_is_finished(home, memory_path, tally, point):
    trial = trial_of(home, memory_path)
    trial.options |= {"point": point, "count": 1}
    trial.open()
    with pytest.raises(Gone):
        trial.store.purge([home.secret])
    assert trial.store.life.wait() == -signal.SIGKILL
    trial.kill()
    assert check(home, trial, every_backup=True) == (point != "before a purge is noted")
    tally(f"kill -9 of a purge, {point}", result="finished at the next start")
