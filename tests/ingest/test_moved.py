"""What moved keeps its memories, and what several checkouts of one repository share is read once."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.ingest.conftest import outcomes, reasons

PLAN = "---\ntags: [ops]\n---\n# Plan\n\nWe ship on Friday.\n\n## Database\n\nIn postgres.\n\n## Cache\n\nIn redis.\n"


def by_id(shelf):
    return {memory["id"]: memory for memory in shelf.memories()}


@pytest.fixture
def built(shelf):
    """Notes that were built, and corrected by a person."""
    shelf.write("plan.md", PLAN)
    shelf.write("deep/other.md", "# Other\n\nSomething else.\n")
    shelf.build()
    shelf.before = by_id(shelf)
    shelf.client.request(
        "PATCH", f"/memory/{min(shelf.before)}", {"tags": ["mine"], "cues": ["when to ship"]}
    )
    shelf.before = by_id(shelf)
    shelf.model.embedded.clear()
    return shelf


def test_a_folder_that_moved_keeps_its_memories(built, tmp_path):
    moved = tmp_path / "library" / "notes"
    moved.parent.mkdir()
    built.folder.rename(moved)
    answer = built.build(moved)
    assert (answer["embedded"], answer["memories"]) == (0, {"added": 0, "kept": 4, "removed": 0})
    after = by_id(built)
    assert {memory_id: {**memory, "source": ""} for memory_id, memory in after.items()} == {
        memory_id: {**memory, "source": ""} for memory_id, memory in built.before.items()
    }
    assert [memory["source"] for memory in after.values()] == [
        memory["source"].replace(str(built.folder), str(moved)) for memory in built.before.values()
    ]
    assert built.build(moved)["kept"] == 2


def test_a_folder_that_moved_and_left_a_link_keeps_its_memories(built, tmp_path):
    moved = tmp_path / "elsewhere"
    built.folder.rename(moved)
    built.folder.symlink_to(moved)
    assert built.build(built.folder)["memories"] == {"added": 0, "kept": 4, "removed": 0}
    assert {memory["source"].split("/")[-2] for memory in built.memories()} == {"elsewhere", "deep"}


@pytest.mark.parametrize("prune", [True, False])
def test_what_a_moved_file_says_no_more_goes_with_it_if_that_is_wanted(built, tmp_path, prune):
    moved = tmp_path / "elsewhere"
    built.folder.rename(moved)
    (moved / "plan.md").write_text(PLAN.replace("In redis", "In valkey"))
    answer = built.build(moved, prune=prune)
    assert answer["memories"] == {"added": 1, "kept": 3, "removed": int(prune)}
    assert any("redis" in text for text in built.texts()) != prune


def test_a_file_that_shares_little_with_one_that_is_gone_takes_nothing_from_it(built, tmp_path):
    """The folder may only be out of sight."""
    new = tmp_path / "new" / "a.md"
    new.parent.mkdir()
    new.write_text("# Plan\n\n## Cache\n\nIn redis.\n")
    shutil.move(built.folder, tmp_path / "out of sight")
    assert built.build(new)["memories"] == {"added": 0, "kept": 1, "removed": 0}
    assert len(built.memories()) == 4


def test_a_copy_is_kept_as_well_as_what_it_was_made_of(built, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(built.folder, copy)
    assert built.build(copy)["memories"] == {"added": 4, "kept": 0, "removed": 0}
    assert built.build(built.folder)["kept"] == 2
    assert len(built.memories()) == 8
    # As long as both are there.
    shutil.rmtree(built.folder)
    assert built.build(copy)["memories"] == {"added": 0, "kept": 4, "removed": 4}
    assert {memory["source"].split("/")[-2] for memory in built.memories()} == {"copy", "deep"}


def test_a_dry_run_says_what_becomes_of_a_folder_that_moved(built, tmp_path):
    built.folder.rename(tmp_path / "elsewhere")
    answer = built.build(tmp_path / "elsewhere", dry_run=True)
    assert answer["memories"] == {"added": 0, "kept": 4, "removed": 0}
    assert by_id(built) == built.before


def test_another_project_keeps_its_own(built, tmp_path):
    built.folder.rename(tmp_path / "elsewhere")
    assert built.build(tmp_path / "elsewhere", project="website")["memories"]["added"] == 4
    assert by_id(built) == built.before


def test_of_parts_that_say_the_same_each_goes_to_the_file_of_its_name(shelf, tmp_path):
    for name in ("a.md", "b.md", "c.md"):
        shelf.write(name, "# License\n\nMIT.\n")
    shelf.build()
    before = {memory["source"].rsplit("/")[-1]: memory["id"] for memory in shelf.memories()}
    shelf.folder.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "a.md").rename(tmp_path / "elsewhere" / "z.md")
    shelf.build(tmp_path / "elsewhere")
    after = {memory["source"].rsplit("/")[-1]: memory["id"] for memory in shelf.memories()}
    assert after == {name.replace("a.md", "z.md"): memory_id for name, memory_id in before.items()}


# Several checkouts of one repository.


def git(folder, *arguments):
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", folder, *arguments],
        check=True,
        capture_output=True,
    )


@pytest.fixture
def repository(shelf):
    """A repository with a worktree inside it, on a branch of its own."""
    shelf.write("plan.md", PLAN)
    git(shelf.folder, "init", "-q", "-b", "main")
    git(shelf.folder, "add", ".")
    git(shelf.folder, "commit", "-q", "-m", "one")
    git(shelf.folder, "worktree", "add", "-q", "a tree", "-b", "other")
    return shelf


def test_of_a_file_in_a_worktree_inside_the_folder_one_copy_is_read(repository):
    shelf = repository
    shelf.write("a tree/plan.md", PLAN.replace("Friday", "Monday"))
    shelf.write("a tree/new.md", "Only here.")
    answer = shelf.build()
    assert outcomes(answer, shelf.folder) == {
        "plan.md": "added", "a tree/new.md": "added", "a tree/plan.md": "skipped",
        **{name: "skipped" for name in (".git/", "a tree/.git")},
    }  # fmt: skip
    assert [file["reason"] for file in answer["files"] if file["file"].endswith("a tree/plan.md")] == [
        f"it belongs to {shelf.folder}/a tree, a worktree of the git repository that is read at {shelf.folder}; of "
        "each file that both have, only the one there is read"
    ]
    assert shelf.sources() == ["a tree/new.md:1-1", "plan.md#Cache", "plan.md#Database", "plan.md#Plan"]
    # Named alone, it is read.
    assert outcomes(shelf.build(shelf.folder / "a tree"), shelf.folder)["a tree/plan.md"] == "added"
    # What was built of it before goes with the next build of both.
    answer = shelf.build()
    assert (answer["memories"]["removed"], answer["removed"]) == (3, 1)
    assert "worktree" in reasons(answer)["plan.md"]
    assert len(shelf.memories()) == 4


def test_a_submodule_is_a_repository_of_its_own(shelf):
    shelf.write(".git/HEAD", "ref: refs/heads/main")
    shelf.write("plan.md", PLAN)
    shelf.write(".git/modules/sub/HEAD", "ref: refs/heads/main")
    shelf.write("sub/.git", "gitdir: ../.git/modules/sub")
    shelf.write("sub/plan.md", PLAN)
    shelf.write("broken/.git", "gitdir: ../nowhere")
    shelf.write("broken/plan.md", PLAN)
    assert shelf.build()["added"] == 3


def test_what_a_file_said_goes_when_a_folder_takes_its_place(built):
    (built.folder / "plan.md").unlink()
    built.write("plan.md/inside.md", "# Inside\n\nAnother thing.\n")
    assert built.build()["memories"] == {"added": 1, "kept": 1, "removed": 3}
    assert built.sources() == ["deep/other.md#Other", "plan.md/inside.md#Inside"]
