"""What is damaged, cut short or of another kind is named by its place, and the rest is read."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, strategies as st

from faiss_memory import InvalidRequest, LeftOut
from faiss_memory_plugins.importers.plugin import register_importers
from faiss_memory_plugins.importers.reading.json_items import items_of
from tests.importing_stores import ENGRAM, database, read, rival_database, rival_text


@pytest.fixture
def long_store(tmp_path):
    """A database of claude-mem's with many pages."""
    path = rival_database("claude-mem.sql", tmp_path / "whole.db")
    with closing(sqlite3.connect(path)) as connection:
        rows = [(f"t{number}", "x" * 3000, number) for number in range(200)]
        connection.executemany(
            "INSERT INTO observations (memory_session_id, project, type, created_at, title, narrative,"
            " created_at_epoch) VALUES ('mem-1', 'p', 'note', '2026-01-01', ?, ?, ?)",
            rows,
        )
        connection.commit()
    return path


@pytest.mark.parametrize("damage", ["cut", "overwritten"])
def test_of_a_damaged_database_what_can_be_read_is_read(tmp_path, long_store, damage):
    raw = bytearray(long_store.read_bytes())
    half = len(raw) // 2
    if damage == "cut":
        del raw[half:]
    else:
        raw[half : half + 20_000] = b"\xff" * 20_000
    path = tmp_path / "damaged.db"
    path.write_bytes(raw)
    name, records, left = read(path)
    assert (name, 20 < len(records) < 202) == ("claude-mem", True)
    assert "cannot be read" in left["table observations"]
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith("damaged")] == ["damaged.db"]


def test_a_database_of_another_schema_is_said_to_be_one(tmp_path):
    path = database(
        tmp_path / "a.db", ENGRAM.replace("content TEXT NOT NULL", "body TEXT").replace("content,", "body,")
    )
    with pytest.raises(AssertionError, match="nothing knows"):
        read(path)
    with pytest.raises(InvalidRequest, match="content in its table observations"):
        read(path, "engram")
    with pytest.raises(InvalidRequest, match="table observations"):
        read(database(tmp_path / "b.db", "CREATE TABLE x (y)"), "engram")
    more = ENGRAM.replace(
        "deleted_at TEXT\n", "deleted_at TEXT, embedding BLOB DEFAULT x'00ff', pinned INTEGER\n"
    )
    assert len(read(database(tmp_path / "c.db", more))[1]) == 1


def test_values_of_other_types_are_no_obstacle(tmp_path):
    path = database(tmp_path / "a.db", ENGRAM)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "UPDATE observations SET title = x'ff00', content = 7, project = 1.5, created_at = 'soon'"
        )
        connection.execute("UPDATE observations SET type = NULL, topic_key = x'00' WHERE 0")
        connection.commit()
    read(path)
    odd = [7, None, [], {"id": 1, "memory": ["x"]}, {"id": "a", "memory": "kept", "metadata": "x", "categories": 3,
           "created_at": {}, "expiration_date": []}, {"id": "b", "memory": None}]  # fmt: skip
    path = tmp_path / "all.json"
    path.write_text(json.dumps({"results": [{"id": "first", "memory": "first"}, *odd]}))
    _, records, left = read(path)
    assert ([one.text for one in records], len(left)) == (["first", "kept"], 5)


def test_a_document_that_breaks_off_is_read_up_to_there(tmp_path):
    whole = rival_text("mcp-memory-service.json")
    path = tmp_path / "cut.json"
    path.write_text(whole[: whole.rindex('"memory_type"')])
    _, records, left = read(path)
    assert len(records) == 2
    (place,) = left
    assert place.startswith("line ")
    lines = '{"type":"entity","name":"A","entityType":"x","observations":["one"]}\n{"type":"enti\n\xff\n'
    path = tmp_path / "memory.jsonl"
    path.write_bytes(lines.encode("latin-1") + b'{"type":"entity","name":"B","observations":["two"]}\n')
    _, records, left = read(path)
    assert [one.text for one in records] == ["A: one", "B: two"]
    assert list(left) == ["line 2", "line 3"]
    assert "UTF-8" in left["line 3"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252"])
def test_encodings_are_known_or_named(tmp_path, encoding):
    mark = "\ufeff" if encoding.endswith("-be") else ""
    for name, text in (
        ("note.md", "Tea for Zoë"), ("t.csv", "text;tags\nTea for Zoë;a\nplain;b\n"),
        ("all.json", json.dumps([{"id": "a", "memory": "Tea for Zoë"}], ensure_ascii=False)),
    ):  # fmt: skip
        path = tmp_path / name
        path.write_bytes(f"{mark}{text}".encode(encoding))
        _, records, left = read(path, "mem0" if name == "all.json" else None)
        said = [one.text for one in records if one.text != "plain"]
        assert said == ([] if encoding == "cp1252" else ["Tea for Zoë"]), name
        assert bool(left) == (encoding == "cp1252"), name
        assert all("UTF-8" in reason for reason in left.values())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=6), st.sampled_from([None, 1]), st.booleans(), st.floats(0, 1))
def test_items_are_those_of_the_whole_document(tmp_path_factory, values, indent, ascii_only, part):
    path = tmp_path_factory.getbasetemp() / "items.json"
    text = json.dumps(
        {"head": {"items": 1}, "items": values, "tail": []}, indent=indent, ensure_ascii=ascii_only
    )
    raw = text.encode("utf-8", "replace")
    path.write_bytes(raw)
    with open(path, "rb") as file:
        assert list(items_of(file, "items")) == json.loads(raw)["items"]
    path.write_bytes(raw[: int(len(raw) * part)])
    with open(path, "rb") as file:
        found = list(items_of(file, "items"))
    assert [one for one in found if not isinstance(one, LeftOut)] in [
        json.loads(raw)["items"][:count] for count in range(len(values) + 1)
    ]


@pytest.mark.parametrize("one", register_importers(), ids=lambda one: one.name)
def test_what_is_of_nobody_fits_nobody_but_by_its_name(tmp_path, one):
    for name, raw in (
        ("a", b""), ("a.db", b"SQLite format 3\x00"), ("a.json", b"[" * 100_000), ("b.json", b"\xff\xfe{"),
        ("a.zip", b"PK\x03\x04"), ("c.json", b"{}"), ("storage.sqlite", b"x"),
    ):  # fmt: skip
        path = tmp_path / name
        path.write_bytes(raw)
        assert not one.fits(path), name
    assert not one.fits(tmp_path / "nothing")
