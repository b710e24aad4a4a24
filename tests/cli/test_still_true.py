"""Whether memories still hold, as the command line tells, sets and renews it."""

from __future__ import annotations

import json


def verified(command, id, *options):
    ended = command("verify", str(id), *options, "--json")
    (memory,) = json.loads(ended.out)["memories"]
    return ended.code, memory.get("state"), memory.get("valid_until", "")[:10]


def test_what_is_over_fails_until_a_person_says_that_it_holds(repository):
    id = repository.added("the office is in Ulm", "--valid-until", "2026-01-31")
    assert verified(repository, id) == (1, "expired", "2026-01-31")
    assert "it was true until 2026-01-31" in repository.seen("verify", str(id)).out
    assert verified(repository, id, "--still-true", "--until", "2199-01-01") == (0, None, "2199-01-01")
    assert verified(repository, id, "--still-true") == (0, None, "2199-01-01")
    assert verified(repository, id, "--still-true", "--until", "2026-02-01") == (1, "expired", "2026-02-01")
    assert verified(repository, id, "--still-true") == (0, None, "")


def test_until_when_it_holds_is_corrected_and_taken_away(repository):
    id = repository.added("the office is in Ulm")
    assert repository("edit", id, "--valid-until", "2026-01-31").code == 0
    assert verified(repository, id) == (1, "expired", "2026-01-31")
    assert repository("edit", id, "--forever").code == 0
    assert verified(repository, id) == (0, None, "")
    both = repository("edit", id, "--forever", "--valid-until", "2026-01-31")
    assert (both.code != 0, "forever" in both.err) == (True, True)


def test_what_says_nothing_together_is_refused(repository):
    for options in (["--still-true"], ["--until", "2099-01-01"], ["1", "--still-true", "--repair"]):
        ended = repository("verify", *options)
        assert ended.code == 2, options
        assert "--still-true" in ended.err


def test_a_memory_names_the_files_that_it_speaks_of(repository):
    file = repository.folder / "src" / "retry.py"
    file.parent.mkdir()
    file.write_text("three times\n")
    id = repository.added("Retries are in retry.py", "--anchor", "src/retry.py", "--metadata", "n=1")
    assert verified(repository, id)[:2] == (0, "fresh")
    file.write_text("four times\n")
    assert verified(repository, id)[:2] == (1, "changed")
    assert verified(repository, id, "--still-true")[:2] == (0, "fresh")
    file.unlink()
    assert verified(repository, id)[:2] == (1, "gone")
    assert verified(repository, id, "--still-true")[:2] == (0, None)
    file.write_text("five times\n")
    repository("edit", str(id), "--anchor", str(file))
    memory = json.loads(repository("verify", str(id), "--json").out)["memories"][0]
    assert (memory["state"], memory["metadata"]["n"]) == ("fresh", 1)
    assert [one["path"] for one in memory["metadata"]["anchors"]] == [str(file)]
    repository("edit", str(id), "--anchor", "")
    assert verified(repository, id)[:2] == (0, None)
    missing = repository("add", "x", "--anchor", "none.py")
    assert (missing.code, "none.py: there is no such file" in missing.err) == (2, True)
