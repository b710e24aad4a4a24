"""`/mcp` as a part of the service: who is let in, what is not MCP, and that nobody can hold it up."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import subprocess
import sys
import threading
import time

import pytest

from faiss_memory import Mount, hookimpl
from tests.mcp.conftest import ACCEPT, HANDSHAKE, STATELESS, Assistant, request, text
from tests.running import RunningService


def greeted(assistant):
    """What a server says of itself."""
    if assistant.revision == STATELESS:
        return assistant.ask("server/discover")
    about = {"name": "test", "version": "1"}
    return assistant.ask("initialize", protocolVersion=HANDSHAKE, capabilities={}, clientInfo=about)


# What it says of itself.


def test_the_instructions_stand_alone_in_their_first_512_characters_and_fit_in_2_kb(assistant):
    said = greeted(assistant)["instructions"]
    assert len(said.encode()) <= 2048
    first = said.split("\n\n")[0]
    assert len(first) <= 512
    for word in ("memory_search", "memory_add", "decision", "convention", "fix", "preference", "Never store"):
        assert word in first


def test_what_it_offers_is_what_it_has(assistant):
    about = greeted(assistant)
    assert about["capabilities"].keys() == {"tools", "prompts", "resources"}
    version = assistant._client.get("/health").json["version"]
    if assistant.revision == HANDSHAKE:
        assert about["serverInfo"] == {"name": "faiss-memory", "title": "FAISS Memory", "version": version}
        assert about["protocolVersion"] == HANDSHAKE


@pytest.mark.parametrize("older", ["2024-11-05", "2025-03-26", "2025-06-18"])
def test_older_clients_are_answered_in_their_revision(client, older):
    assistant = Assistant(client, older)
    about = {"name": "test", "version": "1"}
    said = assistant.ask("initialize", protocolVersion=older, capabilities={}, clientInfo=about)
    assert said["protocolVersion"] == older
    assert len(assistant.ask("tools/list")["tools"]) == 5


def test_the_list_of_tools_may_be_cached_in_the_stateless_revision(assistant, revision):
    listed = assistant.ask("tools/list")
    if revision == STATELESS:
        assert listed["ttlMs"] > 0
        assert listed["cacheScope"] == "private"
    else:
        assert "tools" in listed


# Who is let in.


def test_the_access_rules_are_those_of_rest(assistant_of):
    locked = assistant_of(token="tok-3f9a1c")
    assert locked.answer("tools/list").status_code == 401
    assert (
        locked.at("/mcp", headers={"Authorization": "Bearer wrong"}).answer("tools/list").status_code == 401
    )
    allowed = locked.at("/mcp", headers={"Authorization": "Bearer tok-3f9a1c"})
    assert len(allowed.ask("tools/list")["tools"]) == 5
    assert allowed.at("/mcp", host="evil.example").answer("tools/list").status_code == 421
    foreign = allowed.at("/mcp", headers={"Origin": "https://evil.example"})
    assert foreign.answer("tools/list").status_code == 403
    proxied = locked.at("/mcp", headers={"X-Forwarded-For": "10.0.0.1"})
    assert proxied.answer("tools/list").status_code == 401
    assert allowed.at("/mcp", host="evil.example").answer("tools/list").json.keys() == {
        "title",
        "description",
    }


# What is not MCP.


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH"])
def test_there_is_no_stream_and_no_session(client, method):
    answer = client.request(method, "/mcp", headers=ACCEPT)
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert answer.json.keys() == {"title", "description"}


def test_a_body_that_is_too_large_is_refused(assistant_of):
    answer = assistant_of(**{"limits.body_bytes": 500}).answer("tools/list", x="y" * 600)
    assert answer.status_code == 413
    assert "limits.body_bytes" in answer.json["description"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"{}", b"\xff\xfe", b"[" * 5000, b'{"jsonrpc":"2.0","id":1}']
)
def test_a_body_that_is_no_message_is_refused(client, revision, body):
    _, headers = request(revision, "tools/list", {})
    answer = client._client.simulate_post(
        "/mcp", body=body, headers=headers, host="localhost", remote_addr="127.0.0.1"
    )
    assert 400 <= answer.status_code < 500
    assert answer.json["error"]["code"] < 0


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [{"jsonrpc": "2.0", "id": 1, "method": "ping"}],
        {"jsonrpc": "1.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": None, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1.5, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": ["x"]},
    ],
)
def test_json_that_is_no_message_is_never_taken_for_a_notification(client, wrong):
    answer = client.post("/mcp", wrong, headers=ACCEPT)
    assert (answer.status_code, answer.json["error"]["code"]) == (400, -32600)
    assert "send one message of JSON-RPC" in answer.json["error"]["message"]
    assert "pydantic" not in answer.text


def test_what_does_not_say_that_it_is_json_is_refused_as_everywhere(client):
    sent = {
        "body": b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": null}',
        "host": "localhost",
        "remote_addr": "127.0.0.1",
    }
    for path in ("/mcp", "/search"):
        assert client._client.simulate_post(path, content_type="text/plain", **sent).status_code == 415
    answer = client._client.simulate_post("/mcp", content_type="Application/JSON; charset=utf-8", **sent)
    assert answer.json["result"] == {}


def test_who_names_no_type_is_answered(client):
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert len(client.post("/mcp", asked).json["result"]["tools"]) == 5


def test_a_notification_is_taken(client, revision):
    body, headers = request(revision, "notifications/initialized", {})
    del body["id"]
    answer = client.post("/mcp", body, headers=headers)
    assert (answer.status_code, answer.content) == (202, b"")


def test_a_method_that_does_not_exist_is_refused_and_so_is_a_stream(assistant):
    for method in ("tools/run", "subscriptions/listen", "logging/setLevel"):
        answer = assistant.answer(method)
        assert "error" in answer.json
        assert answer.headers["Content-Type"].startswith("application/json")


def test_the_openapi_document_does_not_list_it(client):
    assert "/mcp" not in client.get("/openapi.json").json["paths"]


# Mounts, which it comes in by.


def test_a_mounts_failure_is_an_error_in_our_form(make_service, client_of, caplog):
    class Broken:
        @hookimpl
        def register_mounts(self):
            def app(environ, start_response):
                raise ZeroDivisionError("inside")

            return [Mount(path="/broken", app=app, methods=("GET", "POST"))]

    client = client_of(make_service(Broken()))
    assert client.get("/broken").json["title"] == "Internal Server Error"
    assert "in GET /broken" in caplog.text
    assert client.request("DELETE", "/broken").status_code == 405


def test_a_mount_is_given_the_whole_body_and_its_headers_are_sent(make_service, client_of):
    class Echo:
        @hookimpl
        def register_mounts(self):
            def app(environ, start_response):
                start_response("207 Multi-Status", [("Content-Type", "text/x-echo"), ("X-Echo", "yes")])
                said = [environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"]]
                return [json.dumps(said).encode(), environ["wsgi.input"].read()]

            return [Mount(path="/echo", app=app)]

    answer = client_of(make_service(Echo())).post("/echo?a=b", {"x": 1})
    assert (answer.status_code, answer.text) == (207, '["/echo", "", "a=b"]{"x": 1}')
    assert (answer.headers["Content-Type"], answer.headers["X-Echo"]) == ("text/x-echo", "yes")
    assert answer.headers["Cache-Control"] == "no-store"


# In a running service.


def until(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def say(port, revision, method, **params):
    """Ask over a connection of its own; gives the result."""
    body, headers = request(revision, method, params)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/mcp", json.dumps(body), headers)
        answer = connection.getresponse()
        return json.loads(answer.read())["result"]
    finally:
        connection.close()


def test_the_sdk_is_imported_at_the_first_call():
    script = (
        "import sys\nfrom faiss_memory.app import build_service, create_app\n"
        "from faiss_memory.settings import load\n"
        "import tempfile\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    service = build_service(load(None, {'data_dir': folder}, {}).settings, print)\n"
        "    create_app(service)\n"
        "    print(sorted({'mcp', 'pydantic', 'starlette', 'mcp_types'} & set(sys.modules)))\n"
        "    service.engine.close()\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.split("\n")[0] == "[]"


def hanging(port):
    """Clients that stop half-way, ask for a stream, or never read; each is a socket."""
    body, headers = request(HANDSHAKE, "tools/list", {})
    raw = json.dumps(body).encode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {len(raw)}\r\n\r\n".encode()
    kinds = [
        head[:40],
        head + raw[:10],
        head.replace(b"POST", b"GET").replace(f"Content-Length: {len(raw)}\r\n".encode(), b""),
        head + raw,
        (head + raw) * 20,
    ]
    for number in range(50):
        connection = socket.create_connection(("127.0.0.1", port), timeout=60)
        connection.sendall(kinds[number % len(kinds)])
        yield connection


@pytest.mark.long
def test_fifty_slow_or_hanging_clients_keep_nobody_from_being_answered(tmp_path):
    with RunningService(tmp_path / "data", fake=True, threads="4") as running:
        connections = list(hanging(running.port))
        try:
            for revision in (HANDSHAKE, STATELESS):
                result = say(
                    running.port, revision, "tools/call", name="memory_search", arguments={"query": "x"}
                )
                assert "Nothing is remembered" in text(result)
            assert running.call("GET", "/health")[0] == 200
            assert running.call("POST", "/memory/add", {"text": "still writing"})[0] == 201
        finally:
            for connection in connections:
                connection.close()
        assert running.call("GET", "/health")[0] == 200
        assert running.stop() == 0
        assert "Traceback" not in running.log.read_text()


def test_clients_at_once_lose_nothing_and_the_log_names_each_call_once(tmp_path):
    with RunningService(tmp_path / "data", fake=True) as running:

        def client(number):
            for count in range(5):
                name = f"client {number} says {count}"
                say(running.port, HANDSHAKE, "tools/call", name="memory_add", arguments={"text": name})

        threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert running.call("GET", "/stats")[1]["total_memories"] == 40
        lines = [line for line in running.log.read_text().splitlines() if "/mcp" in line]
        assert len(lines) == 40
        assert "client 1" not in running.log.read_text()


class SlowService(RunningService):
    """A service where adding ends only when it is to stop."""

    def __init__(self, data):
        super().__init__(data, fake=True)
        self._command = [part.replace("tests.fake_server", "tests.mcp.slow_server") for part in self._command]


def test_a_call_that_has_begun_is_answered_before_the_service_stops(tmp_path):
    with SlowService(tmp_path / "data") as running:
        answers = []
        call = {"name": "memory_add", "arguments": {"text": "kept"}}
        thread = threading.Thread(
            target=lambda: answers.append(say(running.port, HANDSHAKE, "tools/call", **call))
        )
        thread.start()
        until(lambda: "an add has begun" in running.log.read_text())
        assert running.stop() == 0
        thread.join()
        assert text(answers[0]) == "Stored as memory 1 in project default."


def test_the_log_has_no_text_of_a_memory(assistant, caplog):
    caplog.set_level(logging.INFO)
    assistant.done("memory_add", text="the hidden word is xylophone")
    assistant.refused("memory_search", query="xylophone", nonsense="xylophone")
    assistant.call("memory_search", query="xylophone")
    assistant.answer("tools/call", name="memory_add", arguments="xylophone")
    assert "POST /mcp 200" in caplog.text
    assert "xylophone" not in caplog.text
