"""What a build leaves out, each with its reason."""

import os
import socket

import pytest

from faiss_memory.settings import load
from faiss_memory_plugins.ingest.ignoring import Rules
from faiss_memory_plugins.ingest.listing import list_files
from faiss_memory_plugins.ingest.sources import Roots, Source
from tests.ingest.conftest import outcomes, reasons
from tests.odd_files import EVERY_KIND


def test_hidden_and_made_files_are_left_out(shelf):
    for name in (
        ".hidden.md",
        ".git/notes.md",
        ".venv/lib/readme.md",
        "node_modules/left-pad/README.md",
        "venv/x.md",
        "src/__pycache__/x.py",
        "lib.egg-info/SOURCES.txt",
        "app.min.js",
    ):
        shelf.write(name, "Left out.")
    shelf.write("src/kept.md", "Kept.")
    answer = shelf.build()
    assert shelf.texts() == ["Kept."]
    assert set(outcomes(answer, shelf.folder)) == {
        "src/kept.md",
        ".hidden.md",
        ".git/",
        ".venv/",
        "node_modules/",
        "venv/",
        "src/__pycache__/",
        "lib.egg-info/",
        "app.min.js",
    }
    assert "plugins.ingest.skip" in reasons(answer)["node_modules"]


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".env.local",
        "deploy/.env",
        "id_rsa",
        "id_ed25519",
        "server.pem",
        "tls.key",
        ".ssh/config",
        ".netrc",
    ],
)
def test_a_secret_is_never_read_not_even_by_its_name(shelf, name):
    path = shelf.write(name, "password = hunter2")
    shelf.write("kept.md", "Kept.")
    shelf.build()
    answer = shelf.build(path)
    assert "plugins.ingest.secrets" in reasons(answer)[path.name]
    shelf.build(shelf.folder / "**" / path.name) if "/" not in name else None
    shelf.build(path.parent)
    assert shelf.texts() == ["Kept."]


def test_a_link_to_a_secret_is_not_read(shelf, tmp_path):
    (tmp_path / ".env").write_text("password = hunter2")
    (shelf.folder / "settings.md").symlink_to(tmp_path / ".env")
    shelf.write("kept.md", "Kept.")
    assert "secret" in reasons(shelf.build())["settings.md"]
    assert shelf.texts() == ["Kept."]


def test_an_example_of_settings_is_no_secret(shelf):
    path = shelf.write(".env.example", "PASSWORD=")
    assert shelf.build(path)["added"] == 1


def test_what_is_named_is_read_though_it_is_hidden_or_ignored(shelf):
    shelf.write(".git/HEAD", "ref: refs/heads/main")
    shelf.write(".gitignore", "build/\nlocal.md\n")
    hidden = shelf.write(".github/instructions.md", "Use tabs.")
    ignored = shelf.write("build/notes.md", "Built.")
    local = shelf.write("local.md", "Local.")
    assert outcomes(shelf.build(hidden.parent, ignored.parent, local), shelf.folder) == {
        ".github/instructions.md": "added",
        "build/notes.md": "added",
        "local.md": "added",
    }


def test_what_git_ignores_is_left_out(shelf):
    shelf.write(".git/HEAD", "ref: refs/heads/main")
    shelf.write(".git/info/exclude", "excluded.md\n")
    shelf.write(".gitignore", "# made\n*.log.md\n/dist\ntmp/\n!important.log.md\nbad\\\n")
    shelf.write("docs/.gitignore", "draft*.md\n!draft-final.md\n")
    for name in (
        "a.log.md",
        "important.log.md",
        "dist/x.md",
        "docs/dist/kept.md",
        "docs/tmp/x.md",
        "docs/draft-1.md",
        "docs/draft-final.md",
        "draft-2.md",
        "excluded.md",
    ):
        shelf.write(name, f"This is {name}.")
    kept = ["docs/dist/kept.md", "docs/draft-final.md", "draft-2.md", "important.log.md"]
    answer = shelf.build()
    assert sorted(shelf.sources()) == sorted(f"{name}:1-1" for name in kept)
    assert "git" in reasons(answer)["a.log.md"]
    # The rules from above hold for a part of the repository too.
    assert outcomes(shelf.build(shelf.folder / "docs"), shelf.folder)["docs/tmp/"] == "skipped"


def test_what_git_ignores_is_read_if_the_settings_say_so(make_shelf):
    shelf = make_shelf(**{"plugins.ingest.git_ignored": True})
    shelf.write(".gitignore", "*.md\n")
    shelf.write("a.md", "Ignored.")
    assert shelf.build()["added"] == 1


def test_the_settings_say_what_is_skipped(make_shelf):
    shelf = make_shelf(
        **{"plugins.ingest.skip": ["drafts/", "*.tmp.md"], "plugins.ingest.secrets": ["*.secret.md"]}
    )
    for name in ("drafts/a.md", "b.tmp.md", "c.secret.md", ".d.md", "e.md"):
        shelf.write(name, name)
    shelf.build()
    assert shelf.sources() == [".d.md:1-1", "e.md:1-1"]


def test_a_pattern_that_means_nothing_stops_the_start(make_shelf):
    with pytest.raises(Exception, match=r"ingest\.skip"):
        make_shelf(**{"plugins.ingest.skip": ["broken\\"]})


def test_binary_huge_and_foreign_files_are_told(make_shelf):
    shelf = make_shelf(**{"plugins.ingest.max_file_bytes": 10_000})
    shelf.write("binary.md", b"\x89PNG\0\0\x01")
    shelf.write("latin.md", "Grüße aus Köln".encode("latin-1"))
    shelf.write("huge.txt", "x " * 10_000)
    shelf.write("picture.png", b"\x89PNG\0")
    shelf.write("rows.csv", "a,b\n1,2\n")
    shelf.write("kept.md", "Kept.")
    told = reasons(shelf.build())
    assert told["binary.md"] == "it is binary"
    assert "not text in UTF-8 (byte 2)" in told["latin.md"]
    assert "19.5 kB" in told["huge.txt"]
    assert "plugins.ingest.max_file_bytes" in told["huge.txt"]
    assert "*.png" in told["picture.png"]
    assert "name it" in told["rows.csv"]
    assert shelf.texts() == ["Kept."]
    assert shelf.build(shelf.folder / "*.csv")["added"] == 1


def test_a_file_of_100_megabytes_is_told_without_being_read(shelf):
    shelf.write("kept.md", "Kept.")
    with (shelf.folder / "dump.sql").open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    assert reasons(shelf.build())["dump.sql"].startswith("it is 100.0 MB; the most is 4.0 MB")
    answer = shelf.build(shelf.folder / "dump.sql")
    assert outcomes(answer, shelf.folder) == {"dump.sql": "skipped"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_of_encoding_is_understood(shelf, encoding):
    shelf.write("note.md", "# Größe\r\n\r\nZehn Meter ungefähr.\r\n".encode(encoding))
    shelf.build()
    assert shelf.texts() == ["Größe\n\nZehn Meter ungefähr."]


def test_pipes_and_sockets_are_told_and_never_waited_for(shelf, monkeypatch):
    os.mkfifo(shelf.folder / "pipe.md")
    monkeypatch.chdir(shelf.folder)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.md")
        shelf.write("kept.md", "Kept.")
        answer = shelf.build()
    assert outcomes(answer, shelf.folder) == {
        "kept.md": "added",
        "pipe.md": "skipped",
        "socket.md": "skipped",
    }
    assert shelf.build(shelf.folder / "pipe.md")["skipped"] == 1


def test_a_file_that_changes_while_it_is_read_is_told_and_its_memories_stay(shelf, monkeypatch):
    path = shelf.write("busy.md", "Before.")
    shelf.build()
    really = os.fstat

    def growing(descriptor):
        found = really(descriptor)
        if os.path.realpath(f"/proc/self/fd/{descriptor}") == str(path):
            with path.open("a") as file:
                file.write("More. ")
        return found

    monkeypatch.setattr(os, "fstat", growing)
    answer = shelf.build()
    monkeypatch.undo()
    assert "changed while it was read" in reasons(answer)["busy.md"]
    assert shelf.texts() == ["Before."]
    assert shelf.build()["changed"] == 1


def test_a_file_that_cannot_be_read_is_told_and_its_memories_stay(shelf, monkeypatch):
    path = shelf.write("locked.md", "Before.")
    shelf.build()
    really = os.open

    def refusing(name, *rest, **options):
        if os.path.basename(name) == path.name:
            raise PermissionError(13, "Permission denied")
        return really(name, *rest, **options)

    monkeypatch.setattr(os, "open", refusing)
    assert "Permission denied" in reasons(shelf.build())["locked.md"]
    monkeypatch.undo()
    assert shelf.texts() == ["Before."]


def test_a_folder_that_cannot_be_read_is_told_and_its_memories_stay(shelf, monkeypatch):
    shelf.write("kept.md", "Kept.")
    path = shelf.write("deep/one.md", "One.")
    shelf.build()
    really, seen = os.open, os.lstat

    def refusing(name, *rest, **options):
        if os.path.basename(name) == path.parent.name:
            raise PermissionError(13, "Permission denied")
        return really(name, *rest, **options)

    def unseen(name, **options):
        if str(name) == str(path):
            raise PermissionError(13, "Permission denied")
        return seen(name, **options)

    monkeypatch.setattr(os, "open", refusing)
    monkeypatch.setattr(os, "lstat", unseen)
    answer = shelf.build()
    monkeypatch.undo()
    assert "Permission denied" in reasons(answer)["deep"]
    assert sorted(shelf.texts()) == ["Kept.", "One."]


def test_what_was_read_once_and_is_left_out_now_stays_and_is_told(shelf):
    shelf.write("kept.md", "Kept.")
    shelf.write("drafts/one.md", "One.")
    shelf.build()
    shelf.write(".git/HEAD", "")
    shelf.write(".gitignore", "drafts/\n")
    assert "stays" in reasons(shelf.build())["one.md"]
    assert sorted(shelf.texts()) == ["Kept.", "One."]


@pytest.mark.parametrize("name", [".gitignore", "sub/.gitignore", ".git/info/exclude"])
@pytest.mark.parametrize("make", EVERY_KIND)
def test_patterns_are_not_read_out_of_what_is_no_file(shelf, tmp_path, name, make):
    outside = tmp_path / "outside"
    outside.mkdir()
    shelf.write(".git/HEAD", "ref: refs/heads/main")
    shelf.write("sub/kept.md", "Kept.")
    (shelf.folder / name).parent.mkdir(exist_ok=True)
    make(shelf.folder / name, outside)
    for left in outside.iterdir():
        left.write_text("kept.md\n")
    shelf.build()
    assert shelf.texts() == ["Kept."]


def test_a_folder_that_becomes_a_link_while_it_is_listed_is_not_entered(shelf, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text("Outside.")
    shelf.write("a/kept.md", "Kept.")
    shelf.write("b/inner.md", "Inner.")
    folders = []

    def swap(_):
        folders.append(1)
        if len(folders) == 3:  # the folder itself, a, and now b, which was seen to be a folder
            (shelf.folder / "b").rename(shelf.folder / "c")
            (shelf.folder / "b").symlink_to(outside)

    roots = Roots.of([str(shelf.folder)])
    settings = load(None, {}, {}).settings
    found = list(list_files(Source("", str(shelf.folder)), roots, Rules.of(settings), swap))
    assert {entry.path for entry in found} == {f"{shelf.folder}/a/kept.md", f"{shelf.folder}/b/"}
