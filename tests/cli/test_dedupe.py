"""Finding memories that say the same, and joining them."""

from __future__ import annotations

import json


def test_pairs_are_shown_and_joined_when_somebody_says_so(repository, running):
    old, other, new = (
        repository.added(text, "-t", tag)
        for text, tag in (
            ("the ledger listens on port 8080", "a"),
            ("the ledger listens on port 8081", "b"),
            ("The ledger listens on port 8080", "c"),
        )
    )
    ended = repository("dedupe")
    rows = [line.split("\t") for line in ended.out.splitlines()]
    assert {(row[0], row[1], row[2]) for row in rows} == {
        (str(new), str(old), "identical"),
        (str(new), str(other), "differs"),
        (str(other), str(old), "differs"),
    }
    assert "3 pairs" in ended.err
    assert len(repository("dedupe", "--class", "identical").out.splitlines()) == 1
    assert len(json.loads(repository("dedupe", "--limit", "1", "--json").out)["pairs"]) == 1
    assert repository("dedupe", "--join", "identical").code == 2  # nobody can be asked
    dry = json.loads(
        repository("dedupe", "--join", "identical", "--join", "similar", "--dry-run", "--json").out
    )
    assert dry["joined"] == [{"keep": int(new), "ids": [int(old)]}]
    assert running.call("GET", f"/memory/{old}")[1]["superseded_by"] is None
    assert repository("dedupe", "--join", "identical", "--yes").code == 0
    kept = running.call("GET", f"/memory/{new}")[1]
    assert (kept["supersedes"], kept["tags"]) == (int(old), ["c", "a"])
    assert running.call("GET", f"/memory/{other}")[1]["superseded_by"] is None
    assert repository("dedupe", "--undo", new).code == 0
    assert running.call("GET", f"/memory/{old}")[1]["superseded_by"] is None
    assert repository("dedupe", "--keep", new, other, old).out == f"Memory {new} supersedes {other}, {old}\n"
    assert repository("dedupe", "--undo", new, other).out == f"Current again: {other}\n"


def test_what_does_not_go_together_is_said(repository, running):
    assert repository("dedupe", "7").code == 2
    assert repository("dedupe", "--keep", "7").code == 2
    assert repository("dedupe", "--keep", "7", "--undo", "7").code == 2
    assert repository("dedupe", "--join", "differs").code == 2
    ended = repository("dedupe", "--keep", "7777", "8888")
    assert (ended.code, "7777" in ended.err) == (1, True)


def test_at_a_terminal_you_are_asked_before_anything_is_joined(repository, running):
    old, new = (repository.added("orders live in postgres") for _ in range(2))
    for typed, told, code in (("n", "Nothing was joined", 5), ("y", "superseded", 0)):
        terminal = repository.at_terminal("dedupe", "--join", "identical")
        terminal.until("[y/N]")
        terminal.type(f"{typed}\n")
        ended = terminal.ended()
        assert (ended.code, told in ended.shown) == (code, True)
    assert running.call("GET", f"/memory/{old}")[1]["superseded_by"] == int(new)
