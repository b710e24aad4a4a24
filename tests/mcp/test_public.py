"""By the public address: less, and `search` and `fetch` as ChatGPT asks for them."""

from __future__ import annotations

import json

import pytest

from tests.mcp.conftest import STATELESS, text

PUBLIC = {"public_url": "https://memory.example.com", "public_token": "pub-77b2e0", "token": "tok-3f9a1c"}
BY_NAME = {"host": "memory.example.com", "headers": {"Authorization": "Bearer pub-77b2e0"}}


@pytest.fixture
def revision():
    """What is said differs by revision, what is done does not: one of them is enough here."""
    return STATELESS


@pytest.fixture
def chat(assistant_of):
    """A client on the public address, of a service with its own settings."""

    def make(**settings):
        local = assistant_of(**PUBLIC, **settings).at("/mcp", headers={"Authorization": "Bearer tok-3f9a1c"})
        for project in ("default", "web", "secret"):
            local.done("memory_add", text=f"# The ledger of {project}\n\nis in postgres", project=project)
        return local.at("/mcp", **BY_NAME), local

    return make


def test_only_searching_and_adding_is_possible(chat):
    public, local = chat()
    names = ["memory_search", "memory_add", "search", "fetch"]
    assert [tool["name"] for tool in public.ask("tools/list")["tools"]] == names
    assert "There is no tool `memory_forget`" in public.refused("memory_forget", ids=[1])
    assert "There is no tool `memory_update`" in public.refused("memory_update", id=1, text="x")
    assert public.ask("prompts/list")["prompts"] == []
    assert public.ask("resources/list")["resources"] == []
    assert "error" in public.answer("resources/read", uri="faiss-memory://memory/1").json
    assert "search" not in [tool["name"] for tool in local.ask("tools/list")["tools"]]
    assert "There is no tool `fetch`" in local.refused("fetch", id="1")


def test_search_and_fetch_have_the_shapes_that_are_asked_for(chat):
    public, _ = chat()
    result = public.call("search", query="the ledger of web")
    assert json.loads(text(result)) == result["structuredContent"]
    hits = result["structuredContent"]["results"]
    assert {"id": "2", "title": "The ledger of web", "url": "https://memory.example.com/memory/2"} in hits
    result = public.call("fetch", id="2")
    assert json.loads(text(result)) == result["structuredContent"]
    document = result["structuredContent"]
    assert document["text"] == "# The ledger of web\n\nis in postgres"
    assert (document["id"], document["title"]) == ("2", "The ledger of web")
    assert document["url"] == "https://memory.example.com/memory/2"
    assert document["metadata"]["project"] == "web"
    for name in ("search", "fetch"):
        tools = {tool["name"]: tool for tool in public.ask("tools/list")["tools"]}
        assert tools[name]["annotations"]["readOnlyHint"] is True
        assert len(tools[name]["inputSchema"]["properties"]) == 1


def test_what_is_not_there_cannot_be_fetched(chat):
    public, _ = chat()
    for wanted in ("77", "x", "-1", "٣", "9" * 30, ""):
        told = public.refused("fetch", id=wanted)
        assert told == f"fetch: there is no memory {wanted}; give an id that a search has shown."


def test_only_the_projects_that_may_be_read_are_read(chat):
    public, _ = chat(read_projects=["default", "web"], write_project="web")
    found = public.done("memory_search", query="the ledger")
    assert {note["project"] for note in found["results"]} == {"default", "web"}
    assert public.done("memory_add", text="x")["project"] == "web"
    assert "only these projects" in public.refused("memory_search", query="x", project="secret")
    assert "only these projects" in public.refused("memory_search", query="x", project="*")
    assert {hit["id"] for hit in public.done("search", query="the ledger")["results"]} == {"1", "2", "4"}
    assert "there is no memory 3" in public.refused("fetch", id="3")
    there = public.at("/mcp?project=secret", **BY_NAME)
    assert "only these projects" in there.refused("memory_search", query="x")


def test_the_shared_project_is_left_out_where_it_may_not_be_read(chat):
    public, _ = chat(read_projects=["web"])
    there = public.at("/mcp?project=web", **BY_NAME)
    assert there.done("memory_search", query="the ledger")["project"] == "web"


def test_the_public_token_is_needed(chat):
    public, _ = chat()
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}):
        answer = public.at("/mcp", host="memory.example.com", headers=headers).answer("tools/list")
        assert (answer.status_code, answer.json["title"]) == (401, "Unauthorized")
