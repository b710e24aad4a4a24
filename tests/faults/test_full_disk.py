"""A real file system, filled to the brim."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.faults.disks import small_tmpfs
from tests.faults.service import Client, check_records, check_service
from tests.running import RunningService

pytestmark = pytest.mark.faults


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MB in memory."""
    with small_tmpfs(tmp_path / "data", "24m") as folder:
        yield folder


def fill(path, leave=0):
    """Write until no more than some bytes are free."""
    with path.open("ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            while shutil.disk_usage(path).free >= leave + size:
                file.write(b"x" * size)


class Asking:
    """A client that notes what it asks and what is acknowledged."""

    def __init__(self, service, journal, acknowledged):
        self.service, self.journal, self.acknowledged = service, journal, acknowledged
        self.client, self.number = Client(service.port), 0
        self.held: list[int] = []

    def add(self, words):
        self.number += 1
        text = f"shared words {self.number} " + "ledger " * words
        self.journal.asked(0, "add", texts=[text])
        status, answer = self.client.call("POST", "/memory/add", {"text": text})
        if status == 201:
            self.journal.done(0, [answer["id"]])
            self.held.append(answer["id"])
        else:
            self.journal.refused(0)
        return status, answer

    def forget(self, memory_id):
        self.journal.asked(0, "forget", [memory_id])
        status, answer = self.client.call("DELETE", f"/memory/{memory_id}")
        if status == 200:
            self.journal.done(0, [memory_id])
            self.held.remove(memory_id)
        else:
            self.journal.refused(0)
        return status, answer

    def check(self):
        check_service(self.client, self.acknowledged, self.journal)

    def restarted(self, ended):
        """End the service, start it again, and check it."""
        ended()
        self.service.start()
        self.client.close()
        self.client = Client(self.service.port)
        self.check()


@pytest.fixture
def asking(small_disk, journal, acknowledged):
    with RunningService(small_disk, fake=True, **{"limits.k": "100000"}) as service:
        made = Asking(service, journal, acknowledged)
        yield made
        made.client.close()


def check_full(asking):
    """Adds are refused with what is wrong; searches, reads and deletes are not."""
    refused = [asking.add(8000) for _ in range(10)]
    status, answer = refused[-1]
    assert status == 507, answer
    assert answer["title"]
    assert "disk is full" in answer["description"]
    assert {status for status, _ in refused} <= {201, 507}
    for mode in ("semantic", "keyword"):
        assert (
            asking.client.call("POST", "/search", {"query": "ledger shared", "mode": mode})[1]["count"] == 5
        )
    assert asking.client.call("GET", f"/memory/{asking.held[0]}")[0] == 200
    for memory_id in asking.held[:3]:
        assert asking.forget(memory_id)[0] in (200, 507)
    asking.check()


def stopped(service):
    assert service.stop() == 0


@pytest.mark.parametrize(
    "relief",
    [
        pytest.param("the disk grows", marks=pytest.mark.faults),
        "killed while full",
        pytest.param("stopped while full", marks=pytest.mark.faults),
        pytest.param("room is freed", marks=pytest.mark.faults),
    ],
)
def test_a_full_disk_refuses_adds_and_nothing_else_and_recovers(asking, small_disk, tally, relief):
    for _ in range(40):
        assert asking.add(30)[0] == 201
    fill(small_disk / "filler")
    check_full(asking)
    if relief == "killed while full":
        asking.restarted(asking.service.kill)
    if relief == "stopped while full":
        asking.restarted(lambda: stopped(asking.service))
    if relief == "the disk grows":
        subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    else:
        (small_disk / "filler").unlink()
    for _ in range(5):
        assert asking.add(3000)[0] == 201
    assert asking.forget(asking.held[0])[0] == 200
    asking.check()
    asking.restarted(lambda: stopped(asking.service))
    tally("a file system filled to the last byte under the whole service")


@pytest.mark.faults
def test_a_disk_with_a_little_room_left_loses_nothing_acknowledged(asking, small_disk, tally):
    """The call that meets the end of the disk is another one each time."""
    for _ in range(10):
        assert asking.add(30)[0] == 201
    for leave in range(0, 400_000, 10_000):
        fill(small_disk / "filler", leave)
        answers = {asking.add(100)[0] for _ in range(40)}
        answers |= {asking.forget(memory_id)[0] for memory_id in asking.held[5:]}
        assert answers <= {200, 201, 507}
        check_records(asking.client, asking.acknowledged, asking.journal)
        (small_disk / "filler").unlink()
        assert asking.add(100)[0] == 201
        asking.check()
    asking.restarted(asking.service.kill)
    tally("a file system with 0 to 400 kB left under the whole service", 40)
