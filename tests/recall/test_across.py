"""What one assistant has stored, every other recalls: each its own way, from one service with the real model."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlencode

import pytest

from tests.mcp.conftest import HANDSHAKE, request
from tests.recall.test_hook_program import run
from tests.running import RunningService

DECISION = "Sessions are kept in Redis, because the web servers restart every night"
OTHERS = "Sessions are kept in memory, because there is one web server only"
QUESTION = "Where are sessions kept, and why in Redis?"
LOCAL = {"Authorization": "Bearer mine"}
OUTSIDE = {
    "Host": "memory.example.com",
    "X-Forwarded-For": "203.0.113.9",
    "Authorization": "Bearer public",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory, model_cache):
    settings = {
        "public_url": "https://memory.example.com", "public_token": "public", "token": "mine", "read_projects": "shop",
    }  # fmt: skip
    with RunningService(tmp_path_factory.mktemp("across") / "data", cache=model_cache, **settings) as running:
        yield running


def tool(service: RunningService, name: str, path: str = "/mcp?project=shop", headers=None, **arguments):
    body, sent = request(HANDSHAKE, "tools/call", {"name": name, "arguments": arguments})
    status, answer = service.call("POST", path, body, {**sent, **(headers or LOCAL)})
    assert (status, answer["result"]["isError"]) == (200, False), answer
    return json.dumps(answer["result"])


@pytest.fixture(scope="module")
def stored(service):
    """A decision, stored by Claude Code's tool call, and another project's."""
    tool(service, "memory_add", text=DECISION, tags=["decision"])
    service.call("POST", "/memory/add", {"text": OTHERS, "project": "other"}, LOCAL)


def page(service: RunningService, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    connection.request("GET", path, headers=LOCAL)
    said = connection.getresponse().read().decode()
    connection.close()
    return said


def hook(service: RunningService, name: str, event: dict[str, object]) -> str:
    url = f"http://127.0.0.1:{service.port}"
    told = {"session_id": f"{name} {event}", **event}
    said = run(name, "--project", "shop", "--url", url, event=told, FAISS_MEMORY_TOKEN="mine")
    return said.stdout.decode()


WAYS = {
    "Claude Code's hook": lambda service: hook(
        service, "claude-code", {"hook_event_name": "UserPromptSubmit", "prompt": QUESTION}
    ),
    "Codex's hook": lambda service: hook(
        service, "codex", {"hook_event_name": "UserPromptSubmit", "prompt": QUESTION}
    ),
    "Codex's session start": lambda service: hook(
        service, "codex", {"hook_event_name": "SessionStart", "source": "startup"}
    ),
    "Cursor's hook": lambda service: hook(
        service, "cursor", {"hook_event_name": "beforeSubmitPrompt", "prompt": QUESTION}
    ),
    "aider's context file": lambda service: page(
        service, f"/adapters/aider/context.md?{urlencode({'query': QUESTION, 'project': 'shop'})}"
    ),
    "Continue's context provider": lambda service: json.dumps(
        service.call(
            "POST", "/adapters/continue/context?project=shop", {"query": QUESTION, "fullInput": ""}, LOCAL
        )[1]
    ),
    "MCP's memory_search": lambda service: tool(service, "memory_search", query=QUESTION),
    "MCP's search, from outside": lambda service: tool(
        service, "search", path="/mcp", headers=OUTSIDE, query=QUESTION
    ),
    "the ChatGPT action": lambda service: json.dumps(
        service.call("POST", "/search", {"query": QUESTION, "k": 3}, OUTSIDE)[1]
    ),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.usefixtures("stored")
def test_what_one_assistant_stored_comes_back_to_every_other(service, way):
    said = way(service)
    assert DECISION.split(",")[0] in said
    assert "one web server only" not in said
