"""What an install leaves behind goes on being known: after edits, after links, in others' clones, and twice."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from faiss_memory import Adapter, JsonMember, OwnFile, PromptTemplate
from faiss_memory.install import Owner, conflicts, followed, report
from tests.install.assistants import ALL, ONE, TWO
from tests.install.places import Place

RULES = ".one/rules/faiss-memory.md"
NAMES = [adapter.name for adapter in ALL]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def states(place, folder=""):
    found = report(followed(place.records.load()), place.assistants, place.settings, folder)
    return {
        (one.owner.assistant, str(Path(file.path).relative_to(place.folder))): file.state
        for one in found
        for file in one.files
    }


def rewrite(place, name, old, new):
    path = place.folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


# A second uninstall.


def edit_rules(place):
    (place.folder / RULES).write_text("My own words about faiss-memory.\n")
    return RULES


def edit_block(place):
    rewrite(place, "AGENTS.md", "Search it first", "I say: ask before you search")
    return "AGENTS.md"


def edit_server(place):
    rewrite(place, ".one/settings.json", "127.0.0.1:8900", "example.com")
    return ".one/settings.json"


@pytest.mark.parametrize("edit", [edit_rules, edit_block, edit_server])
@pytest.mark.parametrize("between", [False, True], ids=["at once", "installed again between"])
def test_what_the_first_uninstall_protects_the_second_does_not_remove(place, edit, between):
    place.write({"AGENTS.md": b"# Mine\n"})
    place.install("one")
    name = edit(place)
    if between:
        place.install("one")
    plan, _ = place.uninstall("one")
    assert any("edited since" in remark for remark in plan.remarks)
    there = place.seen()
    assert name in there
    for _ in range(2):
        plan, _ = place.uninstall("one")
        assert place.seen() == there
        assert any("edited since" in remark for remark in plan.remarks)
    assert states(place) == {("one", name): "kept"}
    (left,) = report(place.records.load(), place.assistants, place.settings)
    assert (left.is_left_over, list(left.steps)) == (True, [])
    place.uninstall("one", force=True)
    assert place.seen().keys() <= {"AGENTS.md", ".one", ".one/settings.json"}
    assert place.read("AGENTS.md") == "# Mine\n"
    assert not place.records.path.exists()


def test_what_was_kept_is_installed_again_around_the_persons_words(place):
    place.install("one")
    edit_rules(place)
    place.uninstall("one")
    place.install("one")
    assert states(place)["one", RULES] == "edited"
    assert states(place)["one", "AGENTS.md"] == "installed"
    place.install("one", force=True)
    assert "My own" not in place.read(RULES)
    place.uninstall("one")
    assert place.seen().keys() == {".one", ".one/rules", RULES}
    assert "My own" in place.read(RULES)


def test_of_two_assistants_one_goes_and_what_was_edited_of_it_is_known_after_the_other_goes_too(place):
    place.install("one", "two")
    edit_server(place)
    place.uninstall("one")
    assert "example.com" in place.read(".one/settings.json")
    place.uninstall("two")
    assert "example.com" in place.read(".one/settings.json")
    assert states(place) == {("one", ".one/settings.json"): "kept"}
    place.uninstall("one", force=True)
    assert place.seen().keys() <= {".one", ".one/settings.json"}


def test_without_a_record_a_file_in_other_words_stays_unless_forced(place):
    place.install("one")
    (place.folder / RULES).write_text("My own words about faiss-memory.\n")
    place.records.path.unlink()
    for _ in range(2):
        place.uninstall("one")
        assert place.read(RULES) == "My own words about faiss-memory.\n"
    place.uninstall("one", force=True)
    assert not (place.folder / RULES).exists()


# Links.


@pytest.mark.parametrize("edited", [False, True])
def test_a_file_that_became_a_link_is_followed_and_the_link_stays(place, edited):
    place.write({".one/settings.json": b'{"a": 1}\n', "AGENTS.md": b"# Mine\n"})
    place.install("one")
    (place.folder / "dotfiles").mkdir()
    for name in (".one/settings.json", "AGENTS.md"):
        target = place.folder / "dotfiles" / Path(name).name
        shutil.move(place.folder / name, target)
        (place.folder / name).symlink_to(target)
    if edited:
        rewrite(place, "dotfiles/settings.json", '"a": 1', '"a": 2')
    assert set(states(place).values()) == {"installed"}
    plan, _ = place.install("one")
    assert not plan.edits
    plan, _ = place.uninstall("one")
    assert not plan.refusals
    assert (place.folder / ".one/settings.json").is_symlink()
    assert (place.folder / "AGENTS.md").is_symlink()
    assert place.read("dotfiles/AGENTS.md") == "# Mine\n"
    assert "faiss-memory" not in place.read("dotfiles/settings.json")
    assert not place.records.path.exists()


@pytest.mark.parametrize("target_stays", [True, False])
def test_a_link_that_became_a_file_is_cleaned_at_both_places(place, target_stays):
    place.write({"real.json": b'{"a": 1}\n'})
    (place.folder / ".one").mkdir()
    (place.folder / ".one/settings.json").symlink_to("../real.json")
    place.install("one")
    (place.folder / ".one/settings.json").unlink()
    shutil.copy(place.folder / "real.json", place.folder / ".one/settings.json")
    if not target_stays:
        (place.folder / "real.json").unlink()
    assert states(place)["one", ".one/settings.json"] == "installed"
    place.uninstall("one")
    assert place.read(".one/settings.json") == '{"a": 1}\n'
    assert not target_stays or place.read("real.json") == '{"a": 1}\n'
    assert not place.records.path.exists()


def test_a_folder_that_became_a_link_is_followed(place):
    place.install("one")
    (place.folder / ".one").rename(place.folder / "moved")
    (place.folder / ".one").symlink_to("moved")
    assert set(states(place).values()) == {"installed"}
    place.uninstall("one")
    assert not list((place.folder / "moved").rglob("*.json"))
    assert (place.folder / ".one").is_symlink()


def test_a_file_that_became_a_link_out_of_the_project_is_left_and_named(place, tmp_path):
    place.install("one")
    shutil.move(place.folder / "AGENTS.md", tmp_path / "elsewhere.md")
    (place.folder / "AGENTS.md").symlink_to(tmp_path / "elsewhere.md")
    before = (tmp_path / "elsewhere.md").read_bytes()
    plan, _ = place.uninstall("one")
    assert "leads out of the project" in plan.refusals[0].reason
    assert (tmp_path / "elsewhere.md").read_bytes() == before


# A file of the person's by the name of a skill.

SKILL = OwnFile(
    ".one/skills/remember/SKILL.md", "# Remember\n\nCall `memory_add` of faiss-memory.\n", spared=True
)


@pytest.mark.parametrize(
    "mine", ["# Remember my groceries\n", "Run `faiss-memory add` with what I say, and then sing.\n"]
)
def test_a_skill_of_the_persons_own_blocks_that_skill_alone(place, mine):
    place.use([replace(ONE, files=lambda context: [*ONE.files(context), SKILL])])
    place.write({SKILL.path: mine.encode()})
    before = place.seen()
    plan, _ = place.install("one")
    assert not plan.refusals
    assert any(f"{SKILL.path} was left out, and the rest is installed" in remark for remark in plan.remarks)
    assert place.read(SKILL.path) == mine
    assert states(place)["one", SKILL.path] == "yours"
    assert states(place)["one", "AGENTS.md"] == "installed"
    place.uninstall("one")
    assert place.seen() == before
    place.install("one", force=True)
    assert place.read(SKILL.path) == SKILL.text
    place.uninstall("one")
    assert place.seen() == before


def test_an_older_form_of_a_skill_is_replaced(place):
    place.use([replace(ONE, files=lambda context: [SKILL])])
    place.write({SKILL.path: b"# Remember\n\nCall `memory_store` of faiss-memory.\n"})
    plan, _ = place.install("one")
    assert plan.remarks == []
    assert place.read(SKILL.path) == SKILL.text


# Others' clones, and several scopes.


def test_a_clone_with_committed_files_is_recognised(tmp_path):
    first = Place(tmp_path / "first", scope="shared")
    first.install("one")
    clone = Place(tmp_path / "clone", scope="shared")
    shutil.copytree(first.folder, clone.folder, dirs_exist_ok=True)
    # The made-up assistant names its folder in nothing that is shared.
    found = report(clone.records.load(), clone.assistants, clone.settings, str(clone.folder))
    assert [(one.owner.assistant, one.owner.scope, one.is_recorded) for one in found] == [
        ("one", "shared", False)
    ]
    there = {str(Path(file.path).relative_to(clone.folder)): file.state for file in found[0].files}
    assert there[".one/settings.json"] == there["AGENTS.md"] == "installed"
    before = clone.seen()
    plan, _ = clone.install("one")
    assert {Path(edit.path).name for edit in plan.edits} <= {"faiss-memory.md"}  # it names the project
    clone.uninstall("one")
    assert clone.seen().keys() < before.keys()
    assert report(clone.records.load(), clone.assistants, clone.settings, str(clone.folder)) == []


def test_a_folder_without_us_is_not_recognised(place):
    place.write({"AGENTS.md": b"# faiss-memory\n", ".one/settings.json": b'{"version": 1, "hooks": {}}'})
    assert report(place.records.load(), place.assistants, place.settings, str(place.folder)) == []


def test_several_scopes_at_once_are_told():
    mine, shared, user = Owner("one", "personal", "/x"), Owner("one", "shared", "/x"), Owner("one", "user")
    other = Owner("one", "shared", "/y")
    assert conflicts([mine, other, Owner("two", "user")]) == []
    (said,) = conflicts([mine, shared])
    assert "in /x for yourself, and also in /x for everybody" in said
    assert "`faiss-memory uninstall one --project /x --shared`" in said
    assert len(conflicts([mine, shared, user])) == 3


# What git tracks.


def in_git(place, *names):
    for command in (["init", "-q"], ["add", *names]):
        subprocess.run(["git", "-C", place.folder, *command], check=True, capture_output=True)


@pytest.mark.skipif(not shutil.which("git"), reason="git is not there")
def test_a_file_that_git_tracks_is_told_before_a_personal_install_changes_it(place):
    started = Adapter(
        name="started", title="Started", prompt=PromptTemplate("started", ""), scopes=("personal", "shared"),
        files=lambda context: [JsonMember(".tool.json", ("servers", "faiss-memory"), {"command": context.command})],
    )  # fmt: skip
    place.use([ONE, TWO, started])
    place.write({"AGENTS.md": b"# Mine\n", ".tool.json": b"{}\n", "odd name*.md": b""})
    in_git(place, "AGENTS.md", ".tool.json")
    plan, _ = place.install("one")
    (said,) = plan.warnings
    assert f"{place.folder / 'AGENTS.md'} is tracked by git" in said
    assert "--user" in said
    assert "--shared" in said
    plan, _ = place.install("started")
    assert "with paths of this machine" in plan.warnings[0]
    assert "--user" not in plan.warnings[0]
    plan, _ = place.install("one", "started")
    assert plan.warnings == []
    shared = Place(place.folder.parent / "other", scope="shared")
    shared.write({"AGENTS.md": b"# Mine\n"})
    in_git(shared, "AGENTS.md")
    assert shared.install("one")[0].warnings == []


@pytest.mark.skipif(not shutil.which("git"), reason="git is not there")
def test_what_others_have_committed_is_not_taken_away_by_one_persons_uninstall(tmp_path):
    shared = Place(tmp_path, scope="shared")
    shared.install("one")
    shared.records.path.unlink()
    in_git(shared, ".")
    before = shared.seen()["AGENTS.md"]
    (found,) = report(shared.records.load(), shared.assistants, shared.settings, str(shared.folder))
    assert not found.is_recorded
    mine = Place(tmp_path)
    plan, _ = mine.uninstall("one")
    assert mine.seen()["AGENTS.md"] == before
    assert any("--shared` takes out ours" in remark for remark in plan.remarks)
    shared.uninstall("one")
    assert "AGENTS.md" not in shared.seen()
