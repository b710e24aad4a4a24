"""Commands that adapters and plugins bring, by an entry point."""

from __future__ import annotations

import re

import pytest

from faiss_memory.cli.lazy import SECTIONS

COMMAND = """\
import click
import faiss_memory

@click.command()
def greet():
    \"\"\"Greet.

    And no more.
    \"\"\"
    raise faiss_memory.CommandFailed("nobody is here")

@click.command(cls=faiss_memory.ExampleCommand, section="Files")
def filed():
    \"\"\"File.\"\"\"

@click.command(cls=faiss_memory.ExampleCommand, section="Nowhere")
def elsewhere():
    \"\"\"Be elsewhere.\"\"\"

not_a_command = 1
"""
POINTS = """\
[faiss_memory.commands]
greet = stranger_command:greet
broken = a_module_nobody_has:x
strange = stranger_command:not_a_command
search = stranger_command:greet
filed = stranger_command:filed
elsewhere = stranger_command:elsewhere
"""


@pytest.fixture
def stranger(alone, tmp_path):
    """Somebody who has a stranger's package installed."""
    information = tmp_path / "packages" / "stranger-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(POINTS)
    (information.parent / "stranger_command.py").write_text(COMMAND)
    return lambda *words: alone(*words, PYTHONPATH=str(information.parent))


def test_they_are_listed_with_their_help_and_run_like_any_other(stranger):
    sections = {
        lines[0]: [line.split(maxsplit=1)[0] for line in lines[1:]]
        for lines in map(str.splitlines, stranger("--help").out.split("\n\n"))
        if lines and lines[0].rstrip(":") in SECTIONS
    }
    assert [name.rstrip(":") for name in sections] == list(SECTIONS)
    assert sections["Extend:"] == ["plugins", "broken", "elsewhere", "greet", "strange"]
    assert {"build", "filed"} <= set(sections["Files:"])
    assert {"pin", "unpin", "never"} <= set(sections["Memories:"])
    assert {"aider", "mcp"} <= set(sections["Assistants:"])
    assert re.search(r"^  greet +Greet\.$", stranger("--help").out, re.MULTILINE)
    assert "Greet." in stranger("greet", "--help").out
    assert stranger("greet").failure(1) == "faiss-memory: nobody is here\n"


def test_two_of_one_name_are_refused(alone, tmp_path):
    for package in ("one", "two"):
        information = tmp_path / f"{package}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[faiss_memory.commands]\ngreet = {package}:greet\n")
    said = alone("greet", PYTHONPATH=str(tmp_path)).failure(1)
    assert "two packages bring a command `greet`: one and two. Uninstall one of them" in said


def test_a_misspelt_one_is_answered_with_the_nearest(stranger):
    assert "Did you mean `greet`?" in stranger("gret").err


def test_none_of_them_takes_the_place_of_one_of_ours(stranger):
    assert "Search memories" in stranger("search", "--help").out


def test_one_that_cannot_be_loaded_is_named_with_its_package(stranger):
    said = stranger("broken").failure(1)
    assert "the command `broken` of stranger cannot be loaded: ModuleNotFoundError" in said
    assert "is not a click command" in stranger("strange").failure(1)
    assert stranger("--help").code == 0
