"""Notes are data: nothing a memory says can leave its frame, and what was framed is known again."""

from __future__ import annotations

import json
from html import escape

import pytest
from hypothesis import given, strategies as st

from faiss_memory import Note, count_tokens, framed, holds_recalled, without_frames
from faiss_memory.framing import MOST_CHARACTERS, NAME
from faiss_memory.tokens import within_tokens
from faiss_memory_plugins.recall.answering import DIGEST
from faiss_memory_plugins.recall.finding import FOUND
from faiss_memory_plugins.recall.summaries import news_of
from tests.frames import HOSTILE, check_frame, lines_inside, texts


def note(text: str, source: str = "decisions.md", number: int = 7) -> Note:
    return Note(number, "2026-03-10", source, "shop", text)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("where", ["text", "source"])
def test_a_hostile_memory_stays_inside_its_frame(text, where):
    shown = note(text) if where == "text" else note("harmless", source=text)
    found, notes = framed([shown], FOUND, 1200)
    assert len(notes) == 1
    check_frame(found, 1)


@given(st.lists(st.tuples(st.text(min_size=1) | texts, st.text() | texts), min_size=1, max_size=4))
def test_no_text_leaves_its_frame(parts):
    notes = [note(text, source, number) for number, (text, source) in enumerate(parts)]
    found, shown = framed(notes, FOUND, 4000)
    if shown:
        check_frame(found, len(shown))


@given(st.lists(st.text(min_size=1, max_size=3000), min_size=1, max_size=8), st.integers(100, 4000))
def test_the_budget_holds(texts, tokens):
    found, _ = framed([note(text, number=number) for number, text in enumerate(texts)], DIGEST, tokens)
    assert count_tokens(found) <= tokens
    assert len(found) <= MOST_CHARACTERS


def test_a_note_that_fits_for_the_most_part_is_cut_and_one_that_does_not_makes_room_for_the_next():
    first, second, third = "a " * 300, "b " * 2000, "c " * 20
    found, shown = framed([note(first, number=1), note(second, number=2), note(third, number=3)], FOUND, 400)
    assert [one.id for one in shown] == [1, 3]
    found, shown = framed([note(second, number=2)], FOUND, 600)
    assert [one.id for one in shown] == [2]
    assert "b …" in found
    found, shown = framed([note("会" * 20_000, number=1)], DIGEST, 400)
    assert len(shown) == 1
    assert count_tokens(found) <= 400


@given(st.text(max_size=200), st.integers(-3, 100))
def test_a_text_is_cut_at_its_last_character_that_fits(text, tokens):
    cut = within_tokens(text, tokens)
    assert text.startswith(cut)
    assert count_tokens(cut) <= max(0, tokens)
    assert cut == text or count_tokens(text[: len(cut) + 1]) > tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("We use React Query.", 5), ("if (a != b) { return; }", 8), ("会话", 3), ("🎉", 2), ("é", 1)],
)
def test_tokens_are_reckoned_rather_too_many_than_too_few(text, tokens):
    assert count_tokens(text) == tokens


def test_without_notes_there_is_no_frame():
    assert framed([], FOUND, 1200) == ("", [])


@pytest.mark.parametrize("text", ["We use React Query.", "A plain memory\nof two lines"])
def test_what_was_framed_is_known_again(text):
    found, _ = framed([note(text)], FOUND, 1200)
    for pasted in (
        found,
        f"Look:\n{found}\nand more",
        found.replace("\n", "\r\n"),
        f"> {found}".replace("\n", "\n> "),
        f"Remember: {found}".replace("\n", " "),
        json.dumps({"additionalContext": found}),
        escape(found),
        found.replace("memory", "mem\u200bory"),
    ):
        assert holds_recalled(pasted)
    # A part of it, without its ends.
    assert holds_recalled("\n".join(lines_inside(found)))


@pytest.mark.parametrize(
    "text",
    [
        f"The frame that notes are shown in is called {NAME}.",
        "[memory] Redis keeps 2 GB",
        "> quoted from a mail",
        "see [memory 42] for more",
    ],
)
def test_what_only_speaks_of_it_is_not_taken_for_it(text):
    assert not holds_recalled(text)


def test_a_frame_is_taken_out_of_a_text():
    found, _ = framed([note("We use React Query.")], FOUND, 1200)
    assert without_frames(f"before\n{found}\nafter").split() == ["before", "after"]
    assert without_frames(f"before\n{found[:-30]}").split() == ["before"]


def test_a_summary_keeps_only_what_is_news():
    shown = ["Use React Query for API calls, not Redux Toolkit Query."]
    summary = "We fixed the login. Use React Query for API calls, not Redux Toolkit Query! Next: the cart."
    assert news_of(summary, shown) == "We fixed the login. Next: the cart."
    assert news_of("Use React Query for API calls.", shown) == ""
