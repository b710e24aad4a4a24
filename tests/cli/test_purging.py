"""Purging from the command line, with the proof that nothing is left."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import environment
from tests.cli.terminals import CommandLine
from tests.running import RunningService

SECRET = "the xyzzyplugh of the frobnicator"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A service of one's own, since a purge looks at every file; with its data folder."""
    home = tmp_path_factory.mktemp("own")
    (home / "folder").mkdir()
    with RunningService(home / "data", fake=True):
        yield CommandLine(home / "folder", environment(home, home))


def traces(own):
    files = [path for path in (own.folder.parent / "data").rglob("*") if path.is_file()]
    return [path.name for path in files if b"xyzzyplugh" in path.read_bytes()]


def there(own):
    return {int(row[0]) for row in own("list", "--all").rows}


def test_what_is_purged_is_in_no_file_and_the_proof_says_so(own):
    before = there(own)
    kept, secret = own.added("kept"), own.added(SECRET)
    own("backup")
    assert traces(own)
    ended = own("purge", secret, "--yes", "--proof")
    assert (ended.code, "1 memory in any project purged" in ended.out) == (0, True), ended
    assert "for 1 text: nothing was found" in ended.out
    assert traces(own) == []
    assert there(own) == {*before, kept}


def test_by_id_what_was_forgotten_before_goes_as_well(own):
    secret = own.added(SECRET)
    own("forget", secret)
    assert traces(own)
    assert "1 memory in any project would be purged" in own("purge", secret, "--dry-run").out
    answer = json.loads(own("purge", secret, 10**9, "--yes", "--json", "--proof").out)
    assert (answer["ids"], answer["missing"]) == ([secret], [10**9])
    assert (answer["proof"]["found"], answer["proof"]["texts"]) == ([], 1)
    assert traces(own) == []
    ended = own("purge", secret, "--yes")
    assert (ended.code, "Nothing to purge" in ended.out, f"Not there: {secret}" in ended.err) == (
        0,
        True,
        True,
    )


def test_what_another_memory_says_as_well_is_named(own):
    stays, secret = own.added(SECRET), own.added(SECRET)
    ended = own("purge", secret, "--yes", "--proof")
    assert f"stay: {stays}" in ended.err
    assert stays in there(own)
    own("purge", stays, "--yes")


@pytest.mark.parametrize(("said", "code"), [("y\n", 0), ("n\n", 5)])
def test_at_a_terminal_it_is_asked_with_the_number(own, said, code):
    id = own.added("one", "-t", "asked")
    terminal = own.at_terminal("purge", "-t", "asked")
    terminal.until("Purge 1 memory of project default, from every file and backup? [y/N]")
    terminal.type(said)
    ended = terminal.ended()
    assert (ended.code, id in there(own)) == (code, code == 5)
    assert ("Nothing was purged" in ended.shown) == (code == 5)
    own("purge", "-t", "asked", "--yes")


def test_nobody_is_asked_through_a_pipe_and_nothing_goes_without_a_condition(own):
    id = own.added("one", "-t", "x")
    ended = own("purge", id)
    assert (ended.code, "give --yes" in ended.err) == (2, True)
    ended = own("purge", "--yes")
    assert (ended.code, "Say what to purge" in ended.err) == (2, True)
    assert "1 memory of project default would be purged" in own("purge", "-t", "x", "--dry-run").out
    assert id in there(own)
    assert "Nothing to purge" in own.seen("purge", "-t", "nobody").shown
