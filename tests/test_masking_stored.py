"""Secrets that are stored already: found where they are, and masked so that no file holds them any more."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.secret_samples import SECRETS

TOKEN, OTHER = SECRETS["github"][1], SECRETS["stripe"][1]


def holding(folder, *texts):
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(text.encode() in path.read_bytes() for text in texts)
    ]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def add(client):
    def add(text, **fields):
        return client.post("/memory/add", {"text": text, "secrets": "keep", **fields}).json["id"]

    return add


def by_text(client):
    memories = client.get("/memories?limit=100&include_superseded=true").json["memories"]
    return {memory["text"]: memory for memory in memories}


def test_a_stored_secret_is_masked_in_every_file_and_the_memory_stays(client, add, folder):
    kept = add(
        f"the key of the harbour is {TOKEN}", source="harbour.md", tags=["harbour"], cues=["open the harbour"],
        metadata={"note": f"not {OTHER}"}, timestamp="2024-02-03T04:05:06+00:00",
        valid_until="2099-01-01T00:00:00+00:00",
    )  # fmt: skip
    add("the harbour opens at six")
    client.post("/backup", {"label": "by hand"})
    client.request("PATCH", f"/memory/{kept}", {"tags": ["harbour", "key"], "secrets": "keep"})
    assert len(holding(folder, TOKEN, OTHER)) >= 2
    before = client.get(f"/memory/{kept}").json
    tried = client.post("/memory/mask", {"dry_run": True}).json
    assert [(one["id"], one["new_id"], one["fields"]) for one in tried["masked"]] == [
        (kept, None, ["text", "metadata"])
    ]
    assert client.get(f"/memory/{kept}").json == before
    done = client.post("/memory/mask", {"proof": True})
    assert (TOKEN in done.text, OTHER in done.text) == (False, False)
    assert done.json["masked"][0]["kinds"] == ["GitHub token", "Stripe key"]
    assert (done.json["count"], done.json["proof"]["found"]) == (1, [])
    assert client.get(f"/memory/{kept}").status_code == 404
    after = client.get(f"/memory/{done.json['masked'][0]['new_id']}").json
    assert after["text"] == "the key of the harbour is [masked: GitHub token]"
    assert after["metadata"] == {"note": "not [masked: Stripe key]"}
    same = ("source", "tags", "cues", "timestamp", "valid_until", "project", "by")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert holding(folder, TOKEN, OTHER) == []
    assert client.post("/scan", {"past": True}).json["count"] == 0
    assert client.post("/search", {"query": "key of the harbour"}).json["results"][0]["id"] == after["id"]


def test_what_replaces_what_stays_so(client, add):
    project = {"project": "chain"}
    first = add("the port is 1", **project)
    second = add(f"the port is 2, by {TOKEN}", supersedes=first, **project)
    third = add(f"the port is 3, by {TOKEN}", supersedes=second, **project)
    add("the port is 4", supersedes=third, **project)
    alone = add("the tide is 1", **project)
    add(f"the tide is 2, by {OTHER}", supersedes=alone, **project)
    client.post("/memory/mask", project)
    found = by_text_in(client, "chain")
    chain = [
        "the port is 1", "the port is 2, by [masked: GitHub token]", "the port is 3, by [masked: GitHub token]",
        "the port is 4",
    ]  # fmt: skip
    for older, newer in pairwise(chain):
        assert found[newer]["supersedes"] == found[older]["id"]
        assert found[older]["superseded_by"] == found[newer]["id"]
    assert found["the tide is 2, by [masked: Stripe key]"]["supersedes"] == alone
    assert sorted(text for text, one in found.items() if one["superseded_by"] is None) == [
        "the port is 4",
        "the tide is 2, by [masked: Stripe key]",
    ]


def by_text_in(client, project):
    path = f"/memories?limit=100&include_superseded=true&project={project}"
    return {memory["text"]: memory for memory in client.get(path).json["memories"]}


def test_what_was_corrected_or_forgotten_is_found_in_the_past_and_masked_there(client, add, folder):
    corrected, forgotten = add(f"the pier has {TOKEN}"), add(f"the mole has {OTHER}")
    client.post("/backup", {})
    client.request("PATCH", f"/memory/{corrected}", {"text": "the pier has a key"})
    client.request("DELETE", f"/memory/{forgotten}")
    assert client.post("/scan", {}).json["count"] == 0
    found = client.post("/scan", {"past": True}).json["findings"]
    assert {(one["id"], one["place"]) for one in found} == {(corrected, "earlier"), (forgotten, "forgotten")}
    done = client.post("/memory/mask", {}).json
    assert {(one["id"], one["new_id"] is None) for one in done["masked"]} == {
        (corrected, False),
        (forgotten, True),
    }
    assert holding(folder, TOKEN, OTHER) == []
    assert "the pier has a key" in by_text(client)


def test_only_what_is_named_is_masked_and_nothing_else_is_lost(client, add, folder):
    one, two = add(f"one {TOKEN}"), add(f"two {OTHER}")
    clean = add("nothing of that kind")
    done = client.post("/memory/mask", {"ids": [one, clean]}).json
    assert [each["id"] for each in done["masked"]] == [one]
    assert holding(folder, TOKEN) == []
    assert client.get(f"/memory/{two}").json["text"] == f"two {OTHER}"
    assert client.get(f"/memory/{clean}").status_code == 200
    assert client.post("/memory/mask", {"ids": []}).json["field"] == "ids"


def test_a_build_knows_its_masked_memories_again(make_service, client_of, tmp_path):
    client = client_of(make_service(secrets="off", **{"plugins.ingest.roots": [str(tmp_path)]}))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text(f"# Key\n\nkey: {TOKEN}\n")
    body = {"sources": [str(tmp_path / "notes")]}
    assert client.post("/index/build", body).json["added"] == 1
    assert client.post("/memory/mask", {}).json["count"] == 1
    again = client.post("/index/build", body).json
    assert (again["added"], again["kept"]) == (0, 1)
    assert TOKEN not in client.get("/memories").text


def test_a_restore_says_how_many_memories_with_secrets_it_has_brought_back(client, add):
    add(f"the key is {TOKEN}")
    client.post("/backup", {})
    name = client.get("/backups").json["backups"][-1]["name"]
    client.post("/memory/forget", {"project": "default"})
    restored = client.post("/restore", {"backup": name}).json
    assert restored["with_secrets"] == 1
    assert "scan --mask" in restored["message"]
    client.post("/memory/mask", {})
    assert client.post("/restore", {"backup": name}).json["with_secrets"] == 0


def test_more_than_can_be_looked_through_soon_is_not_looked_through_by_a_restore(client, add, monkeypatch):
    add(f"the key is {TOKEN}")
    add("another memory")
    client.post("/backup", {})
    name = client.get("/backups").json["backups"][-1]["name"]
    monkeypatch.setattr("faiss_memory.schema.MOST_LOOKED_THROUGH", 1)
    restored = client.post("/restore", {"backup": name}).json
    assert (restored["with_secrets"], "scan" in restored["message"]) == (None, False)


def test_what_ended_before_its_purge_is_finished_by_the_next_one_and_nothing_is_there_twice(
    client, add, folder, monkeypatch
):
    kept = add(f"the key is {TOKEN}")
    with monkeypatch.context() as broken:
        broken.setattr("faiss_memory.service.forgetting.Forgetting.purge_by_id", lambda *_, **__: 1 / 0)
        assert client.post("/memory/mask", {}).status_code == 500
    assert holding(folder, TOKEN) != []
    again = client.post("/memory/mask", {}).json
    assert [one["id"] for one in again["masked"]] == [kept]
    assert {text: memory["id"] for text, memory in by_text(client).items()} == {
        "the key is [masked: GitHub token]": again["masked"][0]["new_id"]
    }
    assert client.get("/memories").json["count"] == 1
    assert holding(folder, TOKEN) == []
