"""Correcting and forgetting."""

from __future__ import annotations

import json
import shlex
import sys

import pytest


@pytest.fixture
def editor(tmp_path):
    """Make an editor out of a function's body that changes `text`; gives what to put into EDITOR."""

    def make(body):
        path = tmp_path / "editor.py"
        path.write_text(f"import sys\npath = sys.argv[1]\ntext = open(path).read()\n{body}\n")
        return f"{shlex.quote(sys.executable)} {shlex.quote(str(path))}"

    return make


def read(running, id):
    return running.call("GET", f"/memory/{id}")[1]


# Correcting.


def test_a_memory_is_corrected_by_options(repository, running):
    id = repository.added("old", "-t", "a", "--metadata", "n=1", "--source", "a.md")
    ended = repository("edit", id, "--text", "new", "-t", "b", "-t", "c", "--timestamp", "2026-01-01")
    assert (ended.code, ended.out) == (0, f"Memory {id} of project {repository.project} corrected\n")
    memory = read(running, id)
    assert (memory["text"], memory["tags"], memory["metadata"]) == ("new", ["b", "c"], {"n": 1})
    assert memory["timestamp"].startswith("2026-01-01")
    repository("edit", id, "--source", "b.md", "--metadata", "m=2")
    assert (read(running, id)["source"], read(running, id)["metadata"]) == ("b.md", {"m": 2})
    repository("edit", id, "-t", "", "--metadata", "")
    assert (read(running, id)["tags"], read(running, id)["metadata"], read(running, id)["text"]) == (
        [],
        {},
        "new",
    )
    assert json.loads(repository("edit", id, "--text", "newer", "--json").out)["text"] == "newer"


def test_cues_are_replaced_whole_and_taken_away(repository, running):
    id = repository.added("old", "--cue", "one", "--cue", "two")
    assert read(running, id)["cues"] == ["one", "two"]
    repository("edit", id, "--cue", "three")
    assert read(running, id)["cues"] == ["three"]
    repository("edit", id, "--source", "a.md")
    assert read(running, id)["cues"] == ["three"]
    ended = repository("edit", id, "--cue", "x" * 201)
    assert "--cue" in ended.err
    assert ended.code != 0
    repository("edit", id, "--cue", "")
    assert read(running, id)["cues"] == []


@pytest.mark.parametrize("options", [[], ["--text", "-"]])
def test_the_new_text_is_read_from_standard_input(repository, running, options):
    id = repository.added("old")
    assert repository("edit", id, *options, input="piped\n").code == 0
    assert read(running, id)["text"] == "piped"
    assert repository("edit", id, input="").code == 2
    assert repository("edit", id, "--source", "s", input="not read").code == 0
    assert read(running, id)["text"] == "piped"


def test_at_a_terminal_the_text_opens_in_the_editor(repository, running, editor):
    id = repository.added("old\nlines")
    write = editor("assert text.splitlines() == ['old', 'lines']\nopen(path, 'w').write('edited\\n')")
    ended = repository.seen("edit", id, EDITOR=write, VISUAL=write)
    assert (ended.code, f"Memory {id} of project" in ended.shown) == (0, True)
    assert read(running, id)["text"] == "edited"


@pytest.mark.parametrize("body", ["", "open(path, 'w').write(text + '\\n')", "open(path, 'w').write(text)"])
def test_an_unchanged_text_asks_for_nothing(repository, running, editor, body):
    id = repository.added("as it is")
    before = running.log.read_text().count("PATCH")
    ended = repository.seen("edit", id, EDITOR=editor(body), VISUAL=editor(body))
    assert (ended.code, "nothing was changed" in ended.shown) == (0, True)
    assert "nothing was changed" in repository("edit", id, "--text", "as it is").out
    assert running.log.read_text().count("PATCH") == before


def test_an_emptied_text_and_a_failing_editor_change_nothing(repository, running, editor):
    id = repository.added("as it is")
    emptied = editor("open(path, 'w').write(' ')\nimport os; os.utime(path, (1, 1))")
    ended = repository.seen("edit", id, EDITOR=emptied, VISUAL=emptied)
    assert (ended.code, "The text is empty, so nothing was changed" in " ".join(ended.shown.split())) == (
        2,
        True,
    )
    failing = editor("sys.exit(3)")
    assert repository.seen("edit", id, EDITOR=failing, VISUAL=failing).code == 1
    assert read(running, id)["text"] == "as it is"


def test_what_is_not_there_cannot_be_shown_corrected_or_forgotten(cli):
    for command in (["show"], ["show", "--history"], ["edit", "--text", "x"], ["forget"]):
        ended = cli(*command, 10**9)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == "faiss-memory: there is no memory 1000000000\n"


# Forgetting.


def there(cli):
    return {int(row[0]) for row in cli("list", "--all").rows}


def test_one_memory_is_forgotten_without_a_question(repository):
    id, other = repository.added("one"), repository.added("two")
    assert f"Memory {id} of project" in repository("forget", id).out
    assert there(repository) == {other}
    assert f"Memory {other} of project" in repository.seen("forget", other).shown
    assert json.loads(repository("forget", repository.added("three"), "--json").out)["success"]


@pytest.mark.parametrize("by", ["ids", "filter"])
def test_nobody_is_asked_through_a_pipe(repository, by):
    ids = [repository.added("one", "-t", "x"), repository.added("two", "-t", "x")]
    which = ids if by == "ids" else ["--tag", "x"]
    ended = repository("forget", *which)
    assert (ended.code, ended.out) == (2, "")
    assert "give --yes" in ended.err
    assert there(repository) == set(ids)
    ended = repository("forget", *which, "--dry-run")
    where = "in any project" if by == "ids" else f"of project {repository.project}"
    assert f"2 memories {where} would be forgotten" in ended.out
    assert there(repository) == set(ids)
    ended = repository("forget", *which, "--yes")
    assert (ended.code, f"2 memories {where} forgotten" in ended.out) == (0, True)
    assert there(repository) == set()


@pytest.mark.parametrize(
    ("said", "code", "left"), [("y\n", 0, 0), ("n\n", 5, 2), ("\n", 5, 2), ("\x03", 130, 2)]
)
def test_at_a_terminal_it_is_asked_with_the_number(repository, said, code, left):
    for text in ("one", "two"):
        repository.added(text, "-t", "x")
    terminal = repository.at_terminal("forget", "-t", "x")
    terminal.until(f"Forget 2 memories of project {repository.project}? [y/N]")
    assert len(there(repository)) == 2
    terminal.type(said)
    ended = terminal.ended()
    assert (ended.code, len(there(repository))) == (code, left)
    assert ("Nothing was forgotten" in ended.shown) == (code == 5)


def test_conditions_narrow_what_is_forgotten(repository):
    kept = repository.added(
        "kept", "-t", "a", "--source", "x.md", "--timestamp", "2026-06-01", "--metadata", "n=1"
    )
    for options in (
        ["-t", "a", "-t", "b", "--tags-mode", "all"], ["--source", "docs/*"], ["--metadata", "n=2"],
        ["--before", "2026-01-01"], ["--after", "2026-07-01"], ["-t", "a", "-p", "nowhere"],
    ):  # fmt: skip
        gone = repository.added("gone", "-t", "a", "-t", "b", "--source", "docs/x", "--metadata", "n=2",
                     "--timestamp", "2025-01-01" if "--before" in options else "2026-08-01")  # fmt: skip
        ended = repository("forget", "--yes", *options)
        assert ended.code == 0
        expected = {kept, gone} if "nowhere" in options else {kept}
        assert there(repository) == expected, options
    assert "Nothing to forget: 0 memories of project nowhere" in ended.out


def test_nothing_is_forgotten_without_a_condition(repository):
    kept = repository.added("kept")
    for options in ([], ["--yes"], ["--yes", "--tags-mode", "all"]):
        ended = repository("forget", *options)
        assert (ended.code, "Say what to forget" in ended.err) == (2, True)
    assert there(repository) == {kept}
    assert repository("forget", "--yes", "-p", repository.project).code == 0
    assert there(repository) == set()


def test_ids_that_are_not_there_are_named(repository):
    id = repository.added("one")
    ended = repository("forget", "--yes", id, 10**9)
    assert "1 memory in any project forgotten" in ended.out
    assert "Not there: 1000000000" in ended.err
    shown = repository.seen("forget", 10**9, 10**9 + 1).shown
    assert "Nothing to forget" in shown
    assert "?" not in shown
