"""What was purged is in no file any more, older moments stay without it, and no restore brings it back."""

import base64
import errno
import hashlib
import json
import random
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from faiss_memory.contracts.store import Retry
from faiss_memory.errors import Conflict, DiskFull, StoreCorrupt
from faiss_memory.memory import Change, Draft, Origin
from faiss_memory.store import EmbeddedStore
from faiss_memory.store.backup import backups, snapshots
from faiss_memory.store.index import searcher
from faiss_memory.store.purge import purge
from faiss_memory.store.records import clock as clock_module, tombstones
from tests.store.asking import nearest
from tests.store.oracle import (
    EVERYTHING,
    EmbeddedHome,
    Oracle,
    add,
    assert_same,
    embed,
    grow,
    settled,
    some_text,
    until,
)

SECRET = 'xyzzy plugh "4711-4712"\n\tgrünes Geheimnis frobnicates zwölfmal Boxkämpfer quizzically'


class Clock:
    """The time as the history sees it: it stands still, or goes on with every look."""

    def __init__(self, monkeypatch):
        self.now, self.step = datetime(2026, 2, 12, 12, 0, 0, tzinfo=UTC), timedelta(0)
        monkeypatch.setattr(clock_module, "now", self.look)

    def look(self):
        self.now += self.step
        return self.now


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def small_log(monkeypatch):
    """Bases are rolled after every few writes."""
    monkeypatch.setattr(snapshots, "LEAST_TO_ROLL", 4_000)
    monkeypatch.setattr("faiss_memory.store.worker.SECONDS_BETWEEN_SAVES", 0.0)


@pytest.fixture
def keeps_all(monkeypatch):
    """No backup goes by itself, so that every moment can be gone back to."""
    monkeypatch.setattr(EmbeddedStore.__init__, "__defaults__", (1000, None))


def texts(store):
    return {memory.id: memory.text for memory in store.select(EVERYTHING, limit=10_000)}


def traces(folder, *needles):
    """The files that hold any of these bytes."""
    return {
        str(path.relative_to(folder)): needle
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for content in [path.read_bytes()]
        for needle in needles
        if needle in content
    }


def forms_of(text):
    """A text, and each of its vectors, as files could hold them."""
    found = [
        text.encode(),
        json.dumps(text, ensure_ascii=False)[1:-1].encode(),
        json.dumps(text).encode()[1:-1],
    ]
    found += [word.encode() for word in text.split() if len(word) > 5]
    for vector in embed(text).vectors:
        raw = vector.astype("<f4").tobytes()
        found += [raw[64:192], *(base64.b64encode(raw[shift:])[80:160] for shift in range(3))]
    return found


def lay(home, name, target):
    """Copy a backup's files into a data folder, a fresh one or not, as a person would."""
    target.mkdir(exist_ok=True)
    for path in (home.folder / "backups" / name).iterdir():
        shutil.copyfile(path, target / path.name)
    return EmbeddedHome(target)


def assert_restores(home, states, target, gone=(), every=1):
    """Every backup holds what its manifest says, which is a noted state without what is gone."""
    for number, backup in enumerate(home.store.backups()):
        expected = {key: text for key, text in states[backup.name].items() if key not in gone}
        assert backup.memories == len(expected), backup.name
        if number % every and not backup.name.startswith("manual"):
            continue
        restored = lay(home, backup.name, target / backup.name)
        assert texts(restored.open()) == expected, backup.name
        restored.close()


class Past:
    """A store with a history: adds, changes and forgets, rolls, backups by hand, a restore."""

    def __init__(self, home, clock):
        self.home, self.clock, self.store = home, clock, home.open()
        self.states, self.moments = {}, {}
        self.chance = random.Random(7)

    def noted(self):
        """Note what there is under the name of the latest backup and under its time."""
        self.clock.now += timedelta(seconds=2)
        for backup in self.store.backups()[-1:]:
            self.states[backup.name] = texts(self.store)
        self.moments[self.clock.now - timedelta(seconds=1)] = texts(self.store)

    def write(self, number):
        for _ in range(number):
            ids = add(self.store, Draft(text=some_text(self.chance, 30), source="notes"))
            self.noted()
            if self.chance.random() < 0.3:
                self.store.forget(ids)
                self.noted()

    def keep(self):
        backup = self.store.backup("by hand")
        self.states[backup.name] = texts(self.store)
        self.clock.now += timedelta(seconds=2)
        return backup


def test_what_was_purged_is_in_no_file(home, clock):
    store = home.open()
    draft = Draft(
        text=SECRET, source="vault/plugh-source.md", tags=("plughtag",), metadata={"key": "plughvalue"},
        origin=Origin("/notes/plughfile.md", "#plughplace", "plughdigest", "plughdetails"),
    )  # fmt: skip
    first, *_ = add(store, "one of the others", "and a second one")[:1]
    (secret,) = [
        one.id for one in store.add([draft], [embed(SECRET)], Retry("plughkey", b"plughhash-16byte"))
    ]
    store.backup(None)
    other = "nothing rhymes with oranges"
    store.change(secret, Change(text=other), embed(other))
    home.reopen()
    store = home.store
    assert traces(home.folder, b"plughtag", b"xyzzy")
    done = store.purge([secret], prove=True)
    assert (done.ids, done.missing, done.removed) == ([secret], [], [])
    needles = [*forms_of(SECRET), *forms_of(other), b"plugh", b"xyzzy", b"Geheimnis"]
    assert traces(home.folder, *needles) == {}
    assert (done.proof.found, done.proof.texts) == ([], 2)
    assert done.proof.files_searched > 10
    home.close()
    assert traces(home.folder, *needles) == {}
    assert sorted(texts(home.open())) == [first, first + 1]
    (fresh,) = add(home.store, "after it")
    assert fresh > secret


def test_every_backup_and_every_moment_stays_without_it(home, clock, small_log, keeps_all, tmp_path):
    past = Past(home, clock)
    past.write(7)
    (secret,) = add(past.store, SECRET)
    past.noted()
    past.keep()
    past.write(7)
    past.store.change(secret, Change(text="quite another plugh"), embed("quite another plugh"))
    past.noted()
    past.write(7)
    (second,) = add(past.store, f"again {SECRET}")
    past.noted()
    past.keep()
    past.store.forget([secret])
    past.noted()
    past.write(7)
    until(lambda: snapshots.bases(home.folder / "backups/.store")[0].seq > 0, "a base was rolled")
    before = {backup.name for backup in past.store.backups()}
    past.states = {name: state for name, state in past.states.items() if name in before}
    done = past.store.purge([secret, second], prove=True)
    assert (done.ids, done.proof.found, done.removed) == ([secret, second], [], [])
    assert traces(home.folder, b"plugh", b"xyzzy", *forms_of(SECRET)) == {}
    past.noted()
    assert before <= {backup.name for backup in past.store.backups()}
    assert_restores(home, past.states, tmp_path, {secret, second}, every=4)
    oldest = min(base.time for base in snapshots.bases(home.folder / "backups/.store"))
    for moment, state in sorted(past.moments.items(), reverse=True)[::4]:
        if moment.timestamp() * 1_000_000 >= oldest:
            past.store.restore(moment)
            expected = {key: text for key, text in state.items() if key not in (secret, second)}
            assert texts(past.store) == expected


@pytest.fixture
def secret(home, clock):
    """A store with a secret that is in a manual backup; gives its id."""
    store = home.open()
    add(store, "one of the others")
    (memory_id,) = add(store, SECRET)
    clock.now += timedelta(seconds=5)
    return memory_id


def carried_away(home, name, target):
    """A copy of a backup that lies elsewhere."""
    shutil.copytree(home.folder / "backups" / name, target)
    return target


def test_what_was_forgotten_before_is_purged_by_its_id(home, secret):
    store = home.store
    store.backup(None)
    store.forget([secret])
    assert store.purge([secret, 10**9], dry_run=True).ids == [secret]
    assert traces(home.folder, b"xyzzy")
    done = store.purge([secret, 10**9], prove=True)
    assert (done.ids, done.missing, done.proof.found) == ([secret], [10**9], [])
    assert traces(home.folder, *forms_of(SECRET)) == {}
    again = store.purge([secret])
    assert (again.ids, again.missing, again.rewritten) == ([], [secret], 0)


def test_what_lies_in_free_space_goes_too(home, secret):
    home.store.restore(
        home.store.backup(None).name
    )  # so that there is a base which was made after the secret
    backup = home.store.backup(None)
    folder = home.folder / "backups" / backup.name
    for path in (folder / "base.db", home.folder / "search.db"):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA secure_delete=OFF")
            connection.execute("CREATE TABLE once (text)")
            connection.executemany("INSERT INTO once VALUES (?)", [(SECRET,)] * 500)
            connection.commit()
            connection.execute("DROP TABLE once")
            connection.commit()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["sha256"] = hashlib.sha256((folder / "base.db").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert set(traces(home.folder, b"xyzzy")) >= {f"backups/{backup.name}/base.db", "search.db"}
    home.store.purge([secret])
    assert traces(home.folder, *forms_of(SECRET)) == {}
    home.store.restore(backup.name)
    assert list(texts(home.store).values()) == ["one of the others"]


def test_a_dry_run_changes_nothing(home, secret):
    store = home.store
    before = {path: path.stat().st_mtime_ns for path in home.folder.rglob("*.db")}
    assert store.purge([secret], dry_run=True).ids == [secret]
    assert {path: path.stat().st_mtime_ns for path in home.folder.rglob("*.db")} == before
    assert secret in texts(store)


@pytest.mark.parametrize("lost", ["nothing", "memory.db", "backups", "memory.db broken"])
def test_a_copy_that_was_taken_away_before_does_not_bring_it_back(home, secret, lost, tmp_path, caplog):
    store = home.store
    backup = store.backup(None)
    away = carried_away(home, backup.name, tmp_path / "away")
    store.purge([secret])
    (later,) = add(store, "later")
    home.close()
    if lost == "backups":
        shutil.rmtree(home.folder / "backups")
    elif lost == "memory.db":
        (home.folder / "memory.db").unlink()
    elif lost == "memory.db broken":
        (home.folder / "memory.db").write_bytes(b"no database " * 1000)
    for path in away.iterdir():
        shutil.copyfile(path, home.folder / path.name)
    store = home.open()
    assert list(texts(store).values()) == ["one of the others"]
    assert "left out: they were purged" in caplog.text
    assert traces(home.folder, *forms_of(SECRET)) == {}
    assert add(store, "afterwards")[0] > later
    # Nor does the running service, from a copy among its backups.
    shutil.copytree(away, home.folder / "backups" / backup.name, dirs_exist_ok=True)
    store = home.reopen()
    store.restore(backup.name)
    assert list(texts(store).values()) == ["one of the others"]
    store = home.reopen()
    assert list(texts(store).values()) == ["one of the others"]


def test_an_older_text_that_no_file_holds_any_more_does_not_come_back_either(home, secret, tmp_path):
    store = home.store
    backup = store.backup(None)
    away = carried_away(home, backup.name, tmp_path / "away")
    store.change(secret, Change(text="harmless now"), embed("harmless now"))
    shutil.rmtree(home.folder / "backups" / backup.name)
    store.purge([secret])
    home.close()
    lay_again(away, home)
    assert list(texts(home.open()).values()) == ["one of the others"]


def lay_again(away, home):
    for path in away.iterdir():
        shutil.copyfile(path, home.folder / path.name)


def test_a_backup_of_another_folder_keeps_its_memories_of_the_same_ids(home, secret, clock, tmp_path):
    clock.now += timedelta(seconds=1)
    other = EmbeddedHome(tmp_path / "other")
    theirs = texts(other.open())
    add(other.store, *(f"theirs {number}" for number in range(5)))
    theirs = texts(other.store)
    away = carried_away(other, other.store.backup(None).name, tmp_path / "away")
    other.close()
    home.store.purge([secret])
    assert secret in theirs
    home.close()
    lay_again(away, home)
    assert texts(home.open()) == theirs
    home.store.purge([secret])
    assert secret not in texts(home.store)


def test_what_is_added_again_stays(home, secret, clock):
    store = home.store
    store.purge([secret])
    (again,) = add(store, SECRET)
    assert again > secret
    clock.now += timedelta(seconds=5)
    backup = store.backup(None)
    add(store, "later")
    store.restore(backup.name)
    assert texts(store)[again] == SECRET
    done = store.purge([secret])
    assert done.ids == []


def test_no_id_is_given_again_when_the_records_are_built_anew(home, secret):
    home.store.purge([secret])
    passages = nearest(home.store, embed("one").vectors[0], EVERYTHING, 5)
    home.close()
    (home.folder / "memory.db").unlink()
    store = home.open()
    (fresh,) = add(store, "fresh and new")
    assert fresh > secret
    assert len(nearest(store, embed("fresh and new").vectors[0], EVERYTHING, 5)) == len(passages) + 1
    assert nearest(store, embed("fresh and new").vectors[0], EVERYTHING, 1)[0].memory_id == fresh


def test_without_hard_links_it_leaves_every_file_too(home, clock, monkeypatch, tmp_path):
    monkeypatch.setattr(backups, "_can_link", lambda folder: False)
    past = Past(home, clock)
    past.write(4)
    (secret,) = add(past.store, SECRET)
    past.noted()
    past.write(4)
    done = past.store.purge([secret], prove=True)
    assert (done.proof.found, traces(home.folder, *forms_of(SECRET))) == ([], {})
    past.noted()
    for backup in past.store.backups():
        expected = {key: text for key, text in past.states[backup.name].items() if key != secret}
        assert backup.memories == len(expected)
        past.store.restore(backup.name)
        assert texts(past.store) == expected


def test_what_a_restore_has_set_aside_is_rid_of_it(home, secret):
    store = home.store
    backup = store.backup(None)
    add(store, "later")
    aside = home.folder / store.restore(backup.name).set_aside
    assert b"xyzzy" in aside.read_bytes()
    store.purge([secret])
    assert traces(home.folder, *forms_of(SECRET)) == {}
    home.close()
    aside.replace(home.folder / "memory.db")
    assert sorted(texts(home.open()).values()) == ["later", "one of the others"]


def test_what_a_repair_has_set_aside_is_rid_of_it(home, secret):
    store = home.store
    backup = store.backup(None)
    home.close()
    aside = home.folder / f"{backup.name}.broken-1"
    (home.folder / "backups" / backup.name).rename(aside)
    kept = [json.dumps({"id": number, "text": text}) for number, text in ((secret, SECRET), (99, "another"))]
    (home.folder / "damaged-memories-1").write_text("\n".join(kept) + "\n")
    home.open().purge([secret])
    assert traces(home.folder, *forms_of(SECRET)) == {}
    assert not aside.exists()
    assert (home.folder / "damaged-memories-1").read_text() == kept[1] + "\n"


def test_files_of_a_backup_that_wait_for_a_start_are_rid_of_it(home, secret, clock):
    store = home.store
    backup = store.backup(None)
    add(store, "later")
    lay(home, backup.name, home.folder)
    done = store.purge([secret], prove=True)
    assert done.proof.found == []
    assert list(texts(home.reopen()).values()) == ["one of the others"]


def test_copies_that_a_kill_has_left_do_not_outlive_a_start(home, secret):
    """Those of a verification, of a restore and of an archive; what is purged later must not stay in them."""
    left = [".verifying/memory.db", ".archive.restoring/base.db", ".memory.db.restoring"]
    home.close()
    for path in (home.folder / name for name in left):
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(home.folder / "memory.db", path)
    done = home.open().purge([secret], prove=True)
    assert done.proof.found == []
    assert not any((home.folder / name).exists() for name in left)


def test_words_that_are_looked_for_while_their_memory_is_purged_do_not_come_back(home, secret, monkeypatch):
    home.close()
    (home.folder / "search.db").unlink()
    analyze, opened, purged_ids = searcher.analyze, threading.Event(), []

    def purging_meanwhile(text, beside):
        found = analyze(text, beside)
        if "xyzzy" in text and not purged_ids:
            opened.wait(60)
            purged_ids.append(secret)
            home.store.purge([secret])
        return found

    monkeypatch.setattr(searcher, "analyze", purging_meanwhile)
    home.open()
    opened.set()
    settled(home.store)
    assert purged_ids == [secret]
    assert traces(home.folder, b"xyzz", b"quizz") == {}


def test_a_backup_that_was_removed_after_a_kill_keeps_no_purge_from_being_finished(home, secret):
    home.close()
    with closing(sqlite3.connect(home.folder / "memory.db")) as connection:
        created = tombstones.created(connection)
        named = connection.execute("SELECT id, uid FROM memories WHERE id = ?", (secret,)).fetchall()
    intent = purge.Intent(created, [secret], ["backups/manual_gone/base.db"], named)
    purge._write_intent(home.folder, intent)
    assert list(texts(home.open()).values()) == ["one of the others"]
    assert traces(home.folder, *forms_of(SECRET)) == {}


@pytest.mark.parametrize("harm", ["base", "base header", "log", "manifest"])
def test_a_damaged_backup_stays_damaged_or_goes(home, secret, harm, tmp_path):
    store = home.store
    backup = store.backup(None)
    folder = home.folder / "backups" / backup.name
    if harm == "log":
        (segment,) = folder.glob("seg-*.jsonl")
        content = segment.read_bytes()
        segment.write_bytes(content[:-20] + b"#" + content[-19:])
    elif harm == "manifest":
        (folder / "manifest.json").write_bytes(b"{")
    else:
        content = bytearray((folder / "base.db").read_bytes())
        content[10 if harm == "base header" else len(content) - 2000] ^= 0xFF
        (folder / "base.db").write_bytes(content)
    done = store.purge([secret], prove=True)
    assert traces(home.folder, *forms_of(SECRET)) == {}
    assert done.removed == ([backup.name] if harm == "base header" else [])
    if harm in ("base", "log"):
        with pytest.raises(StoreCorrupt):
            store.restore(backup.name)
    assert list(texts(store).values()) == ["one of the others"]
    assert list(texts(home.reopen()).values()) == ["one of the others"]


@pytest.mark.parametrize("harm", ["base", "log"])
def test_a_damaged_history_begins_anew_and_the_memories_stay(home, secret, harm):
    (path,) = (home.folder / "backups/.store").glob("base-*.db" if harm == "base" else "seg-*.jsonl")
    path.write_bytes(b"#" + path.read_bytes()[1:])
    done = home.store.purge([secret])
    assert traces(home.folder, *forms_of(SECRET)) == {}
    assert done.ids == [secret]
    add(home.store, "later")
    home.store.restore(home.store.backup(None).name)
    assert sorted(texts(home.reopen()).values()) == ["later", "one of the others"]


def test_writers_go_on_and_lose_nothing(home, secret, small_log):
    store, written, stop = home.store, {}, threading.Event()

    def write(worker):
        number = 0
        while not stop.is_set():
            text = f"shared {worker} {number}"
            (memory_id,) = add(store, text)
            written[memory_id], number = text, number + 1

    writers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for writer in writers:
        writer.start()
    gone = [secret]
    for number in range(4):
        gone += store.purge(gone[-1:]).ids[:0]
        gone += add(store, f"{SECRET} {number}")
    store.purge(gone, prove=True)
    stop.set()
    for writer in writers:
        writer.join()
    present = {key: text for key, text in texts(store).items() if text != "one of the others"}
    assert present == written
    assert traces(home.folder, *forms_of(SECRET)) == {}
    backup = store.backup(None)
    store.restore(backup.name)
    assert len(texts(store)) == backup.memories == len(written) + 1
    assert home.failures == []


def test_what_is_written_while_files_are_rewritten_is_in_the_backups(home, secret, monkeypatch, tmp_path):
    store, rewrite = home.store, purge.rewrite_store

    def written_beside(*arguments):
        add(store, "before the log is rewritten")
        done = rewrite(*arguments)
        add(store, "after the log was rewritten")
        return done

    monkeypatch.setattr(purge, "rewrite_store", written_beside)
    store.purge([secret])
    states = {store.backups()[-1].name: texts(store)}
    assert store.backups()[-1].memories == len(texts(store))
    restored = lay(home, next(iter(states)), tmp_path / "restored")
    assert texts(restored.open()) == texts(store)
    restored.close()


@pytest.mark.parametrize(("step", "after_another"), [("held", 0), ("rewrite_store", 0), ("rewrite_store", 1)])
def test_no_backup_goes_while_a_purge_looks_at_all_of_them(
    home, secret, clock, monkeypatch, step, after_another
):
    store, original, seen = home.store, getattr(purge, step), []
    clock.step = timedelta(seconds=1)
    store.forget([secret])
    if after_another:  # that was cut short, and is finished first
        created = store._opened.committer.read(lambda truth: tombstones.created(truth.connection))
        purge._write_intent(home.folder, purge.Intent(created, [1_000]))

    def written_meanwhile(*arguments):
        before = {backup.name for backup in store.backups()}
        for number in range(15):
            add(store, f"meanwhile {number}")
        seen.append(before - {backup.name for backup in store.backups()})
        return original(*arguments)

    monkeypatch.setattr(purge, step, written_meanwhile)
    store.purge([secret])
    assert seen == [set()] * (1 + after_another)
    add(store, "later")
    assert len(store.backups()) < 15


def test_everything_else_answers_as_before(home, clock):
    store, oracle = home.open(), Oracle()
    grow(store, oracle, 60, 3)
    gone = random.Random(3).sample(sorted(oracle.memories), 12)
    store.purge(gone)
    oracle.forget(gone)
    assert_same(store, oracle)
    grow(store, oracle, 20, 4)
    assert_same(store, oracle)
    assert_same(home.reopen(), oracle)


def test_on_a_full_disk_it_is_gone_from_every_answer_and_done_the_next_time(home, secret, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "no room")

    store = home.store
    with monkeypatch.context() as patch:
        patch.setattr(purge, "rewrite_store", full)
        with pytest.raises(DiskFull, match="before the purge was done"):
            store.purge([secret])
    assert secret not in texts(store)
    assert traces(home.folder, b"xyzzy")
    home.reopen()
    assert traces(home.folder, *forms_of(SECRET)) == {}
    (another,) = add(home.store, SECRET)
    with monkeypatch.context() as patch:
        patch.setattr(purge, "rewrite_store", full)
        with pytest.raises(DiskFull):
            home.store.purge([another])
    assert home.store.purge([another]).ids == [another]
    assert traces(home.folder, *forms_of(SECRET)) == {}


def test_only_one_purge_or_restore_runs_at_a_time(home, secret, monkeypatch):
    store, refused = home.store, []

    def meanwhile(*arguments):
        for call in (lambda: store.purge([secret]), lambda: store.restore("any")):
            with pytest.raises(Conflict):
                call()
            refused.append(call)
        return rewrite(*arguments)

    rewrite = purge.rewrite_store
    monkeypatch.setattr(purge, "rewrite_store", meanwhile)
    store.purge([secret])
    assert len(refused) == 2


# The proof.


@pytest.mark.parametrize(
    "rest",
    [
        SECRET.encode(), SECRET.encode("utf-16-le"), json.dumps(SECRET).encode(), b"...." + SECRET.encode()[13:70],
        json.dumps(SECRET, ensure_ascii=False).encode()[5:80], bytes(1 << 24)[:-30] + SECRET.encode(),
    ],
    ids=["whole", "UTF-16", "JSON", "a rest", "a rest of JSON", "at the border of a block"],
)  # fmt: skip
def test_the_proof_finds_what_is_left(home, secret, rest):
    (home.folder / "left").mkdir()
    (home.folder / "left" / "over.bin").write_bytes(b"abc" + rest + b"xyz")
    done = home.store.purge([secret], prove=True)
    assert done.proof.found == ["left/over.bin"]


def test_what_others_say_as_well_is_no_trace(home, secret):
    store = home.store
    (same,) = add(store, SECRET)
    store.backup(None)
    done = store.purge([secret], prove=True)
    assert (done.proof.found, done.proof.shared) == ([], [same])
    assert texts(store)[same] == SECRET


def test_what_is_too_short_is_not_searched_for(home, clock):
    store = home.open()
    (short,) = add(store, "id 7")
    assert store.purge([short], prove=True).proof.texts == 0
