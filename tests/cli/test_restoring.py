"""Backups from the command line: made, listed, gone back to."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.conftest import environment
from tests.cli.terminals import CommandLine
from tests.running import RunningService


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A service of one's own: a restore takes all projects back."""
    home = tmp_path_factory.mktemp("own")
    (home / "folder").mkdir()
    with RunningService(home / "data", fake=True):
        yield CommandLine(home / "folder", environment(home, home))


def test_a_backup_is_made_listed_and_gone_back_to_through_pipes(own):
    kept = own.added("kept")
    made = own("backup", "--label", "before the move")
    assert made.code == 0
    name = re.search(r"manual_\w+", made.out)[0]
    own.added("added later")
    rows = own("backups").rows
    assert [row[0] for row in rows if row[-1] == "before the move"] == [name]
    assert any(row[0].startswith("auto_") for row in rows)
    assert json.loads(own("backups", "--json").out)["count"] == len(rows)
    ended = own("restore", name, "--yes")
    assert (ended.code, f"Restored {name}" in ended.out) == (0, True)
    assert [row[0] for row in own("list").rows] == [str(kept)]


def test_at_a_terminal_it_is_asked_and_no_means_no(own):
    name = own("backups").rows[-1][0]
    terminal = own.at_terminal("restore", name)
    terminal.until(f"Take every project back to {name}?")
    terminal.type("n\r")
    assert terminal.ended().code == 5
    terminal = own.at_terminal("restore", name)
    terminal.until("[y/N]")
    terminal.type("y\r")
    ended = terminal.ended()
    assert (ended.code, "Restored" in ended.shown) == (0, True)
    assert name in own.seen("backups").shown


def test_without_a_terminal_it_must_be_confirmed(own):
    ended = own("restore", "auto_20260212_120000")
    assert (ended.code, "--yes" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("moment", "code", "words"),
    [
        ("auto_20260212_120000", 1, "there is no backup"),
        ("1999-01-01", 1, "no backup reaches back"),
        ("yesterday", 2, "neither the name of a backup nor a time"),
    ],
)
def test_what_is_not_there_is_told(own, moment, code, words):
    ended = own("restore", moment, "--yes")
    assert (ended.code, words in ended.err) == (code, True), ended.err


def test_a_time_is_gone_back_to(own):
    own.added("before the moment")
    listed = json.loads(own("backups", "--json").out)["backups"][-1]
    count = len(own("list").rows)
    ended = own("restore", listed["created_at"], "--json", "--yes")
    assert json.loads(ended.out)["memories"] == count
