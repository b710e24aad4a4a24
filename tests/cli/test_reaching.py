"""How the service is found, and what a person reads when there is none, or something else."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from tests.cli.stub import stub, talker

HEALTHY = {"status": "ok", "version": "0", "model_ready": True, "rebuilding": [], "problems": []}
REFUSED = {"title": "No", "description": "it cannot be done"}

ASKING = [
    ["add", "x"], ["search", "x"], ["list"], ["show", "1"], ["edit", "1", "--text", "x"], ["forget", "1"],
    ["forget", "--tag", "x", "--yes"], ["is-novel", "x"], ["tags"], ["projects"], ["stats"], ["backup"],
    ["health"], ["build", "x"], ["build", "x", "--no-wait"], ["build", "--status"],
]  # fmt: skip


@pytest.fixture
def free_port(closed_port):
    return str(closed_port)


def leave(tmp_path, **content):
    folder = tmp_path / "faiss-memory"
    folder.mkdir()
    file = folder / "service.json"
    file.write_text(json.dumps(content) if content else "{ broken")
    file.chmod(0o600)


# Finding the service.


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_a_service_that_does_not_run_is_told_with_a_way_out(alone, free_port, command):
    said = alone(*command, PORT=free_port).failure(4)
    assert f"http://127.0.0.1:{free_port} (setting `port`)" in said
    assert "`faiss-memory serve`" in said
    assert "`faiss-memory service install`" in said
    assert alone.seen(*command, PORT=free_port).code == 4
    assert alone(*command, "--json", PORT=free_port).failure(4) == said


def test_the_option_wins_over_the_environment_and_that_over_what_the_service_left(alone, tmp_path):
    with stub(lambda *_: (200, HEALTHY), secret="known") as one, stub(lambda *_: (200, HEALTHY)) as two:
        leave(tmp_path, url=one.url, pid=os.getpid(), secret="known", started="now")

        def address(*arguments, **environment):
            return dict(alone(*arguments, **environment).rows)["address"]

        assert address("health") == one.url
        assert address("health", FAISS_MEMORY_URL=two.url) == two.url
        assert address("health", "--url", one.url, FAISS_MEMORY_URL=two.url) == one.url
        assert address("--url", two.url, "health") == two.url
        assert address("--url", one.url, "health", "--url", f"{two.url}/") == f"{two.url}/"


def test_what_a_service_left_that_has_ended_is_told(alone, tmp_path, free_port):
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    pid = int(ended.stdout)
    leave(tmp_path, url="http://127.0.0.1:1", pid=pid, secret="known")
    said = alone("health", PORT=free_port).failure(4)
    assert f"service.json names process {pid} at http://127.0.0.1:1, which has ended" in said
    assert f"http://127.0.0.1:{free_port}" in said


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"url": 5, "pid": 1},
        {"url": "http://127.0.0.1:1"},
        {"url": "x", "pid": -1},
        {"url": "x", "pid": 1},
    ],
)
def test_a_broken_file_is_passed_over(alone, tmp_path, free_port, content):
    leave(tmp_path, **content)
    assert f"http://127.0.0.1:{free_port} (setting" in alone("health", PORT=free_port).failure(4)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8900",
        "ftp://x",
        "http://",
        "http://x:port",
        "http://a b/",
        "http://u:p@x",
        "http://ä\x1b[0m",
    ],
)
def test_what_is_no_address_is_refused(alone, url):
    said = alone("health", "--url", url).failure(2)
    assert "--url" in said
    assert "is not an address" in said
    assert "\x1b" not in said
    assert "FAISS_MEMORY_URL" in alone("health", FAISS_MEMORY_URL=url).failure(2)


def test_wrong_settings_are_told_as_such(alone):
    assert "PORT" in alone("health", PORT="many").failure(2)
    assert "did you mean FAISS_MEMORY_TOKEN" in alone("list", FAISS_MEMORY_TOKN="x").failure(2)
    assert "one line" in alone("list", FAISS_MEMORY_TOKEN="a\nb").failure(2)


def test_an_address_elsewhere_gets_no_advice_to_start_it(alone):
    said = alone("health", "--url", "http://nowhere.invalid:8900", "--timeout", "5").failure(4)
    assert "http://nowhere.invalid:8900 (--url)" in said
    assert "faiss-memory serve" not in said


# Something else answers.


@pytest.mark.parametrize(
    ("answer", "server", "says"),
    [
        ((200, HEALTHY), "nginx/1.0", "calls itself nginx/1.0"),
        ((200, HEALTHY), "", "does not say what it is"),
        ((404, b"<html>", {"Content-Type": "text/html"}), "Jupyter", "calls itself Jupyter"),
        ((200, b"<html>hello</html>"), "faiss-memory", "is not JSON of ours"),
        ((200, ["a", "list"]), "faiss-memory", "is not JSON of ours"),
        ((500, {"detail": "no"}), "faiss-memory", "status 500, is not JSON of ours"),
        (
            (302, b"", {"Location": "https://x.example/\x1b[0m"}),
            "faiss-memory",
            "points to https://x.example/",
        ),
        ((200, HEALTHY), "\x1b[31mred", "calls itself"),
    ],
)
def test_something_else_that_answers_there_is_told_apart(alone, answer, server, says):
    with stub(lambda *_: answer, server) as other:
        said = alone("health", "--url", other.url).failure(4)
        assert f"something answers at {other.url} (--url), but it is not FAISS Memory" in said
        assert says in said
        assert "\x1b" not in said


@pytest.mark.parametrize("raw", [b"SSH-2.0-OpenSSH_9.6\r\n", b"220 mail ready\r\n", b"\x00\x01\x02\xff\n\n"])
def test_what_is_no_http_is_told(alone, raw):
    with talker(lambda connection: connection.sendall(raw) or connection.shutdown(socket.SHUT_WR)) as url:
        said = alone("health", "--url", url).failure(4)
        assert "not FAISS Memory" in said
        assert "not HTTP" in said


def test_http_where_https_was_meant_is_told(alone):
    with stub(lambda *_: (200, HEALTHY)) as service:
        said = alone("health", "--url", service.url.replace("http", "https")).failure(4)
        assert "http or https" in said


# The answer does not come.


@pytest.mark.parametrize("command", [["health"], ["add", "x"]], ids=" ".join)
def test_a_service_that_does_not_answer_in_time_is_told(alone, command):
    with talker(lambda connection: None) as url:
        said = alone(*command, "--url", url, "--timeout", "0.2").failure(4)
        assert f"{url} (--url) gave no answer within 0.2 s" in said
        assert ("look before you do it again" in said) == (command[0] == "add")
        assert alone("--timeout", "0.2", *command, "--url", url).failure(4) == said


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nServer: faiss-memory\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nServer: faiss-memory\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
)
def test_a_connection_that_breaks_is_told(alone, raw):
    def talk(connection):
        connection.recv(65536)
        connection.sendall(raw)
        connection.close()

    with talker(talk) as url:
        said = alone("add", "x", "--url", url).failure(4)
        assert "broke before the answer was there" in said
        assert "look before you do it again" in said
