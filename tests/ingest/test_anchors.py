"""The files that memories speak of: named with their digests, looked after like those that memories were built of."""

from __future__ import annotations

import hashlib

import pytest

from faiss_memory import NotAllowed, Rights
from faiss_memory.schema import AddRequest, PatchRequest
from tests.ingest.test_freshness import TEXT, preview, searched, state_of


def add(client, anchors, **more):
    answer = client.post("/memory/add", {"text": TEXT, "metadata": {"n": 1, "anchors": anchors}, **more})
    assert answer.status_code == 201, answer.json
    return answer.json["id"]


def refused(client, anchors):
    answer = client.post("/memory/add", {"text": TEXT, "metadata": {"anchors": anchors}})
    assert answer.json["field"].startswith("metadata.anchors"), answer.json
    return answer.status_code, answer.json["description"]


def test_a_memory_is_as_stale_as_the_files_that_it_speaks_of(shelf):
    client = shelf.client
    code, notes = shelf.write("src/ledger.bin", b"\0\xff code"), shelf.write("notes.txt", "one")
    memory_id = add(client, [str(code), str(notes)])
    kept = client.get(f"/memory/{memory_id}").json["metadata"]
    digests = [hashlib.sha256(one.read_bytes()).hexdigest() for one in (code, notes)]
    assert kept == {
        "n": 1,
        "anchors": [
            {"path": str(one), "sha256": sha} for one, sha in zip((code, notes), digests, strict=True)
        ],
    }
    assert state_of(client, memory_id) == "fresh"
    assert (searched(client, explain=True), preview(client)) == ({memory_id: "fresh"}, ([memory_id], {}))
    code.write_bytes(b"other code")
    assert state_of(client, memory_id) == "changed"
    assert preview(client) == ([], {memory_id: "file changed"})
    notes.unlink()
    assert state_of(client, memory_id) == "gone"
    assert preview(client) == ([], {memory_id: "file gone"})
    (told,) = client.get("/review/stale").json["files"]
    assert (told["memory"]["id"], told["file"], told["reason"]) == (memory_id, str(code), "changed")
    # A correction takes the file as it is now.
    patched = client.request("PATCH", f"/memory/{memory_id}", {"metadata": {"anchors": [str(code)]}})
    assert patched.status_code == 200
    assert state_of(client, memory_id) == "fresh"
    assert client.get("/review/stale").json["files"] == []


def test_a_person_says_that_it_holds_until_its_file_changes_again(shelf):
    client = shelf.client
    code, notes = shelf.write("src/a.py", "one"), shelf.write("notes.txt", "one")
    memory_id = add(client, [str(code), str(notes)])
    before = client.get(f"/memory/{memory_id}").json["metadata"]
    code.write_text("two")
    notes.unlink()
    answer = client.post(f"/memory/{memory_id}/confirm", {})
    assert (answer.status_code, answer.json["state"]) == (200, "fresh")
    digest = hashlib.sha256(b"two").hexdigest()
    assert answer.json["metadata"] == {"n": 1, "anchors": [{"path": str(code), "sha256": digest}]}
    assert client.get("/review/stale").json["files"] == []
    assert preview(client) == ([memory_id], {})
    code.write_text("three")
    assert state_of(client, memory_id) == "changed"
    # What undoes it is a correction.
    undone = client.request("PATCH", f"/memory/{memory_id}", {"metadata": before})
    assert undone.json["metadata"] == before
    assert state_of(client, memory_id) == "gone"
    for file in (code, notes):
        file.unlink(missing_ok=True)
    assert client.post(f"/memory/{memory_id}/confirm", {}).json["metadata"] == {"n": 1}


def test_what_is_over_is_true_again_without_an_end_or_until_a_time(shelf):
    memory_id = add(shelf.client, [], valid_until="2020-01-01T00:00:00Z")
    confirm = f"/memory/{memory_id}/confirm"
    assert "valid_until" not in shelf.client.post(confirm, {}).json
    given = {"valid_until": "2199-01-01T00:00:00Z"}
    assert shelf.client.post(confirm, given).json["valid_until"][:10] == "2199-01-01"
    assert shelf.client.post(confirm, {}).json["valid_until"][:10] == "2199-01-01"  # (one to come stays)
    refused = shelf.client.post(confirm, {"valid_until": "soon"})
    assert (refused.status_code, refused.json["field"]) == (400, "valid_until")
    assert shelf.client.post("/memory/99/confirm", {}).status_code == 404


def test_what_was_built_follows_its_file_whatever_is_said(shelf):
    file = shelf.write("a.md", f"{TEXT}\n")
    shelf.build(wait=True)
    (memory,) = shelf.memories()
    confirm = f"/memory/{memory['id']}/confirm"
    assert shelf.client.post(confirm, {}).json["state"] == "fresh"
    for change, words in (
        (lambda: file.write_text("else\n"), "says something else now"),
        (file.unlink, "is gone"),
    ):
        change()
        refused = shelf.client.post(confirm, {})
        assert refused.status_code == 409
        assert words in refused.json["description"]
        assert "build that again" in refused.json["description"]


def test_what_is_built_and_speaks_of_no_file_is_as_before(shelf):
    shelf.write("a.md", f"---\nanchors: [chapter]\n---\n{TEXT}\n")
    shelf.build(wait=True)
    (memory,) = shelf.memories()
    assert memory["metadata"]["anchors"] == ["chapter"]
    assert state_of(shelf.client, memory["id"]) == "fresh"


@pytest.mark.parametrize(
    ("anchors", "words"),
    [
        ("/a", "must be a list of at most 20"),
        (["/a"] * 21, "must be a list of at most 20"),
        (["src/a.py"], "absolute path"),
        ([7], "must be the absolute path"),
        ([{"path": "/a"}], "64 hex digits"),
        ([{"path": "/a", "sha256": "0" * 63}], "64 hex digits"),
        (["/a\0"], "NUL"),
    ],
)
def test_what_names_no_file_is_refused(shelf, anchors, words):
    status, told = refused(shelf.client, anchors)
    assert (status, words in told) == (400, True), told


def test_only_a_file_within_the_roots_can_be_named(shelf, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "a.md"
    elsewhere.write_text("a secret\n")
    for anchor in (str(elsewhere), {"path": str(elsewhere), "sha256": "0" * 64}):
        assert refused(shelf.client, [anchor])[0] == 403
    link = shelf.folder / "link.md"
    link.symlink_to(elsewhere)
    assert refused(shelf.client, [str(link)])[0] == 403
    assert refused(shelf.client, [str(shelf.folder / "none.md")])[0] == 400
    assert refused(shelf.client, [str(shelf.folder)])[0] == 400


def test_a_copy_on_a_machine_without_the_repository_has_no_state(shelf):
    nowhere = [{"path": "/nowhere/app/src/a.py", "sha256": "0" * 64}]
    arriving = {
        "uid": "01890a5d-ac96-774b-bcce-b302099a8057", "text": TEXT, "metadata": {"anchors": nowhere}, "revision": 1,
    }  # fmt: skip
    answer = shelf.client.post("/import", {"memories": [arriving]})
    memory_id = answer.json["results"][0]["id"]
    assert shelf.client.get(f"/memory/{memory_id}").json["metadata"]["anchors"] == nowhere
    assert state_of(shelf.client, memory_id) is None
    assert preview(shelf.client) == ([memory_id], {})


def test_a_folder_that_went_with_its_file_is_gone_where_the_repository_is_there(shelf):
    (shelf.folder / ".git").mkdir()
    file = shelf.write("src/deep/a.py", "code")
    memory_id = add(shelf.client, [str(file)])
    file.unlink()
    file.parent.rmdir()
    file.parent.parent.rmdir()
    assert state_of(shelf.client, memory_id) == "gone"


def test_a_file_that_stays_is_read_once(shelf, monkeypatch):
    memory_id = add(shelf.client, [str(shelf.write("a.py", "code"))])
    assert state_of(shelf.client, memory_id) == "fresh"
    monkeypatch.setattr(
        "faiss_memory_plugins.ingest.anchors.read_bytes", lambda *_: pytest.fail("read again")
    )
    assert state_of(shelf.client, memory_id) == "fresh"
    assert searched(shelf.client, explain=True) == {memory_id: "fresh"}


def test_who_is_not_the_person_names_no_file(make_service):
    service = make_service()
    stranger = Rights(way="from elsewhere")
    with pytest.raises(NotAllowed, match=r"metadata\.anchors"):
        service.add(AddRequest(text=TEXT, metadata={"anchors": []}), stranger)
    number = service.add(AddRequest(text=TEXT)).id
    with pytest.raises(NotAllowed, match=r"metadata\.anchors"):
        service.patch(number, PatchRequest(metadata={"anchors": []}), stranger)
