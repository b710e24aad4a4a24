"""What is damaged, cut short or of another kind is named by its place, and the rest is read."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import sqlite3
import zipfile
from contextlib import closing, suppress

import pytest
from hypothesis import given, strategies as st

from faiss_memory import InvalidRequest, LeftOut, Record
from faiss_memory_plugins.importers.plugin import register_importers
from faiss_memory_plugins.importers.reading import texts
from faiss_memory_plugins.importers.reading.databases import opened, rows
from faiss_memory_plugins.importers.reading.json_items import items_of
from tests.growth import assert_linear
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


# Files that were made to hurt.

FOR_EVER = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
OPEN_MEMORY = (
    "CREATE TABLE memories (id, app_id, content, state); INSERT INTO memories VALUES ('1', 'a', 'kept', 'active');"
    "CREATE TABLE categories (id, name); CREATE TABLE memory_categories (memory_id, category_id);"
)
CHROMA = (
    "CREATE TABLE embedding_metadata (id, key, string_value, int_value, float_value, bool_value);"
    "CREATE TABLE embeddings (id, segment_id, embedding_id); INSERT INTO embeddings VALUES (1, 's', 'e');"
    "CREATE TABLE collections (id, name); INSERT INTO collections VALUES ('c', 'mem0');"
)


def test_a_database_that_would_calculate_for_ever_is_refused(tmp_path):
    apps = f"{OPEN_MEMORY} CREATE VIEW apps AS {FOR_EVER} SELECT x AS id, 'n' AS name FROM c;"
    with pytest.raises(InvalidRequest, match="cannot be read as a database"):
        read(database(tmp_path / "openmemory.db", apps))
    segments = (
        f"CREATE VIEW segments AS {FOR_EVER} SELECT 's' AS id, 'c' AS collection, 'METADATA' AS scope FROM c;"
    )
    _, records, left = read(database(tmp_path / "chroma.sqlite3", CHROMA + segments), "mem0")
    assert (records, list(left)) == ([], ["Chroma's documents"])


EXPENSIVE = "AS (printf('%.*c', 1000000, 'x'))"


def test_a_column_that_is_calculated_is_not_read(tmp_path):
    needed = OPEN_MEMORY.replace("content,", f"content {EXPENSIVE},").replace("'kept', ", "")
    needed = needed.replace("VALUES", "(id, app_id, state) VALUES", 1) + "CREATE TABLE apps (id, name);"
    with pytest.raises(InvalidRequest, match="no stored columns content"):
        read(database(tmp_path / "openmemory.db", needed))


def test_a_calculated_column_that_is_not_needed_keeps_nothing_back(tmp_path):
    more = OPEN_MEMORY + f"ALTER TABLE memories ADD COLUMN more {EXPENSIVE};"
    more += "CREATE TABLE apps (id, name);"
    _, records, left = read(database(tmp_path / "openmemory.db", more))
    assert ([one.text for one in records], left) == (["kept"], {})


def test_no_reader_of_a_database_reads_what_is_calculated(tmp_path):
    with closing(sqlite3.connect(database(tmp_path / "d.db", f"CREATE TABLE t (a, b {EXPENSIVE});"))) as made:
        made.execute("INSERT INTO t VALUES (1)")
        made.execute("CREATE VIRTUAL TABLE v USING fts5(a)")
        made.commit()
    with opened(tmp_path / "d.db") as connection:
        assert list(map(dict, rows(connection, "t", "rowid"))) == [{"a": 1}]
        for asked in (
            "SELECT b FROM t",
            "SELECT * FROM T",
            "SELECT a FROM t ORDER BY B",
            "SELECT count(*) FROM v",
        ):
            with pytest.raises(sqlite3.DatabaseError, match=r"prohibited|not authorized"):
                connection.execute(asked).fetchall()


def _alike(size):
    """Make databases in which all rows have the same key: a join would have the square or the cube of them."""
    many = f"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < {size})"
    chroma = f"""{CHROMA} CREATE TABLE segments (id, collection, scope); CREATE TABLE max_seq_id (segment_id, seq_id);
        CREATE TABLE embeddings_queue (seq_id INTEGER, operation, topic, id, metadata);
        INSERT INTO segments {many} SELECT 's', 'c', 'METADATA' FROM c;
        INSERT INTO collections {many} SELECT 'c', 'mem0' FROM c;
        INSERT INTO embeddings {many} SELECT 1, 's', 'e' FROM c;
        INSERT INTO embedding_metadata {many} SELECT 1, x, 'v', NULL, NULL, NULL FROM c;
        INSERT INTO max_seq_id {many} SELECT 's', 0 FROM c;
        INSERT INTO embeddings_queue {many} SELECT x, 0, 't/c', 'q' || x, '{{"data": "d"}}' FROM c;"""
    openmemory = f"""CREATE TABLE memories (id, app_id, content, state); CREATE TABLE apps (id, name);
        CREATE TABLE categories (id, name); CREATE TABLE memory_categories (memory_id, category_id);
        INSERT INTO memories {many} SELECT 1, 1, 'x', 'active' FROM c;
        INSERT INTO categories {many} SELECT 1, x FROM c;
        INSERT INTO memory_categories {many} SELECT 1, 1 FROM c;"""
    return {"chroma.sqlite3": chroma, "openmemory.db": openmemory}


@pytest.mark.parametrize("name", _alike(1))
def test_rows_of_the_same_key_are_read_in_time_that_grows_with_them(tmp_path, name):
    def make(size):
        path = tmp_path / str(size) / name
        path.parent.mkdir(exist_ok=True)
        return path if path.exists() else database(path, _alike(size)[name])

    kind = {"chroma.sqlite3": "mem0", "openmemory.db": "openmemory"}[name]
    (importer,) = [one for one in register_importers() if one.name == kind]
    assert_linear(lambda path: list(importer.read(path)), make, most=2_000)


def test_a_long_name_is_not_repeated_in_all_that_name_it(tmp_path):
    path = tmp_path / "memory.jsonl"
    observations = list(map(str, range(1000)))
    lines = [
        {"type": "entity", "name": name, "entityType": "t", "observations": observations}
        for name in ("n" * 100_000, "n")
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    _, records, left = read(path)
    assert (len(records), list(left)) == (1000, ["line 1"])
    assert "1,000 characters" in left["line 1"]


def pickled_point(payload, key="1"):
    """Return a point as Qdrant pickles it, an object of a class with a state."""
    state = pickle.dumps({"__dict__": {"id": key, "payload": payload}}, 2)
    return b"\x80\x02cqdrant\nPoint\n)\x81" + state[2:-1] + b"b."


def _doubled(value, kind, times=60):
    for _ in range(times):
        value = kind((value, value))
    return value


@pytest.mark.parametrize(
    "raw",
    [
        pickled_point({"data": "x", "more": _doubled("y", list)}),
        pickled_point({"data": "x", "more": _doubled("y", tuple)}),
        pickled_point({"data": _doubled("y", tuple)}),
        pickled_point({"data": "x", "number": 1 << 100_000}),
        b"\x80\x02}(" + b")" + b"2\x86" * 60 + b"K\x01u.",  # a tuple with very many parts as a key
        b"\x80\x02Nr\xff\xff\xff\x7f.",  # kept under a number for which the memory would not do
        b"\x80\x05\x96" + b"\xff" * 7 + b"\x7fabc.",  # a value that says to be longer than any memory
        b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".",
    ],
    ids=["lists", "tuples", "text", "number", "key", "memo", "long", "deep"],
)
def test_a_pickle_that_makes_much_out_of_little_is_left_out(tmp_path, raw):
    path = database(tmp_path / "storage.sqlite", "CREATE TABLE points (id, point);")
    with closing(sqlite3.connect(path)) as connection:
        values = [("1", raw), ("2", pickled_point({"data": "kept", "tags": ("a",), 5: {"b": b"c"}}, "2"))]
        connection.executemany("INSERT INTO points VALUES (?, ?)", values)
        connection.commit()
    _, records, left = read(path)
    assert [one.text for one in records] == ["kept"]
    assert len(left) == 1


ODD_YAML = [
    "a: " + "1:" * 100_000 + "1", "a: " + "1:" * 300 + "1.5", "a: !!int ''", "a: !!float ''", "a: !!bool x",
    "a: !!timestamp x", "a: 0x" + "f" * 5000, 'a: "\\UFFFFFFFF"', "a: " + "[" * 900, "a: &b [*b]",
    "a: &a [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1 or ''}, *a{n - 1 or ''}]\n" for n in range(1, 40)),
]  # fmt: skip


@pytest.mark.parametrize("front", ODD_YAML, ids=range(len(ODD_YAML)))
def test_front_matter_that_nobody_can_read_keeps_no_text_back(tmp_path, front):
    path = tmp_path / "note.md"
    path.write_text(f"---\n{front}\n---\nkept\n")
    _, records, left = read(path)
    assert (len(records), left) == (1, {})
    assert "kept" in records[0].text
    json.dumps(dict(records[0].metadata))


def test_a_pipe_is_no_store(tmp_path):
    for name in ("a", "a.db", "a.json", "a.zip", "a.jsonl.gz", "a.csv", "storage.sqlite"):
        os.mkfifo(tmp_path / name)
        for one in register_importers():
            assert not one.fits(tmp_path / name), (one.name, name)


def test_what_is_packed_is_read_up_to_a_line_that_is_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(texts, "MOST_OF_A_LINE", 1000)
    path = tmp_path / "memories.jsonl.gz"
    good = json.dumps({"id": "1", "content": "kept", "state": "active"})
    path.write_bytes(gzip.compress(f"{good}\n{' ' * 5000}\n{good}\n".encode()))
    _, records, left = read(path)
    assert [one.text for one in records] == ["kept"]
    assert "longer than 1,000" in left["line 2"]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("name", ["conversations.json", "memories.json", "memories.jsonl.gz", "a.md"])
def test_a_zip_whose_content_is_damaged_is_read_up_to_there(tmp_path, name, method):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, json.dumps([{"a": number} for number in range(500)]))
        place = archive.infolist()[0].header_offset + 30 + len(name)
        size = archive.infolist()[0].compress_size
    raw = bytearray(path.read_bytes())
    raw[place + 10 : place + size] = os.urandom(size - 10)
    path.write_bytes(raw)
    for importer in register_importers():
        importer.fits(path)
        with suppress(InvalidRequest):
            assert all(isinstance(one, LeftOut | Record) for one in importer.read(path)), importer.name


def test_a_zip_that_cannot_be_unpacked_is_named(tmp_path):
    for names in (["a", "a/b.md"], ["n" * 300 + ".md"]):
        with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
            for name in names:
                archive.writestr(name, "text")
        with pytest.raises(InvalidRequest, match="cannot be unpacked"):
            read(tmp_path / "notes.zip", "markdown")
