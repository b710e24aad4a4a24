"""Whether memories still say what their files do: in answers, and in what comes by itself."""

from __future__ import annotations

import os

import pytest

TEXT = "The ledger keeps its orders in postgres with a queue beside it."
PROMPT = "how does the ledger keep its orders in postgres"


def state_of(client, memory_id):
    return client.get(f"/memory/{memory_id}").json.get("state")


def searched(client, **more):
    asked = {"query": PROMPT, "min_relevance": 0, **more}
    return {one["id"]: one.get("state") for one in client.post("/search", asked).json["results"]}


def preview(client):
    answer = client.post("/recall/preview", {"prompt": PROMPT, "min_relevance": 0}).json
    return [one["id"] for one in answer["shown"]], {one["id"]: one["why"] for one in answer["withheld"]}


@pytest.fixture
def built(shelf):
    """A file, and the memory that was built of it."""
    file = shelf.write("a.md", f"{TEXT}\n")
    shelf.build(wait=True)
    (memory,) = shelf.memories()
    return file, memory["id"]


def test_a_memory_is_fresh_changed_or_gone_with_its_file(shelf, built):
    file, memory_id = built
    client = shelf.client
    assert state_of(client, memory_id) == "fresh"
    assert searched(client, explain=True) == {memory_id: "fresh"}
    assert searched(client) == {memory_id: None}
    assert preview(client) == ([memory_id], {})
    file.write_text("Whales sing in the sea when they are alone.\n")
    assert state_of(client, memory_id) == "changed"
    assert searched(client, explain=True) == {memory_id: "changed"}
    assert preview(client) == ([], {memory_id: "file changed"})
    file.unlink()
    assert state_of(client, memory_id) == "gone"
    assert preview(client) == ([], {memory_id: "file gone"})
    by_hand = client.post("/memory/add", {"text": "whales sing"}).json["id"]
    assert state_of(client, by_hand) is None
    file.write_text(f"{TEXT}\n")
    assert state_of(client, memory_id) == "fresh"


def test_an_unchanged_file_is_read_once(shelf, built, monkeypatch):
    _, memory_id = built
    assert state_of(shelf.client, memory_id) == "fresh"
    monkeypatch.setattr(
        "faiss_memory_plugins.ingest.outdated.read_text", lambda *_: pytest.fail("read again")
    )
    assert state_of(shelf.client, memory_id) == "fresh"
    assert searched(shelf.client, explain=True) == {memory_id: "fresh"}


def test_what_may_not_be_read_is_not_read_and_has_no_state(shelf, built, tmp_path_factory):
    file, memory_id = built
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "a.md"
    elsewhere.write_text("a secret\n")
    file.unlink()
    os.symlink(elsewhere, file)
    assert state_of(shelf.client, memory_id) is None
    assert shelf.client.get("/review/stale").json["files"] == []


def test_what_is_pinned_and_not_true_any_more_does_not_begin_a_session(shelf):
    file = shelf.write("a.md", f"---\ntags: [pinned]\n---\n{TEXT}\n")
    shelf.build(wait=True)
    event = {"hook_event_name": "SessionStart", "session_id": "one"}
    assert TEXT in shelf.client.post("/adapters/claude-code/hook", event).text
    file.write_text("---\ntags: [pinned]\n---\nWhales sing.\n")
    other = {**event, "session_id": "two"}
    assert TEXT not in shelf.client.post("/adapters/claude-code/hook", other).text
