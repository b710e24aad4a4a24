"""An error nobody foresaw, in any thread: it is logged, told by /health or to who asked, and holds up nobody."""

from __future__ import annotations

import ast
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import pytest

from faiss_memory.app import build_service
from faiss_memory.background import BackgroundThread
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.engine.models import Models
from faiss_memory.plugin_host import section_types
from faiss_memory.settings import load
from faiss_memory.store import opening
from faiss_memory.store.backup.snapshots import Chain
from faiss_memory.store.backup.timeline import History
from faiss_memory.store.committer import Committer
from faiss_memory.store.embedded import EmbeddedStore
from faiss_memory.store.index.follower import Derived
from faiss_memory.store.index.searcher import Indexes
from faiss_memory.store.purge.purge import Purging
from faiss_memory.store.worker import Keeper
from faiss_memory_plugins.ingest.build import Build
from faiss_memory_plugins.ingest.report import Report
from tests.conftest import Client
from tests.every import every
from tests.fakes import FakeModel
from tests.store.oracle import until
from tests.test_floors import FILES, _name

SECONDS = 60


class Surprise(BaseException):
    """What no `except` of ours names; a MemoryError or a fault of ours would do as well."""


@pytest.fixture(params=[KeyError, Surprise], ids=lambda kind: kind.__name__)
def plant(request, monkeypatch):
    """Let a method raise an error nobody foresaw, from now on, or but for the first times."""

    def make(owner, name, after=0):
        original, calls = getattr(owner, name), []

        def surprising(*arguments, **named):
            calls.append(name)
            if len(calls) > after:
                raise request.param(f"planted in {name}")
            return original(*arguments, **named)

        monkeypatch.setattr(owner, name, surprising)
        return calls

    return make


@pytest.fixture
def begun(tmp_path):
    """Begin services that may not become ready; each must stop, at the end, whatever has happened to it."""
    made, failures = [], []

    def begin():
        given = {
            "data_dir": str(tmp_path / "data"),
            "startup_wait": "30",
            "plugins.ingest.roots": [str(tmp_path)],
        }
        settings = load(None, given, {}, section_types).settings
        service = build_service(settings, failures.append, [("fake", FakeModel())])
        made.append(service)
        client = Client(service)
        service.start()
        client.failures = failures
        return client

    yield begin
    for service in made:
        in_time(service.stop)


def in_time(call):
    """Do something in a thread of its own, and fail where it does not end; gives its answer."""
    answer = Future()

    def run():
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001  (it is raised where the answer is asked for)
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return answer.result(SECONDS)


def problems(client):
    return {problem["part"]: problem["reason"] for problem in client.get("/health").json["problems"]}


STARTS = [
    (MemoryEngine, "_start"),
    (EmbeddedStore, "_open"),
    (opening, "sweep"),
    (History, "__init__"),
    (Derived, "__init__"),
    (Committer, "__init__"),
]


@pytest.mark.parametrize(("owner", "name"), STARTS, ids=lambda part: getattr(part, "__name__", part))
def test_a_start_that_fails_is_told_and_can_be_stopped(begun, plant, caplog, owner, name):
    plant(owner, name)
    client = begun()
    answer = in_time(lambda: client.get("/health"))
    until(lambda: "planted" in client.get("/health").json["description"], "the reason is told")
    answer = client.get("/health")
    assert answer.status_code == 503
    assert f"planted in {name}" in answer.json["description"]
    added = in_time(lambda: client.post("/memory/add", {"text": "kept"}))
    assert added.status_code == 503
    assert f"planted in {name}" in added.json["description"]
    assert f"planted in {name}" in caplog.text


MODELS = [(Models, "_load"), (Models, "settle"), (Models, "_use")]


@pytest.mark.parametrize(("owner", "name"), MODELS, ids=lambda part: getattr(part, "__name__", part))
def test_a_model_that_cannot_be_put_in_use_leaves_the_rest_as_it_is(begun, plant, caplog, owner, name):
    plant(owner, name)
    client = begun()
    until(lambda: client.get("/health").json.get("problems"), "it is told")
    assert f"planted in {name}" in problems(client)["model"]
    assert in_time(lambda: client.post("/memory/add", {"text": "kept words"})).status_code == 201
    found = in_time(lambda: client.post("/search", {"query": "kept words", "mode": "keyword"})).json
    assert found["count"] == 1
    refused = in_time(lambda: client.post("/search", {"query": "kept words", "mode": "semantic"}))
    assert refused.status_code == 503
    assert f"planted in {name}" in refused.json["description"]
    assert f"planted in {name}" in caplog.text


def test_older_memories_that_cannot_be_embedded_are_told(begun, plant):
    plant(Models, "_embed_backlog")
    client = begun()
    until(lambda: client.get("/health").json.get("problems"), "it is told")
    assert "planted" in problems(client)["embedder"]
    assert client.post("/search", {"query": "anything"}).status_code == 200


def ready(begun):
    client = begun()
    until(lambda: client.get("/health").json.get("model_ready"), "it is ready")
    return client


@pytest.mark.parametrize("name", ["_next_group", "_write", "_committed"])
def test_a_committer_that_ends_lets_nobody_wait(begun, plant, caplog, name):
    client = ready(begun)
    assert client.post("/memory/add", {"text": "kept"}).status_code == 201
    plant(Committer, name, after=0)
    with ThreadPoolExecutor(8) as pool:
        adding = [pool.submit(client.post, "/memory/add", {"text": f"refused {n}"}) for n in range(8)]
        for one in adding:
            answer = one.result(SECONDS)
            if answer.status_code != 201:  # which one may be, that the thread waited for already
                assert (answer.status_code, "planted" in answer.json["description"]) == (503, True), (
                    answer.json
                )
    assert client.post("/memory/add", {"text": "refused"}).status_code == 503
    assert "planted" in caplog.text
    answer = client.get("/health")
    told = answer.json["description"] if answer.status_code == 503 else problems(client)["committer"]
    assert f"planted in {name}" in told
    if answer.status_code == 503:
        assert len(client.failures) == 1, "the process is told to end"


@pytest.mark.parametrize(("owner", "name"), [(History, "log"), (Chain, "append")])
def test_a_write_that_meets_an_error_nobody_foresaw_leaves_nothing_behind(
    begun, monkeypatch, caplog, owner, name
):
    client = ready(begun)

    def fail(*_):
        raise OverflowError("planted: a value that nobody can encode")

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, fail)
        refused = client.post("/memory/add", {"text": "refused"})
    assert (refused.status_code, "planted" in refused.json["description"]) == (503, True)
    assert "planted" in problems(client)["committer"]
    assert "planted" in caplog.text
    assert client.post("/memory/add", {"text": "kept"}).status_code == 201
    assert [memory["text"] for memory in client.get("/memories").json["memories"]] == ["kept"]


@pytest.mark.parametrize(
    ("owner", "name"),
    [(Keeper, "_pause"), (Indexes, "analyze_some"), (Derived, "save")],
)
def test_a_keeper_that_fails_is_told(begun, plant, caplog, owner, name):
    client = ready(begun)
    plant(owner, name)
    assert client.post("/memory/add", {"text": "kept"}).status_code == 201
    until(lambda: problems(client), "it is told")
    assert f"planted in {name}" in problems(client)["keeper"]
    assert client.post("/memory/add", {"text": "kept too"}).status_code == 201
    assert f"planted in {name}" in caplog.text


def test_a_keeper_that_failed_once_goes_on(begun, monkeypatch):
    monkeypatch.setattr("faiss_memory.store.worker.SECONDS_AFTER_A_SURPRISE", 0.01)
    client, failures = ready(begun), [ValueError("planted")]
    original = Derived.save

    def save(derived, **named):
        if failures:
            raise failures.pop()
        original(derived, **named)

    monkeypatch.setattr(Derived, "save", save)
    client.post("/memory/add", {"text": "kept"})
    until(lambda: not failures and not problems(client), "it was told, and is over")


def test_a_purge_that_cannot_be_finished_does_not_keep_the_service_from_starting(begun, plant):
    plant(Purging, "finish")
    client = begun()
    until(lambda: "planted in finish" in client.get("/health").text, "it is told")


@pytest.mark.parametrize(("owner", "name"), [(Build, "_build"), (Build, "_plans"), (Report, "enter")])
def test_a_build_that_fails_tells_whoever_waits_for_it(begun, plant, tmp_path, caplog, owner, name):
    client = ready(begun)
    (tmp_path / "notes.md").write_text("# Notes\n\nOne.\n")
    plant(owner, name)
    request = {"sources": [str(tmp_path / "notes.md")], "wait": True}
    with suppress(Surprise):  # which the server takes, that is not there
        assert in_time(lambda: client.post("/index/build", request)).status_code == 500
    answer = client.get("/index/build").json
    assert (answer["running"], answer["last"]["state"]) == ([], "failed")
    assert f"planted in {name}" in answer["last"]["message"]
    assert f"planted in {name}" in caplog.text


def test_a_thread_tells_whatever_ends_it(caplog):
    told = Future()
    thread = BackgroundThread("one", lambda: [][1], told.set_result)
    thread.start()
    assert isinstance(told.result(SECONDS), IndexError)
    thread.join()
    assert not thread.is_alive
    assert "in the thread `one`" in caplog.text
    assert "IndexError" in caplog.text


@every(FILES, _name)
def test_threads_are_started_in_one_way(path):
    """A bare thread that fails tells nobody. The lanes of a build hand what they raise to who waits for them."""
    allowed = {
        "background.py": {"Thread"},
        "plugins/faiss_memory_plugins/ingest/build.py": {"ThreadPoolExecutor"},
    }
    kinds = {"Thread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor", "start_new_thread", "to_thread"}
    called = {
        ast.unparse(node.func).rpartition(".")[2]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    assert called & kinds <= allowed.get(_name(path), set())
