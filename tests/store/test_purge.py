"""What was purged is in no file any more, older moments stay without it, and no restore brings it back."""

import base64
import json
import random
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from faiss_memory.memory import Change, Draft, Origin
from faiss_memory.parts import Retry
from faiss_memory.store import EmbeddedStore, chain
from faiss_memory.store import clock as clock_module
from tests.store.oracle import (
    EVERYTHING,
    EmbeddedHome,
    add,
    embed,
    some_text,
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
    monkeypatch.setattr(chain, "LEAST_TO_ROLL", 4_000)
    monkeypatch.setattr("faiss_memory.store.keeper.SECONDS_BETWEEN_SAVES", 0.0)


@pytest.fixture
def keeps_all(monkeypatch):
    """No backup goes by itself, so that every moment can be gone back to."""
    monkeypatch.setattr(EmbeddedStore.__init__, "__defaults__", (1000,))


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
    """Copy a backup's files into a fresh data folder, as a person would."""
    target.mkdir()
    for path in (home.folder / "backups" / name).iterdir():
        shutil.copyfile(path, target / path.name)
    return EmbeddedHome(target)


def assert_restores(home, states, target, gone=()):
    """Every backup that is listed restores to its manifest, which is a noted state without what is gone."""
    for backup in home.store.backups():
        expected = {key: text for key, text in states[backup.name].items() if key not in gone}
        assert backup.memories == len(expected), backup.name
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
    past.write(12)
    (secret,) = add(past.store, SECRET)
    past.noted()
    past.keep()
    past.write(12)
    past.store.change(secret, Change(text="quite another plugh"), embed("quite another plugh"))
    past.noted()
    past.write(12)
    (second,) = add(past.store, f"again {SECRET}")
    past.noted()
    past.keep()
    past.store.forget([secret])
    past.noted()
    past.write(12)
    assert len(list(home.folder.glob("backups/.store/base-*.db"))) > 1
    before = {backup.name for backup in past.store.backups()}
    past.states = {name: state for name, state in past.states.items() if name in before}
    done = past.store.purge([secret, second], prove=True)
    assert (done.ids, done.proof.found, done.removed) == ([secret, second], [], [])
    assert traces(home.folder, b"plugh", b"xyzzy", *forms_of(SECRET)) == {}
    past.noted()
    assert before <= {backup.name for backup in past.store.backups()} | before
    assert_restores(home, past.states, tmp_path, {secret, second})
    oldest = min(base.time for base in chain.bases(home.folder / "backups/.store"))
    for moment, state in sorted(past.moments.items(), reverse=True)[::3]:
        if moment.timestamp() * 1_000_000 >= oldest:
            past.store.restore(moment)
            expected = {key: text for key, text in state.items() if key not in (secret, second)}
            assert texts(past.store) == expected
