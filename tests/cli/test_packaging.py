"""Making a package for an assistant's plugin system."""

from __future__ import annotations

import json


def test_a_package_is_written_and_written_anew(alone):
    for _ in range(2):
        written = alone("package", "claude-code", "--to", "plugin").rows
        assert all((alone.folder / name).is_file() for (name,) in written)
    server = json.loads((alone.folder / "plugin/faiss-memory/.mcp.json").read_text())["mcpServers"]["memory"]
    assert server["command"].startswith("/")


def test_a_package_for_others_says_nothing_of_this_machine(alone):
    assert alone("package", "claude-code", "--to", "plugin", "--shared").code == 0
    server = json.loads((alone.folder / "plugin/faiss-memory/.mcp.json").read_text())["mcpServers"]["memory"]
    assert server["command"] == "faiss-memory"
    everything = "".join(
        path.read_text() for path in (alone.folder / "plugin").rglob("*.*") if path.is_file()
    )
    assert str(alone.folder) not in everything


def test_a_folder_with_other_files_is_left_alone(alone):
    (alone.folder / "plugin").mkdir()
    (alone.folder / "plugin" / "mine.txt").write_text("mine")
    assert "holds other files" in alone("package", "claude-code", "--to", "plugin").failure(1)
    assert [path.name for path in (alone.folder / "plugin").iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_made_is_named(alone):
    (alone.folder / "plugin").write_text("a file")
    assert "plugin: the package cannot be written" in alone(
        "package", "claude-code", "--to", "plugin"
    ).failure(1)


def test_an_assistant_without_a_package_is_named_with_those_that_have_one(alone):
    said = alone("package", "cursor", "--to", "plugin").failure(1)
    assert "claude-code has one" in said
    assert not (alone.folder / "plugin").exists()
