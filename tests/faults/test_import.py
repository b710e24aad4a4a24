"""kill -9 in the middle of an import: after the same import again all of it is there, once."""

from __future__ import annotations

import http.client
import json
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from faiss_memory.secrets.masking import masked
from faiss_memory.uids import new_uid
from tests.cli.conftest import environment
from tests.cli.terminals import SCRIPT, CommandLine
from tests.importing_stores import read
from tests.running import RunningService
from tests.store.oracle import until
from tests.written_stores import WRITTEN

PATIENCE = 300
AT_ONCE = 100


def texts(count: int) -> list[str]:
    return [f"note {number}: what was said of ledger {number * 7 % 1000}" for number in range(count)]


def stored(service: RunningService) -> Counter[str]:
    """Return how often each text is there."""
    found: Counter[str] = Counter()
    cursor = ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        _, page = service.call("GET", f"/memories?project=*&limit=1000{more}")
        found.update(memory["text"] for memory in page["memories"])
        cursor = page["next_cursor"]
    return found


def count(service: RunningService) -> int:
    total: int = service.call("GET", "/stats?project=*")[1]["total_memories"]
    return total


class Importing:
    """A command line that imports a path, and a service that it imports into."""

    def __init__(self, service: RunningService, home: Path, path: Path) -> None:
        self.service, self._path = service, path
        folder = home / "work"
        folder.mkdir()
        self._cli = CommandLine(folder, environment(home, service.data.parent))

    def killed(self, who: str, after: int) -> None:
        """Import until at least so many are stored, and kill either side."""
        before = count(self.service)
        command = subprocess.Popen(
            [SCRIPT, "import", str(self._path), "--yes"],
            cwd=self._cli.folder, env=self._cli.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            stored = before
            while command.poll() is None and stored < max(after, before + 1):
                until(
                    lambda known=stored: command.poll() is not None or count(self.service) > known,
                    "more is imported",
                    PATIENCE,
                )
                stored = count(self.service)
            if who == "service":
                self.service.kill()
        finally:
            if who != "service":
                command.kill()
            command.wait(PATIENCE)
        if who == "service":
            self.service.start()

    def again(self) -> Counter[str]:
        """Import to the end; return how many came to what."""
        ended = self._cli("import", self._path, "--yes", "--json")
        assert ended.code == 0, ended.err
        return Counter(json.loads(ended.out)["counts"])


@pytest.mark.parametrize(
    ("kind", "lines", "kills"),
    [
        ("csv", 250, 1),
        pytest.param("csv", 5_000, 4, marks=pytest.mark.faults),
        # (Each kind is read in its own way; how what was read arrives is the same for all.)
        *(pytest.param(kind, 1_000, 4, marks=pytest.mark.faults) for kind in WRITTEN),
    ],
)
def test_an_import_that_was_killed_is_done_once_by_the_next_one(tmp_path, tally, kind, lines, kills):
    chance = random.Random(kind)
    source = tmp_path / "source"
    source.mkdir()
    path = WRITTEN[kind](source, texts(lines))
    expected = Counter(masked(record.text) for record in read(path)[1])
    with RunningService(tmp_path / "data", fake=True) as service:
        importing = Importing(service, tmp_path, path)
        for number in range(kills):
            importing.killed(
                ("service", "command")[number % 2], chance.randrange(lines * (number + 1) // kills)
            )
        before = count(service)
        assert not stored(service) - expected  # nothing twice, and nothing else
        outcomes = importing.again()
        assert stored(service) == expected
        # What the command had sent when it was killed may have been stored after `before` was counted.
        assert outcomes["known"] >= before
        assert outcomes["new"] + outcomes["known"] == expected.total()
        again = importing.again()
        assert (again["new"], again["known"]) == (0, expected.total())
        service.kill()
        service.start()
        assert stored(service) == expected
    tally("kill -9 in the middle of an import, of the service or of the command", kills)


def batches(lines: int) -> Iterator[list[dict[str, Any]]]:
    memories = [{"uid": new_uid(), "text": text} for text in texts(lines)]
    for start in range(0, lines, AT_ONCE):
        yield memories[start : start + AT_ONCE]


@pytest.mark.parametrize(("lines", "kills"), [(500, 1), pytest.param(5_000, 10, marks=pytest.mark.faults)])
def test_batches_that_are_sent_again_after_a_kill_are_stored_once(tmp_path, tally, lines, kills):
    chance = random.Random(lines)
    everything = list(batches(lines))
    expected = Counter(texts(lines))
    with RunningService(tmp_path / "data", fake=True) as service:
        answered = 0

        def send() -> None:
            nonlocal answered
            with suppress(OSError, http.client.HTTPException):
                for batch in everything:
                    status, answer = service.call("POST", "/import", {"memories": batch})
                    assert status == 200, answer
                    answered = max(answered, count(service))

        for number in range(kills):
            sending = Thread(target=send)
            sending.start()
            after = chance.randrange(lines * (number + 1) // kills)
            until(
                lambda after=after, sending=sending: answered >= after or not sending.is_alive(),
                "enough",
                PATIENCE,
            )
            service.kill()
            sending.join()
            service.start()
            assert count(service) >= answered, "something acknowledged is lost"
            assert not stored(service) - expected
        before, outcomes = count(service), Counter()
        for batch in everything:
            outcomes.update(service.call("POST", "/import", {"memories": batch})[1]["counts"])
        assert (outcomes["known"], outcomes["new"]) == (before, lines - before)
        assert stored(service) == expected
    tally("kill -9 of the service under imports by REST", kills)
