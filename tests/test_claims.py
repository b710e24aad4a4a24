"""No two repositories share a project's name by accident, and one repository has one name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from faiss_memory import Draft
from faiss_memory.project_name import place_of, project_of


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def repository(top, remote=""):
    (top / ".git").mkdir(parents=True)
    (top / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (top / ".git" / "config").write_text(f'[remote "origin"]\n\turl = {remote}\n' if remote else "")
    return top


def test_two_of_one_name_stay_apart_and_each_keeps_its_own(service, home):
    first, second = repository(home / "a" / "app"), repository(home / "b" / "app")
    assert service.project_at(first) == "app"
    other = service.project_at(second)
    assert other.startswith("app-")
    assert len(other) == 8
    assert (service.project_at(second / "sub"), service.project_at(first)) == (other, "app")


@pytest.mark.parametrize(
    ("first", "second"),
    [("https://h.org/a.b/c", "https://h.org/a/b.c"), ("https://github.com/o/r", "https://gitlab.com/o/r")],
)
def test_remotes_that_make_one_name_stay_apart(service, home, first, second):
    names = {service.project_at(repository(home / name, url)) for name, url in (("x", first), ("y", second))}
    assert len(names) == 2


def test_one_repository_has_one_name_by_every_way(service, home):
    for ways in (
        ["https://github.com/Own/Rep.git", "git@github.com:own/rep", "ssh://git@ssh.github.com:443/Own/Rep.git"],
        ["https://dev.azure.com/Org/Proj/_git/Rep", "git@ssh.dev.azure.com:v3/Org/Proj/Rep",
         "https://me@dev.azure.com/Org/Proj/_git/Rep", "https://org.visualstudio.com/DefaultCollection/Proj/_git/Rep",
         "org@vs-ssh.visualstudio.com:v3/Org/Proj/Rep"],
    ):  # fmt: skip
        tops = [repository(home / f"{len(ways)}{number}", url) for number, url in enumerate(ways)]
        assert len({service.project_at(top) for top in tops}) == 1


def test_a_repository_called_default_is_not_the_shared_project(service, home):
    name = service.project_at(repository(home / "default"))
    assert name.startswith("default-")
    assert project_of(home / "default") == name


def test_names_stay_after_a_restart_and_a_move_and_where_memories_are(make_service, home, tmp_path):
    first = make_service()
    top, other = repository(home / "a" / "app"), repository(home / "b" / "app")
    azure = repository(home / "azure", "https://dev.azure.com/o/p/_git/r")
    first.engine.add([Draft(text="x", project="o.p._git.r")], None)
    assert first.project_at(azure) == "o.p._git.r"
    assert first.project_at(top) == "app"
    second_name = first.project_at(other)
    first.stop()
    again = make_service()
    assert (again.project_at(other), again.project_at(azure)) == (second_name, "o.p._git.r")
    moved = top.rename(home / "moved-app")
    (home / "app").mkdir()
    moved = moved.rename(home / "app" / "app")
    assert again.project_at(moved) == "app"
    assert json.loads((tmp_path / "data" / "projects.json").read_text())[str(moved)] == "app"


def test_a_folder_without_git_is_known_by_an_assistants_files_else_by_who_works_there(service, home):
    notes = home / "notes"
    (notes / "deep" / "er").mkdir(parents=True)
    (home / "CLAUDE.md").write_text("")  # a person's own, and no project's
    assert service.project_at(notes / "deep") == "deep"
    (notes / ".mcp.json").write_text("{}")
    assert service.project_at(notes / "deep" / "er") == "notes"
    assert place_of(notes / "deep").name == "default"
    for nobodys in (home, Path("/"), Path("/tmp"), home / "missing"):
        assert service.project_at(nobodys) == "default"


def test_a_program_is_told_whose_the_name_is(client):
    for owner, project in (("github.com/a/b", "a.b"), ("gitlab.com/a/b", "a.b-")):
        answer = client.post("/projects/claim", {"name": "a.b", "owner": owner}).json
        assert answer["project"].startswith(project)
    assert answer["owned_by"] == "github.com/a/b"
    assert client.post("/projects/claim", {"name": "default", "owner": ""}).json["project"] == "default"
