"""Machines that exchange bundles come to the same, in any order and however often."""

from __future__ import annotations

import json
import random

import pytest

from tests.bundles import Place, agree, coarse, expected


@pytest.fixture
def places(make_service, client_of, tmp_path):
    def make(count, seed=0):
        return [
            Place(client_of(make_service(data_dir=str(tmp_path / f"{number}"))), seed * 10 + number)
            for number in range(count)
        ]

    return make


def exchange(places, chance, times):
    """Bring bundles from one to another, old ones again among them, until each has heard of each."""
    bundles = [(number, place.bundle()) for number, place in enumerate(places)]
    for _ in range(times):
        number, lines = chance.choice(bundles)
        to = chance.choice([place for at, place in enumerate(places) if at != number])
        lines = list(lines)
        chance.shuffle(lines)
        to.take(lines)
        bundles.append((places.index(to), to.bundle()))
    for _ in range(2):
        for one in places:
            for other in places:
                if one is not other:
                    other.take(one.bundle())


@pytest.mark.parametrize(("count", "seed"), [(2, 1), (3, 3)])
def test_whoever_exchanges_bundles_comes_to_the_same(places, count, seed):
    found, chance = places(count, seed), random.Random(seed)
    found[0].add(12)
    for other in found[1:]:
        other.take(found[0].bundle())
    for place in found:
        place.act(25)
        place.purge()
    due = expected(found)
    exchange(found, chance, 3)
    before = agree(found)
    assert {uid: coarse(line["state"]) for uid, line in before.items()} == due
    assert len(set(due.values())) == 3
    for one in found:
        for other in found:
            assert set(one.take(other.bundle())) == {"known"}
    assert agree(found) == before


def test_a_forget_that_was_undone_stays_undone_and_nothing_else_comes_back(places):
    one, other = places(2)
    one.add(2)
    first, second = (memory["id"] for memory in one.call("GET", "/memories?order=oldest")["memories"])
    begun = one.bundle()
    other.take(begun)
    one.call("DELETE", f"/memory/{first}")
    one.call("DELETE", f"/memory/{second}")
    forgotten = one.bundle()
    one.call("POST", f"/memory/{first}/restore")
    assert one.take(forgotten) == {"kept": 1, "known": 1}
    assert other.take(forgotten) == {"forget": 2}
    assert other.call("GET", "/memories")["count"] == 0
    assert other.take(begun) == {"forgotten": 2}
    assert other.take(one.bundle()) == {"back": 1, "known": 1}
    assert other.take(forgotten) == {"kept": 1, "known": 1}
    back = other.call("GET", "/memories")["memories"]
    assert [memory["id"] for memory in back] == [first]
    agree([one, other])
    # What was forgotten there and is here in no backup can only come from there.
    assert other.client.post(f"/memory/{second}/restore").status_code == 200
    one.take(other.bundle())
    assert agree([one, other])
    assert one.call("GET", "/memories")["count"] == 2


def test_two_that_join_the_same_memories_in_both_directions_agree(places):
    one, other = places(2)
    one.add(2)
    other.take(one.bundle())
    for place, order in ((one, 1), (other, -1)):
        keep, gone = (memory["id"] for memory in place.call("GET", "/memories")["memories"][::order])
        place.call("POST", "/memory/merge", {"keep": keep, "ids": [gone]})
    for _ in range(2):
        other.take(one.bundle())
        one.take(other.bundle())
    agree([one, other])
    (left,), (right,) = (place.call("GET", "/memories")["memories"] for place in (one, other))
    assert left["uid"] == right["uid"]
    for place in (one, other):
        assert place.call("GET", f"/memory/{left['id']}/history")["count"] == 2


def test_a_purge_reaches_the_files_of_whoever_hears_of_it(places, tmp_path):
    one, other = places(2)
    one.call("POST", "/memory/add", {"text": "the secret heron of 7731"})
    other.take(one.bundle())
    (memory,) = one.call("GET", "/memories")["memories"]
    one.call("POST", "/memory/purge", {"ids": [memory["id"]]})
    lines = one.bundle()
    assert lines == [{"uid": memory["uid"], "state": "purged"}]
    assert other.take(lines) == {"purge": 1}
    holding = [
        path for path in (tmp_path / "1").rglob("*") if path.is_file() and b"heron" in path.read_bytes()
    ]
    assert holding == []
    agree([one, other])


def test_a_bundle_of_some_brings_back_nothing_that_was_replaced(places):
    one, other = places(2)
    old = one.call("POST", "/memory/add", {"text": "orders live in MySQL", "tags": ["db"]})["id"]
    new = {"text": "orders live in Postgres", "supersedes": old}
    one.call("POST", "/memory/add", new)
    some = [line for line in one.bundle() if "db" in line.get("tags", ())]
    assert [line["state"] for line in some] == ["superseded"]
    assert other.take(some) == {"superseded": 1}
    assert other.call("GET", "/memories?include_superseded=true")["count"] == 0
    assert other.take(one.bundle()) == {"new": 2}
    assert [one["text"] for one in other.call("GET", "/memories")["memories"]] == [new["text"]]
    agree([one, other])


def test_a_bundle_tells_all_by_which_a_state_is_known(places):
    (one,) = places(1)
    told = {"text": "a ledger", "valid_until": "2031-01-01T00:00:00Z", "cues": ["money"], "project": "shop"}
    number = one.call("POST", "/memory/add", told)["id"]
    answer = one.call("PATCH", f"/memory/{number}", {"tags": ["db"]})
    assert answer["valid_until"] == "2031-01-01T00:00:00+00:00"
    gone = one.call("POST", "/memory/add", {"text": "soon gone"})["id"]
    one.call("DELETE", f"/memory/{gone}")
    line, grave = one.bundle()
    assert (line["revision"], line["state"], line["superseded_by"], line["origin"]) == (
        2,
        "active",
        None,
        None,
    )
    assert line["valid_until"] == "2031-01-01T00:00:00+00:00"
    assert (grave["state"], grave["revision"], grave["project"]) == ("forgotten", 2, "default")
    assert "text" not in grave
    for params, states in (
        ("&project=shop", ["active"]), ("&project=default", ["forgotten"]), ("&tags=db", ["active"]),
    ):  # fmt: skip
        lines = [json.loads(row) for row in one.client.get(f"/export?format=jsonl{params}").text.splitlines()]
        assert [row["state"] for row in lines[1:]] == states, params
    refused = one.client.request("PATCH", f"/memory/{number}", {"forever": True, "valid_until": "2031-01-01"})
    assert (refused.status_code, refused.json["field"]) == (400, "forever")
    assert "valid_until" not in one.call("PATCH", f"/memory/{number}", {"forever": True})


def test_only_what_a_preview_has_shown_is_done(places):
    one, other = places(2)
    one.add(2)
    lines = one.bundle()
    asked = [line | {"expected": "new"} for line in lines]
    preview = other.call("POST", "/import", {"memories": lines, "dry_run": True})
    assert preview["counts"] == {"new": 2}
    other.take(lines[:1])
    number = other.call("GET", "/memories")["memories"][0]["id"]
    other.call("PATCH", f"/memory/{number}", {"text": "changed meanwhile"})
    refused = other.client.post("/import", {"memories": asked})
    assert refused.status_code == 409
    assert lines[0]["uid"] in refused.json["description"]
    assert other.call("GET", "/memories")["count"] == 1
    assert other.call("POST", "/import", {"memories": asked[1:]})["counts"] == {"new": 1}
    assert other.call("POST", "/import", {"memories": asked[1:]})["counts"] == {"known": 1}


def test_a_line_that_says_nothing_sound_is_refused_by_its_field(places):
    one, other = places(2)
    one.add(1)
    (line,) = one.bundle()
    for fields, field in (
        ({"hash": "0" * 64}, "hash"), ({"text": None, "hash": None}, "text"), ({"revision": 0}, "revision"),
        ({"state": "forgotten"}, "text"), ({"state": "forgotten", "text": None, "revision": None}, "revision"),
        ({"superseded_by": "nobody"}, "superseded_by"), ({"state": "lost"}, "state"),
    ):  # fmt: skip
        given = {name: value for name, value in (line | fields).items() if value is not None}
        refused = other.client.post("/import", {"memories": [given]})
        assert (refused.status_code, field in refused.json["field"]) == (400, True), refused.text
    assert other.call("GET", "/memories")["count"] == 0


def test_secrets_are_masked_on_the_way_in_and_that_is_stable(places):
    one, other = places(2)
    one.call("POST", "/memory/add", {"text": "the token is ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
                                     "secrets": "keep"})  # fmt: skip
    assert other.take(one.bundle()) == {"new": 1}
    assert other.take(one.bundle()) == {"known": 1}
    assert "ghp_" not in other.call("GET", "/memories")["memories"][0]["text"]


@pytest.mark.long
def test_ten_thousand_memories_and_two_hundred_changes_on_each(places):
    found, chance = places(2, 7), random.Random(7)
    found[0].add(10_000)
    found[1].take(found[0].bundle())
    for place in found:
        place.act(200)
    due = expected(found)
    exchange(found, chance, 2)
    before = agree(found)
    assert {uid: coarse(line["state"]) for uid, line in before.items()} == due
    assert len(before) >= 10_000
    for one, other in (found, found[::-1]):
        assert set(one.take(other.bundle())) == {"known"}
    assert agree(found) == before
