"""Memories from elsewhere are stored once, under the uids that they have there."""

from __future__ import annotations

from faiss_memory.uids import named_uid, new_uid

SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


def taken(client, *memories, **fields):
    answer = client.post("/import", {"memories": list(memories), **fields})
    assert answer.status_code == 200, answer.text
    return answer.json


def outcomes(answer):
    return [one["outcome"] for one in answer["results"]]


def test_each_uid_is_stored_once_and_what_is_here_stays(client):
    one, other = ({"uid": new_uid(), "text": text, "tags": ["x"]} for text in ("a ledger", "another"))
    assert outcomes(taken(client, one, other, dry_run=True)) == ["new", "new"]
    assert client.get("/memories").json["count"] == 0
    first = taken(client, one, one, other)
    assert outcomes(first) == ["new", "known", "new"]
    ids = [result["id"] for result in first["results"]]
    assert ids[0] == ids[1]
    stored = client.get(f"/memory/{ids[0]}").json
    assert (stored["uid"], stored["tags"], stored["by"]) == (one["uid"], ["x"], "import")
    client.request("PATCH", f"/memory/{ids[0]}", {"text": "a corrected ledger"})
    client.request("DELETE", f"/memory/{ids[2]}")
    again = taken(client, one, other)
    assert outcomes(again) == ["conflict", "forgotten"]
    assert all(result["reason"] for result in again["results"])
    assert client.get(f"/memory/{ids[0]}").json["text"] == "a corrected ledger"
    client.post("/memory/purge", {"ids": ids})
    assert outcomes(taken(client, one, other)) == ["purged", "purged"]


def test_what_replaces_another_is_joined_to_it_where_that_is_there(client):
    old, new, lost = ({"uid": new_uid(), "text": text} for text in ("old", "new", "lost"))
    (result,) = taken(client, old)["results"]
    answer = taken(client, {**new, "supersedes": old["uid"]}, {**lost, "supersedes": new_uid()})
    assert client.get(f"/memory/{answer['results'][0]['id']}").json["supersedes"] == result["id"]
    assert answer["results"][1]["reason"]
    assert [one["text"] for one in client.get("/memories").json["memories"]] == ["lost", "new"]


def test_secrets_are_masked_and_limits_hold_for_all_or_nothing(client):
    answer = taken(client, {"uid": new_uid(), "text": f"the token is {SECRET}"})
    assert answer["masked"] == ["GitHub token"]
    assert SECRET not in client.get(f"/memory/{answer['results'][0]['id']}").json["text"]
    before = client.get("/memories").json["count"]
    good = {"uid": new_uid(), "text": "a"}
    for bad, field in (
        ({"uid": "no-uid", "text": "b"}, "uid"),
        ({"uid": "9b2d1f3c-1c7e-4b1e-9d2f-3d6c2a1b4e5f", "text": "b"}, "uid"),
        ({"uid": new_uid(), "text": " "}, "text"),
        ({"uid": new_uid(), "text": "b", "tags": [f"t{n}" for n in range(100)]}, "tags"),
        ({"uid": new_uid(), "text": "b", "colour": "red"}, "colour"),
    ):
        refused = client.post("/import", {"memories": [good, bad]})
        assert (refused.status_code, field in refused.json["field"]) == (400, True), refused.text
    assert client.get("/memories").json["count"] == before
    assert client.post("/import", {"memories": []}).status_code == 400


def test_what_has_a_name_elsewhere_has_one_uid():
    assert named_uid("a") == named_uid("a") != named_uid("b")
    assert named_uid("\ud800")


def test_uids_sort_as_they_were_made(monkeypatch):
    made = []
    for nanoseconds in range(10**18, 10**18 + 3_000_000, 1_000):
        monkeypatch.setattr("faiss_memory.uids.time.time_ns", lambda now=nanoseconds: now)
        made.append(new_uid())
    assert made == sorted(made)
    assert len(set(made)) == len(made)
