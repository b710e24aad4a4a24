"""A hybrid search while words, or vectors, are still being found anew: what says the same is found first."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from threading import Event

import pytest

from faiss_memory.contracts.store import Scope
from faiss_memory.engine.ranking import KEYWORD, SEMANTIC, Leg, best_first, fuse
from faiss_memory.memory import Query
from faiss_memory.store.index.searcher import ANALYZED_AT_ONCE, Indexes
from tests.store.oracle import until

ASKED = "postgres keeps the sessions of the web shop"


@pytest.fixture
def analyzed_in_part(monkeypatch):
    """Let the words of only the first memories be found anew, until the block ends."""
    original, reached, go_on = Indexes.analyze_some, Event(), Event()
    calls = []

    def analyze(indexes):
        calls.append(1)
        if len(calls) > 1:
            reached.set()
            assert go_on.wait(60)
        return original(indexes)

    @contextmanager
    def partly(store):
        monkeypatch.setattr(Indexes, "analyze_some", analyze)
        try:
            store._repair_catalogue()
            assert reached.wait(60)
            yield
        finally:
            go_on.set()

    return partly


def test_the_same_text_comes_first_although_its_words_are_not_found_yet(client, service, analyzed_in_part):
    others = [
        {"text": f"{ASKED}, and so does number {number} of the shop's web sessions in postgres"}
        for number in range(ANALYZED_AT_ONCE)
    ]
    for start in range(0, len(others), 250):
        assert client.post("/memory/add-batch", {"memories": others[start : start + 250]}).status_code == 201
    same = client.post("/memory/add", {"text": ASKED}).json["id"]
    with analyzed_in_part(service.engine.store):
        found = client.post("/search", {"query": ASKED, "k": 5}).json
        assert found["degraded"] == ["keyword"]
        assert [found["results"][0]["id"], round(found["results"][0]["similarity"], 3)] == [same, 1.0]
        assert found["count"] == 5
    until(lambda: not client.get("/health").json["rebuilding"], "all words are found")
    assert client.post("/search", {"query": ASKED, "k": 5}).json["results"][0]["id"] == same


def test_a_ranking_that_is_not_whole_has_no_say_in_what_it_does_not_know():
    query, scope = Query(text="anything", k=3), Scope(memories=3, mean=0.5, spread=0.4, coverage=1.0)
    meaning, words = Leg(SEMANTIC, {1: 1.0, 2: 0.9, 3: 0.2}), Leg(KEYWORD, {2: 7.0, 3: 7.0})
    in_part = replace(words, is_partial=True)
    assert [key for key, _ in best_first(fuse(query, [meaning, words], scope))] == [2, 1, 3]
    assert [key for key, _ in best_first(fuse(query, [meaning, in_part], scope))] == [1, 2, 3]
    without = fuse(query, [replace(meaning, scores={}, is_partial=True), words], scope)
    assert without[2] == without[3] > 0
