"""A client that does not come to an end keeps nobody out, and one that moves on is waited for."""

from __future__ import annotations

import json
import socket
import struct
import sys
from collections import deque
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer, create_server

from faiss_memory.http import patience, turns
from faiss_memory.http.access import AccessControl
from faiss_memory.http.patience import MOST_CONNECTIONS, Patience
from faiss_memory.http.server import _Channel
from faiss_memory.http.uploads import Uploads
from faiss_memory.settings import Settings
from tests.running import RunningService

MANY = MOST_CONNECTIONS + 100
HALF = {
    "nothing": b"",
    "half a head": b"POST /memory/add HTTP/1.1\r\nHost: localhost\r\nContent-Ty",
    "half a body": b"POST /memory/add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{",
    "half an upload": b"POST /restore/archive HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-tar\r\n"
    b"Content-Length: 100000\r\n\r\nx",
    "a whole request": b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with RunningService(tmp_path_factory.mktemp("patience") / "data", fake=True) as service:
        yield service


@pytest.mark.parametrize("sent", HALF.values(), ids=HALF)
def test_many_open_connections_keep_nobody_out(running, sent):
    with ExitStack() as stack:
        for _ in range(MANY):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=60))
            with suppress(ConnectionError):  # it has made room for another by now
                client.sendall(sent)
        for _ in range(3):
            assert running.call("GET", "/health")[0] == 200
            assert running.call("POST", "/memory/add", {"text": f"kept beside {len(sent)}"})[0] == 201


def test_clients_that_do_not_read_their_answers_keep_nobody_out(running):
    """Each has asked for more than the network takes by itself; the threads that answer must not wait for them."""
    long = {"text": "x" * 60_000, "project": "long"}
    for _ in range(10):
        running.call("POST", "/memory/add-batch", {"memories": [long] * 20})
    asked = b"GET /memories?project=long&limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=60))
            client.sendall(asked)
        assert running.call("GET", "/health")[0] == 200


CHUNKED = b"POST /search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
SENT_FOR_READING = {
    "heads of many lines": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 30_000 + b"\r\n",
    "folded lines": b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\r\n" + b" \r\n" * 60_000 + b"\r\n",
    "blank lines": b"\r\n\r\n" * 40_000,
    "small chunks": CHUNKED + b"1\r\nx\r\n" * 30_000,
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads what a thread has cost from /proc")
@pytest.mark.parametrize("sent", SENT_FOR_READING.values(), ids=SENT_FOR_READING)
def test_what_many_send_costs_the_loop_little_before_another_is_answered(running, sent):
    """The loop's thread is the process' first. Measured in its CPU time, so that load beside it does not count: where
    one connection is read to its end before the next is heard, this takes many times as much.
    """

    def spent():
        thread = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/schedstat")
        return int(thread.read_text().split()[0]) / 1e9

    with ExitStack() as stack:
        for _ in range(60):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=60))
            client.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )  # nothing is left to read
            client.setblocking(False)
            with suppress(ConnectionError, BlockingIOError):
                client.send(sent)
        before = spent()
        assert running.call("GET", "/health")[0] == 200
        assert spent() - before < 2


class Listener:
    """What a channel needs of its server."""

    def __init__(self):
        self.active_channels, self.tasks = {}, []
        self.adj = Adjustments()

    def add_task(self, task):
        self.tasks.append(task)

    def pull_trigger(self):
        pass


@pytest.fixture
def connected(tmp_path):
    """Make connections with their clients; gives both ends."""
    with ExitStack() as stack:
        settings, listener, watched = Settings(data_dir=str(tmp_path)), Listener(), {}

        def make():
            client, ours = socket.socketpair()
            stack.enter_context(client)
            ours.setblocking(False)
            uploads = Uploads(settings, {"/restore/archive"}, AccessControl(settings, ()))
            channel = _Channel(
                uploads, lambda: False, deque(), listener, ours, ("127.0.0.1", 1), listener.adj, map=watched
            )
            stack.callback(channel.handle_close)
            return channel, client

        make.watched = watched
        yield make


def begin(channel, sent):
    channel.received(sent)
    return channel.request.began


def test_who_was_heard_longest_ago_is_heard_first_and_nobody_for_long(connected, monkeypatch):
    monkeypatch.setattr(turns, "SECONDS_TO_HEAR", 0.0)  # (so that each turn hears one)
    channels = [connected()[0] for _ in range(3)]
    heard = []
    for channel in channels:
        monkeypatch.setattr(channel, "readable", lambda: False)
        monkeypatch.setattr(channel, "writable", lambda: True)
        monkeypatch.setattr(channel, "handle_write", partial(heard.append, channel))
    for _ in range(4):
        turns.turn(connected.watched, 0)
    newest = connected()[0]
    newest.will_close = True
    monkeypatch.setattr(newest, "handle_write", partial(heard.append, newest))
    turns.turn(connected.watched, 0)
    assert heard == [*channels, channels[0], newest]


def test_of_requests_that_come_together_one_is_read_before_others_are_heard(connected):
    channel, _ = connected()
    ask = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"
    channel.received(b"\r\n" + ask + b"\r\n" + 50 * ask)
    read = 1
    while channel.requests:
        assert len(channel.requests) == 1
        assert not channel.readable()
        channel.requests.pop()  # it was answered
        channel.go_on()
        read += len(channel.requests)
    assert read == 51
    assert channel.readable()


def test_all_who_wait_are_taken_in_one_turn(running_listener):
    listener, watched, port = running_listener
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
        turns.turn(watched, 1)
        assert len(listener.active_channels) == 20
        for channel in list(listener.active_channels.values()):
            channel.handle_close()


@pytest.fixture
def running_listener():
    """A server whose loop is not run; gives its listener, what it watches, and its port."""
    watched = {}
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = create_server(Mock(), map=watched, sockets=[listening], _dispatcher=Mock())
        (listener,) = [part for part in watched.values() if isinstance(part, TcpWSGIServer)]
        turns.accept_all(listener)
        yield listener, watched, listening.getsockname()[1]
        server.close()


def test_a_connection_that_says_nothing_goes(connected):
    channel, _ = connected()
    assert not channel.is_too_slow(channel._free_since + 14)
    assert channel.is_too_slow(channel._free_since + 16)


def test_a_head_that_comes_in_drops_goes(connected):
    channel, _ = connected()
    began = begin(channel, b"GET / HTTP/1.1\r\n")
    for number in range(100):
        channel.received(b"X-More: %d\r\n" % number)
    assert not channel.is_too_slow(began + 14)
    assert channel.is_too_slow(began + 16)


@pytest.mark.parametrize("kind", ["half a body", "half an upload"])
def test_a_body_is_waited_for_as_long_as_it_comes_at_a_pace(connected, kind):
    channel, _ = connected()
    channel.received(HALF[kind].replace(b": 1000", b": 1000000"))
    head_at = channel.request.head_at
    assert head_at is not None
    assert not channel.is_too_slow(head_at + 29)
    assert channel.is_too_slow(head_at + 31)
    channel.received(b"x" * 50_000)
    assert not channel.is_too_slow(head_at + 75)
    assert channel.is_too_slow(head_at + 85)


@pytest.mark.parametrize("begun", [b"", b"1;a=", b"1\r\n{\r\n", b"0\r\n", b"0\r\na: b\r\n"])
def test_what_stands_between_chunks_is_short(connected, begun):
    """The server looks through all of it again with each piece that comes, while everybody waits."""
    channel, _ = connected()
    channel.received(CHUNKED + begun)
    for _ in range(3):
        channel.received(b"1" * 8192)
    (request,) = channel.requests
    assert request.error.code == 400
    assert "between the chunks" in request.error.body


def test_many_small_chunks_are_a_body(connected):
    channel, _ = connected()
    chunks = b"".join(b"1;name=value\r\n%d\r\n" % (number % 10) for number in range(20_000))
    sent = CHUNKED + chunks + b"0\r\nX-More: after it\r\n\r\n"
    for start in range(0, len(sent), 8192):
        channel.received(sent[start : start + 8192])
    (request,) = channel.requests
    assert request.error is None
    assert request.get_body_stream().read() == b"0123456789" * 2000


def test_an_answer_is_waited_for_as_long_as_it_is_read_at_a_pace(connected):
    channel, client = connected()
    channel.write_soon(b"y" * 5_000_000)
    assert channel.total_outbufs_len
    assert not channel.is_too_slow(1000.0)
    assert not channel.is_too_slow(1029.0)
    assert channel.is_too_slow(1031.0)
    client.settimeout(10)
    read = 0
    while read < 100_000:
        read += len(client.recv(50_000))
    channel._flush_some()
    assert not channel.is_too_slow(1031.0)


def test_who_is_being_answered_or_keeps_a_connection_for_later_is_left_alone(connected):
    channel, _ = connected()
    channel.received(HALF["a whole request"])
    assert channel.requests
    assert not channel.is_too_slow(channel._free_since + 10_000)
    channel.requests, channel._has_served = [], True
    assert not channel.is_too_slow(channel._free_since + 10_000)


def test_what_the_server_does_not_catch_ends_the_connection(connected, monkeypatch):
    class Exits:
        wrote_header = False

        def __init__(self, channel, request):
            self.request = request

        def service(self):
            sys.exit("a plugin wants to end it all")

    channel, _ = connected()
    monkeypatch.setattr(channel, "task_class", Exits)
    channel.received(HALF["a whole request"])
    with pytest.raises(SystemExit):
        channel.service()
    assert (channel.requests, channel.close_when_flushed) == ([], True)


def test_room_is_made_by_who_has_been_waited_for_longest(connected, monkeypatch):
    monkeypatch.setattr(patience, "MOST_CONNECTIONS", 4)
    (asking, _), (kept, _), (body, _), (upload, _), (half, _), (fresh, _) = (connected() for _ in range(6))
    asking.received(HALF["a whole request"])
    kept._has_served, kept._free_since = True, kept._free_since - 20
    body.received(HALF["half a body"])
    body.request.head_at -= 10
    upload.received(HALF["half an upload"] + b"x" * 20_000)
    upload.request.head_at -= 20
    half.received(HALF["half a head"])
    half.request.began -= 5
    look = Patience().look

    def closed():
        look(list(connected.watched.values()))
        return [one.will_close for one in (kept, body, half, upload, fresh, asking)]

    assert closed() == [True, True, False, False, False, False]
    monkeypatch.setattr(patience, "MOST_CONNECTIONS", 1)
    assert closed() == [True, True, True, True, True, False]


def test_who_has_sent_what_is_not_read_yet_makes_no_room(connected, monkeypatch):
    """Others were opened after it, and have been read meanwhile."""
    monkeypatch.setattr(patience, "MOST_CONNECTIONS", 2)
    (early, client), (silent, _), (half, _) = (connected() for _ in range(3))
    early._free_since -= 5
    client.sendall(HALF["a whole request"])
    half.received(HALF["half a body"])
    Patience().look(list(connected.watched.values()))
    assert [one.will_close for one in (early, silent, half)] == [False, True, False]
    early.handle_read()
    early.requests.clear()  # it was answered
    early._free_since -= 5
    Patience().look([early, half, connected()[0]])
    assert early.will_close


@pytest.mark.long
def test_a_request_in_pieces_is_answered(running):
    body = json.dumps({"text": "in pieces"}).encode()
    head = b"POST /memory/add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", running.port), timeout=60) as client:
        for piece in (head, b"Content-Length: %d\r\n\r\n" % len(body), body[:5], body[5:]):
            client.sendall(piece)
        assert client.recv(20).startswith(b"HTTP/1.1 201")


REFUSED = b"POST /memory/add HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n"


def test_who_is_refused_while_sending_can_send_on_and_read_why(running):
    """Most clients read nothing before they have sent all: a connection that was reset would tell them nothing."""
    size = 32 * 2**20
    with socket.create_connection(("127.0.0.1", running.port), timeout=60) as client:
        client.sendall(REFUSED + b"Content-Length: %d\r\n\r\n" % size)
        for _ in range(32):
            client.sendall(bytes(2**20))
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(2**16), b""))
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"another origin" in answer


def test_who_was_refused_is_not_waited_for_for_ever(connected):
    channel, client = connected()
    channel.received(REFUSED + b"Content-Length: 99999999\r\n\r\n")
    channel.service()
    channel.handle_write()
    assert client.recv(2**16).startswith(b"HTTP/1.1 403 ")
    client.sendall(b"{")
    channel.handle_read()
    since = channel._lingering_since
    assert channel.connected
    assert not channel.is_too_slow(since + 4)
    assert channel.is_too_slow(since + 6)
    client.close()
    channel.handle_read()
    channel.handle_write()
    assert not channel.connected
