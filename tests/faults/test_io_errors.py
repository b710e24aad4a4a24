"""A disk that fails or is full at the n-th call: an error and then all is well, or an orderly end; never a loss."""

from __future__ import annotations

import errno
import io
import random
import shutil
import sqlite3
from contextlib import closing
from functools import cache

import pytest

from faiss_memory.contracts.store import Retry
from faiss_memory.errors import DiskFull, StoreError
from faiss_memory.memory import Change, Draft
from tests.faults.checking import check_store, check_wholly, looking_at, texts_of
from tests.faults.control import KINDS
from tests.faults.disks import in_memory
from tests.faults.journal import Acknowledged, Journal
from tests.faults.processes import RemoteHome
from tests.store.asking import matching
from tests.store.oracle import EVERYTHING, EmbeddedHome, add, embed, settled, until

HARMS = [
    *((kind, "fail", error) for kind in KINDS for error in (errno.EIO, errno.ENOSPC)),
    ("write", "cut short", errno.ENOSPC),
    ("write", "cut short", errno.EIO),
]


class Script:
    """One client's calls, each of which may be refused, and what came of them."""

    def __init__(self, home, journal):
        self.home, self.journal, self.number = home, journal, 0
        self.errors = []

    def run(self):
        """Start, do a little of everything, and stop; gives whether it could start at all."""
        try:
            self.store = self.home.open()
        except StoreError:
            return False
        try:
            self._write()
        finally:
            self.home.close()
        return True

    def _write(self):
        held = self.store.matching_ids(EVERYTHING)
        held += self.add("one")
        held += self.add("a", "batch", "of four", "memories " * 60)
        for memory_id in held[:2]:
            self.change(memory_id)
        self.forget(held[2:4])
        self.add("retried", retry=True)
        self.backup()
        self.add("that are long " * 200)
        self.forget(held[4:5])
        self.check_what_is_answered()

    def texts(self, *words):
        self.number += 1
        return [
            f"shared words {self.journal.path.name} {self.number} {n} {word}" for n, word in enumerate(words)
        ]

    def asked(self, call, *noted, **more):
        """Call, and note what became of it. Only a full disk promises that nothing was kept."""
        self.journal.asked(0, *noted, **more)
        answer, unsafe = None, bool(self.home.failures)
        try:
            answer = call()
        except DiskFull as error:
            self.journal.refused(0)
            self.errors.append(error)
            return None
        except StoreError as error:
            self.errors.append(error)
        if answer is None:
            assert self.home.failures, f"{self.errors[-1]} is neither a full disk nor the end of all writing"
            return None
        assert not unsafe, "it was acknowledged after writing had become unsafe"
        return answer

    def add(self, *words, retry=False):
        texts = self.texts(*words)
        key = Retry(f"{self.journal.path.name} {self.number}", b"digest") if retry else None
        drafts, embeddings = [Draft(text=text) for text in texts], [embed(text) for text in texts]
        answer = self.asked(lambda: self.store.add(drafts, embeddings, key), "add", texts=texts)
        ids = [] if answer is None else [added.id for added in answer]
        if answer is not None:
            self.journal.done(0, ids)
        if ids and retry:
            self.again(lambda: self.store.add(drafts, embeddings, key), ids)
        return ids

    def again(self, call, ids):
        """What was acknowledged is known when it is sent again, if that can be said at all."""
        try:
            assert [added.id for added in call()] == ids
        except StoreError as error:
            self.errors.append(error)

    def change(self, memory_id):
        (text,) = self.texts("changed")
        call = lambda: self.store.change(memory_id, Change(text=text), embed(text))  # noqa: E731
        if self.asked(call, "change", [memory_id], [text]) is not None:
            self.journal.done(0, [memory_id])

    def forget(self, ids):
        if self.asked(lambda: self.store.forget(ids), "forget", ids) is not None:
            self.journal.done(0, ids)

    def backup(self):
        try:
            self.store.backup("in between")
        except StoreError as error:
            self.errors.append(error)

    def check_what_is_answered(self):
        """What was acknowledged can be read, also when nothing can be written any more."""
        Acknowledged.so_far(self.journal, texts_of(self.store))
        if not self.home.failures:
            settled(self.store)


class Trying:
    """The same folder and script, again and again, with another call harmed each time."""

    def __init__(self, nursery, folder):
        self.nursery, self.control, self.folder = nursery, nursery.control, folder
        self.home = RemoteHome(nursery, folder / "kept")
        self.kept_journal = Journal(folder / "kept-journal")
        assert Script(self.home, self.kept_journal).run()
        self.harmed = 0
        self.passed = cache(self._passed)

    def _passed(self, kind):
        """How many calls of a kind the script makes."""
        folder = self.fresh()
        self.control.watch(folder, kind)
        journal = self.journal()
        assert Script(RemoteHome(self.nursery, folder), journal).run()
        journal.close()
        return self.control.passed

    def fresh(self):
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        return shutil.copytree(self.folder / "kept", self.folder / "data")

    def journal(self):
        shutil.copyfile(self.folder / "kept-journal", self.folder / "journal")
        return Journal(self.folder / "journal")

    def harm(self, kind, action, error, first, times=1):
        """Run the script with a call harmed, start again, and check that all that was acknowledged is there."""
        folder, journal = self.fresh(), self.journal()
        home = RemoteHome(self.nursery, folder)
        script = Script(home, journal)
        self.control.watch(folder, kind)
        self.control.harm(action, first, times=times, error=error)
        try:
            script.run()
        finally:
            home.kill()
            self.harmed += self.control.harmed > 0
            self.control.rest()
        acknowledged = Acknowledged()
        with looking_at(folder) as store:
            check_store(store, acknowledged, journal)
            assert store.add([Draft(text="shared words")], [embed("shared words")])
        journal.close()

    def close(self):
        self.kept_journal.close()


@pytest.fixture(scope="module")
def kept(_nursery):
    with in_memory() as folder:
        made = Trying(_nursery[0], folder)
        yield made
        made.close()


@pytest.fixture
def trying(control, kept):
    """The same folder and script for every test."""
    kept.harmed = 0
    return kept


@pytest.mark.parametrize(("kind", "action", "error"), HARMS)
@pytest.mark.parametrize("most", [1, pytest.param(10_000, marks=pytest.mark.faults)])
def test_an_error_of_any_call_to_the_disk_loses_nothing_acknowledged(
    trying, tally, kind, action, error, most
):
    calls = trying.passed(kind)
    chance = random.Random(f"{kind} {error}")
    most = min(most, calls // 3) if action == "cut short" else most  # it differs from a failure by little
    for first in chance.sample(range(1, calls + 1), min(calls, most)):
        trying.harm(kind, action, error, first)
    for _ in range(min(max(1, calls // 20), most)):
        trying.harm(kind, action, error, chance.randint(1, max(1, calls)), times=0)
    name = errno.errorcode[error]
    what = f"{name} after half of the n-th {kind}" if action == "cut short" else f"{name} at the n-th {kind}"
    tally(what, trying.harmed)


def test_a_disk_that_loses_writes_in_silence_is_noticed(trying, control, tally):
    home, journal = RemoteHome(trying.nursery, trying.fresh()), trying.journal()
    script = Script(home, journal)
    script.store = home.open()
    control.watch(home.folder, "write")
    control.harm("skip", 1, times=0)
    script.add("lost")
    control.rest()
    home.kill()
    with looking_at(home.folder) as store, pytest.raises(AssertionError, match=r"memory \d+ is gone"):
        check_store(store, Acknowledged(), journal)
    journal.close()
    tally("control: writes that are lost in silence", result="noticed, as it must be")


@pytest.mark.parametrize("part", [".archive.restoring", ".memory.db.restoring"])
def test_an_archive_for_which_there_is_no_room_changes_nothing(trying, control, memory_path, part):
    other = EmbeddedHome(memory_path / "other")
    add(other.open(), "of the other")
    with closing(other.store.archive(None, None).pieces) as pieces:
        archive = b"".join(pieces)
    other.close()
    home = RemoteHome(trying.nursery, trying.fresh())
    store = home.open()
    texts = texts_of(store)
    control.watch(home.folder, "write", part=part)
    control.harm("fail", 1, times=0, error=errno.ENOSPC)
    with pytest.raises(DiskFull, match="nothing was restored"):
        store.restore_archive(io.BytesIO(archive))
    control.rest()
    assert texts_of(store) == texts
    assert not list(home.folder.glob(".*restoring*"))
    assert store.restore_archive(io.BytesIO(archive)).memories == 1
    assert list(texts_of(store).values()) == ["of the other"]
    home.close()


@pytest.mark.parametrize("tries", [4, pytest.param(10_000, marks=pytest.mark.faults)])
def test_search_by_words_is_whole_while_there_is_no_room(trying, control, tries):
    """search.db has to be made anew, and the disk is full from some call on."""
    most = made_anew(trying, control, 0)
    for first in range(1, most + 1, max(2, most // tries)):
        made_anew(trying, control, first)


def test_what_could_be_written_nowhere_is_made_anew_when_there_is_room_again(trying, control):
    folder = trying.fresh()
    home = RemoteHome(trying.nursery, folder)
    store = home.open()
    with closing(sqlite3.connect(folder / "search.db")) as connection:
        connection.execute("DROP TABLE tags")
        connection.commit()
    control.watch("/", "write", part="search.db")
    control.harm("fail", 1, times=0, error=errno.ENOSPC)
    for _ in range(2):
        with pytest.raises(DiskFull):
            store.tags(EVERYTHING)
    control.rest()
    check_wholly(store)
    home.close()


def made_anew(trying, control, first):
    """Lose search.db with the disk full from its n-th write on, for good; gives the number of writes."""
    folder = trying.fresh()
    # It is whole at the first try: the next one would come when the test is long over.
    home = RemoteHome(trying.nursery, folder, constants={"SECONDS_BEFORE_ANOTHER_TRY": 3600.0})
    store = home.open()
    texts = texts_of(store)
    with closing(sqlite3.connect(folder / "search.db")) as connection:
        connection.execute("DROP TABLE tags")
        connection.commit()
    control.watch(folder, "write", part="search.db")
    if first:
        control.harm("fail", first, times=0, error=errno.ENOSPC)
    store.tags(EVERYTHING)  # notices that search.db is damaged
    try:
        until(lambda: not store.rebuilding(), f"search by words is whole, full from write {first} on")
        found = {memory_id for memory_id, _ in matching(store, "shared", EVERYTHING, len(texts))}
        assert found == texts.keys()
        passed = control.passed
        control.rest()
        home.close()
        with looking_at(folder) as again:
            check_wholly(again)
    finally:
        control.rest()
        home.kill()
    return passed
