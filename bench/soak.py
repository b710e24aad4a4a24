"""`make soak`: half an hour of writing, searching, deleting and building at once, and what the service takes meanwhile.

usage: python -m bench.soak [--minutes 30] [--picture FILE.svg]

Fifty memories a second are added in batches of ten and twenty searches a second are asked, by REST and with the real
model. Each minute a folder is built that has changed in part, an archive is read, and what was added five minutes ago
is forgotten; each write makes its automatic backup. So from the sixth minute on nothing has a reason to grow.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import percentile, resident_mb, timed
from bench.service import Service
from bench.soak_picture import picture
from bench.texts import sentences

BATCHES_A_SECOND, BATCH = 5, 10
SEARCHES_A_SECOND, CLIENTS = 20, 4
MINUTES_KEPT = 5
FILES, CHANGED = 60, 20
SECONDS_BETWEEN_LOOKS = 5.0
TEXTS = 9_000


@dataclass(frozen=True)
class Look:
    """What the service took at one moment."""

    minute: float
    resident: float
    """MB, mapped files included."""
    disk: float
    """MB of the data folder; what backups share is counted once."""
    descriptors: int
    threads: int
    memories: int


class Soak:
    """A service that is kept busy, and what was seen of it."""

    def __init__(self, folder: Path, minutes: float) -> None:
        self._data, self._shelf = folder / "data", folder / "shelf"
        self._service = Service(self._data)
        self._texts = sentences(TEXTS)
        self._began = time.monotonic()
        self._seconds = 60 * minutes
        self.searches: list[tuple[float, float]] = []
        """For each search, when it was asked, in minutes, and how many seconds it took."""
        self.looks: list[Look] = []
        self.added = 0
        self._forgotten = 0
        """All that was added before this minute is."""

    def run(self) -> None:
        """Keep it busy to the end. Raises SystemExit for the first answer that is an error."""
        while not self._service.call("GET", "/health").get("model_ready"):
            time.sleep(0.05)
        self._began = time.monotonic()
        try:
            self._keep_busy()
        finally:
            self._service.stop()

    def _keep_busy(self) -> None:
        works: list[tuple[Callable[[Any, int], None], float]] = [
            (self._add, 1 / BATCHES_A_SECOND),
            *[(self._search, CLIENTS / SEARCHES_A_SECOND)] * CLIENTS,
            (self._tend, 60.0),
            (self._look, SECONDS_BETWEEN_LOOKS),
        ]
        with ThreadPoolExecutor(len(works)) as pool:
            for ended in [pool.submit(self._again, work, pause) for work, pause in works]:
                ended.result()

    @property
    def _now(self) -> float:
        return time.monotonic() - self._began

    def _again(self, work: Callable[[Any, int], None], pause: float) -> None:
        """Do something every `pause` seconds; what takes longer is done again at once."""
        connection = self._service.open()
        for turn in itertools.count():
            time.sleep(max(0.0, turn * pause - self._now))
            if self._now >= self._seconds:
                return
            work(connection, turn)

    def _call(self, connection: Any, method: str, path: str, body: Any = None) -> dict[str, Any]:
        return self._service.call(method, path, body, connection)

    def _add(self, connection: Any, turn: int) -> None:
        project = f"minute-{int(self._now // 60)}"
        first = turn * BATCH
        memories = [
            {"text": f"{self._texts[n % TEXTS]} (note {n})", "project": project, "tags": [f"t{n % 7}"]}
            for n in range(first, first + BATCH)
        ]
        self._call(connection, "POST", "/memory/add-batch", {"memories": memories})
        self.added += BATCH

    def _search(self, connection: Any, turn: int) -> None:
        words = random.Random(f"{threading.get_ident()} {turn}").choice(self._texts).split()
        asked = {"query": " ".join(words[1:9]), "project": "*"}
        began = self._now / 60
        self.searches.append((began, timed(lambda: self._call(connection, "POST", "/search", asked))))

    def _tend(self, connection: Any, minute: int) -> None:
        self._shelf.mkdir(exist_ok=True)
        for number in range(FILES):
            if not minute or number % (FILES // CHANGED) == minute % (FILES // CHANGED):
                text = f"# Notes {number}\n\n{self._texts[(minute * FILES + number) % TEXTS]}\n"
                (self._shelf / f"{number}.md").write_text(text, encoding="utf-8")
        self._call(
            connection,
            "POST",
            "/index/build",
            {"sources": [str(self._shelf)], "project": "built", "wait": True},
        )
        connection.request("GET", "/archive")
        archive = connection.getresponse()
        while archive.read(1 << 20):
            pass
        # (By the clock, so that a machine on which all of this takes longer than a minute keeps no more.)
        while self._forgotten <= int(self._now // 60) - MINUTES_KEPT:
            self._call(connection, "DELETE", f"/projects/minute-{self._forgotten}")
            self._forgotten += 1

    def _look(self, connection: Any, turn: int) -> None:
        process = Path(f"/proc/{self._service.pid}")
        self.looks.append(
            Look(
                minute=self._now / 60,
                resident=resident_mb(self._service.pid),
                disk=_disk_mb(self._data),
                descriptors=len(list((process / "fd").iterdir())),
                threads=len(list((process / "task").iterdir())),
                memories=self._call(connection, "GET", "/stats")["total_memories"],
            )
        )


def _disk_mb(folder: Path) -> float:
    found: dict[int, int] = {}
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        found[status.st_ino] = status.st_blocks * 512
    return sum(found.values()) / 2**20


def growth(looks: Sequence[Look], minutes: float) -> list[tuple[str, float, float]]:
    """Return for each thing the most that was seen in the second quarter of the time, and in the last."""
    second = [one for one in looks if minutes / 4 <= one.minute < minutes / 2]
    last = [one for one in looks if one.minute >= 3 * minutes / 4]
    names = ("resident", "disk", "descriptors", "threads", "memories")
    return [
        (name, max(getattr(one, name) for one in second), max(getattr(one, name) for one in last))
        for name in names
    ]


def main() -> None:
    """Run it, print what was seen, and draw it where a picture is wanted."""
    options = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    options.add_argument("--minutes", type=float, default=30)
    options.add_argument("--picture", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), given.minutes)
        soak.run()
    took = [seconds for _, seconds in soak.searches]
    print(
        f"{given.minutes:g} minutes: {soak.added:,} memories added, {len(took):,} searches, p50 / p99 "
        f"{percentile(took, 0.5):.0f} / {percentile(took, 0.99):.0f} ms"
    )
    print("| at most | in the second quarter | in the last |\n|---|---|---|")
    for name, before, after in growth(soak.looks, given.minutes):
        print(f"| {name} | {before:,.0f} | {after:,.0f} |")
    if given.picture:
        given.picture.write_text(picture(soak.looks, soak.searches), encoding="utf-8")


if __name__ == "__main__":
    main()
