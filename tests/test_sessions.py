"""Logging in with the token in a browser: a cookie that no script reads, and what it may do."""

from __future__ import annotations

import pytest

from faiss_memory.http import sessions
from faiss_memory.http.sessions import COOKIE

TOKEN = "tok-3f9a1c"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PAGE = {"X-FAISS-Memory": "page"}
OWN = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def now(monkeypatch):
    """The time of sessions, which a test moves on."""
    clock = [1000.0]
    monkeypatch.setattr(sessions, "monotonic", lambda: clock[0])
    return clock


@pytest.fixture
def client(make_service, client_of):
    return client_of(make_service(token=TOKEN))


def login(client, token=TOKEN, **options):
    return client.post("/login", {"token": token}, **options)


def cookie(answer):
    return {"Cookie": f"{COOKIE}={answer.cookies[COOKIE].value}"}


def test_the_token_begins_a_session_that_reads_and_writes_like_it(client):
    assert client.get("/stats").status_code == 401
    answer = login(client, headers=OWN)
    assert answer.json == {"success": True, "idle_seconds": 12 * 3600}
    assert TOKEN not in answer.text + str(answer.headers)
    session = cookie(answer)
    assert client.get("/stats", headers=session).status_code == 200
    for method, path, body in (("POST", "/memory/add", {"text": "x"}), ("DELETE", "/memory/1", None)):
        refused = client.request(method, path, body, headers=session)
        assert refused.status_code == 403
        assert "X-FAISS-Memory: page" in refused.json["description"]
        assert client.request(method, path, body, headers={**session, **PAGE}).status_code in (200, 201)


def test_the_cookie_is_read_by_no_script_and_sent_by_no_other_site(client):
    said = login(client).headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"):
        assert part in said
    assert "Secure" not in said
    assert "Domain" not in said


def test_behind_https_the_cookie_is_sent_by_https_alone(client):
    for headers in ({"X-Forwarded-Proto": "https"}, {"Host": "localhost:443", "Origin": "https://localhost"}):
        answer = login(client, headers=headers)
        assert "Secure" in answer.headers["set-cookie"]


def test_other_pages_may_neither_log_in_nor_use_a_session(client):
    session = cookie(login(client))
    foreign = {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}
    assert login(client, headers=foreign).status_code == 403
    assert client.get("/stats", headers={**session, **foreign}).status_code == 403
    assert client.post("/search", {"query": "x"}, headers={**session, **PAGE, **foreign}).status_code == 403
    form = client.request(
        "POST", "/login", body=None, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert form.status_code in (400, 415)


@pytest.mark.parametrize("name", ["", "x", "0" * 43, TOKEN])
def test_what_is_no_session_opens_nothing(client, name):
    login(client)
    assert client.get("/stats", headers={"Cookie": f"{COOKIE}={name}", **PAGE}).status_code == 401


def test_logging_out_ends_the_session_and_no_other(client):
    first, second = cookie(login(client)), cookie(login(client))
    assert first != second
    assert client.post("/logout", headers=first).status_code == 403
    answer = client.post("/logout", headers={**first, **PAGE})
    assert answer.json == {"success": True}
    assert "expires=" in answer.headers["set-cookie"].lower()
    assert client.get("/stats", headers=first).status_code == 401
    assert client.get("/stats", headers=second).status_code == 200


def test_a_session_ends_when_it_is_not_used(client, now):
    session = cookie(login(client))
    for _ in range(3):
        now[0] += 11 * 3600
        assert client.get("/stats", headers=session).status_code == 200
    now[0] += 12 * 3600 + 1
    assert client.get("/stats", headers=session).status_code == 401


def test_with_too_many_sessions_the_one_not_used_for_longest_ends(client, now):
    first, second = cookie(login(client)), cookie(login(client))
    assert client.get("/stats", headers=first).status_code == 200
    for _ in range(99):
        login(client)
    assert client.get("/stats", headers=second).status_code == 401
    assert client.get("/stats", headers=first).status_code == 200


def test_wrong_tokens_are_refused_and_soon_not_looked_at(client, now):
    for _ in range(5):
        answer = login(client, "wrong")
        assert (answer.status_code, "token" in answer.json["description"]) == (401, True)
    for token in ("wrong", TOKEN):
        answer = login(client, token)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert client.get("/stats", headers=BEARER).status_code == 200
    assert login(client, remote_addr="127.0.0.2").status_code == 200
    now[0] += 61
    assert login(client).status_code == 200


def test_where_there_is_no_token_nobody_can_log_in(make_service, client_of):
    client = client_of(make_service())
    for token in ("x", " "):
        assert login(client, token).status_code == 401
    assert login(client, "").status_code == 400


def test_by_the_public_way_there_is_no_session(make_service, client_of):
    public = {"public_url": "https://memory.example.com", "public_token": "pub-77b2e0"}
    client = client_of(make_service(token=TOKEN, **public))
    by_it = {"Host": "memory.example.com"}
    session = cookie(login(client))
    assert login(client, headers=by_it).status_code == 404
    assert client.post("/search", {"query": "x"}, headers={**session, **PAGE, **by_it}).status_code == 401
    assert client.get("/stats", headers={**session, **PAGE, **by_it}).status_code == 401
    assert client.get("/stats", headers=session).status_code == 200
