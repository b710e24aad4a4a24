"""ChatGPT: a document within the limits of Actions, a page for everybody, and nothing else without the token."""

from __future__ import annotations

import copy
import json
import subprocess
import sys

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from faiss_memory import InstallContext
from faiss_memory_adapters.chatgpt import adapter
from tests.adapters.action_limits import LONGEST_INSTRUCTIONS, problems
from tests.running import RunningService

DOCUMENT, PRIVACY = "/adapters/chatgpt/openapi.json", "/adapters/chatgpt/privacy"
TOKEN = "pub-77b2e0"
PUBLIC = {"public_url": "https://memory.example.com/", "public_token": TOKEN, "token": "tok-3f9a1c"}
LOCAL = {"Authorization": "Bearer tok-3f9a1c"}
BY_TUNNEL = {"Host": "memory.example.com", "X-Forwarded-For": "8.8.8.8"}
WITH_TOKEN = {**BY_TUNNEL, "Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def public(make_service, client_of):
    """A client of a service with a public address."""
    return client_of(make_service(**PUBLIC))


@pytest.fixture
def document(public):
    """The document, as the person fetches it on their own machine."""
    return public.get(DOCUMENT, headers=LOCAL).json


def test_the_document_keeps_the_limits_of_actions(document):
    OpenAPIV31SpecValidator(document).validate()
    assert problems(document) == []
    assert document["servers"] == [{"url": "https://memory.example.com"}]


def test_it_offers_four_calls_and_none_that_could_do_harm(document):
    named = {op["operationId"]: path for path, ops in document["paths"].items() for op in ops.values()}
    assert named == {
        "searchMemory": "/search",
        "addMemory": "/memory/add",
        "isNovel": "/memory/is-novel",
        "memoryStats": "/stats",
    }


BREAKING = {
    "3.0 or 3.1": lambda document: document.update(openapi="2.0"),
    "not https": lambda document: document["servers"][0].update(url="http://localhost:8900"),
    "not one": lambda document: document["servers"].append({"url": "https://b.example.com"}),
    "operations": lambda document: document["paths"].clear(),
    "is there twice": lambda document: _operation(document).update(operationId="isNovel"),
    "not required": lambda document: document.update(security=[{}]),
    "not one way": lambda document: document["components"]["securitySchemes"].update(b={"type": "oauth2"}),
    "name of a function": lambda document: _operation(document).update(operationId="search memory"),
    "longer than 300": lambda document: _operation(document).update(description="x" * 301),
    "longer than 700": lambda document: _field(document).update(description="x" * 701),
    "asks before every call": lambda document: _operation(document).pop("x-openai-isConsequential"),
    "without properties": lambda document: _field(document).update(type="object"),
    "sent as header": lambda document: _operation(document).update(
        parameters=[{"name": "X", "in": "header", "schema": {}}]
    ),
    "what it is for": lambda document: _operation(document).pop("summary"),
    "more than one type": lambda document: _field(document).update(type=["string", "null"]),
    "not JSON": lambda document: _operation(document).update(requestBody={"content": {"text/plain": {}}}),
}


def _operation(document):
    return document["paths"]["/search"]["post"]


def _field(document):
    schema = _operation(document)["requestBody"]["content"]["application/json"]["schema"]
    return schema["properties"]["query"]


@pytest.mark.parametrize("said", BREAKING)
def test_what_breaks_a_limit_is_noticed(document, said):
    broken = copy.deepcopy(document)
    BREAKING[said](broken)
    found = problems(broken)
    assert any(said in problem for problem in found), found


def test_without_a_public_address_there_is_no_document_but_what_to_do(client):
    answer = client.get(DOCUMENT)
    assert answer.status_code == 404
    assert "`public_url`" in answer.json["description"]
    assert "`public_token`" in answer.json["description"]


def test_every_field_that_is_offered_is_taken(public):
    added = public.post("/memory/add", {"text": "the ledger is in postgres"}, headers=WITH_TOKEN).json["id"]
    bodies = {
        "/search": {
            "query": "ledger", "k": 3, "project": "default", "tags": [],
            "after": "2020-01-01T00:00:00Z", "before": "2099-01-01T00:00:00Z", "min_relevance": 0.5,
        },
        "/memory/add": {
            "text": "the ledger has moved to a new postgres", "source": "chat", "project": "default",
            "tags": ["decision"], "cues": ["adding a migration"], "supersedes": added, "if_novel": 0.999,
        },
        "/memory/is-novel": {"text": "the ledger", "threshold": 0.5, "project": "default"},
    }  # fmt: skip
    document = public.get(DOCUMENT, headers=LOCAL).json
    for path, body in bodies.items():
        operation = document["paths"][path]["post"]
        offered = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
        assert offered.keys() == body.keys()
        answer = public.post(path, body, headers=WITH_TOKEN)
        assert str(answer.status_code) in operation["responses"], answer.json
    found = public.post("/search", {"query": "ledger"}, headers=WITH_TOKEN).json["results"]
    assert [memory["text"] for memory in found] == ["the ledger has moved to a new postgres"]


def test_the_privacy_page_is_open_to_everybody_and_the_document_is_not(public):
    page = public.get(PRIVACY, headers=BY_TUNNEL)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "What is stored" in page.text
    assert public.get(DOCUMENT, headers=BY_TUNNEL).status_code == 401
    assert public.get(DOCUMENT, headers=WITH_TOKEN).json == public.get(DOCUMENT, headers=LOCAL).json
    for path in ("/adapters", "/adapters/chatgpt/files", "/adapters/aider/context.md", "/openapi.json"):
        assert public.get(path, headers=WITH_TOKEN).status_code == 404


def test_the_instructions_fit_and_name_the_functions(document):
    context = InstallContext(url="http://127.0.0.1:8900", project="default", public_url=PUBLIC["public_url"])
    (shown,) = adapter.files(context)
    assert len(shown.text) < LONGEST_INSTRUCTIONS
    assert all(op["operationId"] in shown.text for ops in document["paths"].values() for op in ops.values())
    steps = " ".join(adapter.steps(context))
    assert f"https://memory.example.com{PRIVACY}" in steps
    assert f"http://127.0.0.1:8900{DOCUMENT}" in steps
    assert "tunnel" not in steps
    assert "tunnel" in adapter.steps(InstallContext(url="http://127.0.0.1:8900", project="default"))[0]


@pytest.mark.long
def test_generated_requests_by_the_public_way_find_no_difference(tmp_path):
    with RunningService(tmp_path / "data", fake=True, **PUBLIC) as running:
        document = running.call("GET", DOCUMENT, headers=LOCAL)[1]
        (tmp_path / "actions.json").write_text(json.dumps(document))
        ended = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "run", "actions.json",
                "--url", f"http://127.0.0.1:{running.port}",
                "-H", "X-Forwarded-For: 8.8.8.8", "-H", f"Authorization: Bearer {TOKEN}",
                # It offers less than the service takes, on purpose: null, and fields that a model has no use for.
                "--checks", "all", "--exclude-checks", "negative_data_rejection,unsupported_method",
                "--phases", "examples,coverage", "--seed", "1",
                "--no-color", "--suppress-health-check", "all", "--warnings", "off",
            ],
            cwd=tmp_path, capture_output=True, text=True, timeout=600, env={"PATH": "", "HOME": str(tmp_path)},
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr
        assert "Traceback" not in running.log.read_text()
