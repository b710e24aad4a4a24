"""What a process of the fault tests does with its store until it is killed, or done."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Thread
from typing import Any

from faiss_memory.errors import Conflict, MemoryServiceError, StoreError
from faiss_memory.memory import Change, Draft, Match
from faiss_memory.store import EmbeddedStore
from faiss_memory.store.index.rwlock import ReadersWriterLock
from faiss_memory.store.purge import purge
from faiss_memory.store.records import clock
from tests.fakes import DIMENSION
from tests.faults import broken, points
from tests.faults.journal import Journal, some_mark
from tests.store.asking import matching, nearest
from tests.store.oracle import EVERYTHING, embed

EXIT_FAILED, EXIT_NOT_OPENED = 74, 75
SECONDS_TO_LIVE = 600
WRITERS = 8
SOON = {"SAVE_AFTER": 10, "SECONDS_BETWEEN_SAVES": 0.0, "LEAST_TO_ROLL": 30_000, "TIMES_TO_ROLL": 0}
"""What otherwise happens once in a long while happens in every life."""
ENOUGH_EACH = 12
"""Memories that a writer keeps; beyond that it forgets more than it adds, so that a folder serves many lives."""
PURGES = 3
"""Of each life that purges, while writers go on."""
SECONDS_TO_REWRITE = 0.03
"""As if there were much to rewrite; writers go on meanwhile."""
TIMES_FASTER = 50
"""Writes of one second share a backup."""
SECONDS_BETWEEN_BACKUPS = 0.1
"""Beside purges, each of which rewrites every backup."""


def run(request: dict[str, Any], descriptors: list[int]) -> int:
    """Live as the request says; gives the exit code."""
    prepare(request)
    return WORK[request["work"]](request, descriptors)


def prepare(request: dict[str, Any]) -> None:
    """Make of this process what the request says, before its store is made."""
    for module in [sys.modules[name] for name in sys.modules if name.startswith("faiss_memory.store.")]:
        if "boot" in request and hasattr(module, "boot_id"):
            module.boot_id = lambda: request["boot"]
        for name, value in {**SOON, **request.get("constants", {})}.items():
            if hasattr(module, name):
                setattr(module, name, value)
    if request["work"] == "purge beside writers":
        _hurry(request["since"])
    broken.prepare(request.get("broken"))
    if "point" in request:
        points.arm(request["point"], request["count"])


def _hurry(since: float) -> None:
    """Let backups be made while the files of older ones are rewritten, as in a larger store."""
    rewrite = purge.rewrite_store

    def slowly(*given: Any) -> Any:
        done = rewrite(*given)
        time.sleep(SECONDS_TO_REWRITE)
        return done

    purge.rewrite_store = slowly
    clock.now = lambda: datetime.fromtimestamp(since + (time.time() - since) * TIMES_FASTER, UTC)


def opened(request: dict[str, Any], on_failure: Callable[[StoreError], None]) -> EmbeddedStore:
    store = EmbeddedStore(Path(request["data"]), on_failure, request.get("max_backups", 10))
    try:
        store.open()
        store.use_model("fake@1", "fake", DIMENSION)
    except BaseException:
        store.close()
        raise
    return broken.spoilt(store, request.get("broken"))


# Eight writers and a reader, and who copies, purges or restores beside them.


def write(request: dict[str, Any], _: list[int]) -> int:
    journal = Journal(Path(request["journal"]))
    try:
        store = opened(request, lambda _: os._exit(EXIT_FAILED))
    except StoreError as error:
        print(error, file=sys.stderr)
        return EXIT_NOT_OPENED
    if request.get("broken") is None:
        threading.excepthook = _end_of_a_life
    known = store.matching_ids(EVERYTHING)
    journal.found((memory.id, memory.text) for memory in store.get(known))
    together, writers = Together(store, journal), []
    for worker in range(WRITERS):
        given = (together, worker, known[worker :: WRITERS + 1], request["calls"])
        writers.append(Thread(target=_writer, args=given))
    if "purge" in request["work"]:
        together.purging.set()
        writers.append(Thread(target=_purger, args=(together, known[WRITERS :: WRITERS + 1])))
    watching = [
        Thread(target=target, args=(together,)) for target in (_reader, *BESIDE.get(request["work"], []))
    ]
    for thread in [*watching, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    together.stop.set()
    for thread in watching:
        thread.join()
    store.close()
    return 0


def _end_of_a_life(failed: threading.ExceptHookArgs) -> None:
    """A thread that fails fails the test, instead of leaving the others alone."""
    threading.__excepthook__(failed)
    os._exit(EXIT_FAILED)


class Together:
    """What the threads of a life share."""

    def __init__(self, store: EmbeddedStore, journal: Journal) -> None:
        self.store, self.journal = store, journal
        self.stop, self.purging = Event(), Event()
        self.content = ReadersWriterLock()
        """Held as a reader by who changes what the store holds, and alone by who puts the same in its place."""

    def add(self, worker: int, texts: list[str]) -> list[int]:
        with self.content.reading():
            self.journal.asked(worker, "add", texts=texts)
            drafts = [Draft(text=one, project=f"p{worker % 2}") for one in texts]
            ids = [one.id or 0 for one in self.store.add(drafts, [embed(one) for one in texts])]
            self.journal.done(worker, ids)
        return ids

    def change(self, worker: int, memory_id: int, text: str) -> None:
        with self.content.reading():
            self.journal.asked(worker, "change", [memory_id], [text])
            self.store.change(memory_id, Change(text=text), embed(text))
            self.journal.done(worker, [memory_id])

    def forget(self, worker: int, ids: list[int]) -> None:
        with self.content.reading():
            self.journal.asked(worker, "forget", ids)
            self.store.forget(ids)
            self.journal.done(worker, ids)

    def purge(self, worker: int, ids: list[int], texts: list[str]) -> None:
        """Raises Conflict, and nothing is purged."""
        self.journal.asked(worker, "purge", ids)
        try:
            self.store.purge(ids)
        except Conflict:
            self.journal.refused(worker)
            raise
        self.journal.done(worker, ids)
        self.journal.purged(texts)


def _some_text(chance: random.Random, worker: int) -> str:
    return f"shared words {some_mark(worker)} " + "ledger " * chance.choice([1, 1, 1, 90])


def _writer(together: Together, worker: int, mine: list[int], calls: int) -> None:
    chance = random.Random(os.getpid() * 100 + worker)
    while calls > 0 or together.purging.is_set():
        calls -= 1
        kind = chance.random() + (0.45 if len(mine) > ENOUGH_EACH else 0)
        if kind < 0.55 or not mine:
            mine += together.add(
                worker, [_some_text(chance, worker) for _ in range(chance.choice([1, 1, 4]))]
            )
        elif kind < 0.8:
            together.change(worker, chance.choice(mine), _some_text(chance, worker))
        else:
            together.forget(worker, [mine.pop(chance.randrange(len(mine)))])


def _reader(together: Together) -> None:
    """Note every text that can be read; whatever was seen must not be taken back."""
    noted: set[tuple[int, str]] = set()
    while not together.stop.is_set():
        found = {(memory.id, memory.text) for memory in together.store.select(EVERYTHING, limit=50)}
        if found - noted:
            together.journal.seen(found - noted)
            noted |= found


def _backer_up(together: Together) -> None:
    while not together.stop.is_set():
        together.store.backup("under writers")


def _now_and_then_backer_up(together: Together) -> None:
    together.store.backup("before purges")
    while not together.stop.wait(SECONDS_BETWEEN_BACKUPS):
        together.store.backup("between purges")


def _purger(together: Together, mine: list[int]) -> None:
    """Purge memories of this life and of earlier ones, some of them changed or forgotten before."""
    worker, number = WRITERS, 0
    chance = random.Random(os.getpid() * 100 + worker)
    while number < PURGES:
        texts = [_some_text(chance, worker) for _ in range(3)]
        ids = together.add(worker, texts)
        older = chance.sample(mine, min(len(mine), chance.choice([0, 1, 2])))
        texts += [memory.text for memory in together.store.get(older)]
        mine = [memory_id for memory_id in [*mine, ids.pop()] if memory_id not in older]
        if chance.random() < 0.3:
            texts.append(_some_text(chance, worker))
            together.change(worker, ids[0], texts[-1])
        if chance.random() < 0.3:
            together.forget(worker, ids[:1])
        del texts[2]  # it is of the one that stays
        with suppress(Conflict):  # with a restore; another time
            together.purge(worker, [*ids, *older], texts)
            number += 1
    together.purging.clear()


def _restorer(together: Together) -> None:
    """Put what is there in its own place, from a backup or from the log: whatever is purged meanwhile stays away."""
    by_name = True
    while not together.stop.wait(SECONDS_BETWEEN_BACKUPS):
        by_name = not by_name
        with together.content.writing(), suppress(Conflict):  # with a purge
            together.store.restore(together.store.backup("to restore").name if by_name else clock.now())


BESIDE: dict[str, list[Callable[[Together], None]]] = {
    "back up": [_backer_up],
    "purge beside writers": [_now_and_then_backer_up],
    "purge and restore": [_restorer],
}


# Opened and closed, and nothing else: for what happens at a start.


def start(request: dict[str, Any], _: list[int]) -> int:
    try:
        opened(request, lambda _: None).close()
    except StoreError as error:
        print(error, file=sys.stderr)
        return EXIT_NOT_OPENED
    return 0


# Call by call, as the test asks.


class Asked:
    """A store and what a test asks of its process beside it."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request
        self._store: EmbeddedStore | None = None
        self._failures: list[StoreError] = []

    def open(self, *, model: bool) -> None:
        store = EmbeddedStore(
            Path(self._request["data"]), self._failures.append, self._request.get("max_backups", 10)
        )
        try:
            store.open()
            if model:
                store.use_model("fake@1", "fake@1", DIMENSION)
        except BaseException:
            store.close()
            raise
        self._store = broken.spoilt(store, self._request.get("broken"))

    def failures(self) -> list[StoreError]:
        return self._failures

    def found_by(self, texts: dict[int, str]) -> dict[int, tuple[list[Match], list[int]]]:
        """What each text's first passage is nearest to, and what its second word is found in."""
        assert self._store is not None
        found = {}
        for memory_id, text in texts.items():
            near = nearest(self._store, embed(text).vectors[0], EVERYTHING, 1)
            words = matching(self._store, text.split()[1], EVERYTHING, 5)
            found[memory_id] = near, [key for key, _ in words]
        return found

    def time(self) -> float:
        return time.time()

    def call(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return getattr(self._store, name)(*arguments, **options)


def answer_calls(request: dict[str, Any], descriptors: list[int]) -> int:
    asked, connection = Asked(request), Connection(descriptors[0])
    for name, arguments, options in _received(connection):
        try:
            answer = (True, getattr(asked, name)(*arguments, **options))
        except Exception as error:  # noqa: BLE001  (it is raised where it was asked for)
            answer = (False, error)
            if not isinstance(error, MemoryServiceError):
                traceback.print_exc()  # nobody meant to raise this one
        connection.send(answer)
    return EXIT_FAILED if asked.failures() else 0


def _received(connection: Connection) -> Iterator[Any]:
    try:
        while True:
            yield connection.recv()
    except EOFError:
        return


WORK: dict[str, Callable[[dict[str, Any], list[int]], int]] = {
    "write": write,
    "back up": write,
    "purge beside writers": write,
    "purge and restore": write,
    "restore": start,
    "start": start,
    "migrate": start,
    "answer calls": answer_calls,
    "purge": answer_calls,
}
