"""Two services over one database, used by a team of many at once, while they and the database are killed.

Each writer notes what was answered. Nothing of that may be lost, come back, or be shown to who may not see it; and a
token that was revoked is out in both services within a second.
POSTGRES_SECONDS says for how long; the default is short.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from contextlib import suppress
from http.client import HTTPException
from threading import Event, Thread

import psycopg
import pytest

from tests.postgres.servers import running_server
from tests.running import RunningService

pytestmark = pytest.mark.postgres
SECONDS = float(os.environ.get("POSTGRES_SECONDS", "20"))
WRITERS = READERS = 16
PROJECTS = ("alpha", "beta", "gamma")
KEPT = 12
"""Memories that a writer keeps; beyond that it forgets one for each that it adds."""
TOKEN = "tok-3f9a1c"
GRANTS = {
    "ana": {"alpha": "write", "beta": "write"},
    "ben": {"beta": "read", "gamma": "write"},
    "cyd": {"alpha": "read"},
    "dan": {},
}
"""What each member may do; the owner may do everything."""
OUT = 1.0
"""Seconds after which a revoked token opens nothing any more."""

WAYS = ("service", "connections", "backend", "server")
"""What is killed now and then, each as often as the others."""


class Person:
    """Who asks: a member by its token, or the owner."""

    def __init__(self, name, token, grants=None):
        self.name = name
        self.headers = {"Authorization": f"Bearer {token}"}
        self.reads = set(PROJECTS if grants is None else grants)
        self.writes = [name for name in PROJECTS if grants is None or grants.get(name) == "write"]


class Scene:
    """The services, and what each writer was told of its memories: by mark, which is a word of its own."""

    def __init__(self, services, server, uri):
        self.services, self.server, self.uri = services, server, uri
        self.states: dict[str, tuple[str, str, int]] = {}
        self.wrong: list[str] = []
        self.done = Event()
        self.counts: Counter[str] = Counter()
        self.owner = Person("owner", TOKEN)
        self.team = [self._join(name, grants) for name, grants in GRANTS.items()]
        self._join("guest", {})

    def _join(self, name, grants):
        ask = lambda path, body: self.services[0].call("POST", path, body, self.owner.headers)  # noqa: E731
        assert ask("/team", {"name": name})[0] == 201
        for project, can in grants.items():
            assert ask(f"/team/{name}/grant", {"project": project, "can": can})[0] == 200
        return Person(name, ask(f"/team/{name}/token", {})[1]["token"], grants)

    def asked(self, service, person, method, path, body=None):
        """Call a service once; None where it does not answer, or says that it cannot."""
        with suppress(OSError, HTTPException, ValueError):
            status, answer = service.call(method, path, body, person.headers)
            if status < 500:
                return status, answer
        self.counts["refused"] += 1
        return None

    def call(self, chance, person, method, path, body=None):
        """Call a service until it answers, the other one where one does not."""
        while (told := self.asked(chance.choice(self.services), person, method, path, body)) is None:
            time.sleep(0.05)
        return told

    def threads(self):
        """What goes on at once; what fails in a thread is noted as wrong."""
        works = [
            *((self.write, number) for number in range(WRITERS)),
            *((self.read, number) for number in range(READERS)),
            (self.revoke, 0),
            (self.break_things, 0),
        ]

        def run(work, number):
            try:
                work(number)
            except Exception as error:  # noqa: BLE001  (the test fails by it, whatever it is)
                self.wrong.append(f"{work.__name__} {number} has ended: {error!r}")

        return [Thread(target=run, args=work) for work in works]

    # Writers.

    def write(self, number):
        chance, mine, count = random.Random(number), [], 0
        person = [self.owner, self.team[0], self.team[1]][number % 3]
        while not self.done.is_set():
            count += 1
            mark, project = f"mark{number}x{count}", chance.choice(person.writes)
            body = {
                "text": f"the ledger {mark}",
                "project": project,
                "idempotency_key": mark,
                "source": f"notes/{number}.md",
            }
            status, answer = self.call(chance, person, "POST", "/memory/add", body)
            if status != 201:
                self.wrong.append(f"{mark} was not stored: {status} {answer}")
                return
            self.states[mark] = ("there", project, answer["id"])
            mine.append(mark)
            if chance.random() < 0.3:
                self._change(chance, person, chance.choice(mine))
            if len(mine) > KEPT:
                self._forget(chance, person, mine.pop(chance.randrange(len(mine))))

    def _change(self, chance, person, mark):
        _, project, memory_id = self.states[mark]
        body = {"text": f"the cache {mark}", "tags": ["changed"]}
        status, _ = self.call(chance, person, "PATCH", f"/memory/{memory_id}", body)
        if status != 200:
            self.wrong.append(f"{mark} in {project} could not be changed: {status}")

    def _forget(self, chance, person, mark):
        _, project, memory_id = self.states[mark]
        self.states[mark] = ("going", project, memory_id)
        status, _ = self.call(chance, person, "DELETE", f"/memory/{memory_id}")
        if status not in (200, 404):  # (404: it was done, and the answer was lost)
            self.wrong.append(f"{mark} could not be forgotten: {status}")
        self.states[mark] = ("gone", project, memory_id)

    # Readers.

    def read(self, number):
        chance = random.Random(1000 + number)
        person = [self.owner, *self.team][number % (1 + len(self.team))]
        while not self.done.is_set():
            known = list(self.states.items())
            alive = [one for one in known if one[1][0] == "there"]
            if not alive:
                time.sleep(0.01)
                continue
            mark, before = chance.choice(alive if chance.random() < 0.6 else known)
            chance.choice([self._search, self._search, self._search, self._get])(chance, person, mark, before)

    def _search(self, chance, person, mark, before):
        asked = chance.choice([before[1], before[1], "*", *PROJECTS])
        body = {"query": mark, "project": asked, "mode": chance.choice(["keyword", "hybrid"]), "k": 3}
        status, answer = self.call(chance, person, "POST", "/search", body)
        self.counts["searches"] += 1
        if status != 200:
            self.wrong.append(f"a search was refused: {status} {answer}")
            return
        allowed = person.reads & ({asked} if asked != "*" else set(PROJECTS))
        if not {one["project"] for one in answer["results"]} <= allowed:
            self.wrong.append(f"a search of {person.name}'s in {asked} has found another project's")
        found = [one["id"] for one in answer["results"] if mark in one["text"].split()]
        may_see = before[1] in allowed
        if before[0] == "there" and self.states[mark] == before and may_see and found != [before[2]]:
            self.wrong.append(f"{mark} is there and was not found once by {person.name}: {found}")
        if found and (before[0] == "gone" or not may_see):
            self.wrong.append(f"{mark} was found by {person.name} in {asked}, and is {before}")

    def _get(self, chance, person, mark, before):
        status, answer = self.call(chance, person, "GET", f"/memory/{before[2]}")
        self.counts["looked up"] += 1
        if before[1] not in person.reads or before[0] == "gone":
            if status != 404:
                self.wrong.append(f"{mark} was shown to {person.name}, and is {before}: {status} {answer}")
        elif (
            before[0] == "there"
            and self.states[mark] == before
            and answer.get("text", "").split()[-1:] != [mark]
        ):
            self.wrong.append(f"{mark} is there and was not shown to {person.name}: {status} {answer}")

    # Tokens.

    def revoke(self, _):
        """Give out tokens and revoke them, by either service; no service may take one for longer."""
        chance = random.Random(11)
        me = lambda service, guest: self.asked(service, guest, "GET", "/me")  # noqa: E731
        while not self.done.is_set():
            _, given = self.call(chance, self.owner, "POST", "/team/guest/token", {})
            guest = Person("guest", given["token"], {})
            for service in self.services:
                if (told := me(service, guest)) is not None and told[0] != 200:
                    self.wrong.append(f"a new token opens nothing: {told}")
            self.call(chance, self.owner, "POST", "/team/guest/revoke", {})
            revoked, refused = time.monotonic(), set()
            while time.monotonic() < revoked + 2.5 * OUT and len(refused) < len(self.services):
                time.sleep(0.1)
                for place, service in enumerate(self.services):
                    began = time.monotonic()
                    status = (me(service, guest) or (0,))[0]
                    if status == 200 and began > revoked + OUT:
                        self.wrong.append(f"a token opens {began - revoked:.1f} s after it was revoked")
                    refused |= {place} if status == 401 and began > revoked + OUT else set()
            self.counts["revoked, and seen to be out in both services"] += len(refused) == len(self.services)

    # What is done to them.

    def break_things(self, _):
        chance, ways = random.Random(7), []
        while not self.done.wait(chance.uniform(1.0, 6.0)):
            ways = ways or chance.sample(WAYS, len(WAYS))
            how = ways.pop()
            self.counts[f"{how} killed"] += 1
            if how == "service":
                service = chance.choice(self.services)
                service.kill()
                service.start(ready=False)
            elif how == "connections":
                self._backends("select pg_terminate_backend(pid)")
            elif how == "backend":  # it takes all others with it, and the database recovers as after a crash
                self.server.kill_one(chance.choice(self._backends("select pid") or [0]))
            else:
                self.server.kill()
                time.sleep(chance.uniform(0, 1.0))
                self.server.start_again()

    def _backends(self, what):
        with suppress(psycopg.Error), psycopg.connect(self.uri, autocommit=True) as connection:
            rows = connection.execute(f"{what} from pg_stat_activity where application_name = 'faiss-memory'")
            return [row[0] for row in rows.fetchall()]
        return []


def test_nothing_is_lost_or_rises_and_nobody_sees_what_is_not_theirs(tmp_path):
    with running_server() as server:
        uri = server.database()
        with (
            RunningService(tmp_path / "one", fake=True, store=uri, token=TOKEN) as one,
            RunningService(tmp_path / "two", fake=True, store=uri, token=TOKEN) as two,
        ):
            scene = Scene([one, two], server, uri)
            threads = scene.threads()
            for thread in threads:
                thread.start()
            time.sleep(SECONDS)
            scene.done.set()
            for thread in threads:
                thread.join()
            there = _everything(scene)
    print(
        len(scene.states), "written", *(f"{count} {what}" for what, count in scene.counts.items()), sep=", "
    )
    assert scene.wrong == []
    expected = {
        mark: (project, key) for mark, (state, project, key) in scene.states.items() if state == "there"
    }
    assert there == expected
    assert len(scene.states) > WRITERS
    assert scene.counts["searches"] > READERS
    assert scene.counts["revoked, and seen to be out in both services"]


def _everything(scene):
    """Every memory, by its mark; a mark that is there twice is told."""
    found, cursor = {}, None
    while True:
        path = "/memories?project=*&limit=100" + (f"&cursor={cursor}" if cursor else "")
        status, page = scene.call(random.Random(0), scene.owner, "GET", path)
        assert status == 200, page
        for memory in page["memories"]:
            mark = memory["text"].split()[-1]
            assert mark not in found, f"{mark} is there twice"
            found[mark] = (memory["project"], memory["id"])
        cursor = page["next_cursor"]
        if not cursor:
            return found
