"""Signing in to /mcp by OAuth, with an issuer on this machine whose keys are made here and fetched over loopback."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from faiss_memory.errors import ConfigError
from faiss_memory.http import oauth
from faiss_memory.settings import load
from tests.mcp.conftest import ACCEPT
from tests.running import RunningService
from tests.store.oracle import until

URL = "https://memory.example.com"
HOST = {"Host": "memory.example.com"}
ISSUER = "https://login.example.com/"
OWNER = {"Authorization": "Bearer tok-3f9a1c"}
SUBJECT = "auth0|6712"
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}


class Issuer:
    """Makes tokens, and serves its keys."""

    def __init__(self) -> None:
        self.keys = {
            "one": rsa.generate_private_key(65537, 2048),
            "two": ec.generate_private_key(ec.SECP256R1()),
        }
        self.served, self.asked, self.moved = ["one", "two"], 0, False
        self.instead: bytes | None = None
        """What is sent in place of an answer; empty for nothing at all, until `goes_on` is set."""
        self.goes_on = Event()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                if issuer.instead is not None:
                    self.wfile.write(issuer.instead)
                    return None if issuer.instead else issuer.goes_on.wait(30) and None
                self.send_response(302 if issuer.moved else 200)
                if issuer.moved:
                    self.send_header("Location", f"{issuer.jwks}/elsewhere")
                self.end_headers()
                self.wfile.write(
                    json.dumps({"keys": [issuer._public(name) for name in issuer.served]}).encode()
                )

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.jwks = f"http://127.0.0.1:{self.server.server_address[1]}/jwks"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def _public(self, name: str) -> dict[str, Any]:
        kind = RSAAlgorithm if name == "one" else ECAlgorithm
        return {**json.loads(kind.to_jwk(self.keys[name].public_key())), "kid": name, "use": "sig"}  # type: ignore[arg-type]

    def token(self, key: str = "one", algorithm: str = "", **changed: Any) -> str:
        claims = {"iss": ISSUER, "aud": f"{URL}/mcp", "sub": SUBJECT, "exp": time.time() + 60, **changed}
        claims = {name: value for name, value in claims.items() if value is not None}
        chosen = algorithm or {"one": "RS256", "two": "ES256"}[key]
        return jwt.encode(claims, self.keys[key], chosen, {"kid": key})


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.server.shutdown()
    issuer.server.server_close()


@pytest.fixture
def client(make_service, client_of, issuer):
    issuer.asked, issuer.served, issuer.moved, issuer.instead = 0, ["one", "two"], False, None
    service = make_service(
        public_url=URL,
        public_token="pub-77b2e0",
        token="tok-3f9a1c",
        oauth_issuer=ISSUER,
        oauth_jwks=issuer.jwks,
    )
    client = client_of(service)
    client.post("/team", {"name": "ana"}, headers=OWNER)
    client.post("/team/ana/grant", {"project": "work", "can": "write"}, headers=OWNER)
    client.post("/team/ana/subject", {"subject": SUBJECT}, headers=OWNER)
    for project in ("work", "private"):
        client.post("/memory/add", {"text": f"the ledger of {project}", "project": project}, headers=OWNER)
    return client


def asked(client: Any, token: str, message: Any = LIST) -> Any:
    bears = {"Authorization": f"Bearer {token}"} if token else {}
    return client.post("/mcp", message, headers={**HOST, **ACCEPT, **bears})


def test_who_signs_in_is_the_member_that_the_subject_is(client, issuer):
    search = {"name": "memory_search", "arguments": {"query": "ledger", "project": "*"}}
    add = {"name": "memory_add", "arguments": {"text": "by oauth", "project": "work"}}
    for key in ("one", "two"):
        found = asked(client, issuer.token(key), {**LIST, "method": "tools/call", "params": search})
        assert found.status_code == 200
        assert [one["project"] for one in found.json["result"]["structuredContent"]["results"]] == ["work"]
    assert asked(client, issuer.token(), {**LIST, "method": "tools/call", "params": add}).status_code == 200
    newest = client.get("/memories", params={"project": "work", "limit": 1}, headers=OWNER).json["memories"][
        0
    ]
    assert (newest["text"], newest["actor"]) == ("by oauth", "ana")
    assert issuer.asked == 1


def test_a_client_without_a_token_is_led_to_the_issuer(client):
    refused = asked(client, "")
    assert refused.status_code == 401
    place = "https://memory.example.com/.well-known/oauth-protected-resource/mcp"
    assert refused.headers["www-authenticate"] == f'Bearer resource_metadata="{place}"'
    for path in ("/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"):
        told = client.get(path, headers=HOST)
        assert told.json["resource"] == "https://memory.example.com/mcp"
        assert told.json["authorization_servers"] == [ISSUER]


def test_a_token_that_is_not_good_is_refused(client, issuer):
    other = rsa.generate_private_key(65537, 2048)
    claims = {"iss": ISSUER, "aud": f"{URL}/mcp", "sub": SUBJECT, "exp": time.time() + 60}
    bad = {
        "expired": issuer.token(exp=time.time() - 60),
        "without an end": issuer.token(exp=None),
        "for another": issuer.token(aud="https://other.example.com/mcp"),
        "for nobody": issuer.token(aud=None),
        "of another issuer": issuer.token(iss="https://login.example.com"),
        "of nobody": issuer.token(sub=None),
        "not yet": issuer.token(nbf=time.time() + 600),
        "signed by another": jwt.encode(claims, other, "RS256", {"kid": "one"}),
        "by a key of another kind": jwt.encode(claims, issuer.keys["two"], "ES256", {"kid": "one"}),
        "by an unknown key": jwt.encode(claims, other, "RS256", {"kid": "three"}),
        "without a key's name": jwt.encode(claims, issuer.keys["one"], "RS256"),
        "unsigned": jwt.encode(claims, None, "none", {"kid": "one"}),
        "by a secret": jwt.encode(claims, "s" * 64, "HS256", {"kid": "one"}),
        "no token": "a.b.c",
    }
    for name, token in bad.items():
        answer = asked(client, token)
        assert answer.status_code == 401, name
        assert 'error="invalid_token"' in answer.headers["www-authenticate"], name
    assert issuer.asked == 1  # unknown keys make nobody ask again at once


def test_who_is_no_member_or_was_taken_out_is_told_so(client, issuer):
    assert asked(client, issuer.token(sub="somebody")).status_code == 403
    assert asked(client, issuer.token()).status_code == 200
    client.post("/team/ana/subject", {"subject": SUBJECT, "unlink": True}, headers=OWNER)
    assert asked(client, issuer.token()).status_code == 403
    told = client.get("/team/log", headers=OWNER).json["entries"]
    assert any(one["action"] == "sign-in refused" and "somebody" in one["about"] for one in told)


def test_it_opens_mcp_on_the_public_address_and_nothing_else(client, issuer):
    bears = {"Authorization": f"Bearer {issuer.token()}"}
    assert client.post("/search", {"query": "ledger"}, headers={**HOST, **bears}).status_code == 401
    assert client.get("/memories", headers={**HOST, **bears}).status_code == 404
    assert client.get("/memories", headers=bears).status_code == 401
    assert client.post("/mcp", LIST, headers={**ACCEPT, **bears}).status_code == 401


def test_a_new_key_is_met_and_one_taken_back_counts_no_more(client, issuer, monkeypatch):
    monkeypatch.setattr(oauth, "SECONDS_BETWEEN_FETCHES", 0)
    issuer.served = ["one"]
    assert asked(client, issuer.token("one")).status_code == 200
    issuer.served = ["two"]
    assert asked(client, issuer.token("two")).status_code == 200
    assert asked(client, issuer.token("one")).status_code == 401


def test_keys_that_cannot_be_fetched_let_nobody_in_and_no_redirect_is_followed(client, issuer):
    issuer.moved = True
    assert asked(client, issuer.token()).status_code == 503
    assert issuer.asked == 1


ODD = [[], ["one"], {}, {"a": 1}, 5, -1, None, True, "", "odd", "\ud800", "A" * 5_000]


@pytest.mark.parametrize(
    "name", ["kid", "kty", "alg", "use", "crv", "n", "e", "x", "y", "key_ops", "x5c", "d"]
)
def test_an_odd_key_costs_that_key_alone(client, issuer, caplog, name):
    """Also before and after the good one, and under its name."""
    good = {key: issuer._public(key) for key in ("one", "two")}
    odd = [{**key, "kid": "another", name: value} for key in good.values() for value in ODD]
    odd += [*ODD, {**good["one"], "crv": [], "kty": "EC"}, {"kid": "one"}]
    said = json.dumps({"keys": [*odd, *good.values(), *odd]}).encode()
    issuer.instead = OK + said
    for key in good:
        assert asked(client, issuer.token(key)).status_code == 200
    assert "is left out" in caplog.text
    assert "more keys of the OAuth issuer are left out" in caplog.text


OK = b"HTTP/1.0 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    "said",
    [b"\0\1nonsense\r\n\r\n", b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n{}", OK, OK + b"[" * 200_000,
     OK + b'{"keys": [' + b"{}," * 400_000, OK + b'{"keys": 5}', OK + b'{"keys": [{"kty": "RSA", "kid": ["one"]}]}',
     b"HTTP/1.0 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n"],
    ids=["no http", "cut short", "nothing", "deep", "large", "no list", "no name", "long header"],
)  # fmt: skip
def test_an_issuer_that_answers_anything_is_one_that_cannot_be_asked(client, issuer, said):
    issuer.instead = said
    refused = asked(client, issuer.token())
    assert (refused.status_code, refused.json["title"]) == (503, "Service Unavailable")


def test_nobody_waits_for_another_who_asks_the_issuer(client, issuer, monkeypatch):
    monkeypatch.setattr(oauth, "SECONDS_TO_FETCH", 10.0)
    issuer.instead = b""
    first = Thread(target=asked, args=(client, issuer.token()))
    first.start()
    try:
        until(lambda: issuer.asked, "the issuer is asked")
        assert asked(client, issuer.token()).status_code == 503
        assert issuer.asked == 1
    finally:
        issuer.goes_on.set()
        first.join()
        issuer.goes_on.clear()


@pytest.mark.parametrize("sub", ["\ud800", "a\0b", "x" * 50_000, ""])
def test_a_subject_that_nobody_has_lets_nobody_in(client, issuer, sub):
    assert asked(client, issuer.token(sub=sub)).status_code in (401, 403)


def test_a_service_answers_others_while_the_issuer_keeps_one_waiting(tmp_path, issuer):
    """The server looks at who asks before it reads a body: that is nothing that its loop may wait for."""
    issuer.instead, issuer.asked = b"", 0
    settings = {
        "public_url": URL, "public_token": "pub-77b2e0", "token": "tok-3f9a1c",
        "oauth_issuer": ISSUER, "oauth_jwks": issuer.jwks,
    }  # fmt: skip
    with RunningService(tmp_path / "data", fake=True, **settings) as running:
        bears = {"Authorization": f"Bearer {issuer.token()}", **HOST, **ACCEPT}
        answers: list[Any] = []
        waiting = Thread(target=lambda: answers.append(running.call("POST", "/mcp", LIST, bears)))
        waiting.start()
        until(lambda: issuer.asked, "the issuer is asked")
        began = time.monotonic()
        assert running.call("GET", "/health")[0] == 200
        assert running.call("POST", "/search", {"query": "x"}, OWNER)[0] == 200
        assert time.monotonic() - began < 3
        assert not answers
        issuer.goes_on.set()
        waiting.join(60)
        issuer.goes_on.clear()
        assert answers[0][0] == 503


def test_without_an_issuer_there_is_nothing_of_it(make_service, client_of, issuer):
    client = client_of(make_service(public_url=URL, public_token="pub-77b2e0", token="tok-3f9a1c"))
    assert client.get("/.well-known/oauth-protected-resource", headers=HOST).status_code == 404
    assert asked(client, issuer.token()).status_code == 401
    assert client.get("/.well-known/oauth-protected-resource", headers=OWNER).status_code == 404


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"oauth_issuer": ISSUER, "oauth_jwks": "https://login.example.com/jwks"}, "public_url"),
        ({"oauth_issuer": ISSUER, "public_url": URL}, "oauth_jwks"),
        (
            {"oauth_jwks": "http://login.example.com/jwks", "oauth_issuer": ISSUER, "public_url": URL},
            "oauth_jwks",
        ),
        ({"oauth_jwks": "https://login.example.com/jwks", "public_url": URL}, "oauth_issuer"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(given, says):
    tokens = {"public_token": "pub-77b2e0", "token": "tok-3f9a1c"} if "public_url" in given else {}
    with pytest.raises(ConfigError, match=says):
        load(None, {**given, **tokens}, {}, lambda disabled: {})
