"""What plugins and adapters may do: each hook in use, third-party packages, and what happens when they fail."""

from __future__ import annotations

import dataclasses
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import Struct

from faiss_memory import (
    Adapter,
    Answer,
    InvalidRequest,
    Job,
    Message,
    Mount,
    OwnFile,
    PromptTemplate,
    Route,
    hookimpl,
)
from faiss_memory.app import build_service
from faiss_memory.contracts import hooks
from faiss_memory.errors import ConfigError, PluginError
from faiss_memory.settings import load
from faiss_memory.store import EmbeddedStore
from tests.fakes import FakeEmbedder
from tests.running import ROOT, RunningService


def add(client, text, **fields):
    answer = client.post("/memory/add", {"text": text, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json["id"]


def found(client, query, **fields):
    answer = client.post("/search", {"query": query, **fields})
    assert answer.status_code == 200, answer.text
    return [result["id"] for result in answer.json["results"]]


# Every hook.


class HelloAnswer(Answer):
    """What the plugin's call answers."""

    hello: str


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """What the plugin can be told."""

    greeting: str = "hello"


class Greeting(Message):
    pass


class Everything:
    """Implements every hook, and keeps what it was told."""

    def __init__(self):
        self.told = []

    @hookimpl
    def register_settings(self):
        return Settings

    @hookimpl
    def open_store(self, settings, on_failure):
        self.told.append("open_store")
        self.store = EmbeddedStore(Path(settings.data_dir + "-of-plugin"), on_failure)
        return self.store

    @hookimpl(tryfirst=True)
    def open_embedder(self, settings):
        self.told.append("open_embedder")
        self.embedder = FakeEmbedder()
        self.embedder.name, self.embedder.identity = settings.model_name, "mine@1"
        return self.embedder

    @hookimpl
    def register_routes(self, service):
        return [
            Route(
                method="GET", path="/hello", summary="Say hello", answer=HelloAnswer,
                handler=lambda: HelloAnswer(hello=service.settings.of(Settings).greeting),
            )
        ]  # fmt: skip

    @hookimpl
    def register_mounts(self, service):
        def app(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [service.version.encode()]

        return [Mount(path="/hello/plain", app=app, methods=("GET",))]

    @hookimpl
    def register_config_files(self, context):
        return {"everything": [OwnFile(".everything/config", f"{context.url} {context.project}")]}

    @hookimpl
    def register_prompt_templates(self):
        return [PromptTemplate("everything", "Search $url first, about $project, for $5.")]

    @hookimpl
    def register_importers(self):
        return []

    @hookimpl
    def register_companions(self, settings):
        """None of its own."""

    @hookimpl
    def register_jobs(self, service):
        def greet(options):
            return f"hello from {service.version}"

        return [Job(name="greet", summary="Greet", run=greet, options=Greeting)]

    @hookimpl
    def register_stats(self, service):
        return {"everything": {"told": len(self.told), "ready": service.engine.model_ready}}

    @hookimpl
    def service_started(self, service):
        self.told.append("service_started")

    @hookimpl
    def service_stopping(self, service):
        # The store still answers, so that what was begun can be finished.
        self.told.append(("service_stopping", service.stats().total_memories))

    @hookimpl
    def before_add(self, drafts):
        drafts[:] = [dataclasses.replace(draft, tags=(*draft.tags, "seen")) for draft in drafts]

    @hookimpl
    def before_change(self, changes):
        for number, change in changes.items():
            changes[number] = dataclasses.replace(change, source=f"seen {change.source}")

    @hookimpl
    def memories_added(self, memories):
        self.told.append(("added", [memory.text for memory in memories]))

    @hookimpl
    def memories_changed(self, memories):
        self.told.append(("changed", [memory.text for memory in memories]))

    @hookimpl
    def memories_removed(self, ids):
        self.told.append(("removed", sorted(ids)))

    @hookimpl
    def memories_purged(self, ids, texts):
        self.told.append(("purged", sorted(ids), sorted(texts)))

    @hookimpl
    def search_answered(self, request, answer, rights):
        self.answered = (request.query, answer.count, rights.by)

    @hookimpl
    def find_outdated(self, service, origins):
        return None

    @hookimpl
    def rank_memories(self, query, k):
        assert k >= query.k
        return [(int(word), 1.0) for word in query.text.split() if word.isdigit()]

    @hookimpl
    def rerank_results(self, query, results):
        return results[::-1] if "backwards" in query.text else None


def test_every_hook_is_implemented_by_a_plugin_of_these_tests():
    specified = {name for name, value in vars(hooks).items() if hasattr(value, "faiss_memory_spec")}
    implemented = {name for name, value in vars(Everything).items() if hasattr(value, "faiss_memory_impl")}
    assert specified
    assert implemented == specified


def test_a_purge_is_told_before_it_begins_and_when_it_is_done_and_a_search_when_it_is_answered(
    make_service, client_of
):
    plugin = Everything()
    client = client_of(make_service(plugin))
    number = client.post("/memory/add", {"text": "the first"}).json["id"]
    client.request("PATCH", f"/memory/{number}", {"text": "the second"})
    client.post("/search", {"query": "the second"})
    assert plugin.answered == ("the second", 1, "rest")
    client.post("/memory/purge", {"ids": [number], "dry_run": True})
    client.post("/memory/purge", {"ids": [number]})
    purged = [told for told in plugin.told if told[0] == "purged"]
    assert [told[1] for told in purged] == [[number], [number]]
    assert {"the first", "the second"} <= set(purged[-1][2])


def test_every_hook_says_what_it_is_for():
    for name, value in vars(hooks).items():
        if hasattr(value, "faiss_memory_spec"):
            assert inspect.getdoc(value), name


@pytest.fixture
def everything():
    """The plugin that implements every hook."""
    return Everything()


@pytest.fixture
def client(everything, make_service, client_of):
    """A client of a service with that plugin."""
    return client_of(make_service(everything))


def test_a_plugin_brings_the_store(client, everything, tmp_path):
    memory_id = add(client, "kept elsewhere")
    assert everything.store.get([memory_id])[0].text == "kept elsewhere"
    assert (tmp_path / "data-of-plugin" / "memory.db").exists()
    assert not (tmp_path / "data").exists()


def test_a_plugin_brings_the_embedder(client, everything):
    everything.embedder.embed_queries = lambda texts: FakeEmbedder().embed_queries(["red" for _ in texts])
    red, blue = add(client, "red"), add(client, "blue")
    assert found(client, "blue", mode="semantic") == [red, blue]


def test_a_plugin_brings_calls(client):
    answer = client.get("/hello")
    assert (answer.status_code, answer.json) == (200, {"hello": "hello"})
    assert client.get("/hello", headers={"Host": "evil.com"}).status_code == 421
    assert client.get("/hello", params={"x": "1"}).status_code == 400
    assert client.request("PUT", "/hello").status_code == 405
    assert "/hello" in client.get("/openapi.json").json["paths"]
    assert client.get("/hello/plain").text == client.get("/health").json["version"]
    assert client.get("/hello/plain", headers={"Host": "evil.com"}).status_code == 421
    assert client.post("/hello/plain").status_code == 405


def test_a_plugin_brings_settings(everything, make_service, client_of):
    # The name under which conftest registers it.
    client = client_of(make_service(everything, **{"plugins.test-0.greeting": "good morning"}))
    assert client.get("/hello").json == {"hello": "good morning"}
    with pytest.raises(ConfigError, match=r"did you mean `plugins\.test-0\.greeting`"):
        make_service(everything, **{"plugins.test-0.greting": "x"})


def test_a_plugin_brings_files(client):
    (file,) = client.get("/adapters/everything/files", params={"project": "shop"}).json["files"]
    text = "http://127.0.0.1:8900 shop"
    assert file == {"path": ".everything/config", "kind": "own file", "keys": [], "text": text}


def test_a_plugin_brings_prompt_templates(client):
    answer = client.get("/adapters/everything/prompt", params={"project": "shop"}).json
    text = "Search http://127.0.0.1:8900 first, about shop, for $5."
    assert answer == {"name": "everything", "project": "shop", "text": text}


def test_a_plugin_brings_jobs(client):
    assert client.post("/schedules", {"job": "greet", "cron": "@daily"}).json["options"] == {}
    assert "greet" in [job["name"] for job in client.get("/schedules").json["jobs"]]


def test_a_plugin_adds_to_the_statistics(client, everything):
    assert client.get("/stats").json["plugins"]["everything"] == {"told": len(everything.told), "ready": True}


def test_each_service_has_a_plugin_of_its_own_where_a_class_is_named(make_service, client_of, tmp_path):
    busy, idle = (client_of(make_service(data_dir=str(tmp_path / name))) for name in ("busy", "idle"))
    busy.post("/memory/add", {"text": "one"})
    counts = [client.get("/stats").json["plugins"]["activity"]["added"] for client in (busy, idle)]
    assert counts == [1, 0]


def test_a_plugin_is_told_of_start_and_stop(everything, tmp_path):
    given = load(None, {"data_dir": str(tmp_path / "data")}, {}).settings
    service = build_service(given, lambda _: None, [("everything", everything)])
    assert everything.told == ["open_store"]
    service.start()
    assert service.engine.store is everything.store
    service.stop()
    assert set(everything.told) == {"open_store", "open_embedder", "service_started", ("service_stopping", 0)}
    assert everything.told[-1] == ("service_stopping", 0)


def test_a_plugin_changes_what_is_added(client):
    memory_id = add(client, "x", tags=["mine"])
    assert client.get(f"/memory/{memory_id}").json["tags"] == ["mine", "seen"]
    assert found(client, "x", tags=["seen"]) == [memory_id]


def test_a_plugin_is_told_what_was_added_changed_and_removed(client, everything):
    before = len(everything.told)
    first = add(client, "one")
    client.post("/memory/add-batch", {"memories": [{"text": "two"}, {"text": "three", "project": "other"}]})
    client.request("PATCH", f"/memory/{first}", {"text": "uno"})
    client.request("DELETE", f"/memory/{first}")
    client.post("/memory/forget", {"ids": [first + 1], "dry_run": True})
    client.post("/memory/forget", {"ids": [first + 1, 999]})
    client.post("/memory/forget", {"ids": [999]})
    client.request("DELETE", "/projects/other")
    assert everything.told[before:] == [
        ("added", ["one"]),
        ("added", ["two", "three"]),
        ("changed", ["uno"]),
        ("removed", [first]),
        ("removed", [first + 1]),
        ("removed", [first + 2]),
    ]


def test_a_plugin_is_not_told_of_what_was_not_added(client, everything):
    add(client, "twin")
    before = list(everything.told)
    assert client.post("/memory/add", {"text": "twin", "if_novel": 0.9}).status_code == 200
    assert client.post("/memory/add", {"text": " "}).status_code == 400
    assert everything.told == before


def test_a_plugins_ranking_takes_part_in_a_hybrid_search(client):
    stored = [add(client, "note") for _ in range(5)]
    assert found(client, f"note {stored[3]}", k=1) == [stored[3]]
    assert found(client, f"note {stored[3]}", k=1, mode="semantic") != [stored[3]]


def test_a_plugin_puts_results_into_another_order(client):
    for n in range(4):
        add(client, f"forwards {'backwards ' * n}")
    straight = found(client, "backward")
    assert found(client, "backwards") != straight
    results = client.post("/search", {"query": "backwards"}).json["results"]
    assert [result["score"] for result in results] == sorted(result["score"] for result in results)


# Refusals and failures.


class Strict:
    """Refuses what it does not like."""

    @hookimpl
    def before_add(self, drafts):
        if any("password" in draft.text for draft in drafts):
            raise InvalidRequest("no passwords here", "text")

    @hookimpl
    def before_change(self, changes):
        if any("password" in (change.text or "") for change in changes.values()):
            raise InvalidRequest("no passwords here", "text")


class Dropper:
    """Takes drafts away, which it may not."""

    @hookimpl
    def before_add(self, drafts):
        drafts.clear()


class Turncoat:
    """Has another memory changed than was asked for, which it may not."""

    @hookimpl
    def before_change(self, changes):
        changes[2] = changes.pop(1)


class Failing:
    """Fails after every write."""

    @hookimpl
    def memories_added(self, memories):
        raise RuntimeError("the plugin's own fault")

    memories_changed = memories_added

    @hookimpl
    def memories_removed(self, ids):
        raise RuntimeError("the plugin's own fault")


def test_a_plugin_refuses_all_of_a_batch(make_service, client_of):
    client = client_of(make_service(Strict()))
    memories = [{"text": "fine"}, {"text": "the password is 1234"}]
    answer = client.post("/memory/add-batch", {"memories": memories})
    assert (answer.status_code, answer.json["description"], answer.json["field"]) == (
        400,
        "no passwords here",
        "text",
    )
    assert client.get("/stats").json["total_memories"] == 0


def test_a_plugin_refuses_a_correction(make_service, client_of):
    client = client_of(make_service(Strict()))
    memory_id = add(client, "fine")
    answer = client.request("PATCH", f"/memory/{memory_id}", {"text": "the password is 1234"})
    assert (answer.status_code, answer.json["field"]) == (400, "text")
    assert client.get(f"/memory/{memory_id}").json["text"] == "fine"


def test_a_plugin_may_not_change_another_memory(make_service, client_of):
    client = client_of(make_service(Turncoat()))
    add(client, "first"), add(client, "second")
    answer = client.request("PATCH", "/memory/1", {"text": "corrected"})
    assert "before_change" in answer.json["description"]
    assert [client.get(f"/memory/{number}").json["text"] for number in (1, 2)] == ["first", "second"]


def test_a_plugin_may_not_drop_drafts(make_service, client_of):
    client = client_of(make_service(Dropper()))
    assert "before_add" in client.post("/memory/add", {"text": "x"}).json["description"]
    assert client.get("/stats").json["total_memories"] == 0


def test_what_is_safe_stays_acknowledged_when_a_plugin_fails(make_service, client_of, caplog):
    failing, other = Failing(), Everything()
    client = client_of(make_service(failing, other))
    memory_id = add(client, "safe")
    assert client.request("PATCH", f"/memory/{memory_id}", {"text": "still safe"}).status_code == 200
    assert client.request("DELETE", f"/memory/{memory_id}").status_code == 200
    assert [told[0] for told in other.told if isinstance(told, tuple)] == ["added", "changed", "removed"]
    logged = [record.getMessage() for record in caplog.records if "failed in" in record.getMessage()]
    assert logged == [
        "plugin `test-0` failed in memories_added",
        "plugin `test-0` failed in memories_changed",
        "plugin `test-0` failed in memories_removed",
    ]


class Misspelt:
    """Means `memories_added`."""

    @hookimpl
    def memory_added(self, memories):
        return None


class Greedy:
    """Wants an argument that the hook does not have."""

    @hookimpl
    def memories_added(self, memories, weather):
        return None


@pytest.mark.parametrize(("plugin", "says"), [(Misspelt(), "memory_added"), (Greedy(), "weather")])
def test_a_plugin_that_does_not_fit_stops_the_start(make_service, plugin, says):
    with pytest.raises(PluginError, match="`test-0`") as raised:
        make_service(plugin)
    assert says in str(raised.value)
    assert "disabled: [test-0]" in str(raised.value)


def test_an_unknown_disabled_name_stops_the_start_and_hints(make_service):
    with pytest.raises(ConfigError, match="did you mean `generic`"):
        make_service(**{"plugins.disabled": "genric"})
    with pytest.raises(ConfigError, match="there are activity"):
        make_service(**{"plugins.disabled": "zzzzzz"})


def test_what_is_disabled_takes_no_part(make_service, client_of):
    client = client_of(make_service(**{"plugins.disabled": "generic,activity"}))
    assert client.get("/adapters/generic/tools").status_code == 404
    assert client.get("/adapters/generic/files").status_code == 404
    assert client.get("/stats").json["plugins"] == {}


# A package of a stranger.

PYPROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "stranger-memory"
version = "1.0"

[project.entry-points.faiss_memory]
stranger = "stranger_memory:adapter"
"""
MODULE = '''\
"""An assistant nobody here has heard of."""

from faiss_memory import Adapter, Answer, OwnFile, PromptTemplate, Route


class Greeting(Answer):
    """Says hello."""

    memories: int


def files(context):
    return [OwnFile(".stranger/memory.json", f'{{"url": "{context.url}", "project": "{context.project}"}}')]


def routes(service):
    def greet():
        return Greeting(memories=service.stats().total_memories)

    return [Route(method="GET", path="/adapters/stranger/greeting", summary="Greet", answer=Greeting, handler=greet)]


adapter = Adapter(
    name="stranger", title="The Stranger", prompt=PromptTemplate("stranger", "Ask $url."), files=files, routes=routes
)
'''


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that a stranger's package was installed into, by pip."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "stranger_memory.py").write_text(MODULE)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", "--target", str(target), str(source)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


class WithPackages(RunningService):
    """A service that also sees the packages in a folder."""

    def __init__(self, data, packages, **settings):
        super().__init__(data, fake=True, **settings)
        self._environment["PYTHONPATH"] = str(packages)


def test_a_strangers_package_adds_an_assistant(tmp_path, installed):
    with WithPackages(tmp_path / "data", installed) as running:
        running.call("POST", "/memory/add", {"text": "x"})
        adapters = running.call("GET", "/adapters")[1]["adapters"]
        (stranger,) = (adapter for adapter in adapters if adapter["name"] == "stranger")
        assert stranger["title"] == "The Stranger"
        assert stranger["routes"] == ["/adapters/stranger/greeting"]
        assert running.call("GET", "/adapters/stranger/greeting") == (200, {"memories": 1})
        (file,) = running.call("GET", "/adapters/stranger/files?project=shop")[1]["files"]
        assert file["path"] == ".stranger/memory.json"
        assert '"project": "shop"' in file["text"]
        assert "/adapters/stranger/greeting" in running.call("GET", "/openapi.json")[1]["paths"]


def serve(tmp_path, packages, config):
    """Try to start with a configuration file; gives the ended process."""
    path = tmp_path / "faiss-memory.yaml"
    path.write_text(config)
    environment = {"PATH": os.defpath, "HOME": str(tmp_path), "PYTHONPATH": str(packages)}
    command = [sys.executable, "-m", "faiss_memory", "serve", "--config", str(path), "--port", "0"]
    return subprocess.run(
        [*command, "--data-dir", str(tmp_path / "data")],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_strangers_package_is_disabled_by_the_configuration_file(tmp_path, installed):
    path = tmp_path / "faiss-memory.yaml"
    path.write_text("plugins:\n  disabled: [stranger]\n")
    running = WithPackages(tmp_path / "data", installed)
    running._environment["FAISS_MEMORY_CONFIG"] = str(path)
    with running:
        assert running.call("GET", "/adapters/stranger/greeting")[0] == 404


def test_a_package_that_cannot_be_imported_stops_the_start_and_says_how_to_go_on(tmp_path):
    package = tmp_path / "packages"
    information = package / "broken_memory-2.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-memory\nVersion: 2.0\n")
    (information / "entry_points.txt").write_text("[faiss_memory]\nbroken = broken_memory:plugin\n")
    (package / "broken_memory.py").write_text("import a_module_nobody_has\n")
    ended = serve(tmp_path, package, "startup_wait: 1\n")
    assert ended.returncode == 2
    assert "plugin `broken` of broken-memory cannot be loaded" in ended.stderr
    assert "a_module_nobody_has" in ended.stderr
    assert "plugins:\n  disabled: [broken]" in ended.stderr
    assert "Traceback" not in ended.stderr
    # The very lines it gives make it start; a name that is not there stops it again.
    ended = serve(tmp_path, package, "plugins:\n  disabled: [broken, brokn]\n")
    assert ended.returncode == 2
    assert "no plugin `brokn`; did you mean `broken`" in ended.stderr


def test_an_adapter_is_a_value_and_its_hooks_are_called(make_service, client_of):
    adapter = Adapter(
        name="mine",
        title="Mine",
        prompt=PromptTemplate("mine", "x"),
        files=lambda context: [OwnFile("mine.txt", context.project)],
        routes=lambda service: [
            Route(method="GET", path="/adapters/mine/x", summary="x", handler=lambda: HelloAnswer(hello="x"))
        ],
    )
    client = client_of(make_service(adapter))
    assert client.get("/adapters/mine/x").json == {"hello": "x"}
    assert client.get("/adapters/mine/files").json["files"][0]["text"] == "default"
    assert "mine" in [one["name"] for one in client.get("/adapters").json["adapters"]]


def test_a_plugin_is_not_told_again_of_a_retry(client, everything):
    body = {"text": "once", "idempotency_key": "k"}
    client.post("/memory/add", body)
    before = list(everything.told)
    assert client.post("/memory/add", body).status_code == 201
    assert everything.told == before


def test_a_ranking_of_a_plugin_brings_nothing_that_the_search_leaves_out(client):
    elsewhere = add(client, "kept apart", project="other")
    here = add(client, "kept here")
    found = client.post("/search", {"query": f"{elsewhere} {here} 999"}).json["results"]
    assert [memory["id"] for memory in found] == [here]
    assert client.post("/search", {"query": f"{here}", "tags": ["nobody"]}).json["results"] == []


class Worthless:
    """A plugin whose ranking says nothing."""

    @hookimpl
    def rank_memories(self, query):
        return [(1, 0.0), (2, -1.0)]


def test_a_ranking_without_a_positive_score_changes_nothing(make_service, client_of, tmp_path):
    found = []
    for plugins in ((), (Worthless(),)):
        client = client_of(make_service(*plugins, data_dir=str(tmp_path / f"data-{len(plugins)}")))
        add(client, "the only one")
        results = client.post("/search", {"query": "the only one"}).json["results"]
        found.append([(memory["id"], memory["score"]) for memory in results])
    assert found[0] == found[1] != []


class Broken:
    """A plugin that breaks whenever it is asked something."""

    @hookimpl
    def register_stats(self):
        raise RuntimeError("no figures")

    @hookimpl
    def rank_memories(self, query):
        raise RuntimeError("no ranking")

    @hookimpl
    def rerank_results(self, results):
        raise RuntimeError("no order")


def test_a_plugin_that_fails_is_named_and_left_out(make_service, client_of, caplog):
    service = make_service(Broken())
    client = client_of(service)
    memory_id = add(client, "still found")
    assert client.post("/search", {"query": "still found"}).json["results"][0]["id"] == memory_id
    assert "activity" in client.get("/stats").json["plugins"]
    for hook in ("register_stats", "rank_memories", "rerank_results"):
        assert f"failed in {hook}" in caplog.text
    service.stop()
    service.stop()  # a second time changes nothing
