"""Time is bounded by the input: whatever others write, twice as much of it takes twice as long, and not four times.

Each entry point is given texts that are hard for parsers, cutters and patterns, in doubling sizes.
"""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from faiss_memory import framing
from faiss_memory.analyzer import analyze, analyze_query
from faiss_memory.cli.doctor.trial import expanded
from faiss_memory.cli.writing import as_json, clean, excerpt
from faiss_memory.contracts.config_files import JsonMember, TomlTable, YamlItem
from faiss_memory.globs import LONGEST, Glob, InvalidGlob, PathGlob
from faiss_memory.install import json_text, toml_text, yaml_text
from faiss_memory.project_name import name_of_remote, project_of, read_config
from faiss_memory.schema.names import fitted
from faiss_memory.tokens import within_tokens
from faiss_memory_plugins.ingest.documents import read_document
from faiss_memory_plugins.recall.summaries import news_of
from tests.growth import assert_linear, repeated


def lines(line):
    return lambda size: "\n".join(line.format(number) for number in range(size // len(line) + 1))


def between(before, part, after):
    return lambda size: before + part * (size // len(part) + 1) + after


def stairs(line):
    """Each line is indented more than the one above it."""
    return lambda size: "\n".join(" " * depth + line for depth in range(int((2 * size) ** 0.5)))


HEAD = "[memory 1 | 2026-01-01 | "
FRAME = f"<{framing.NAME}>"
TEXTS = {
    "blank lines": repeated("\n"),
    "white lines": repeated("  \t\n"),
    "one word": repeated("a"),
    "one line": repeated("A sentence. "),
    "accents": repeated("\u0315\u0300"),
    "ligatures": repeated("\ufdfa"),
    "unspaced": repeated("記憶"),
    "camels": repeated("aB"),
    "identifiers": lines("a{}_b "),
    "escapes": repeated("\x1b[31m\u202e"),
    "backslashes": repeated("\\"),
    "API": between("paths:\n", "  /p:\n    get:\n      summary: one\n", ""),
    "stairs": stairs("class a:"),
    "comments": repeated("# a\n"),
    "modifiers": repeated("pub(a static "),
    "quotations": repeated("> - "),
    "items": repeated("- a\n"),
    "steps": stairs("- a"),
    "brackets": repeated("["),
    "links": lines("[a{}]: b"),
    "open links": repeated('[a]: b "\n'),
    "fences": repeated("~~~\n```\n"),
    "headings": repeated("# a\n"),
    "underlined": repeated("a\n===\n"),
    "tags": repeated("<a b='"),
    "tag of blanks": between("<a", " \t", "!"),
    "YAML before it": between("---\n", "a: [b\n", "\n---\n"),
    "YAML of lists": between("---\n", "- ", "\n---\n"),
    "YAML of a number": between("---\na: 0x", "f", "\n---\n"),
    "YAML of sixties": between("---\na: ", "1:", "1\n---\n"),
    "YAML of stairs": between("---\n", "a:\n b:\n  c:\n   d:\n    - [\n", "\n---\n"),
    "YAML of bad items": between("---\na:\n", "- [\n- b\n", "\n---\n"),
    "YAML given twice": between("---\n", "a: b\n", "\n---\n"),
    "YAML of a long key": between("---\na", ": b:c\t ", "\n---\n"),
    "TOML of bad lines": between("+++\n", "a = \n", "\n+++\n"),
    "TOML of dots": between("+++\n", "a.", "a=1\n+++\n"),
    "TOML of a number": between("+++\na=", "9", "\n+++\n"),
    "TOML of tables": lambda size: "+++\n" + lines("[a{}.b.c]")(size) + "\n+++\n",
    "cells": lambda size: json.dumps(
        {"cells": [{"cell_type": "markdown", "source": "# a\n```"}] * (size // 50 + 1)}
    ),
    "a cell": lambda size: json.dumps(
        {"cells": [{"cell_type": "code", "source": ["`\n", "````"] * (size // 15)}]}
    ),
    "tags of Org": repeated("* a :b:b:b:b:b:b:b:b:b:b:b:b:b:b:b:b:\n"),
    "deep in Org": lambda size: "\n".join("*" * depth + " a :b:" for depth in range(int((2 * size) ** 0.5))),
    "fences of AsciiDoc": repeated("----\n....\n"),
    "ends of AsciiDoc": lambda size: "\n".join("-" * depth for depth in range(int((2 * size) ** 0.5))),
    "heads": repeated(HEAD),
    "heads of projects": repeated(f"{HEAD}project a "),
    "a head of projects": between(HEAD, "project ", ""),
    "a head's number": between("[memory ", "1", ""),
    "frames": repeated(f"{FRAME}\n"),
    "an open frame": between(f"{FRAME}\n", " > ", ""),
    "references": repeated("&#"),
    "a reference": between("&#", "9", ";"),
    "a hexadecimal reference": between("&#x", "f", ";"),
    "sentences": repeated("a. "),
    "stops": repeated("."),
    "a remote": between('[remote "origin"]\nurl=', '\\"', ""),
    "an open header": between('[a "', "\\a", ""),
    "an open header of blanks": between("[a.", " ", '"'),
    "open variables": repeated("${a:-"),
    "continued": repeated("\\\n"),
    "slashes": between("https://", "a/", ""),
    "stars": repeated("*"),
}


ENTRIES = {
    "Markdown": lambda text: read_document("a.md", text),
    "code": lambda text: read_document("a.yaml", text),
    "plain text": lambda text: read_document("a.txt", text),
    "reStructuredText": lambda text: read_document("a.rst", text),
    "AsciiDoc": lambda text: read_document("a.adoc", text),
    "Org": lambda text: read_document("a.org", text),
    "a notebook": lambda text: read_document("a.ipynb", text),
    "recalled": framing.holds_recalled,
    "frames": framing.without_frames,
    "note": lambda text: framing.framed(
        [framing.Note(1, "2026-01-01", text[:4096], "a", text)], "found", 1200
    ),
    "summary": lambda text: news_of(text, [text, text[::-1]]),
    "terms": analyze,
    "git's configuration": lambda text: list(read_config(text)),
    "remote": name_of_remote,
    "name": fitted,
    "folder": lambda text: project_of(Path("/" + text.replace("\n", "/"))),
    "tokens": lambda text: within_tokens(text, len(text) // 8),
    "terminal": clean,
    "variables": lambda text: expanded(text, ""),
    "JSON": as_json,
    "excerpt": lambda text: excerpt(text, 200, ["a", "sentence"]),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_time_grows_no_faster_than_the_text(entry):
    for name, make in TEXTS.items():
        try:
            assert_linear(ENTRIES[entry], make, most=6_000)
        except Exception as error:
            raise AssertionError(f"{name}: {error}") from error


def test_time_of_a_query_grows_no_faster_than_its_identifiers():
    assert_linear(analyze_query, TEXTS["identifiers"], most=60_000, least=60_000)


FILES = {
    "servers in YAML": (lines("mcpServers{}:\n  - name: a\n    args:\n      - b\n"), yaml_text, YamlItem),
    "comments in YAML": (between("a: b\n", "# c\n", ""), yaml_text, YamlItem),
    "tables in TOML": (lines("[ours.here.a{}]\nx = 1\n"), toml_text, TomlTable),
    "a list in TOML": (between("a = [\n", "[1],\n", "]\n[ours.here]\nx = 1\n"), toml_text, TomlTable),
    "a text in TOML": (between('a = """\n', "[b]\n", '"""\n[ours.here]\nx = 1\n'), toml_text, TomlTable),
    "members in JSON": (
        lambda size: f"{{{','.join(f'{chr(34)}{n}{chr(34)}: [1]' for n in range(size // 10))}}}",
        json_text,
        JsonMember,
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_time_to_edit_a_file_of_others_grows_no_faster_than_the_file(name):
    make, syntax, kind = FILES[name]
    part = kind("x", ("ours", "here"), {"x": 2})

    def edit(text):
        there = syntax.put(text, part)
        assert syntax.state(there, part) == "same"
        syntax.take_out(there, part, text)

    assert_linear(edit, make, most=8_000, least=100)


@pytest.mark.parametrize(
    "glob", ["*a" * 12 + "*b", "*" + "a" * 30 + "?b", "*[!b]" * 12 + "b", "*?" * 12 + "b"]
)
def test_time_to_match_a_glob_grows_no_faster_than_the_text(glob):
    assert_linear(Glob(glob).fits, repeated("a"), most=20_000)
    assert_linear(PathGlob(["**", glob, "**", "b"]).fits, lambda size: ["a" * 20] * (size // 20), most=20_000)


@pytest.mark.parametrize("part", ["?", "[!b]", "[a-z]", "[a-cx-z]", "[!\u0100-\uffff]"])
def test_time_to_match_many_sets_grows_no_faster_than_glob_and_text(part):
    """Each character of the text is another one, so that nothing is known of it from the one before."""

    def match(size):
        assert not Glob("*" + part * (size // len(part)) + "b").fits(
            "".join(map(chr, range(300, 300 + size)))
        )

    # Both are longer, so that the square is what a step for each set at each character would take.
    assert_linear(match, int, least=250, most=LONGEST // 4 - 8)


def test_a_glob_takes_no_longer_to_read_than_it_is_long():
    for part in ("*", "?", "[", "[a", "[a-z]", "[!]]", "a"):
        assert_linear(lambda text: Glob(text[:LONGEST]), repeated(part), most=LONGEST // 4)
    with pytest.raises(InvalidGlob, match="longer than 4,096 characters"):
        Glob("*" * (LONGEST + 1))


@pytest.mark.parametrize("text", ["/" + "a/" * 100_000, "/" + "a" * 200_000])
def test_a_folder_too_long_to_exist_takes_no_memory(text):
    tracemalloc.start()
    try:
        assert project_of(Path(text)) == "default"
        assert tracemalloc.get_traced_memory()[1] < 100 * len(text)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("glob", ["*a" * 20 + "*b", "*" + "?" * 2000 + "b", "[" * 4096, "*[!b]" * 800 + "b"])
def test_a_glob_of_many_stars_is_answered(client, glob):
    client.post("/memory/add", {"text": "one", "source": "a" * 4096})
    for answer in (
        client.get("/memories", params={"source": glob}),
        client.post("/search", {"query": "one", "source": glob}),
    ):
        assert answer.status_code == 200
    answer = client.post("/search", {"query": "one", "source": "*" * 4097})
    assert (answer.status_code, answer.json["field"]) == (400, "source")
    assert "longer than 4,096 characters" in answer.json["description"]


def test_what_a_hook_says_at_length_is_answered(client):
    long = "/a" * 200_000
    event = {
        "hook_event_name": "SessionStart",
        "cwd": long,
        "session_id": long,
        "source": long,
        "prompt": long,
    }
    tracemalloc.start()
    try:
        assert client.post("/adapters/claude-code/hook", event).status_code == 200
        assert tracemalloc.get_traced_memory()[1] < 100 * len(long)
    finally:
        tracemalloc.stop()
