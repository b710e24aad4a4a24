"""kill -9 at any moment: what was acknowledged is there, what was not is there whole or not at all."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.child import POINTS
from tests.faults.journal import Acknowledged, Journal
from tests.running import ROOT, RunningService
from tests.store.oracle import EVERYTHING, EmbeddedHome, Oracle, assert_same, embed, until

# Kills of the store at a named point.


def killed_at(tmp_path, point, count):
    environment = {**os.environ, "FAULT_POINT": point, "FAULT_COUNT": str(count)}
    command = [sys.executable, "-m", "tests.faults.child", tmp_path / "data", tmp_path / "journal"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=120)


def check_whole(home, acknowledged, journal):
    store = home.open()
    try:

        def read(memory_id):
            found = store.get([memory_id])
            return found[0].text if found else None

        acknowledged.check(journal, read, store.matching_ids(EVERYTHING))
        oracle = Oracle()
        for memory in store.get(store.matching_ids(EVERYTHING)):
            oracle.memories[memory.id], oracle.embeddings[memory.id] = memory, embed(memory.text)
        assert_same(store, oracle, searches=2)
    finally:
        home.close()


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_a_named_point_loses_nothing_acknowledged(tmp_path, point):
    journal, acknowledged = Journal(tmp_path / "journal"), Acknowledged()
    for count in (1, 5) if "settled" not in point else (1,):
        child = killed_at(tmp_path, point, count)
        assert child.returncode == -signal.SIGKILL, child.stderr.decode()
        check_whole(EmbeddedHome(tmp_path / "data"), acknowledged, journal)
    journal.close()


# Kills of the whole service.


class Client:
    """One connection, kept open."""

    def __init__(self, port):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def call(self, method, path, body=None):
        sent = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, sent, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        raw = response.read()
        return response.status, json.loads(raw) if raw else {}

    def close(self):
        self._connection.close()


def write(port, journal, worker, seed):
    """Write until the service dies; then give the request that may be sent again, if there is one."""
    chance, mine, client = random.Random(f"{seed} {worker}"), [], Client(port)
    body = None
    try:
        for number in range(10_000):
            text = f"shared words {seed} {worker} {number} " + "ledger " * chance.choice([1, 1, 90])
            kind, body = chance.random(), None
            if kind < 0.6 or not mine:
                several = chance.choice([0, 0, 3])
                texts = [f"{text} {n}" for n in range(several or 1)]
                memories = [{"text": one, "project": f"p{worker % 3}"} for one in texts]
                request = {"memories": memories} if several else dict(memories[0])
                if chance.random() < 0.5:
                    request["idempotency_key"] = f"{seed}-{worker}-{number}"
                    body = ("/memory/add-batch" if several else "/memory/add", request)
                journal.asked(worker, "add", texts=texts)
                status, answer = client.call(
                    "POST", "/memory/add-batch" if several else "/memory/add", request
                )
                assert status == 201, answer
                ids = answer["ids"] if several else [answer["id"]]
                mine += ids
            elif kind < 0.8:
                ids = [chance.choice(mine)]
                journal.asked(worker, "change", ids, [text])
                assert client.call("PATCH", f"/memory/{ids[0]}", {"text": text})[0] == 200
            else:
                ids = [mine.pop(chance.randrange(len(mine)))]
                journal.asked(worker, "forget", ids)
                assert client.call("DELETE", f"/memory/{ids[0]}")[0] == 200
            journal.done(worker, ids)
    except (OSError, http.client.HTTPException):
        return body
    finally:
        client.close()
    raise AssertionError("the service was never killed")


def send_again(client, requests):
    """A client that got no answer sends its request again with the same key: it is stored once."""
    for path, body in filter(None, requests):
        first = client.call("POST", path, body)
        assert first[0] == 201
        assert client.call("POST", path, body)[1].get("ids", [first[1].get("id")]) == first[1].get(
            "ids", [first[1].get("id")]
        )
        yield first[1]["ids"] if "ids" in first[1] else [first[1]["id"]]


def all_listed(client):
    ids, cursor = [], None
    while True:
        more = f"&cursor={cursor}" if cursor else ""
        page = client.call("GET", f"/memories?project=*&limit=1000&include_superseded=true{more}")[1]
        ids += [memory["id"] for memory in page["memories"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return ids


def check_service(client, acknowledged, journal):
    def read(memory_id):
        status, answer = client.call("GET", f"/memory/{memory_id}")
        assert status in (200, 404), answer
        return answer["text"] if status == 200 else None

    until(lambda: client.call("GET", "/health")[1]["rebuilding"] == [], "the indexes are whole")
    listed = all_listed(client)
    assert len(listed) == len(set(listed))
    acknowledged.check(journal, read, listed)
    stats = client.call("GET", "/stats?project=*")[1]
    assert stats["total_memories"] == len(listed)
    for mode in ("semantic", "keyword"):
        query = {"query": "shared words", "project": "*", "mode": mode, "k": 100_000}
        found = client.call("POST", "/search", query)[1]["results"]
        assert sorted(result["id"] for result in found) == sorted(listed)
    return listed


def kill_and_restart(tmp_path, cycles, seed):
    chance = random.Random(seed)
    journal, acknowledged = Journal(tmp_path / "journal"), Acknowledged()
    with RunningService(tmp_path / "data", fake=True, **{"limits.k": "100000"}) as service:
        for cycle in range(cycles):
            target = journal.done_count + chance.randint(1, 120)
            with ThreadPoolExecutor(8) as pool:
                writers = [
                    pool.submit(write, service.port, journal, worker, f"{seed} {cycle}")
                    for worker in range(8)
                ]
                until(lambda: journal.done_count >= target, "enough was written")  # noqa: B023  (used at once)
                service.kill()
                again = [writer.result() for writer in writers]
            for _ in range(chance.choice([0, 0, 0, 1])):
                service.start(ready=False)  # and once more, while it is still starting
                service.kill()
            service.start()
            client = Client(service.port)
            before = set(check_service(client, acknowledged, journal))
            for ids in send_again(client, again):
                fresh = [memory_id for memory_id in ids if memory_id not in before]
                assert fresh in ([], ids)
                assert fresh or all(memory_id in acknowledged.states for memory_id in ids)
                for memory_id in fresh:
                    assert memory_id not in acknowledged.states
                    client.call("DELETE", f"/memory/{memory_id}")
                acknowledged.states |= {memory_id: {None} for memory_id in fresh}
            client.close()
    journal.close()
    assert min(acknowledged.counts.values()) > cycles // 2, acknowledged.counts


def test_twenty_kills_under_eight_writers_lose_nothing_acknowledged(tmp_path):
    kill_and_restart(tmp_path, 20, "normal")


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(10))
def test_two_hundred_kills_under_eight_writers_lose_nothing_acknowledged(tmp_path, seed):
    kill_and_restart(tmp_path, 20, f"long {seed}")
