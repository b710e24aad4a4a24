"""Other assistants: what is written for those that were seen to read it, and shown for the others."""

from __future__ import annotations

import json

import pytest

from faiss_memory import InstallContext, JsonDefault, JsonItems, JsonMember, MarkdownBlock, Snippet
from faiss_memory_adapters.generic import adapter

URL = "http://127.0.0.1:8900/mcp?project=website"


def files(**given):
    return adapter.files(InstallContext(**{"url": "http://127.0.0.1:8900", "project": "website", **given}))


def members(**given):
    return {file.path: (file.keys, file.value) for file in files(**given) if isinstance(file, JsonMember)}


def snippets(**given):
    return {file.path: json.loads(file.text) for file in files(**given) if isinstance(file, Snippet)}


@pytest.mark.parametrize("scope", ["personal", "shared"])
def test_two_clients_get_their_entry_each_in_its_own_form(scope):
    assert members(scope=scope) == {
        ".vscode/mcp.json": (("servers", "faiss-memory"), {"type": "http", "url": URL}),
        "opencode.json": (("mcp", "faiss-memory"), {"type": "remote", "url": URL, "enabled": True}),
    }
    assert all(file.comments for file in files(scope=scope) if isinstance(file, JsonMember))


@pytest.mark.parametrize("scope", ["personal", "user"])
def test_opencode_finds_the_schema_that_it_would_write_itself(scope):
    (schema,) = [file for file in files(scope=scope) if isinstance(file, JsonDefault)]
    assert schema.path.endswith("opencode.json")
    assert (schema.keys, schema.value) == (("$schema",), "https://opencode.ai/config.json")


def test_in_the_home_folder_no_entry_carries_a_project():
    found = members(scope="user")
    assert set(found) == {"~/.config/opencode/opencode.json"}
    assert found["~/.config/opencode/opencode.json"][1]["command"] == ["faiss-memory", "mcp"]
    assert not any(isinstance(file, MarkdownBlock) for file in files(scope="user"))
    assert snippets(scope="user")["mcp.json"]["servers"]["faiss-memory"]["type"] == "http"


def test_the_others_are_shown_and_never_written():
    assert snippets() == {
        "~/.codeium/windsurf/mcp_config.json": {"mcpServers": {"faiss-memory": {"serverUrl": URL}}},
        "settings.json": {
            "context_servers": {
                "faiss-memory": {
                    "source": "custom", "command": "faiss-memory", "args": ["mcp", "--project", "website"],
                }
            }
        },
        "cline_mcp_settings.json": {
            "mcpServers": {
                "faiss-memory": {
                    "type": "streamableHttp", "url": URL, "alwaysAllow": ["memory_search"], "disabled": False,
                }
            }
        },
    }  # fmt: skip
    assert all(file.note for file in files() if isinstance(file, Snippet))


def test_beside_a_container_every_entry_is_an_address():
    assert snippets(command="")["settings.json"] == {"context_servers": {"faiss-memory": {"url": URL}}}
    for scope in ("personal", "user"):
        given = {"command": "", "scope": scope}
        assert "command" not in json.dumps([*snippets(**given).values(), *members(**given).values()])


def test_a_token_is_named_in_each_clients_own_way():
    found = {path: value["headers"]["Authorization"] for path, (_, value) in members(has_token=True).items()}
    assert found == {
        ".vscode/mcp.json": "Bearer ${input:faiss-memory-token}",
        "opencode.json": "Bearer {env:FAISS_MEMORY_TOKEN}",
    }
    (inputs,) = (file for file in files(has_token=True) if isinstance(file, JsonItems))
    assert (inputs.path, inputs.keys) == (".vscode/mcp.json", ("inputs",))
    assert inputs.items[0]["password"] is True
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


def test_the_service_gives_them_all(client):
    answer = client.get("/adapters/generic/files?project=website").json
    assert answer["files"][0]["path"] == "AGENTS.md"
    assert answer["count"] == len(files())
    assert any(URL in file["text"] and file["path"] == "opencode.json" for file in answer["files"])
