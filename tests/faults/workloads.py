"""What a process of the fault tests does with its store until it is killed, or done."""

from __future__ import annotations

import os
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Thread
from typing import Any

from faiss_memory.errors import MemoryServiceError, StoreError
from faiss_memory.memory import Change, Draft, Match
from faiss_memory.store import EmbeddedStore
from tests.fakes import DIMENSION
from tests.faults import broken, points
from tests.faults.journal import Journal
from tests.store.oracle import EVERYTHING, embed

EXIT_FAILED, EXIT_NOT_OPENED = 74, 75
SECONDS_TO_LIVE = 120
WRITERS = 8
SOON = {"SAVE_AFTER": 10, "SECONDS_BETWEEN_SAVES": 0.0, "LEAST_TO_ROLL": 30_000, "TIMES_TO_ROLL": 0}
"""What otherwise happens once in a long while happens in every life."""
ENOUGH_EACH = 12
"""Memories that a writer keeps; beyond that it forgets more than it adds, so that a folder serves many lives."""


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
    broken.prepare(request.get("broken"))
    if "point" in request:
        points.arm(request["point"], request["count"])


def opened(request: dict[str, Any], on_failure: Callable[[StoreError], None]) -> EmbeddedStore:
    store = EmbeddedStore(Path(request["data"]), on_failure, request.get("max_backups", 10))
    try:
        store.open()
        store.use_model("fake@1", "fake", DIMENSION)
    except BaseException:
        store.close()
        raise
    return broken.spoilt(store, request.get("broken"))


# Eight writers and a reader.


def write(request: dict[str, Any], _: list[int]) -> int:
    journal = Journal(Path(request["journal"]))
    try:
        store = opened(request, lambda _: os._exit(EXIT_FAILED))
    except StoreError as error:
        print(error, file=sys.stderr)
        return EXIT_NOT_OPENED
    stop = Event()
    known = store.matching_ids(EVERYTHING)
    journal.found((memory.id, memory.text) for memory in store.get(known))
    writers = [
        Thread(target=_writer, args=(store, journal, worker, known[worker::WRITERS], request["calls"]))
        for worker in range(WRITERS)
    ]
    watching = [Thread(target=_reader, args=(store, journal, stop))]
    if request["work"] == "back up":
        watching.append(Thread(target=_backer_up, args=(store, stop)))
    for thread in [*watching, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in watching:
        thread.join()
    store.close()
    return 0


def _writer(store: EmbeddedStore, journal: Journal, worker: int, mine: list[int], calls: int) -> None:
    chance = random.Random(os.getpid() * 100 + worker)
    for number in range(calls):
        text = f"shared words {os.getpid()} {time.monotonic_ns()} {worker} {number} "
        text += "ledger " * chance.choice([1, 1, 1, 90])
        kind = chance.random() + (0.45 if len(mine) > ENOUGH_EACH else 0)
        if kind < 0.55 or not mine:
            texts = [f"{text} {n}" for n in range(chance.choice([1, 1, 4]))]
            journal.asked(worker, "add", texts=texts)
            drafts = [Draft(text=one, project=f"p{worker % 2}") for one in texts]
            ids = [one.id or 0 for one in store.add(drafts, [embed(one) for one in texts])]
            mine += ids
        elif kind < 0.8:
            ids = [chance.choice(mine)]
            journal.asked(worker, "change", ids, [text])
            store.change(ids[0], Change(text=text), embed(text))
        else:
            ids = [mine.pop(chance.randrange(len(mine)))]
            journal.asked(worker, "forget", ids)
            store.forget(ids)
        journal.done(worker, ids)


def _reader(store: EmbeddedStore, journal: Journal, stop: Event) -> None:
    """Note every text that can be read; whatever was seen must not be taken back."""
    noted: set[tuple[int, str]] = set()
    while not stop.is_set():
        found = {(memory.id, memory.text) for memory in store.select(EVERYTHING, limit=50)}
        if found - noted:
            journal.seen(found - noted)
            noted |= found


def _backer_up(store: EmbeddedStore, stop: Event) -> None:
    while not stop.is_set():
        store.backup("under writers")


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
            nearest = self._store.nearest(embed(text).vectors[0], EVERYTHING, 1)
            matching = self._store.matching(text.split()[1], EVERYTHING, 5)
            found[memory_id] = nearest, [key for key, _ in matching]
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
    "restore": start,
    "start": start,
    "answer calls": answer_calls,
    "purge": answer_calls,
}
