"""SIGTERM in every phase, one that never ends by itself: the process ends in time and in order, and nothing is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from faiss_memory import serve
from faiss_memory.embedder.child import ChildEmbedder
from faiss_memory.embedder.compiled import Shape
from faiss_memory.errors import EmbedderError
from faiss_memory.memory import Draft
from faiss_memory.store.embedded import EmbeddedStore
from tests.running import RunningService
from tests.store.oracle import EVERYTHING, EmbeddedHome, add, until

SECONDS_TO_STOP = 1.0
WAITED = 60
"""Seconds, on a machine that is busy with other things; those who wait for a service wait 10 to 30."""


class Held(RunningService):
    """A service that stays in a phase; see `held_server`."""

    is_forked = False  # how it ends is looked at, threads of libraries included

    def __init__(self, data, phase, **settings):
        super().__init__(data, fake=True, **settings)
        self.phase = phase
        self._command[2] = "tests.faults.held_server"
        self._command[3:3] = [phase, str(SECONDS_TO_STOP)]

    def __enter__(self):
        return self

    def reach(self):
        """Start it and bring it into its phase."""
        self.start(ready=False)
        threading.Thread(target=self._ask, daemon=True).start()
        until(self.is_held, f"it is held in {self.phase}")

    def is_held(self):
        return f"held in {self.phase}" in self.log.read_text()

    def _ask(self):
        try:
            for method, path, body in REQUESTS.get(self.phase, ()):
                body = json.loads(json.dumps(body).replace("SHELF", str(self.data.parent)))
                until(lambda: self.call("GET", "/health")[1].get("model_ready"), "it is ready")
                self.call(method, path, body)
        except (OSError, AssertionError):
            pass  # it has been stopped: that no answer came is no fault of it

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=WAITED)
        said = self.log.read_text()
        assert "terminate called" not in said
        assert "Traceback" not in said
        return code


MORE = ("POST", "/memory/add", {"text": "one more"})
REQUESTS = {
    "long batch": [("POST", "/memory/add-batch", {"memories": [{"text": f"text {n}"} for n in range(100)]})],
    "build": [("POST", "/index/build", {"sources": ["SHELF/notes.md"], "wait": True})],
    "restore": [("POST", "/restore", {"time": "2100-01-01T00:00:00Z"})],
    "restore, put in place": [("POST", "/restore", {"time": "2100-01-01T00:00:00Z"})],
    "purge": [MORE, ("POST", "/memory/purge", {"ids": [2]})],
    "purge, put in place": [MORE, ("POST", "/memory/purge", {"ids": [2]})],
    "roll": [MORE],
    "save": [MORE],
    "commit": [MORE],
    "publish": [MORE],
}
IN_EVERY_RUN = ("start", "long batch", "commit", "roll", "compile")
PHASES = [
    "start", "migration", "load", "settling", "backlog", "compile", *REQUESTS, "telling the plugins",
]  # fmt: skip


@pytest.fixture
def kept(tmp_path):
    """A data folder with an acknowledged memory."""
    home = EmbeddedHome(tmp_path / "data")
    add(home.open(), "acknowledged")
    home.close()
    (tmp_path / "notes.md").write_text("# Notes\n\nOne.\n")
    return tmp_path / "data"


def texts_in(data):
    store = EmbeddedStore(data, print)
    store.open()
    try:
        return [memory.text for memory in store.select(EVERYTHING)]
    finally:
        store.close()


@pytest.mark.parametrize(
    "phase",
    [phase if phase in IN_EVERY_RUN else pytest.param(phase, marks=pytest.mark.faults) for phase in PHASES],
)
def test_sigterm_ends_it_in_every_phase(kept, tmp_path, tally, phase):
    settings = {"plugins.ingest.roots": str(tmp_path)}
    if phase == "compile":
        folder = tmp_path / "model"
        folder.mkdir()
        (folder / "modules.json").write_text("[]")
        settings |= {"model_name": str(folder), "log": str(tmp_path / "data.log")}
    if phase == "backlog":
        home = EmbeddedHome(kept)
        home.open(model=False).add([Draft(text="without a vector")], [None])
        home.close()
    with Held(kept, phase, **settings) as service:
        if phase == "telling the plugins":
            service.start(ready=False)
        else:
            service.reach()
        child = re.search(r"held in compile, process (\d+)", service.log.read_text())
        assert service.end() == 0
    if child is not None:
        until(lambda: not is_alive(int(child[1])), "the compiling process has ended too")
    assert "acknowledged" in texts_in(kept)
    tally("SIGTERM in a phase that does not end: start, load, compile, batch, build, restore, purge, roll")


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _spent(pid):
    """Return the seconds of CPU that a process has taken, in all of its threads."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@pytest.mark.faults
def test_sigterm_in_the_middle_of_a_long_batch_of_the_real_model(tmp_path, model_cache, tally):
    """The threads of the model's library abort the process, if the interpreter is taken apart beneath them."""
    long = [
        {"text": f"{number} " + "a long text about many things, and some more; " * 200}
        for number in range(500)
    ]
    with RunningService(tmp_path / "data", cache=model_cache) as service:
        with ThreadPoolExecutor(4) as pool:
            for part in range(4):
                pool.submit(_try, service, {"memories": long[part::4]})
            begun = _spent(service.process.pid)
            until(lambda: _spent(service.process.pid) > begun + 2, "the model is in the middle of it")
            service.process.send_signal(signal.SIGTERM)
            code = service.process.wait(timeout=WAITED)
        said = service.log.read_text()
    assert code == 0, said
    assert "terminate called" not in said
    tally("SIGTERM in the middle of a long batch of the real model", result="it ends in order")


def _try(service, body):
    with suppress(OSError):
        service.call("POST", "/memory/add-batch", body)


def test_a_child_that_is_at_work_for_ever_does_not_hold_up_the_end(monkeypatch, tmp_path):
    shape = Shape(
        dimension=4, window=8, max_tokens=8, query_prompt="", document_prompt="", strips=False, pad_id=0,
        pads_left=False, inputs=[], problem="none", folder="",
    )  # fmt: skip
    command = [sys.executable, "-c", "import sys, time; print(flush=True); time.sleep(3600)"]
    monkeypatch.setattr("faiss_memory.embedder.processes.child_command", lambda *_: command)
    child = ChildEmbedder("held", "held@1", "/nowhere", shape, tmp_path)
    process = child._child.process
    with ThreadPoolExecutor(2) as pool:
        asking = pool.submit(child.embed_queries, ["anything"])
        until(lambda: child._turn.locked(), "it is asked")
        pool.submit(child.close).result(WAITED)
        with pytest.raises(EmbedderError):
            asking.result(WAITED)
    assert process.poll() is not None


@pytest.mark.faults
@pytest.mark.parametrize("projects", [300, pytest.param(3000, marks=pytest.mark.faults)])
def test_many_projects_are_stopped_in_time(tmp_path, tally, projects):
    with RunningService(tmp_path / "data", fake=True, **{"limits.batch": "5000"}) as service:
        memories = [{"text": f"in project {number}", "project": f"p{number}"} for number in range(projects)]
        for start in range(0, projects, 1000):
            assert (
                service.call("POST", "/memory/add-batch", {"memories": memories[start : start + 1000]})[0]
                == 201
            )
        began = time.monotonic()
        assert service.stop() == 0
        took = time.monotonic() - began
        assert "took longer" not in service.log.read_text(), took
        service.start()
        assert service.call("GET", "/projects")[1]["count"] == projects
    tally(f"a stop with {projects} projects", result="in time")


def test_the_time_for_a_stop_is_less_than_anybody_waits(tmp_path):
    """`docker stop` waits 10 s where it is told nothing."""
    assert serve.SECONDS_TO_STOP < 10
