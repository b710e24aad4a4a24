"""How files are cut: by headings, by paragraphs, by definitions, and so that an edit moves few cuts."""

import random
import re
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from faiss_memory_plugins.ingest.cutting import MOST, cut
from faiss_memory_plugins.ingest.documents import is_known, read_document

MARKDOWN = """---
title: Handbook
tags: [Ops, "#deploy"]
date: 2026-02-12
owner: {team: core}
---
Before any heading.

Setting up
==========

```sh
# not a heading
```

## Docker ##

<!--
# hidden
-->

- # in a list

> # in a quotation

### Ports

Port 8900.

## `Volumes` and *more*

Text.

# Second

Last.
"""


def test_markdown_is_cut_at_its_headings_and_nowhere_else():
    document = read_document("handbook.md", MARKDOWN)
    assert [(part.place, part.text.split("\n")[0]) for part in document.parts] == [
        (":7-7", "Before any heading."),
        ("#Setting up", "Setting up"),
        ("#Docker", "Setting up > Docker"),
        ("#Ports", "Setting up > Docker > Ports"),
        ("#`Volumes` and *more*", "Setting up > `Volumes` and *more*"),
        ("#Second", "Second"),
    ]
    assert "# not a heading" in document.parts[1].text
    assert "# hidden" in document.parts[2].text


@pytest.mark.parametrize(
    ("said", "cues"),
    [
        ('cues: [adding a migration, "413, on upload"]', ("adding a migration", "413, on upload")),
        ("cues: which client, and why", ("which client, and why",)),
        ("cues:\n  -  twice  said\n  - twice said\n  - {a: 1}\n  - ''\n  - 413", ("twice said", "413")),
        (f"cues: {'x' * 300}", ("x" * 200,)),
        ("cues:", ()),
    ],
)
def test_front_matter_becomes_cues(said, cues):
    document = read_document("a.md", f"---\n{said}\n---\nText.\n")
    assert (document.cues, document.metadata, document.tags) == (cues, {}, ())


def test_front_matter_becomes_tags_metadata_and_time():
    document = read_document("handbook.md", MARKDOWN)
    assert document.tags == ("Ops", "deploy")
    assert document.metadata == {"title": "Handbook", "date": "2026-02-12", "owner": {"team": "core"}}
    assert document.timestamp is not None
    assert document.timestamp.isoformat() == "2026-02-12T00:00:00+00:00"


def test_a_title_of_the_front_matter_stands_for_a_missing_first_heading():
    text = "---\ntitle: Handbook\n---\nIntro.\n\n## Ports\n\nPort 8900.\n"
    assert [part.text for part in read_document("a.md", text).parts] == [
        "Handbook\n\nIntro.",
        "Handbook > Ports\n\nPort 8900.",
    ]


def test_front_matter_of_hugo_is_read_too():
    document = read_document(
        "a.md", '+++\ntitle = "T"\ntags = ["x"]\ndate = 2026-01-02T03:04:05Z\n+++\nText.\n'
    )
    assert (document.tags, document.metadata["title"]) == (("x",), "T")
    assert document.parts[0].text == "T\n\nText."


@pytest.mark.parametrize(
    "front",
    ["a: [1", "a: &x [1]\nb: *x\nc: *x", "- 1\n- 2\n? x", "a: !!python/object:os.system {}", "\tx: 1"],
)
def test_front_matter_that_is_not_understood_stays_in_the_text_and_is_told(front):
    document = read_document("a.md", f"---\n{front}\n---\nText.\n")
    assert (document.tags, document.metadata) == ((), {})
    assert "front matter" in document.note
    assert front.strip().splitlines()[0].lstrip("- ") in document.parts[0].text


def test_a_rule_above_a_paragraph_is_no_front_matter():
    document = read_document("a.md", "---\nJust a paragraph.\n---\nMore.\n")
    assert (document.note, document.metadata) == ("", {})


def test_what_yaml_can_say_and_json_cannot_is_written_out():
    front = 'a: .nan\nb: .inf\nc: 2026-02-12\nd: 123456789012345678901234567890\n1: x\ne: "\\ud800"\nf: !!binary aGk='
    metadata = read_document("a.md", f"---\n{front}\n---\nText.\n").metadata
    assert metadata == {
        "a": "nan", "b": "inf", "c": "2026-02-12", "d": "123456789012345678901234567890", "1": "x", "e": "?", "f": "hi",
    }  # fmt: skip


UNDERLINED = """\
==========
The manual
==========

Before.

Install
=======

Run it::

    =======
    not one

On Linux
--------

Use apt.

===== =====
a     table
===== =====

Use it
======

Go on.
"""


def test_underlined_headings_of_plain_text_are_found():
    for name in ("manual.rst", "manual.txt"):
        parts = read_document(name, UNDERLINED).parts
        assert [(part.place, part.text.split("\n")[0]) for part in parts] == [
            ("#The manual", "The manual"),
            ("#Install", "The manual > Install"),
            ("#On Linux", "The manual > Install > On Linux"),
            ("#Use it", "The manual > Use it"),
        ]


def test_plain_text_without_headings_says_its_lines():
    text = "\n\n".join(f"Paragraph {n}. " + "word " * 60 for n in range(8))
    parts = read_document("notes.txt", text).parts
    assert len(parts) > 1
    lines = text.split("\n")
    for part in parts:
        first, last = (int(number) for number in part.place[1:].split("-"))
        assert part.text == "\n".join(lines[first - 1 : last]).rstrip()
        assert part.text.startswith("Paragraph")


CODE = (
    '"""A module."""\n\nimport os\n\n\nclass Store:\n    """Keeps things."""\n\n'
    + "".join(
        f"    # about {name}\n    @property\n    def {name}(self):\n"
        + "".join(f"        value = self.compute({n}, '{name}')\n\n" for n in range(12))
        for name in ("first", "second", "third")
    )
    + "def main():\n    pass\n"
)


def test_code_is_cut_before_definitions_with_what_belongs_to_them():
    parts = read_document("store.py", CODE).parts
    starts = [part.text.removeprefix("class Store:\n…\n").lstrip().split("\n")[0] for part in parts]
    assert starts == ['"""A module."""', "# about second", "# about third"]
    assert all(part.text.startswith("class Store:\n…\n") for part in parts[1:])


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a.go", "func (s *Store) Get(id int) error {"),
        ("a.rs", "pub(crate) async fn get(&self) -> u8 {"),
        ("a.ts", "export default class Store extends Base {"),
        ("a.java", "public static class Store {"),
        ("a.rb", "def get(id)"),
        ("a.sql", "CREATE TABLE ledger ("),
    ],
)
def test_definitions_of_many_languages_begin_a_part(name, line):
    filler = "".join(f"x{n} = call({n})\n" for n in range(45))
    parts = read_document(name, f"{filler}{line}\n{filler}").parts
    assert line in [part.text.split("\n")[0] for part in parts]


@given(st.lists(st.tuples(st.text(max_size=300), st.integers(0, 9)), max_size=60))
def test_cutting_loses_nothing_and_keeps_to_the_size(rows):
    lines = [re.sub(r"[\n\r]", "", text) for text, _ in rows]
    spans = cut(lines, [rank for _, rank in rows], 1)
    assert all(len(span.text) <= MOST and span.text.strip() for span in spans)
    assert "".join("".join(span.text for span in spans).split()) == "".join("".join(lines).split())
    assert all(before.last <= after.first for before, after in pairwise(spans))


@given(st.text(alphabet="ab. ", min_size=3000, max_size=6000))
def test_a_line_without_end_is_cut_too(line):
    spans = cut([line], [0], 1)
    assert all(len(span.text) <= MOST for span in spans)
    assert "".join("".join(span.text for span in spans).split()) == "".join(line.split())


def test_an_edit_moves_few_cuts():
    chosen = random.Random(4)
    words = ["ledger", "postgres", "token", "cache", "queue", "retry", "schema", "index", "worker", "shard"]
    paragraphs = [" ".join(chosen.choices(words, k=chosen.randint(8, 60))) for _ in range(300)]
    whole = {part.text for part in read_document("a.txt", "\n\n".join(paragraphs)).parts}
    for place in range(0, 300, 20):
        edited = [*paragraphs[:place], "something new", *paragraphs[place:]]
        parts = {part.text for part in read_document("a.txt", "\n\n".join(edited)).parts}
        assert len(parts - whole) <= 5, place


@pytest.mark.parametrize(
    "name", ["a.md", "A.MD", "README", "Makefile", "src/x.py", "CMakeLists.txt", "a.rst"]
)
def test_notes_and_code_are_known(name):
    assert is_known(name)


@pytest.mark.parametrize("name", ["a.png", "data.csv", "package-lock.json", "a", "x.lock", "a.svg"])
def test_everything_else_is_not(name):
    assert not is_known(name)
