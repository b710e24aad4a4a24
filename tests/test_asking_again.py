"""The same question again is answered from what was found before, and never with what is no longer so."""

from __future__ import annotations

from threading import Thread

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from faiss_memory import hookimpl
from faiss_memory.engine import answers
from faiss_memory.errors import EmbedderError
from faiss_memory.memory import Filter, Query
from faiss_memory.rights import set_seen
from tests.bundles import Place
from tests.fakes import WordsModels
from tests.store.oracle import until

ASKED = {"query": "where does the ledger keep amounts", "k": 5}


@pytest.fixture
def searches(service, monkeypatch):
    """How often the store was searched."""
    counted, search = [], service.engine._store.search

    def counting(*arguments):
        counted.append(arguments)
        return search(*arguments)

    monkeypatch.setattr(service.engine._store, "search", counting)
    return counted


def texts(client, **more):
    found = client.post("/search", ASKED | more).json
    return [result["text"] for result in found["results"]]


def test_the_same_again_is_not_searched_again(client, searches):
    client.post("/memory/add", {"text": "the ledger keeps amounts in cents"})
    assert texts(client) == texts(client) == ["the ledger keeps amounts in cents"]
    assert len(searches) == 1
    texts(client, k=4)
    assert len(searches) == 2


def test_whatever_changes_an_answer_is_seen_at_once(client):
    first = client.post("/memory/add", {"text": "the ledger keeps amounts in cents"}).json["id"]
    assert texts(client) == ["the ledger keeps amounts in cents"]
    second = client.post("/memory/add", {"text": "the ledger keeps amounts in euros"}).json["id"]
    assert len(texts(client)) == 2
    client.request("PATCH", f"/memory/{second}", {"text": "the ledger keeps amounts in pounds"})
    assert "the ledger keeps amounts in pounds" in texts(client)
    before = client.post("/backup").json["backup"]
    client.post("/memory/add", {"text": "the ledger keeps amounts in yen", "supersedes": second})
    assert "the ledger keeps amounts in pounds" not in texts(client)
    client.request("DELETE", f"/memory/{first}")
    assert texts(client) == ["the ledger keeps amounts in yen"]
    client.post("/restore", {"backup": before})
    assert len(texts(client)) == 2
    assert "the ledger keeps amounts in yen" not in texts(client)


def test_a_write_between_two_searches_of_another_thread_is_seen(client):
    client.post("/memory/add", {"text": "the ledger keeps amounts in cents"})
    wrong = []

    def write_and_look(number):
        text = f"the ledger keeps amounts, note {number}"
        client.post("/memory/add", {"text": text})
        if text not in texts(client, k=100):
            wrong.append(text)

    threads = [Thread(target=write_and_look, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_purge_leaves_no_answer_behind(client, service):
    known = client.post("/memory/add", {"text": "the ledger keeps amounts in cents"}).json["id"]
    texts(client)
    assert service.engine._answers._found
    assert client.post("/memory/purge", {"ids": [known]}).status_code == 200
    assert not service.engine._answers._found
    assert texts(client) == []


def test_plugins_that_rank_are_always_asked(make_service, client_of):
    asked = []

    class Guest:
        @hookimpl
        def rank_memories(self, query, k):
            asked.append(query.text)

    client = client_of(make_service(Guest()))
    client.post("/memory/add", {"text": "the ledger keeps amounts in cents"})
    assert texts(client) == texts(client)
    assert len(asked) == 2


def test_filters_that_look_alike_are_told_apart(client):
    client.post("/memory/add-batch", {"memories": [
        {"text": "the ledger, one", "metadata": {"n": 1}}, {"text": "the ledger, two", "metadata": {"n": "1"}},
        {"text": "the ledger, three", "metadata": {"n": True}},
    ]})  # fmt: skip
    for _ in range(2):
        assert texts(client, metadata={"n": 1}) == ["the ledger, one"]
        assert texts(client, metadata={"n": "1"}) == ["the ledger, two"]
        assert texts(client, metadata={"n": True}) == ["the ledger, three"]


def test_an_answer_is_of_the_model_that_answers(make_service, client_of):
    before = make_service(WordsModels(), model_name="words-32")
    client_of(before).post("/memory/add", {"text": "the ledger keeps amounts in cents"})
    before.stop()
    models = WordsModels(held="cents")
    client = client_of(make_service(models, model_name="words-96"))
    until(lambda: any(model.waits.is_set() for model in models.opened), "the wanted model embeds")
    (wanted,) = (model for model in models.opened if model.name == "words-96")
    assert client.get("/health").json["model_in_use"] == "words-32@1"
    found = [client.post("/search", ASKED).json["results"][0]["similarity"] for _ in range(2)]
    wanted.let_go.set()
    until(lambda: client.get("/health").json["model_in_use"] == "words-96@1", "the wanted model answers")
    found.append(client.post("/search", ASKED).json["results"][0]["similarity"])
    assert found[0] == found[1] != found[2]


def test_what_was_found_without_the_model_that_has_just_failed_is_not_kept(client, service, monkeypatch):
    client.post("/memory/add", {"text": "the ledger keeps amounts in cents"})

    def fails(*_):
        raise EmbedderError("for now")

    asked = ASKED | {"mode": "keyword"}
    with monkeypatch.context() as failing:
        failing.setattr(service.engine.model, "embed_queries", fails)
        assert client.post("/search", asked).json["results"][0]["similarity"] is None
    assert client.post("/search", asked).json["results"][0]["similarity"] > 0


def test_until_when_a_memory_is_valid_is_told_at_once(client):
    known = client.post("/memory/add", {"text": "the ledger keeps amounts in cents"}).json["id"]
    for change, told in (
        ({"valid_until": "2030-01-01T00:00:00Z"}, "2030-01-01"),
        ({"forever": True}, ""),
        ({"valid_until": "2020-01-01T00:00:00Z"}, "2020-01-01"),
    ):
        client.post("/search", ASKED)
        client.request("PATCH", f"/memory/{known}", change)
        (found,) = client.post("/search", ASKED).json["results"]
        assert found.get("valid_until", "")[:10] == told


def test_what_a_bundle_brings_is_seen_at_once(make_service, client_of, tmp_path):
    places = [
        Place(client_of(make_service(data_dir=str(tmp_path / name))), seed=1) for name in ("one", "other")
    ]
    (one, other), query = places, {"query": "the ledger", "k": 50}
    one.add(3)
    for step in (lambda: None, lambda: one.act(8), one.purge):
        step()
        other.take(one.bundle())
        here, there = ({found["uid"]: found["text"] for found in place.call("POST", "/search", query)["results"]}
                       for place in places)  # fmt: skip
        assert here == there


def test_the_same_counts_are_not_counted_again_until_something_is_written(client, service, monkeypatch):
    counted, facets = [], service.engine._store.facets

    def counting(where, contains=None):
        counted.append(where)
        return facets(where, contains)

    monkeypatch.setattr(service.engine._store, "facets", counting)
    tags = lambda **asked: [one["tag"] for one in client.get("/facets", params=asked).json["tags"]]  # noqa: E731
    known = client.post("/memory/add", {"text": "the ledger keeps amounts", "tags": ["red"]}).json["id"]
    assert tags() == tags() == ["red"]
    assert [where.expired_by for where in counted].count(None) == 1, "but what is over is counted each time"
    assert tags(q="nothing") == []
    assert tags() == ["red"]
    client.request("PATCH", f"/memory/{known}", {"tags": ["blue"]})
    assert tags() == ["blue"]
    client.post("/memory/purge", {"ids": [known]})
    assert not service.engine._counts._found
    assert tags() == []


def test_what_is_kept_is_bounded(client, service, monkeypatch):
    monkeypatch.setattr(answers, "MOST_ANSWERS", 5)
    monkeypatch.setattr(answers, "MOST_BYTES", 40_000)
    client.post("/memory/add", {"text": "ledger " * 1_000})
    for number in range(12):
        client.post("/search", {"query": f"ledger {number}"})
        assert len(service.engine._answers._found) <= 5
        assert service.engine._answers._bytes <= 40_000
    client.post("/search", {"query": "ledger " * 1_000})
    assert not any(len(key) > 5_000 for key in service.engine._answers._found)


def test_an_answer_found_while_the_state_changed_is_not_kept():
    states = iter([1, 2, 2, 2, 2])
    kept = answers.Answers(lambda: next(states), answers.size_of)
    found = [answers.Found([]), answers.Found([])]
    assert kept.of("x", lambda: found[0]) is found[0]
    assert kept.of("x", lambda: found[1]) is found[1]
    assert kept.of("x", lambda: found[0]) is found[1]


def test_an_answer_is_given_to_those_alone_who_may_see_the_same():
    kept = answers.Answers(lambda: 1, answers.size_of)
    found = {seen: answers.Found([], withheld=n) for n, seen in enumerate((None, ("a",), ("b",)))}
    try:
        for seen, answer in [*found.items(), *found.items()]:
            set_seen(seen)
            assert kept.of(answers.key_of(Query(text="x")), lambda answer=answer: answer) is answer
    finally:
        set_seen(None)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=30))
@settings(max_examples=20)
def test_no_answer_is_of_another_state(steps):
    state = [0]
    kept = answers.Answers(lambda: state[0], answers.size_of)
    made = {}
    for text, tag, writes in steps:
        state[0] += writes
        query = Query(text=str(text), where=Filter(tags=(str(tag),)))
        fresh = answers.Found([], withheld=len(made))
        made[id(fresh)] = (state[0], query), fresh
        given = kept.of(answers.key_of(query), lambda fresh=fresh: fresh)
        assert made[id(given)][0] == (state[0], query)
