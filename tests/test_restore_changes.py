"""What a restore would change, told before it is done."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.test_tending import add, ok


def changes(client, **wanted):
    return ok(client.get("/restore/changes", params=wanted))


def by_kind(answer):
    return {
        kind: [(one["now"] or one["then"])["id"] for one in answer["changes"] if one["kind"] == kind]
        for kind in ("added", "changed", "forgotten")
    }


def test_it_is_told_what_a_restore_would_change_and_that_is_what_it_changes(client):
    kept, corrected, retagged, gone = (
        add(client, f"number {n}", tags=["first"], project="shop") for n in range(4)
    )
    name = ok(client.post("/backup", {}))["backup"]
    same = changes(client, backup=name)
    assert (same["now"], same["then"], same["changes"], same["more"]) == (4, 4, [], False)
    before = {n: ok(client.get(f"/memory/{n}")) for n in (kept, corrected, retagged, gone)}
    client.request("PATCH", f"/memory/{corrected}", {"text": "corrected"})
    client.request("PATCH", f"/memory/{retagged}", {"tags": ["second"]})
    client.request("DELETE", f"/memory/{gone}")
    newer = add(client, "newer", supersedes=kept, project="shop")
    answer = changes(client, backup=name)
    assert (answer["backup"], answer["now"], answer["then"]) == (name, 4, 4)
    assert by_kind(answer) == {"added": [newer], "changed": [retagged, corrected], "forgotten": [gone]}
    assert [answer[kind] for kind in ("added", "changed", "forgotten")] == [1, 2, 1]
    told = {(one["now"] or one["then"])["id"]: one for one in answer["changes"]}
    assert (told[newer]["now"]["text"], told[newer]["then"]) == ("newer", None)
    assert told[corrected]["now"] == ok(client.get(f"/memory/{corrected}"))
    assert told[corrected]["then"] == before[corrected]
    assert (told[gone]["now"], told[gone]["then"]) == (None, before[gone])
    # Nothing was changed by being told.
    assert client.get(f"/memory/{gone}").status_code == 404
    assert ok(client.get(f"/memory/{corrected}"))["text"] == "corrected"
    ok(client.post("/restore", {"backup": name}))
    after = changes(client, backup=name)
    assert (after["added"], after["changed"], after["forgotten"]) == (0, 0, 0)
    assert {n: ok(client.get(f"/memory/{n}")) for n in before} == before


def test_of_each_kind_so_many_are_shown_and_all_are_counted(client):
    then = datetime.now(UTC).isoformat()
    name = ok(client.post("/backup", {}))["backup"]
    numbers = [add(client, f"number {n}") for n in range(5)]
    answer = changes(client, backup=name, limit="2")
    assert (answer["added"], by_kind(answer)["added"], answer["more"]) == (5, numbers[:-3:-1], True)
    assert client.get("/restore/changes", params={"time": then}).status_code in (200, 404)
    answer = changes(client, time=datetime.now(UTC).isoformat())
    assert (answer["now"], answer["then"], answer["more"]) == (5, 5, False)


def test_what_was_purged_is_said_to_be_left_out(client):
    number = add(client, "a secret")
    name = ok(client.post("/backup", {}))["backup"]
    ok(client.post("/memory/purge", {"ids": [number]}))
    answer = changes(client, backup=name)
    assert "a secret" not in str(answer)
    assert (answer["now"], answer["then"], answer["changes"]) == (0, 0, [])


@pytest.mark.parametrize(
    ("wanted", "status", "field"),
    [
        ({}, 400, "backup"),
        ({"backup": "auto_x", "time": "2026-01-01T00:00:00Z"}, 400, "backup"),
        ({"backup": "auto_20200101_000000"}, 404, "backup"),
        ({"time": "1999-01-01T00:00:00Z"}, 404, "time"),
        ({"time": "yesterday"}, 400, "time"),
        ({"time": "2026-01-01T00:00:00Z", "limit": "0"}, 400, "limit"),
    ],
)
def test_what_cannot_be_told_is_said_by_its_name(client, wanted, status, field):
    answer = client.get("/restore/changes", params=wanted)
    assert (answer.status_code, answer.json["field"]) == (status, field)
