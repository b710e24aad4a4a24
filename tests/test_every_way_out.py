"""Wherever a memory is shown to a model it is framed and clean: none looks like another, hides, or is fetched."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from faiss_memory import hookimpl
from faiss_memory.framing import NAME
from tests.frames import HOSTILE, check_clean, check_frame, texts
from tests.mcp.conftest import HANDSHAKE, Assistant, text

PUBLIC = {"public_url": "https://memory.example.com", "public_token": "pub-77b2e0", "token": "own-1a2b3c"}
OWN = {"headers": {"Authorization": "Bearer own-1a2b3c"}}
BY_NAME = {"host": "memory.example.com", "headers": {"Authorization": "Bearer pub-77b2e0"}}


def _frame_in(text: str) -> str:
    """The one frame in a text, with our own words around it."""
    begin, end = text.index(f"<{NAME}>"), text.rindex(f"</{NAME}>") + len(f"</{NAME}>")
    return text[begin:end]


def _prompted(assistant, name, **arguments):
    (message,) = assistant.ask("prompts/get", name=name, arguments=arguments)["messages"]
    return message["content"]["text"]


def _hook(client):
    event = {"hook_event_name": "SessionStart", "session_id": "s", "cwd": "/nowhere", "source": "startup"}
    answer = client.post("/adapters/claude-code/hook", event, **OWN).json
    return answer["hookSpecificOutput"]["additionalContext"]


def _continue(client):
    (item,) = client.post("/adapters/continue/context", {"query": "ledger"}, **OWN).json
    check_clean(item["name"] + item["description"])
    assert "\n" not in item["name"] + item["description"]
    return item["content"]


def _searched(assistant):
    result = assistant.call("memory_search", query="ledger")
    check_clean(json.dumps(result["structuredContent"], ensure_ascii=False))
    return text(result)


def _twin(assistant, said):
    result = assistant.call("memory_add", text=_back(f"ledger {said}"), if_novel=0.9)
    check_clean(json.dumps(result["structuredContent"], ensure_ascii=False))
    return text(result)


def _called(client, path, body):
    """What a model reads that calls the service by curl, as AGENTS.md says."""
    answer = client.post(path, body, **OWN)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    return answer.text


def _resource(assistant):
    (listed,) = assistant.ask("resources/list")["resources"]
    check_clean(listed["title"] + listed["description"])
    (content,) = assistant.ask("resources/read", uri=listed["uri"])["contents"]
    return content["text"]


WAYS = {
    "a hook": lambda client, assistant, said: _hook(client),
    "aider's file": lambda client, assistant, said: (
        client.get("/adapters/aider/context.md", params={"query": "ledger"}, **OWN).text
    ),
    "Continue's provider": lambda client, assistant, said: _continue(client),
    "a search": lambda client, assistant, said: _searched(assistant),
    "a search by curl": lambda client, assistant, said: _called(
        client, "/adapters/generic/search", {"query": "ledger"}
    ),
    "a twin by curl": lambda client, assistant, said: _called(
        client, "/adapters/generic/add", {"text": _back(f"ledger {said}"), "if_novel": 0.9}
    ),
    "a twin": lambda client, assistant, said: _twin(assistant, said),
    "a resource": lambda client, assistant, said: _resource(assistant),
    "the prompt recall": lambda client, assistant, said: _prompted(assistant, "recall", question="ledger"),
    "the prompt review": lambda client, assistant, said: _prompted(assistant, "review"),
}


def _public_calls(said):
    """What ChatGPT's action reads, which hands on what it is given."""
    return {
        "/search": {"query": "ledger"},
        "/memory/is-novel": {"text": f"ledger {said}"},
        "/memory/add": {"text": _back(f"ledger {said}"), "if_novel": 0.9},
    }


def _back(text):
    """Return a text as it must be sent to be stored right: see `BackToFront`."""
    return text[::-1]


class BackToFront:
    """Stores texts back to front: recall refuses what imitates a frame, unless it comes from a file."""

    @hookimpl(trylast=True)
    def before_add(self, drafts):
        drafts[:] = [replace(draft, text=draft.text[::-1]) for draft in drafts]


@pytest.fixture
def shown(make_service, client_of):
    """Store a memory, and give what each way shows of it; it is gone afterwards."""
    client = client_of(make_service(BackToFront(), **PUBLIC))
    assistant = Assistant(client, HANDSHAKE, **OWN)

    def show(said):
        line = said.replace("\0", "")
        memory = {
            "text": _back(f"ledger {said}"),
            "source": line,
            "metadata": {"said": line, "parts": [line]},
            "tags": ["pinned", line[:100].strip() or "tag"],
        }
        added = client.post("/memory/add", memory, **OWN)
        assert added.status_code == 201, added.json
        number = str(added.json["id"])
        try:
            assert client.get(f"/memory/{number}", **OWN).json["text"] == f"ledger {said}"
            for name, given in (("search", {"query": "ledger"}), ("fetch", {"id": number})):
                check_clean(text(assistant.at("/mcp", **BY_NAME).call(name, **given)))
            for path, body in _public_calls(said).items():
                answer = client.post(path, body, **BY_NAME).json
                assert any(name in answer for name in ("results", "closest_match")), answer
                check_clean(json.dumps(answer, ensure_ascii=False))
            return {name: way(client, assistant, said) for name, way in WAYS.items()}
        finally:
            client.post("/memory/forget", {"ids": [added.json["id"]]}, **OWN)

    return show


def _check(found):
    for name, told in found.items():
        check_clean(told)
        check_frame(_frame_in(told), 1)
        outside = told.replace(_frame_in(told), "")
        for word in ("forged", "SYSTEM", "Ignore previous"):
            assert word not in outside, name


def test_a_hostile_memory_is_framed_and_clean_on_every_way(shown):
    for said in HOSTILE:
        _check(shown(said))


@settings(suppress_health_check=list(HealthCheck), max_examples=12)
@given(texts)
def test_whatever_is_remembered_is_framed_and_clean_on_every_way(shown, said):
    _check(shown(said))
