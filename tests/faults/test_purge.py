"""A purge that a kill, a power cut or a failing disk cuts short was not begun, or is finished; nothing else is lost."""

from __future__ import annotations

import errno
import json
import random
import signal
import subprocess
from contextlib import suppress
from functools import partial

import pytest

from faiss_memory.errors import DiskFull, StoreError
from faiss_memory.memory import Change, Draft
from tests.faults.checking import check_indexes, looking_at, restored, texts_of, visible_backups
from tests.faults.control import KINDS
from tests.faults.disks import Disk, formatted, in_memory
from tests.faults.points import POINTS
from tests.faults.processes import Gone, RemoteHome
from tests.store.oracle import embed, settled

SECRET = "shared xyzzy plugh " + "frobnicate " * 30
PARTS = (b"xyzzy", b"plugh", b"frobnicate")


def traces(folder):
    """The files that hold a word of the secret."""
    while True:
        files = [path for path in folder.rglob("*") if path.is_file()]
        try:
            return [str(path) for path in files if any(part in path.read_bytes() for part in PARTS)]
        except FileNotFoundError:  # an index that is being saved has got its name meanwhile
            continue


def written(store, numbers):
    for n in numbers:
        text = f"shared words {n} " + "ledger " * (60 if n % 5 == 0 else 0)
        store.add([Draft(text=text, project=f"p{n % 2}")], [embed(text)])


@pytest.fixture(scope="module")
def kept(_nursery):
    """A folder with a secret in its records, its indexes, its log, its bases and its backups."""
    with in_memory() as folder:
        yield with_a_secret(RemoteHome(_nursery[0], folder / "kept", max_backups=2))


@pytest.fixture
def home(nursery, kept):
    """The same one for every test, each of which works on copies."""
    return kept


def with_a_secret(made):
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
    return made


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
@pytest.mark.parametrize("step", [90, pytest.param(3, marks=pytest.mark.faults)])
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
@pytest.mark.parametrize("every_backup", [False, pytest.param(True, marks=pytest.mark.faults)])
def test_a_purge_killed_at_a_named_point_is_finished(home, memory_path, tally, point, every_backup):
    trial = trial_of(home, memory_path)
    trial.options |= {"point": point, "count": 1}
    trial.open()
    with pytest.raises(Gone):
        trial.store.purge([home.secret])
    assert trial.store.life.wait() == -signal.SIGKILL
    trial.kill()
    assert check(home, trial, every_backup=every_backup) == (point != "before a purge is noted")
    tally(f"kill -9 of a purge, {point}", result="finished at the next start")


# The power goes: of each step, only what was synced is left.


class Image:
    """A data folder with the secret, on a disk whose image is copied for each trial."""

    def __init__(self, home, memory_path):
        self.home, self.folder = home, memory_path
        self.mounted = memory_path / "mounted"
        disk = Disk(formatted(memory_path / "image"), self.mounted, "noauto_da_alloc")
        subprocess.run(["cp", "-a", home.folder, self.mounted / "data"], check=True)
        disk.unmount()

    def cut(self, purge):
        """Purge on a disk, cut its power, and look at what is left; gives whether the memory is gone."""
        used = self.folder / "used"
        subprocess.run(["cp", self.folder / "image", used], check=True)
        disk = Disk(used, self.mounted, "noauto_da_alloc")
        trial = RemoteHome(self.home.nursery, self.mounted / "data", max_backups=2)
        try:
            trial.open()
            answered = purge(trial)
            disk.cut(self.folder / "left")
        finally:
            trial.kill()
            disk.unmount()
        disk = Disk(self.folder / "left", self.mounted, "noauto_da_alloc")
        try:
            assert not answered or traces(trial.folder) == [], "what was purged has come back"
            gone = check(self.home, trial, every_backup=False)
        finally:
            disk.unmount()
        assert gone or not answered
        return gone


@pytest.mark.parametrize("step", [100, pytest.param(4, marks=pytest.mark.faults)])
def test_a_power_cut_at_any_step_of_a_purge_leaves_it_finished_or_not_begun(
    home, control, memory_path, tally, step
):
    image, most = Image(home, memory_path), 0

    def whole(trial):
        nonlocal most
        control.watch(trial.folder)
        trial.store.purge([home.secret])
        most = control.passed
        return True

    def cut_short(number, trial):
        control.watch(trial.folder)
        control.harm("kill before", number)
        with suppress(Gone):
            trial.store.purge([home.secret])
        control.rest()
        return False

    assert image.cut(whole)
    done = [image.cut(partial(cut_short, number)) for number in range(1, most + 1, step)]
    assert done.count(True) > done.count(False) > 0
    tally("power cut before a call to the disk of a purge, and after its end", 1 + len(done))


def test_a_purge_that_does_not_sync_is_noticed(home, control, memory_path, tally):
    image = Image(home, memory_path)

    def careless(trial):
        control.watch(trial.folder, "fsync", "fdatasync")
        control.harm("skip", 1, times=0)
        trial.store.purge([home.secret])
        control.rest()
        return True

    with pytest.raises((AssertionError, StoreError)):
        image.cut(careless)
    tally("control: a purge that does not sync, and a power cut", result="noticed, as it must be")


# The disk fails, or is full.


@pytest.mark.parametrize(
    ("kind", "error", "most"),
    [
        ("write", errno.ENOSPC, 2),
        ("fsync", errno.EIO, 2),
        *(
            pytest.param(kind, error, 40, marks=pytest.mark.faults)
            for kind in KINDS
            for error in (errno.EIO, errno.ENOSPC)
        ),
    ],
)
def test_a_purge_on_a_disk_that_fails_is_sent_again_or_finished_by_the_next_start(
    home, control, memory_path, tally, kind, error, most
):
    trial = trial_of(home, memory_path)
    trial.open()
    control.watch(trial.folder, kind)
    trial.store.purge([home.secret])
    calls = control.passed
    control.rest()
    trial.close()
    chance, harmed = random.Random(f"{kind} {error} {most}"), 0
    for number, first in enumerate(chance.sample(range(1, calls + 1), min(calls, most)), 1):
        trial = trial_of(home, memory_path, number)
        store = trial.open()
        control.watch(trial.folder, kind)
        control.harm("fail", first, times=chance.choice([0, 1]), error=error)
        answered = tried(store, home.secret, error)
        harmed += control.harmed > 0
        assert texts_of(store).keys() >= home.content.keys() - {home.secret}
        control.rest()
        if not trial.failures and chance.random() < 0.5:
            store.purge([home.secret])
            answered = True
        trial.kill()
        assert not answered or traces(trial.folder) == []
        gone = check(home, trial, every_backup=most > 2)
        assert gone or not answered
        subprocess.run(["rm", "-r", trial.folder], check=True)
    tally(
        f"{errno.errorcode[error]} at the n-th {kind} of a purge",
        harmed,
        "sent again, or finished at the next start",
    )


def tried(store, memory_id, error):
    """Purge; gives whether it was answered. Of a full disk the answer says so."""
    try:
        store.purge([memory_id])
    except DiskFull:
        assert error == errno.ENOSPC
        return False
    except StoreError:
        return False
    return True
