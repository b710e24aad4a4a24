"""Files that are missing, damaged or foreign: what is derived comes back by itself, what is true is never guessed."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from faiss_memory.errors import StoreCorrupt, StoreError, StoreLocked
from faiss_memory.memory import Change, Draft
from faiss_memory.store import filesystem
from faiss_memory.store.backup import restore
from faiss_memory.store.index import catalogue_file
from faiss_memory.store.records.schema import SCHEMA_VERSION
from tests.sampling import matrix, seeds
from tests.store.asking import matching, nearest
from tests.store.oracle import (
    EPOCH,
    EVERYTHING,
    EmbeddedHome,
    Oracle,
    add,
    assert_same,
    embed,
    embed_query,
    grow,
    settled,
    some_draft,
    some_text,
)

DERIVED = [
    "index.faiss", "index.faiss.json", "search.db", "search.db.sha256", "metadata.json",
    "indexes/alpha/index.faiss", "indexes/alpha/index.faiss.json",
]  # fmt: skip


class Kept:
    """A data folder that was closed in order, made once; each test works on a copy of its own."""

    def __init__(self, folder, seed, number=40):
        self.folder, self.oracle = folder, Oracle()
        home = EmbeddedHome(folder)
        grow(home.open(), self.oracle, number, seed)
        home.close()
        self.older = folder.with_name(f"{folder.name}-older")
        shutil.copytree(folder, self.older)
        self.older_oracle = Oracle()
        self.older_oracle.given = set(self.oracle.given)
        self.older_oracle.memories = dict(self.oracle.memories)
        self.older_oracle.embeddings = dict(self.oracle.embeddings)
        grow(home.open(), self.oracle, 20, seed + 1)
        home.close()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return Kept(tmp_path_factory.mktemp("kept") / "data", 1)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Kept(tmp_path_factory.mktemp("other") / "data", 99)


@pytest.fixture
def copy(kept, tmp_path):
    """A copy of the data folder, closed."""
    shutil.copytree(kept.folder, tmp_path / "data")
    home = EmbeddedHome(tmp_path / "data")
    yield home
    home.close()


def flip(path, at, bit=0):
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)


# Derived files.


@pytest.mark.parametrize(
    ("name", "harm"),
    matrix(DERIVED, ["missing", "empty", "cut in half", "one byte short", "zeroed", "noise", "a folder"]),
)
def test_a_derived_file_that_is_gone_or_broken_comes_back(copy, kept, name, harm):
    path = copy.folder / name
    content = path.read_bytes()
    path.unlink()
    if harm == "a folder":
        path.mkdir()
    elif harm != "missing":
        path.write_bytes({
            "empty": b"",
            "cut in half": content[: len(content) // 2],
            "one byte short": content[:-1],
            "zeroed": bytes(len(content)),
            "noise": random.Random(0).randbytes(len(content)),
        }[harm])  # fmt: skip
    assert_same(copy.open(), kept.oracle, searches=3)
    copy.close()
    if harm != "a folder":
        assert path.is_file()
        assert_same(copy.open(), kept.oracle, searches=2)
    assert copy.failures == []


@pytest.mark.parametrize(
    ("name", "source"), matrix(DERIVED, ["another store", "an older state", "a newer state"])
)
def test_a_derived_file_of_another_store_or_time_is_not_believed(copy, kept, other, name, source):
    oracle = kept.oracle
    if source == "a newer state":
        shutil.rmtree(copy.folder)
        shutil.copytree(kept.older, copy.folder)
        oracle = kept.older_oracle
    giver = {"another store": other.folder, "an older state": kept.older, "a newer state": kept.folder}[
        source
    ]
    shutil.copyfile(giver / name, copy.folder / name)
    assert_same(copy.open(), oracle, searches=3)


@pytest.mark.parametrize(
    "names", [("index.faiss", "index.faiss.json"), ("search.db", "search.db.sha256"), DERIVED]
)
@pytest.mark.parametrize("source", ["another store", "an older state", "a newer state"])
def test_derived_files_that_fit_each_other_but_not_the_records_are_not_believed(
    copy, kept, other, names, source
):
    oracle = kept.oracle
    if source == "a newer state":
        shutil.rmtree(copy.folder)
        shutil.copytree(kept.older, copy.folder)
        oracle = kept.older_oracle
    giver = {"another store": other.folder, "an older state": kept.older, "a newer state": kept.folder}[
        source
    ]
    for name in names:
        shutil.copyfile(giver / name, copy.folder / name)
    assert_same(copy.open(), oracle, searches=3)


@pytest.mark.parametrize("name", [name for name in DERIVED if name != "search.db"])
def test_a_flipped_bit_anywhere_in_a_small_derived_file_changes_no_answer(copy, kept, name):
    chance, path = random.Random(name), copy.folder / name
    for _ in range(4):
        flip(path, chance.randrange(path.stat().st_size), chance.randrange(8))
        assert_same(copy.open(), kept.oracle, searches=2)
        copy.close()


@pytest.mark.parametrize("seed", seeds(4))
def test_a_flipped_bit_anywhere_in_the_catalogue_changes_no_answer(copy, kept, seed):
    chance, path = random.Random(seed), copy.folder / "search.db"
    for _ in range(8):
        flip(path, chance.randrange(path.stat().st_size), chance.randrange(8))
        assert_same(copy.open(), kept.oracle, searches=2)
        copy.close()


def copy_while_running(home, target):
    """Copy a data folder as a kill would leave it: nothing folded, nothing written out."""
    shutil.copytree(home.folder, target, ignore=shutil.ignore_patterns("*.new"))
    return EmbeddedHome(target)


def test_a_catalogue_damaged_after_a_kill_gives_no_wrong_text_and_keeps_nobody_out(copy, kept, tmp_path):
    copy.open()
    settled(copy.store)
    texts = {key: memory.text for key, memory in kept.oracle.memories.items()}
    for seed in range(25):
        chance = random.Random(seed)
        killed = copy_while_running(copy, tmp_path / f"killed-{seed}")
        path = killed.folder / chance.choice(["search.db", "search.db-wal", "search.db-shm"])
        for _ in range(chance.choice([1, 50])):
            flip(path, chance.randrange(path.stat().st_size), chance.randrange(8))
        store = killed.open()
        for memory in store.get(sorted(texts)):
            assert memory.text == texts[memory.id]
        assert {
            match.memory_id for match in nearest(store, embed_query("ledger"), EVERYTHING, 999)
        } == texts.keys()
        matching(store, "ledger", EVERYTHING, 999)
        assert killed.failures == []
        killed.close()


@pytest.mark.parametrize(
    ("source", "part"), matrix(["another store", "the same store", "noise"], ["-wal", "-shm"])
)
def test_a_left_over_log_of_the_catalogue_changes_no_answer(copy, kept, other, tmp_path, part, source):
    left_over = random.Random(0).randbytes(50_000)
    if source != "noise":
        giver = {"another store": other.folder, "the same store": kept.older}[source]
        shutil.copytree(giver, tmp_path / "giver")
        running = EmbeddedHome(tmp_path / "giver")
        add(running.open(), Draft(text="never stored here", timestamp=EPOCH))
        left_over = Path(f"{running.folder / 'search.db'}{part}").read_bytes()
        running.close()
    Path(f"{copy.folder / 'search.db'}{part}").write_bytes(left_over)
    assert_same(copy.open(), kept.oracle)


def test_damage_that_a_reader_meets_is_mended_at_once(copy, kept):
    store = copy.open()
    with closing(sqlite3.connect(copy.folder / "search.db")) as connection:
        connection.execute("UPDATE memories SET text = 'a wrong memory'")
        connection.commit()
    assert {memory.text for memory in store.get(sorted(kept.oracle.memories))} == {
        memory.text for memory in kept.oracle.memories.values()
    }
    assert_same(store, kept.oracle)
    with closing(sqlite3.connect(copy.folder / "search.db")) as connection:
        connection.execute("DROP TABLE tags")
        connection.commit()
    assert store.tags(EVERYTHING)
    assert_same(store, kept.oracle)
    assert copy.failures == []
    assert_same(copy.reopen(), kept.oracle)


def test_writes_go_on_while_readers_meet_damage(copy, kept):
    store = copy.open()
    with closing(sqlite3.connect(copy.folder / "search.db")) as connection:
        connection.execute("DROP TABLE metadata")
        connection.commit()
    draft = Draft(text="ledger", timestamp=EPOCH, metadata={"x": 1})
    number = add(store, draft)
    oracle = Oracle()
    oracle.memories, oracle.embeddings = dict(kept.oracle.memories), dict(kept.oracle.embeddings)
    oracle.add(number, [draft])
    assert_same(store, oracle)


def test_a_machine_that_stopped_before_the_catalogue_was_written_out_makes_it_anew(
    copy, kept, tmp_path, monkeypatch, caplog
):
    copy.open()
    settled(copy.store)
    same = copy_while_running(copy, tmp_path / "same")
    another = copy_while_running(copy, tmp_path / "another")
    assert_same(same.open(), kept.oracle)
    assert "made anew" not in caplog.text
    monkeypatch.setattr(catalogue_file, "boot_id", lambda: "another run of the machine")
    assert_same(another.open(), kept.oracle)
    assert "search.db is made anew" in caplog.text
    same.close()
    another.close()


def test_a_kill_before_the_catalogue_followed_loses_nothing(copy, kept, tmp_path, monkeypatch, caplog):
    store, oracle = copy.open(), Oracle()
    oracle.memories, oracle.embeddings = dict(kept.oracle.memories), dict(kept.oracle.embeddings)
    oracle.given = set(kept.oracle.given)
    settled(store)
    monkeypatch.setattr(store._indexes, "publish", lambda _: None)
    chance = random.Random(4)
    for _ in range(10):
        draft = some_draft(chance)
        oracle.add([added.id for added in store.add([draft], [embed(draft.text)])], [draft])
    victim = min(oracle.memories)
    store.forget([victim])
    oracle.forget([victim])
    killed = copy_while_running(copy, tmp_path / "killed")
    assert_same(killed.open(), oracle)
    assert "made anew" not in caplog.text
    killed.close()


def test_late_vectors_do_not_set_the_count_of_changes_back(tmp_path):
    home = EmbeddedHome(tmp_path / "data")
    store = home.open()
    store.add([Draft(text="ledger")], [None])
    store.embed({1: ("ledger", embed("ledger"))})
    assert (
        store._indexes.read(lambda catalogue: catalogue.state("seq")) == store._opened.committer.truth.seq > 0
    )
    home.close()


# The records themselves.


def damage(folder, table, column, where="1"):
    """Flip a byte of a stored value in memory.db; gives the row's id."""
    with closing(sqlite3.connect(folder / "memory.db")) as connection:
        key, value = connection.execute(
            f"SELECT id, {column} FROM {table} WHERE {where} ORDER BY id LIMIT 1"
        ).fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = value.encode() if isinstance(value, str) else value
    content = (folder / "memory.db").read_bytes()
    part = raw[:200]
    assert content.count(part) >= 1
    at = content.index(part) + len(part) // 2
    return key, at


@pytest.mark.parametrize(("mask", "derived"), matrix([0x01, 0x80], ["kept", "lost"]))
def test_a_flipped_byte_in_a_text_is_never_shown(tmp_path, caplog, mask, derived):
    home, oracle = EmbeddedHome(tmp_path / "data"), Oracle()
    drafts = [Draft(text=f"{number} " + "ledger " * 5, timestamp=EPOCH) for number in range(12)]
    drafts.append(Draft(text="the singular kernel mutex passage", timestamp=EPOCH))
    oracle.add(add(home.open(), *drafts), drafts)
    home.close()
    key, at = damage(home.folder, "memories", "text", "text LIKE '%singular%'")
    content = bytearray((home.folder / "memory.db").read_bytes())
    content[at] ^= mask
    (home.folder / "memory.db").write_bytes(content)
    if derived == "lost":
        (home.folder / "search.db").unlink()
        (home.folder / "index.faiss").unlink()
        oracle.forget([key])
    for _ in range(2):
        with caplog.at_level(logging.ERROR):
            assert_same(home.open(), oracle)
        if derived == "lost":
            assert f"memory {key}" in caplog.text
            assert "singular" not in caplog.text
        home.close()
    store = home.open()
    if derived == "lost":
        with pytest.raises(StoreCorrupt):
            store.change(key, Change(tags=("red",)), None)
    assert store.forget([key]) == [key]
    oracle.forget([key])
    assert_same(store, oracle)
    assert home.failures == []
    home.close()


def test_a_flipped_byte_in_a_vector_costs_only_that_vector(tmp_path, caplog):
    home, oracle = EmbeddedHome(tmp_path / "data"), Oracle()
    drafts = [some_draft(random.Random(n), text=f"{some_text(random.Random(n))} {n}") for n in range(12)]
    oracle.add(add(home.open(), *drafts), drafts)
    home.close()
    key, at = damage(home.folder, "passages", "vector", "memory = 7")
    flip(home.folder / "memory.db", at, 6)
    assert_same(home.open(), oracle)  # the saved index still has it
    home.close()
    for path in home.folder.rglob("index.faiss"):
        path.unlink()
    with caplog.at_level(logging.ERROR):
        store = home.open()
        settled(store)
    assert f"passage {key}" in caplog.text
    found = {
        match.memory_id: match.similarity for match in nearest(store, embed_query("ledger"), EVERYTHING, 99)
    }
    expected = oracle.nearest(embed_query("ledger"), EVERYTHING)
    del expected[7]
    assert found == pytest.approx(expected, abs=1e-5)
    assert store.get([7])[0].text == oracle.memories[7].text
    home.close()


@pytest.mark.parametrize(
    ("harm", "derived", "history"),
    matrix(
        [
            "empty",
            "one page",
            "half",
            "a page short",
            "zeroed",
            "noise",
            "zeros at the start",
            "a page zeroed",
        ],
        ["kept", "lost"],
        ["kept", "lost"],
    ),
)
def test_records_that_cannot_be_read_are_built_anew_or_left_alone_with_an_error_that_says_what_to_do(
    copy, kept, harm, derived, history, caplog
):
    path = copy.folder / "memory.db"
    content = path.read_bytes()
    harmed = {
        "empty": b"",
        "one page": content[:4096],
        "half": content[: len(content) // 8192 * 4096],
        "a page short": content[:-4096],
        "zeroed": bytes(len(content)),
        "noise": random.Random(0).randbytes(len(content)),
        "zeros at the start": bytes(4096) + content[4096:],
        "a page zeroed": content[: (middle := len(content) // 8192 * 4096)]
        + bytes(4096)
        + content[middle + 4096 :],
    }[harm]
    path.write_bytes(harmed)
    if derived == "lost":
        for name in ("search.db", "search.db.sha256", "index.faiss") if harm != "empty" else ():
            (copy.folder / name).unlink()
    if history == "kept":
        assert_same(copy.open(), kept.oracle)
        assert "it was built anew" in caplog.text
        assert [aside.read_bytes() for aside in copy.folder.glob("memory.db.broken-*")] == [harmed]
        assert add(copy.store, "after the rebuild") == [max(kept.oracle.given) + 1]
        return
    shutil.rmtree(copy.folder / "backups" / ".store")
    for _ in range(2):
        with pytest.raises(StoreCorrupt, match="Put the files of a backup"):
            copy.open()
        assert path.read_bytes() == harmed


def test_any_flipped_byte_in_the_records_is_met_with_an_error_or_changes_no_text(copy, kept, tmp_path):
    size = (copy.folder / "memory.db").stat().st_size
    opened = 0
    for seed in range(40):
        chance = random.Random(seed)
        folder = tmp_path / f"flipped-{seed}"
        shutil.copytree(copy.folder, folder)
        flip(folder / "memory.db", chance.randrange(size), chance.randrange(8))
        for name in ("search.db", "index.faiss"):
            (folder / name).unlink()
        home = EmbeddedHome(folder)
        try:
            store = home.open()
        except StoreError:
            continue
        opened += 1
        for memory in store.get(sorted(kept.oracle.memories)):
            assert memory.text == kept.oracle.memories[memory.id].text
        assert set(store.matching_ids(EVERYTHING)) <= kept.oracle.memories.keys()
        home.close()
    assert opened > 20


def test_records_of_a_newer_version_are_refused_by_version_and_left_alone(copy, kept):
    path = copy.folder / "memory.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = path.read_bytes()
    with pytest.raises(StoreCorrupt, match=r"newer.*schema 7"):
        copy.open()
    assert path.read_bytes() == content
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    assert_same(copy.open(), kept.oracle)


def test_a_first_start_that_was_killed_can_be_done_again(tmp_path):
    (tmp_path / "memory.db").touch()
    home = EmbeddedHome(tmp_path)
    assert add(home.open(), "ledger") == [1]
    home.close()


# One owner.


@pytest.mark.parametrize("content", [b"process 1\n", b"", b"\xff\xfe\x00 noise" * 1000])
def test_what_a_lock_file_says_is_harmless(tmp_path, content):
    (tmp_path / ".lock").write_bytes(content)
    home = EmbeddedHome(tmp_path)
    add(home.open(), "ledger")
    home.close()


def test_a_second_process_leaves_and_says_who_owns_the_folder(copy, kept):
    copy.open()
    script = "import sys; from pathlib import Path; from faiss_memory.store.embedded import EmbeddedStore\n"
    script += "EmbeddedStore(Path(sys.argv[1]), print)"
    second = subprocess.run(
        [sys.executable, "-c", script, copy.folder], capture_output=True, text=True, timeout=60
    )
    assert second.returncode == 1
    assert "StoreLocked" in second.stderr
    assert "is in use by process" in second.stderr
    with pytest.raises(StoreLocked):
        EmbeddedHome(copy.folder).open()
    assert_same(copy.store, kept.oracle)
    copy.close()
    assert_same(copy.open(), kept.oracle)


# Restoring.


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory):
    """A data folder with a manual backup, and what both hold; killed while its log held something."""
    folder = tmp_path_factory.mktemp("backed up")
    home, then, now = EmbeddedHome(folder / "running"), Oracle(), Oracle()
    store = home.open()
    grow(store, then, 30, 5)
    backup = store.backup("before the change")
    now.memories, now.embeddings, now.given = dict(then.memories), dict(then.embeddings), set(then.given)
    grow(store, now, 20, 6)
    settled(store)
    copy_while_running(home, folder / "data")
    home.close()
    return folder / "data", backup, then, now


def lay_backup(backed_up, tmp_path):
    source, backup, *_ = backed_up
    shutil.copytree(source, tmp_path / "data")
    for path in (tmp_path / "data" / "backups" / backup.name).iterdir():
        shutil.copyfile(path, tmp_path / "data" / path.name)
    assert (tmp_path / "data" / "memory.db-wal").stat().st_size
    return EmbeddedHome(tmp_path / "data")


def asides(home):
    return sorted(
        path.name for path in home.folder.glob("memory.db.before-restore*") if not path.name.endswith("-wal")
    )


def test_a_backup_that_is_copied_into_the_data_folder_is_restored(backed_up, tmp_path):
    _, _, then, now = backed_up
    home = lay_backup(backed_up, tmp_path)
    then.given = set(then.memories)
    assert_same(home.open(), then)
    assert not (home.folder / "base.db").exists()
    assert not (home.folder / "manifest.json").exists()
    assert not list(home.folder.glob("seg-*"))
    draft = Draft(text="after the restore", timestamp=EPOCH)
    number = add(home.store, draft)
    home.close()
    assert set(home.open().matching_ids(EVERYTHING)) == then.memories.keys() | set(number)
    home.close()
    # What was there before was set aside whole, with its log, and can be had back.
    (name,) = asides(home)
    back = tmp_path / "back"
    back.mkdir()
    for part in ("", "-wal"):
        if (home.folder / f"{name}{part}").exists():
            shutil.copyfile(home.folder / f"{name}{part}", back / f"memory.db{part}")
    before = EmbeddedHome(back)
    assert_same(before.open(), now)
    before.close()


def test_a_database_that_was_set_aside_can_be_put_back_by_hand(backed_up, tmp_path, caplog):
    """As any other that takes the place of the folder's own: no id is given twice, what was purged stays away."""
    now = backed_up[3]
    home = lay_backup(backed_up, tmp_path)
    home.open()
    (given,) = add(home.store, "after the restore")
    purged = min(now.memories)
    home.store.purge([purged])
    home.close()
    # (A copy from before the purge, which could not reach it.)
    for part in ("", "-wal"):
        if (backed_up[0] / f"memory.db{part}").exists():
            shutil.copyfile(backed_up[0] / f"memory.db{part}", home.folder / f"memory.db{part}")
    caplog.clear()
    home.open()
    assert "is not the one that" in caplog.text
    assert set(home.store.matching_ids(EVERYTHING)) == now.memories.keys() - {purged}
    assert add(home.store, "after it was put back")[0] > given
    home.close()
    caplog.clear()
    home.open()
    home.close()
    assert not caplog.records


def test_a_log_without_its_database_is_not_taken_for_the_restored_ones(backed_up, tmp_path):
    home = lay_backup(backed_up, tmp_path)
    (home.folder / "memory.db").unlink()
    assert_same(home.open(), replaced(backed_up[2]))
    home.close()


def replaced(oracle):
    fresh = Oracle()
    fresh.memories, fresh.embeddings, fresh.given = oracle.memories, oracle.embeddings, set(oracle.memories)
    return fresh


@pytest.mark.parametrize("step", range(1, 12))
def test_a_restore_cut_short_at_any_step_is_done_again(backed_up, tmp_path, monkeypatch, step):
    """Each call that touches the disk may be the last one before a kill."""
    _, _, then, now = backed_up
    home = lay_backup(backed_up, tmp_path)
    calls = 0

    class Killed(BaseException):
        pass

    def counted(function):
        def call(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls == step:
                raise Killed
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", counted(Path.rename))
        patch.setattr(Path, "unlink", counted(Path.unlink))
        patch.setattr(shutil, "copyfile", counted(shutil.copyfile))
        patch.setattr(restore, "become_another_store", counted(restore.become_another_store))
        patch.setattr(restore, "sync_folder", counted(filesystem.sync_folder))
        try:
            restore.restore_if_asked(home.folder)
        except Killed:
            assert calls == step
        else:
            assert calls < step
    assert_same(home.open(), replaced(then), searches=2)
    assert add(home.store, "after the restore")[0] > max(now.given), "an id was given twice"
    home.close()
    whole = []
    for number, name in enumerate(asides(home)):
        back = tmp_path / f"back-{number}"
        back.mkdir()
        for part in ("", "-wal"):
            if (home.folder / f"{name}{part}").exists():
                shutil.copyfile(home.folder / f"{name}{part}", back / f"memory.db{part}")
        before = EmbeddedHome(back)
        whole.append(before.open().matching_ids(EVERYTHING))
        before.close()
    assert sorted(now.memories) in whole, "what was there before must not be lost"


@pytest.mark.parametrize(
    "harm",
    [
        "cut",
        "flipped",
        "no manifest",
        "another manifest",
        "a name that leads away",
        "no log",
        "a flip in the log",
    ],
)
def test_a_backup_that_does_not_match_its_manifest_is_set_aside_and_restores_nothing(
    backed_up, tmp_path, harm, caplog
):
    home = lay_backup(backed_up, tmp_path)
    base, manifest = home.folder / "base.db", home.folder / "manifest.json"
    if harm == "cut":
        base.write_bytes(base.read_bytes()[:-1])
    elif harm == "flipped":
        flip(base, base.stat().st_size // 2)
    elif harm == "no manifest":
        manifest.unlink()
    elif harm == "no log":
        next(home.folder.glob("seg-*")).unlink()
    elif harm == "a flip in the log":
        log = next(home.folder.glob("seg-*"))
        flip(log, log.stat().st_size // 2)
    elif harm == "another manifest":
        manifest.write_text('{"name": "x", "sha256": "y"}', encoding="utf-8")
    else:
        manifest.write_text(
            manifest.read_text(encoding="utf-8").replace('"manual_', '"../manual_'), encoding="utf-8"
        )
    assert_same(home.open(), backed_up[3], searches=2)
    assert "nothing was restored" in caplog.text
    assert not base.exists()
    assert not list(home.folder.glob("seg-*.jsonl"))
    assert asides(home) == []
    home.close()


def test_a_matching_backup_that_is_no_database_is_set_aside_and_nothing_is_lost(backed_up, tmp_path, caplog):
    home = lay_backup(backed_up, tmp_path)
    base, manifest = home.folder / "base.db", home.folder / "manifest.json"
    base.write_bytes(b"not a database" * 1000)
    digest = hashlib.sha256(base.read_bytes()).hexdigest()
    written = json.loads(manifest.read_text(encoding="utf-8")) | {"sha256": digest}
    manifest.write_text(json.dumps(written), encoding="utf-8")
    assert_same(home.open(), backed_up[3], searches=2)
    assert "nothing was restored" in caplog.text
    home.close()


def test_a_backup_that_cannot_be_written_stops_nothing_else(copy, kept):
    store = copy.open()
    shutil.rmtree(copy.folder / "backups")
    (copy.folder / "backups").write_text("in the way", encoding="utf-8")
    with pytest.raises(StoreError, match="no backup could be made"):
        store.backup(None)
    assert copy.failures == []
    assert_same(store, kept.oracle, searches=1)


def test_every_backup_is_listed_with_what_it_holds(copy, kept):
    store = copy.open()
    made = [store.backup(label) for label in ("one", "one", None)]
    assert len({backup.name for backup in made}) == 3
    manual = [backup for backup in store.backups() if not backup.name.startswith("auto_")]
    assert sorted(manual, key=lambda backup: backup.name) == sorted(made, key=lambda backup: backup.name)
    assert {backup.memories for backup in made} == {len(kept.oracle.memories)}
    before = len(store.backups())
    (copy.folder / "backups" / made[0].name / "manifest.json").write_text("{", encoding="utf-8")
    shutil.rmtree(copy.folder / "backups" / made[1].name)
    assert len(copy.reopen().backups()) == before - 2
