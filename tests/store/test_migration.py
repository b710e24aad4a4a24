"""A data folder of an earlier version: brought up to date once, with a way back, and with everything that was in it."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime

import pytest

from faiss_memory.errors import StoreCorrupt
from faiss_memory.memory import Draft
from faiss_memory.store.records.operations import count_content, keep_content
from faiss_memory.store.records.rows import checksum
from faiss_memory.store.records.schema import SCHEMA_VERSION
from faiss_memory.uids import is_uid
from tests.older import EXPECTED, SECRET, VERSION, archive, expected_texts, unpacked
from tests.store.oracle import EVERYTHING, EmbeddedHome, add


@pytest.fixture
def older(tmp_path):
    home = EmbeddedHome(unpacked(tmp_path))
    yield home
    home.close()


def memories(store):
    return {memory.id: memory for memory in store.select(EVERYTHING, limit=1000)}


def texts(store):
    return {number: memory.text for number, memory in memories(store).items()}


def uids(store):
    return {number: memory.uid for number, memory in memories(store).items()}


def version(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


def before_it(store):
    return [backup for backup in store.backups() if (backup.label or "").startswith("before the migration")]


def test_nothing_of_an_older_data_folder_is_lost(older):
    store = older.open(model=False)
    found = memories(store)
    assert {number: memory.text for number, memory in found.items()} == expected_texts()
    for key, said in EXPECTED["memories"].items():
        memory = found[int(key)]
        assert (memory.source, memory.project, list(memory.tags)) == (
            said["source"],
            said["project"],
            said["tags"],
        )
        assert dict(memory.metadata) == said["metadata"]
        assert memory.timestamp == datetime.fromisoformat(said["timestamp"])
    assert {memory.supersedes: number for number, memory in found.items() if memory.supersedes} == {
        int(old): new for old, new in EXPECTED["superseded"].items()
    }
    assert len({origin.file for origin in store.origins("notes").values()}) == EXPECTED["built"]
    assert store.count_unembedded("all-MiniLM-L6-v2@c4a57a7f2011f256") == {}
    assert {memory.by for memory in found.values()} == {None}
    (new,) = add(older.reopen(), Draft(text="later", by="rest"))
    assert new > 181  # those that are gone have no ids to give away
    assert older.store.get([new])[0].by == "rest"


def test_a_backup_is_made_before_it_once_and_leads_back(older, tmp_path):
    before = {backup["name"] for backup in EXPECTED["backups"]["backups"]}
    store = older.open()
    (made,) = before_it(store)
    assert {backup.name for backup in store.backups()} == before | {made.name}
    assert version(older.folder / "backups" / made.name / "base.db") == VERSION
    older.close()
    assert version(older.folder / "memory.db") == SCHEMA_VERSION
    assert before_it(older.open()) == [made]
    assert older.store.restore(made.name).left_out == ()
    assert texts(older.store) == expected_texts()


def test_a_migration_that_is_begun_again_makes_no_second_backup(older, tmp_path, monkeypatch):
    monkeypatch.setattr("faiss_memory.store.records.database.upgrade", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        older.open()
    older.close()
    monkeypatch.undo()
    assert len(before_it(older.open())) == 1


def test_uids_of_older_memories_are_the_same_from_every_copy(older, tmp_path):
    store = older.open()
    named = uids(store)
    assert all(map(is_uid, named.values()))
    assert len(set(named.values())) == len(named)
    for backup in store.backups():
        store.restore(backup.name)
        again = uids(store)
        assert again.items() >= {number: uid for number, uid in named.items() if number in again}.items()
    home = EmbeddedHome(tmp_path / "another")
    another = home.open()
    (ours,) = add(another, "of the other machine")
    uid = uids(another)[ours]
    assert another.restore_archive(io.BytesIO(archive())).left_out == ()
    assert uids(another) == named
    add(another, "said after it")
    assert uid not in uids(another).values()
    home.close()
    older.close()
    for path in older.folder.glob("memory.db*"):
        path.unlink()
    built = uids(older.open())  # from the latest base, which is of another restore, and its log
    assert {number: named[number] for number in built if number in named}.items() <= named.items()


def test_records_that_are_lost_before_it_are_built_anew_from_the_older_log(older):
    for path in older.folder.glob("memory.db*"):
        path.unlink()
    store = older.open(model=False)
    assert texts(store) == expected_texts()
    named = uids(store)
    older.close()
    shutil.rmtree(older.folder)
    assert uids(EmbeddedHome(unpacked(older.folder.parent)).open(model=False)) == named


def test_every_older_backup_restores_to_what_it_says(older):
    store = older.open()
    for said in EXPECTED["backups"]["backups"]:
        done = store.restore(said["name"])
        assert (done.memories, done.left_out) == (said["memories"], ()), said


def test_an_older_archive_restores(tmp_path):
    home = EmbeddedHome(tmp_path / "data")
    store = home.open()
    done = store.restore_archive(io.BytesIO(archive()))
    assert done.memories == EXPECTED["stats"]["total_memories"]
    assert texts(store) == expected_texts()
    assert texts(home.reopen()) == expected_texts()
    home.close()


def test_files_of_an_older_backup_in_the_folder_restore(older, tmp_path):
    folder = tmp_path / "by hand"
    shutil.copytree(older.folder / "backups" / "manual_20261129_191124", folder)
    home = EmbeddedHome(folder)
    assert texts(home.open()) == expected_texts()
    home.close()


def test_what_was_purged_before_it_stays_purged(older, tmp_path):
    (purged,) = EXPECTED["purged"]
    store = older.open()
    assert purged not in memories(store)
    # An older database of the same folder that still has it, as from a copy that somebody kept:
    name = "manual_20261129_191124"
    kept = older.folder / "backups" / name
    manifest = json.loads((kept / "manifest.json").read_bytes())
    older.close()
    for path in (*kept.glob("seg-*"), older.folder / "search.db"):
        path.unlink()
    with closing(sqlite3.connect(kept / "base.db")) as connection, connection:
        connection.execute(
            "INSERT INTO memories SELECT ?, project, 'of 5', source, tags, metadata, timestamp, supersedes, crc, seq"
            " FROM memories WHERE id = 5", (purged,),
        )  # fmt: skip
        row = connection.execute(
            "SELECT project, text, source, tags, metadata, timestamp, supersedes FROM memories WHERE id = ?",
            (purged,),
        ).fetchone()
        connection.execute("UPDATE memories SET crc = ? WHERE id = ?", (checksum(*row), purged))
        connection.execute("UPDATE sqlite_sequence SET seq = 181 WHERE name = 'memories'")
        keep_content(connection, *count_content(connection))
        seq = connection.execute("SELECT value FROM state WHERE key = 'seq'").fetchone()[0]
    described = {
        **manifest,
        "seq": seq,
        "segments": [],
        "sha256": hashlib.sha256((kept / "base.db").read_bytes()).hexdigest(),
    }
    (kept / "manifest.json").write_text(json.dumps(described))
    store = older.open()
    (left,) = store.restore(name).left_out
    assert (left.id, left.reason) == (purged, "purged")
    assert purged not in memories(store)


def test_a_purge_reaches_what_was_written_before_it(older):
    store = older.open()
    text = store.get([1])[0].text
    store.purge([1])
    store.close()
    older.store = None
    marks = (text[20:60].encode(), SECRET)
    files = [path for path in older.folder.rglob("*") if path.is_file()]
    holding = [path for path in files if any(mark in path.read_bytes() for mark in marks)]
    assert holding == []
    assert texts(older.open()) == {number: text for number, text in expected_texts().items() if number != 1}


def test_tables_of_a_version_to_come_are_refused_in_words(older):
    with closing(sqlite3.connect(older.folder / "memory.db")) as connection, connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = (older.folder / "memory.db").read_bytes()
    with pytest.raises(StoreCorrupt, match=r"newer FAISS Memory.*Update FAISS Memory"):
        older.open()
    older.close()
    assert (older.folder / "memory.db").read_bytes() == before
    assert not [path for path in (older.folder / "backups").iterdir() if "before" in path.name]
