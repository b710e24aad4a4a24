"""The two pieces that threads meet in: the lock around the indexes, and the one thread that writes."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Thread

import pytest

from faiss_memory.errors import StoreError
from faiss_memory.memory import Draft
from faiss_memory.store.backup.timeline import History
from faiss_memory.store.committer import Committer
from faiss_memory.store.index import rwlock
from faiss_memory.store.index.rwlock import ReadersWriterLock
from faiss_memory.store.records.database import Truth
from faiss_memory.store.reserve import Reserve
from tests.store.asking import matching, nearest
from tests.store.oracle import EVERYTHING, EmbeddedHome, add, embed, embed_query, until


def start(target):
    thread = Thread(target=target, daemon=True)
    thread.start()
    return thread


def join(*threads):
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


# The lock.


def test_readers_share_the_lock():
    lock, together = ReadersWriterLock(), Barrier(3)

    def read():
        with lock.reading():
            together.wait(30)  # passes only if all three are inside at once

    join(*[start(read) for _ in range(3)])


def test_a_slow_reader_keeps_no_other_reader_waiting_behind_a_writer():
    lock, is_inside, may_leave, wrote = ReadersWriterLock(), Event(), Event(), Event()

    def read_slowly():
        with lock.reading():
            is_inside.set()
            assert may_leave.wait(60)

    def read():
        with lock.reading():
            pass

    def write():
        with lock.writing():
            wrote.set()

    slow = start(read_slowly)
    assert is_inside.wait(30)
    writer = start(write)
    until(lambda: lock._writer_waits, "the writer waits")
    for _ in range(20):
        join(start(read))
    assert not wrote.is_set()
    may_leave.set()
    join(slow, writer)
    join(start(read))


def test_readers_that_follow_each_other_do_not_keep_a_writer_out():
    lock, wrote = ReadersWriterLock(), Event()

    def read():
        while not wrote.is_set():
            with lock.reading():
                pass

    readers = [start(read) for _ in range(4)]
    with lock.writing():
        wrote.set()
    join(*readers)


def test_a_writer_is_alone():
    lock, inside, most = ReadersWriterLock(), [], []

    def work(number):
        for _ in range(300):
            with lock.writing() if number % 2 else lock.reading():
                inside.append(number)
                if number % 2:
                    most.append(len(inside))
                inside.remove(number)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert set(most) == {1}


def test_a_waiting_writer_lets_no_new_reader_pass(monkeypatch):
    monkeypatch.setattr(rwlock, "FIRST_HOLD", 60)
    lock, first_may_go, order = ReadersWriterLock(), Event(), []

    def first():
        with lock.reading():
            assert first_may_go.wait(30)

    def write():
        with lock.writing():
            order.append("writer")

    def second():
        with lock.reading():
            order.append("reader")

    reading = start(first)
    until(lambda: lock._readers.total() == 1, "the first reads")
    writing = start(write)
    until(lambda: lock._writer_waits, "the writer waits")
    late = start(second)
    until(lambda: lock._readers_waiting == 1, "the late reader waits")
    first_may_go.set()
    join(reading, writing, late)
    assert order == ["writer", "reader"]


def test_a_writer_that_is_done_lets_the_readers_pass_that_waited():
    lock, order = ReadersWriterLock(), []

    def read():
        with lock.reading():
            order.append("reader")

    def write():
        with lock.writing():
            order.append("writer")

    with lock.writing():
        writing = start(write)  # it waits for the lock too, and may well be woken first
        readers = [start(read) for _ in range(3)]
        until(lambda: lock._readers_waiting == 3, "the readers wait")
    join(writing, *readers)
    assert order == ["reader"] * 3 + ["writer"]


def test_an_error_inside_gives_the_lock_back():
    lock = ReadersWriterLock()
    with pytest.raises(ValueError, match="w"), lock.writing():
        raise ValueError("w")
    with pytest.raises(ValueError, match="r"), lock.reading():
        raise ValueError("r")
    with lock.writing():
        pass


# The committer.


class Wrapped:
    """A connection that fails where it is told to, as a failing disk makes it."""

    def __init__(self, connection):
        self._connection = connection
        self.fails_at: dict[str, str] = {}
        self.ran: list[str] = []

    def execute(self, sql, *values):
        self.ran.append(sql)
        for part, name in self.fails_at.items():
            if sql.startswith(part):
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorname = name
                raise error
        return self._connection.execute(sql, *values)

    def __getattr__(self, name):
        return getattr(self._connection, name)


class Writing:
    """A committer with its truth, and what it told."""

    def __init__(self, folder):
        self.truth = Truth(folder / "memory.db")
        self.connection = self.truth.connection = Wrapped(self.truth.connection)
        self.failures, self.published = [], []
        self.committer = Committer(
            self.truth,
            History(folder, 10, self.truth),
            self.published.append,
            self.failures.append,
            Reserve(folder),
        )

    def add(self, text, **options):
        return self.committer.run(
            lambda truth, changes: truth.add([Draft(text=text)], [None], changes), **options
        )

    def held_up(self):
        """Keep the committer busy until the event that is given is set."""
        reached, go_on = Event(), Event()

        def wait(_):
            reached.set()
            assert go_on.wait(30)

        start(lambda: self.committer.read(wait))
        assert reached.wait(30)
        return go_on

    def commits(self):
        return self.connection.ran.count("COMMIT")


@pytest.fixture
def writing(tmp_path):
    made = Writing(tmp_path)
    yield made
    made.committer.close()
    made.truth.close()


def submit(writing, pool, *calls):
    """Hand in calls in this order while the committer is held up, then let it go; gives their futures."""
    go_on, futures = writing.held_up(), []
    for call in calls:
        futures.append(pool.submit(call))
        until(lambda: len(writing.committer._queue) == len(futures), "the call is queued")
    go_on.set()
    return futures


def test_what_is_queued_is_committed_once(writing):
    with ThreadPoolExecutor(8) as pool:
        futures = submit(writing, pool, *[lambda n=n: writing.add(f"{n}") for n in range(8)])
        assert [future.result() for future in futures] == [[n] for n in range(1, 9)]
    assert writing.commits() == 1
    assert [len(changes.stored) for changes in writing.published] == [8]


def test_a_call_that_must_be_alone_sees_everything_before_it_published(writing):
    seen = []

    def alone(truth, changes):
        seen.append(sum(len(part.stored) for part in writing.published))
        return truth.add([Draft(text="alone")], [None], changes)

    with ThreadPoolExecutor(5) as pool:
        calls = [lambda n=n: writing.add(f"{n}") for n in range(4)]
        calls.insert(2, lambda: writing.committer.run(alone, alone=True))
        for future in submit(writing, pool, *calls):
            future.result()
    assert seen == [2]
    assert [len(changes.stored) for changes in writing.published] == [2, 1, 2]


@pytest.mark.parametrize(
    "error", [ValueError("mine"), KeyboardInterrupt("mine"), sqlite3.IntegrityError("mine")]
)
def test_an_error_in_one_call_reaches_its_caller_alone(writing, error):
    def broken(truth, changes):
        truth.add([Draft(text="half done")], [None], changes)
        raise error

    with ThreadPoolExecutor(3) as pool:
        futures = submit(
            writing, pool,
            lambda: writing.add("before"),
            lambda: writing.committer.run(broken),
            lambda: writing.add("after"),
        )  # fmt: skip
        assert futures[1].exception() is error
        assert (futures[0].result(), futures[2].result()) == ([1], [2])
    with pytest.raises(type(error), match="mine"):
        writing.committer.read(lambda truth: (_ for _ in ()).throw(error))
    assert writing.add("later") == [3]
    texts = [memory.text for memory in writing.committer.read(lambda truth: list(truth.memories()))]
    assert texts == ["before", "after", "later"]
    assert writing.failures == []


def test_closing_finishes_what_is_queued_and_refuses_the_rest(writing):
    with ThreadPoolExecutor(4) as pool:
        go_on, futures = writing.held_up(), []
        for n in range(3):
            futures.append(pool.submit(writing.add, f"{n}"))
            until(lambda: len(writing.committer._queue) == len(futures), "the call is queued")
        closing = pool.submit(writing.committer.close)
        until(lambda: writing.committer._closing, "it is closing")
        with pytest.raises(StoreError, match="stopping"):
            writing.add("too late")
        with pytest.raises(StoreError, match="stopping"):
            writing.committer.read(lambda truth: truth.count())
        go_on.set()
        closing.result(30)
        assert [future.result() for future in futures] == [[1], [2], [3]]


@pytest.mark.parametrize(
    "name", ["SQLITE_IOERR_FSYNC", "SQLITE_IOERR_WRITE", "SQLITE_CORRUPT", "SQLITE_READONLY"]
)
@pytest.mark.parametrize("place", ["BEGIN", "INSERT INTO memories", "COMMIT"])
def test_an_io_error_stops_the_writing_for_good(writing, name, place):
    writing.add("safe")
    writing.connection.fails_at = {place: name}
    with pytest.raises(StoreError, match="acknowledged before is safe"):
        writing.add("lost")
    writing.connection.fails_at = {}
    committed = writing.commits()
    for _ in range(3):
        with pytest.raises(StoreError, match="started again"):
            writing.add("refused though the disk seems well again")
    assert len(writing.failures) == 1
    assert writing.commits() == committed
    assert [len(changes.stored) for changes in writing.published] == [1]
    assert writing.truth.count() == 1


def test_an_io_error_reaches_every_call_of_its_group(writing):
    writing.connection.fails_at = {"COMMIT": "SQLITE_IOERR_FSYNC"}
    with ThreadPoolExecutor(5) as pool:
        futures = submit(writing, pool, *[lambda n=n: writing.add(f"{n}") for n in range(5)])
        assert all(isinstance(future.exception(), StoreError) for future in futures)
    assert len(writing.failures) == 1
    assert writing.published == []


def test_an_error_while_taking_back_stops_the_writing_and_hangs_nobody(writing):
    writing.connection.fails_at = {"COMMIT": "SQLITE_FULL", "ROLLBACK": "SQLITE_IOERR_WRITE"}
    with pytest.raises(StoreError, match="started again"):
        writing.add("lost")
    assert len(writing.failures) == 1
    writing.connection.fails_at = {}


def test_a_group_that_cannot_be_published_hangs_nobody(writing):
    def broken(_):
        raise ValueError("unforeseen")

    writing.committer._publish = broken
    for _ in range(2):
        with pytest.raises(StoreError, match="started again"):
            writing.add("safe, but seen by nobody")
    assert len(writing.failures) == 1


def test_readers_never_see_what_was_not_committed(tmp_path):
    home = EmbeddedHome(tmp_path / "data")
    store = home.open()
    add(store, "ledger")
    truth = store._opened.committer.truth
    truth.connection = Wrapped(truth.connection)
    stop, seen = Event(), set()

    def watch():
        while not stop.is_set():
            seen.update(store.matching_ids(EVERYTHING))
            seen.update(key for key, _ in matching(store, "queue", EVERYTHING, 9))
            seen.update(match.memory_id for match in nearest(store, embed_query("queue"), EVERYTHING, 9))

    def refused(truth, changes):
        truth.add([Draft(text="queue")], [embed("queue")], changes)
        raise ValueError("no")

    with ThreadPoolExecutor(3) as pool:
        watching = [pool.submit(watch) for _ in range(2)]
        for _ in range(50):
            with pytest.raises(ValueError, match="no"):
                store._opened.committer.run(refused)
        truth.connection.fails_at = {"COMMIT": "SQLITE_IOERR_FSYNC"}
        with pytest.raises(StoreError):
            add(store, "queue")
        stop.set()
        for each in watching:
            each.result()
    assert seen == {1}
    assert len(home.failures) == 1
    truth.connection.fails_at = {}
    assert [memory.text for memory in home.reopen().get([1, 2])] == ["ledger"]
    home.close()
