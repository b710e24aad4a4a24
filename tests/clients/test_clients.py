"""The real clients, offline, against a model that stands in for theirs. `make clients-check` runs them, by npm."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
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
SECONDS = 600
MOST_ASKED = 2
"""How often a client is asked: where the machine has much else to do, it goes on without us, as it should."""
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
        self._asked, self._said = 1, ""
        self._given = dict(client.prepare(self.person.home, self.person.project, model.port))
        self.person.runs("faiss-memory", "install", client.name, *self.option, "--yes")

    def asks(
        self, calls: Sequence[Call], helped: Callable[[Sequence[str]], object] = bool
    ) -> tuple[list[str], str]:
        """Ask the client, whose model asks for some tools; gives what it was sent, and what the person sees.

        It is asked anew, in a session of its own, as long as nothing of ours has helped.
        """
        for self._asked in range(1, MOST_ASKED + 1):
            self._model.asks_for(calls)
            self._said = self.person.runs(*self.person.client.command, ASKED, **self._given)
            if helped(self._model.requests):
                break
        return list(self._model.requests), self._said

    def moves(self) -> None:
        """Start the service again, at another port."""
        port = self.service.port
        assert self.service.stop() == 0
        self.service.start()
        assert self.service.port != port

    def seen(self, what: str, well: bool) -> None:
        how = "yes" if self._asked == 1 else f"yes, when asked {self._asked} times"
        SEEN.append((self._title, what, how if well else "NO"))
        assert well, (what, self._said[-2000:], self._model.requests[-1][-3000:])

    def end(self) -> None:
        if self.person.client.ends:
            self.person.runs(*self.person.client.ends)
        self.service.kill()


def _about(prompt: str, requests: Sequence[str]) -> str:
    """Return the first request that is about a prompt, and not about a title or which model to take."""
    return next((one for one in requests if prompt in one and '"tools"' in one), "")


def _answered(client: Client, requests: Sequence[str]) -> bool:
    """Return whether a request holds what the tool has found, besides what had come by itself."""
    first, found = _about(ASKED, requests), client.shows or NOTE
    return any(one.count(found) > first.count(found) for one in requests)


def _is_quiet(client: Client, said: str) -> bool:
    """Return whether the person is told no more than once that the service is away, and nothing of failures."""
    shown = said.replace(f"{client.logs}{NOTICE}", "") if client.logs else said
    return shown.count(NOTICE) <= 1 and not FAILURE.search(shown)


def _by_the_subagent(requests: Sequence[str]) -> str:
    """Return the first request of the subagent: its task is in it, and the person's prompt is not."""
    return next((one for one in requests if TASK in one and ASKED not in one), "")


def _after_the_failure(requests: Sequence[str]) -> str:
    """Return the first request that says how the command has failed."""
    return next((one for one in requests if MISSING in one), "")


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

    def helped(requests: Sequence[str]) -> bool:
        return (not client.recalls or NOTE in _about(ASKED, requests)) and _answered(client, requests)

    for where in ("", " at another port"):
        requests, _ = world.asks((*client.before, ("memory_search", QUERY)), helped)
        if client.recalls:
            world.seen(f"the note comes by itself{where}", NOTE in _about(ASKED, requests))
        world.seen(f"no other project's note comes{where}", FOREIGN not in "".join(requests))
        world.seen(f"the tool answers{where}", _answered(client, requests))
        if not where:
            world.moves()
    assert world.service.stop() == 0
    requests, said = world.asks((*client.before, ("memory_search", QUERY)))
    world.seen("without the service it goes on", bool(requests) and NOTE not in "".join(requests))
    world.seen("and says so once at most", _is_quiet(client, said))
    world.person.runs("faiss-memory", "uninstall", client.name, *world.option)
    left = [path for path in world.person.home.rglob("*") if "faiss-memory" in path.name]
    # What a client keeps for itself, such as its log of each server, is its own.
    world.seen("nothing of ours is left", all({".local", ".cache"} & {*path.parts} for path in left))


@pytest.mark.parametrize("client", [one for one in CLIENTS if one.delegates], ids=lambda client: client.name)
def test_a_subagent_and_a_failed_command_get_what_helps(start, client):
    world = start(client, "personal")
    for where in ("", " at another port"):
        requests, _ = world.asks(client.delegates, lambda requests: NOTE in _by_the_subagent(requests))
        world.seen(f"a subagent begins with the note{where}", NOTE in _by_the_subagent(requests))
        requests, _ = world.asks((client.fails,), lambda requests: FIX in _after_the_failure(requests))
        fixed = FIX in _after_the_failure(requests) and FIX not in requests[0]
        world.seen(f"a failed command brings the fix{where}", fixed)
        if not where:
            world.moves()
    assert world.service.stop() == 0
    for calls in (client.delegates, (client.fails,)):
        requests, said = world.asks(calls)
        world.seen("without the service both go on", NOTE not in "".join(requests) and len(requests) > 1)
        world.seen("and say so once at most", _is_quiet(client, said))
