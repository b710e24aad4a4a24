"""Each memory says who it is, and which way it came; what use memories are is counted."""

from __future__ import annotations

import json
import re

import pytest

from faiss_memory.memory import Draft
from faiss_memory.uids import is_uid


def by_of(client, memory_id):
    return client.get(f"/memory/{memory_id}").json["by"]


def added(client, headers=None, **fields):
    return client.post("/memory/add", {"text": "kept", **fields}, headers=headers or {}).json["id"]


def test_every_answer_about_a_memory_names_its_uid_and_its_way(client):
    number = added(client, text="the ledger is in postgres")
    newer = added(client, text="the ledger is in sqlite", supersedes=number)
    one = client.get(f"/memory/{newer}").json
    assert (is_uid(one["uid"]), one["by"]) == (True, "rest")
    listed = client.get("/memories").json["memories"]
    history = client.get(f"/memory/{newer}/history").json["memories"]
    found = client.post("/search", {"query": "ledger"}).json["results"]
    changed = client.request("PATCH", f"/memory/{newer}", {"text": "the ledger is in a file"}).json
    for memory in (listed[0], history[0], found[0], changed):
        assert (memory["uid"], memory["by"]) == (one["uid"], "rest")
    assert len({memory["uid"] for memory in history}) == 2


def test_uids_are_told_apart_and_follow_the_time(client):
    numbers = client.post("/memory/add-batch", {"memories": [{"text": f"fact {n}"} for n in range(50)]}).json[
        "ids"
    ]
    first = [client.get(f"/memory/{number}").json["uid"] for number in numbers]
    later = client.get(f"/memory/{added(client)}").json["uid"]
    assert len({*first, later}) == 51
    assert all(map(is_uid, first))
    assert max(uid[:13] for uid in first) <= later[:13]


@pytest.mark.parametrize("way", ["cli", "hook", "build", "import", "page"])
def test_a_program_of_ours_says_which_way_it_writes(client, way):
    headers = {"FAISS-Memory-By": way}
    assert by_of(client, added(client, headers)) == way
    batch = client.post("/memory/add-batch", {"memories": [{"text": "one of a batch"}]}, headers=headers)
    assert by_of(client, batch.json["ids"][0]) == way


@pytest.mark.parametrize("way", ["mcp:cursor", "me", "", "CLI"])
def test_nobody_else_is_believed(client, way):
    assert by_of(client, added(client, {"FAISS-Memory-By": way})) == "rest"


def test_a_correction_leaves_the_way_as_it_was(client):
    number = added(client, {"FAISS-Memory-By": "cli"})
    client.request("PATCH", f"/memory/{number}", {"tags": ["kept"]})
    assert by_of(client, number) == "cli"


def call(client, client_name, agent):
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": client_name, "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "memory_add", "arguments": {"text": "told by a model"}} | (
        {"_meta": meta} if client_name else {}
    )
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    headers |= {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "memory_add"}
    if not client_name:
        headers = headers | {"MCP-Protocol-Version": "2025-11-25"}
    if agent:
        headers["User-Agent"] = agent
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    answer = client.post("/mcp", body, headers=headers)
    assert answer.status_code == 200, answer.text
    return int(re.search(r"memory (\d+)", answer.json["result"]["content"][0]["text"])[1])


def test_what_comes_by_mcp_says_by_which_client(client):
    assert by_of(client, call(client, "cursor", "node")) == "mcp:cursor"
    assert by_of(client, call(client, "", "claude-code/2.1.330 (cli)")) == "mcp:claude-code"
    assert by_of(client, call(client, "<b>\x1b[31m" + "x" * 500, "node")) == f"mcp:b31m{'x' * 60}"


def uses(service):
    return {
        (use.assistant, use.project, use.event, use.memory): (use.count, use.tokens > 0, use.latency > 0)
        for use in service.engine.store.uses()
    }


def test_a_search_is_counted_and_so_is_each_memory_that_it_finds(client, service):
    number = added(client, text="the ledger is in postgres", project="shop")
    for _ in range(3):
        client.post(
            "/search", {"query": "ledger postgres", "project": "shop"}, headers={"FAISS-Memory-By": "cli"}
        )
    client.post("/search", {"query": "ledger postgres", "project": "empty"})
    counted = uses(service)
    assert counted["cli", "shop", "found", number] == (3, True, False)
    assert counted["rest", "empty", "search", None] == (1, False, True)
    assert (
        sum(
            use.count
            for use in service.engine.store.uses()
            if (use.assistant, use.event) == ("cli", "search")
        )
        == 3
    )


def test_a_hook_is_counted_and_so_is_each_memory_that_it_shows(client, service):
    text = "we keep orders in Postgres because of the transactions that the payment needs"
    number = added(client, text=text, project="shop")
    fired = {"hook_event_name": "UserPromptSubmit", "prompt": text, "session_id": "1"}
    answer = client.post("/adapters/claude-code/hook?project=shop", fired)
    assert f"memory {number}" in json.dumps(answer.json)
    counted = uses(service)
    assert counted["claude-code", "shop", "shown", number] == (1, True, False)
    assert counted["claude-code", "shop", "UserPromptSubmit", None] == (1, True, True)
    client.request("DELETE", f"/memory/{number}")
    counted = uses(service)
    assert counted["claude-code", "shop", "shown", None] == (1, True, False)
    assert ("claude-code", "shop", "shown", number) not in counted


def chosen(client, *ways, **params):
    listed = client.get("/memories", params={"by": list(ways), **params})
    assert listed.status_code == 200, listed.text
    ids = {one["id"] for one in listed.json["memories"]}
    found = client.post("/search", {"query": "told", "k": 20, "by": list(ways), **params})
    assert found.status_code == 200, found.text
    assert {one["id"] for one in found.json["results"]} == ids
    return ids


def test_memories_are_chosen_by_the_way_they_came(make_service, client_of):
    service = make_service()
    client = client_of(service)
    hook, cli, rest = (
        client.post("/memory/add", {"text": f"told {way}"}, headers={"FAISS-Memory-By": way}).json["id"]
        for way in ("hook", "cli", "rest")
    )
    call(client, "cursor", "node")
    call(client, "claude-code", "node")
    everything = {one["id"]: one["by"] for one in client.get("/memories").json["memories"]}
    assistants = {number for number, way in everything.items() if way.startswith("mcp:")}
    assert len(everything) == 5
    assert chosen(client, "cli") == {cli}
    assert chosen(client, "mcp:*", "hook") == assistants | {hook}
    assert chosen(client, "mcp:cursor") < assistants
    assert chosen(client, "unknown") == set()
    assert chosen(client, "*") == set(everything)
    assert client.get("/memories?by=rest").json["count"] == 1
    assert client.get("/memories?by=hook&by=cli&tag=none").json["count"] == 0
    assert client.get("/facets?by=cli&by=rest").json["by"] == [
        {"by": "cli", "count": 1},
        {"by": "rest", "count": 1},
    ]
    assert client.post("/search", {"query": "told", "by": "rest"}).json["results"][0]["id"] == rest


def test_what_is_older_than_ways_is_unknown(make_service, client_of):
    service = make_service()
    service.engine.store.add([Draft(text="told long ago")], [None])
    client = client_of(service)
    assert client.get("/memories?by=unknown").json["count"] == 1
    assert client.get("/memories?by=rest").json["count"] == 0


@pytest.mark.parametrize("ways", [["x" * 200], [" "], ["cli"] * 33, 7])
def test_a_way_that_cannot_be_looked_for_is_refused_by_its_name(client, ways):
    answer = client.post("/search", {"query": "told", "by": ways})
    assert (answer.status_code, answer.json["field"].partition("[")[0]) == (400, "by")
