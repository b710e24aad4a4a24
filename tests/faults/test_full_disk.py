"""A real file system, filled to the brim."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.faults.journal import Acknowledged, Journal
from tests.faults.test_kill import Client, check_service
from tests.running import RunningService


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MB in memory."""
    folder = tmp_path / "data"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(path):
    """Write until nothing more fits, to the last byte."""
    with path.open("ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            while shutil.disk_usage(path).free >= size:
                file.write(b"x" * size)


class Asking:
    """A client that notes what it asks and what is acknowledged."""

    def __init__(self, journal, port):
        self.journal, self.client, self.number = journal, Client(port), 0
        self.held: list[int] = []

    def add(self, words):
        self.number += 1
        text = f"shared words {self.number} " + "ledger " * words
        self.journal.asked(0, "add", texts=[text])
        status, answer = self.client.call("POST", "/memory/add", {"text": text})
        if status == 201:
            self.journal.done(0, [answer["id"]])
            self.held.append(answer["id"])
        return status, answer

    def forget(self, memory_id):
        self.journal.asked(0, "forget", [memory_id])
        status, answer = self.client.call("DELETE", f"/memory/{memory_id}")
        if status == 200:
            self.journal.done(0, [memory_id])
            self.held.remove(memory_id)
        return status, answer


@pytest.mark.parametrize("relief", ["room is freed", "the disk grows", "restarted while full"])
def test_a_full_disk_refuses_adds_and_nothing_else_and_recovers(small_disk, tmp_path, relief):
    journal, acknowledged = Journal(tmp_path / "journal"), Acknowledged()
    with RunningService(small_disk, fake=True, **{"limits.k": "100000"}) as service:
        asking = Asking(journal, service.port)
        for _ in range(40):
            assert asking.add(30)[0] == 201
        fill(small_disk / "filler")
        refused = [asking.add(8000) for _ in range(30)]
        status, answer = refused[-1]
        assert status == 507, answer
        assert answer["title"]
        assert "disk is full" in answer["description"]
        assert {status for status, _ in refused} <= {201, 507}
        assert asking.client.call("POST", "/search", {"query": "ledger", "mode": "semantic"})[1]["count"] == 5
        assert asking.client.call("POST", "/search", {"query": "shared", "mode": "keyword"})[1]["count"] == 5
        assert asking.client.call("GET", f"/memory/{asking.held[0]}")[0] == 200
        for memory_id in asking.held[:3]:
            assert asking.forget(memory_id)[0] in (200, 507)
        check_service(asking.client, acknowledged, journal)
        if relief == "the disk grows":
            subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
        else:
            if relief == "restarted while full":
                service.kill()
                service.start()
                asking.client.close()
                asking.client = Client(service.port)
                check_service(asking.client, acknowledged, journal)
            (small_disk / "filler").unlink()
        for _ in range(5):
            assert asking.add(3000)[0] == 201
        assert asking.forget(asking.held[0])[0] == 200
        check_service(asking.client, acknowledged, journal)
        assert service.stop() == 0
        service.start()
        asking.client.close()
        asking.client = Client(service.port)
        check_service(asking.client, acknowledged, journal)
        asking.client.close()
    journal.close()
