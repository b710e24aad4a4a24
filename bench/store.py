"""The store alone, vectors ready, empty and large: adding, the size of its backups, starting, restoring.

usage: python -m bench.store [COUNT …]
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from bench import searching
from bench.measure import percentile, resident_mb, timed
from bench.synthetic import MODEL, Source, make
from faiss_memory.memory import Filter
from faiss_memory.store import EmbeddedStore
from tests.store.asking import matching, nearest

Row = tuple[str, str, str]
SIZES, LARGE = (0, 100_000), 1_000_000
ALONE, WRITERS, EACH = 400, 64, 50
BATCH = 200
KEPT = 10
"""Automatic backups that stay, besides those that are kept by hour and day; the default of the settings."""
WHERE = Filter(projects=("default",))


def main() -> None:
    """Print the rows for the sizes given."""
    sizes = [int(given) for given in sys.argv[1:]] or SIZES
    with tempfile.TemporaryDirectory(prefix="bench-store-") as folder:
        for name, value, aim in measure(Path(folder), sizes):
            print(f"| {name} | {value} | {aim} |")


def measure(folder: Path, sizes: Any = SIZES) -> list[Row]:
    """Measure stores of several sizes, one after the other; each is removed at the end."""
    rows: list[Row] = []
    for size in sizes:
        data = folder / f"store-{size}"
        began = time.perf_counter()
        made = OneSize(data, size)
        _tell(f"a store of {size:,} memories is made")
        made.prepare()
        for what in (made.searching, made.writing, made.rolling, made.starting, made.restoring):
            _tell(
                f"a store of {size:,} memories: {what.__name__}, {time.perf_counter() - began:.0f} s so far"
            )
            rows += [(f"store of {size:,}: {name}", value, aim) for name, value, aim in what()]
        shutil.rmtree(data)
    return rows


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@dataclass
class OneSize:
    """A store of one size, and what is measured of it."""

    data: Path
    size: int
    source: Source = field(default_factory=lambda: Source(2))

    def prepare(self) -> None:
        """Make its files, and let the store derive the rest."""
        self.data.mkdir()
        make(self.data, self.size)
        with opened(self.data):
            pass

    def searching(self) -> list[Row]:
        """Search it, and compare with what an exact search finds."""
        if not self.size:
            return []
        with opened(self.data) as store:
            return searching.measure(store, searching.exact_answers(self.size))

    def writing(self) -> list[Row]:
        """Add one by one, in turns with a bare commit and sync, and then from many threads."""
        drafts = iter(self.source.drafts(ALONE + WRITERS * EACH))
        bare, alone, bare_alone = Bare(self.data.with_suffix(".bare")), [], []
        with opened(self.data) as store:
            for draft, embedding in islice(drafts, ALONE):
                bare_alone.append(timed(bare))
                alone.append(timed(lambda d=draft, e=embedding: store.add([d], [e])))
            rest = list(drafts)
            took, seconds = _at_once(store, [rest[number::WRITERS] for number in range(WRITERS)])
        bare.close()
        return [
            (
                "add, logged, committed, backed up and visible, p50 / p99",
                f"{_two(alone)} (a bare insert, sync and commit: {_two(bare_alone)})",
                "≤ 4 ms p50",
            ),
            (
                f"{WRITERS} threads adding",
                f"{len(rest) / seconds:,.0f} adds/s, p99 {percentile(took, 0.99):.0f} ms",
                "≥ 2,500 adds/s",
            ),
        ]

    def rolling(self) -> list[Row]:
        """Add in batches until a new base was made, and one by one meanwhile; then let the older backups go."""
        bases = {path.name for path in self.bases()}
        shares, alone = [], []
        with opened(self.data) as store:
            enough = max(self.size // 4, 30_000)
            added, began = 0, time.perf_counter()
            making = 0.0
            while added < 4 * enough and (added < enough or {path.name for path in self.bases()} <= bases):
                if not making or time.perf_counter() - making > 0.05:
                    drafts, embeddings = zip(*self.source.drafts(BATCH), strict=True)
                    store.add(drafts, embeddings)
                    added += BATCH
                if list(self.data.glob("backups/.store/*.new")):
                    making = time.perf_counter()
                    draft, embedding = self.source.drafts(1)[0]
                    alone.append(timed(lambda d=draft, e=embedding: store.add([d], [e])))
                shares.append(self.share())
            rate = added / (time.perf_counter() - began)
            calm = 0
            for draft, embedding in self.source.drafts(6 * KEPT):
                store.add([draft], [embedding])
                time.sleep(1.01)  # backups of one second share a folder
                calm = calm + 1 if self.is_at_rest() else 0
                if calm > 3:  # else the next base is due, and is made meanwhile
                    break
            rest = self.share()
        busy = f"{_two(alone)}, {1000 * max(alone):.0f} ms at most" if alone else "none was made"
        return [
            (f"adding {added:,} more, {BATCH} a call", f"{rate:,.0f} memories/s", ""),
            ("add while a new base is made, p50 / p99", busy, ""),
            (
                "backups/ against memory.db, at rest / at most while written to",
                f"{rest:.2f} / {max(shares):.2f}",
                "≤ 1.3 / ≤ 2.4",
            ),
        ]

    def bases(self) -> list[Path]:
        """Find the finished bases."""
        return list(self.data.glob("backups/.store/base-*.db.json"))

    def is_at_rest(self) -> bool:
        """Say whether no automatic backup names an older base than the newest."""
        autos = sorted((self.data / "backups").glob("auto_*/manifest.json"))[-KEPT:]
        named = {json.loads(path.read_text())["base"] for path in autos}
        newest = max(self.bases(), key=lambda path: json.loads(path.read_text())["seq"])
        return named == {newest.name.removesuffix(".json")}

    def share(self) -> float:
        """Give the size of backups/ as a share of memory.db, without what is kept by hour and day only."""
        backups = self.data / "backups"
        autos = sorted(backups.glob("auto_*"))
        old, late = _files(autos[:-KEPT]), _files(autos[-KEPT:])
        counted = late | _files([backups / ".store"])
        for inode in old.keys() - late.keys():
            counted.pop(inode, None)
        # What memory.db has not taken from its write-ahead log yet, the newest base may hold already.
        truths = [self.data / "memory.db", *backups.glob(".store/base-*.db")]
        return sum(counted.values()) / max(path.stat().st_size for path in truths if path.exists())

    def starting(self) -> list[Row]:
        """Open it in a process of its own, as often as it takes little time."""
        found = [_in_a_process(_start, self.data)]
        while len(found) < 5 and sum(one["meaning"] for one in found) < 10:
            found.append(_in_a_process(_start, self.data))
        words, meaning, memory = (
            statistics.median(one[key] for one in found) for key in ("words", "meaning", "memory")
        )
        return [
            (
                "start to the first answer by words / by meaning",
                f"{words:.1f} / {meaning:.1f} s",
                "≤ 3 / 12 s with 1,000,000",
            ),
            ("resident memory of such a process", f"{memory:,.0f} MB", "≤ 1.5 GB with 1,000,000"),
        ]

    def restoring(self) -> list[Row]:
        """Restore the last backup while the store is open, and then by copying its files."""
        with opened(self.data) as store:
            name = store.backups()[-1].name
            began = time.perf_counter()
            store.restore(name)
            called = time.perf_counter() - began
            _until_whole(store)
            whole = time.perf_counter() - began
            name = store.backups()[-1].name if self.size else name
        for path in (self.data / "backups" / name).iterdir():
            shutil.copyfile(path, self.data / path.name)
        copied = _in_a_process(_start, self.data)
        aim = "≤ 60 s with 1,000,000"
        return [
            (
                "restore while it runs, until answered / all indexes whole",
                f"{called:.1f} / {whole:.1f} s",
                aim,
            ),
            (
                "restore by copied files, start to an answer by words / by meaning",
                f"{copied['words']:.1f} / {copied['meaning']:.1f} s",
                aim,
            ),
        ]


class Bare:
    """What no durable store does without: an insert and a line in a log, both synced."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self._folder = folder
        self._connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "CREATE TABLE rows (row)"):
            self._connection.execute(statement)
        self._log = os.open(folder / "bare.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __call__(self) -> None:
        row = b"x" * 2_500
        self._connection.execute("BEGIN")
        self._connection.execute("INSERT INTO rows VALUES (?)", (row,))
        os.write(self._log, row)
        os.fdatasync(self._log)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Remove it."""
        self._connection.close()
        os.close(self._log)
        shutil.rmtree(self._folder)


@contextmanager
def opened(data: Path) -> Iterator[EmbeddedStore]:
    """Open a store and wait until it is whole."""
    store = _open(data)
    _until_whole(store)
    yield store
    store.close()


def _open(data: Path) -> EmbeddedStore:
    store = EmbeddedStore(data, _failed, KEPT)
    store.open()
    store.use_model(*MODEL)
    return store


def _failed(error: Exception) -> None:
    raise SystemExit(f"the store stopped writing: {error}")


def _until_whole(store: EmbeddedStore) -> None:
    while store.rebuilding():
        time.sleep(0.02)
    while any(index.to_remake() is not None for index in store._indexes._by_project().values()):
        time.sleep(0.2)


def _at_once(store: EmbeddedStore, parts: list[Any]) -> tuple[list[float], float]:
    """Let each part be added by a thread of its own; gives each add's seconds, and those of the whole."""

    def write(part: Any) -> list[float]:
        return [timed(lambda d=draft, e=embedding: store.add([d], [e])) for draft, embedding in part]

    began = time.perf_counter()
    with ThreadPoolExecutor(len(parts)) as pool:
        took = [one for found in pool.map(write, parts) for one in found]
    return took, time.perf_counter() - began


def _start(data: Path) -> dict[str, float]:
    """Open a store until it answers; gives the seconds to answers by words and by meaning, and the memory in use."""
    source = Source(3)
    words, vector = " ".join(source.texts(1)[0].split()[:6]), source.vectors(1)[0]
    began = time.perf_counter()
    store = EmbeddedStore(data, _failed, KEPT)
    store.open()
    while any(part.what == "keyword" for part in store.rebuilding()):
        time.sleep(0.02)
    matching(store, words, WHERE, 10)
    answered = time.perf_counter() - began
    store.use_model(*MODEL)
    _until_whole(store)
    nearest(store, vector, WHERE, 10)
    meant = time.perf_counter() - began
    memory = resident_mb(os.getpid())
    store.close()
    return {"words": answered, "meaning": meant, "memory": memory}


def _in_a_process(call: Callable[[Path], dict[str, float]], data: Path) -> dict[str, float]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(call, data).result()


def _files(folders: list[Path]) -> dict[int, int]:
    """Give the sizes of the files in some folders, by inode: what is linked twice counts once."""
    found = {}
    for folder in folders:
        for name in os.listdir(folder):
            try:
                about = (folder / name).stat()
            except FileNotFoundError:  # it was swept meanwhile
                continue
            found[about.st_ino] = about.st_size
    return found


def _two(seconds: list[float]) -> str:
    return f"{percentile(seconds, 0.5):.1f} / {percentile(seconds, 0.99):.1f} ms"


if __name__ == "__main__":
    main()
