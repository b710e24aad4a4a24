"""The real clients, offline, against a model that stands in for theirs. `make clients-check` runs them, by npm."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.terminals import SCRIPT
from tests.clients.drivers import CLIENTS, TASK, Client
from tests.clients.models import Call, StubModel, stub_model
from tests.running import RunningService

pytestmark = pytest.mark.clients

ASKED = "How do we keep amounts of money?"
NOTE, FOREIGN = "We keep amounts of money in integer cents", "Amounts of money are kept as floats over there"
FIX = "ModuleNotFoundError No module named zebrafish: run make vendor first"
MISSING = "No module named 'zebrafish'"
QUERY = {"query": "amounts of money"}
NOTICE = "FAISS Memory is not running"
FAILURE = re.compile(r"ECONNREFUSED|hook[^\n]{0,40}(failed|error)", re.IGNORECASE)
SECONDS = 180
SEEN: list[tuple[str, str, str]] = []
"""Which client, what was looked at, and how it went."""


@pytest.fixture(scope="module", autouse=True)
def _table() -> Iterator[None]:
    """Print at the end what was seen."""
    yield
    width = max((len(what) for _, what, _ in SEEN), default=0)
    print("\n\n" + "\n".join(f"{client:34} {what:{width}} {how}" for client, what, how in SEEN))


def installed(client: Client) -> Path:
    """Return the folder of a client's programs; it is fetched where it is not there yet."""
    folder = Path(os.environ["TEST_CLIENTS"], client.name)
    programs = folder / "node_modules" / ".bin"
    if not (programs / client.command[0]).exists():
        if not shutil.which("npm"):
            pytest.skip("npm is not installed")
        words = [
            "npm",
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--prefix",
            str(folder),
            client.package,
        ]
        ended = subprocess.run(words, capture_output=True, text=True)
        if ended.returncode:
            pytest.skip(f"{client.package} cannot be installed: {ended.stderr.strip()[-200:]}")
    return programs


class Person:
    """Somebody who works on a website with one client, and has a service with notes of two projects."""

    def __init__(self, folder: Path, client: Client, programs: Path) -> None:
        self.client, self.folder = client, folder
        self.home, self.project = folder / "home", folder / "home" / "website"
        git = self.project / ".git"
        git.mkdir(parents=True)
        (git / "HEAD").write_text("ref: refs/heads/main\n")
        (git / "config").write_text('[remote "origin"]\n\turl = git@github.com:Acme/Website.git\n')
        path = [str(programs), str(Path(SCRIPT).parent), os.environ["PATH"]]
        self.environment = {"PATH": os.pathsep.join(path), "HOME": str(self.home), "LANG": "C.UTF-8", "NO_COLOR": "1",
                            "XDG_RUNTIME_DIR": str(folder), "TERM": "dumb"}  # fmt: skip

    def runs(self, *words: str, **more: str) -> str:
        ended = subprocess.run(
            words, cwd=self.project, env={**self.environment, **more}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=SECONDS,
        )  # fmt: skip
        assert ended.returncode == 0, f"{words}\n{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}"
        return ended.stdout + ended.stderr


class World:
    """A person whose client is connected, in one scope, to a service with notes of two projects."""

    def __init__(self, folder: Path, client: Client, scope: str, model: StubModel) -> None:
        self.person = Person(folder, client, installed(client))
        self.option = () if scope == "personal" else (f"--{scope}",)
        self._title, self._model = f"{client.package.rpartition('/')[2]} {' '.join(self.option)}", model
        self.service = RunningService(folder / "data", fake=True)
        self.service.start()
        for text, project in ((NOTE, "acme.website"), (FIX, "acme.website"), (FOREIGN, "other")):
            assert self.service.call("POST", "/memory/add", {"text": text, "project": project})[0] == 201
        self._given = dict(client.prepare(self.person.home, self.person.project, model.port))
        self.person.runs("faiss-memory", "install", client.name, *self.option, "--yes")

    def asks(self, calls: Sequence[Call]) -> tuple[list[str], str]:
        """Ask the client, whose model asks for some tools; gives what it was sent, and what the person sees."""
        self._model.asks_for(calls)
        said = self.person.runs(*self.person.client.command, ASKED, **self._given)
        return list(self._model.requests), said

    def moves(self) -> None:
        """Start the service again, at another port."""
        port = self.service.port
        assert self.service.stop() == 0
        self.service.start()
        assert self.service.port != port

    def seen(self, what: str, well: bool) -> None:
        SEEN.append((self._title, what, "yes" if well else "NO"))
        assert well, (what, self._model.requests[-1][-3000:])

    def end(self) -> None:
        if self.person.client.ends:
            self.person.runs(*self.person.client.ends)
        self.service.kill()


def _about(prompt: str, requests: Sequence[str]) -> str:
    """Return the first request that is about a prompt, and not about a title or which model to take."""
    return next((one for one in requests if prompt in one and '"tools"' in one), "")


def _by_the_subagent(requests: Sequence[str]) -> str:
    """Return the first request of the subagent: its task is in it, and the person's prompt is not."""
    return next((one for one in requests if TASK in one and ASKED not in one), "")


@pytest.fixture
def start(tmp_path):
    """Start what a person works with: a client that is connected, the service, and the client's model."""
    with ExitStack() as stack:

        def started(client: Client, scope: str) -> World:
            world = World(tmp_path, client, scope, stack.enter_context(stub_model()))
            stack.callback(world.end)
            return world

        yield started


WAYS = [(client, scope) for client in CLIENTS for scope in client.scopes]


@pytest.mark.parametrize(("client", "scope"), WAYS, ids=lambda one: getattr(one, "name", one))
def test_the_note_and_the_tool_reach_the_model_and_follow_the_service(start, client, scope):
    world = start(client, scope)
    for where in ("", " at another port"):
        requests, _ = world.asks((*client.before, ("memory_search", QUERY)))
        first = _about(ASKED, requests)
        if client.recalls:
            world.seen(f"the note comes by itself{where}", NOTE in first)
        world.seen(f"no other project's note comes{where}", FOREIGN not in "".join(requests))
        found = client.shows or NOTE
        answered = [one for one in requests if one.count(found) > first.count(found)]
        world.seen(f"the tool answers{where}", bool(answered))
        if not where:
            world.moves()
    assert world.service.stop() == 0
    requests, said = world.asks((*client.before, ("memory_search", QUERY)))
    world.seen("without the service it goes on", bool(requests) and NOTE not in "".join(requests))
    world.seen("and says so once at most", said.count(NOTICE) <= 1 and not FAILURE.search(said))
    world.person.runs("faiss-memory", "uninstall", client.name, *world.option)
    left = [path for path in world.person.home.rglob("*") if "faiss-memory" in path.name]
    world.seen("nothing of ours is left", not [path for path in left if ".local" not in path.parts])


@pytest.mark.parametrize("client", [one for one in CLIENTS if one.delegates], ids=lambda client: client.name)
def test_a_subagent_and_a_failed_command_get_what_helps(start, client):
    world = start(client, "personal")
    for where in ("", " at another port"):
        requests, _ = world.asks(client.delegates)
        world.seen(f"a subagent begins with the note{where}", NOTE in _by_the_subagent(requests))
        requests, _ = world.asks((client.fails,))
        failed = next((one for one in requests if MISSING in one), "")
        world.seen(f"a failed command brings the fix{where}", FIX in failed and FIX not in requests[0])
        if not where:
            world.moves()
    assert world.service.stop() == 0
    for calls in (client.delegates, (client.fails,)):
        requests, said = world.asks(calls)
        world.seen("without the service both go on", NOTE not in "".join(requests) and len(requests) > 1)
        world.seen("and say so once at most", said.count(NOTICE) <= 1 and not FAILURE.search(said))
