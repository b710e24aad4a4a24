"""Where a build may read: inside the roots only, whatever the path says; and what it says when nothing is there."""

import os

import pytest

from faiss_memory import InvalidRequest
from faiss_memory_plugins.ingest.sources import Roots, Source, parse
from tests.ingest.conftest import outcomes, reasons


@pytest.fixture
def outside(tmp_path_factory):
    """A folder that may not be read, with a file in it."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "private.md").write_text("Private.")
    return folder


def refused(shelf, source, status):
    result = shelf.ask(source)
    assert result.status_code == status, result.text
    assert result.json["field"] == "sources[0]"
    return result.json["description"]


@pytest.mark.parametrize(
    "way",
    [
        "{outside}",
        "{outside}/private.md",
        "{outside}/*.md",
        "{folder}/../../{name}",
        "/",
        "/etc/passwd",
        "/**",
    ],
)
def test_a_path_outside_the_roots_is_refused(shelf, outside, way):
    up = os.path.relpath(outside, shelf.folder / "..")
    source = way.format(outside=outside, folder=shelf.folder, name=f"../{up}")
    assert "may be read" in refused(shelf, source, 403)
    assert shelf.memories() == []


def test_whether_something_is_there_outside_is_not_told(shelf, outside):
    there, not_there = (
        refused(shelf, f"{outside}/private.md", 403),
        refused(shelf, f"{outside}/nothing.md", 403),
    )
    assert there.replace("private.md", "X") == not_there.replace("nothing.md", "X")


def test_a_link_named_as_a_source_may_not_lead_outside(shelf, outside):
    (shelf.folder / "link").symlink_to(outside)
    (shelf.folder / "file.md").symlink_to(outside / "private.md")
    assert "may be read" in refused(shelf, shelf.folder / "link", 403)
    assert "may be read" in refused(shelf, shelf.folder / "link" / "*.md", 403)
    assert "may be read" in refused(shelf, shelf.folder / "file.md", 403)


def test_links_met_on_the_way_are_read_only_if_they_lead_inside(shelf, outside, tmp_path):
    shelf.write("real.md", "Real.")
    (tmp_path / "elsewhere.md").write_text("Elsewhere.")
    (tmp_path / "folder").mkdir()
    for name, target in {
        "out.md": outside / "private.md",
        "out": outside,
        "broken.md": tmp_path / "nothing.md",
        "same.md": shelf.folder / "real.md",
        "folder": tmp_path / "folder",
        "loop": shelf.folder,
        "inside.md": tmp_path / "elsewhere.md",
    }.items():
        (shelf.folder / name).symlink_to(target)
    answer = shelf.build()
    assert outcomes(answer, shelf.folder) == {
        "real.md": "added",
        "inside.md": "added",
        **dict.fromkeys(("out.md", "out", "broken.md", "same.md", "folder", "loop"), "skipped"),
    }
    told = reasons(answer)
    assert all("outside" in told[name] for name in ("out.md", "out"))
    assert "no file" in told["broken.md"]
    assert "read itself" in told["same.md"]
    assert all("name that folder" in told[name] for name in ("folder", "loop"))
    assert sorted(shelf.texts()) == ["Elsewhere.", "Real."]


def test_a_link_that_is_turned_elsewhere_after_the_listing_is_not_read(shelf, outside, tmp_path, monkeypatch):
    (tmp_path / "elsewhere.md").write_text("Elsewhere.")
    link = shelf.folder / "inside.md"
    link.symlink_to(tmp_path / "elsewhere.md")
    really, looked = os.path.realpath, []

    def turned(path, **options):
        if str(path) == str(link):
            looked.append(path)
            if len(looked) == 2:  # the first look is the listing's
                link.unlink()
                link.symlink_to(outside / "private.md")
        return really(path, **options)

    monkeypatch.setattr(os.path, "realpath", turned)
    answer = shelf.build()
    monkeypatch.undo()
    assert "outside" in reasons(answer)["inside.md"]
    assert shelf.texts() == []


def test_a_misspelt_path_is_told_with_what_is_near(shelf):
    shelf.write("decisions/one.md", "One.")
    told = refused(shelf, shelf.folder / "decision" / "*.md", 400)
    assert "decision in" in told
    assert f"did you mean {shelf.folder}/decisions." in told


def test_a_glob_that_matches_nothing_is_told_and_nothing_is_pruned(shelf):
    path = shelf.write("one.md", "One.")
    shelf.build()
    path.unlink()
    assert "matches no file" in refused(shelf, shelf.folder / "*.mdd", 400)
    assert "matches no file" in refused(shelf, shelf.folder, 400)
    shelf.write("two.md", "Two.")
    result = shelf.ask(shelf.folder, shelf.folder / "three.md")
    assert (result.status_code, result.json["field"]) == (400, "sources[1]")
    assert shelf.texts() == ["One."]


def test_a_volume_that_has_moved_away_takes_no_memory_with_it(shelf, tmp_path):
    shelf.write("one.md", "One.")
    shelf.build()
    shelf.folder.rename(tmp_path / "moved")
    assert "there is no notes in" in refused(shelf, shelf.folder, 400)
    shelf.folder.mkdir()  # the place where it is mounted is there, and empty
    assert "matches no file" in refused(shelf, shelf.folder, 400)
    assert shelf.texts() == ["One."]
    shelf.folder.rmdir()
    (tmp_path / "moved").rename(shelf.folder)
    assert shelf.build()["kept"] == 1


def test_a_root_that_is_not_mounted_is_told(make_shelf, tmp_path):
    shelf = make_shelf(**{"plugins.ingest.roots": [str(tmp_path / "volume")]})
    assert "Is it mounted?" in refused(shelf, tmp_path / "volume" / "notes", 400)


@pytest.mark.parametrize("source", ["notes", "./notes/*.md", "../notes"])
def test_a_relative_path_is_refused(shelf, source):
    assert "absolute path" in refused(shelf, source, 400)


def test_the_home_folder_may_be_written_with_a_tilde(make_shelf, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    shelf = make_shelf(**{"plugins.ingest.roots": ["~"]})
    shelf.write("one.md", "One.")
    assert shelf.build("~/notes/*.md")["added"] == 1


@pytest.mark.parametrize("source", ["/a\0b", "/\ud800"])
def test_what_can_be_no_name_is_refused(source):
    with pytest.raises(InvalidRequest):
        parse(source, Roots(("/",)), "sources[0]")


def test_names_are_taken_as_they_are(shelf):
    names = [
        "with space.md",
        "line\nbreak.md",
        "[draft].md",
        "ümläut.md",
        "日本語.md",
        "quote'\".md",
        "-dash.md",
        "#1.md",
    ]
    for name in names:
        shelf.write(name, f"Text {names.index(name)}.")
    assert outcomes(shelf.build(), shelf.folder) == dict.fromkeys(names, "added")
    assert shelf.build(shelf.folder / "[draft].md")["kept"] == 1
    (shelf.folder / "line\nbreak.md").unlink()
    assert outcomes(shelf.build(), shelf.folder)["line\nbreak.md"] == "removed"
    assert "Text 1." not in shelf.texts()


def test_a_name_that_is_not_utf_8_is_told(shelf):
    shelf.write("one.md", "One.")
    with open(os.fsencode(shelf.folder) + b"/caf\xe9.md", "w") as file:
        file.write("Café.")
    os.mkdir(os.fsencode(shelf.folder) + b"/dossi\xe9")
    answer = shelf.build()
    assert outcomes(answer, shelf.folder) == {
        "one.md": "added",
        "caf\\xe9.md": "skipped",
        "dossi\\xe9": "skipped",
    }
    assert "rename it" in reasons(answer)["caf\\xe9.md"]


@pytest.mark.parametrize(
    ("pattern", "taken"),
    [
        ("*.md", {"a.md"}),
        ("**/*.md", {"a.md", "docs/b.md", "docs/deep/c.md"}),
        ("docs/*", {"docs/b.md", "docs/b.txt", "docs/deep/c.md"}),
        ("docs/**", {"docs/b.md", "docs/b.txt", "docs/deep/c.md"}),
        ("d?cs/[ab].md", {"docs/b.md"}),
        ("**/deep/*", {"docs/deep/c.md"}),
        ("**/**/**/c.md", {"docs/deep/c.md"}),
        ("docs/[!b].md", set()),
    ],
)
def test_a_glob_takes_what_a_shell_would_take(shelf, pattern, taken):
    for name in ("a.md", "docs/b.md", "docs/b.txt", "docs/deep/c.md"):
        shelf.write(name, f"This is {name}.")
    result = shelf.ask(shelf.folder / pattern)
    found = {file["file"].removeprefix(f"{shelf.folder}/") for file in result.json.get("files", [])}
    assert found == taken
    assert (result.status_code == 400) == (not taken)


def test_a_glob_of_many_stars_costs_no_more_than_one():
    source = Source("", "/", ("**", "a") * 40 + ("b",))
    assert not source.takes(["a"] * 60)


def test_sources_that_overlap_read_a_file_once(shelf):
    shelf.write("a/one.md", "One.")
    answer = shelf.build(shelf.folder, shelf.folder / "a", shelf.folder / "a" / "*.md")
    assert (answer["added"], len(answer["files"]), shelf.texts()) == (1, 1, ["One."])
