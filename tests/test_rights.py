"""What the public token reaches: what other projects hold changes no answer, and nothing is written there.

The calls and their fields are taken from the schema. Each is asked of two services that differ only in what a project
holds that may not be read: whatever is asked, they must answer alike.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, Literal, get_args, get_origin

import pytest

from faiss_memory import Answer, Mount, Route, hookimpl
from faiss_memory.errors import PluginError, StoreError
from faiss_memory.http.routes import core_routes
from faiss_memory.rights import PERSON, STRANGER, Rights, public_rights
from faiss_memory.schema import (
    AddBatchRequest,
    ForgetRequest,
    ListRequest,
    NewMemory,
    PatchRequest,
    fields_of,
)
from faiss_memory.service.assistant_files import AssistantFiles
from faiss_memory.service.backups import Backups
from faiss_memory.settings import Settings
from tests.mcp.conftest import ACCEPT

PUBLIC = {"public_url": "https://memory.example.com", "public_token": "pub-77b2e0", "token": "tok-3f9a1c"}
BY_TUNNEL = {"Host": "memory.example.com", "Authorization": "Bearer pub-77b2e0"}
LOCAL = {"Authorization": "Bearer tok-3f9a1c"}
KEY = "a-key-of-mine"
TEXT = "the vault opens with the blue key under the mat"
SECRET = {
    "text": TEXT,
    "project": "private",
    "source": "vault.md",
    "tags": ["vault"],
    "metadata": {"vault": 1},
}
KNOWN = {"text": "the ledger is in postgres", "source": "a.md", "tags": ["decision"], "project": "work"}
PROJECTS = ["private", "work", "*", "nowhere", ["private"], ["work", "private"], "default"]
CHANGING = re.compile(
    r'("(?:took_ms|created_at|last_updated|timestamp|date|uid)": ?)("[^"]*"|[0-9.]+|null)|\d{4}-\d\d-\d\d'
)


@pytest.fixture
def clients(make_service, client_of, tmp_path):
    """Two services by their settings, the second of which holds memories in a project that may not be read."""

    def make(**settings):
        found = []
        for name in ("without", "with"):
            service = make_service(**PUBLIC, **settings, data_dir=str(tmp_path / name))
            client = client_of(service)
            client.post("/memory/add", KNOWN, headers=LOCAL)
            if name == "with":
                client.post("/memory/add", {**SECRET, "idempotency_key": KEY}, headers=LOCAL)
                client.post(
                    "/memory/add", {**SECRET, "text": f"{TEXT}, still", "supersedes": 2}, headers=LOCAL
                )
            found.append((service, client))
        return found

    return make


VALUES = {
    str: [TEXT, "*", "vault*", KEY, "2", "vault"], int: [1, 2, 3, 99], float: [-1, 0, 0.01, 0.999, 1],
    bool: [True, False], list: [["vault"], ["decision"]], dict: [{"vault": 1}],
    datetime: ["2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"],
}  # fmt: skip


def values_of(field: str, kind: Any) -> list[Any]:
    """What a field may be given, of its type and beyond, about what may not be seen."""
    if field == "project":
        return PROJECTS
    if get_origin(kind) is Literal:
        return [*get_args(kind)]
    plain = kind if kind in VALUES else get_origin(kind)
    inner = kind.__args__[:1] if hasattr(kind, "__metadata__") else get_args(kind)
    return VALUES[plain] if plain in VALUES else [value for part in inner for value in values_of(field, part)]


def requests_of(fields: dict[str, Any], beside: list[Any]) -> list[dict[str, Any]]:
    """Every field with every value, without a project and beside each of these."""
    given = {name: TEXT for name in ("text", "query") if name in fields}
    named = [{}, *({"project": one} for one in beside)] if "project" in fields else [{}]
    return [
        {**given, **project, field: value}
        for field, kind in fields.items()
        for value in values_of(field, kind)
        for project in (named if field != "project" else [{}])
    ]


def rest_calls(service: Any) -> list[tuple[Any, ...]]:
    """Every call of the public address, with what to send."""
    brought = [route for more in service.plugins.hook.register_routes(service=service) for route in more]
    routes = [*core_routes(service, Backups(service), AssistantFiles(service, brought)), *brought]
    found = []
    for route in routes:
        if not route.public:
            continue
        message = route.body or route.params
        fields = {} if message is None else {name: one.type for name, one in fields_of(message).items()}
        for given in requests_of(fields, ["private", "work", ["work", "private"]]) or [{}]:
            found.append(
                (route.method, route.path, given if route.body else None, {} if route.body else given)
            )
    return found


def sent(client: Any, call: tuple[Any, ...]) -> tuple[int, str]:
    method, path, body, params = call
    answer = client.request(method, path, body, params=params, headers={**BY_TUNNEL, **ACCEPT})
    return answer.status_code, plain(answer.text)


def plain(text: str) -> str:
    """An answer without what differs by time, and without the ids of what was added, which go on in every project."""
    text = CHANGING.sub(r"\1-", text)
    text = re.sub(r'("success\\?": ?true, ?\\?"id\\?": ?)\d+', r"\1-", text)
    return re.sub(r"Stored as memory \d+", "Stored as memory -", text)


def held(client: Any) -> Any:
    """What is stored in the project that may not be read, with its history."""
    query = {"project": "private", "include_superseded": "true"}
    return client.get("/memories", params=query, headers=LOCAL).json["memories"]


def forget_what_was_added(client: Any, project: str) -> None:
    """So that each call meets the same."""
    there = client.get("/memories", params={"project": project}, headers=LOCAL).json["memories"]
    new = [one["id"] for one in there if one["text"] != KNOWN["text"]]
    assert client.post("/memory/forget", {"ids": new}, headers=LOCAL).json["ids"] == new


@pytest.mark.parametrize("write_project", ["work", "default"])
def test_what_may_not_be_read_changes_no_answer_whatever_field_is_given(clients, write_project):
    (service, without), (_, with_it) = clients(read_projects="work", write_project=write_project)
    before, calls = held(with_it), rest_calls(service)
    assert {path for _, path, *_ in calls} >= {"/search", "/memory/add", "/memory/is-novel", "/stats"}
    statuses = set()
    for call in calls:
        answers = sent(without, call), sent(with_it, call)
        assert answers[0] == answers[1], call
        statuses.add(answers[0][0])
        if call[1] == "/memory/add" and answers[0][0] == 201:
            forget_what_was_added(without, write_project)
            forget_what_was_added(with_it, write_project)
    assert statuses >= {200, 201, 400, 403}
    assert held(with_it) == before


def test_the_same_holds_for_every_tool(clients):
    (_, without), (_, with_it) = clients(read_projects="work", write_project="work")
    before = held(with_it)
    asked = lambda method, params: {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}  # noqa: E731
    tools = without.post("/mcp", asked("tools/list", {}), headers={**BY_TUNNEL, **ACCEPT}).json["result"][
        "tools"
    ]
    kinds = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list, "object": dict}
    for tool in tools:
        fields = {
            name: kinds.get(one.get("type", "string"), str)
            for name, one in tool["inputSchema"]["properties"].items()
        }
        for given in requests_of(fields, ["private"]):
            for address in ("/mcp",) if "project" in given else ("/mcp", "/mcp?project=private"):
                call = asked("tools/call", {"name": tool["name"], "arguments": given})
                answers = [sent(client, ("POST", address, call, {})) for client in (without, with_it)]
                assert answers[0] == answers[1], (address, call)
                if "Stored as" in answers[0][1]:
                    forget_what_was_added(without, "work")
                    forget_what_was_added(with_it, "work")
    for method, params in (
        ("resources/list", {}), ("resources/read", {"uri": "faiss-memory://memory/2"}), ("prompts/list", {}),
        ("prompts/get", {"name": "review"}), ("prompts/get", {"name": "recall", "arguments": {"question": TEXT}}),
    ):  # fmt: skip
        answers = [sent(client, ("POST", "/mcp", asked(method, params), {})) for client in (without, with_it)]
        assert answers[0] == answers[1], method
        assert "vault.md" not in answers[1][1]
    assert held(with_it) == before


def test_a_twin_of_another_project_is_not_told(clients):
    _, (_, client) = clients(read_projects="work", write_project="default")
    for project in ("private", "work", "nowhere"):
        body = {"text": "bank", "project": project, "if_novel": 0}
        answer = client.post("/memory/add", body, headers=BY_TUNNEL)
        assert (answer.status_code, answer.json["field"]) == (403, "project")
    for field, value in (("if_novel", 0), ("supersedes", 1)):
        answer = client.post("/memory/add", {"text": "bank", field: value}, headers=BY_TUNNEL)
        assert (answer.status_code, answer.json["field"]) == (403, field)
    assert client.post("/memory/add", {"text": "bank"}, headers=BY_TUNNEL).json["project"] == "default"


def test_statistics_tell_nothing_of_other_projects_or_of_the_machine(clients):
    _, (_, client) = clients(read_projects="work", write_project="work")
    before = client.get("/stats", headers=BY_TUNNEL).json
    assert (before["total_memories"], [one["name"] for one in before["projects"]]) == (1, ["work"])
    assert before.keys().isdisjoint({"plugins", "backup_count", "backups_stand_alone", "model_error"})
    client.post("/memory/add", {**SECRET, "text": "one more"}, headers=LOCAL)
    client.post("/backup", {}, headers=LOCAL)
    assert client.get("/stats", headers=BY_TUNNEL).json == before
    for project in ("private", "nowhere", "*"):
        assert client.get("/stats", params={"project": project}, headers=BY_TUNNEL).status_code == 403
    assert client.get("/stats", headers=LOCAL).json["plugins"].keys() >= {"activity"}


def test_a_key_of_the_persons_is_none_of_the_public_address(clients):
    _, (_, client) = clients(read_projects="work", write_project="work")
    body = {"text": "by the public way", "idempotency_key": KEY}
    first = client.post("/memory/add", body, headers=BY_TUNNEL)
    assert first.status_code == 201
    assert client.post("/memory/add", body, headers=BY_TUNNEL).json["id"] == first.json["id"]
    assert client.post("/memory/add", {**body, "text": "x"}, headers=BY_TUNNEL).status_code == 409
    assert client.post("/memory/add", {**SECRET, "idempotency_key": KEY}, headers=LOCAL).json["id"] == 2


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/memory/add", {"text": "x", "if_novel": -0.01}, "if_novel"),
        ("/memory/add", {"text": "x", "if_novel": 1.01}, "if_novel"),
        ("/memory/is-novel", {"text": "x", "threshold": -1}, "threshold"),
        ("/search", {"query": "x", "threshold": -1}, "threshold"),
        ("/search", {"query": "x", "min_relevance": -1}, "min_relevance"),
    ],
)
def test_what_counts_as_similar_lies_between_0_and_1(client, path, body, field):
    answer = client.post(path, body)
    assert (answer.status_code, answer.json["field"]) == (400, field)


# The service's methods themselves, for calls that a plugin may bring.

WORK = public_rights(
    Settings(**PUBLIC, read_projects=("work", "team"), write_project="work")  # type: ignore[arg-type]
)
OUTSIDE = {
    "get": lambda service: service.get(2, WORK),
    "history": lambda service: service.history(2, WORK),
    "patch": lambda service: service.patch(2, PatchRequest(text="x"), WORK),
    "forget one": lambda service: service.forget_one(2, WORK),
    "list": lambda service: service.list_memories(ListRequest(project="private"), WORK),
    "list all": lambda service: service.list_memories(ListRequest(project="*"), WORK),
    "tags": lambda service: service.overview.tags("private", WORK),
    "stats": lambda service: service.overview.stats(["work", "private"], WORK),
    "forget": lambda service: service.forget(ForgetRequest(project="private"), WORK),
    "forget where it may only read": lambda service: service.forget(ForgetRequest(project="team"), WORK),
    "batch": lambda service: service.add_batch(
        AddBatchRequest(memories=[NewMemory(text="x"), NewMemory(text="y", project="private")]), WORK
    ),
}


@pytest.fixture
def shared(make_service, client_of):
    """A service with a memory in each of three projects."""
    service = make_service()
    client = client_of(service)
    for body in (KNOWN, SECRET, {**KNOWN, "project": "team"}):
        client.post("/memory/add", body)
    return service


@pytest.mark.parametrize("call", OUTSIDE.values(), ids=OUTSIDE)
def test_every_method_goes_by_the_rights(shared, call):
    with pytest.raises(Exception, match=r"no memory 2|only these projects"):
        call(shared)
    assert [one.id for one in shared.list_memories(ListRequest(project="*", order="oldest")).memories] == [
        1,
        2,
        3,
    ]


def test_what_names_no_project_means_those_of_the_rights(shared):
    assert shared.list_memories(ListRequest(), WORK).project == ["work", "team"]
    assert [one.id for one in shared.list_memories(ListRequest(), WORK).memories] == [3, 1]
    assert [one.name for one in shared.overview.projects(WORK).projects] == ["team", "work"]
    assert {one.tag for one in shared.overview.tags(None, WORK).tags} == {"decision"}
    asked = shared.forget(ForgetRequest(ids=[1, 2, 3], dry_run=True), WORK)
    assert (asked.ids, asked.missing) == ([1], [2, 3])
    assert shared.get(3, WORK).project == "team"
    with pytest.raises(Exception, match="only these projects can be written to: work"):
        shared.patch(3, PatchRequest(text="x"), WORK)


def test_who_has_shown_no_token_sees_and_writes_nothing(shared):
    assert shared.list_memories(ListRequest(), STRANGER).memories == []
    assert shared.overview.stats(None, STRANGER).total_memories == 0
    with pytest.raises(Exception, match="only these projects"):
        shared.add_batch(AddBatchRequest(memories=[NewMemory(text="x")]), STRANGER)
    assert Rights() == PERSON


# Calls of plugins on the public address.


class Count(Answer):
    """How many there are."""

    memories: int


def _plugin(*parts):
    class Plugin:
        @hookimpl
        def register_routes(self, service):
            return [
                part(service) if callable(part) else part for part in parts if not isinstance(part, Mount)
            ]

        @hookimpl
        def register_mounts(self, service):
            return [part for part in parts if isinstance(part, Mount)]

    return Plugin()


def _route(method="GET", path="/count", handler=lambda rights: Count(memories=0), **more):
    return Route(method=method, path=path, summary="Count", answer=Count, handler=handler, **more)


def test_a_public_call_of_a_plugin_is_given_the_rights(make_service, client_of):
    counting = lambda service: _route(  # noqa: E731
        handler=lambda rights: Count(memories=service.overview.stats(None, rights).total_memories),
        public=True,
    )

    def told(environ, start_response):
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(environ["faiss_memory.rights"].reads).encode()]

    mount = Mount(path="/told", app=told, methods=("GET",), public=True)
    plugin = _plugin(counting, mount, _route("POST", handler=lambda: Count(memories=99)))
    client = client_of(make_service(plugin, **PUBLIC, read_projects="work"))
    for project in ("work", "private"):
        client.post("/memory/add", {"text": "x", "project": project}, headers=LOCAL)
    assert client.get("/count", headers=BY_TUNNEL).json == {"memories": 1}
    assert client.get("/count", headers=LOCAL).json == {"memories": 2}
    assert client.get("/told", headers=BY_TUNNEL).json == ["work"]
    assert client.get("/told", headers=LOCAL).json is None
    # The same address by another method is another call.
    assert client.post("/count", headers=BY_TUNNEL).status_code == 404
    assert client.post("/count", headers=LOCAL).json == {"memories": 99}
    assert client.request("DELETE", "/count", headers=BY_TUNNEL).status_code == 405


@pytest.mark.parametrize("way", ["public", "open"])
@pytest.mark.parametrize(
    ("more", "said"),
    [({"handler": lambda: None}, "must take `rights`"), ({"path": "/count/{id}"}, "without variables")],
)
def test_a_call_for_others_that_asks_for_no_rights_stops_the_start(make_service, client_of, way, more, said):
    service = make_service(_plugin(_route(**more, **{way: True})))
    with pytest.raises(PluginError, match=f"GET /count.* is public or open, so its .*{said}"):
        client_of(service)


def test_what_the_machine_fails_at_is_told_to_the_person_alone(make_service, client_of, monkeypatch):
    service = make_service(**PUBLIC)
    client = client_of(service)

    def fail(*_, **__):
        raise StoreError("/home/ada/memories/memory.db cannot be read")

    monkeypatch.setattr(service.engine, "search", fail)
    asked = client.post("/search", {"query": "vault"}, headers=LOCAL)
    assert (asked.status_code, "/home/ada" in asked.text) == (503, True)
    asked = client.post("/search", {"query": "vault"}, headers=BY_TUNNEL, host="memory.example.com")
    assert (asked.status_code, "/home/ada" in asked.text) == (503, False)
    monkeypatch.setattr(service.engine, "busy", fail)
    asked = client.get("/health")
    assert (asked.status_code, "/home/ada" in asked.text) == (503, False)
