"""Other assistants: a block for AGENTS.md is written, and what is for one of them alone is shown."""

from __future__ import annotations

import json

import pytest
import yaml

from faiss_memory import InstallContext, MarkdownBlock, Snippet
from faiss_memory_adapters.generic import adapter
from tests.mcp.conftest import HANDSHAKE, Assistant, text as text_of

URL = "http://127.0.0.1:8900/mcp?project=website"


def files(**given):
    return adapter.files(InstallContext(**{"url": "http://127.0.0.1:8900", "project": "website", **given}))


def snippets(**given):
    return {file.path: yaml.safe_load(file.text) for file in files(**given) if isinstance(file, Snippet)}


@pytest.mark.parametrize("scope", ["personal", "shared", "user"])
def test_nothing_but_the_block_is_written(scope):
    written = [file for file in files(scope=scope) if not isinstance(file, Snippet)]
    assert [file.path for file in written] == ([] if scope == "user" else ["AGENTS.md"])
    assert all(isinstance(file, MarkdownBlock) for file in written)


def test_in_the_home_folder_no_entry_carries_a_project():
    assert "website" not in json.dumps(snippets(scope="user"))


CLIENTS = {
    "~/.codeium/windsurf/mcp_config.json": "mcpServers", "settings.json": "context_servers",
    ".junie/mcp/mcp.json": "mcpServers", ".amp/settings.json": "amp.mcpServers", ".roo/mcp.json": "mcpServers",
    ".kilo/kilo.jsonc": "mcp", "~/.config/goose/config.yaml": "extensions",
}  # fmt: skip


def test_the_others_are_shown_and_never_written():
    shown = snippets()
    assert {path: next(iter(value)) for path, value in shown.items()} == CLIENTS
    for path, key in CLIENTS.items():
        entry = shown[path][key]["faiss-memory"]
        words = entry.get("command", entry.get("cmd"))
        words = words if isinstance(words, list) else [words, *entry["args"]]
        assert words == ["faiss-memory", "mcp", "--project", "website"]
    assert shown[".roo/mcp.json"]["mcpServers"]["faiss-memory"]["alwaysAllow"] == ["memory_search"]
    assert all(file.note for file in files() if isinstance(file, Snippet))


def test_beside_a_container_every_entry_is_an_address():
    for scope in ("personal", "user"):
        address = URL if scope == "personal" else URL.partition("?")[0]
        for value in snippets(command="", scope=scope, has_token=True).values():
            ((entry,),) = (inner.values() for inner in value.values())
            assert not {"command", "cmd", "args"} & entry.keys()
            assert [entry[key] for key in ("url", "uri", "serverUrl") if key in entry] == [address]
            assert entry["headers"] == {"Authorization": "Bearer YOUR-TOKEN"}


def test_the_block_names_the_variable_of_the_token():
    (block,) = (file for file in files(has_token=True) if isinstance(file, MarkdownBlock))
    assert '-H "Authorization: Bearer $FAISS_MEMORY_TOKEN"' in block.text


def test_the_calls_in_the_block_are_calls_that_the_service_takes(client):
    (block,) = (file for file in files() if isinstance(file, MarkdownBlock))
    calls = block.text.split("curl -s -X POST ")[1:]
    assert len(calls) == 2
    for call in calls:
        path = call.split(" ", 1)[0].removeprefix("http://127.0.0.1:8900")
        body = json.loads(call.split("-d '")[1].split("'\n")[0])
        assert client.post(path, body).status_code in (200, 201)


def test_what_a_call_in_the_block_answers_is_what_mcp_says(client):
    project = ["website", "default"]
    search = "/adapters/generic/search"
    nothing = client.post(search, {"query": "how is money kept", "project": project}).text
    assert nothing.startswith(
        "Nothing is remembered about that in projects website, default. Beware: there is no"
    )
    for text in ("money is kept in cents", "the door is blue"):
        said = client.post("/adapters/generic/add", {"text": text, "project": "website"})
    assert (said.status_code, said.text) == (200, "Stored as memory 2 in project website.\n")
    asked = {"query": "money is kept in cents", "project": project}
    by_mcp = Assistant(client, HANDSHAKE, path="/mcp?project=website").call("memory_search", **asked)
    found = client.post(search, asked)
    assert found.text == text_of(by_mcp) + "\n"
    assert "> money is kept in cents" in found.text
    bar = {**asked, "min_relevance": 0.95}
    by_mcp = Assistant(client, HANDSHAKE, path="/mcp?project=website").call("memory_search", **bar)
    assert client.post(search, bar).text == text_of(by_mcp) + "\n"
    assert "withheld" in text_of(by_mcp)


def test_a_call_in_the_block_names_the_field_that_is_wrong(client):
    for path, body, field in (("search", {"query": "x", "k": 0}, "k"), ("add", {"text": ""}, "text")):
        answer = client.post(f"/adapters/generic/{path}", body)
        assert (answer.status_code, answer.json["field"]) == (400, field)


def test_the_service_gives_them_all(client):
    answer = client.get("/adapters/generic/files?project=website").json
    assert answer["files"][0]["path"] == "AGENTS.md"
    assert answer["count"] == len(files())
    assert any(URL in file["text"] and file["kind"] == "to paste" for file in answer["files"])
