"""Two services over one database, written to and read by many at once, while they and the database are killed.

Each writer notes what was answered. Nothing of that may be lost, come back, or be seen in another project.
POSTGRES_SECONDS says for how long; the default is short.
"""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from http.client import HTTPException
from threading import Event, Thread

import psycopg
import pytest

from tests.running import RunningService

pytestmark = pytest.mark.postgres
SECONDS = float(os.environ.get("POSTGRES_SECONDS", "20"))
WRITERS = READERS = 16
PROJECTS = ("alpha", "beta", "gamma")
KEPT = 12
"""Memories that a writer keeps; beyond that it forgets one for each that it adds."""


class Scene:
    """The services, and what each writer was told of its memories: by mark, which is a word of its own."""

    def __init__(self, services, uri):
        self.services, self.uri = services, uri
        self.states: dict[str, tuple[str, str, int]] = {}
        self.wrong: list[str] = []
        self.done = Event()
        self.searches = self.refused = 0

    def call(self, chance, method, path, body=None):
        """Call a service until it answers, the other one where one does not."""
        while True:
            with suppress(OSError, HTTPException, ValueError):
                status, answer = chance.choice(self.services).call(method, path, body)
                if status < 500:
                    return status, answer
            self.refused += 1
            time.sleep(0.05)

    def write(self, number):
        chance, mine = random.Random(number), []
        count = 0
        while not self.done.is_set():
            count += 1
            mark, project = f"mark{number}x{count}", chance.choice(PROJECTS)
            body = {
                "text": f"the ledger {mark}",
                "project": project,
                "idempotency_key": mark,
                "source": f"notes/{number}.md",
            }
            status, answer = self.call(chance, "POST", "/memory/add", body)
            if status != 201:
                self.wrong.append(f"{mark} was not stored: {status} {answer}")
                return
            self.states[mark] = ("there", project, answer["id"])
            mine.append(mark)
            if chance.random() < 0.3:
                self._change(chance, chance.choice(mine))
            if len(mine) > KEPT:
                self._forget(chance, mine.pop(chance.randrange(len(mine))))

    def _change(self, chance, mark):
        _, project, memory_id = self.states[mark]
        status, _ = self.call(
            chance, "PATCH", f"/memory/{memory_id}", {"text": f"the cache {mark}", "tags": ["changed"]}
        )
        if status != 200:
            self.wrong.append(f"{mark} in {project} could not be changed: {status}")

    def _forget(self, chance, mark):
        _, project, memory_id = self.states[mark]
        self.states[mark] = ("going", project, memory_id)
        status, _ = self.call(chance, "DELETE", f"/memory/{memory_id}")
        if status not in (200, 404):  # (404: it was done, and the answer was lost)
            self.wrong.append(f"{mark} could not be forgotten: {status}")
        self.states[mark] = ("gone", project, memory_id)

    def read(self, number):
        chance = random.Random(1000 + number)
        while not self.done.is_set():
            if not self.states:
                time.sleep(0.01)
                continue
            mark = chance.choice([*self.states])
            before = self.states[mark]
            project = chance.choice([before[1], before[1], *PROJECTS])
            body = {"query": mark, "project": project, "mode": chance.choice(["keyword", "hybrid"]), "k": 3}
            status, answer = self.call(chance, "POST", "/search", body)
            self.searches += 1
            self._judge(mark, before, project, status, answer)

    def _judge(self, mark, before, project, status, answer):
        if status != 200:
            self.wrong.append(f"a search was refused: {status} {answer}")
            return
        found = [one for one in answer["results"] if mark in one["text"].split()]
        if any(one["project"] != project for one in answer["results"]):
            self.wrong.append(f"a search in {project} has found another project's")
        expected = before[0] == "there" and self.states[mark] == before and project == before[1]
        if expected and [one["id"] for one in found] != [before[2]]:
            self.wrong.append(f"{mark} is there and was not found once: {found}")
        if found and (before[0] == "gone" or project != before[1]):
            self.wrong.append(f"{mark} was found, and is {before}")

    def break_things(self):
        chance = random.Random(7)
        while not self.done.wait(chance.uniform(0.5, 2.0)):
            how = chance.choice(["service", "connections", "server"])
            if how == "service":
                service = chance.choice(self.services)
                service.kill()
                service.start(ready=False)
            elif how == "connections":
                self._backends("select pg_terminate_backend(pid)")
            else:
                pids = self._backends("select pid")
                if (
                    pids
                ):  # one that is killed takes all others with it, and the database recovers as after a crash
                    with suppress(ProcessLookupError):
                        os.kill(chance.choice(pids), signal.SIGKILL)

    def _backends(self, what):
        with suppress(psycopg.Error), psycopg.connect(self.uri, autocommit=True) as connection:
            rows = connection.execute(f"{what} from pg_stat_activity where application_name = 'faiss-memory'")
            return [row[0] for row in rows.fetchall()]
        return []


def test_nothing_is_lost_and_nothing_rises(server, tmp_path):
    uri = server.database()
    with (
        RunningService(tmp_path / "one", fake=True, store=uri) as one,
        RunningService(tmp_path / "two", fake=True, store=uri) as two,
    ):
        scene = Scene([one, two], uri)
        threads = [
            *(Thread(target=scene.write, args=(number,)) for number in range(WRITERS)),
            *(Thread(target=scene.read, args=(number,)) for number in range(READERS)),
            Thread(target=scene.break_things),
        ]
        for thread in threads:
            thread.start()
        time.sleep(SECONDS)
        scene.done.set()
        for thread in threads:
            thread.join()
        there = _everything(scene)
    assert scene.wrong == []
    expected = {
        mark: (project, key) for mark, (state, project, key) in scene.states.items() if state == "there"
    }
    assert there == expected
    assert len(scene.states) > WRITERS
    assert scene.searches > READERS
    print(f"{len(scene.states)} written, {scene.searches} searches, {scene.refused} refused")


def _everything(scene):
    """Every memory, by its mark; a mark that is there twice is told."""
    found, cursor = {}, None
    while True:
        path = "/memories?project=*&limit=100" + (f"&cursor={cursor}" if cursor else "")
        status, page = scene.call(random.Random(0), "GET", path)
        assert status == 200, page
        for memory in page["memories"]:
            mark = memory["text"].split()[-1]
            assert mark not in found, f"{mark} is there twice"
            found[mark] = (memory["project"], memory["id"])
        cursor = page["next_cursor"]
        if not cursor:
            return found
