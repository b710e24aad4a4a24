"""Parts are put into any file of their kind and taken out again, and every other byte stays."""

from __future__ import annotations

import json
import re
import time
import tomllib
from contextlib import suppress

import pytest
import yaml
from hypothesis import HealthCheck, given, settings, strategies as st

from faiss_memory import JsonMember, TomlTable, YamlMember
from faiss_memory.errors import CannotMerge
from faiss_memory.install import formats
from faiss_memory.install.data import alike
from faiss_memory.install.formats import Content, put, state, take_out
from faiss_memory.install.merging import with_owner, without_owner
from faiss_memory.install.record import Owner
from tests.install.generated import json_files, markdown_files, toml_files, yaml_files
from tests.install.parts import json_parts, markdown_parts, toml_parts, yaml_parts

FILES = st.one_of(
    st.tuples(json_files(loose=False), st.just(json_parts(False))),
    st.tuples(json_files(loose=True), st.just(json_parts(True))),
    st.tuples(toml_files(), st.just(toml_parts())),
    st.tuples(yaml_files(), st.just(yaml_parts())),
    st.tuples(markdown_files(), st.just(markdown_parts())),
)


generated = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def is_inserted(before: bytes, after: bytes) -> bool:
    """Whether one text becomes the other by insertions alone."""
    rest = iter(after)
    return all(byte in rest for byte in before)


def said(content: Content) -> str:
    """What a file says, without how it is laid out."""
    return re.sub(r"[\s,\[\]-]", "", (content.raw or b"").decode().removeprefix("\ufeff"))


def put_all(content, parts):
    for part in parts:
        content = put(content, part)
    return content


@generated
@given(FILES)
def test_what_is_put_in_is_there_and_nothing_else_has_changed(file):
    raw, parts = file
    written = put_all(Content(raw), parts)
    assert [state(written, part) for part in parts] == ["same"] * len(parts)
    assert is_inserted(raw or b"", written.raw)
    assert put_all(written, parts) == written
    assert written.raw.startswith(b"\xef\xbb\xbf") == (raw or b"").startswith(b"\xef\xbb\xbf")
    if (raw or b"").count(b"\r\n") == (raw or b"").count(b"\n") > 0:
        assert written.raw.count(b"\r\n") == written.raw.count(b"\n")


@generated
@given(FILES, st.data())
def test_what_is_taken_out_leaves_what_the_person_has_said(file, data):
    raw, parts = file
    before = Content(raw)
    written = put_all(before, parts)
    for part in data.draw(st.permutations(parts)):
        written = take_out(written, part, before)
    left = put(before, parts[0]) if state(written, parts[0]) == "same" else before  # a default may stay
    assert said(written) in (said(left), said(left).replace("{}", ""), said(left) + "{}")


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        (b'{"a": 1} // strict', json_parts(False)[1]),
        (b'{"a": 1,}', json_parts(False)[1]),
        (b'{"a": 1', json_parts(True)[1]),
        (b"[]", json_parts(True)[1]),
        (b'{"mcpServers": []}', json_parts(True)[1]),
        (b'{"mcpServers": {}, "mcpServers": {}}', json_parts(True)[1]),
        (b'{"hooks": {"SessionStart": {}}}', json_parts(True)[2]),
        (b"\xff\xfe{\x00}\x00", json_parts(True)[1]),
        (b"a = ", toml_parts()[0]),
        (b"[[mcp_servers]]\nx = 1\n", toml_parts()[0]),
        (b"a: [", yaml_parts()[0]),
        (b"\ta: 1", yaml_parts()[0]),
        (b"- a\n", yaml_parts()[0]),
        (b"a: 1\n---\nb: 2\n", yaml_parts()[0]),
        (b"a: &a [x]\nread: *a\n", yaml_parts()[0]),
        (b"read: {a: 1}\n", yaml_parts()[0]),
        (b"read: a\nread: b\n", yaml_parts()[0]),
        (b"<!-- faiss-memory:start -->\n", markdown_parts()[0]),
        (b"<!-- faiss-memory:end -->\n<!-- faiss-memory:start -->\n", markdown_parts()[0]),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_refused(raw, part):
    with pytest.raises(CannotMerge):
        put(Content(raw), part)


@pytest.mark.parametrize(
    "part", [*json_parts(True), *toml_parts(), *yaml_parts(), *markdown_parts()], ids=repr
)
def test_a_snippet_stands_alone_and_is_what_an_empty_file_would_hold(part):
    read = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load, "md": str}[
        part.path.split(".")[1]
    ]
    assert read(formats.snippet(part)) == read(formats.whole_file([part]))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"read: one.md # why\nx: 1\n", b"read:\n  - one.md # why\n  - .faiss-memory/context.md\nx: 1\n"),
        (b"read: [a, b]\n", b"read: [a, b, .faiss-memory/context.md]\n"),
        (b"read:\r\n- a\r\n\r\n# x\r\n", b"read:\r\n- a\r\n- .faiss-memory/context.md\r\n\r\n# x\r\n"),
    ],
)
def test_an_item_is_laid_out_as_those_beside_it(before, after):
    assert put(Content(before), yaml_parts()[0]).raw == after


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        (
            b'{"mcpServers": null, "hooks": null, "permissions": {"allow": null}, "version": 0}',
            json_parts(False),
        ),
        (
            b'{\n\t"hooks": {\n\t\t"SessionStart": null // none\n\t}, "mcpServers": null, "version": 1,\n}',
            json_parts(True),
        ),
        (b"read: null # none\nmcp: # none\nx: 1\n", yaml_parts()),
        (b"x: 1\nmcp:\nread: ~", yaml_parts()),
        (b"{read: null, mcp: {}, x: 1}", yaml_parts()),
        (b"read: [] # none\n", yaml_parts()),
        (
            b"{ # all\n  mcp: {x: 1}, # more\n  read: [ # in force\n    a, # one\n  ], # last\n}\n",
            yaml_parts(),
        ),
    ],
)
def test_nothing_is_an_empty_list_and_comments_around_ours_are_not_in_ours(raw, parts):
    written = put_all(Content(raw), parts)
    assert [state(written, part) for part in parts] == ["same"] * len(parts)
    assert put_all(written, parts) == written
    left = written
    for part in parts:
        left = take_out(left, part, Content(raw))
    assert [state(left, part) for part in parts] == [state(Content(raw), part) for part in parts]


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        *(
            (raw, yaml_parts())
            for raw in (
                b"read:\n  - |\n    kept without a line break",
                b"# why\nx: 1\ny: >-\n  a\n  b",
                b"mcp:\n  x: |\n    a",
                b"x: |+\n  a\n\n",
                b"# only\r\n",
                b"---\n# only",
            )
        ),
        *(
            (raw, json_parts(True))
            for raw in (b"// only", b"/* only */\r\n", b"// one\n\n// two\n", b"// {\n{}\n// }\n")
        ),
        *(
            (raw, toml_parts())
            for raw in (
                b"# only",
                b"mcp_servers = {}\n",
                b"mcp_servers = { x = { y = [1] } } # why\n[a]\nb = 1",
                b"mcp_servers.x.url = '1'\r\n[a]\r\nb = 1\r\n",
                b"[mcp_servers]\nother.url = 'x'\n",
                b"[mcp_servers]\nother = { url = 'x' }\n# the end",
            )
        ),
    ],
)  # fmt: skip
def test_files_of_unusual_shapes_are_edited_and_nothing_of_them_is_lost(raw, parts):
    written = put_all(Content(raw), parts)
    assert [state(written, part) for part in parts] == ["same"] * len(parts)
    assert is_inserted(raw, written.raw)
    for part in reversed(parts):
        written = take_out(written, part, Content(raw))
    assert said(written).replace('{"version":1}', "").replace("{}", "") == said(Content(raw)).replace(
        "{}", ""
    )


REWRITTEN = [
    (
        json_parts(False),
        lambda text: json.dumps(json.loads(text), indent=7, sort_keys=True).replace("10", "10.0"),
    ),
    (json_parts(True), lambda text: json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=True)),
    (
        toml_parts(),
        lambda text: (
            "mcp_servers = { faiss-memory = { tools = { search = { approve = true } }, args = ['C:\\x'],"
            " url = 'http://127.0.0.1:8900/mcp' } }\n"
        ),
    ),
    (
        toml_parts(),
        lambda text: (
            "[mcp_servers]\nfaiss-memory.tools.search.approve = true\nfaiss-memory.args = [ 'C:\\x' ]\n"
            "faiss-memory.url = 'http://127.0.0.1:8900/mcp'\n"
        ),
    ),
    (yaml_parts(), lambda text: yaml.safe_dump(yaml.safe_load(text), default_flow_style=True, width=20)),
    (
        markdown_parts(),
        lambda text: (
            text.replace("## Memory\n\nSearch it first:", "Memory\n---\n* _Search_\n  it\n\n  first:")
            .replace("Memory\n---\n*", "## Memory\n\n*")
            .replace("\n", "\r\n")
        ),
    ),
]


@pytest.mark.parametrize(("parts", "rewrite"), REWRITTEN)
def test_what_a_client_or_a_formatter_has_written_anew_is_still_ours(parts, rewrite):
    merged = with_owner(Content(None), None, OWNER, parts, force=False)
    now = Content(rewrite(merged.content.raw.decode()).encode())
    assert now != merged.content
    assert [state(now, part) for part in parts] == ["same"] * len(parts)
    assert put_all(now, parts) == now
    again = with_owner(now, merged.record, OWNER, parts, force=False)
    assert (again.content, again.edited) == (now, [])
    left = without_owner(now, merged.record, OWNER, parts, force=False)
    assert (left.content.raw, left.record, left.edited) == (None, None, [])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (30, 30.0, True), ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True), (["a", "b"], ["b", "a"], False),
        (1, True, False), ("30", 30, False), (0, None, False), (1.5, 1.25, False), ({"a": [0]}, {"a": [False]}, False),
    ],
)  # fmt: skip
def test_data_is_compared_as_what_it_says(one, other, same):
    assert alike(one, other) is same


@pytest.mark.parametrize(
    ("raw", "parts", "read"),
    [
        (b"a: &a [x]\nread: *a\n", yaml_parts()[:1], yaml.safe_load),
        (b'{"mcpServers": {"x": {}}, "mcpServers": {"y": {}}}', json_parts(True)[1:2], json.loads),
    ],
)
def test_what_cannot_be_edited_comes_with_lines_that_replace_what_is_there(raw, parts, read):
    with pytest.raises(CannotMerge):
        put(Content(raw), parts[0])
    pasted = read(formats.to_paste(Content(raw), parts))
    top = parts[0].keys[0]
    assert state(Content(json.dumps(pasted).encode()), parts[0]) == "same"
    assert list(pasted) == [top]
    assert "x" in json.dumps(pasted) or "y" in json.dumps(pasted)


def test_a_member_is_replaced_where_it_stands():
    before = Content(b"load: mine # x\n# about y\ny: 1\nmcp: {faiss-memory: 2, z: 3}\n")
    written = put_all(before, yaml_parts()[1:])
    assert written.raw.startswith(b"load: .faiss-memory/load file\n# about y\ny: 1\nmcp: {faiss-memory: {")


def test_a_file_that_is_nested_too_deeply_is_refused():
    for depth in (400, 1000, 100_000):
        raw = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
        for part in (json_parts(False)[1], json_parts(True)[2]):
            with suppress(CannotMerge):
                put(Content(raw), part)


def test_many_tables_are_read_in_time():
    text = "".join(f"[projects.'/p/{number}']\ntrust_level = 'trusted'\n" for number in range(3000))
    (part,) = toml_parts()
    before = Content(text.encode())
    started = time.process_time()
    written = put(before, part)
    assert state(written, part) == "same"
    assert take_out(written, part, before) == before
    assert time.process_time() - started < 5


# Edited since: nothing of the person's is lost, and nothing of ours stays.

OWNER, OTHER = Owner("one", "personal", "/x"), Owner("two", "personal", "/x")
EDITS = {
    "settings.json": JsonMember("settings.json", ("mcpServers", "mine"), {"x": [1]}, comments=True),
    "config.toml": TomlTable("config.toml", ("mine",), {"x": 1}),
    "config.yaml": YamlMember("config.yaml", ("mine",), 1),
    "AGENTS.md": None,
}


def edited(content, path):
    """The same file after the person has added something."""
    if EDITS[path] is None:
        return Content((content.raw or b"") + b"Mine.\n")
    return put(content, EDITS[path])


@generated
@given(FILES, st.booleans())
def test_what_was_edited_since_keeps_every_word_of_the_person(file, twice):
    raw, parts = file
    path = parts[0].path
    merged = with_owner(Content(raw), None, OWNER, parts, force=False)
    if twice:
        merged = with_owner(merged.content, merged.record, OTHER, parts[:2], force=False)
    content = edited(merged.content, path)
    expected = edited(Content(raw), path)
    if twice:
        merged = without_owner(content, merged.record, OTHER, parts[:2], force=False)
        assert [state(merged.content, part) for part in parts] == ["same"] * len(parts)
        content = merged.content
    left = without_owner(content, merged.record, OWNER, parts, force=False)
    if state(left.content, parts[0]) == "same":
        expected = put(expected, parts[0])  # a default may stay
    assert sorted(said(left.content).replace("{}", "")) == sorted(said(expected).replace("{}", ""))
    assert (left.record, left.edited) == (None, [])
