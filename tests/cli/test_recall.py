"""`faiss-memory recall`, `pin`, `unpin` and `never`."""

from __future__ import annotations

import json

import pytest

TEXT = "Sessions are kept in Redis because the web servers restart nightly"


@pytest.fixture
def number(repository):
    return int(json.loads(repository("add", TEXT, "--json").out)["id"])


def test_what_a_prompt_would_bring_and_what_is_withheld(repository, number):
    repository("add", "Pictures are shrunk by a queue of workers written in Rust")
    rows = [line.split("\t") for line in repository("recall", TEXT).out.splitlines()]
    assert rows[0][0] == "shown"
    assert {row[0] for row in rows[1:]} == {"beside a better one"}
    assert (rows[0][1], rows[0][-1]) == (str(number), TEXT)
    assert float(rows[0][2]) > 0.9
    assert repository("recall", input=TEXT).out == repository("recall", TEXT).out
    assert json.loads(repository("recall", TEXT, "--json").out)["shown"][0]["id"] == number


def test_a_memory_is_pinned_and_unpinned(repository, number):
    assert "is pinned" in repository("pin", str(number)).out
    assert "pinned" in repository("show", str(number)).out
    assert repository("unpin", str(number)).code == 0
    assert "pinned" not in repository("show", str(number)).out
    assert "there is no memory" in repository("pin", "999999").failure(1)


def test_a_memory_is_not_for_some_prompts(repository, number):
    assert repository("never", str(number), TEXT).out == f"{TEXT}\n"
    assert f"\nnot for this\t{number}\t" in f"\n{repository('recall', TEXT).out}"
    assert repository("never", str(number), "--forget", TEXT).out == ""
    assert repository("recall", TEXT).out.startswith("shown\t")


def test_the_log_shows_searches_that_found_nothing(repository, number):
    repository("search", "zebra giraffe", "--min-relevance", "0.9")
    project = json.loads(repository("show", str(number), "--json").out)["project"]
    (row,) = repository("recall", "--log", "--project", project).out.splitlines()
    assert row.split("\t")[1:5] == ["cli", project, "search", "nothing"]
    assert row.endswith("zebra giraffe")
    assert json.loads(repository("recall", "--log", "--project", project, "--json").out)["count"] == 1


@pytest.mark.parametrize("words", [["--log", "a prompt"], ["a", "prompt", "--only", "shown"]])
def test_options_that_contradict_each_other_are_refused(repository, words):
    refused = repository("recall", *words)
    assert (refused.code, "--log" in refused.err) == (2, True)
