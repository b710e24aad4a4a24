"""Memories follow their files: what is new is added, what changed is changed, what is gone goes, the rest is left."""

import pytest

from tests.ingest.conftest import outcomes

PLAN = """# Plan

We ship on Friday.

## Database

The ledger lies in postgres.

## Cache

Sessions lie in redis.
"""


def test_a_section_becomes_a_memory_that_names_file_and_heading(shelf):
    shelf.write("plan.md", PLAN)
    answer = shelf.build()
    assert outcomes(answer, shelf.folder) == {"plan.md": "added"}
    assert answer["memories"] == {"added": 3, "kept": 0, "removed": 0}
    assert shelf.sources() == ["plan.md#Cache", "plan.md#Database", "plan.md#Plan"]
    assert "Plan > Database\n\nThe ledger lies in postgres." in shelf.texts()
    found = shelf.client.post("/search", {"query": "ledger postgres"}).json["results"]
    assert found[0]["source"] == f"{shelf.folder}/plan.md#Database"


def test_a_second_build_changes_and_embeds_nothing(shelf):
    shelf.write("plan.md", PLAN)
    shelf.write("code/main.py", "def main():\n    return 1\n")
    shelf.build()
    before, shelf.model.embedded[:] = shelf.memories(), []
    answer = shelf.build()
    assert outcomes(answer, shelf.folder) == {"plan.md": "kept", "code/main.py": "kept"}
    assert (answer["embedded"], shelf.model.embedded) == (0, [])
    assert shelf.memories() == before


def test_only_what_changed_in_a_file_is_embedded(shelf):
    shelf.write("plan.md", PLAN)
    shelf.build()
    before = {memory["source"]: memory["id"] for memory in shelf.memories()}
    shelf.model.embedded.clear()
    shelf.write("plan.md", PLAN.replace("in redis", "in valkey"))
    answer = shelf.build()
    assert answer["files"][0] | {"file": ""} == {
        "file": "",
        "outcome": "changed",
        "added": 1,
        "kept": 2,
        "removed": 1,
    }
    assert shelf.model.embedded == ["Plan > Cache\n\nSessions lie in valkey."]
    after = {memory["source"]: memory["id"] for memory in shelf.memories()}
    assert [source for source in after if after[source] != before.get(source)] == [
        f"{shelf.folder}/plan.md#Cache"
    ]
    assert not any("redis" in text for text in shelf.texts())


def with_cues(*cues, tags="ops"):
    return f"---\ntags: {tags}\ncues: {list(cues)}\n---\n{PLAN}"


def cues_of(shelf):
    """The cues of each part of the plan, by its heading."""
    return {memory["source"].rsplit("#")[1]: memory["cues"] for memory in shelf.memories()}


def test_cues_of_a_file_are_those_of_its_first_part(shelf):
    shelf.write("plan.md", with_cues("when do we ship"))
    shelf.build()
    assert cues_of(shelf) == {"Plan": ["when do we ship"], "Database": [], "Cache": []}
    (best, *_) = shelf.client.post("/search", {"query": "when do we ship", "mode": "semantic"}).json[
        "results"
    ]
    assert (best["source"].rsplit("#")[1], best["matched"]) == ("Plan", "cue")


def test_changed_cues_of_a_file_change_its_memory_and_make_no_new_one(shelf):
    shelf.write("plan.md", with_cues("when do we ship"))
    shelf.build()
    before = [memory["id"] for memory in shelf.memories()]
    shelf.write("plan.md", with_cues("planning a release"))
    answer = shelf.build()
    assert (answer["embedded"], answer["memories"]) == (0, {"added": 0, "kept": 3, "removed": 0})
    assert [memory["id"] for memory in shelf.memories()] == before
    assert cues_of(shelf)["Plan"] == ["planning a release"]
    (best, *_) = shelf.client.post("/search", {"query": "planning a release", "mode": "semantic"}).json[
        "results"
    ]
    assert (best["id"], best["similarity"]) == (before[0], 1.0)
    shelf.write("plan.md", PLAN)
    shelf.build()
    assert cues_of(shelf)["Plan"] == []


def test_cues_that_somebody_has_given_outlive_what_else_changes_in_a_file(shelf):
    shelf.write("plan.md", with_cues("when do we ship"))
    shelf.build()
    given = {memory["id"]: [f"cue {n}"] for n, memory in enumerate(shelf.memories())}
    for memory_id, cues in given.items():
        shelf.client.request("PATCH", f"/memory/{memory_id}", {"cues": cues})
    shelf.write("plan.md", with_cues("when do we ship", tags="other"))
    shelf.build()
    assert {memory["id"]: memory["cues"] for memory in shelf.memories()} == given
    assert {tag for memory in shelf.memories() for tag in memory["tags"]} == {"other"}


def test_what_only_moved_within_its_file_is_not_embedded_again(shelf):
    functions = [f"def f{n}():\n    return {n}\n" + f"    # {n} {'x' * 60}\n" * 12 for n in range(20)]
    shelf.write("code.py", "\n".join(functions))
    shelf.build()
    before = shelf.memories()
    shelf.model.embedded.clear()
    shelf.write("code.py", "\n\n\n" + "\n".join(functions))
    answer = shelf.build()
    assert (answer["embedded"], answer["changed"]) == (0, 1)
    after = shelf.memories()
    assert [memory["id"] for memory in after] == [memory["id"] for memory in before]
    shifted = {memory["source"].rsplit(":", 1)[1] for memory in after}
    assert shifted.isdisjoint(memory["source"].rsplit(":", 1)[1] for memory in before)


def test_a_line_added_to_a_long_text_leaves_most_of_its_memories_alone(shelf):
    paragraphs = [f"Paragraph {n} tells of {n * 7919 % 1000} things. " * 6 for n in range(120)]
    shelf.write("long.txt", "\n\n".join(paragraphs))
    total = shelf.build()["memories"]["added"]
    shelf.model.embedded.clear()
    paragraphs.insert(40, "A paragraph that was not there before.")
    shelf.write("long.txt", "\n\n".join(paragraphs))
    added = shelf.build()["memories"]["added"]
    assert total > 20
    assert added <= 4


def test_memories_of_a_deleted_file_go(shelf):
    shelf.write("plan.md", PLAN)
    gone = shelf.write("old.md", "# Old\n\nNobody needs this.\n")
    shelf.build()
    gone.unlink()
    answer = shelf.build()
    assert outcomes(answer, shelf.folder) == {"plan.md": "kept", "old.md": "removed"}
    assert answer["memories"]["removed"] == 1
    assert not any("Nobody" in text for text in shelf.texts())


def test_without_pruning_they_stay(shelf):
    shelf.write("plan.md", PLAN)
    gone = shelf.write("old.md", "# Old\n\nNobody needs this.\n")
    shelf.build()
    gone.unlink()
    assert shelf.build(prune=False)["removed"] == 0
    assert any("Nobody" in text for text in shelf.texts())


def test_a_renamed_file_keeps_its_memories_and_what_was_corrected_in_them(shelf):
    path = shelf.write("plan.md", PLAN)
    shelf.build()
    before = [memory["id"] for memory in shelf.memories()]
    shelf.client.request("PATCH", f"/memory/{before[0]}", {"tags": ["important"]})
    shelf.model.embedded.clear()
    path.rename(shelf.folder / "roadmap.md")
    answer = shelf.build()
    assert outcomes(answer, shelf.folder) == {"roadmap.md": "added"}
    assert (answer["embedded"], answer["memories"]) == (0, {"added": 0, "kept": 3, "removed": 0})
    assert [memory["id"] for memory in shelf.memories()] == before
    assert shelf.memories()[0]["tags"] == ["important"]
    assert shelf.sources() == ["roadmap.md#Cache", "roadmap.md#Database", "roadmap.md#Plan"]
    assert shelf.build()["kept"] == 1


def test_a_dry_run_says_what_would_be_and_does_nothing(shelf):
    shelf.write("plan.md", PLAN)
    gone = shelf.write("old.md", "# Old\n\nNobody needs this.\n")
    shelf.build()
    before, shelf.model.embedded[:] = shelf.memories(), []
    gone.unlink()
    shelf.write("new.md", "New.")
    shelf.write("plan.md", PLAN.replace("Friday", "Monday"))
    answer = shelf.build(dry_run=True)
    assert outcomes(answer, shelf.folder) == {"plan.md": "changed", "old.md": "removed", "new.md": "added"}
    assert answer["memories"] == {"added": 2, "kept": 2, "removed": 2}
    assert (shelf.memories(), shelf.model.embedded) == (before, [])
    assert outcomes(shelf.build(), shelf.folder) == outcomes(answer, shelf.folder)


def test_memories_added_otherwise_are_never_touched(shelf):
    path = shelf.write("plan.md", PLAN)
    for text in ("by hand", "The ledger lies in postgres."):
        shelf.client.post("/memory/add", {"text": text, "source": f"{path}#Database"})
    shelf.build()
    path.unlink()
    shelf.write("other.md", "Other.")
    shelf.build(prune="force")
    assert shelf.texts() == ["by hand", "The ledger lies in postgres.", "Other."]


def test_a_persons_correction_stays_until_the_file_says_something_else(shelf):
    shelf.write("plan.md", PLAN)
    shelf.build()
    memory = next(memory for memory in shelf.memories() if memory["source"].endswith("#Cache"))
    shelf.client.request("PATCH", f"/memory/{memory['id']}", {"text": "Sessions lie in valkey."})
    assert shelf.build()["kept"] == 1
    assert "Sessions lie in valkey." in shelf.texts()
    shelf.write("plan.md", PLAN.replace("in redis", "in memcached"))
    shelf.build()
    assert "Sessions lie in valkey." not in shelf.texts()
    assert "Plan > Cache\n\nSessions lie in memcached." in shelf.texts()


def test_a_source_prunes_only_what_is_its_own(shelf):
    shelf.write("a/one.md", "One.")
    gone = shelf.write("b/two.md", "Two.")
    shelf.build()
    gone.unlink()
    assert shelf.build(shelf.folder / "a")["removed"] == 0
    assert "Two." in shelf.texts()
    shelf.write("b/three.md", "Three.")
    assert shelf.build(shelf.folder / "b" / "*.md")["removed"] == 1
    assert sorted(shelf.texts()) == ["One.", "Three."]


def test_a_project_is_built_apart_from_others(shelf):
    shelf.write("plan.md", PLAN)
    assert shelf.build(project="website")["project"] == "website"
    assert (len(shelf.memories("website")), shelf.memories()) == (3, [])
    shelf.build()
    shelf.write("plan.md", "Short now.")
    shelf.build(project="website")
    assert (len(shelf.memories("website")), len(shelf.memories())) == (1, 3)


def test_parts_that_say_the_same_are_one_memory(shelf):
    shelf.write("twice.md", "# A\n\nSame.\n\n# A\n\nSame.\n")
    assert shelf.build()["memories"]["added"] == 1
    assert shelf.build()["kept"] == 1


@pytest.mark.parametrize("text", ["", "\n\n  \n", "\u200b\n\n----\n\n***\n"])
def test_a_file_that_says_nothing_is_skipped_and_forgets_what_it_said(shelf, text):
    shelf.write("plan.md", text)
    shelf.write("other.md", "Other.")
    assert outcomes(shelf.build(), shelf.folder)["plan.md"] == "skipped"
    shelf.write("plan.md", PLAN)
    shelf.build()
    shelf.write("plan.md", text)
    assert outcomes(shelf.build(), shelf.folder)["plan.md"] == "changed"
    assert shelf.texts() == ["Other."]
