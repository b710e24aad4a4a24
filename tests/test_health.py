"""/health: unwell only while the memories themselves cannot be read or written, and then it says how far that is."""

from __future__ import annotations

import shutil
import threading
import time
from types import SimpleNamespace

import pytest

from faiss_memory import DiskFull
from faiss_memory.app import build_service
from faiss_memory.http.server import Dispatcher
from faiss_memory.settings import load
from faiss_memory.store.backup import restore
from tests.fakes import FakeModel


class Replay:
    """A replay that stops when 42 % is done, until it may go on."""

    def __init__(self, monkeypatch):
        self.reached, self.may_go_on = threading.Event(), threading.Event()
        self._replay = restore.replay
        monkeypatch.setattr(restore, "replay", self._stop)

    def _stop(self, *arguments, progress, **named):
        progress(0.42)
        self.reached.set()
        assert self.may_go_on.wait(60)
        return self._replay(*arguments, progress=progress, **named)


@pytest.fixture
def replay(monkeypatch):
    made = Replay(monkeypatch)
    yield made
    made.may_go_on.set()


@pytest.fixture
def starting(tmp_path):
    """A service that was told to start, with the memories of `make_service`'s folder."""
    made = build_service(
        load(None, {"data_dir": str(tmp_path / "data")}, {}).settings, print, [("fake", FakeModel())]
    )
    yield made
    made.stop()


def well(client):
    deadline = time.monotonic() + 120
    while (answer := client.get("/health")).status_code != 200:
        assert time.monotonic() < deadline
    return answer.json


@pytest.mark.parametrize(
    ("prepare", "said"),
    [("lose the records", "the memories are being read"), ("lay a backup in", "a backup is being restored")],
)
def test_a_start_that_builds_the_records_anew_says_how_far_it_is(
    make_service, client_of, tmp_path, replay, prepare, said, request
):
    first = make_service()
    client_of(first).post("/memory/add", {"text": "kept"})
    backup = client_of(first).post("/backup").json["backup"]
    first.stop()
    data = tmp_path / "data"
    if prepare == "lose the records":
        (data / "memory.db").unlink()
    else:
        shutil.copytree(data / "backups" / backup, data, dirs_exist_ok=True)
    service = request.getfixturevalue("starting")
    client = client_of(service)
    service.start()
    assert replay.reached.wait(60)
    answer = client.get("/health")
    assert (answer.status_code, answer.json["description"]) == (
        503,
        f"{said}: 42% is done; try again in a moment",
    )
    assert answer.headers["retry-after"]
    assert client.get("/").status_code == 200
    replay.may_go_on.set()
    assert well(client)["status"] == "ok"
    assert client.get("/memory/1").json["text"] == "kept"


def test_while_a_restored_state_is_built_the_present_one_answers(client, replay):
    client.post("/memory/add", {"text": "kept"})
    backup = client.post("/backup").json["backup"]
    client.post("/memory/add", {"text": "later"})
    restored = []
    thread = threading.Thread(target=lambda: restored.append(client.post("/restore", {"backup": backup})))
    thread.start()
    assert replay.reached.wait(60)
    assert well(client)["rebuilding"] == [{"project": "*", "what": "restore", "progress": 0.42}]
    found = client.post("/search", {"query": "later"}).json
    assert (found["count"], "degraded" in found) == (2, False)
    replay.may_go_on.set()
    thread.join()
    assert restored[0].status_code == 200
    assert "restore" not in [part["what"] for part in well(client)["rebuilding"]]


class Connection:
    """A connection as waitress hands it to its threads, whose request is answered by `service`."""

    def __init__(self, path, service):
        self.requests = [SimpleNamespace(path=path)]
        self.service = service


def test_health_is_told_while_every_thread_is_busy():
    may_end, told = threading.Event(), threading.Event()
    threads = Dispatcher(2)
    try:
        for _ in range(10):
            threads.add_task(Connection("/search", lambda: may_end.wait(60)))
        threads.add_task(Connection("/health", told.set))
        assert told.wait(60)
        assert not may_end.is_set()
    finally:
        may_end.set()
        threads.shutdown()


def test_health_waits_for_no_change_of_the_indexes(service, client):
    with service.engine.store._indexes._lock.writing():
        answer = []
        thread = threading.Thread(
            target=lambda: answer.append(client.get("/health").status_code), daemon=True
        )
        thread.start()
        thread.join(60)
        assert answer == [200]


def test_a_full_disk_is_told_until_something_is_written_again(service, client, monkeypatch):
    history = service.engine.store._opened.committer._history
    full = DiskFull("the disk is full")

    def refuse(*_):
        raise full

    with monkeypatch.context() as patched:
        patched.setattr(history, "log", refuse)
        assert client.post("/memory/add", {"text": "x"}).status_code == 507
        assert [one["part"] for one in client.get("/health").json["problems"]] == ["disk"]
        assert "full" in client.get("/health").json["problems"][0]["reason"]
    assert client.post("/memory/add", {"text": "x"}).status_code == 201
    assert client.get("/health").json["problems"] == []
