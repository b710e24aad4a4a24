"""What other programs have written is read whole: how many, when, with which tags, and never what they have deleted."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from contextlib import closing

import pytest

from tests.importing_stores import (
    MCP_MEMORY_SERVICE,
    MEMPALACE_OWN,
    OPEN_MEMORY,
    RIVALS,
    database,
    listing,
    open_memory_export,
    read,
    rival_database,
    rival_text,
)


def of_mem0(folder, vectors):
    rival_database("mem0-history.sql", folder / "history.db")
    if vectors == "qdrant":
        rival_database("mem0-qdrant.sql", folder / "qdrant" / "collection" / "mem0" / "storage.sqlite")
    if vectors == "chroma":
        (folder / "history.db").unlink()
        rival_database("mem0-chroma.sql", folder / "chroma" / "chroma.sqlite3")
    return folder


def of_mempalace(folder):
    rival_database("mempalace-chroma.sql", folder / "palace" / "chroma.sqlite3")
    rival_database("mempalace-facts.sql", folder / "knowledge_graph.sqlite3")
    return folder


def text_file(name, path):
    path.write_text(rival_text(name))
    return path


def lines_of_export(path):
    with zipfile.ZipFile(path) as archive:
        archive.extract("memories.jsonl.gz", path.parent)
    return path.parent / "memories.jsonl.gz"


STORES = {
    "claude-mem": (lambda folder: rival_database("claude-mem.sql", folder / "claude-mem.db"), 2, 0),
    "mcp-memory-service": (lambda folder: rival_database("mcp-memory-service.sql", folder / "sqlite_vec.db"), 3, 1),
    "mcp-memory-service, exported": (lambda folder: text_file("mcp-memory-service.json", folder / "e.json"), 3, 0),
    "server-memory": (lambda _: RIVALS / "server-memory.jsonl", 3, 1),
    "mem0, qdrant": (lambda folder: of_mem0(folder, "qdrant"), 3, 2),
    "mem0, chroma": (lambda folder: of_mem0(folder, "chroma"), 3, 1),
    "mem0, history": (lambda folder: of_mem0(folder, None) / "history.db", 4, 1),
    "mem0, get_all": (lambda folder: text_file("mem0-get_all.json", folder / "all.json"), 3, 0),
    "openmemory": (lambda folder: database(folder / "openmemory.db", OPEN_MEMORY), 1, 2),
    "openmemory, exported": (lambda folder: open_memory_export(folder / "export.zip"), 1, 1),
    "openmemory, lines": (lambda folder: lines_of_export(open_memory_export(folder / "export.zip")), 1, 1),
    "openmemory, document": (lambda folder: open_memory_export(folder / "export.zip").with_suffix(".json"), 1, 1),
    "mempalace": (of_mempalace, 4, 1),
    "basic-memory": (lambda folder: text_file("basic-memory.md", folder / "Cache.md"), 1, 0),
}  # fmt: skip


@pytest.mark.parametrize("kind", STORES)
def test_each_store_is_known_and_read_alike_twice_without_a_trace(tmp_path, kind):
    make, memories, left_out = STORES[kind]
    path = make(tmp_path)
    before = listing(tmp_path)
    name, records, left = read(path)
    assert (name, len(records), len(left)) == (kind.split(",")[0], memories, left_out)
    assert read(path) == (name, records, left)
    assert all(left.values())
    assert listing(tmp_path) == before
    assert all(one.timestamp is not None for one in records) or name == "server-memory"


def by_text(records):
    return {one.text.split("\n")[0][:40]: one for one in records}


def test_times_tags_and_fields_are_those_of_the_other_program(tmp_path):
    _, records, left = read(of_mem0(tmp_path / "mem0", "qdrant"))
    found = by_text(records)
    orders = found["Orders live in Postgres"]
    assert orders.timestamp.isoformat() == "2026-11-30T10:29:27.214794+00:00"
    assert orders.metadata == {"team": "web", "category": "db", "user_id": "alice", "role": "user"}
    assert "The cache is Valkey" in found
    assert not any("Redis" in text for text in found)
    assert sorted(reason.split(" (")[0] for reason in left.values()) == [
        "it has expired there",
        "it is deleted there",
    ]
    keys = {one.key for one in records}
    assert keys == {one.key for one in read(text_file("mem0-get_all.json", tmp_path / "all.json"))[1]}
    assert keys < {one.key for one in read(tmp_path / "mem0" / "history.db")[1]}

    later = tmp_path / "later.json"
    days = ("2999-12-30", "9999-12-31")
    later.write_text(json.dumps([{"id": day, "memory": "the sale", "expiration_date": day} for day in days]))
    assert [str(one.valid_until) for one in read(later)[1]] == ["2999-12-31 00:00:00+00:00", "None"]
    service = by_text(read(rival_database("mcp-memory-service.sql", tmp_path / "vec.db"))[1])
    assert service["Orders live in Postgres"].tags == ("db", "orders")
    assert (service["No tags here"].tags, service["No tags here"].project) == ((), None)
    assert service["In a store of its own"].project == "shop"
    exported = by_text(read(text_file("mcp-memory-service.json", tmp_path / "e.json"))[1])
    assert service == exported

    stored = read(database(tmp_path / "openmemory.db", OPEN_MEMORY))[1]
    exported = read(open_memory_export(tmp_path / "e.zip"))[1]
    assert stored == exported == read(tmp_path / "e.json", "openmemory")[1]
    assert (stored[0].tags, stored[0].metadata) == (("technology",), {"team": "web", "app": "cursor"})

    (own,) = read(database(tmp_path / "sqlite_exact.sqlite3", MEMPALACE_OWN))[1]
    assert (own.text, own.project, own.tags) == ("Orders live in Postgres", "shop", ("decisions",))
    palace = by_text(read(of_mempalace(tmp_path / "mempalace"))[1])
    drawer = palace["Orders live in Postgres"]
    assert (drawer.project, drawer.source, drawer.tags) == ("shop", "notes/db.md", ("decisions",))
    assert palace["Long text. Long text. Long text. Long te"].text == "Long text. " * 400
    assert palace["Orders stored in Postgres"].timestamp.isoformat() == "2026-01-02T00:00:00+00:00"

    (note,) = read(text_file("basic-memory.md", tmp_path / "Cache.md"))[1]
    assert note.tags == ("x", "y", "cache", "redis", "decision", "fact")
    assert note.metadata == {
        "title": "Cache", "type": "note", "permalink": "main/design/cache", "categories": ["decision", "fact"],
        "relations": ["replaces Memcached", "links to Orders"],
    }  # fmt: skip


def test_what_mempalace_exports_is_what_it_keeps(tmp_path):
    cells = (
        "| Field | Value |\n|-------|-------|\n| Source | notes/db.md |\n| Filed | {} |\n| Added by | mcp |"
    )
    drawer = f"> {{}}\n\n{cells}\n\n---\n"
    stored = by_text(read(rival_database("mempalace-chroma.sql", tmp_path / "chroma.sqlite3"))[1])
    orders = stored["Orders live in Postgres"]
    told = drawer.format("Orders live in Postgres", "2026-11-30T10:32:31.614049")
    lines = drawer.format("## no drawer\n> \n> > quoted", "unknown")
    long = [
        f"## long_chunk_00000{n}\n\n{drawer.format(text, '2026-11-30T10:32:31')}"
        for n, text in enumerate("ab")
    ]
    folder = tmp_path / "export"
    (folder / "shop").mkdir(parents=True)
    (folder / "index.md").write_text("# Palace Export \N{EM DASH} 2026-11-30\n")
    (folder / "shop" / "decisions.md").write_text(
        f"# shop / decisions\n\n## {orders.key}\n\n{told}\n## drawer_b\n\n{lines}\n"
        + "\n".join(reversed(long))
    )
    (folder / "shop" / "other.md").write_text("no room")
    name, records, left = read(folder)
    assert (name, list(left)) == ("mempalace", ["shop/other.md"])
    assert [one.text for one in records] == ["Orders live in Postgres", "## no drawer\n\n> quoted", "ab"]
    assert records[0] == orders


def test_what_chroma_has_not_yet_stored_is_read_from_its_queue(tmp_path):
    path = rival_database("mempalace-chroma.sql", tmp_path / "chroma.sqlite3")
    whole = {one.key: one.text for one in read(path)[1]}
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM embedding_metadata")
        connection.execute("DELETE FROM embeddings")
        connection.execute("DELETE FROM max_seq_id")
        connection.commit()
    assert {one.key: one.text for one in read(path, "mempalace")[1]} == whole


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE collections SET name = CAST(name AS BLOB)",
        "UPDATE embedding_metadata SET int_value = 0 WHERE key = 'chunk_index'",
        "UPDATE embedding_metadata SET int_value = NULL, string_value = 'x' WHERE key = 'chunk_index'",
    ],
)
def test_no_piece_of_a_drawer_is_lost_whatever_its_fields_say(tmp_path, damage):
    path = rival_database("mempalace-chroma.sql", tmp_path / "chroma.sqlite3")
    whole = {one.key: sorted(one.text) for one in read(path)[1]}
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(damage)
        connection.commit()
    assert {one.key: sorted(one.text) for one in read(path, "mempalace")[1]} == whole


def test_a_database_that_is_being_written_is_read_with_its_log_and_left_as_it_is(tmp_path):
    path = tmp_path / "vec.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(MCP_MEMORY_SERVICE)
        connection.commit()
        assert (tmp_path / "vec.db-wal").stat().st_size
        before = listing(tmp_path)
        assert len(read(path)[1]) == 2
        assert listing(tmp_path) == before
        left = {file.name: file.read_bytes() for file in tmp_path.iterdir() if not file.name.endswith("-shm")}
    other = tmp_path / "other"
    other.mkdir()
    for name, raw in left.items():
        (other / name).write_bytes(raw)
    before = listing(other)
    assert len(read(other / "vec.db")[1]) == 2
    assert listing(other) == before


def test_what_its_program_has_not_committed_is_not_read(tmp_path):
    path = database(tmp_path / "vec.db", MCP_MEMORY_SERVICE)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA cache_size = 1")  # so that it writes into the file before it commits
        connection.execute("BEGIN")
        connection.execute("UPDATE memories SET content = 'unfinished'")
        connection.executemany(
            "INSERT INTO memories (content_hash, content, created_at) VALUES (?, ?, 1)",
            [(f"n{number}", "x" * 2000) for number in range(200)],
        )
        assert (tmp_path / "vec.db-journal").stat().st_size
        before = listing(tmp_path)
        assert [one.key for one in read(path)[1]] == ["h1", "h3"]
        assert read(path)[1][0].text == "Orders live in Postgres"
        assert listing(tmp_path) == before
        connection.rollback()


def test_no_object_that_was_pickled_is_made(tmp_path):
    path = rival_database("mem0-qdrant.sql", tmp_path / "storage.sqlite")
    evil = b"cos\nsystem\n(S'touch " + str(tmp_path / "made").encode() + b"'\ntR."
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO points VALUES ('evil', ?)", (evil,))
        connection.execute("INSERT INTO points VALUES ('short', ?)", (b"\x80\x04\x95",))
        connection.execute("INSERT INTO points VALUES ('text', 'no bytes')")
        connection.commit()
    _, records, left = read(path)
    assert (len(records), {"evil", "short", "text"} < left.keys()) == (3, True)
    assert not (tmp_path / "made").exists()
