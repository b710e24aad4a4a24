"""The real clients, offline, against a model that stands in for theirs. `make clients-check` runs them, by npm."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminals import SCRIPT
from tests.clients.drivers import CLIENTS, Client
from tests.clients.models import StubModel, stub_model
from tests.running import RunningService

pytestmark = pytest.mark.clients

ASKED = "How do we keep amounts of money?"
NOTE, FOREIGN = "We keep amounts of money in integer cents", "Amounts of money are kept as floats over there"
QUERY = {"query": "amounts of money"}
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

    def asks(self, model: StubModel, given: dict[str, str]) -> tuple[list[str], str]:
        """Ask the client; gives what its model was sent, and what the person sees."""
        model.asks_for([*self.client.before, ("memory_search", QUERY)])
        said = self.runs(*self.client.command, ASKED, **given)
        return list(model.requests), said


def _about_the_prompt(requests: list[str]) -> str:
    """Return the first request that is about the prompt, and not about a title or which model to take."""
    return next((one for one in requests if ASKED in one and '"tools"' in one), "")


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
@pytest.mark.parametrize("scope", [(), ("--shared",)], ids=["personal", "shared"])
def test_the_note_and_the_tool_reach_the_model_and_follow_the_service(tmp_path, client, scope):
    programs = installed(client)
    person = Person(tmp_path, client, programs)
    service = RunningService(tmp_path / "data", fake=True)
    title = f"{client.package.rpartition('/')[2]} {' '.join(scope)}"
    with service, stub_model() as model:
        for text, project in ((NOTE, "acme.website"), (FOREIGN, "other")):
            assert service.call("POST", "/memory/add", {"text": text, "project": project})[0] == 201
        given = dict(client.prepare(person.home, person.project, model.port))
        person.runs("faiss-memory", "install", client.name, *scope, "--yes")

        def seen(what: str, well: bool) -> None:
            SEEN.append((title, what, "yes" if well else "NO"))
            assert well, (what, model.requests[-1][-3000:])

        for where in ("", " at another port"):
            requests, _ = person.asks(model, given)
            first = _about_the_prompt(requests)
            seen(f"the note comes by itself{where}", NOTE in first and FOREIGN not in "".join(requests))
            found = client.shows or NOTE
            answered = [one for one in requests if one.count(found) > first.count(found)]
            seen(f"the tool answers{where}", bool(answered))
            if not where:
                port = service.port
                assert service.stop() == 0
                service.start()
                assert service.port != port
        assert service.stop() == 0
        requests, _ = person.asks(model, given)
        seen("without the service it goes on", bool(requests) and NOTE not in "".join(requests))
    person.runs("faiss-memory", "uninstall", client.name, *scope)
    left = [path for path in person.project.rglob("*") if "faiss-memory" in path.name]
    seen("nothing of ours is left", not left)
