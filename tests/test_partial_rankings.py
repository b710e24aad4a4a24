"""A search while words, or vectors, are still being found anew: it says so, and what says the same is found first."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import replace
from threading import Event

import pytest
from msgspec.structs import replace as replace_struct

from faiss_memory import Notes, found_text
from faiss_memory.contracts.store import Scope
from faiss_memory.engine import looking
from faiss_memory.engine.ranking import KEYWORD, SEMANTIC, Leg, best_first, fuse
from faiss_memory.memory import Query
from faiss_memory.store.embedded import EmbeddedStore
from faiss_memory.store.index.one_search import OneSearch
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


# What is found anew meanwhile: an answer tells what the search could see, not what there is when it is written.


@pytest.fixture
def analyzed_behind_a_search(monkeypatch):
    """Let words be found anew only when a search has looked at all there is, and wholly before it answers."""
    analyze, search = Indexes.analyze_some, Indexes.search
    searched, done = Event(), Event()

    def analyzing(indexes):
        assert not indexes.rebuilding() or searched.wait(60)
        goes_on = analyze(indexes)
        if searched.is_set() and not goes_on:
            done.set()
        return goes_on

    def searching(indexes, asked, choose):
        found = search(indexes, asked, choose)
        searched.set()
        assert done.wait(60)
        return found

    monkeypatch.setattr(Indexes, "analyze_some", analyzing)
    monkeypatch.setattr(Indexes, "search", searching)


def test_a_search_asked_before_the_memories_are_open_says_that_words_were_missing(
    make_service, client_of, monkeypatch, tmp_path, analyzed_behind_a_search
):
    before = make_service()
    assert client_of(before).post("/memory/add", {"text": "The ledger is in postgres"}).status_code == 201
    before.stop()
    (tmp_path / "data" / "search.db").unlink()
    asked, question, open_store = Event(), looking.question, EmbeddedStore.open

    def asks(*given):
        asked.set()
        return question(*given)

    def opens(store):
        assert asked.wait(60)
        open_store(store)

    monkeypatch.setattr(looking, "question", asks)
    monkeypatch.setattr(EmbeddedStore, "open", opens)
    again = make_service(started=False)
    again.start()
    found = client_of(again).post("/search", {"query": "ledger", "mode": "keyword"}).json
    assert (found["count"], found["degraded"]) == (0, ["keyword"])
    found = client_of(again).post("/search", {"query": "ledger", "mode": "keyword"}).json
    assert (found["count"], "degraded" in found) == (1, False)


def test_a_search_that_meets_damage_says_that_words_were_missing_when_it_looked_again(
    client, service, monkeypatch, analyzed_behind_a_search
):
    client.post("/memory/add", {"text": "The ledger is in postgres"})
    original, damaged = OneSearch.found, [sqlite3.DatabaseError("malformed")]

    def found_once_repaired(search, choose):
        if damaged:
            raise damaged.pop()
        return original(search, choose)

    monkeypatch.setattr(OneSearch, "found", found_once_repaired)
    found = client.post("/search", {"query": "ledger", "mode": "keyword"}).json
    assert (found["count"], found["degraded"]) == (0, ["keyword"])


def test_an_assistant_is_not_told_that_nothing_is_remembered_while_not_all_could_be_searched():
    notes = Notes(results=[], count=0, project="default", degraded=["keyword"])
    assert "Nothing is remembered" in found_text(replace_struct(notes, degraded=[]))
    assert "Nothing is remembered" not in found_text(notes)
    assert "ask again in a moment" in found_text(notes)
