"""Cues in every file of the store: tables of before, logs, backups, archives, checks and purges."""

from __future__ import annotations

import io
import random
import sqlite3
import tarfile
from contextlib import closing

import pytest

from faiss_memory.memory import Change, Draft, Filter
from faiss_memory.store.fsck.verify import owned, verify
from faiss_memory.store.records.schema import SCHEMA_VERSION
from tests.older import FIXTURES, unpacked
from tests.store.asking import matching, nearest
from tests.store.oracle import (
    EVERYTHING,
    EmbeddedHome,
    Oracle,
    add,
    assert_same,
    embed,
    embed_query,
    grow,
    settled,
    some_text,
)

CUES = ("adding a migration", "an upload of a large picture fails with 413")
LATER = "when the parcels come late"


@pytest.fixture
def home(tmp_path):
    home = EmbeddedHome(tmp_path / "data")
    home.open()
    yield home
    home.close()


@pytest.fixture
def older(tmp_path):
    """A data folder with tables of version 3, as they were before there were cues."""
    with tarfile.open(FIXTURES / "data-3.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    home = EmbeddedHome(tmp_path / "data")
    yield home
    home.close()


def problems(home):
    home.close()
    with owned(home.folder):
        return [(finding.file, finding.problem) for finding in verify(home.folder).findings]


def read(path, sql):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def archived(store, name):
    with closing(store.archive(name, None).pieces) as pieces:
        return b"".join(pieces)


# Tables of before.


def test_memories_of_before_have_no_cues_and_lose_nothing(older):
    before = read(older.folder / "memory.db", "SELECT id, text, tags, metadata, crc, uid_crc FROM memories")
    store = older.open()
    assert store.get([2])[0].tags == ("auth", "fix")
    assert [memory.cues for memory in store.select(EVERYTHING, order="oldest")] == [()] * 4
    assert store.history(4)[1].text == "the ledger lives in redis"
    assert store.origins("other")[3].place == "#A"
    assert store.matching_ids(Filter(projects=None, without_cues=True)) == [2, 3, 4]
    assert store.count_unembedded() == {}
    settled(store)
    assert [key for key, _ in matching(store, "auth", EVERYTHING, 5)] == [2], "tags are found since then"
    older.close()
    after = read(older.folder / "memory.db", "SELECT id, text, tags, metadata, crc, uid_crc FROM memories")
    assert after == before
    assert read(older.folder / "memory.db", "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    store = older.open()
    store.change(2, Change(cues=CUES), None)
    assert [memory.cues for memory in older.reopen().get([2])] == [CUES]


def test_a_folder_of_before_is_sound_before_its_first_start_and_after_it(older):
    before = (older.folder / "memory.db").read_bytes()
    assert (
        problems(older) == [("reserve.bin", "it does not keep the room that it is for")]
        or problems(older) == []
    )
    assert (older.folder / "memory.db").read_bytes() == before
    older.open()
    add(older.store, Draft(text="later", cues=CUES))
    assert problems(older) == []


def test_a_folder_of_long_before_is_sound_before_its_first_start_too(tmp_path):
    home = EmbeddedHome(unpacked(tmp_path))
    assert [found for found in problems(home) if found[0] == "memory.db"] == []


def test_backups_and_the_log_of_before_restore(older):
    store = older.open()
    (made,) = [backup for backup in store.backups() if backup.label == "before more"]
    assert store.restore(made.name).memories == 3
    older.close()
    for path in older.folder.glob("memory.db*"):
        path.unlink()
    store = older.open()
    assert [memory.id for memory in store.select(EVERYTHING, order="oldest")] == [1, 2, 3]


def test_a_purge_reaches_logs_and_bases_of_before(older):
    store = older.open()
    proof = store.purge([2], prove=True).proof
    assert proof.found == []
    assert store.get([2]) == []


# Ways back.


def test_cues_come_back_from_the_log_a_backup_and_an_archive(home, tmp_path):
    oracle = Oracle()
    grow(home.store, oracle, 30, 1)
    chance = random.Random(2)
    for memory_id in chance.sample(sorted(oracle.memories), 8):
        change = Change(cues=(some_text(chance, 3), LATER))
        changed = home.store.change(memory_id, change, None)
        home.store.embed({memory_id: (changed.text, embed(changed.text, cues=changed.cues))})
        oracle.change(memory_id, change)
    assert_same(home.store, oracle, 1)
    label = home.store.backup("with cues").name
    copied = io.BytesIO(archived(home.store, label))
    home.store.forget(sorted(oracle.memories)[:10])
    home.store.restore(label)
    assert_same(home.store, oracle, 2)
    assert_same(home.reopen(), oracle, 3)
    other = EmbeddedHome(tmp_path / "other")
    assert other.open().restore_archive(copied).left_out == ()
    assert_same(other.store, oracle, 4)
    other.close()
    assert problems(home) == []
    for path in home.folder.glob("memory.db*"):
        path.unlink()
    assert_same(home.open(), oracle, 5)


def test_a_memory_with_a_flipped_cue_is_found_and_left_out(home):
    (memory_id,) = add(home.store, Draft(text="the ledger", cues=CUES))
    home.close()
    with closing(sqlite3.connect(home.folder / "memory.db")) as connection, connection:
        connection.execute("UPDATE memories SET cues = replace(cues, 'adding', 'eating')")
    assert [file for file, _ in problems(home)].count("memory.db") == 1
    (home.folder / "search.db").unlink()
    assert home.open().get([memory_id]) == []


def test_words_of_tags_and_cues_that_search_db_lacks_are_found_by_the_check(home):
    add(home.store, Draft(text="the ledger", tags=("blue",), cues=CUES))
    home.close()
    with closing(sqlite3.connect(home.folder / "search.db")) as connection, connection:
        (postings,) = connection.execute("SELECT postings FROM memories").fetchone()
        connection.execute("UPDATE memories SET postings = ?", (postings[:-8],))
        connection.execute("UPDATE state SET value = 'x' WHERE key = 'boot'")
    assert [file for file, _ in problems(home)] == ["search.db"]


# Changes.


def test_what_changes_cues_changes_their_vectors_and_words(home):
    (memory_id, other) = add(
        home.store, Draft(text="the ledger", cues=CUES), Draft(text="a cookie", cues=(LATER,))
    )
    store = home.store
    store.change(memory_id, Change(tags=("red",)), None)
    assert nearest(store, embed_query(CUES[1]), EVERYTHING, 1)[0].cue == 1, "other changes leave them alone"
    done = store.rewrite([], [], {memory_id: Change(cues=("the queue is full",))}, [])
    assert done.changed == [memory_id]
    assert [memory.id for memory in store.unembedded(5)] == [memory_id]
    assert matching(store, "migration", EVERYTHING, 5) == []
    assert [key for key, _ in matching(store, "queue", EVERYTHING, 5)] == [memory_id]
    store.embed({memory_id: ("the ledger", embed("the ledger", cues=("the queue is full",)))})
    assert nearest(store, embed_query("the queue is full"), EVERYTHING, 1)[0][:2] == (
        memory_id,
        pytest.approx(1),
    )
    store.forget([other])
    assert [match.memory_id for match in nearest(store, embed_query(LATER), EVERYTHING, 5)] == [memory_id]


# Purges.


def test_a_purge_takes_cues_out_of_every_file_and_the_proof_looks_for_them(home):
    store = home.store
    secret, shared, _ = add(
        store,
        Draft(text="the ledger", cues=CUES),
        Draft(text="a cookie", cues=("the same phrase of two memories",)),
        Draft(text="a queue", cues=("the same phrase of two memories",)),
    )
    store.backup("with it")
    proof = store.purge([secret], prove=True).proof
    assert (proof.found, proof.texts) == ([], 2), "the text, and the cue that is long enough"
    home.close()
    files = [path for path in home.folder.rglob("*") if path.is_file()]
    assert [path for path in files if any(cue.encode() in path.read_bytes() for cue in CUES)] == []
    store = home.open()
    (home.folder / "leftover").write_text(CUES[1])
    proof = store.purge([shared], prove=True).proof
    assert (proof.found, proof.shared) == ([], [3])


def test_the_proof_finds_a_cue_that_is_left(home):
    (secret,) = add(home.store, Draft(text="the ledger", cues=CUES))
    (home.folder / "leftover").write_text(f"of it: {CUES[1]}")
    assert home.store.purge([secret], prove=True).proof.found == ["leftover"]
