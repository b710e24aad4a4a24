"""The journal that all fault tests rest on: each way to break a promise must fail the check, and nothing else may."""

from __future__ import annotations

import pytest

from tests.faults.journal import marks_in, some_mark


@pytest.fixture
def ask(journal):
    """Note a call and, unless it is left open, its answer."""

    def note(operation, ids, texts, answer="done", worker=0):
        journal.asked(worker, operation, [] if operation == "add" else ids, texts)
        if answer == "done":
            journal.done(worker, ids)
        elif answer == "refused":
            journal.refused(worker)

    return note


@pytest.fixture
def check(journal, acknowledged):
    """Two memories are acknowledged and there; then something is asked, and the store is looked at again."""
    journal.asked(0, "add", texts=["one", "two"])
    journal.done(0, [1, 2])
    acknowledged.check(journal, {1: "one", 2: "two"})
    return lambda content: acknowledged.check(journal, content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({1: "one"}, "memory 2 is gone"),
        ({1: "one", 2: "three"}, "memory 2 is another text"),
        ({1: "two", 2: "one"}, "memory 1 is another text"),
        ({1: "one", 2: "two", 3: "three"}, "nobody asked for them"),
    ],
)
def test_what_was_acknowledged_must_be_there_and_nothing_else(check, content, message):
    with pytest.raises(AssertionError, match=message):
        check(content)


@pytest.mark.parametrize("operation", ["forget", "purge"])
def test_what_was_forgotten_must_stay_gone(check, ask, operation):
    ask(operation, [1], [])
    check({2: "two"})
    with pytest.raises(AssertionError, match="memory 1 is another text"):
        check({1: "one", 2: "two"})


@pytest.mark.parametrize(
    ("answer", "text"), [("done", "changed"), ("open", "one"), ("open", "changed"), ("refused", "one")]
)
def test_a_change_is_there_as_its_answer_says(check, ask, answer, text):
    ask("change", [1], ["changed"], answer)
    check({1: text, 2: "two"})


@pytest.mark.parametrize(("answer", "text"), [("done", "one"), ("refused", "changed"), ("open", "other")])
def test_a_change_is_not_there_against_its_answer(check, ask, answer, text):
    ask("change", [1], ["changed"], answer)
    with pytest.raises(AssertionError, match="memory 1 is another text"):
        check({1: text, 2: "two"})


def test_what_was_seen_once_after_an_open_call_stays_so(check, ask):
    ask("change", [1], ["changed"], "open")
    check({1: "changed", 2: "two"})
    with pytest.raises(AssertionError, match="memory 1 is another text"):
        check({1: "one", 2: "two"})


def test_an_open_batch_is_there_wholly_or_not_at_all(check, ask):
    ask("add", [], ["three", "four"], "open", worker=1)
    with pytest.raises(AssertionError, match="half a batch"):
        check({1: "one", 2: "two", 3: "three"})


@pytest.mark.parametrize("content", [{}, {3: "three", 4: "four"}])
def test_an_open_batch_may_be_there_or_not(check, ask, content):
    ask("add", [], ["three", "four"], "open", worker=1)
    check({1: "one", 2: "two", **content})


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_refused_purge_leaves_what_was_there(check, ask, forgotten):
    if forgotten:
        ask("forget", [1], [])
    ask("purge", [1], [], "refused")
    check({2: "two"} if forgotten else {1: "one", 2: "two"})


def test_marks_are_found_in_any_file_and_nobody_elses_are(check, journal, acknowledged, tmp_path):
    purged, kept = some_mark(1), some_mark(2)
    journal.purged([f"shared words {purged} ledger"])
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/file").write_bytes(b"\0\1" + purged.encode() + kept.encode() + kept[:-1].encode())
    assert marks_in(tmp_path) == {purged, kept}
    check({1: "one", 2: "two"})
    assert acknowledged.purged == {purged}


def test_a_refused_add_must_not_be_there(check, ask):
    ask("add", [], ["three"], "refused")
    with pytest.raises(AssertionError, match="nobody asked for them"):
        check({1: "one", 2: "two", 3: "three"})


def test_an_add_must_not_be_there_twice(check, ask):
    ask("add", [], ["three"], "open")
    with pytest.raises(AssertionError, match="under two ids"):
        check({1: "one", 2: "two", 3: "three", 4: "three"})


def test_an_id_must_not_be_given_again(check, ask):
    ask("forget", [2], [])
    ask("add", [2], ["three"])
    with pytest.raises(AssertionError, match="id 2 was given twice"):
        check({1: "one", 2: "three"})


def test_what_a_reader_saw_must_not_be_taken_back(check, ask, journal):
    ask("add", [], ["three"], "open")
    journal.seen([(3, "three")])
    with pytest.raises(AssertionError, match="taken back"):
        check({1: "one", 2: "two"})


def test_a_change_that_a_reader_saw_must_not_be_taken_back(check, ask, journal):
    ask("change", [1], ["changed"], "open")
    journal.seen([(1, "changed")])
    with pytest.raises(AssertionError, match="memory 1 is another text"):
        check({1: "one", 2: "two"})


def test_a_reader_must_not_see_a_wrong_text(check, journal):
    journal.seen([(1, "two")])
    with pytest.raises(AssertionError, match="saw a wrong text"):
        check({1: "one", 2: "two"})


def test_a_reader_may_have_seen_an_earlier_text(check, ask, journal):
    ask("change", [1], ["changed"])
    journal.seen([(1, "one"), (1, "changed")])
    check({1: "changed", 2: "two"})


def test_what_a_start_finds_is_held_against_the_journal_too(check, journal):
    journal.found([(1, "one")])
    with pytest.raises(AssertionError, match="memory 2 is gone"):
        check({1: "one", 2: "two"})
