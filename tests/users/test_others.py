"""Other users of the machine: who they are, whose a connection is, and that they are let in only with the token."""

from __future__ import annotations

import json
import os
import pwd
import socket
import sys
import time
from types import SimpleNamespace

import pytest

from faiss_memory import peers, serve
from faiss_memory.cli.doctor import service_checks
from faiss_memory.cli.doctor.findings import Findings
from faiss_memory.settings import Settings
from tests.running import RunningService

ANOTHER = 12345
TOKEN = "a-token-that-nobody-guesses"
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a connection is")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def as_another(
    port: int, request: bytes, *, hears: bool = True, half: bool = False, host: str = "127.0.0.1"
) -> bytes:
    """Send a request as another user, in a process of theirs; gives what came back."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgid(ANOTHER)
            os.setuid(ANOTHER)
            with socket.create_connection((host, port), timeout=120) as connection:
                connection.sendall(request)
                if half:
                    connection.shutdown(socket.SHUT_WR)
                while hears and (part := connection.recv(1 << 16)):
                    os.write(theirs, part)
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as answer:
        heard = answer.read()
    os.waitpid(child, 0)
    return heard


def written(method: str, path: str, body: object = None, **headers: str) -> bytes:
    raw = b"" if body is None else json.dumps(body).encode()
    given = {"Host": "localhost", "Connection": "close", "Content-Type": "application/json", **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{method} {path} HTTP/1.1\r\n{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A service that lets nobody else in."""
    folder = tmp_path_factory.mktemp("closed") / "data"
    with RunningService(folder, fake=True, others_need_token="true") as service:
        yield service


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """A service that asks others for its token."""
    folder = tmp_path_factory.mktemp("locked") / "data"
    with RunningService(folder, fake=True, others_need_token="true", token=TOKEN) as service:
        yield service


@linux
def test_the_user_needs_no_token(closed, locked):
    assert closed.call("GET", "/stats")[0] == 200
    assert locked.call("GET", "/stats")[0] == 200


@linux
@needs_root
def test_another_user_does(closed, locked):
    refused = as_another(closed.port, written("GET", "/stats"))
    assert refused.startswith(b"HTTP/1.1 401")
    assert b"only the user who runs this service is let in" in refused
    assert as_another(closed.port, written("GET", "/stats"), host="::1").startswith(b"HTTP/1.1 401")
    assert as_another(locked.port, written("GET", "/stats")).startswith(b"HTTP/1.1 401")
    assert as_another(locked.port, written("GET", "/health")).startswith(b"HTTP/1.1 200")
    let_in = written("GET", "/stats", Authorization=f"Bearer {TOKEN}")
    assert as_another(locked.port, let_in).startswith(b"HTTP/1.1 200")


@linux
@needs_root
@pytest.mark.parametrize("half", [True, False])
def test_who_goes_at_once_is_not_taken_for_root(closed, half):
    path = f"/memory/add?{'half' if half else 'whole'}"
    as_another(closed.port, written("POST", path, {"text": "planted"}), hears=half, half=half)
    deadline = time.monotonic() + 120
    while f"POST {path.partition('?')[0]} 401" not in closed.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert closed.call("GET", "/stats")[1]["total_memories"] == 0


def test_the_secret_of_the_run_lets_in_where_nobody_can_see_whose_a_call_is(closed):
    left = json.loads((closed.data.parent / "faiss-memory" / "service.json").read_text())
    # As behind a proxy of this machine: the call is nobody's.
    through = {"Via": "1.1 proxy"}
    assert closed.call("GET", "/stats", headers=through)[0] == 401
    known = {**through, "Authorization": f"Bearer {left['secret']}"}
    assert closed.call("GET", "/stats", headers=known)[0] == 200


@linux
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_whose_a_connection_is(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        client = socket.create_connection(server.getsockname()[:2])
        accepted, address = server.accept()
        with accepted:
            here = accepted.getsockname()[:2]
            assert peers.is_users(address[:2], here)
            assert not peers.is_users((address[0], address[1] ^ 1), here)
            client.close()
            assert not peers.is_users(address[:2], here), "a closed end is nobody's"


@pytest.mark.parametrize("address", ["", "name", "127.0.0.1.5", "::g"])
def test_what_is_no_address_is_nobodys(address):
    assert not peers.is_users((address, 1), ("127.0.0.1", 2))


def test_others_are_people_who_can_log_in(monkeypatch):
    def entry(name, uid, shell="/bin/bash"):
        return SimpleNamespace(pw_name=name, pw_uid=uid, pw_shell=shell)

    everybody = [
        entry("root", 0), entry("daemon", 1), entry("me", os.geteuid() or 4242), entry("bob", 1555), entry("eve", 1556),
        entry("git", 1557, "/usr/sbin/nologin"), entry("nobody", 65534), entry("systemd", 61184, "/bin/sh"),
    ]  # fmt: skip
    monkeypatch.setattr(pwd, "getpwall", lambda: everybody)
    monkeypatch.setattr(os, "geteuid", lambda: everybody[2].pw_uid)
    assert peers.other_users() == ["bob", "eve"]
    assert peers.named_few(["a", "b"]) == "a, b"
    assert peers.named_few(list("abcdefg")) == "a, b, c, d, e and 2 more"


@pytest.mark.long
@pytest.mark.parametrize("given", [{}, {"token": TOKEN}, {"others_need_token": True}])
@pytest.mark.parametrize("others", [[], ["bob"]])
def test_start_and_doctor_say_when_others_share_the_machine(monkeypatch, caplog, given, others):
    monkeypatch.setattr(serve, "other_users", lambda: others)
    monkeypatch.setattr(service_checks, "other_users", lambda: others)
    settings, found = Settings(**given), Findings("service")
    serve._tell_of_others(settings)
    service_checks._check_others(found, settings)
    told = bool(others) and not given
    assert ("others can log in to this machine (bob)" in caplog.text) == told
    assert (found.found[0].state == "note") == told
