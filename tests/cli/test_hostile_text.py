"""Nothing that a memory says commands the terminal, or looks like something that we say."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from faiss_memory.cli.writing import as_json, clean, excerpt, size, when
from tests.cli.stub import stub
from tests.cli.terminals import ANSI

HOSTILE = (
    "evil \x1b]0;title\x07 \x1b[2J \x1b[31mred \x9b31m \x08\x08\x7f \r\nMemory 99 forged\n"
    "\u202ereversed\u2028line [bold]markup[/bold] [link=http://x]y[/link] :smile: {braces}"
)
INVISIBLE = (
    0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x180B, 0x200B, 0x200C, 0x200D, 0x200E, 0x202E, 0x2028, 0x2060, 0x2066,
    0x3164, 0xFE00, 0xFE0F, 0xFEFF, 0xFFA0, 0xE0041, 0xE0100,
)  # fmt: skip
"""Code points that text can hide in."""
ALLOWED = {"\n", "\r"}
"""What a line on a terminal ends with."""


def obeys_nothing(ended):
    """What we print has only our own colours."""
    rest = ANSI.sub("", ended.out) + ended.err
    bad = {
        c for c in rest if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"} and c not in ALLOWED | {"\t"}
    }
    assert bad == set()
    return rest


def is_harmless(ended):
    """What we print has only our own colours, and no line that begins as the forged one does."""
    rest = obeys_nothing(ended)
    assert not any(line.startswith("Memory 99") for line in rest.splitlines())
    assert "\x1b[2J" not in ended.out
    return ended.shown


@pytest.fixture
def hostile(repository):
    """The id of a memory that is hostile in every field."""
    return repository.added(
        "-", "--source", HOSTILE, "--tag", HOSTILE[:100],
        "--metadata", f"key\x1b[2J={json.dumps(HOSTILE)}", input=HOSTILE,
    )  # fmt: skip


def test_every_command_escapes_what_a_memory_says(repository, hostile):
    project = repository.project
    commands = [
        ["search", "evil", "-p", project], ["list"], ["show", hostile], ["show", hostile, "--history"], ["tags"],
        ["is-novel", "evil"], ["stats"], ["projects"], ["search", HOSTILE],
        ["add", "--if-novel", "0", "evil"], ["edit", hostile, "--source", HOSTILE],
        ["forget", hostile, "--dry-run"],
    ]  # fmt: skip
    for command in commands:
        is_harmless(repository(*command))
        is_harmless(repository.seen(*command))
        ended = repository(*command, "--json")
        is_harmless(ended)
        json.loads(ended.out)


def test_what_was_typed_wrongly_and_what_is_exported_to_a_terminal_is_escaped(repository, hostile):
    for command in ([HOSTILE], ["restore", HOSTILE], ["list", f"--{HOSTILE}"], ["list", "--limit", HOSTILE]):
        obeys_nothing(repository(*command))
    for kind in ("jsonl", "json", "csv", "markdown"):
        shown = repository.seen("export", "--format", kind)
        obeys_nothing(shown)
    assert '"text"' in repository.seen("export").shown


def test_json_gives_the_text_back_as_it_was(repository, hostile):
    assert json.loads(repository("show", hostile, "--json").out)["text"] == HOSTILE


def test_markup_is_shown_as_it_was_written(repository, hostile):
    for command in (["show", hostile], ["list"], ["search", "evil"]):
        shown = " ".join(is_harmless(repository.seen(*command, width=400)).split())
        for part in ("[bold]markup[/bold]", "[link=http://x]y[/link]", ":smile:", "{braces}", "\\x1b[31mred"):
            assert part in shown, command


def test_at_a_terminal_the_lines_of_a_text_are_kept_with_a_margin(repository):
    id = repository.added("-", input="one\n  two\n\nthree")
    shown = repository.seen("show", id).shown
    assert "\n  one\n    two\n\n  three\n" in "\n".join(line.rstrip() for line in shown.splitlines())


def test_what_a_service_says_is_escaped_too(alone):
    build = {
        "state": "running", "project": HOSTILE, "sources": [HOSTILE], "started_at": HOSTILE, "dry_run": False,
        "added": 0, "changed": 0, "kept": 0, "removed": 0, "skipped": 0, "embedded": 0, "message": HOSTILE,
        "memories": {"added": 0, "kept": 0, "removed": 0},
        "progress": {"phase": HOSTILE, "done": 1, "total": 2, "file": HOSTILE},
    }  # fmt: skip
    problems = [{"part": HOSTILE, "reason": HOSTILE}]
    health = {
        "status": HOSTILE,
        "version": HOSTILE,
        "model_ready": True,
        "rebuilding": [],
        "problems": problems,
    }
    answers = {"/health": health, "/index/build": {"running": [build], "last": build}}
    with stub(lambda _, path, __: (200, answers[path])) as service:
        for command in (["health"], ["build", "--status"]):
            is_harmless(alone(*command, "--url", service.url))
            is_harmless(alone.seen(*command, "--url", service.url))


@pytest.mark.parametrize("character", [chr(code) for code in (*range(32), *range(127, 160), *INVISIBLE)])
def test_what_a_terminal_obeys_and_what_nobody_sees_is_written_out(character):
    escaped = character.encode("unicode_escape").decode()
    assert clean(f"a{character}b") == f"a{escaped}b"
    assert json.loads(as_json(f"a{character}b")) == f"a{character}b"
    assert as_json(f"a{character}b").isprintable()


@pytest.mark.parametrize(
    "text", ["plain", "Grüße", "日本語", "👩‍👩‍👧", "❤️", "❤️‍🔥", "a\u00a0b", "C:\\new", "می‌خواهم", ""]
)
def test_what_is_harmless_stays_as_it_is(text):
    assert clean(text) == text
    assert json.loads(as_json(text)) == text


@given(st.text("ab👩م \u200b\u200c\u200d\ufe0f\u202e\U000e0041\u3164\x1b", max_size=12))
def test_joiners_stay_one_by_one_beyond_latin_and_nothing_else_that_is_invisible(text):
    shown = clean(text)
    assert not re.search("[\u200b\u202e\U000e0041\u3164\x1b]", shown)
    assert not re.search("(^|[ab ])[\u200c\u200d\ufe0f]|[\u200c\u200d]{2}|\ufe0f{2}", shown)
    assert json.loads(as_json(text)) == text


def test_json_may_hold_half_a_character():
    assert json.loads(as_json("\ud800")) == "\ud800"
    assert json.loads(as_json({"\U000e0001": ["\U000e0001"]})) == {"\U000e0001": ["\U000e0001"]}


@pytest.mark.parametrize(
    "text", ["word " * 200, "x" * 1000, "a needle " + "word " * 200, "word " * 200 + "a needle"]
)
@pytest.mark.parametrize("words", [[], ["needle"], ["absent"], ["nee(dle"]])
def test_an_excerpt_is_short_and_has_the_word(text, words):
    found = excerpt(text, 100, words)
    assert len(found) <= 104
    if words == ["needle"] and "needle" in text:
        assert "needle" in found
    assert found.startswith("…") or text.startswith(found[:20])


def test_times_and_sizes_are_written_in_words():
    assert when("not a time") == "not a time"
    assert when("2020-05-05T12:00:00+00:00") == "2020-05-05"
    assert [size(count) for count in (5, 2048, 200 * 1024, 5 * 2**20, 3 * 2**30)] == [
        "5 bytes", "2.0 KB", "200 KB", "5.0 MB", "3.0 GB",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (59, "just now"),
        (61, "1 min ago"),
        (3700, "1 h ago"),
        (2 * 86400 + 5, "2 d ago"),
        (-100, None),
    ],
)
def test_a_recent_time_is_told_by_how_long_ago_it_was(seconds, words):
    now = datetime(2026, 3, 3, 12, tzinfo=UTC)
    then = now - timedelta(seconds=seconds)
    assert when(then.isoformat(), now) == (words or then.astimezone().date().isoformat())
