"""The calls by which a person looks after what is remembered: what the page does, a script can."""

from __future__ import annotations

import pytest


def add(client, text, **fields):
    answer = client.post("/memory/add", {"text": text, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json["id"]


def ok(answer):
    assert answer.status_code == 200, answer.text
    return answer.json


def found(client, query, **fields):
    return [one["id"] for one in ok(client.post("/search", {"query": query, **fields}))["results"]]


def memory(client, number):
    return ok(client.get(f"/memory/{number}"))


def test_a_result_says_why_it_is_there(client):
    long = "The ledger is kept in Postgres. " + "It has many columns and rows. " * 40
    one = add(client, long, cues=["where orders are kept"])
    plain = ok(client.post("/search", {"query": "Postgres ledger"}))["results"][0]
    assert "why" not in plain
    result = ok(client.post("/search", {"query": "the Postgres ledger, zebra", "explain": True}))["results"][
        0
    ]
    why = result["why"]
    assert result["id"] == one
    assert why["words"] == ["the", "Postgres", "ledger"]
    assert why["similarity"] == result["similarity"]
    assert why["passage"]["text"] in long
    assert why["legs"]["keyword"] > 0
    assert why["legs"]["semantic"] <= why["similarity"]
    assert why["cue"] is None
    by_cue = ok(client.post("/search", {"query": "where orders are kept", "explain": True}))["results"][0]
    assert (by_cue["matched"], by_cue["why"]["cue"]) == ("cue", "where orders are kept")


def test_memories_are_counted_by_what_they_are(client):
    old = add(client, "the ledger", tags=["red", "blue"], source="a.md")
    add(client, "the ledger anew", supersedes=old, tags=["red"])
    add(client, "the cache", project="shop", tags=["red"])
    facets = ok(client.get("/facets", params={"project": "*"}))
    assert facets["projects"] == [{"name": "default", "count": 1}, {"name": "shop", "count": 1}]
    assert facets["tags"] == [{"tag": "red", "count": 2}]
    assert facets["sources"] == [{"source": "", "count": 2}]
    assert facets["by"] == [{"by": "rest", "count": 2}]
    assert facets["states"] == {"current": 2, "superseded": 1, "expired": 0}
    narrowed = ok(client.get("/facets", params={"q": "LEDGER", "include_superseded": "true", "limit": "1"}))
    assert narrowed["tags"] == [{"tag": "red", "count": 2}]
    assert narrowed["states"] == {"current": 1, "superseded": 1, "expired": 0}
    states = ok(client.get("/facets", params={"tag": "blue"}))["states"]
    assert states == {"current": 0, "superseded": 1, "expired": 0}
    assert client.get("/facets", params={"colour": "x"}).status_code == 400


def test_memories_like_one_are_found_without_itself(client):
    one = add(client, "the service listens on port 8080")
    other = add(client, "the service listens on port 9090")
    add(client, "the service listens on port 8080", project="shop")
    add(client, "tomatoes need sun")
    answer = ok(client.get(f"/memory/{one}/similar", params={"k": "1"}))
    (first,) = answer["results"]
    assert (first["id"], answer["project"]) == (other, "default")
    assert first["differs_in"] == ["8080, not 9090"]
    everywhere = ok(client.get(f"/memory/{one}/similar", params={"project": "*"}))["results"]
    assert one not in [each["id"] for each in everywhere]
    assert everywhere[0]["similarity"] > 0.99
    assert client.get("/memory/999/similar").status_code == 404


def test_what_changes_can_be_followed(client):
    kept = add(client, "one")
    start = ok(client.get("/changes"))
    assert (start["changed"], start["removed"]) == ([], [])
    ask = {"after": start["position"]}
    assert ok(client.get("/changes", params=ask))["changed"] == []
    client.request("PATCH", f"/memory/{kept}", {"tags": ["x"]})
    gone = add(client, "two")
    client.request("DELETE", f"/memory/{gone}")
    told = ok(client.get("/changes", params=ask))
    assert (told["changed"], told["removed"], told["more"]) == ([kept], [gone], False)
    client.post(f"/memory/{gone}/restore")
    told = ok(client.get("/changes", params={"after": told["position"]}))
    assert (told["changed"], told["removed"]) == ([gone], [])
    assert ok(client.get("/changes", params={"after": "of another store:1"}))["anew"]


def test_a_tag_is_renamed_and_merged(client):
    one = add(client, "a", tags=["descision", "x"])
    both = add(client, "b", tags=["descision", "decision"])
    elsewhere = add(client, "c", tags=["descision"], project="shop")
    here = {"from": "descision", "to": "decision", "project": "default"}
    assert ok(client.post("/tags/rename", here))["changed"] == 2
    assert memory(client, one)["tags"] == ["decision", "x"]
    assert memory(client, both)["tags"] == ["decision"]
    assert memory(client, elsewhere)["tags"] == ["descision"]
    assert found(client, "decision", mode="keyword", tags=["decision"]) != []
    assert ok(client.post("/tags/rename", {"from": "descision", "to": "decision"}))["changed"] == 1
    refused = client.post("/tags/rename", {"from": "descision", "to": "decision"})
    assert (refused.status_code, "descision" in refused.json["description"]) == (404, True)
    for body in (
        {"to": "x"},
        {"from": "x", "to": ""},
        {"from": "x"},
        {"from": "x", "to": "y", "project": ""},
    ):
        assert client.post("/tags/rename", body).status_code == 400, body


def test_memories_move_with_their_histories_and_are_found_where_they_are(client):
    old = add(client, "orders live in redis")
    new = add(client, "orders live in postgres", supersedes=old)
    stays = add(client, "tomatoes need sun")
    answer = ok(client.post("/memory/move", {"ids": [new, 999], "project": "shop"}))
    assert (answer["moved"], answer["missing"]) == (2, [999])
    for mode in ("semantic", "keyword", "hybrid"):
        assert found(client, "orders postgres", project="shop", mode=mode) == [new]
        assert new not in found(client, "orders postgres", mode=mode)
    assert [one["id"] for one in ok(client.get(f"/memory/{new}/history"))["memories"]] == [new, old]
    assert memory(client, stays)["project"] == "default"
    assert ok(client.post("/memory/move", {"ids": [new], "project": "shop"}))["moved"] == 0
    assert client.post("/memory/move", {"ids": [], "project": "shop"}).status_code == 400


def test_a_project_is_renamed_and_merged(client):
    claimed = {"name": "shop", "owner": "example.com/acme/shop"}
    ok(client.post("/projects/claim", claimed))
    one = add(client, "orders live in postgres", project="shop")
    add(client, "tomatoes need sun", project="garden")
    assert client.post("/projects/shop/rename", {"to": "garden"}).status_code == 409
    assert client.post("/projects/nothing/rename", {"to": "x"}).status_code == 404
    assert client.post("/projects/shop/rename", {"to": "shop"}).status_code == 400
    assert ok(client.post("/projects/shop/rename", {"to": "store"}))["moved"] == 1
    assert found(client, "orders", project="store") == [one]
    assert ok(client.post("/projects/claim", claimed))["project"] == "store"
    assert ok(client.post("/projects/store/rename", {"to": "garden", "merge": True}))["moved"] == 1
    names = [each["name"] for each in ok(client.get("/projects"))["projects"]]
    assert names == ["garden"]
    assert one in found(client, "orders", project="garden")


def test_what_was_forgotten_comes_back_as_it_was(client):
    old = add(client, "orders live in redis", tags=["db"], metadata={"x": 1}, cues=["which database"])
    new = add(client, "orders live in postgres", supersedes=old)
    client.request("PATCH", f"/memory/{old}", {"text": "orders live in redis, mostly"})
    before = memory(client, old)
    for number in (new, old):
        client.request("DELETE", f"/memory/{number}")
    listed = ok(client.get("/forgotten"))["memories"]
    assert [one["id"] for one in listed] == [old, new]
    assert listed[0]["text"] == "orders live in redis, mostly"
    assert listed[0]["forgotten_at"] > before["timestamp"]
    assert len(ok(client.get("/forgotten", params={"limit": "1"}))["memories"]) == 1
    back = ok(client.post(f"/memory/{old}/restore"))
    assert back == {**before, "superseded_by": None}
    assert found(client, "which database") == [old]
    assert found(client, "redis", mode="keyword") == [old]
    ok(client.post(f"/memory/{new}/restore"))
    assert memory(client, old) == before
    assert found(client, "orders live in postgres") == [new]
    assert client.post(f"/memory/{new}/restore").status_code == 409
    assert client.post("/memory/999/restore").status_code == 404
    assert ok(client.get("/forgotten"))["memories"] == []


def test_a_dropped_project_comes_back_memory_by_memory(client):
    one = add(client, "orders live in postgres", project="shop")
    client.request("DELETE", "/projects/shop")
    assert ok(client.post(f"/memory/{one}/restore"))["project"] == "shop"
    assert found(client, "orders", project="shop") == [one]


def test_what_came_back_is_there_after_a_restart_a_restore_and_a_rebuild(make_service, client_of):
    service = make_service()
    client = client_of(service)
    one = add(client, "orders live in postgres")
    client.request("DELETE", f"/memory/{one}")
    made = ok(client.post("/backup", {}))["backup"]
    ok(client.post(f"/memory/{one}/restore"))
    ok(client.post("/memory/move", {"ids": [one], "project": "shop"}))
    service.stop()
    client = client_of(make_service())
    assert found(client, "orders postgres", project="shop") == [one]
    ok(client.post("/restore", {"backup": made}))
    assert client.get(f"/memory/{one}").status_code == 404
    ok(client.post(f"/memory/{one}/restore"))
    assert len(ok(client.get("/memories", params={"project": "*"}))["memories"]) == 1


@pytest.mark.parametrize("first", ["forget", "purge"])
def test_what_was_purged_never_comes_back(client, first):
    one, other = add(client, "the secret word"), add(client, "orders live in postgres")
    ok(client.post("/backup", {}))
    if first == "forget":
        client.request("DELETE", f"/memory/{one}")
        ok(client.get("/forgotten"))
    ok(client.post("/memory/purge", {"ids": [one]}))
    client.request("DELETE", f"/memory/{other}")
    assert [each["id"] for each in ok(client.get("/forgotten"))["memories"]] == [other]
    assert client.post(f"/memory/{one}/restore").status_code == 404
    back = ok(client.post(f"/memory/{other}/restore"))
    assert back["id"] == other
    ok(client.post("/memory/purge", {"ids": [other], "proof": True}))
    assert client.post(f"/memory/{other}/restore").status_code == 404


def test_the_ledger_tells_what_was_of_use(client):
    one = add(client, "orders live in postgres", project="shop")
    for query in ("orders postgres", "orders"):
        found(client, query, project="shop")
    found(client, "nothing", project="empty")
    by_project = ok(client.get("/uses", params={"by": "project"}))
    rows = {row["key"]: row for row in by_project["rows"]}
    assert rows["shop"]["events"] == {"added": 1, "found": 2, "search": 2}
    assert rows["empty"]["events"] == {"nothing found": 1, "search": 1}
    assert rows["shop"]["tokens"] > 0
    assert 0 < rows["shop"]["p50_ms"] <= rows["shop"]["p95_ms"]
    assert by_project["total"]["events"]["search"] == 3
    by_memory = ok(client.get("/uses", params={"by": "memory"}))
    assert [row["key"] for row in by_memory["rows"]] == [str(one)]
    assert by_memory["rows"][0]["tokens"] == by_memory["total"]["tokens"] == by_project["total"]["tokens"]
    assert ok(client.get(f"/memory/{one}/uses"))["total"]["tokens"] == rows["shop"]["tokens"]
    (day,) = ok(client.get("/uses", params={"project": "shop"}))["rows"]
    assert day["key"] == by_project["since"] or day["key"] > by_project["since"]
    (row,) = ok(client.get("/uses", params={"by": "memory"}))["rows"]
    assert (row["key"], row["events"]) == (str(one), {"added": 1, "found": 2})
    mine = ok(client.get(f"/memory/{one}/uses"))
    assert mine["total"]["events"] == {"added": 1, "found": 2}
    assert ok(client.get("/uses", params={"by": "project"})) == by_project
    assert client.get("/memory/999/uses").status_code == 404
    assert client.get("/uses", params={"by": "colour"}).status_code == 400


def test_what_is_stale_is_shown(make_service, client_of, tmp_path):
    notes = tmp_path / "notes"
    client = client_of(make_service(**{"plugins.ingest.roots": [str(tmp_path)]}))
    notes.mkdir()
    for name in ("a.md", "b.md"):
        (notes / name).write_text(f"# {name}\n\nThis says something of {name} and no more.\n")
    built = client.post("/index/build", {"sources": [str(notes)]})
    assert built.status_code in (200, 202), built.text
    old = add(client, "an old decision", timestamp="2020-01-01T00:00:00Z")
    used = add(client, "another old decision, in use", timestamp="2020-01-01T00:00:00Z")
    found(client, "another old decision, in use", k=1)
    (notes / "a.md").unlink()
    answer = ok(client.get("/review/stale", params={"project": "*"}))
    assert [one["file"] for one in answer["files"]] == [str(notes / "a.md")]
    never = [one["id"] for one in answer["never_recalled"]]
    assert (old in never, used in never) == (True, False)


def test_what_is_not_valid_any_more_is_stale(client):
    over = add(client, "the office is in Bonn", valid_until="2026-01-31T00:00:00Z")
    add(client, "the office is in Ulm", valid_until="2199-01-01T00:00:00Z")
    elsewhere = add(client, "the office is in Kiel", project="other", valid_until="2025-01-31T00:00:00Z")
    gone = add(client, "the office is in Jena", valid_until="2026-01-31T00:00:00Z")
    add(client, "the office is in Mainz", supersedes=gone)
    told = ok(client.get("/review/stale"))
    assert [(one["id"], one["state"]) for one in told["expired"]] == [(over, "expired")]
    told = ok(client.get("/review/stale", params={"project": "*"}))
    assert {one["id"] for one in told["expired"]} >= {over, elsewhere}
    assert gone not in {one["id"] for one in told["expired"]}


def test_what_is_not_valid_any_more_is_counted_and_found_alone(client):
    past = "2026-01-31T00:00:00Z"
    over = add(client, "the office is in Bonn", valid_until=past, tags=["office"])
    add(client, "the office is in Ulm", valid_until="2199-01-01T00:00:00Z", tags=["office"])
    add(client, "the office has no end", tags=["office"])
    gone = add(client, "the office is in Jena", valid_until=past)
    add(client, "the office is in Mainz", supersedes=gone)
    facets = ok(client.get("/facets"))
    assert facets["states"] == {"current": 4, "superseded": 1, "expired": 1}
    alone = ok(client.get("/facets", params={"expired": "true"}))
    assert (alone["tags"], alone["states"]["expired"]) == ([{"tag": "office", "count": 1}], 1)
    assert ok(client.get("/facets", params={"q": "Ulm"}))["states"]["expired"] == 0

    def listed(**params):
        return [
            one["id"] for one in ok(client.get("/memories", params={"expired": "true", **params}))["memories"]
        ]

    assert listed() == [over]
    assert listed(include_superseded="true") == [gone, over]
    for mode in ("hybrid", "semantic", "keyword"):
        assert found(client, "the office", expired=True, mode=mode) == [over]
    exported = client.get("/export", params={"format": "csv", "expired": "true"}).text
    assert ("Bonn" in exported, "Jena" in exported, "Ulm" in exported) == (True, True, False)
    ok(client.request("PATCH", f"/memory/{over}", {"forever": True}))
    assert (listed(), found(client, "the office", expired=True)) == ([], [])


def test_memories_that_their_files_say_no_more_are_stale(make_service, client_of, tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    client = client_of(make_service(**{"plugins.ingest.roots": [str(tmp_path)]}))
    parts = {name: f"## {name}\n\nThis says something of {name}, {'and more ' * 40}.\n" for name in "abcd"}
    file, tagged, same = notes / "a.md", notes / "b.md", notes / "c.md"
    file.write_text("\n".join(parts.values()))
    tagged.write_text("---\ntags: [one]\n---\nWhat is tagged.\n")
    same.write_text("What stays as it is.\n")
    assert client.post("/index/build", {"sources": [str(notes)], "wait": True}).status_code == 200
    built = ok(client.get("/memories"))["memories"]
    assert stale(client) == {}
    corrected = next(one["id"] for one in built if one["source"].startswith(str(same)))
    client.request("PATCH", f"/memory/{corrected}", {"text": "What a person knows better."})
    # The first part moves, the second says something else, the third goes.
    file.write_text("\n".join([parts["b"].replace("something", "nothing"), parts["a"], parts["d"]]))
    tagged.write_text("---\ntags: [two]\n---\nWhat is tagged.\n")
    told = stale(client)
    by_text = {one["memory"]["text"].split("\n")[0]: one for one in told.values()}
    assert by_text.keys() == {"b", "c", "What is tagged."}
    assert {one["reason"] for one in told.values()} == {"changed"}
    assert "not say this" in by_text["b"]["why"]
    assert "other tags" in by_text["What is tagged."]["why"]
    assert by_text["c"]["file"] == str(file)
    assert client.post("/index/build", {"sources": [str(notes)], "wait": True}).status_code == 200
    assert stale(client) == {}
    file.unlink()
    assert {one["reason"] for one in stale(client).values()} == {"gone"}
    tagged.chmod(0)  # what cannot be read is not known to be stale
    assert len(stale(client, limit="1")) == 1


def stale(client, **params):
    answer = ok(client.get("/review/stale", params=params))
    assert answer["files_left"] == 0 or "limit" in params
    return {one["memory"]["id"]: one for one in answer["files"]}


def test_the_overview_tells_what_is_in_force_and_no_secret(make_service, client_of):
    client = client_of(make_service(token="tok-3f9a1c", min_relevance=0.25))
    answer = client.get("/overview", headers={"Authorization": "Bearer tok-3f9a1c"})
    told = ok(answer)
    settings = {one["key"]: one for one in told["settings"]}
    assert settings["min_relevance"] == {"key": "min_relevance", "value": 0.25, "origin": "set"}
    assert settings["limits.k"]["origin"] == "default"
    assert settings["token"]["value"] == "(set)"
    assert "tok-3f9a1c" not in answer.text
    assert {"name": "recall", "kind": "plugin"} in told["plugins"]
    assert {"name": "claude-code", "kind": "adapter"} in told["plugins"]
    assert told["problems"] == []
    assert client.get("/overview").status_code == 401


def test_a_memory_is_pinned_and_kept_from_prompts_by_its_id(client):
    one = add(client, "orders live in postgres")
    assert ok(client.post(f"/memory/{one}/pin"))["pinned"]
    assert memory(client, one)["tags"] == ["pinned"]
    assert not ok(client.post(f"/memory/{one}/unpin"))["pinned"]
    never = {"prompt": "which database holds the orders?"}
    assert len(ok(client.post(f"/memory/{one}/never", never))["not_for"]) == 1
    assert ok(client.post(f"/memory/{one}/never", {**never, "forget": True}))["not_for"] == []
    assert client.post("/memory/999/pin").status_code == 404


def test_none_of_it_exists_by_the_public_way(make_service, client_of):
    client = client_of(make_service(token="t", public_url="https://memory.example.com", public_token="p"))
    headers = {"Host": "memory.example.com", "Authorization": "Bearer p"}
    for method, path in (
        ("GET", "/facets"), ("GET", "/memory/1/similar"), ("GET", "/changes"), ("GET", "/forgotten"), ("GET", "/uses"),
        ("GET", "/overview"), ("POST", "/memory/1/restore"), ("POST", "/memory/move"), ("POST", "/tags/rename"),
        ("POST", "/projects/default/rename"), ("GET", "/review/stale"), ("GET", "/duplicates"),
        ("POST", "/memory/merge"), ("POST", "/memory/unmerge"),
    ):  # fmt: skip
        assert client.request(method, path, headers=headers).status_code == 404, path
