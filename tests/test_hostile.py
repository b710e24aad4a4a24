"""Requests no honest client sends: each gets an error in our form, none a 500, none a look inside."""

from __future__ import annotations

import http.client
import json
import logging
import socket
from contextlib import suppress
from urllib.parse import urlencode

import pytest
from falcon.testing import TestClient

from faiss_memory.app import create_app
from tests.running import RunningService


def post(service, path, body, content_type):
    """Send bytes as they are, without a socket."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    client = TestClient(create_app(service))
    return client.simulate_post(path, body=body, headers=headers, host="localhost", remote_addr="127.0.0.1")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A real process that takes at most 2,000 bytes."""
    data = tmp_path_factory.mktemp("hostile") / "data"
    with RunningService(data, fake=True, **{"limits.body_bytes": "2000"}) as service:
        yield service
        assert service.call("GET", "/health")[1]["status"] == "ok"
        log = service.log.read_text()
        assert "Traceback" not in log
        assert "nobody foresaw" not in log


def answers(port, request, *, close=True):
    """Send bytes as they are and half-close; gives (status, headers, body) of every answer that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        with suppress(
            OSError
        ):  # it may have been refused, and the connection closed, before all of it was sent
            connection.sendall(request)
            if close:
                connection.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except ConnectionResetError:
            pass
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", len(rest)))
        found.append((int(status_line.split(" ")[1]), headers, rest[:length]))
        received = rest[length:]
    return found


def in_our_form(answer, status):
    code, headers, body = answer
    assert code == status, body
    assert headers["content-type"] == "application/json"
    error = json.loads(body)
    assert {"title", "description"} <= set(error)
    assert error["description"]
    assert "Traceback" not in body.decode()
    assert ".py" not in body.decode()
    return error


def request(body, *headers, method="POST", path="/search"):
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        "Connection: close",
    ]
    lines += [f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


# Bodies.

BODIES = {
    "empty": b"",
    "blank": b" \n\t",
    "not JSON": b"query=x",
    "cut short": b'{"query": "x"',
    "two values": b'{"query": "x"} {}',
    "trailing comma": b'{"query": "x",}',
    "single quotes": b"{'query': 'x'}",
    "an array": b'[{"query": "x"}]',
    "null": b"null",
    "a number": b"5",
    "a string": b'"query"',
    "nested arrays": b"[" * 900 + b"]" * 900,
    "NaN": b'{"query": "x", "threshold": NaN}',
    "infinity": b'{"query": "x", "threshold": -Infinity}',
    "too large a number": b'{"query": "x", "threshold": 1e999}',
    "huge integer": b'{"query": "x", "k": ' + b"9" * 1500 + b"}",
    "negative integer": b'{"query": "x", "k": -9223372036854775809}',
    "a fraction": b'{"query": "x", "k": 1.5}',
    "true for a number": b'{"query": "x", "k": true}',
    "half a surrogate": rb'{"query": "\ud8"}',
    "invalid UTF-8": b'{"query": "\xff\xfe"}',
    "overlong UTF-8": b'{"query": "\xc0\xaf"}',
    "UTF-16": '{"query": "x"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"query": "x"}',
    "unknown field": b'{"query": "x", "__class__": "y"}',
    "control character": b'{"query": "a\nb"}',
    "NUL outside": b'{"query": "x"}\x00',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize(
    "path", ["/search", "/memory/add", "/memory/add-batch", "/memory/is-novel", "/memory/forget"]
)
def test_a_body_that_is_not_the_message_is_refused(running, path, body):
    (answer,) = answers(running.port, request(body, path=path))
    in_our_form(answer, 400)


def test_a_number_that_none_can_hold_is_named_by_its_field(service):
    for body, field in (
        ('{"k": 1e999, "query": "x"}', "k"),
        ('{"query": "x", "metadata": {"a": [-1e999]}}', "metadata"),
    ):
        answer = post(service, "/search", body.encode(), "application/json")
        assert (answer.status_code, answer.json["field"]) == (400, field)


@pytest.mark.parametrize("depth", [100, 100_000])
@pytest.mark.parametrize("unit", [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_nesting_is_refused(service, depth, unit):
    value = unit[0] * depth + b"1" + unit[1] * depth
    for path, body in [
        ("/memory/add", b'{"text": "x", "metadata": {"deep": ' + value + b"}}"),
        ("/search", b'{"query": "x", "metadata": {"deep": ' + value + b"}}"),
        ("/search", b'{"query": ' + value + b"}"),
        ("/search", b'{"query": "x", "nobody": ' + value + b"}"),
    ]:
        answer = post(service, path, body, "application/json")
        assert answer.status_code == 400
        assert "description" in answer.json


def test_what_only_looks_hostile_is_stored_and_found_as_it_is(running):
    for text in (
        "\u202e reversed",
        "\ufeff mark",
        "'; DROP TABLE memories; --",
        "\U0010ffff",
    ):
        given = {"text": text, "source": text, "tags": [f"tag {text}"], "metadata": {text: text, "": 2**70}}
        status, added = running.call("POST", "/memory/add", given)
        assert status == 201
        stored = running.call("GET", f"/memory/{added['id']}")[1]
        assert (stored["text"], stored["source"], stored["metadata"]) == (text, text, given["metadata"])
        where = {"tags": given["tags"], "metadata": given["metadata"]}
        for mode in ("hybrid", "semantic", "keyword"):
            status, found = running.call("POST", "/search", {"query": f"x {text}", "mode": mode, **where})
            assert status == 200
            assert mode == "keyword" or [one["id"] for one in found["results"]] == [added["id"]]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "json",
        "",
        None,
    ],
)
def test_only_json_is_taken(service, content_type):
    for path in ("/search", "/memory/add", "/backup"):
        answer = post(service, path, b'{"query": "x"}', content_type)
        assert answer.status_code == 415
        assert "application/json" in answer.json["description"]


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_is_taken_with_parameters(service, content_type):
    answer = post(service, "/search", b'{"query": "x"}', content_type)
    assert answer.status_code == 200


# Sizes.

HEAD = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"


def test_a_declared_body_that_is_too_large_is_refused(running):
    (answer,) = answers(running.port, request(b'{"query": "' + b"x" * 2000 + b'"}'))
    assert "limits.body_bytes" in in_our_form(answer, 413)["description"]


def test_a_chunked_body_that_is_too_large_is_refused(running):
    chunk = b"3e8\r\n" + b"x" * 1000 + b"\r\n"
    (answer,) = answers(running.port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 3 + b"0\r\n\r\n")
    assert "limits.body_bytes" in in_our_form(answer, 413)["description"]


def test_a_chunked_body_is_read(running):
    body = b'{"query": "x"}'
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:]))
    (answer,) = answers(running.port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert answer[0] == 200


@pytest.mark.parametrize("length", [65 * 1024 * 1024, 10**15, 10**30])
def test_an_absurd_length_is_refused_before_it_is_sent(running, length):
    (answer,) = answers(running.port, HEAD + b"Content-Length: %d\r\n\r\n" % length, close=False)
    in_our_form(answer, 413)


# What the server refuses before the application sees it.


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\r\n\r\nnonsense\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\nb\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ten\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST /search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 300_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 300_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 60_000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 300 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\r\n" + b" \r\n" * 300 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
    ],
)  # fmt: skip
def test_what_is_not_http_is_refused_in_our_form(running, sent, status):
    in_our_form(answers(running.port, sent)[0], status)


def test_a_refused_body_is_not_read_as_the_next_request(running):
    hidden = b"DELETE /projects/default HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for body, status in ((hidden, 400), (hidden.ljust(2500), 413)):
        sent = request(body).replace(b"Connection: close\r\n", b"")
        found = answers(running.port, sent + request(b'{"query": "x"}'))
        assert found[0][0] == status
        assert [answer[0] for answer in found[1:]] in ([], [200])


def test_pipelined_requests_are_answered_in_order(running):
    paths = ["/health", "/nowhere", "/stats", "/search"]
    sent = b"".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for path in paths)
    assert [answer[0] for answer in answers(running.port, sent)] == [200, 404, 200, 405]
    blank = b"\r\n\r\n".join([sent] * 30)
    assert [answer[0] for answer in answers(running.port, b"\r\n" + blank)] == [200, 404, 200, 405] * 30


# Paths and methods.


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/search/",
        "/SEARCH",
        "/memory",
        "/memory/1/2/3",
        "/..",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/adapters/../../etc/passwd/files",
        "/adapters/..%2f..%2fetc/files",
        "/adapters/%2e%2e/files",
        "/adapters/generic%00/files",
        "/adapters/nobody/files",
        "/%00",
        "/%ff%fe",
        "/%",
        "/%zz",
        "/search%0d%0aSet-Cookie:%20x=1",
        "/" + "a/" * 5000,
        "/" + "x" * 20000,
    ],
)
def test_there_is_nothing_at_any_other_address(running, path):
    (answer,) = answers(running.port, request(b"", method="GET", path=path))
    in_our_form(answer, 404)
    assert "set-cookie" not in answer[1]


@pytest.mark.parametrize(
    "name", ["0", "-1", "abc", "1.5", "%d9%a1", "1%00", "1%20", "99999999999999999999", "%27", "1;--"]
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_id_is_a_number(running, name, method):
    (answer,) = answers(running.port, request(b"", method=method, path=f"/memory/{name}"))
    assert in_our_form(answer, 400)["field"] == "id"


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", "..%5cx", "A", "a%00", "a%0a", "%2a", "~", "a%20b", "x" * 65]
)
def test_a_project_name_in_a_path_cannot_leave_the_folder(running, name):
    (answer,) = answers(running.port, request(b"", method="DELETE", path=f"/projects/{name}"))
    assert in_our_form(answer, 400)["field"] == "name"


@pytest.mark.parametrize(
    "name", ["../../etc", "..", "/etc", "a/../..", "c:\\x", "a\x00b", "-a", "con/", "\u212a"]
)
def test_a_project_name_anywhere_cannot_leave_the_folder(client, tmp_path, name):
    for path, body in [
        ("/memory/add", {"text": "x", "project": name}),
        ("/search", {"query": "x", "project": name}),
        ("/search", {"query": "x", "project": ["default", name]}),
        ("/memory/is-novel", {"text": "x", "project": name}),
        ("/memory/forget", {"project": name}),
    ]:
        answer = client.post(path, body)
        assert answer.status_code == 400
        assert answer.json["field"].startswith("project")
    for path in ("/memories", "/stats", "/tags", "/adapters/generic/files"):
        assert client.get(path, params={"project": name}).status_code == 400
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


def test_a_label_does_not_become_a_path(client, tmp_path):
    answer = client.post("/backup", {"label": "../../../escaped\x00"})
    assert answer.status_code == 200
    assert not list(tmp_path.glob("**/*escaped*"))


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/search", {"POST"}),
        ("PUT", "/search", {"POST"}),
        ("HEAD", "/search", {"POST"}),
        ("TRACE", "/search", {"POST"}),
        ("POST", "/memory/1", {"GET", "PATCH", "DELETE"}),
        ("PUT", "/memory/1", {"GET", "PATCH", "DELETE"}),
        ("POST", "/stats", {"GET"}),
        ("DELETE", "/health", {"GET"}),
        ("GET", "/projects/default", {"DELETE"}),
    ],
)
def test_a_method_that_is_not_there_is_named_with_those_that_are(running, method, path, allowed):
    (answer,) = answers(running.port, request(b"", method=method, path=path))
    assert answer[0] == 405
    assert set(answer[1]["allow"].split(", ")) - {"OPTIONS"} == allowed
    if method != "HEAD":
        assert method in in_our_form(answer, 405)["description"]


@pytest.mark.parametrize("method", ["BREW", "PROPFIND", "CONNECT", "X" * 3000])
def test_a_method_nobody_knows_is_refused(running, method):
    (answer,) = answers(running.port, request(b"", method=method))
    assert answer[0] in (400, 405, 501)
    in_our_form(answer, answer[0])


# Words that mean something to SQL, to full text search or to GLOB.

METACHARACTERS = [
    "' OR '1'='1",
    '" OR ""="',
    "'; DROP TABLE memories; --",
    "x' UNION SELECT * FROM memories --",
    "%",
    "_",
    "\\",
    "*",
    "?",
    "[",
    "]",
    "[]",
    "[^",
    "[!a",
    "[a-",
    "[z-a]",
    "*" * 60 + "b",
    "NEAR(a b, 5)",
    "AND OR NOT",
    "text:x",
    "^x",
    '"unclosed',
    "(((",
    "{a b}: c",
    "+-~",
    "$.a",
    "$[0]",
    "x\x00y",
    "\x00",
    "\n",
]


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    """A real process that holds one memory about postgres."""
    with RunningService(tmp_path_factory.mktemp("probed") / "data", fake=True) as service:
        given = {"text": "postgres", "source": "a" * 100, "tags": ["t"], "metadata": {"k": "v"}}
        assert service.call("POST", "/memory/add", given)[0] == 201
        yield service
        assert service.call("GET", "/stats")[1]["total_memories"] == 1
        assert "Traceback" not in service.log.read_text()


@pytest.mark.parametrize("text", METACHARACTERS)
def test_metacharacters_are_only_characters(probed, text):
    matches_all = {"*"}
    for mode in ("hybrid", "semantic", "keyword"):
        status, answer = probed.call("POST", "/search", {"query": f"x {text}", "mode": mode})
        assert status == 200
        assert mode != "keyword" or answer["count"] == 0
    for where in (
        {"source": text},
        {"tags": [f"x{text}"]},
        {"metadata": {text: "v"}},
        {"metadata": {"k": text}},
    ):
        status, answer = probed.call("POST", "/search", {"query": "postgres", **where})
        assert status == 200
        assert answer["count"] == ("source" in where and text in matches_all)
        status, answer = probed.call("POST", "/memory/forget", {**where, "dry_run": True})
        assert status == 200
        assert answer["count"] == ("source" in where and text in matches_all)
    for name in ("q", "source", "tag"):
        status, answer = get(probed.port, "/memories", **{name: f"x{text}"})
        assert status == 200
        assert answer["count"] == 0


def get(port, path, **params):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", f"{path}?{urlencode(params)}")
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", "limit=1001", "limit=x", "limit=1&limit=2", "cursor=x", "cursor=1", "cursor=1.1%0a",
     "cursor=-.", "after=x", "after=0", "after=null", "order=up", "project=a,b", "tag=%20",
     "include_superseded=maybe", "__proto__=x", "=x", "%00=x", "limit[]=1"],
)  # fmt: skip
def test_parameters_that_are_wrong_are_named(running, query):
    (answer,) = answers(running.port, request(b"", method="GET", path=f"/memories?{query}"))
    error = in_our_form(answer, 400)
    assert error.get("field") or query.startswith("=")


@pytest.mark.parametrize(
    "cursor", ["0.0", "-0.0", "999999999999999999.999999999999999999", "-999999999999999999.1"]
)
def test_a_cursor_from_nowhere_gives_a_page(running, cursor):
    assert get(running.port, "/memories", cursor=cursor)[0] == 200


def test_a_request_cannot_write_a_line_of_the_log(client, caplog):
    caplog.set_level(logging.INFO)
    client.get("/x\n2026-01-01 CRITICAL forged\r\x1b[31m")
    assert "forged" in caplog.text
    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert all(record.getMessage().isprintable() for record in caplog.records)


@pytest.mark.long
def test_a_connection_that_stops_in_the_middle_disturbs_nobody(running):
    for sent in (
        b"",
        b"POST /sea",
        b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{",
    ):
        with socket.create_connection(("127.0.0.1", running.port), timeout=120) as connection:
            connection.sendall(sent)
        assert running.call("GET", "/health")[0] == 200
