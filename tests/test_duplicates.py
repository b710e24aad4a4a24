"""Memories that say the same are found, and joined only when somebody says so."""

from __future__ import annotations

from collections import Counter

import pytest

from faiss_memory.service.tending import joining
from tests import pairs

WIDE = {"project": "*"}


def add(client, text, **fields):
    answer = client.post("/memory/add", {"text": text, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json["id"]


def ok(answer):
    assert answer.status_code == 200, answer.text
    return answer.json


def memory(client, number):
    return ok(client.get(f"/memory/{number}"))


def pairs_of(client, **params):
    """All pairs, page by page: the newer id, the older one, and the class."""
    found, cursor = [], {}
    while True:
        answer = ok(client.get("/duplicates", params={**params, **cursor}))
        found += [(pair["one"]["id"], pair["other"]["id"], pair["class"]) for pair in answer["pairs"]]
        if answer["next_cursor"] is None:
            return found
        cursor = {"cursor": answer["next_cursor"]}


def test_pairs_are_told_by_class_with_what_tells_them_apart(client):
    one = add(client, "the service listens on port 8080")
    other = add(client, "the service listens on port 9090")
    twin = add(client, "The service listens on port  9090")
    add(client, "tomatoes need sun")
    add(client, "the service listens on port 8080", project="shop")
    answer = ok(client.get("/duplicates", params=WIDE))
    pairs = {(pair["one"]["id"], pair["other"]["id"]): pair for pair in answer["pairs"]}
    assert set(pairs) == {(other, one), (twin, one), (twin, other)}
    assert (pairs[twin, other]["class"], pairs[twin, other]["differs_in"]) == ("identical", [])
    assert (pairs[other, one]["class"], pairs[other, one]["differs_in"]) == ("differs", ["9090, not 8080"])
    assert answer["pairs"][0]["class"] == "identical"
    assert (answer["compared"], answer["left"], answer["next_cursor"]) == (5, 0, None)
    assert pairs_of(client, **{"class": "identical"}) == [(twin, other, "identical")]
    assert client.get("/duplicates", params={"class": "same"}).status_code == 400
    assert client.get("/duplicates", params={"cursor": "shop"}).status_code == 400


def test_pages_meet_each_pair_once(client, monkeypatch):
    monkeypatch.setattr(joining, "AT_ONCE", 100)
    texts = [f"the number of ledger {n} is kept" for n in range(130)] * 2
    ids = []
    for start in (0, 130):
        batch = {"memories": [{"text": text} for text in texts[start : start + 130]]}
        ids += client.post("/memory/add-batch", batch).json["ids"]
    pairs = [pair for pair in pairs_of(client, limit="1") if pair[2] == "identical"]
    assert sorted(pairs) == [(ids[n + 130], ids[n], "identical") for n in range(130)]
    first = ok(client.get("/duplicates", params={"limit": "1"}))
    assert (first["compared"], first["left"]) == (100, 160)


def test_a_page_looks_up_no_memories_of_projects_that_are_not_its_turn(service, client, monkeypatch):
    monkeypatch.setattr(joining, "AT_ONCE", 2)
    monkeypatch.setattr(joining, "MOST_COMPARED", 3)
    for project, count in (("a", 3), ("b", 1), ("c", 4)):
        for number in range(count):
            add(client, f"{project} says {number}", project=project)
    add(client, "c says otherwise", project="c", supersedes=8)
    asked = []
    matching_ids = service.engine.store.matching_ids
    monkeypatch.setattr(
        service.engine.store,
        "matching_ids",
        lambda where: asked.append(where.projects) or matching_ids(where),
    )
    pages, cursor = [], {}
    while cursor is not None:
        answer = ok(client.get("/duplicates", params={**WIDE, **cursor}))
        pages.append((answer["compared"], answer["left"], [name for (name,) in asked]))
        cursor = answer["next_cursor"] and {"cursor": answer["next_cursor"]}
        asked.clear()
    assert pages == [(3, 5, ["a", "b"]), (3, 2, ["b", "c"]), (2, 0, ["c"])]


def test_one_stands_for_the_others_until_that_is_undone(client):
    oldest = add(client, "orders live in mysql")
    old = add(client, "orders live in Postgres", supersedes=oldest, tags=["db"], metadata={"by": "a", "x": 1})
    keep = add(client, "Orders are kept in Postgres", tags=["orders"], metadata={"by": "b"}, cues=["a table"])
    third = add(client, "Postgres has the orders", tags=["db", "third"], cues=["where orders are"])
    before = [memory(client, one) for one in (oldest, old, keep, third)]
    ask = {"keep": keep, "ids": [old, third]}
    preview = ok(client.post("/memory/merge", {**ask, "dry_run": True}))
    assert [memory(client, one) for one in (oldest, old, keep, third)] == before
    done = ok(client.post("/memory/merge", ask))
    assert {**preview, "dry_run": False} == done
    kept = memory(client, keep)
    assert kept == done["kept"]
    assert (kept["tags"], kept["cues"]) == (["orders", "db", "third"], ["a table", "where orders are"])
    assert {name: kept["metadata"][name] for name in ("by", "x")} == {"by": "b", "x": 1}
    listed = ok(client.get("/memories"))["memories"]
    assert [one["id"] for one in listed] == [keep]
    assert [one["id"] for one in ok(client.get(f"/memory/{keep}/history"))["memories"]] == [
        keep,
        old,
        oldest,
        third,
    ]
    assert ok(client.get("/duplicates"))["pairs"] == []
    part = ok(client.post("/memory/unmerge", {"keep": keep, "ids": [old]}))
    assert part["current"] == [old]
    assert part["kept"]["tags"] == ["orders", "db", "third"]  # the third has it too
    assert [one["id"] for one in ok(client.get(f"/memory/{keep}/history"))["memories"]] == [keep, third]
    ok(client.post("/memory/unmerge", {"keep": keep}))
    assert [memory(client, one) for one in (oldest, old, keep, third)] == before
    assert client.post("/memory/unmerge", {"keep": keep}).status_code == 404


def test_what_was_joined_stays_so_after_a_restart_and_a_restore(make_service, client_of):
    service = make_service()
    client = client_of(service)
    newer = add(client, "orders live in postgres", timestamp="2026-01-01T00:00:00Z")
    older = add(client, "orders live in Postgres", timestamp="2020-01-01T00:00:00Z", tags=["db"])
    # The one to be kept has the lower id: what was imported may be older than what was there.
    ok(client.post("/memory/merge", {"keep": newer, "ids": [older]}))
    made = ok(client.post("/backup", {}))["backup"]
    ok(client.post("/memory/unmerge", {"keep": newer}))
    assert memory(client, older)["superseded_by"] is None
    ok(client.post("/restore", {"backup": made}))
    assert memory(client, older)["superseded_by"] == newer
    service.stop()
    client = client_of(make_service())
    assert memory(client, older)["superseded_by"] == newer


@pytest.mark.parametrize(
    ("ask", "status", "told"),
    [
        ({"keep": 1, "ids": [1]}, 400, "to be kept"),
        ({"keep": 1, "ids": [99]}, 404, "99"),
        ({"keep": 99, "ids": [1]}, 404, "99"),
        ({"keep": 1, "ids": []}, 400, "ids"),
        ({"keep": 1, "ids": [3]}, 400, "shop"),
        ({"keep": 1, "ids": [4]}, 409, "superseded by memory 5"),
        ({"keep": 4, "ids": [1]}, 409, "superseded by memory 5"),
        ({"keep": 1}, 400, "ids"),
        ({"keep": 6, "ids": [1]}, 409, "merged_from"),
    ],
)
def test_what_cannot_be_joined_is_named_and_nothing_is_written(client, ask, status, told):
    for text, fields in (
        ("a", {}), ("b", {}), ("c", {"project": "shop"}), ("d", {}), ("e", {"supersedes": 4}),
        ("f", {"metadata": {"merged_from": "mine"}}),
    ):  # fmt: skip
        add(client, text, **fields)
    before = ok(client.get("/memories", params={**WIDE, "include_superseded": "true"}))
    answer = client.post("/memory/merge", ask)
    assert (answer.status_code, told in answer.json["description"]) == (status, True), answer.text
    assert ok(client.get("/memories", params={**WIDE, "include_superseded": "true"})) == before


def test_what_would_be_too_much_for_one_memory_is_refused(make_service, client_of):
    client = client_of(make_service(**{"limits.tags": 3}))
    one, other = add(client, "a", tags=["1", "2"]), add(client, "b", tags=["3", "4"])
    answer = client.post("/memory/merge", {"keep": one, "ids": [other]})
    assert (answer.status_code, "limits.tags" in answer.json["description"]) == (400, True)


@pytest.mark.parametrize("count", [12, pytest.param(200, marks=pytest.mark.long)])
def test_pairs_made_by_rule_are_told_apart(real_service, count):
    made = list(pairs.made(count))
    offered = Counter()
    for number, (kind, older, newer) in enumerate(made):
        project = f"pair-{count}-{number}"
        for text in (older, newer):
            status, answer = real_service.call("POST", "/memory/add", {"text": text, "project": project})
            assert status == 201, answer
        found = real_service.call("GET", f"/duplicates?project={project}")[1]["pairs"]
        assert len(found) <= 1
        offered[kind] += any(pair["class"] != "differs" for pair in found)
        if kind in ("value changed", "negated"):
            news = {"text": newer, "project": f"{project}-news", "if_novel": 0.8}
            real_service.call("POST", "/memory/add", {"text": older, "project": news["project"]})
            assert real_service.call("POST", "/memory/add", news)[1]["success"], (older, newer)
    assert offered["value changed"] == offered["negated"] == 0
    assert offered["identical"] >= 0.98 * count
    assert offered["paraphrase"] >= 0.7 * count
    assert offered["other subject"] <= 0.05 * count
