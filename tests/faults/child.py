"""`python -m tests.faults.child DATA JOURNAL`: writers on a store that is killed at the point FAULT_POINT names.

The product knows nothing of it: its parts are wrapped here, in this process alone.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from faiss_memory.memory import Change, Draft
from faiss_memory.settings import prepare_process

prepare_process()

from faiss_memory.store import EmbeddedStore, embedded, vector_files  # noqa: E402
from faiss_memory.store.catalogue import Catalogue  # noqa: E402
from faiss_memory.store.committer import Committer  # noqa: E402
from faiss_memory.store.indexes import Indexes  # noqa: E402
from tests.fakes import DIMENSION  # noqa: E402
from tests.faults.journal import Journal  # noqa: E402
from tests.store.oracle import embed  # noqa: E402

POINTS = (
    "after BEGIN", "between the calls of a group", "before COMMIT", "after COMMIT", "inside the catalogue",
    "between catalogue and vectors", "before the answers", "while an index is saved", "between index and sidecar",
    "before the catalogue is settled",
)  # fmt: skip
_left, _lock = int(os.environ.get("FAULT_COUNT", "0")), Lock()


def reach(point: str) -> None:
    """Die here, if it is the point and often enough has passed by."""
    global _left
    if os.environ.get("FAULT_POINT") != point:
        return
    with _lock:
        _left -= 1
        if _left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Connection:
    """The committer's connection, stopped at its statements."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str, *values: Any) -> Any:
        if sql == "COMMIT":
            reach("before COMMIT")
        if sql == "SAVEPOINT call":
            reach("between the calls of a group")
        found = self._connection.execute(sql, *values)
        if sql == "BEGIN IMMEDIATE":
            reach("after BEGIN")
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def before(owner: Any, name: str, point: str) -> None:
    function = getattr(owner, name)

    def wrapped(*arguments: Any, **options: Any) -> Any:
        reach(point)
        return function(*arguments, **options)

    setattr(owner, name, wrapped)


def wrap() -> None:
    publish = Committer._published

    def published(self: Committer, changes: Any) -> None:
        reach("after COMMIT")
        publish(self, changes)
        reach("before the answers")

    Committer._published = published  # type: ignore[method-assign]
    before(Catalogue, "_put", "inside the catalogue")
    before(Indexes, "add_vectors", "between catalogue and vectors")
    before(vector_files.VectorFiles, "save", "while an index is saved")
    before(Catalogue, "settle", "before the catalogue is settled")
    replace_file = vector_files.replace_file

    def replace_one(path: Path, write: Callable[[Any], object]) -> None:
        if path.suffix == ".json":
            reach("between index and sidecar")
        replace_file(path, write)

    vector_files.replace_file = replace_one  # type: ignore[attr-defined]
    embedded.SAVE_AFTER, embedded.SECONDS_BETWEEN_SAVES = 10, 0.0


def work(store: EmbeddedStore, journal: Journal, worker: int, calls: int) -> None:
    chance, mine = random.Random(os.getpid() * 100 + worker), []
    for number in range(calls):
        text = f"shared words {os.getpid()} {worker} {number} " + "ledger " * chance.choice([1, 90])
        kind = chance.random()
        if kind < 0.55 or not mine:
            texts = [f"{text} {n}" for n in range(chance.choice([1, 1, 4]))]
            journal.asked(worker, "add", texts=texts)
            added = store.add(
                [Draft(text=one, project=f"p{worker % 2}") for one in texts], [embed(one) for one in texts]
            )
            ids = [one.id or 0 for one in added]
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


def main(data: Path, journal: Journal) -> None:
    store = EmbeddedStore(data, lambda error: os._exit(3))
    store.open()
    store._committer._truth.connection = Connection(store._committer._truth.connection)  # type: ignore[assignment]
    store.use_model("fake@1", "fake", DIMENSION)
    writers = [Thread(target=work, args=(store, journal, worker, 12)) for worker in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    store.close()


if __name__ == "__main__":
    wrap()
    main(Path(sys.argv[1]), Journal(Path(sys.argv[2])))
