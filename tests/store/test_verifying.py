"""A data folder that is checked: whatever is wrong is found, and mended without losing anything."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from faiss_memory.errors import StoreCorrupt, StoreError, StoreLocked
from faiss_memory.memory import Draft
from faiss_memory.store.fsck import repair, verify
from tests.store.oracle import EPOCH, EmbeddedHome, Oracle, add, assert_same, embed, grow, settled


class Kept:
    """A data folder with everything in it, closed in order or left by a kill."""

    def __init__(self, folder):
        self.folder, self.killed, self.oracle = folder / "data", folder / "killed", Oracle()
        home = EmbeddedHome(self.folder)
        grow(home.open(), self.oracle, 40, 1)
        self.backup = home.store.backup("one").name
        home.reopen()
        grow(home.store, self.oracle, 20, 2)
        settled(home.store)
        subprocess.run(["cp", "-a", self.folder, self.killed], check=True)
        home.close()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return Kept(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def data(kept, tmp_path):
    """A copy of the folder that was closed in order, with the hard links between its backups."""
    subprocess.run(["cp", "-a", kept.folder, tmp_path / "data"], check=True)
    return tmp_path / "data"


def found_in(data):
    """What is found, and that looking for it changed nothing."""
    before = content(data)
    with verify.owned(data):
        found = verify.verify(data).findings
    assert content(data) == before
    return found


def content(data):
    return {
        path.relative_to(data): path.read_bytes()
        for path in sorted(data.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def mended(data, found):
    with verify.owned(data):
        repair.repair(data, found, 10)
        left = verify.verify(data)
    assert left.findings == []
    return left.set_aside


def same_as(data, oracle):
    home = EmbeddedHome(data)
    assert_same(home.open(), oracle)
    home.close()


def written(path, at, piece):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(piece)


def changed(path, *statements):
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


# What is well.


@pytest.mark.parametrize("state", ["folder", "killed"])
def test_in_a_sound_folder_nothing_is_found(kept, tmp_path, state):
    subprocess.run(["cp", "-a", getattr(kept, state), tmp_path / "data"], check=True)
    assert found_in(tmp_path / "data") == []


def test_what_is_only_not_there_yet_is_no_finding(data):
    for name in ("search.db", "index.faiss", "index.faiss.json", "metadata.json", "reserve.bin"):
        (data / name).unlink(missing_ok=True)
    assert found_in(data) == []


@pytest.mark.parametrize(
    "pattern",
    [
        *("memory.db", "search.db", "metadata.json", "indexes/*/*.faiss", "indexes/*/*.json"),
        *("index.faiss", "index.faiss.json", "search.db.sha256", "reserve.bin"),
        *(
            "backups/*/manifest.json",
            "backups/*/base.db",
            "backups/.store/*.json",
            "backups/.store/seg-*.jsonl",
        ),
    ],
)
def test_a_pipe_in_the_place_of_a_file_is_named_and_a_start_goes_on_without_it(kept, data, pattern):
    for path in list(data.glob(pattern)):
        path.unlink()
        os.mkfifo(path)
    with pytest.raises(StoreError, match="is a pipe, a socket or a device"), verify.owned(data):
        verify.verify(data)
    home = EmbeddedHome(data)
    assert_same(home.open(), kept.oracle, searches=1)
    home.close()


def test_a_folder_in_use_is_left_alone(data):
    home = EmbeddedHome(data)
    home.open()
    with pytest.raises(StoreLocked, match="Stop that service"), verify.owned(data):
        pass
    home.close()


# What is wrong, and what is made of it.


def the_base(data):
    return sorted((data / "backups/.store").glob("base-*.db"))[-1]


def the_log(data):
    return max((data / "backups/.store").glob("seg-*.jsonl"), key=lambda path: path.stat().st_mtime_ns)


HARMS = {
    "the records are gone": (lambda data: (data / "memory.db").unlink(), "it is missing or empty"),
    "the records are empty": (lambda data: (data / "memory.db").write_bytes(b""), "it is missing or empty"),
    "the records are noise": (
        lambda data: (data / "memory.db").write_bytes(b"noise" * 9999),
        "it cannot be read",
    ),
    "an index of the records is gone": (
        lambda data: changed(data / "memory.db", "DROP INDEX memories_by_seq"),
        "it lacks the index memories_by_seq",
    ),
    "something acts in the records": (
        lambda data: changed(data / "memory.db", "CREATE VIEW v AS SELECT 1"),
        "it holds the view v",
    ),
    "the number of memories is wrong": (
        lambda data: changed(data / "memory.db", "UPDATE state SET value = 3 WHERE key = 'memories'"),
        "number and digest",
    ),
    "a vector is damaged": (
        lambda data: changed(
            data / "memory.db",
            "UPDATE passages SET vector = zeroblob(256) WHERE id = (SELECT min(id) FROM passages)",
        ),
        "a vector of memory",
    ),
    "a passage lies elsewhere": (
        lambda data: changed(data / "memory.db", "UPDATE passages SET end = end + 1"),
        "a vector of memory",
    ),
    "the records are behind": (
        lambda data: changed(
            data / "memory.db",
            "UPDATE state SET value = value - 1 WHERE key = 'seq'",
        ),
        "it lacks 1 changes that the log holds",
    ),
    "the log is gone": (lambda data: shutil.rmtree(data / "backups/.store"), "no sound base"),
    "the log ends early": (
        lambda data: written(the_log(data), 0, b"x"),
        "are no whole records",
    ),
    "the base is damaged": (
        lambda data: written(the_base(data), 5000, b"damage"),
        "it is not as it was made",
    ),
    "the base is not described": (
        lambda data: Path(f"{the_base(data)}.json").unlink(),
        "its description is missing",
    ),
    "search.db is noise": (
        lambda data: (data / "search.db").write_bytes(b"noise" * 9999),
        "it cannot be read",
    ),
    "search.db was touched": (
        lambda data: changed(
            data / "search.db", "UPDATE state SET value = 'clean' WHERE key = 'boot'", "DELETE FROM tags"
        ),
        "it is not as it was left",
    ),
    "the saved index is of noise": (
        lambda data: (data / "index.faiss").write_bytes(b"noise" * 99),
        "its content does not match its digest",
    ),
    "the saved index is a folder": (
        lambda data: [(data / "index.faiss").unlink(), (data / "index.faiss").mkdir()],
        "it is not described as it should be",
    ),
    "the saved index is not described": (
        lambda data: (data / "index.faiss.json").unlink(),
        "it is not described as it should be",
    ),
    "the reserve is short": (lambda data: (data / "reserve.bin").write_bytes(b"x"), "does not keep the room"),
    "something was left behind": (
        lambda data: (data / ".memory.db.restoring").write_bytes(b"x"),
        "a process that was killed left it behind",
    ),
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_wrong_is_found_and_mended(kept, data, harm):
    do, problem = HARMS[harm]
    do(data)
    found = found_in(data)
    assert any(problem in finding.problem for finding in found), found
    mended(data, found)
    home = EmbeddedHome(data)
    store = home.open()
    for memory in store.unembedded(1000):
        store.embed({memory.id: (memory.text, embed(memory.text, cues=memory.cues))})
    assert_same(store, kept.oracle)
    home.close()


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("DELETE FROM tags", "the tags or properties of memory"),
        ("UPDATE memories SET superseded_by = 1", "what supersedes memory"),
        ("UPDATE memories SET text = text || 'x'", "is otherwise in memory.db"),
        ("DELETE FROM memories WHERE id = (SELECT max(id) FROM memories)", "it holds other memories"),
        (
            "UPDATE memories SET postings = zeroblob(6) WHERE id = (SELECT max(id) FROM memories)",
            "the words of memory",
        ),
        ("UPDATE terms SET term = term || 'x'", "the words of memory"),
        ("UPDATE state SET value = 'another' WHERE key = 'store'", "it belongs to another store"),
        ("UPDATE state SET value = value + 1 WHERE key = 'seq'", "it is newer than memory.db"),
    ],
)
def test_search_is_compared_with_the_records_word_by_word(kept, data, statement, problem):
    """As after a kill, when no digest says that the file is as it was left."""
    changed(data / "search.db", "UPDATE state SET value = 'killed' WHERE key = 'boot'", statement)
    (finding,) = found_in(data)
    assert (finding.file, problem in finding.problem) == ("search.db", True), finding
    mended(data, [finding])
    same_as(data, kept.oracle)


# Backups.


@pytest.mark.parametrize(
    "harm", ["its base", "its log", "its manifest", "its number of memories", "another's manifest"]
)
def test_a_backup_that_does_not_restore_is_set_aside(kept, data, harm):
    folder = data / "backups" / kept.backup
    if harm == "its base":
        written(folder / "base.db", 5000, b"damage")
    elif harm == "its log":
        written(next(folder.glob("seg-*")), 3, b"damage")
    elif harm == "its manifest":
        (folder / "manifest.json").write_bytes(b"{")
    else:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        wrong = {"memories": 3} if harm == "its number" else {"name": "manual_20260101_000000"}
        (folder / "manifest.json").write_text(json.dumps(manifest | wrong))
    (finding,) = found_in(data)
    assert finding.file == f"backups/{kept.backup}"
    assert mended(data, [finding]) == [f"{kept.backup}.broken-1"]
    home = EmbeddedHome(data)
    store = home.open()
    assert kept.backup not in [backup.name for backup in store.backups()]
    assert_same(store, kept.oracle)
    home.close()


# Memories.


def damage(data, memory_id):
    """Change a byte of a text behind SQLite's back."""
    changed(data / "memory.db", f"UPDATE memories SET text = 'X' || substr(text, 2) WHERE id = {memory_id}")


def test_a_damaged_memory_is_taken_from_the_log(kept, data):
    wanted = sorted(kept.oracle.memories)
    for memory_id in wanted[:2] + wanted[-2:]:
        damage(data, memory_id)
    found = [finding for finding in found_in(data) if finding.file == "memory.db"]
    assert [finding.id for finding in found] == wanted[:2] + wanted[-2:]
    assert mended(data, found_in(data)) == []
    same_as(data, kept.oracle)


def test_a_damaged_memory_that_the_log_never_held_is_taken_from_a_backup_only_as_it_was_last(tmp_path):
    home, oracle = EmbeddedHome(tmp_path / "data"), Oracle()
    drafts = [Draft(text=f"the first text of {number}", timestamp=EPOCH) for number in range(3)]
    oracle.add(add(home.open(), *drafts), drafts)
    home.close()
    changed(home.folder / "memory.db", "UPDATE state SET value = value + 1 WHERE key = 'seq'")
    home.open()  # the log has a gap, and begins anew with a copy of what is there
    home.close()
    damage(home.folder, 2)
    damage(home.folder, 3)
    changed(home.folder / "memory.db", "UPDATE memories SET crc = 5 WHERE id = 3")
    shutil.rmtree(home.folder / "backups/.store")
    found = [finding for finding in found_in(home.folder) if finding.file == "memory.db"]
    assert {finding.id for finding in found} >= {2, 3}
    aside = mended(home.folder, found_in(home.folder))
    assert aside == ["damaged-memories-1"]
    (line,) = (home.folder / "damaged-memories-1").read_text().splitlines()
    assert json.loads(line)["id"] == 3
    assert json.loads(line)["text"] == "Xhe first text of 2"
    oracle.forget([3])
    same_as(home.folder, oracle)


def test_a_mended_folder_makes_nothing_anew_at_each_start(kept, data, caplog):
    damage(data, min(kept.oracle.memories))
    mended(data, found_in(data))
    caplog.clear()
    home = EmbeddedHome(data)
    home.open()
    home.close()
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []


def test_what_only_a_person_can_bring_back_is_left_and_said(data):
    (data / "memory.db").write_bytes(b"noise" * 9999)
    shutil.rmtree(data / "backups/.store")
    found = found_in(data)
    with verify.owned(data), pytest.raises(StoreCorrupt, match="Put the files of a backup"):
        repair.repair(data, found, 10)
    assert (data / "memory.db").read_bytes() == b"noise" * 9999


# Anything, anywhere.


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.faults) for seed in range(1, 40))]
)
def test_after_a_repair_nothing_is_found_and_no_answer_is_wrong(kept, tmp_path, seed):
    chance = random.Random(seed)
    for number in range(8):
        data = tmp_path / f"data-{number}"
        subprocess.run(["cp", "-a", chance.choice([kept.folder, kept.killed]), data], check=True)
        names = sorted(
            path for path in data.rglob("*") if path.is_file() and path.stat().st_size and path.name[0] != "."
        )
        path = chance.choice(names)
        size = path.stat().st_size
        written(path, chance.randrange(size), chance.randbytes(chance.choice([1, 1, 50])))
        mended(data, found_in(data))
        home = EmbeddedHome(data)
        store = home.open()
        settled(store)
        expected = kept.oracle.memories
        for memory in store.get(sorted(expected)):
            assert memory.text == expected[memory.id].text, path
        assert len(store.get(sorted(expected))) == len(expected), path
        home.close()
        shutil.rmtree(data)
