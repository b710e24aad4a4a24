"""Notebooks are read by cells; Org, AsciiDoc and reStructuredText are cut at headings; and no line of them is lost."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, strategies as st

from faiss_memory_plugins.ingest.documents import is_known, read_document
from tests.ingest.conftest import reasons
from tests.ingest.test_nothing_dropped import filled, searchable


def notebook(*cells, **metadata):
    """A notebook as Jupyter writes it."""
    made = [
        {"cell_type": kind, "metadata": {}, "source": text.splitlines(keepends=True), **more}
        for kind, text, more in cells
    ]
    return json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


PYTHON = {"kernelspec": {"language": "python", "name": "python3"}}
OUTPUT = {"outputs": [{"output_type": "stream", "name": "stdout", "text": ["printed"]}], "execution_count": 1}


def test_a_notebook_is_read_by_its_cells():
    document = read_document(
        "a.ipynb",
        notebook(
            ("raw", "First.", {}),
            ("markdown", "# Load\n\nRead the ledger.", {}),
            ("code", "# not a heading\nledger = 1", OUTPUT),
            ("markdown", "## Clean\n\n~~~\nleft open", {"attachments": {"a.png": {"image/png": "aGk="}}}),
            ("code", 'text = """\n```\n"""', {"outputs": []}),
            ("code", "", {}),
            ("markdown", "# Only a heading", {}),
            **PYTHON,
        ),
    )
    assert [(part.place, part.text) for part in document.parts] == [
        (":cell-1", "First."),
        ("#Load", "Load\n\nRead the ledger.\n\n```python\n# not a heading\nledger = 1\n```"),
        ("#Clean", 'Load > Clean\n\n~~~\nleft open\n\n````python\ntext = """\n```\n"""\n````'),
        ("#Only a heading", "Only a heading"),
    ]
    assert document.note == "attachments and outputs of its cells are left out"


def test_a_notebook_without_headings_names_its_cells():
    cells = [("code", f"x{number} = call({number})  # {'why ' * 100}", {}) for number in range(4)]
    places = [part.place for part in read_document("a.ipynb", notebook(*cells)).parts]
    assert places == [":cell-1", ":cell-2", ":cell-3", ":cell-4"]
    assert (
        read_document("a.ipynb", notebook(("raw", "One.", {}), ("raw", "Two.", {}))).parts[0].place
        == ":cell-1-2"
    )


def test_a_notebook_of_nbformat_3_is_read_too():
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Load"]},
        {"cell_type": "code", "input": ["a = 1"], "language": "python", "outputs": []},
    ]
    given = json.dumps({"worksheets": [{"cells": cells}], "metadata": {}, "nbformat": 3})
    assert [part.text for part in read_document("a.ipynb", given).parts] == ["Load\n\n```\na = 1\n```"]


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"cells": {}}', '{"cells": [1]}', '{"worksheets": [1]}', "[" * 100_000, '{"cells": NaN}'],
)
def test_what_is_no_notebook_is_kept_as_text_and_told(text):
    document = read_document("a.ipynb", text)
    assert "not understood as a notebook" in document.note
    assert document.parts[0].text.startswith(text[:1])


ORG = """\
#+TITLE: Harbour
#+FILETAGS: :ops:sea:
Before.
* TODO Moor the ship :urgent:
:PROPERTIES:
:OWNER: Ann
:END:
** Ropes            :hemp:@deck:
Coil them.
** DONE Fenders
* :alone:
*bold* is no heading
"""


def test_org_is_cut_at_its_headings_with_their_tags():
    document = read_document("harbour.org", ORG)
    assert document.tags == ("ops", "sea")
    assert [(part.place, part.text.split("\n")[0], part.tags) for part in document.parts] == [
        (":1-3", "Harbour", ()),
        ("#TODO Moor the ship", "Harbour > TODO Moor the ship", ("urgent",)),
        ("#Ropes", "Harbour > TODO Moor the ship > Ropes", ("urgent", "hemp", "@deck")),
        ("#DONE Fenders", "Harbour > TODO Moor the ship > DONE Fenders", ("urgent",)),
        ("#:alone:", "Harbour > :alone:", ()),
    ]


ASCIIDOC = """\
= Harbour
:keywords: ropes

Before.

== Ropes

----
== not a heading
----

====
An example with
=== no heading
====

.A title of a block
=== Knots

Fenders
-------

Hang them.

****
is never closed

== Empty
"""


def test_asciidoc_is_cut_at_its_headings():
    assert [
        (part.place, part.text.split("\n")[0]) for part in read_document("harbour.adoc", ASCIIDOC).parts
    ] == [
        ("#Harbour", "Harbour"),
        ("#Ropes", "Harbour > Ropes"),
        ("#Knots", "Harbour > Ropes > Knots"),
        ("#Fenders", "Harbour > Fenders"),
        ("#Empty", "Harbour > Empty"),
    ]


def test_restructured_text_is_cut_where_its_own_parser_sees_a_title():
    text = "Go\n==\n\nFirst.\n\nA title that is longer\n-----\n\nSecond.\n\nEmpty\n=====\n"
    assert [part.text for part in read_document("a.rst", text).parts] == [
        "Go\n\nFirst.",
        "Go > A title that is longer\n\nSecond.",
        "Empty",
    ]


BLOCKS = {
    "a.org": ["* {}", "** {} :{}:", "*** :{}:", "#+begin_src sh\n{}\n#+end_src", "{}", "#+TITLE: {}", "- {}", "* ",
              "*{}*", "#+filetags: :{}:{}:", ":PROPERTIES:\n:ID: {}\n:END:", "* " + "long " * 50 + "{} :{}:", "-----"],
    "a.adoc": ["= {}", "== {}", "====== {}", "----\n== {}\n----", "....\n{}", "====\n{}\n====", "{}",
               "{}\n--------", "|===\n|{}\n|===", ":a: {}", "```sh\n{}\n```", "## {}",
               "--\n{}", "// {}", "== " + "long " * 50 + "{}"],
    "a.rst": ["{}\n========", "========\n {}\n========", "{}\n----", ".. note:: {}\n   {}", "::\n\n  {}", "{}",
              ":a: {}", "===== =====\n{} {}\n===== =====", ".. {}", "{}\n" + "^" * 300, "----"],
    "a.txt": ["{}\n========", "{}", "- {}\n  {}", "{}\n----", "    {}", "****"],
    "a.py": ["def {}():\n    return {}", "class {}:\n    {} = 1", "# {}", "}", "{} = {}",
             "x = '" + "long " * 150 + "{}'"],
}  # fmt: skip


@pytest.mark.parametrize("name", BLOCKS)
def test_every_word_is_found(name):
    @given(st.lists(st.sampled_from(BLOCKS[name]), max_size=12), st.sampled_from(["\n", "\n\n"]))
    def every_word(templates, between):
        text = filled(templates, between)
        assert set(re.findall(r"word\d+x", text)) <= searchable(name, text), text

    every_word()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["markdown", "code", "raw"]),
            st.sampled_from(
                ["# {}", "{}", "```\n{}", "{}\n---\n{}", "# {}\n## {}\n{}", "````\n{}", " ", "{}\n\n" * 90]
            ),
        ),
        max_size=8,
    )
)
def test_every_word_of_a_notebooks_cells_is_found(cells):
    texts = filled([text for _, text in cells], "\n@@\n").split("\n@@\n")
    given_ = notebook(*((kind, text, {}) for (kind, _), text in zip(cells, texts, strict=False)))
    assert set(re.findall(r"word\d+x", "".join(texts))) <= searchable("a.ipynb", given_)


def test_a_build_reads_these_kinds_without_being_asked(shelf):
    shelf.write("harbour.org", ORG)
    shelf.write("harbour.adoc", ASCIIDOC)
    shelf.write("harbour.ipynb", notebook(("markdown", "# Sonar\n\nPing.", {}), ("code", "ping()", OUTPUT)))
    assert all(map(is_known, ("a.ipynb", "a.org", "a.adoc", "a.rst")))
    assert reasons(shelf.build()) == {"harbour.ipynb": "outputs of its cells are left out"}
    found = shelf.client.post("/search", {"query": "coil", "mode": "keyword", "tags": ["hemp"]}).json[
        "results"
    ]
    assert [memory["tags"] for memory in found] == [["ops", "sea", "urgent", "hemp", "@deck"]]
    found = shelf.client.post("/search", {"query": "sonar ping", "mode": "keyword"}).json["results"]
    assert found[0]["source"] == f"{shelf.folder}/harbour.ipynb#Sonar"
    assert shelf.build()["kept"] == 3
