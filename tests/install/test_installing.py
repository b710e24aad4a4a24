"""Assistants are installed and uninstalled in any order, and leave nothing behind."""

from __future__ import annotations

import json
import shutil
import tempfile
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from faiss_memory import JsonMember, OwnFile
from faiss_memory.errors import InstallError
from faiss_memory.install import report
from faiss_memory.settings import Settings
from tests.install.assistants import ALL, ONE, THREE, TWO
from tests.install.generated import json_files, markdown_files, toml_files, yaml_files
from tests.install.places import Place, repository

NAMES = [adapter.name for adapter in ALL]
PROJECTS = st.fixed_dictionaries(
    {
        ".one/settings.json": json_files(loose=False),
        ".two/config.jsonc": json_files(loose=True),
        ".two/config.toml": toml_files(),
        "AGENTS.md": markdown_files(),
        "three.yml": yaml_files(),
    }
)
# Shrinking takes minutes: each example is an install on the disk.
slowly = [HealthCheck.too_slow, HealthCheck.data_too_large]
phases = [Phase.explicit, Phase.reuse, Phase.generate]
generated = settings(deadline=None, suppress_health_check=slowly, max_examples=20, phases=phases)
thoroughly = settings(deadline=None, suppress_health_check=slowly, max_examples=1500, phases=phases)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def states(place):
    found = report(place.records.load(), place.assistants, place.settings)
    return {
        (one.owner.assistant, str(Path(file.path).relative_to(place.folder))): file.state
        for one in found
        for file in one.files
    }


def _any_order(files, coming, going, in_git):
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        place.write(files)
        if in_git:
            repository(place.folder)
        before = place.seen()
        for name in coming:
            plan, problems = place.install(name)
            assert not plan.refusals
            assert not problems
        there = place.seen()
        assert set(states(place).values()) == {"installed"}
        plan, _ = place.install(*coming)
        assert plan.changes_nothing
        assert place.seen() == there
        for name in going:
            assert not place.uninstall(name)[1]
        assert place.seen() == before
        assert not place.records.path.exists()


@generated
@given(PROJECTS, st.permutations(NAMES), st.permutations(NAMES), st.booleans())
@pytest.mark.long
def test_assistants_come_and_go_in_any_order_and_leave_the_same_bytes(files, coming, going, in_git):
    _any_order(files, coming, going, in_git)


@pytest.mark.installs
@thoroughly
@given(PROJECTS, st.permutations(NAMES), st.permutations(NAMES), st.booleans())
def test_assistants_leave_the_same_bytes_in_thousands_of_projects(files, coming, going, in_git):
    _any_order(files, coming, going, in_git)


CORPUS = sorted(path for path in (Path(__file__).parent / "corpus").rglob("*") if path.is_file())
KINDS = {
    ".json": ".one/settings.json",
    ".jsonc": ".two/config.jsonc",
    ".toml": ".two/config.toml",
    ".yml": "three.yml",
    ".md": "AGENTS.md",
}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_a_real_looking_file_comes_back_byte_for_byte(place, path):
    place.write({KINDS[path.suffix]: path.read_bytes()})
    before = place.seen()
    assert not place.install(*NAMES)[0].refusals
    assert place.seen()[KINDS[path.suffix]] != before[KINDS[path.suffix]]
    place.uninstall(*NAMES)
    assert place.seen() == before


# What stays as it was.


def test_the_mode_of_a_file_and_a_link_to_it_stay(place):
    place.write({"real.json": b'{"a": 1}\n'})
    (place.folder / "real.json").chmod(0o640)
    (place.folder / ".one").mkdir()
    (place.folder / ".one/settings.json").symlink_to("../real.json")
    before = place.seen()
    place.install("one")
    there = place.seen()
    assert there[".one/settings.json"][2] == "../real.json"
    assert there["real.json"][1] == 0o640
    assert b"faiss-memory" in there["real.json"][0]
    place.uninstall("one")
    assert place.seen() == before


def test_two_names_of_one_file_are_one_file(place):
    place.write({"AGENTS.md": b"# Hello\n"})
    (place.folder / "docs").mkdir()
    (place.folder / "docs/THREE.md").symlink_to("../AGENTS.md")
    before = place.seen()
    place.install("one", "three")
    assert place.read("AGENTS.md").count("faiss-memory:start") == 1
    place.uninstall("one")
    assert place.read("AGENTS.md").count("faiss-memory:start") == 1
    place.uninstall("three")
    assert place.seen() == before


def test_a_link_that_leads_out_of_the_project_is_refused(place, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (place.folder / ".one").symlink_to(tmp_path / "elsewhere")
    plan, _ = place.install("one")
    assert "leads out of the project" in plan.refusals[0].reason
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    "raw", [b'{"a": ', b'{"a": 1} // no comments here', b"\xff\xfe", b'{"mcpServers": 3}']
)
def test_a_file_that_cannot_be_read_is_untouched_and_so_are_the_others_of_its_assistant(place, raw):
    place.write({".one/settings.json": raw, "three.yml": b"model: x\n"})
    before = place.seen()
    plan, _ = place.install("one")
    assert place.seen() == before
    refusal = plan.refusals[0]
    assert refusal.path.endswith("settings.json")
    assert json.loads(refusal.snippet)["mcpServers"]
    plan, _ = place.install("three", "one")
    assert {refusal.owner.assistant for refusal in plan.refusals} == {"one"}
    assert ".faiss-memory/context.md" in place.read("three.yml")
    assert place.seen()[".one/settings.json"] == before[".one/settings.json"]


def test_a_read_only_file_is_untouched(place):
    place.write({".one/settings.json": b"{}\n"})
    (place.folder / ".one/settings.json").chmod(0o444)
    before = place.seen()
    plan, _ = place.install("one")
    assert [refusal.reason for refusal in plan.refusals] == ["it is read-only"]
    assert place.seen() == before


def test_a_file_of_the_persons_own_in_our_place_is_not_replaced(place):
    place.write({".one/rules/faiss-memory.md": b"My own rules.\n"})
    before = place.seen()
    plan, _ = place.install("one")
    assert "is not ours" in plan.refusals[0].reason
    assert place.seen() == before
    place.install("one", force=True)
    assert "My own" not in place.read(".one/rules/faiss-memory.md")
    place.uninstall("one")
    assert place.seen() == before


# Edited since.


def test_what_was_edited_around_ours_stays_and_only_ours_goes(place):
    place.write(
        {".one/settings.json": b'{\n  "a": 1\n}\n', "AGENTS.md": b"# Hello\n", ".two/config.toml": b"# x\n"}
    )
    place.install("one", "two")
    for name, old, new in (
        (".one/settings.json", '"a": 1', '"a": 2'),
        ("AGENTS.md", "# Hello", "# Goodbye"),
        (".two/config.toml", "# x", "# y\nz = 1"),
    ):
        path = place.folder / name
        path.write_text(path.read_text().replace(old, new))
    assert set(states(place).values()) == {"installed"}
    plan, _ = place.uninstall("two", "one")
    assert any("edited since" in remark for remark in plan.remarks)
    assert json.loads(place.read(".one/settings.json")) == {"a": 2, "version": 1}
    assert place.read("AGENTS.md") == "# Goodbye\n"
    assert place.read(".two/config.toml") == "# y\nz = 1\n"
    assert not (place.folder / ".one/rules").exists()
    assert not place.records.path.exists()


def test_a_part_of_ours_that_was_edited_is_left_and_named_unless_forced(place):
    place.write({".one/settings.json": b'{"mine": 1}\n'})
    place.install("one")
    path = place.folder / ".one/settings.json"
    path.write_text(path.read_text().replace("127.0.0.1:8900", "example.com"))
    (place.folder / ".one/rules/faiss-memory.md").write_text("faiss-memory, in my words\n")
    assert states(place)["one", ".one/settings.json"] == "edited"
    assert states(place)["one", "AGENTS.md"] == "installed"
    place.install("one")
    assert "example.com" in path.read_text()
    plan, _ = place.uninstall("one")
    assert "example.com" in path.read_text()
    assert "hooks" not in path.read_text()
    assert place.read(".one/rules/faiss-memory.md") == "faiss-memory, in my words\n"
    assert sum("stays as it is" in remark for remark in plan.remarks) == 2
    place.uninstall("one", force=True)
    assert "faiss-memory" not in path.read_text()
    assert not (place.folder / ".one/rules/faiss-memory.md").exists()


def test_force_replaces_what_was_edited(place):
    place.install("one")
    path = place.folder / ".one/settings.json"
    ours = path.read_text()
    path.write_text(ours.replace("127.0.0.1:8900", "example.com").replace("startup", "never"))
    place.install("one", force=True)
    assert json.loads(path.read_text()) == json.loads(ours)


def test_a_file_that_was_removed_is_missing_and_comes_back(place):
    place.install("one")
    (place.folder / "AGENTS.md").unlink()
    assert states(place)["one", "AGENTS.md"] == "missing"
    place.install("one")
    assert "faiss-memory:start" in place.read("AGENTS.md")
    (place.folder / "AGENTS.md").unlink()
    place.uninstall("one")
    assert place.seen() == {}


def test_one_of_two_goes_from_a_file_that_was_edited(place):
    place.write({".one/settings.json": b'{"a": 1}\n'})
    place.install("one", "two")
    path = place.folder / ".one/settings.json"
    path.write_text(path.read_text().replace('"a": 1', '"a": 2'))
    place.uninstall("one")
    data = json.loads(path.read_text())
    assert "mcpServers" not in data
    assert len(data["hooks"]["SessionStart"]) == 2
    assert "Two asks" in place.read("AGENTS.md")
    assert {state for (name, _), state in states(place).items() if name == "two"} == {"installed"}
    place.uninstall("two")
    assert json.loads(path.read_text()).keys() <= {"a", "version"}


# Newer versions, lost records.


def newer(context):
    return [
        JsonMember(".one/settings.json", ("mcpServers", "faiss-memory"), {"url": "newer"}),
        OwnFile(".one/other/faiss-memory.md", "newer\n"),
    ]


def test_a_newer_version_replaces_an_older_one(place):
    place.write({".one/settings.json": b'{"mcpServers": {"x": {}}}\n'})
    before = place.seen()
    place.install("one")
    place.use([replace(ONE, files=newer), TWO, THREE])
    assert states(place) == {
        ("one", ".one/settings.json"): "outdated",
        ("one", ".one/rules/faiss-memory.md"): "outdated",
        ("one", "AGENTS.md"): "outdated",
        ("one", ".one/other/faiss-memory.md"): "missing",
    }
    place.install("one")
    assert set(states(place).values()) == {"installed"}
    assert json.loads(place.read(".one/settings.json")) == {
        "mcpServers": {"x": {}, "faiss-memory": {"url": "newer"}}
    }
    assert not (place.folder / "AGENTS.md").exists()
    assert not (place.folder / ".one/rules").exists()
    place.uninstall("one")
    assert place.seen() == before


def test_a_newer_version_replaces_an_older_one_in_a_file_that_was_edited(place):
    place.install("one")
    path = place.folder / ".one/settings.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 1, "mine": true'))
    place.use([replace(ONE, files=newer), TWO, THREE])
    place.install("one")
    data = json.loads(path.read_text())
    assert data["mcpServers"] == {"faiss-memory": {"url": "newer"}}
    assert data["mine"]
    assert "hooks" not in data
    place.uninstall("one")
    assert json.loads(path.read_text()) == {"version": 1, "mine": True}


def test_an_assistant_whose_adapter_is_gone_can_still_be_uninstalled(place):
    place.install("one")
    place.use([TWO])
    assert set(states(place).values()) == {"installed"}
    place.uninstall("one")
    assert place.seen() == {}


@pytest.mark.parametrize("again", [False, True], ids=["at once", "installed again"])
def test_without_a_record_ours_is_recognised(place, again):
    place.write(
        {".one/settings.json": b'{\n  "a": 1\n}\n', "AGENTS.md": b"# Hello\n", "three.yml": b"x: 1\n"}
    )
    exclude = repository(place.folder)
    exclude.write_bytes(b"*.log\n")
    before = place.seen()
    place.install(*NAMES)
    there = place.seen()
    place.records.path.unlink()
    if again:
        plan, _ = place.install(*NAMES)
        assert [
            edit.path for edit in plan.edits if edit.path.endswith(("settings.json", "three.yml", ".toml"))
        ] == []
        place.uninstall(*NAMES)  # gives back what two of them have in one place, as if it were the person's
    place.uninstall(*NAMES)
    after = place.seen()
    assert json.loads(place.read(".one/settings.json")).keys() <= {"a", "version"}
    assert after["AGENTS.md"] == before["AGENTS.md"]
    assert after["three.yml"] == before["three.yml"]
    assert exclude.read_bytes() == b"*.log\n"
    left = {name for name, seen in after.items() if name not in before and (seen != "folder" or not again)}
    assert (left, before.keys() - after.keys()) == (set(), set())
    assert len(there) > len(after)


HAND_WRITTEN = {
    ".one/settings.json": b'{ "mcpServers" : { "faiss-memory": {"command": "mine"} },\n "hooks": {"SessionStart":\n'
    b'  [{"command": "/old/faiss-memory-hook x"}]}, "permissions": {"allow": ["mcp__faiss-memory__add"]} }',
    ".one/rules/faiss-memory.md": b"What I think of faiss-memory.",
    ".two/config.toml": b"[mcp_servers]\n  [mcp_servers.faiss-memory] # mine\n  command = 'mine'",
    "AGENTS.md": b"# Hi\n<!-- faiss-memory:start -->\nmine\n<!-- faiss-memory:end -->\n",
    "three.yml": b"mcp: {faiss-memory: mine}\nload: mine # x\nread:\n- .faiss-memory/context.md\n- x\n",
}


@pytest.mark.parametrize("coming", [["one", "two", "three"], ["three", "two", "one"]])
def test_entries_of_ones_own_by_our_name_are_there_again_when_we_go(place, coming):
    place.write(HAND_WRITTEN)
    before = place.seen()
    for name in coming:
        assert not place.install(name)[0].refusals
        assert "/old/" not in place.read(".one/settings.json") or name != "one"
    assert set(states(place).values()) == {"installed"}
    for name in coming:
        place.uninstall(name)
    assert place.seen() == before


def test_entries_of_ones_own_come_back_into_a_file_that_was_edited_too(place):
    place.write(HAND_WRITTEN)
    place.install("one", "three", "two")
    for name, edit in {
        ".one/settings.json": lambda text: text.replace("{", '{"new": 1,', 1),
        ".two/config.toml": lambda text: f"new = 1\n{text}",
        "AGENTS.md": lambda text: f"new\n{text}",
        "three.yml": lambda text: f"new: 1\n{text}",
    }.items():
        path = place.folder / name
        path.write_text(edit(path.read_text()))
    place.uninstall("two", "one", "three")
    settings = json.loads(place.read(".one/settings.json"))
    assert settings == {"new": 1, "version": 1, **json.loads(HAND_WRITTEN[".one/settings.json"])}
    config = tomllib.loads(place.read(".two/config.toml"))
    assert config == {"new": 1, **tomllib.loads(HAND_WRITTEN[".two/config.toml"].decode())}
    assert place.read("AGENTS.md").encode() == b"new\n" + HAND_WRITTEN["AGENTS.md"]
    assert yaml.safe_load(place.read("three.yml")) == {"new": 1, **yaml.safe_load(HAND_WRITTEN["three.yml"])}
    assert place.read(".one/rules/faiss-memory.md").encode() == HAND_WRITTEN[".one/rules/faiss-memory.md"]


@pytest.mark.parametrize("gone", [True, False], ids=["removed", "moved"])
def test_a_project_that_is_gone_can_still_be_uninstalled(place, monkeypatch, gone):
    home = place.folder.parent / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / "kept.json").write_text('{"mine": 1}\n')
    elsewhere = JsonMember("~/kept.json", ("projects", str(place.folder), "faiss-memory"), {"url": "x"})
    place.use([replace(ONE, files=lambda context: [*ONE.files(context), elsewhere])])
    place.install("one")
    if gone:
        shutil.rmtree(place.folder)
    else:
        place.folder.rename(place.folder.parent / "moved")
    place.use([ONE])
    with pytest.raises(InstallError, match="no such folder"):
        place.install("one")
    place.uninstall("one")
    assert (home / "kept.json").read_text() == '{"mine": 1}\n'
    assert not place.records.path.exists()
    with pytest.raises(InstallError, match="no such folder"):
        place.use([ONE])


def test_a_damaged_record_is_said(place):
    place.install("one")
    place.records.path.write_text("{")
    with pytest.raises(InstallError, match="is damaged"):
        place.install("one")


def test_the_record_is_private(place):
    place.install("one")
    assert place.records.path.stat().st_mode & 0o777 == 0o600
    assert place.records.folder.stat().st_mode & 0o777 == 0o700


# Git.


def test_new_personal_files_are_kept_out_of_git(place):
    exclude = repository(place.folder)
    exclude.write_bytes(b"# git's own words\n*.log\n")
    place.write({"AGENTS.md": b"# there before\n"})
    before = place.seen()
    place.install("one")
    lines = exclude.read_text().splitlines()
    assert "/.one/settings.json" in lines
    assert "/AGENTS.md" not in lines
    place.install("two")
    place.uninstall("one")
    assert "/.two/config.toml" in exclude.read_text().splitlines()
    assert "/.one/rules/faiss-memory.md" not in exclude.read_text().splitlines()
    place.uninstall("two")
    assert place.seen() == before


def test_in_a_worktree_the_shared_folder_of_git_is_told(tmp_path):
    place = Place(tmp_path)
    (tmp_path / "main").mkdir()
    repository(tmp_path / "main")
    own = tmp_path / "main/.git/worktrees/project"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/x\n")
    (own / "commondir").write_text("../..\n")
    (place.folder / ".git").write_text(f"gitdir: {own}\n")
    place.install("one")
    exclude = tmp_path / "main/.git/info/exclude"
    assert "/.one/settings.json" in exclude.read_text().splitlines()
    place.uninstall("one")
    assert not exclude.exists()


def test_shared_files_are_not_hidden_from_git(tmp_path):
    place = Place(tmp_path, scope="shared")
    repository(place.folder)
    place.install("one")
    assert not (place.folder / ".git/info/exclude").exists()


# Secrets.


@pytest.mark.parametrize("where", ["token", "public_token"])
def test_a_secret_is_never_written(tmp_path, where):
    secret = "5b2f7c1e90ab"
    given = {"token": "another-token", "public_token": secret, "public_url": "https://m.example.com"}
    set_to = Settings(token=secret) if where == "token" else Settings(**given)
    leaking = replace(ONE, files=lambda context: [
        JsonMember(".one/settings.json", ("mcpServers", "faiss-memory"), {"headers": {"A": f"Bearer {secret}"}}),
    ])  # fmt: skip
    place = Place(tmp_path, [leaking], settings=set_to)
    plan, _ = place.install("one")
    assert "token" in plan.refusals[0].reason
    assert place.seen() == {}
