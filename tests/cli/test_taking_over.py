"""In which order what an importer reads is sent, and in how many requests."""

from __future__ import annotations

import pytest

from faiss_memory import Importer, Record
from faiss_memory.cli.memories.taking_over import AT_ONCE, TakingOver
from faiss_memory.cli.output import PlainOutput
from faiss_memory.cli.session import Session
from faiss_memory.uids import named_uid
from tests.growth import assert_linear


class Chain(Importer):
    """So many memories, each of which replaces the one before; the newest stand first."""

    name, title = "chain", "Chain"

    def __init__(self, length, first=None):
        self._length, self._first = length, first

    def fits(self, path):
        return False

    def read(self, path):
        for number in reversed(range(self._length)):
            older = f"{number - 1}" if number else self._first
            yield Record(key=f"{number}", text=f"note {number}", supersedes=older)


class Counting:
    """What the service is sent, each of which is new to it."""

    def __init__(self):
        self.requests = []

    def call(self, method, path, body=None, params=None, **_):
        self.requests.append([one["uid"] for one in body["memories"]])
        results = [{"uid": one["uid"], "outcome": "new", "reason": ""} for one in body["memories"]]
        return {"counts": {"new": len(results)}, "results": results}


def sent(tmp_path, length, first=None):
    service = Counting()
    session = Session(service, PlainOutput(), as_json=False)
    TakingOver(session, Chain(length, first), tmp_path, "p", None, keep_secrets=False).preview()
    return service.requests


@pytest.mark.parametrize("first", [None, "19"])
def test_what_replaces_another_is_sent_after_it_or_with_it_and_nothing_is_left(tmp_path, first):
    """Also where they stand in a circle."""
    requests = sent(tmp_path, 20, first)
    uids = [named_uid(f"chain\n{number}") for number in range(20)]
    assert sorted(uid for request in requests for uid in request) == sorted(uids)
    if first is None:
        assert [uid for request in requests for uid in request] == uids


def test_a_long_chain_takes_as_many_requests_as_anything_else_and_time_by_its_length(tmp_path):
    assert len(sent(tmp_path, 1000)) <= 1000 // AT_ONCE + 1
    assert_linear(lambda length: sent(tmp_path, length), lambda size: size, most=4_000)
