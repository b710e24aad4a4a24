"""The power goes: what had reached the block device is all that is left, and everything acknowledged is in it."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from faiss_memory.errors import StoreError
from tests.faults.checking import check_backups, check_store, looking_at_what_the_log_says, texts_of
from tests.faults.disks import IMAGE_MB, Disk, formatted
from tests.faults.journal import Acknowledged, Journal, marks_in
from tests.faults.processes import RemoteHome
from tests.faults.test_kill import PURGING, times
from tests.store.oracle import until

OPTIONS = ("noauto_da_alloc", "noauto_da_alloc,data=writeback", "defaults")
"""ext4 writes a file out by itself when it is renamed over another, unless it is told not to."""


class Machine:
    """A disk that a store is on, whose power is cut again and again. A context manager."""

    works = ("write", "write", "write", "back up")

    def __init__(self, nursery, folder, seed, megabytes=IMAGE_MB, **options):
        folder.mkdir(exist_ok=True)
        self.nursery, self.folder, self.options = nursery, folder, options
        self.journal, self.acknowledged = Journal(folder / "journal"), Acknowledged()
        self.chance, self.boots, self.backups = random.Random(seed), 0, 0
        self.disk = Disk(formatted(folder / "image", megabytes), folder / "mounted", OPTIONS[0])
        self.data = self.disk.mounted / "data"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.off()
        self.journal.close()

    def write_and_cut(self, most=24_000):
        """Run writers, cut the power when up to so many bytes were noted, and start again with what the device had."""
        target = self.journal.path.stat().st_size + self.chance.randrange(1, most)
        options = {"journal": str(self.journal.path), "calls": 8, "boot": f"{self.boots}", **self.options}
        left = self.folder / f"image-{self.boots}"
        work = self.chance.choice(self.works)
        life = self.nursery.born(work, self.data, **options)
        try:
            until(lambda: self.journal.path.stat().st_size >= target or life.stopped(), "enough was written")
            life.kill(signal.SIGSTOP)
            until(life.stopped, "everything stands still")
            self.write_some_back()
            self.disk.cut(left)
        finally:
            life.kill()
            life.wait()
        self.start_with(left)

    def write_some_back(self):
        """Sometimes the kernel had already written one file of its own accord, and not the others."""
        files = [path for path in self.data.rglob("*") if path.is_file()]
        if files and self.chance.random() < 0.3:
            descriptor = os.open(self.chance.choice(files), os.O_RDONLY)
            os.fdatasync(descriptor)
            os.close(descriptor)

    def start_with(self, image):
        self.off()
        self.boots += 1
        self.disk = Disk(image, self.disk.mounted, self.chance.choice(OPTIONS))

    def check(self):
        """Start on another run of the machine, as it is after a power cut."""
        marks = marks_in(self.data)
        home = RemoteHome(self.nursery, self.data, boot=f"{self.boots}")
        try:
            check_store(home.open(), self.acknowledged, self.journal)
            names = [backup.name for backup in home.store.backups()]
            home.close()
            assert home.failures == []
        finally:
            home.kill()
        back = marks & self.acknowledged.purged
        assert not back, f"texts whose purge was acknowledged have come back: {back}"
        with looking_at_what_the_log_says(self.data) as store:
            self.acknowledged.check_log(self.journal, texts_of(store))
        chosen = {
            *names[-2:],
            *self.chance.sample(names, min(len(names), 1)),
            *(n for n in names if n[0] == "m"),
        }
        self.backups += check_backups(self.data, chosen)

    def off(self):
        self.disk.unmount()
        self.disk.image.unlink()


def test_an_image_that_is_copied_has_what_was_synced_and_nothing_else(tmp_path):
    """What the other tests here rest on."""
    disk = Disk(formatted(tmp_path / "image"), tmp_path / "mounted", OPTIONS[0])
    with (disk.mounted / "synced").open("wb") as synced:
        synced.write(b"synced")
        synced.flush()
        os.fsync(synced.fileno())
    (disk.mounted / "unsynced").write_bytes(b"unsynced")
    disk.cut(tmp_path / "left")
    assert (disk.mounted / "unsynced").read_bytes() == b"unsynced"
    disk.unmount()
    left = Disk(tmp_path / "left", tmp_path / "mounted", OPTIONS[0])
    names = sorted(path.name for path in left.mounted.iterdir() if path.is_file())
    content = (left.mounted / "synced").read_bytes()
    left.unmount()
    assert (names, content) == (["synced"], b"synced")


@times(4, 250)
def test_a_power_cut_loses_nothing_acknowledged(nursery, tmp_path, tally, cycles):
    with Machine(nursery, tmp_path, cycles) as machine:
        for _ in range(cycles):
            machine.write_and_cut()
            if machine.chance.random() < 0.7:  # otherwise the writers go on with what nobody has looked at
                machine.check()
        machine.check()
        written = machine.acknowledged.counts.values()
        assert sum(written) >= cycles
        assert (
            min(written) >= (cycles - 4) / 2
        )  # on a slow disk the first few cuts come before anything is changed
    tally("power cut: the block image of an ext4 under 8 writers, copied at a random moment", cycles)
    tally("backup restored after a power cut", machine.backups)


@pytest.mark.faults
@PURGING
def test_a_power_cut_beside_purges_brings_nothing_back_and_loses_nothing_else(
    nursery, memory_path, tally, work, beside
):
    """On an image in memory: a purge syncs so many files that little else would be done meanwhile."""
    cycles = 25
    with Machine(nursery, memory_path, work, 4 * IMAGE_MB, since=time.time(), max_backups=6) as machine:
        machine.works = [work]
        machine.write_and_cut(most=10**9)  # when all is done: what was purged must not come back
        for _ in range(cycles):
            machine.write_and_cut(most=60_000)
            if machine.chance.random() < 0.7:
                machine.check()
        machine.check()
        assert machine.acknowledged.counts.get("purge", 0) > cycles / 10
    tally(f"power cut under 8 writers, {beside}", cycles)


@pytest.mark.parametrize(
    "how", ["synchronous=OFF and a Python that does not sync", "a sync that does nothing"]
)
@times(4, 20)
def test_a_store_that_does_not_sync_loses_what_it_acknowledged(
    nursery, control, tmp_path, tally, how, cycles
):
    """Without these the test above would prove nothing."""
    lost = 0
    for cycle in range(cycles):
        broken = {} if how == "a sync that does nothing" else {"broken": "syncs nothing"}
        with Machine(nursery, tmp_path / f"{cycle}", cycle, **broken) as machine:
            if not broken:
                control.watch(machine.data, "fsync", "fdatasync")
                control.harm("skip", 1, times=0)
            machine.write_and_cut()
            control.rest()
            try:
                machine.check()
            except (AssertionError, StoreError):
                lost += 1
    assert lost >= cycles * 0.7
    tally(
        f"control: power cut, {how}", cycles, f"lost what was acknowledged in {lost} of {cycles}, as it must"
    )
