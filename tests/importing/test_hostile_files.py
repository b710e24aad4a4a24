"""Exports, notes, rules and tables that somebody has made to hurt: each is read in its time, and nothing breaks."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC

import pytest

from faiss_memory import InvalidRequest
from faiss_memory_plugins.importers.reading.sections import sections_of
from faiss_memory_plugins.importers.table import Table
from tests.growth import assert_linear, repeated
from tests.importing_stores import read

EDGES = ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"]


@pytest.mark.parametrize(
    ("head", "more"),
    [
        ("# a", "#"), ("# a", " #"), ("# ", " "), ("", "<!--"), ("", "<!-- --"), ("", "# a\nx\n"), ("", "#\n"),
        ("", "<!-- faiss-memory:start -->"), ("", "```\n"), ("# ", "t"),
    ],
)  # fmt: skip
def test_time_for_sections_grows_with_the_document(head, more):
    make = repeated(more)
    assert_linear(lambda text: list(sections_of(f"{head}{text}x")), make, most=20_000)


def test_headings_are_read_as_before():
    text = "# One ##\n\na\n\n## Two #\n<!-- no\n## more -->\nb <!-- c\n# C# \n\nd\n"
    assert list(sections_of(text)) == [
        ("One", "# One\n\na"), ("One / Two", "# One\n## Two\n\nb <!-- c"), ("C", "# C\n\nd"),
    ]  # fmt: skip


def test_a_heading_that_is_too_long_stands_in_its_place_alone():
    text = f"# {'t' * 5000}\n" + "\n".join(f"## h{number}\nx" for number in range(50))
    sections = list(sections_of(text))
    assert (len(sections), sum("ttt" in said for _, said in sections)) == (51, 1)


def test_long_names_are_not_repeated_in_all_that_name_them(tmp_path):
    long = "n" * 50_000
    documents = [
        {"filename": long, "uuid": f"{number}{long}", "content": f"c{number}"} for number in range(20)
    ]
    export = [{"uuid": long, "name": long, "prompt_template": "x", "docs": documents}]
    messages = [{"uuid": f"{number}{long}", "sender": "human", "text": f"t{number}"} for number in range(20)]
    talk = [{"name": long, "chat_messages": messages}]
    for name, content in (("claude-ai", export), ("claude-ai-conversations", talk)):
        path = tmp_path / "conversations.json"
        path.write_text(json.dumps(content))
        _, records, _ = read(path, name)
        assert len({record.key for record in records}) == len(records) >= 20
        assert all(
            len(record.key) + len(record.source) + len(record.project or "") < 500 for record in records
        )


@pytest.mark.parametrize("time", EDGES)
def test_a_time_that_no_clock_in_utc_shows_is_none(tmp_path, time):
    path = tmp_path / "projects.json"
    path.write_text(json.dumps([{"uuid": "u", "name": "n", "prompt_template": "x", "created_at": time}]))
    (tmp_path / "a.csv").write_text(f"text,timestamp,valid_until\nx,{time},{time}\n")
    (tmp_path / "a.md").write_text(f"---\ntimestamp: '{time}'\nstale_after: '{time}'\n---\n\nx\n")
    for given, name in ((path, "claude-ai"), (tmp_path / "a.csv", "csv"), (tmp_path / "a.md", "markdown")):
        (record,) = read(given, name)[1]
        for one in (record.timestamp, record.valid_until):
            assert one is None or one.astimezone(UTC)


def test_a_table_of_very_many_columns_costs_what_its_cells_do(tmp_path):
    path = tmp_path / "wide.csv"

    def read_rows(rows):
        path.write_text(f"text,{','.join(f'c{number}' for number in range(len(rows)))}\n{rows}")
        assert {one.text for one in Table().read(path)} == {"x"}

    assert_linear(read_rows, repeated("x\n"), most=20_000)


def test_a_heading_of_a_table_that_is_no_text_is_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,\xff\nx,y\n")
    with pytest.raises(InvalidRequest, match="heading"):
        read(path, "csv")
    path.write_text("text,a,text\nfirst,b,last,beyond\n\nlonely\n")
    _, records, _ = read(path, "csv")
    assert (records[0].text, records[0].metadata) == ("last", {"a": "b"})


@pytest.fixture
def far_inside(tmp_path):
    """A folder that Python's own `rmtree` cannot remove."""
    yield tmp_path
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)


def test_folders_far_inside_one_another_are_read(far_inside):
    tmp_path = far_inside
    place, depth = os.open(tmp_path, os.O_RDONLY), 1200
    for _ in range(depth):
        os.mkdir("d", dir_fd=place)
        inner = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(os.open("a.md", os.O_CREAT | os.O_WRONLY, dir_fd=place))
    os.close(place)
    (tmp_path / "top.md").write_text("x")
    (tmp_path / "loop.md").symlink_to(tmp_path / "loop.md")
    (tmp_path / "round").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.md")
    for name in ("markdown", "rules"):
        _, records, left = read(tmp_path, name)
        assert [record.text for record in records] == (["x"] if name == "markdown" else [])
        if name == "markdown":
            assert {"loop.md", "pipe.md"} <= left.keys()


@pytest.mark.parametrize("cwd", ["/a\0b", "/\ud800", "x/../..", "/" + "x" * 200_000, 5, ["/"]])
def test_a_session_that_says_nonsense_of_its_folder_says_nothing(tmp_path, cwd):
    memories = tmp_path / "projects" / "-home-x" / "memory"
    memories.mkdir(parents=True)
    (memories / "a.md").write_text("kept")
    log = memories.parent / "session.jsonl"
    log.write_text(json.dumps({"cwd": cwd}) + "\n")
    os.mkfifo(memories.parent / "pipe.jsonl")
    (record,) = read(tmp_path, "claude-code")[1]
    assert (record.text, record.project) == ("kept", None)


def test_a_line_of_a_session_is_read_up_to_its_limit(tmp_path):
    memories = tmp_path / "projects" / "-home-x" / "memory"
    memories.mkdir(parents=True)
    (memories / "a.md").write_text("kept")
    with (memories.parent / "session.jsonl").open("wb") as log:
        log.truncate(1 << 40)  # no bytes are written: whoever read the line would need a terabyte
    assert [record.text for record in read(tmp_path, "claude-code")[1]] == ["kept"]
