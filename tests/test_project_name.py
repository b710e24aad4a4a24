"""Which project a folder belongs to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, strategies as st

from faiss_memory.project_name import name_of_remote, project_of, read_config
from faiss_memory.schema import PROJECT_PATTERN
from faiss_memory.schema.names import fitted

ANY_TEXT = st.text(st.characters(), max_size=200) | st.text("aZ9-_. /:", min_size=60, max_size=200)
PART = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True)


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def repository(top, config=""):
    """Make what git makes of a folder, as far as names go."""
    (top / ".git").mkdir(parents=True)
    (top / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (top / ".git" / "config").write_text(f"[core]\n\tbare = false\n{config}")
    return top


# Names.


@given(ANY_TEXT)
def test_every_text_is_made_to_fit(text):
    name = fitted(text)
    assert re.fullmatch(PROJECT_PATTERN, name)
    assert fitted(name) == name


@given(ANY_TEXT)
def test_every_address_gives_a_name_or_none(address):
    name = name_of_remote(address)
    assert name == "" or re.fullmatch(PROJECT_PATTERN, name)


@given(PART, PART, st.sampled_from([
    "git@example.com:{}/{}.git", "https://example.com/{}/{}", "https://u:p@example.com:8443/{}/{}.git/",
    "ssh://git@example.com:22/{}/{}.git", "git://example.com/{}/{}.git", "example.com:{}/{}",
]))  # fmt: skip
def test_all_forms_of_an_address_give_the_same_name(owner, repo, form):
    assert name_of_remote(form.format(owner, repo)) == fitted(f"{owner}.{repo}")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("git@github.com:Owner/Repo.git", "owner.repo"),
        ("https://github.com/Owner/Repo", "owner.repo"),
        ("https://github.com/Owner/my.repo.git", "owner.my.repo"),
        ("git@gitlab.com:group/sub/repo.git", "group.sub.repo"),
        ("git@host:~user/repo.git", "user.repo"),
        ("https://host/Owner/A%20Repo.git", "owner.a-repo"),
        ("/srv/git/thing.git", "thing"),
        ("../other/thing", "thing"),
        ("file:///srv/git/thing.git", "thing"),
        ("https://github.com/", ""),
        ("git@host:.git", ""),
        ("", ""),
        ("..", ""),
    ],
)
def test_an_address_gives_its_owner_and_repository(address, name):
    assert name_of_remote(address) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Müller & Söhne", "muller-sohne"),
        ("straße", "strasse"),
        ("..x..", "x"),
        ("A_b.C-d", "a_b.c-d"),
        ("a b  c", "a-b-c"),
    ],
)
def test_what_does_not_fit_is_replaced(text, name):
    assert fitted(text) == name


def test_what_is_cut_or_cannot_be_written_stays_apart():
    assert fitted("x" * 64) == "x" * 64
    assert fitted("x" * 65) != fitted("x" * 66)
    assert fitted("x" * 65).startswith("x" * 55 + "-")
    assert len(fitted("x" * 65)) == 64
    assert fitted("日本語") != fitted("한국어")
    assert fitted("日本語").startswith("project-")


# Reading git's configuration.


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ('[remote "origin"]\n\turl = a/b\n', "a/b"),
        ('[REMOTE "origin"] URL=a/b', "a/b"),
        ("[remote.origin]\nurl = a/b", "a/b"),
        ('  [ remote "origin" ] # why\n url = a/b ; because\n', "a/b"),
        ('[remote "origin"]\n\turl = "a b;c" # x\n', "a b;c"),
        ('[remote "origin"]\n\turl = "a\\"b\\\\c"\n', 'a"b\\c'),
        ('[remote "origin"]\n\turl = a\\\nb\n', "ab"),
        ('[remote "origin"]\r\n\turl = a/b\r\n', "a/b"),
        ('[remote "origin"]\n\turl =\n', ""),
        ('[remote "origin"]\n\turl\n', None),
        ('[remote "or\\"igin"]\n\turl = x\n', None),
        ('[remote "Origin"]\n\turl = x\n', None),
        ('# [remote "origin"]\nurl = x', None),
        ('[branch "origin"]\n\turl = x\n', None),
    ],
)
def test_the_configuration_is_read_as_git_does(written, url):
    found = [value for section, name, key, value in read_config(written)
             if (section, name, key) == ("remote", "origin", "url")]  # fmt: skip
    assert found == ([] if url is None else [url])


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
@given(st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=40))
def test_any_address_that_git_writes_is_read_back(address):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "config"
        command = ["git", "config", "--file", str(path), "remote.origin.url", address]
        subprocess.run(
            command, env={"HOME": folder, "PATH": os.environ["PATH"]}, check=True, capture_output=True
        )
        (found,) = [value for *_, value in read_config(path.read_text(encoding="utf-8"))]
    assert found == address


@given(ANY_TEXT)
def test_any_configuration_can_be_read(text):
    assert all(len(entry) == 4 for entry in read_config(text))


# Folders.


def test_a_repository_is_named_by_its_remote_from_everywhere_inside(home, tmp_path):
    top = repository(tmp_path / "top", '[remote "origin"]\n\turl = git@github.com:Owner/Repo.git\n')
    (top / "a" / "b").mkdir(parents=True)
    assert project_of(top) == project_of(top / "a" / "b") == "owner.repo"
    (tmp_path / "link").symlink_to(top / "a")
    assert project_of(tmp_path / "link") == "owner.repo"


def test_origin_wins_and_otherwise_the_first_remote(home, tmp_path):
    both = '[remote "upstream"]\n\turl = x:a/b\n[remote "origin"]\n\turl = x:c/d\n\turl = x:e/f\n'
    assert project_of(repository(tmp_path / "one", both)) == "c.d"
    assert (
        project_of(repository(tmp_path / "two", '[remote "z"]\n\turl =\n[remote "y"]\n\turl = x:a/b\n'))
        == "a.b"
    )


def test_without_a_remote_it_is_the_top_folders_name(home, tmp_path):
    assert project_of(repository(tmp_path / "My Project")) == "my-project"
    assert project_of(repository(tmp_path / "odd", '[remote "origin"]\n\turl = https://host/\n')) == "odd"


def test_outside_of_any_repository_it_is_the_shared_one(home, tmp_path):
    (tmp_path / "plain").mkdir()
    assert project_of(tmp_path / "plain") == "default"
    assert project_of(home) == "default"
    assert project_of(Path("/")) == "default"
    assert project_of(tmp_path / "not" / "there") == "default"


def test_a_home_folder_that_is_a_repository_is_nobodys_project(home):
    repository(home, '[remote "origin"]\n\turl = x:me/dotfiles\n')
    (home / "a").mkdir()
    assert project_of(home) == project_of(home / "a") == "default"
    assert project_of(repository(home / "code")) == "code"


def test_a_home_folder_inside_a_repository_is_nobodys_project(tmp_path, monkeypatch):
    repository(tmp_path, '[remote "origin"]\n\turl = x:all/homes\n')
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert project_of(tmp_path / "home") == "default"
    assert project_of(tmp_path) == "all.homes"


@pytest.mark.parametrize("content", [None, "", "gitdir: /nowhere", "gitdir:", "\0", "rubbish"])
def test_what_only_looks_like_a_repository_is_none(home, tmp_path, content):
    outer = repository(tmp_path / "outer")
    inner = outer / "inner"
    inner.mkdir()
    if content is None:
        (inner / ".git").mkdir()
    else:
        (inner / ".git").write_text(content)
    assert project_of(inner) == "outer"


def test_a_configuration_that_cannot_be_read_is_none(home, tmp_path):
    top = repository(tmp_path / "top")
    (top / ".git" / "config").write_bytes(b'\xff\xfe[remote "origin"]\n\turl = x:a/b')
    assert project_of(top) in ("top", "a.b")
    (top / ".git" / "config").unlink()
    assert project_of(top) == "top"
    (top / ".git" / "config").mkdir()
    assert project_of(top) == "top"


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_worktrees_and_submodules_made_by_git(home, tmp_path):
    def git(folder, *arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@y.z", "-c", "protocol.file.allow=always"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)

    for name in ("main", "part"):
        (tmp_path / name).mkdir()
        git(tmp_path / name, "init", "-q")
        git(tmp_path / name, "commit", "--allow-empty", "-q", "-m", "x")
    git(tmp_path / "main", "worktree", "add", "-q", str(tmp_path / "feature"))
    git(tmp_path / "main", "submodule", "add", "-q", str(tmp_path / "part"), "lib/piece")
    # Without a remote, a worktree belongs to the project of the first checkout; a submodule has one of its own.
    assert project_of(tmp_path / "feature") == project_of(tmp_path / "main") == "main"
    assert project_of(tmp_path / "main" / "lib" / "piece") == "part"
    git(tmp_path / "main", "remote", "add", "origin", "git@github.com:Owner/Repo.git")
    assert project_of(tmp_path / "feature") == project_of(tmp_path / "main") == "owner.repo"
    assert project_of(tmp_path / "main" / "lib") == "owner.repo"
