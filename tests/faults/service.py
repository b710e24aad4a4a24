"""Clients of a whole service that note what they ask and what is acknowledged."""

from __future__ import annotations

import http.client
import json
import random
from collections.abc import Iterable, Iterator
from typing import Any

from tests.faults.journal import Acknowledged, Journal
from tests.store.oracle import until

Request = tuple[str, dict[str, Any]]


class Client:
    """One connection, kept open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        sent = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, sent, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        raw = response.read()
        return response.status, json.loads(raw) if raw else {}

    def close(self) -> None:
        self._connection.close()


class Writer:
    """A client that adds, corrects and forgets memories of its own until the service is gone."""

    def __init__(self, port: int, journal: Journal, worker: int, seed: str) -> None:
        self._client, self._journal, self._worker, self._seed = Client(port), journal, worker, seed
        self._chance = random.Random(f"{seed} {worker}")
        self._mine: list[int] = []
        self._number = 0
        self.unanswered: Request | None = None
        """The last request, if no answer came and it may be sent again."""

    def write(self) -> Request | None:
        """Write until the service dies; then give the request that may be sent again, if there is one."""
        try:
            for self._number in range(10_000):
                self.unanswered = None
                self._write_once()
        except (OSError, http.client.HTTPException):
            return self.unanswered
        finally:
            self._client.close()
        raise AssertionError("the service was never killed")

    def _write_once(self) -> None:
        text = f"shared words {self._seed} {self._worker} {self._number} "
        text += "ledger " * self._chance.choice([1, 1, 90])
        kind = self._chance.random()
        if kind < 0.6 or not self._mine:
            ids = self._add(text)
        elif kind < 0.8:
            ids = [self._chance.choice(self._mine)]
            self._journal.asked(self._worker, "change", ids, [text])
            status, answer = self._client.call("PATCH", f"/memory/{ids[0]}", {"text": text})
            assert status == 200, answer
        else:
            ids = [self._mine.pop(self._chance.randrange(len(self._mine)))]
            self._journal.asked(self._worker, "forget", ids)
            status, answer = self._client.call("DELETE", f"/memory/{ids[0]}")
            assert status == 200, answer
        self._journal.done(self._worker, ids)

    def _add(self, text: str) -> list[int]:
        several = self._chance.choice([0, 0, 3])
        texts = [f"{text} {number}" for number in range(several or 1)]
        memories = [{"text": one, "project": f"p{self._worker % 3}"} for one in texts]
        body: dict[str, Any] = {"memories": memories} if several else dict(memories[0])
        path = "/memory/add-batch" if several else "/memory/add"
        if self._chance.random() < 0.5:
            body["idempotency_key"] = f"{self._seed}-{self._worker}-{self._number}"
            self.unanswered = path, body
        self._journal.asked(self._worker, "add", texts=texts)
        status, answer = self._client.call("POST", path, body)
        assert status == 201, answer
        ids = ids_of(answer)
        self._mine += ids
        return ids


def ids_of(answer: dict[str, Any]) -> list[int]:
    """Give the ids in the answer to an add, of one memory or of several."""
    return list(answer["ids"]) if "ids" in answer else [answer["id"]]


def send_again(client: Client, requests: Iterable[Request | None]) -> Iterator[list[int]]:
    """A client that got no answer sends its request again with the same key: it is stored once."""
    for path, body in filter(None, requests):
        status, answer = client.call("POST", path, body)
        assert status == 201, answer
        assert ids_of(client.call("POST", path, body)[1]) == ids_of(answer)
        yield ids_of(answer)


def all_listed(client: Client) -> list[int]:
    ids: list[int] = []
    cursor = None
    while True:
        more = f"&cursor={cursor}" if cursor else ""
        page = client.call("GET", f"/memories?project=*&limit=1000&include_superseded=true{more}")[1]
        ids += [memory["id"] for memory in page["memories"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return ids


def check_service(client: Client, acknowledged: Acknowledged, journal: Journal) -> list[int]:
    """Check a running service, started with a large `limits.k`, against the journal; gives the ids it holds."""
    until(lambda: client.call("GET", "/health")[1]["rebuilding"] == [], "the indexes are whole")
    listed = check_records(client, acknowledged, journal)
    for mode in ("semantic", "keyword"):
        query = {"query": "shared words", "project": "*", "mode": mode, "k": 100_000}
        found = client.call("POST", "/search", query)[1]["results"]
        assert sorted(result["id"] for result in found) == sorted(listed)
    return listed


def check_records(client: Client, acknowledged: Acknowledged, journal: Journal) -> list[int]:
    """Check what can be read, whether or not everything can be found."""
    listed = all_listed(client)
    assert len(listed) == len(set(listed))
    content = {}
    for memory_id in sorted({*listed, *acknowledged.states}):
        status, answer = client.call("GET", f"/memory/{memory_id}")
        assert status in (200, 404), answer
        if status == 200:
            content[memory_id] = answer["text"]
    assert sorted(content) == sorted(listed), "what is listed and what can be read are not the same"
    acknowledged.check(journal, content)
    assert client.call("GET", "/stats?project=*")[1]["total_memories"] == len(listed)
    return listed
