"""Every line of a file that is not blank is in a memory that finds it, or is reported."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from faiss_memory_plugins.ingest.documents import read_document
from tests.ingest.conftest import reasons

RULES = "# Rules\n\n## Never deploy on Fridays\n\n## Always squash merges\n\n## Use UTC everywhere\n\nbecause of DST\n"


def searchable(name, text):
    """The words that a file's memories are found by, and what the report says of it."""
    document = read_document(name, text)
    said = [part.text for part in document.parts]
    if said:  # Tags and cues are those of memories.
        said += [*document.tags, *document.cues, *(tag for part in document.parts for tag in part.tags)]
    return set(re.findall(r"\w+", "\n".join([*said, document.note])))


# Markdown.

BLOCKS = [
    "# {}", "## {} ##", "###### {}", "#", "{}\n===", "{}\n{}\n---", "{} {}.", "- {}\n- {}\n  - # {}", "1. {}\n\n   {}",
    "```python\n# {}\n{}\n```", "~~~\n{}", "    {}", "| {} | {} |\n|---|---|\n| {} | x |", "<!-- {} -->",
    "<div>\n# {}\n</div>", "> # {}\n> {}", "---", "***", "[{}]: https://example.org '{}'", "\\# {}", "#{}",
    "# " + "long " * 60 + "{}", "{}: {}", "{" + "}", "\u2014 {} \u2014", "\t{}", "{} " * 90, "+++\n{}", "<!--\n{}",
]  # fmt: skip


def filled(templates, between):
    """Give every place of these blocks a word of its own."""
    text, count = between.join(templates), 0
    while "{}" in text:
        text, count = text.replace("{}", f"word{count}x", 1), count + 1
    return text


@given(
    st.lists(st.sampled_from(BLOCKS), max_size=14), st.sampled_from(["\n", "\n\n", "\n\n\n"]), st.booleans()
)
def test_every_word_of_a_markdown_file_is_found(templates, between, with_front_matter):
    text = filled((["---\ntitle: {}\nsummary: {}\n---"] if with_front_matter else []) + templates, between)
    missing = set(re.findall(r"word\d+x", text)) - searchable("a.md", text)
    assert missing == set(), text


def test_headings_without_a_text_are_memories():
    assert [part.text for part in read_document("rules.md", RULES).parts] == [
        "Rules > Never deploy on Fridays",
        "Rules > Always squash merges",
        "Rules > Use UTC everywhere\n\nbecause of DST",
    ]
    for text, said in (
        ("# TODO: rotate the certificate\n", "TODO: rotate the certificate"),
        ("Decision: adopt osprey\n---\n", "Decision: adopt osprey"),
        ("# Plan\n\n---\n\n## {}\n\n***\n\n## `=>`\n", "Plan > {}\nPlan > `=>`"),
        ("# A\n\n***\n\n# B\n\n`{}`\n", "A\nB\n\n`{}`"),
        ("# A\n\n## ---\n\n# B\n\nText.\n\n##\n\n# ===\n", "A > ---\nB\n\nText."),
    ):
        assert "\n".join(part.text for part in read_document("a.md", text).parts) == said


@pytest.mark.parametrize("depth", [7, 8, 9, 30])
def test_of_many_headings_without_a_text_none_is_lost(depth):
    text = "".join(f"{'*' * level} word{level}x\n" for level in range(1, depth + 1))
    assert set(re.findall(r"word\d+x", text)) <= searchable("a.org", text)


# Front matter.

VALUES = [
    "{}", '"{}: {}"', "[{}, {}]", "\n  - {}\n  - {}", "|\n  {}\n  {}", "{{a: {}}}", "\n  a: {}", "{} # {}", "3", "true",
    "2026-02-12", "", ">-\n  {}", "'{}' # {}",
]  # fmt: skip
BAD = ['"{}', "[{}", "*{}", "!!python/name:{} x", "\n  - {}\n  - *{}\n  - {}", "\n  a: {}\n  b: [{}\n  c: {}"]
NAMES = [
    "title",
    "description",
    "summary",
    "tags",
    "keywords",
    "cues",
    "aliases",
    "date",
    "status",
    "Due date",
    "{}",
]


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from([*VALUES, *BAD])), max_size=7),
    st.sampled_from(["", "Text.", "# Heading\n\nText.", "## {}"]),
)
def test_every_word_of_front_matter_is_found(properties, body):
    lines = [f"{name}: {value}".replace("{{", "{").replace("}}}", "}}") for name, value in properties]
    text = filled(["---", *lines, "---", body], "\n")
    missing = set(re.findall(r"word\d+x", text)) - searchable("a.md", text)
    assert missing == set(), text


@given(
    st.lists(
        st.sampled_from(["a = '{}'", 'b = ["{}", "{}"]', "c = {", "[{}]\nd = '{}'", "# {}", "{}"]), max_size=7
    )
)
def test_every_word_of_front_matter_in_toml_is_found(lines):
    text = filled(["+++", *lines, "+++", "Text."], "\n")
    assert set(re.findall(r"word\d+x", text)) <= searchable("a.md", text), text


@given(
    st.lists(st.sampled_from(BAD), min_size=1, max_size=2),
    st.integers(0, 4),
)
def test_a_line_that_is_not_understood_costs_that_line(bad, at):
    good = ["title: Fine", "tags: [ops, deploy]", "owner: Ann", "status: open", "date: 2026-02-12"]
    broken = [filled([f"bad{number}: {value}"], "") for number, value in enumerate(bad)]
    document = read_document("a.md", "\n".join(["---", *good[:at], *broken, *good[at:], "---", "Text."]))
    assert document.tags == ("ops", "deploy")
    assert {
        "title": "Fine",
        "owner": "Ann",
        "status": "open",
        "date": "2026-02-12",
    }.items() <= document.metadata.items()
    number = int(re.findall(r"line (\d+)", document.note)[0])
    assert at + 2 <= number <= at + 2 + sum(1 + line.count("\n") for line in broken)


def test_only_the_item_that_is_not_understood_is_lost():
    lists = 'tags:\n  - good\n  - "bad\n  - other\nnested:\n  a: 1\n  b: [\n'
    document = read_document("a.md", f"---\n{lists}no colon\nowner: Ann\nowner: Bob\n---\nText.\n")
    assert document.tags == ("good", "other")
    assert document.metadata == {"nested": {"a": 1}, "owner": "Ann"}
    assert [int(number) for number in re.findall(r"line (\d+)", document.note)] == [4, 8, 9, 11]
    assert "`owner` is given twice" in document.note
    assert '"bad' in document.parts[-1].text


@pytest.mark.parametrize(
    "text",
    [
        "---\n\nprose: with a colon.\n\n---\n\nMore.\n",
        "---\n# A heading\n\nprose: with a colon.\n\n---\n",
        "---\nJust a paragraph.\n---\nMore.\n",
        "***\nprose: with a colon.\n***\n",
    ],
)
def test_a_thematic_break_is_no_front_matter(text):
    document = read_document("a.md", text)
    assert (document.metadata, document.note) == ({}, "")
    assert "\n".join(part.text for part in document.parts).count("colon") == text.count("colon")


def test_front_matter_may_begin_with_a_blank_line_if_it_is_meant():
    assert read_document("a.md", "---\n\ntags: [a]\n\n---\nText.\n").tags == ("a",)


def test_what_front_matter_says_stands_behind_the_first_part_and_alone_if_it_is_long():
    def texts(front, body="# Sailing\n\nAt dawn.\n\n## Crew\n\nFive.\n"):
        return [part.text for part in read_document("a.md", f"---\n{front}\n---\n{body}").parts]

    times = "date: 2026-02-12\nupdated: 2026-02-13T10:00:00\n"
    assert texts(f"{times}tags: [a]\naliases:\ntitle: Sailing") == texts("") != []
    assert texts(f"{times}title: Ships\ndescription: About them")[0] == (
        "Sailing\n\nAt dawn.\n\ntitle: Ships\ndescription: About them"
    )
    long = f"summary: {'word ' * 200}end"
    assert texts(f"title: Ships\n{long}")[:2] == texts("")
    assert " ".join(texts(f"title: Ships\n{long}")[2:]).count("word") == 200
    assert texts(f"title: Ships\n{times}", "") == [f"Ships\n\n{times.strip()}"]
    assert texts("title: Ships\ntags: [a]", "") == ["Ships"]
    assert texts("tags: [a]", "") == ["tags: [a]"]


# Through the service.


def test_what_stands_in_headings_and_front_matter_is_found_by_words_and_the_rest_is_reported(shelf):
    shelf.write("rules.md", RULES.replace("\n", "\r\n"))
    shelf.write(
        "described.md",
        "---\ndescription: How to moor a zeppelin\nauthors: [Ann, Bob]\n---\n# Mast\n\nTall.\n",
    )
    shelf.write("only.md", "---\nstatus: waiting for the glazier\n---\n")
    shelf.write("bad.md", '---\ntags: [ok]\nsummary: "never closed\nowner: Ann\n---\nText.\n')
    shelf.write("long.md", f"---\na: {'x ' * 17_000}\n---\nText.\n")
    shelf.write("rule.md", "---\n\n***\n")
    shelf.write("empty.md", " \n\n")
    told = reasons(shelf.build())
    assert told == {
        "bad.md": "its front matter is not understood everywhere; kept as text: line 3: "
        "found unexpected end of stream",
        "long.md": "its front matter is longer than 32,000 characters and was kept as text",
        "rule.md": "it holds nothing but rules",
        "empty.md": "it is empty",
    }
    assert {memory["source"].rsplit("/")[-1]: memory["tags"] for memory in shelf.memories()}[
        "bad.md:6-6"
    ] == ["ok"]
    for words, name in {
        "never deploy fridays": "rules.md#Never deploy on Fridays",
        "squash merges": "rules.md#Always squash merges",
        "UTC": "rules.md#Use UTC everywhere",
        "moor zeppelin": "described.md#Mast",
        "bob": "described.md#Mast",
        "glazier": "only.md:1-3",
        "closed": "bad.md:6-6",
    }.items():
        found = shelf.client.post("/search", {"query": words, "mode": "keyword"}).json["results"]
        assert found[0]["source"] == f"{shelf.folder}/{name}", words
