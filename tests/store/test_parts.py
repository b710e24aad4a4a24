"""Vectors are kept in parts: an index of any size grows, is saved and is loaded by pieces."""

from __future__ import annotations

import logging

import pytest

from faiss_memory.store.index import vector_index
from tests.store.oracle import EmbeddedHome, Oracle, add, assert_same, grow


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A place whose indexes consist of many parts."""
    monkeypatch.setattr(vector_index, "PART", 25)
    made = EmbeddedHome(tmp_path / "data")
    yield made
    made.close()


def parts(home):
    """The files of the project `default`, with what tells one writing from another."""
    found = {path.name: path.stat() for path in home.folder.glob("index*.faiss")}
    return {name: (status.st_ino, status.st_mtime_ns) for name, status in found.items()}


def test_only_the_parts_that_have_changed_are_written_again(home):
    oracle = Oracle()
    grow(home.open(), oracle, 150, seed=1)
    home.close()
    before = parts(home)
    assert {"index.faiss", "index-1.faiss", "index-2.faiss"} <= before.keys()
    add(home.open(), "one more")
    home.close()
    after = parts(home)
    changed = {name for name in after if after[name] != before.get(name)}
    assert len(changed) == 1


@pytest.mark.parametrize("harm", ["missing", "flipped"])
def test_a_part_that_is_lost_is_read_from_the_records_again(home, caplog, harm):
    oracle = Oracle()
    grow(home.open(), oracle, 150, seed=2)
    home.close()
    path = home.folder / "index-1.faiss"
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert_same(home.open(), oracle)
    home.close()
    with caplog.at_level(logging.INFO, logger="faiss_memory.store"):
        caplog.clear()
        assert_same(home.open(), oracle)
    assert not [record for record in caplog.records if "made" in record.getMessage()]


def test_parts_of_which_nothing_is_left_go_with_their_files(home):
    store, oracle = home.open(), Oracle()
    ids = add(store, *(f"memory number {number}" for number in range(100)))
    grow(store, oracle, 12, seed=3)
    home.close()
    before = len(parts(home))
    home.open().forget(ids)
    home.close()
    home.open()
    home.close()
    assert len(parts(home)) <= before - 2
    assert_same(home.open(), oracle)
