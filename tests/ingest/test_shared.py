"""The files of `.memory/`: memories that somebody shares, each read whole and known by its uid."""

from __future__ import annotations

import os

import pytest

from tests.ingest.conftest import outcomes, reasons

UID = "01920000-0000-7000-8000-00000000000{}"


def shared(uid: str, text: str, **front: str) -> str:
    lines = [f"{name}: {value}" for name, value in {"type": "memory", "uid": f'"{uid}"', **front}.items()]
    return "\n".join(["---", *lines, "---", "", text, ""])


@pytest.fixture
def folder(shelf):
    folder = shelf.folder / ".memory"
    folder.mkdir()
    return folder


def test_a_file_becomes_the_memory_that_it_was_made_of(shelf, folder):
    text = "# Orders\n\nThey live in Postgres.\n\n# Not cut\n\nat its headings " + "and long " * 200
    front = {
        "tags": '["db"]', "cues": '["where do orders live?"]', "timestamp": '"2026-02-12T10:30:00+00:00"',
        "metadata": '{"team": "web"}', "sources": '["docs/db.md"]', "status": "stable",
    }  # fmt: skip
    shelf.write(".memory/orders-1.md", shared(UID.format(1), text, **front))
    shelf.write(".memory/index.md", "# What is shared\n\n- Orders\n")
    answer = shelf.build(folder)
    (memory,) = shelf.memories()
    assert (memory["text"], memory["uid"], memory["by"]) == (text, UID.format(1), "shared")
    assert (memory["tags"], memory["cues"]) == (["db", "shared"], ["where do orders live?"])
    assert memory["timestamp"].startswith("2026-02-12T10:30")
    assert memory["metadata"] == {"team": "web", "sources": ["docs/db.md"]}
    assert reasons(answer) == {"index.md": "it is the list of the others"}
    assert outcomes(shelf.build(folder), folder)["orders-1.md"] == "kept"
    assert shelf.client.get("/review/stale").json["files"] == []


def test_what_is_gone_is_forgotten_and_comes_back_with_its_file(shelf, folder):
    one = shelf.write(".memory/one.md", shared(UID.format(1), "orders live in postgres"))
    shelf.write(".memory/two.md", shared(UID.format(2), "tests run in parallel"))
    shelf.build(folder)
    content = one.read_text()
    one.unlink()
    shelf.build(folder)
    assert shelf.texts() == ["tests run in parallel"]
    one.write_text(content)
    shelf.build(folder)
    assert sorted(shelf.texts()) == ["orders live in postgres", "tests run in parallel"]
    one.write_text(shared(UID.format(1), "orders live in mysql"))
    shelf.build(folder)
    assert sorted(shelf.texts()) == ["orders live in mysql", "tests run in parallel"]
    shelf.write(".memory/two.md", shared(UID.format(2), "tests run in parallel", status="deprecated"))
    shelf.build(folder)
    assert shelf.texts() == ["orders live in mysql"]


def test_what_is_here_already_is_left_alone(shelf, folder):
    mine = shelf.client.post("/memory/add", {"text": "orders live in postgres"}).json["id"]
    uid = shelf.client.get(f"/memory/{mine}").json["uid"]
    shelf.write(".memory/one.md", shared(uid, "orders live in postgres"))
    assert reasons(shelf.build(folder)) == {"one.md": f"it is memory {mine} already"}
    shelf.write(".memory/one.md", shared(uid, "orders live in mysql"))
    assert reasons(shelf.build(folder)) == {"one.md": f"it is memory {mine}, which says something else here"}
    assert shelf.texts() == ["orders live in postgres"]
    shelf.client.post("/memory/purge", {"ids": [mine]})
    assert reasons(shelf.build(folder)) == {"one.md": "it was purged here"}
    assert shelf.texts() == []


def test_another_project_may_have_it_as_well(shelf, folder):
    shelf.write(".memory/one.md", shared(UID.format(1), "orders live in postgres"))
    for project in ("default", "other"):
        shelf.build(folder, project=project)
        assert [one["text"] for one in shelf.memories(project)] == ["orders live in postgres"]


def test_other_markdown_is_read_as_everywhere(shelf, folder):
    shelf.write(".memory/note.md", "# Whales\n\nThey sing.\n")
    shelf.build(folder)
    (memory,) = shelf.memories()
    assert (memory["text"], memory["tags"], memory["by"]) == ("Whales\n\nThey sing.", ["shared"], "shared")


def test_links_are_refused(shelf, folder):
    outside = shelf.write("elsewhere/private.md", "my own")
    (folder / "link.md").symlink_to(outside)
    shelf.write(".memory/one.md", shared(UID.format(1), "orders live in postgres"))
    assert reasons(shelf.build(folder)) == {"link.md": "a link; what is shared is a file of its own"}
    other = shelf.folder / "repository" / ".memory"
    other.parent.mkdir()
    os.symlink(outside.parent, other)
    refused = shelf.ask(other)
    assert (refused.status_code, "is a link" in refused.text) == (400, True)
    assert shelf.texts() == ["orders live in postgres"]
