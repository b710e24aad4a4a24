"""SIGTERM in the middle of everything: each request is answered or has not been done, and the service ends in order."""

from __future__ import annotations

import http.client
import itertools
import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event

import pytest

from tests.faults.service import Client, check_service, ids_of
from tests.faults.test_kill import times
from tests.running import RunningService
from tests.store.oracle import until

pytestmark = pytest.mark.faults

WRITERS = 64


class Adding:
    """A client that adds until the service is gone, and takes no answer for a refusal: it is stricter than needed."""

    def __init__(self, port, journal, worker, cycle):
        self.client, self.journal, self.worker, self.cycle = Client(port), journal, worker, cycle
        self.answered, self.refused, self.dropped = 0, 0, 0

    def add(self, stop):
        try:
            for number in itertools.count():
                if stop.is_set():
                    return
                self._add_one(f"shared words {self.cycle} {self.worker} {number}")
        except OSError:
            self.dropped += 1
            self.journal.refused(self.worker)
        finally:
            self.client.close()

    def _add_one(self, text):
        self.journal.asked(self.worker, "add", texts=[text])
        status, answer = self.client.call(
            "POST", "/memory/add", {"text": text, "project": f"p{self.worker % 4}"}
        )
        assert status in (201, 503), answer
        if status == 201:
            self.journal.done(self.worker, ids_of(answer))
            self.answered += 1
        else:
            self.journal.refused(self.worker)
            self.refused += 1


def end_under_writers(service, journal, cycle, end):
    """Let all clients write, end the service in the middle of it; gives the clients and what ending it gave."""
    stop, clients = Event(), [Adding(service.port, journal, worker, cycle) for worker in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as pool:
        adding = [pool.submit(client.add, stop) for client in clients]
        until(lambda: sum(client.answered for client in clients) >= 2 * WRITERS, "all of them are at it")
        try:
            outcome = end()
        finally:
            stop.set()
        for one in adding:
            one.result()
    return clients, outcome


@pytest.fixture
def service(tmp_path):
    with RunningService(tmp_path / "data", fake=True, **{"limits.k": "100000"}) as running:
        yield running


@times(1, 10)
def test_a_stop_under_64_writers_answers_or_leaves_undone_every_request(
    service, journal, acknowledged, tally, cycles
):
    """A request without an answer counts as refused here: it must not have been stored."""
    for cycle in range(cycles):
        _, code = end_under_writers(service, journal, cycle, service.stop)
        assert code == 0
        service.start()
        client = Client(service.port)
        for memory_id in check_service(client, acknowledged, journal)[:200]:
            journal.asked(0, "forget", [memory_id])
            assert client.call("DELETE", f"/memory/{memory_id}")[0] == 200
            journal.done(0, [memory_id])
        client.close()
    tally("SIGTERM under 64 clients: each request answered, or not done", cycles)


def kill_is_noticed(service, journal, acknowledged, cycle):
    try:
        end_under_writers(service, journal, cycle, service.kill)
        service.start()
        with closing(Client(service.port)) as client:
            check_service(client, acknowledged, journal)
    except (AssertionError, http.client.HTTPException):
        return True
    return False


@pytest.mark.long
def test_a_service_that_is_killed_instead_is_noticed(service, journal, acknowledged, tally):
    """What was asked and stored without an answer is what an orderly stop must not leave behind."""
    for cycle in range(10):
        if kill_is_noticed(service, journal, acknowledged, cycle):
            break
    else:
        raise AssertionError("ten kills looked like orderly stops")
    tally("control: kill -9 under 64 clients, taken for a stop", result="noticed, as it must be")


def is_taken(port):
    """Return whether a new connection is taken; one that lies in the queue of a socket as it closes is reset."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except (ConnectionRefusedError, ConnectionResetError):
        return False
    return True


def test_while_it_stops_each_answer_is_the_last_of_its_connection(service):
    """Who goes on asking over the same one, as assistants do, would hold up a stop that waits for another request."""
    body = json.dumps({"text": "begun before the stop"}).encode()
    asking, begun = (http.client.HTTPConnection("127.0.0.1", service.port, timeout=60) for _ in range(2))
    with closing(asking), closing(begun):
        asking.request("GET", "/health")
        first = asking.getresponse()
        assert first.read()
        assert not first.will_close
        begun.putrequest("POST", "/memory/add")
        begun.putheader("Content-Type", "application/json")
        begun.putheader("Content-Length", str(len(body)))
        begun.endheaders(body[:9])
        until(lambda: service.call("GET", "/health")[0] == 200, "the head of it has been read")
        service.process.send_signal(signal.SIGTERM)
        until(lambda: not is_taken(service.port), "nobody else is let in")
        asking.request("GET", "/health")
        answer = asking.getresponse()
        assert answer.status == 200
        assert answer.will_close
        begun.send(body[9:])
        assert begun.getresponse().status == 201
    assert service.process.wait(timeout=120) == 0
