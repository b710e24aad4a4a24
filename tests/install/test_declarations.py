"""Declarations of their own kind: files that are refreshed in use, YAML defaults, and what is only shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from faiss_memory import Adapter, OwnFile, PromptTemplate, Snippet, YamlDefault, YamlItem
from faiss_memory.install import report
from tests.install.places import Place

NOTES = OwnFile("notes.md", "Nothing from faiss-memory yet.\n", refreshed=True)
SHOWN = Snippet("their settings", "{}\n", "Paste it.")


def _files(context):
    return [
        NOTES,
        YamlDefault("config.yaml", ("name",), "faiss-memory"),
        YamlDefault("config.yaml", ("version",), "1.0.0"),
        YamlItem("config.yaml", ("servers",), {"name": "faiss-memory", "url": context.url}),
        SHOWN,
    ]


MADE_UP = Adapter(name="made-up", title="Made up", prompt=PromptTemplate("made-up", "x"), files=_files)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path, [MADE_UP])


def states(place):
    (found,) = report(place.records.load(), place.assistants, place.settings)
    return {Path(file.path).name: file.state for file in found.files}


def test_a_refreshed_file_is_ours_whatever_it_says(place):
    place.install("made-up")
    (place.folder / "notes.md").write_text("found today\n")
    assert states(place) == {"notes.md": "installed", "config.yaml": "installed"}
    plan, _ = place.install("made-up")
    assert not plan.edits
    assert (place.folder / "notes.md").read_text() == "found today\n"
    plan, _ = place.uninstall("made-up")
    assert plan.remarks == []
    assert place.seen() == {}


def test_one_that_is_there_before_stays_until_it_is_uninstalled(place):
    place.write({"notes.md": b"found yesterday\n"})
    place.install("made-up")
    assert (place.folder / "notes.md").read_text() == "found yesterday\n"
    place.uninstall("made-up")
    assert place.seen() == {}


@pytest.mark.parametrize(
    "text",
    [
        "name: Mine # kept\nversion: 2.0.0\n",
        "# only\nversion: '3'\nservers:\n  - &one {name: a}\n",
        "model: x",
    ],
)
def test_a_yaml_default_yields_to_what_is_there_and_the_same_bytes_come_back(place, text):
    place.write({"config.yaml": text.encode()})
    before = place.seen()
    place.install("made-up")
    written = (place.folder / "config.yaml").read_text()
    assert written.count("name: faiss-memory") == (1 if "name: Mine" in text else 2)
    assert ("version: 1.0.0" in written) == ("version" not in text)
    assert states(place)["config.yaml"] == "installed"
    place.uninstall("made-up")
    assert place.seen() == before


def test_a_default_that_the_person_needs_stays_when_the_rest_goes(place):
    place.install("made-up")
    path = place.folder / "config.yaml"
    path.write_text(path.read_text() + "model: x\n")
    place.uninstall("made-up")
    assert path.read_text() == "name: faiss-memory\nversion: 1.0.0\nmodel: x\n"


def test_what_is_only_shown_is_never_written_but_told(place):
    plan, _ = place.install("made-up")
    assert {Path(edit.path).name for edit in plan.edits} == {"notes.md", "config.yaml"}
    assert place.installer.snippets("made-up") == [SHOWN]
    assert "--print" in place.installer.steps("made-up")[-1]
    assert "their settings" not in place.installer.content("made-up")
