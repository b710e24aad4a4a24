"""The description of the API: valid, complete, and kept to by the service."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from html import unescape

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from faiss_memory import TOOLS, Answer, Message, Route, hookimpl
from faiss_memory.app import create_app
from faiss_memory.schema import AddRequest, ForgetRequest, NovelRequest, SearchRequest
from tests.running import RunningService


@pytest.fixture
def document(client):
    """The OpenAPI document."""
    return client.get("/openapi.json").json


def test_the_document_is_valid_openapi(document):
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"].startswith("3.1")


def test_what_members_of_a_team_may_not_ask_is_marked(document):
    marked = {
        path for path, calls in document["paths"].items() for call in calls.values() if "x-owner-only" in call
    }
    assert {"/backups", "/restore", "/forgotten", "/overview", "/changes"} <= marked
    assert not marked & {"/search", "/memories", "/memory/add", "/facets", "/me", "/team", "/health"}


def test_every_operation_has_an_id_of_its_own(document):
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))


def test_a_body_is_required_where_an_empty_one_would_say_nothing(document):
    def required(method, path):
        return document["paths"][path][method]["requestBody"]["required"]

    assert required("post", "/memory/forget")
    assert required("patch", "/memory/{id}")
    assert required("post", "/search")
    assert not required("post", "/backup")


def test_every_route_is_in_the_document_and_nothing_else_is(client, document):
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert ("POST", "/search") in described
    assert ("GET", "/adapters/generic/tools") in described
    for path in {path for _, path in described}:
        answer = client.request("PUT", path.replace("{id}", "1").replace("{name}", "default"))
        assert answer.status_code == 405
        there = set(answer.headers["allow"].split(", ")) - {"OPTIONS"}
        if path not in ("/", "/docs", "/openapi.json"):
            assert there == {method for method, described_path in described if described_path == path}


class Extra(Message):
    """A message of a plugin."""

    flavour: str


class Plugin:
    """A plugin with a call of its own."""

    @hookimpl
    def register_routes(self):
        return [
            Route(
                method="POST",
                path="/extra/{flavour}",
                summary="Do <more>",
                params=Extra,
                handler=lambda params: params,
            )
        ]


def test_a_plugins_calls_are_described_as_the_hosts_are(make_service, client_of):
    client = client_of(make_service(Plugin()))
    document = client.get("/openapi.json").json
    OpenAPIV31SpecValidator(document).validate()
    operation = document["paths"]["/extra/{flavour}"]["post"]
    assert operation["parameters"][0]["in"] == "path"
    page = client.get("/docs").text
    assert "/extra/{flavour}" in page
    assert "Do &lt;more&gt;" in page
    assert "<more>" not in page


def test_the_page_lists_every_call_and_every_field(client, document):
    answer = client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    page = unescape(answer.text)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f'<span class="method">{method.upper()}</span> <code>{path}</code>' in page
            assert operation["summary"] in page
            name = operation["operationId"]
            assert f'href="#{name}"' in page
            assert f'<h2 id="{name}">' in page
            for parameter in operation.get("parameters", []):
                assert f"<code>{parameter['name']}</code>" in page
    for name in (
        "SearchRequest",
        "AddRequest",
        "AddBatchRequest",
        "NovelRequest",
        "ForgetRequest",
        "PatchRequest",
    ):
        for field in document["components"]["schemas"][name]["properties"]:
            assert f"<code>{field}</code>" in page


def test_the_page_has_contents_answers_examples_and_a_form_for_every_call(client, document):
    text = client.get("/docs", headers={"Host": "127.0.0.1:1234"}).text
    page = unescape(text)
    assert "http://127.0.0.1:1234" in page
    ids = set(re.findall(r' id="([^"]+)"', text))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= ids
    assert len(ids) == len(re.findall(r' id="', text))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            start = page.index(f'<h2 id="{operation["operationId"]}">')
            call = page[start : page.index("</section>", start)]
            assert f'data-method="{method.upper()}" data-path="{path}"' in call
            assert "curl " in call
            assert "http://127.0.0.1:1234/" in call
            for status in operation["responses"].keys() - {"default"}:
                assert f"<strong>{status}</strong>" in call
            for parameter in operation.get("parameters", []):
                assert f'name="{parameter["name"]}" data-in="{parameter["in"]}"' in call
    for name, schema in document["components"]["schemas"].items():
        start = page.index(f'id="message-{name}"')
        message = page[start : page.index("</section>", start)]
        assert all(f"<code>{field}</code>" in message for field in schema.get("properties", {}))


def test_the_example_bodies_on_the_page_are_such_as_the_service_reads(client, document):
    text = client.get("/docs").text
    checked = 0
    for method, path, form in re.findall(
        r'<form data-method="(\w+)" data-path="([^"]+)".*?>(.*?)</form>', text, re.DOTALL
    ):
        found = re.search(r"<textarea[^>]*>(.*?)</textarea>", form, re.DOTALL)
        if found:
            body = json.loads(unescape(found[1]))
            name = document["paths"][path][method.lower()]["requestBody"]["content"]["application/json"][
                "schema"
            ]["$ref"]
            full = {"$ref": name, "components": document["components"]}
            Draft202012Validator(full).validate(body)
            checked += 1
    assert checked > 15


def test_nothing_runs_or_looks_on_the_page_but_what_its_policy_names(client):
    text = client.get("/docs").text
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1])
    for kind, tag in (("script-src", "script"), ("style-src", "style")):
        (part,) = re.findall(f"<{tag}>(.*)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "require-trusted-types-for 'script'" in policy
    assert not re.search(r"\son\w+=|\sstyle=|src=|https?://(?!localhost)", text)


def test_the_plain_home_page_asks_what_runs_and_says_where_to_go_on(make_service, client_of):
    client = client_of(make_service(**{"plugins.disabled": ["web"]}))
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    for part in ('"/docs"', '"/openapi.json"'):
        assert part in page.text
    (script,) = re.findall("<script>(.*)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.text
    told = {path: client.get(path).json for path in re.findall(r'ask\("(.+?)"\)', script)}
    assert told.keys() == {"/health", "/stats"}
    for name, path in (("health", "/health"), ("stats", "/stats")):
        assert set(re.findall(rf"{name}\.(\w+)", script)) - {"description"} <= told[path].keys()


def test_the_sizes_in_the_document_are_the_limits_in_force(make_service, client_of):
    limits = {"limits.k": 7, "limits.tags": 3, "limits.text_bytes": 99, "limits.batch": 5}
    schemas = client_of(make_service(**limits)).get("/openapi.json").json["components"]["schemas"]
    assert schemas["SearchRequest"]["properties"]["k"]["maximum"] == 7
    assert schemas["SearchRequest"]["properties"]["query"]["maxLength"] == 99
    assert schemas["NewMemory"]["properties"]["text"]["maxLength"] == 99
    assert schemas["NewMemory"]["properties"]["tags"]["maxItems"] == 3
    assert schemas["AddBatchRequest"]["properties"]["memories"]["maxItems"] == 5
    assert "x-limit" not in str(schemas)


def _message(name, **fields):
    return type(name, (Message,), {"__annotations__": fields, "__module__": f"guest_{len(fields)}"})


class Kind(Answer):
    """One of several."""

    type: str


def test_two_guests_may_name_their_messages_alike_and_an_answer_may_be_a_list(make_service, client_of):
    first, second = _message("Asked", a=int), _message("Asked", a=int, b=int)

    class Both:
        """A plugin with two calls."""

        @hookimpl
        def register_routes(self):
            return [
                Route(method="GET", path=f"/both/{number}", summary="x", params=params, answer=list[Kind],
                      handler=lambda params: [Kind(type="x")])
                for number, params in enumerate((first, second))
            ]  # fmt: skip

    client = client_of(make_service(Both()))
    document = client.get("/openapi.json").json
    OpenAPIV31SpecValidator(document).validate()
    given = [document["paths"][f"/both/{number}"]["get"] for number in (0, 1)]
    assert [[part["name"] for part in call["parameters"]] for call in given] == [["a"], ["a", "b"]]
    answer = given[0]["responses"]["200"]
    assert answer["description"] == "One of several."
    assert answer["content"]["application/json"]["schema"]["type"] == "array"
    assert client.get("/both/0?a=1").json == [{"type": "x"}]


MESSAGES = {
    "memory_search": (SearchRequest, {"query": "x", "k": 3, "project": ["a"], "tags": ["t"]}),
    "memory_add": (AddRequest, {"text": "x", "metadata": {"a": 1}, "if_novel": 0.9}),
    "memory_is_novel": (NovelRequest, {"text": "x", "threshold": 0.5}),
    "memory_forget": (ForgetRequest, {"ids": [1], "dry_run": True}),
}


def test_the_tool_schemas_stand_alone_and_are_the_messages(client):
    answer = client.get("/adapters/generic/tools").json
    openai = {tool["function"]["name"]: tool["function"]["parameters"] for tool in answer["openai"]}
    anthropic = {tool["name"]: tool["input_schema"] for tool in answer["anthropic"]}
    assert openai == anthropic
    assert set(openai) == set(MESSAGES) == {call["name"] for call in answer["calls"]}
    for name, parameters in openai.items():
        Draft202012Validator.check_schema(parameters)
        assert parameters["type"] == "object"
        assert "$ref" not in str(parameters)
        assert "x-limit" not in str(parameters)
        message, _ = MESSAGES[name]
        assert set(parameters["properties"]) == set(message.__struct_fields__)
        assert parameters["additionalProperties"] is False
    theirs = {tool.name: tool.description for tool in TOOLS}
    for tool in answer["anthropic"]:
        assert tool["description"].startswith(theirs.get(tool["name"], ""))
        assert "`default`" in tool["description"] or tool["name"] == "memory_forget"
    assert openai["memory_search"]["required"] == ["query"]
    assert openai["memory_search"]["properties"]["k"]["maximum"] == 100


@pytest.mark.parametrize("name", MESSAGES)
def test_what_a_tool_schema_allows_the_call_takes(client, name):
    tools = client.get("/adapters/generic/tools").json
    (parameters,) = (tool["input_schema"] for tool in tools["anthropic"] if tool["name"] == name)
    (call,) = (call for call in tools["calls"] if call["name"] == name)
    validator = Draft202012Validator(parameters)
    _, arguments = MESSAGES[name]
    for given in (arguments, {**arguments, "oops": 1}, {**arguments, "project": "a/../b"}, {"k": "x"}):
        answer = client.request(call["method"], call["path"], given)
        assert (answer.status_code < 300) is validator.is_valid(given), given


# No schema can say which paths are there and may be read, which names there are, or which fields exclude each other.
SAID_BY_THE_ANSWER = [
    "/import", "/index/build", "/index/watches", "/memory/merge", "/memory/{id}", "/projects/{name}/rename",
    "/restore/changes", "/schedules",
]  # fmt: skip
CONFIG = "".join(
    f"""
[[operations]]
include-path = "{path}"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "403", "404", "409", "503"]
"""
    for path in SAID_BY_THE_ANSWER
)


@pytest.mark.long
def test_generated_requests_find_no_difference_between_document_and_service(tmp_path):
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    with RunningService(tmp_path / "data", fake=True) as running:
        ended = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{running.port}/openapi.json",
                "--exclude-path", "/restore/archive",  # it knows no tar; tests/test_archives.py does
                "--phases", "examples,coverage", "--checks", "all", "--seed", "1",
                # The document has the canonical form of a value only; tests/test_lenient.py has what is read besides.
                "--exclude-checks", "negative_data_rejection",
                "--no-color", "--suppress-health-check", "all", "--warnings", "off",
            ],
            cwd=tmp_path, capture_output=True, text=True, timeout=600, env={"PATH": "", "HOME": str(tmp_path)},
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr
        assert "Traceback" not in running.log.read_text()


def test_a_guests_message_that_cannot_be_described_is_found_at_the_start(make_service):
    class Odd:
        """A plugin that answers what JSON does not have."""

        @hookimpl
        def register_routes(self):
            answer = _message("Odd", number=complex)
            return [Route(method="GET", path="/odd", summary="x", answer=answer, handler=lambda: None)]

    service = make_service(Odd())
    with pytest.raises(TypeError, match="complex"):
        create_app(service)
