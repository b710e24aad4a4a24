"""Keyword indexes are saved as they lie in memory: a start takes them, and what was written since, never others."""

from __future__ import annotations

import logging
import random
import shutil

import pytest

from faiss_memory.memory import Change, Filter
from faiss_memory.store.fsck import repair, verify
from faiss_memory.store.index import follower
from tests.store.asking import matching
from tests.store.oracle import EmbeddedHome, Oracle, add, assert_same, embed, grow


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A place whose keyword indexes are saved however small they are."""
    monkeypatch.setattr(follower, "LEAST", 1)
    made = EmbeddedHome(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def read_anew(monkeypatch):
    """How often the keyword indexes were made of search.db."""
    times, read = [], follower.Indexes.read_keywords
    monkeypatch.setattr(
        follower.Indexes, "read_keywords", lambda indexes: (times.append(1), read(indexes))[1]
    )
    return times


@pytest.fixture
def grown(home):
    """A store that was closed, and what it should answer."""
    oracle = Oracle()
    grow(home.open(), oracle, 120, seed=4)
    home.close()
    return oracle


def test_a_start_takes_what_was_saved(home, grown, read_anew):
    assert_same(home.open(), grown)
    assert not read_anew


def test_what_was_written_after_it_was_saved_is_there_too(home, grown, read_anew, tmp_path):
    # As after a kill: what was saved is older than the records.
    store, chance = home.open(), random.Random(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(follower.Derived, "save_keywords", lambda *_, **__: None)
        grow(store, grown, 30, seed=8)
        for memory_id in chance.sample(sorted(grown.memories), 5):
            change = Change(text=f"quite another text, number {memory_id}")
            store.change(memory_id, change, embed(change.text, cues=grown.memories[memory_id].cues))
            grown.change(memory_id, change)
        gone = chance.sample(sorted(grown.memories), 5)
        store.forget(gone)
        grown.forget(gone)
        home.close()
    assert_same(home.open(), grown)
    assert not read_anew


@pytest.mark.parametrize("harm", ["flipped", "cut", "missing", "older", "no archive"])
def test_one_that_does_not_fit_is_made_anew(home, grown, read_anew, caplog, harm, tmp_path):
    path = home.folder / "keywords.npz"
    if harm == "missing":
        path.unlink()
    elif harm == "older":
        shutil.copy(path, tmp_path / "older")
        add(home.open(), "one more of them")
        home.store.forget([max(memory.id for memory in home.store.select(Filter(projects=None), limit=1))])
        home.close()
        shutil.copy(tmp_path / "older", path)
    else:
        content = path.read_bytes()
        half = len(content) // 2
        path.write_bytes(
            {"flipped": content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :],
             "cut": content[:half], "no archive": b"?"}[harm]
        )  # fmt: skip
    with caplog.at_level(logging.WARNING, logger="faiss_memory.store"):
        assert_same(home.open(), grown)
    assert read_anew == [1]
    assert "keywords.npz is made anew" in caplog.text
    home.close()
    assert_same(home.open(), grown)
    assert read_anew == [1]


@pytest.mark.parametrize("harm", ["flipped", "noise", "a folder"])
def test_a_damaged_one_is_named_by_verify_and_made_anew_by_repair(home, grown, read_anew, harm):
    path = home.folder / "keywords.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if harm == "a folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(content if harm == "flipped" else b"noise")
    with verify.owned(home.folder):
        found = verify.verify(home.folder).findings
        assert [finding.file for finding in found] == ["keywords.npz"]
        repair.repair(home.folder, found, 10)
        assert path.is_file()
        assert verify.verify(home.folder).findings == []
    read_anew.clear()
    assert_same(home.open(), grown)
    assert not read_anew


def test_one_of_another_search_db_is_not_used(home, grown, read_anew):
    for part in ("search.db", "search.db.sha256"):
        (home.folder / part).unlink()
    store = home.open()
    while store.rebuilding():
        pass
    assert_same(store, grown)
    assert read_anew == [1]


def test_a_purge_takes_it_away(home):
    store = home.open()
    ids = add(store, "the zanzibar ledger", "another ledger")
    home.close()
    store = home.open()
    assert (home.folder / "keywords.npz").exists()
    store.purge(ids[:1])
    assert not (home.folder / "keywords.npz").exists()
    assert [key for key, _ in matching(store, "ledger", Filter(), 5)] == ids[1:]
    home.close()
    assert [key for key, _ in matching(home.open(), "ledger", Filter(), 5)] == ids[1:]
