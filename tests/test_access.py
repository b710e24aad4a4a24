"""Who is let in: Host, Origin, proxies and tokens."""

from __future__ import annotations

import http.client
import json
import logging
import re
import socket
from contextlib import suppress

import hypothesis
import pytest
from hypothesis import strategies as st

from faiss_memory.contracts.store import Progress
from tests import forking
from tests.running import ROOT, RunningService

TOKEN, PUBLIC_TOKEN = "tok-3f9a1c", "pub-77b2e0"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PUBLIC_BEARER = {"Authorization": f"Bearer {PUBLIC_TOKEN}"}
PUBLIC = {"public_url": "https://memory.example.com", "public_token": PUBLIC_TOKEN}
PAGES = [("GET", "/"), ("GET", "/docs")]
"""They are the same for everybody, and need no token."""
CALLS = [
    ("GET", "/health"),
    ("GET", "/stats"),
    ("GET", "/openapi.json"),
    ("GET", "/memories"),
    ("GET", "/memory/1"),
    ("DELETE", "/memory/1"),
    ("PATCH", "/memory/1"),
    ("POST", "/search"),
    ("POST", "/memory/add"),
    ("POST", "/memory/forget"),
    ("POST", "/backup"),
    ("DELETE", "/projects/default"),
    ("GET", "/adapters/generic/tools"),
    ("POST", "/adapters/generic/search"),
    ("GET", "/adapters/claude-code/package"),
    ("POST", "/adapters/claude-code/hook"),
    ("OPTIONS", "/search"),
    ("OPTIONS", "/nowhere"),
    ("PUT", "/search"),
    ("HEAD", "/stats"),
    ("GET", "/nowhere"),
]


@pytest.fixture
def client_with(make_service, client_of):
    """Make a client of a service with settings."""
    return lambda **settings: client_of(make_service(**settings))


def search(client, **options):
    return client.post("/search", {"query": "x"}, **options)


# Host.


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost:8900",
        "LocalHost:1",
        "127.0.0.1",
        "127.0.0.1:8900",
        "[::1]",
        "[::1]:8900",
    ],
)
def test_the_names_of_this_machine_are_served(client, host):
    assert search(client, headers={"Host": host}).status_code == 200


HOSTILE_HOSTS = [
    "evil.com",
    "evil.com:8900",
    "localhost.evil.com",
    "127.0.0.1.evil.com",
    "evil.localhost",
    "",
    " ",
    ":8900",
    "localhost.",
    "127.0.0.1.",
    "user@localhost",
    "localhost@evil.com",
    "user:password@localhost",
    ":@localhost",
    "localhost/search",
    "localhost?x",
    "localhost#x",
    "localhost\\evil.com",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
    "127.0.0.2",
    "0.0.0.0",
    "::1",
    "[::1",
    "[::1]x",
    "[::1]8900",
    "[::ffff:127.0.0.1]",
    "[::1%25lo]",
    "localhost:port",
    "localhost:99999",
    "localhost:8900:8900",
    "localhost, evil.com",
    "localhost evil.com",
    "loc\talhost",
    "ⓛocalhost".encode().decode("latin-1"),
]


def test_any_other_host_is_refused(client):
    for host in HOSTILE_HOSTS:
        answer = client.request("GET", "/stats", extras={"HTTP_HOST": host})
        assert answer.status_code == 421, host
        assert set(answer.json) == {"title", "description"}
        assert "allowed_hosts" in answer.json["description"]


def test_a_foreign_host_is_refused_on_every_path(client):
    for method, path in CALLS:
        assert client.request(method, path, headers={"Host": "evil.com"}).status_code == 421, path


def test_a_foreign_host_is_refused_with_the_right_token_too(client_with):
    client = client_with(token=TOKEN)
    assert search(client, headers={"Host": "evil.com", **BEARER}).status_code == 421


def test_allowed_hosts_are_served_and_only_they(client_with):
    client = client_with(allowed_hosts="memory.lan,Host.Docker.Internal")
    for host in ("memory.lan", "MEMORY.lan:8900", "host.docker.internal:8900"):
        assert search(client, headers={"Host": host}).status_code == 200
    for host in ("lan", "x.memory.lan", "memory.lan.evil.com"):
        assert search(client, headers={"Host": host}).status_code == 421


# Origin.


@pytest.mark.parametrize("origin", ["https://evil.com", "null"])
def test_a_foreign_origin_is_refused_on_every_path(client, origin):
    for method, path in CALLS:
        answer = client.request(method, path, headers={"Origin": origin})
        assert answer.status_code == 403, path
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost:8900", "http://localhost:8900", 200),
        ("localhost:8900", "http://127.0.0.1:8900", 200),
        ("127.0.0.1:8900", "http://LOCALHOST:8900", 200),
        ("[::1]:8900", "http://[::1]:8900", 200),
        ("localhost", "http://localhost", 200),
        ("localhost:8900", "http://localhost:3000", 403),
        ("localhost:8900", "http://localhost", 403),
        ("localhost", "http://localhost:8900", 403),
        ("localhost:8900", "http://evil.localhost:8900", 403),
        ("localhost:8900", "http://localhost.evil.com:8900", 403),
        ("localhost:8900", "http://localhost:8900@evil.com", 403),
        ("localhost:8900", "file://localhost:8900", 403),
        ("localhost:8900", "chrome-extension://abcdef", 403),
        ("localhost:8900", "localhost:8900", 403),
        ("localhost:8900", "", 403),
        ("localhost:8900", "http://", 403),
        ("localhost:8900", "http://[::1", 403),
        ("localhost:8900", "http://localhost:port", 403),
        ("localhost:8900", "http://localhost:8900, http://evil.com", 403),
    ],
)
def test_only_pages_of_this_very_service_may_use_it(client, host, origin, status):
    assert search(client, headers={"Host": host, "Origin": origin}).status_code == status


def test_the_right_token_does_not_excuse_a_foreign_origin(client_with):
    client = client_with(token=TOKEN)
    assert search(client, headers={"Origin": "https://evil.com", **BEARER}).status_code == 403


# Tokens.


def test_nothing_is_asked_of_a_local_request_and_a_token_it_sends_is_ignored(client):
    assert search(client).status_code == 200
    assert search(client, headers={"Authorization": "Bearer whatever"}).status_code == 200
    assert search(client, headers={"Authorization": "garbage \xff"}).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.upper()}",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN} {TOKEN}",
        "Bearer \xff\xfe",
        f"Bearer {PUBLIC_TOKEN}",
    ],
)
def test_where_a_token_is_configured_no_other_will_do(client_with, authorization):
    client = client_with(token=TOKEN)
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = search(client, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "Authorization: Bearer" in answer.json["description"]


def test_the_token_opens_everything_and_health_is_open_without(client_with):
    client = client_with(token=TOKEN)
    assert search(client, headers=BEARER).status_code == 200
    assert search(client, headers={"Authorization": f"bearer  {TOKEN} "}).status_code == 200
    for method, path in [("GET", "/health"), *PAGES]:
        assert client.request(method, path).status_code == 200, path
    closed = [(method, path) for method, path in CALLS if path != "/health"]
    for method, path in closed:
        assert client.request(method, path).status_code == 401, path
    assert client.get("/nowhere", headers=BEARER).status_code == 404


@pytest.mark.parametrize("peer", ["192.168.1.7", "10.0.0.1", "::ffff:8.8.8.8", "fe80::1", "", "localhost"])
def test_a_peer_that_is_not_this_machine_needs_a_token(client_with, peer):
    client = client_with(token=TOKEN)
    assert search(client, remote_addr=peer).status_code == 401
    assert search(client, remote_addr=peer, headers=BEARER).status_code == 200


@pytest.mark.parametrize("peer", ["192.168.1.7", ""])
def test_where_there_is_no_token_other_machines_cannot_get_in(client, peer):
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer x"}):
        assert search(client, remote_addr=peer, headers=headers).status_code == 401
    assert client.get("/health", remote_addr=peer).status_code == 200


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_every_loopback_address_is_this_machine(client, peer):
    assert search(client, remote_addr=peer).status_code == 200


# Proxies.

PROXY_HEADERS = [
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "x-forwarded-anything",
    "X-Real-IP",
    "CF-Connecting-IP",
    "CF-Ray",
    "Via",
]


@pytest.mark.parametrize("header", PROXY_HEADERS)
def test_what_came_by_a_proxy_is_not_local(client_with, header):
    client = client_with(host="0.0.0.0", published_on="127.0.0.1")
    assert search(client).status_code == 200
    assert search(client, headers={header: "127.0.0.1"}).status_code == 401


# The published port of a container.


def test_in_a_container_published_on_loopback_nothing_is_asked(client_with):
    client = client_with(host="0.0.0.0", published_on="127.0.0.1")
    assert search(client, remote_addr="172.17.0.1").status_code == 200
    assert search(client, remote_addr="172.17.0.1", headers={"Host": "evil.com"}).status_code == 421
    assert search(client, remote_addr="172.17.0.1", headers={"Via": "x"}).status_code == 401


def test_in_a_container_published_elsewhere_the_token_is_asked(client_with):
    client = client_with(host="0.0.0.0", published_on="0.0.0.0", token=TOKEN)
    assert search(client, remote_addr="172.17.0.1").status_code == 401
    assert search(client, remote_addr="172.17.0.1", headers=BEARER).status_code == 200


def run(*arguments, **environment):
    """Run the command line with nothing of ours in its environment."""
    clean = {"PATH": "/usr/bin:/bin", "HOME": environment.pop("home")}
    return forking.completed(arguments, ROOT, {**clean, **environment})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"FAISS_MEMORY_PUBLISHED_ON": "0.0.0.0"}, ("published_on", "0.0.0.0", "FAISS_MEMORY_TOKEN")),
        ({"FAISS_MEMORY_PUBLISHED_ON": "192.168.1.7"}, ("published_on", "192.168.1.7", "FAISS_MEMORY_TOKEN")),
        ({"FAISS_MEMORY_HOST": "0.0.0.0"}, ("host", "0.0.0.0", "FAISS_MEMORY_TOKEN")),
        ({"FAISS_MEMORY_PUBLIC_URL": "https://m.example.com"}, ("public_url", "FAISS_MEMORY_PUBLIC_TOKEN")),
        (
            {"FAISS_MEMORY_PUBLIC_URL": "https://m.example.com", "FAISS_MEMORY_PUBLIC_TOKEN": PUBLIC_TOKEN},
            ("public_url", "`token`", "FAISS_MEMORY_TOKEN", "openssl rand"),
        ),
        (
            {"FAISS_MEMORY_PUBLIC_URL": "http://m.example.com", "FAISS_MEMORY_PUBLIC_TOKEN": PUBLIC_TOKEN},
            ("public_url", "https"),
        ),
        (
            {
                "FAISS_MEMORY_PUBLIC_URL": "https://m.example.com",
                "FAISS_MEMORY_PUBLIC_TOKEN": TOKEN,
                "FAISS_MEMORY_TOKEN": TOKEN,
            },
            ("public_token", "differ"),
        ),
    ],
)
def test_an_address_that_others_reach_without_a_token_stops_the_start(tmp_path, settings, says):
    ended = run("serve", "--data-dir", str(tmp_path / "data"), home=str(tmp_path), **settings)
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) <= 2
    for part in says:
        assert part in ended.stderr
    assert TOKEN not in ended.stderr
    assert not (tmp_path / "data").exists()


# The public address.


@pytest.fixture
def public(make_service, client_of):
    """A client of a service with a public address."""
    service = make_service(**PUBLIC, token=TOKEN)
    client = client_of(service)
    client.service = service
    return client


BY_TUNNEL = [
    {"Host": "memory.example.com"},
    {"Host": "Memory.Example.com:443"},
    {"Host": "localhost:8900", "X-Forwarded-For": "8.8.8.8"},
    {"Host": "127.0.0.1", "CF-Ray": "x"},
]
PUBLIC_CALLS = [
    ("POST", "/search", {"query": "x"}),
    ("POST", "/memory/add", {"text": "x"}),
    ("POST", "/memory/is-novel", {"text": "x"}),
    ("GET", "/stats", None),
    ("GET", "/adapters/chatgpt/openapi.json", None),
]
OPEN_PAGES = {"/adapters/chatgpt/privacy"}


@pytest.mark.parametrize("way", BY_TUNNEL)
def test_the_public_way_opens_a_few_calls_to_the_public_token_alone(public, way):
    for method, path, body in PUBLIC_CALLS:
        answer = public.request(method, path, body, headers={**way, **PUBLIC_BEARER})
        assert answer.status_code in (200, 201), path
        for headers in ({}, BEARER, {"Authorization": "Bearer "}):
            assert public.request(method, path, body, headers={**way, **headers}).status_code == 401, path


@pytest.mark.parametrize("way", BY_TUNNEL)
def test_by_the_public_way_nothing_else_exists(public, way):
    known = {path for _, path, _ in PUBLIC_CALLS} | OPEN_PAGES
    document = public.get("/openapi.json", headers=BEARER).json
    closed = [
        (method.upper(), path.replace("{id}", "1").replace("{name}", "default"))
        for path, operations in document["paths"].items()
        for method in operations
        if path not in known
    ]
    assert ("DELETE", "/projects/default") in closed
    for method, path in [
        *closed,
        ("GET", "/nowhere"),
        ("POST", "//search"),
        ("POST", "/search/"),
        ("POST", "/SEARCH"),
    ]:
        for token in ({}, PUBLIC_BEARER, BEARER):
            answer = public.request(method, path, headers={**way, **token})
            assert answer.status_code == 404, path
            assert answer.json["description"] == "there is nothing at this address"


@pytest.mark.parametrize("way", BY_TUNNEL)
def test_by_the_public_way_only_a_page_without_private_detail_needs_no_token(public, way):
    for path in OPEN_PAGES:
        for token in ({}, PUBLIC_BEARER, BEARER):
            answer = public.get(path, headers={**way, **token})
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/html")


def test_the_public_token_does_not_open_the_local_way(public):
    assert search(public, headers=PUBLIC_BEARER).status_code == 401
    assert search(public, headers=BEARER).status_code == 200
    assert search(public, remote_addr="8.8.8.8", headers=PUBLIC_BEARER).status_code == 401


def test_a_page_of_the_public_address_may_use_it_and_no_other(public):
    assert search(public, headers={"Host": "evil.com", **PUBLIC_BEARER}).status_code == 421
    own = {"Host": "memory.example.com", "Origin": "https://memory.example.com", **PUBLIC_BEARER}
    assert search(public, headers=own).status_code == 200
    assert search(public, headers={**own, "Origin": "https://evil.com"}).status_code == 403
    assert search(public, headers={**own, "Origin": "http://localhost"}).status_code == 403


# A proxy that adds no headers: what it sends looks as if it came from this machine.


def test_with_a_public_address_nobody_is_local_without_the_token(public):
    for method, path in CALLS:
        wanted = 200 if path == "/health" else 401
        assert public.request(method, path).status_code == wanted, path
        assert public.request(method, path, headers={"Connection": "close"}).status_code == wanted, path
    for method, path in PAGES:
        assert public.request(method, path).content == public.request(method, path, headers=BEARER).content
    assert search(public, headers=BEARER).status_code == 200


SAID = {
    "Host": ["localhost", "127.0.0.1:8900", "[::1]", "memory.example.com"],
    "X-Forwarded-For": ["127.0.0.1", ""],
    "X-Real-IP": ["127.0.0.1"],
    "Forwarded": ["for=127.0.0.1"],
    "Via": ["1.1 x"],
    "Origin": ["http://localhost", "http://127.0.0.1:8900", "https://memory.example.com"],
    "Referer": ["http://localhost/"],
    "Sec-Fetch-Site": ["none", "same-origin"],
    "Connection": ["close"],
    "Authorization": ["", "Bearer", "Bearer ", f"Basic {TOKEN}", "Bearer localhost"],
    "User-Agent": ["faiss-memory"],
}


def test_nothing_that_a_request_says_of_itself_makes_it_the_persons(public):
    headers = st.fixed_dictionaries({}, optional={name: st.sampled_from(said) for name, said in SAID.items()})
    calls = st.sampled_from([call for call in CALLS if call[1] != "/health"])

    @hypothesis.given(headers, calls, st.sampled_from(["127.0.0.1", "::1", "172.17.0.1", "8.8.8.8"]))
    def tried(headers, call, peer):
        answer = public.request(*call, headers=headers, remote_addr=peer)
        assert answer.status_code in (401, 403, 404), (call, headers)

    tried()


def test_health_names_no_project_and_no_reason_to_who_has_shown_no_token(public, monkeypatch):
    part = Progress("secret-plans", "keywords", 0.5)
    monkeypatch.setattr(public.service.engine, "rebuilding", lambda: [part])
    public.service.engine.problems.note("worker", "/home/me/secret-plans cannot be written")
    for headers, shown in (({}, False), (BEARER, True)):
        answer = public.get("/health", headers=headers)
        assert [one["part"] for one in answer.json["problems"]] == ["worker"]
        assert ("secret-plans" in answer.text) is shown
        assert len(answer.json["rebuilding"]) == shown


# A browser says whose page asks.

SITES = [None, "none", "same-origin", "same-site", "cross-site", "", "NONE", "none, cross-site", "whatever"]
LED_HERE = ("navigate", "document")
ASKS = [LED_HERE, ("navigate", "iframe"), ("navigate", "empty"), ("no-cors", "image"), ("no-cors", "script"),
        ("cors", "empty"), (None, None), ("navigate", None), (None, "document")]  # fmt: skip
STATIC = {("GET", "/"), ("GET", "/docs"), ("GET", "/adapters/chatgpt/privacy")}


def _browser(site, mode, dest, **more):
    said = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest, **more}
    return {name: value for name, value in said.items() if value is not None}


@pytest.fixture
def every_call(client):
    """Every call that there is, by method and address, and some that are not there."""
    paths = client.get("/openapi.json").json["paths"]
    found = [(method.upper(), path) for path, calls in paths.items() for method in calls]
    filled = [(method, re.sub(r"{(name|id)}", "1", path)) for method, path in found]
    return [*filled, ("POST", "/mcp"), ("GET", "/openapi.json"), ("GET", "/"), ("GET", "/docs"), ("HEAD", "/"),
            ("OPTIONS", "/stats"), ("GET", "/nowhere"), ("POST", "/")]  # fmt: skip


def test_another_page_gets_nothing_but_to_lead_a_browser_to_a_page_without_anything(client, every_call):
    for method, path in every_call:
        for site in SITES[3:]:
            for asks in ASKS:
                answer = client.request(method, path, headers=_browser(site, *asks))
                may = (method, path) in STATIC and asks == LED_HERE
                assert answer.status_code == (200 if may else 403), (method, path, site, asks)
    for asks in ASKS:
        headers = _browser("cross-site", *asks, Origin="https://evil.com")
        assert client.get("/", headers=headers).status_code == 403


def test_our_own_pages_a_typed_address_and_programs_are_let_in(client):
    for site in SITES[:3]:
        for asks in ASKS:
            assert client.get("/stats", headers=_browser(site, *asks)).status_code == 200
            assert client.post("/backup", headers=_browser(site, *asks)).status_code == 200
    own = _browser("same-site", "cors", "empty", Origin="http://localhost")
    assert client.get("/stats", headers=own).status_code == 200
    other_port = _browser("same-site", "cors", "empty", Origin="http://localhost:3000")
    assert client.get("/stats", headers=other_port).status_code == 403


def test_a_page_to_which_links_may_lead_is_the_same_whatever_is_stored(client):
    before = [client.get(path).content for _, path in sorted(STATIC)]
    client.post("/memory/add", {"text": "a", "project": "secret-plans", "tags": ["secret-plans"]})
    assert [client.get(path).content for _, path in sorted(STATIC)] == before


def test_no_answer_can_be_shown_or_read_within_another_page(client):
    for path in ("/", "/docs", "/stats", "/archive"):
        headers = client.get(path).headers
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"


# Secrets.


def test_no_answer_and_no_log_line_tells_a_token(client_with, caplog):
    caplog.set_level(logging.DEBUG)
    client = client_with(**PUBLIC, token=TOKEN)
    wrong = {"Authorization": "Bearer wrong-5d1e"}
    for headers in (
        BEARER,
        wrong,
        {},
        {"Host": "memory.example.com", **PUBLIC_BEARER},
        {"Host": "memory.example.com", **BEARER},
    ):
        for method, path in [*CALLS, *PAGES]:
            answer = client.request(method, path, headers=headers)
            told = answer.content.decode(errors="replace") + str(answer.headers)
            assert not any(secret in told for secret in (TOKEN, PUBLIC_TOKEN, "wrong-5d1e"))
    assert not any(secret in caplog.text for secret in (TOKEN, PUBLIC_TOKEN, "wrong-5d1e"))
    assert "/search" in caplog.text


def test_the_configuration_is_shown_without_secrets(tmp_path):
    environment = {"FAISS_MEMORY_TOKEN": TOKEN, "FAISS_MEMORY_PUBLIC_TOKEN": PUBLIC_TOKEN}
    for options in ((), ("--json",)):
        shown = run("config", *options, home=str(tmp_path), **environment)
        assert shown.returncode == 0
        assert TOKEN not in shown.stdout + shown.stderr
        assert PUBLIC_TOKEN not in shown.stdout + shown.stderr
        assert "(set)" in shown.stdout


# Through the real server.


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A real process with a token for what is not local."""
    with RunningService(tmp_path_factory.mktemp("access") / "data", fake=True) as service:
        yield service


def raw(port, request):
    """Send bytes as they are; gives status and answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.connect()
    connection.sock.sendall(request)
    response = http.client.HTTPResponse(connection.sock)
    response.begin()
    content = response.read()
    connection.close()
    return response.status, json.loads(content)


@pytest.mark.parametrize("header", PROXY_HEADERS)
def test_the_server_passes_proxy_headers_on(running, header):
    assert running.call("GET", "/stats")[0] == 200
    assert running.call("GET", "/stats", headers={header: "127.0.0.1"})[0] == 401


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET /stats HTTP/1.1\r\nHost: localhost\r\n", 200),
        (b"GET /stats HTTP/1.1\r\nHost: evil.com\r\n", 421),
        (b"GET /stats HTTP/1.1\r\n", 421),
        (b"GET /stats HTTP/1.0\r\n", 421),
        (b"GET /stats HTTP/1.1\r\nHost: localhost\r\nHost: evil.com\r\n", 421),
        (b"GET http://evil.com/stats HTTP/1.1\r\nHost: evil.com\r\n", 421),
        (b"GET /stats HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.com\r\n", 403),
        (b"OPTIONS /stats HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n", 403),
        (b"GET /stats HTTP/1.1\r\nHost: localhost\r\nVIA: 1.1 x\r\n", 401),
        (b"GET /stats HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n", 403),
        (
            b"GET /stats HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n",
            403,
        ),
        (
            b"POST /backup HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 0\r\n",
            403,
        ),
    ],
)
def test_the_server_passes_host_and_origin_on(running, request_head, status):
    assert raw(running.port, request_head + b"Connection: close\r\n\r\n")[0] == status


LENGTH, CODED = b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"
SECOND = b"0\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("path", [b"/search", b"/restore/archive", b"/mcp", b"/nowhere"])
@pytest.mark.parametrize(
    ("version", "lengths"),
    [
        (b"1.1", LENGTH + CODED),
        (b"1.1", CODED + LENGTH),
        (b"1.1", LENGTH.upper() + CODED.lower()),
        (b"1.1", LENGTH + b"Transfer-Encoding:\r\n"),
        (b"1.1", LENGTH + b"Transfer-Encoding: identity\r\n"),
        (b"1.1", LENGTH + CODED + CODED),
        (b"1.1", LENGTH + b"Content-Length: 6\r\n"),
        (b"1.0", LENGTH + CODED),
        (b"1.0", CODED),
    ],
)
def test_a_request_that_has_two_ends_is_refused_and_nothing_after_it_is_read(running, path, version, lengths):
    head = b"POST " + path + b" HTTP/" + version + b"\r\nHost: localhost\r\n"
    with socket.create_connection(("127.0.0.1", running.port), timeout=120) as connection:
        connection.sendall(head + b"Content-Type: application/json\r\n" + lengths + b"\r\n" + SECOND)
        said = b"".join(iter(lambda: connection.recv(65536), b""))
    assert re.match(rb"HTTP/1.[01] 400 ", said), said
    assert len(re.findall(rb"^HTTP/1", said, re.MULTILINE)) == 1, said


# Bodies are read before the application decides; so the server decides by the head.


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A real process that asks for a token."""
    folder = tmp_path_factory.mktemp("guarded")
    with RunningService(folder / "data", fake=True, token="t0ken", others_need_token="true") as service:
        yield service


HEAD = b"POST /memory/add HTTP/1.1\r\nContent-Type: application/json\r\n"
LOCAL, RIGHT = b"Host: localhost\r\n", b"Authorization: Bearer t0ken\r\n"
NOT_LET_IN = [
    (LOCAL + b"Via: 1.1 x\r\n", 401),
    (LOCAL + b"Via: 1.1 x\r\nAuthorization: Bearer wrong\r\n", 401),
    (b"Host: evil.com\r\n" + RIGHT, 421),
    (LOCAL + b"Origin: https://evil.com\r\n" + RIGHT, 403),
    (LOCAL + b"Sec-Fetch-Site: cross-site\r\n" + RIGHT, 403),
]


@pytest.mark.parametrize("path", [b"/memory/add", b"/restore/archive", b"/nowhere"])
@pytest.mark.parametrize(("says", "status"), NOT_LET_IN)
def test_a_large_body_of_who_is_not_let_in_is_refused_before_it_is_sent(guarded, path, says, status):
    head = HEAD.replace(b"/memory/add", path) + says + b"Content-Length: 60000000\r\n\r\n"
    found, answer = raw(guarded.port, head)
    assert found == status
    assert answer["description"]


@pytest.mark.parametrize(("says", "status"), NOT_LET_IN)
def test_a_large_body_in_chunks_of_who_is_not_let_in_is_read_no_further(guarded, says, status):
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=120) as connection:
        connection.sendall(
            HEAD + says + b"Transfer-Encoding: chunked\r\n\r\n10000\r\n" + b" " * 65536 + b"\r\n"
        )
        connection.sendall(b"1\r\n")
        with suppress(ConnectionError):
            connection.sendall(b" ")
        assert connection.recv(20).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(("says", "status"), NOT_LET_IN)
def test_a_small_body_is_read_so_that_the_refusal_reaches_its_client(guarded, says, status):
    begun = HEAD + says + b"Content-Length: 2\r\n\r\n"
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=120) as connection:
        connection.sendall(begun + b"{" + b"}" + begun + b"{}")
        said = b""
        while said.count(b"HTTP/1.1 %d " % status) < 2:
            more = connection.recv(65536)
            assert more, said
            said += more


@pytest.mark.long
@pytest.mark.parametrize("token", ["t0ken", "that of the run"])
def test_a_large_body_of_who_is_let_in_is_read(guarded, token):
    if token == "that of the run":
        token = json.loads((guarded.data.parent / "faiss-memory/service.json").read_bytes())["secret"]
    bearing = {"Via": "1.1 x", "Authorization": f"Bearer {token}"}
    texts = [{"text": "kept " * 10_000}] * 20
    assert guarded.call("POST", "/memory/add-batch", {"memories": texts}, bearing)[0] == 201
    status, answer = guarded.call("POST", "/restore/archive", {"no": "archive"}, bearing)
    assert status not in (401, 403, 421), answer


@pytest.fixture(scope="module")
def member_token(guarded):
    """The token of a member who may write to `default`."""
    owner = {"Via": "1.1 x", "Authorization": "Bearer t0ken"}
    assert guarded.call("POST", "/team", {"name": "ana"}, owner)[0] == 201
    assert guarded.call("POST", "/team/ana/grant", {"project": "default", "can": "write"}, owner)[0] == 200
    return guarded.call("POST", "/team/ana/token", {}, owner)[1]["token"]


def test_a_large_body_of_a_member_is_read_but_no_file_that_only_the_owner_sends(guarded, member_token):
    bearing = {"Via": "1.1 x", "Authorization": f"Bearer {member_token}"}
    texts = [{"text": "kept " * 10_000}] * 20
    assert guarded.call("POST", "/memory/add-batch", {"memories": texts}, bearing)[0] == 201
    heads = {
        (member_token, b"/restore/archive"): 403,
        ("fmt_" + "x" * 43, b"/memory/add"): 401,
        ("fmt_" + "x" * 43, b"/restore/archive"): 401,
    }
    for (token, path), status in heads.items():
        says = LOCAL + b"Via: 1.1 x\r\nAuthorization: Bearer " + token.encode() + b"\r\n"
        head = HEAD.replace(b"/memory/add", path) + says + b"Content-Length: 60000000\r\n\r\n"
        assert raw(guarded.port, head)[0] == status, (token, path)


@pytest.mark.long
@pytest.mark.parametrize("pieces", [1, 7])
def test_a_members_requests_in_one_go_and_with_an_expected_continue_are_answered(
    guarded, member_token, pieces
):
    """Whether the body is read has to be asked of the team's tables, which the connection waits for."""
    says = LOCAL + b"Via: 1.1 x\r\nAuthorization: Bearer " + member_token.encode() + b"\r\n"
    body = b'{"text": "one after the other"}'
    one = HEAD + says + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=120) as connection:
        sent = one * 3
        for start in range(0, len(sent), -(-len(sent) // pieces)):
            connection.sendall(sent[start : start - (-len(sent) // pieces)])
        _read_until(connection, lambda said: said.count(b"HTTP/1.1 201 ") == 3)
        connection.sendall(HEAD + says + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        _read_until(connection, lambda said: said.endswith(b"HTTP/1.1 100 Continue\r\n\r\n"))
        connection.sendall(body)
        _read_until(connection, lambda said: b"HTTP/1.1 201 " in said)


def _read_until(connection, is_there):
    said = b""
    while not is_there(said):
        more = connection.recv(65536)
        assert more, said
        said += more
