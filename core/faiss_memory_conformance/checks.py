"""The checks. Each is a promise that `faiss-memory install` and the service make for every adapter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from falcon.testing import Result, TestClient

from faiss_memory.adapter.adapter import Adapter
from faiss_memory.app import build_service, create_app
from faiss_memory.contracts.config_files import (
    MARK,
    ConfigFile,
    InstallContext,
    JsonDefault,
    JsonItems,
    MarkdownBlock,
    OwnFile,
    Scope,
    Snippet,
    YamlDefault,
    YamlItem,
)
from faiss_memory.install import Assistants, Installer, RecordFile, report
from faiss_memory.install.formats import Content, state
from faiss_memory.plugin_host import PluginHost
from faiss_memory.service.memories import MemoryService
from faiss_memory.settings import Settings, load
from faiss_memory_conformance.samples import STYLES, place_of, sample
from faiss_memory_conformance.toy_model import ToyModel

SCOPES: tuple[Scope, ...] = ("personal", "shared", "user")
URL, PROJECT, FOLDER = "http://127.0.0.1:8900", "acme.website", "/home/someone/website"
LONGEST_PROMPT = 8000
"""Characters: what assistants take as context without cutting it."""
GUIDE = ("set-up", "files", "prompts", "practices", "limits", "uninstall")
"""What the headings of a guide speak of."""
TOKEN = "a-token-of-the-checks"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each check for each adapter that was named."""
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", metafunc.config.getoption("faiss_memory_adapter"))


@pytest.fixture(scope="session")
def assistants() -> Assistants:
    """Every adapter that is installed."""
    return Assistants(PluginHost())


@pytest.fixture
def adapter(name: str, assistants: Assistants) -> Adapter:
    """The adapter that is checked."""
    known = ", ".join(sorted(assistants.adapters))
    assert name in assistants.adapters, f"there is no adapter `{name}`; installed are {known}"
    return assistants.adapters[name]


@pytest.fixture(params=SCOPES)
def scope(request: pytest.FixtureRequest, adapter: Adapter) -> Scope:
    """Each kind of files that the adapter offers."""
    offered: Scope = request.param
    if offered not in adapter.scopes:
        pytest.skip(f"{adapter.name} has no files of the scope {offered}")
    return offered


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home, with a project in it that is a git repository."""
    git = tmp_path / "home" / "website" / ".git"
    (git / "info").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "config").write_text('[remote "origin"]\n\turl = https://example.com/acme/website.git\n')
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    for variable in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "FAISS_MEMORY_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "state"))
    return tmp_path / "home"


def _settings(**given: Any) -> Settings:
    return load(None, given, {}).settings


def _context(scope: Scope, **given: Any) -> InstallContext:
    folder = "" if scope == "user" else FOLDER
    return InstallContext(url=URL, project=PROJECT, scope=scope, folder=folder, **given)


def _texts(value: object) -> Iterator[str]:
    """Every text in a declared file but its path."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for inner in pair for text in _texts(inner))
    elif isinstance(value, list | tuple):
        yield from (text for inner in value for text in _texts(inner))
    else:
        for name in ("keys", "value", "items", "item", "text"):
            yield from _texts(getattr(value, name, ()))


def _written(files: Sequence[ConfigFile]) -> list[Any]:
    """The files that are written; a text that is only shown is not."""
    return [file for file in files if not isinstance(file, Snippet)]


# What it says of itself.


def test_it_has_a_name_and_a_title(adapter: Adapter) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,30}", adapter.name)
    assert adapter.title.strip()
    assert adapter.scopes


def test_its_prompt_says_when_to_search_and_when_to_store(adapter: Adapter) -> None:
    text = adapter.prompt.filled(URL, PROJECT)
    assert adapter.prompt.name == adapter.name
    assert 100 < len(text) <= LONGEST_PROMPT
    assert "$url" not in text
    assert "$project" not in text
    assert re.search(r"search|recall|look", text, re.IGNORECASE)
    assert re.search(r"stor|remember|add", text, re.IGNORECASE)


def test_its_steps_are_sentences(adapter: Adapter, scope: Scope) -> None:
    for has_token in (False, True):
        for step in adapter.steps(_context(scope, has_token=has_token)):
            assert step[:1].isupper(), step
            assert step == " ".join(step.split()), step


def test_it_has_a_guide(adapter: Adapter, pytestconfig: pytest.Config) -> None:
    given = pytestconfig.getoption("faiss_memory_guide")
    root = pytestconfig.rootpath
    path = Path(given) if given else root / "docs" / "integrations" / f"{adapter.name}.md"
    path = path if path.exists() or given else root / "README.md"
    assert path.exists(), f"{path} is not there; --faiss-memory-guide FILE names another"
    text = path.read_text(encoding="utf-8")
    headings = " ".join(re.findall(r"^#+ (.+)$", text, re.MULTILINE)).lower()
    assert [part for part in GUIDE if part not in headings] == [], f"headings that {path} has not"
    for file in _written(adapter.files(_context(adapter.scopes[0]))):
        folders = [f"`{folder.as_posix()}/`" for folder in Path(file.path).parents]
        assert file.path in text or any(folder in text for folder in folders), (
            f"{path} does not name {file.path}"
        )


# What it declares.


def test_the_same_context_gives_the_same_files(adapter: Adapter, scope: Scope) -> None:
    assert [*adapter.files(_context(scope))] == [*adapter.files(_context(scope))]


def test_its_paths_lead_into_the_project_or_the_home_folder(adapter: Adapter, scope: Scope) -> None:
    for file in _written(adapter.files(_context(scope))):
        inside = file.path.removeprefix("~/")
        assert not Path(inside).is_absolute(), file.path
        assert ".." not in Path(inside).parts, file.path
        assert "\\" not in file.path, file.path
        if scope == "user":
            assert file.path.startswith("~/"), f"{file.path} is not the user's own"
        elif file.path.startswith("~/"):
            assert scope == "personal", f"{file.path} is not shared with anybody"
            assert FOLDER in [*_texts(file)], f"{file.path} would hold for all projects"


def test_its_entries_are_recognised_as_ours(adapter: Adapter, scope: Scope) -> None:
    for file in _written(adapter.files(_context(scope))):
        if isinstance(file, JsonItems | YamlItem):
            items = file.items if isinstance(file, JsonItems) else (file.item,)
            assert all(any(MARK in text for text in _texts(item)) for item in items), (
                f"{file.keys} without {MARK}"
            )
        elif not isinstance(file, JsonDefault | YamlDefault | MarkdownBlock):
            assert MARK in file.path or any(MARK in text for text in _texts(file)), (
                f"{file.path} without {MARK}"
            )


def test_what_is_shared_says_nothing_of_this_machine(adapter: Adapter) -> None:
    if "shared" not in adapter.scopes:
        pytest.skip("nothing is shared")
    texts = [text for file in adapter.files(_context("shared")) for text in _texts(file)]
    assert not any(FOLDER in text for text in texts)


def test_the_projects_name_goes_with_every_address_of_a_project(adapter: Adapter, scope: Scope) -> None:
    for file in adapter.files(_context(scope)):
        for text in _texts(file):
            if re.search(rf"(/mcp|/adapters/{adapter.name}/(hook|context))\b", text) and "://" in text:
                assert (PROJECT in text) is (scope != "user"), text


def test_with_the_container_alone_none_of_our_commands_is_needed(adapter: Adapter, scope: Scope) -> None:
    for file in _written(adapter.files(_context(scope, command="", hook_command=""))):
        commands = [*_commands(getattr(file, "value", None)), *_commands(getattr(file, "items", None))]
        assert not any(re.match(r"\S*faiss-memory", command) for command in commands), (file.path, commands)


def _commands(value: object) -> Iterator[str]:
    """Everything under a key `command`, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner) if key == "command" else _commands(inner)
    elif isinstance(value, list | tuple):
        yield from (text for inner in value for text in _commands(inner))


def test_it_gives_files_on_every_system(adapter: Adapter, scope: Scope) -> None:
    for system in ("linux", "darwin", "windows"):
        for command in ("", "C:\\Program Files\\x\\faiss-memory.exe"):
            given = {"system": system, "command": command, "hook_command": command, "has_token": True}
            adapter.files(_context(scope, **given))


# Install, status, again, uninstall.


class Person:
    """Somebody with a home folder, a project, and files of their own."""

    def __init__(self, home: Path, scope: Scope, assistants: Assistants) -> None:
        self.home, self._assistants, self._settings = home, assistants, _settings()
        folder = None if scope == "user" else home / "website"
        self._installer = Installer(self._settings, assistants, scope, folder, self._records)

    @property
    def _records(self) -> RecordFile:
        return RecordFile()

    def has(self, adapter: Adapter, style: str) -> None:
        """Put a file of their own wherever the adapter has something to add to one."""
        for path, parts in self._installer.content(adapter.name).items():
            text = sample(path, parts, style)
            if text is not None:
                taken = [
                    part for part in parts if not _makes_room(part) and state(Content(text), part) != "absent"
                ]
                assert taken == [], "it would stand in the place of what the person has there"
                where = place_of(path, self.home, self.home / "website")
                where.parent.mkdir(parents=True, exist_ok=True)
                where.write_bytes(text)

    def files(self) -> dict[str, bytes | None]:
        """Every file and folder, but what is recorded of the installation."""
        found = {}
        for path in sorted(self.home.rglob("*")):
            if not {".local", "Library"} & set(path.relative_to(self.home).parts[:1]):
                found[path.relative_to(self.home).as_posix()] = path.read_bytes() if path.is_file() else None
        return found

    def install(self, adapter: Adapter) -> None:
        with self._installer.at_work():
            plan = self._installer.plan_install([adapter.name])
            assert [f"{refusal.path}: {refusal.reason}" for refusal in plan.refusals] == []
            assert self._installer.carry_out(plan) == []

    def uninstall(self, adapter: Adapter) -> None:
        with self._installer.at_work():
            plan = self._installer.plan_uninstall([adapter.name])
            assert self._installer.carry_out(plan) == []

    def is_told(self, adapter: Adapter, path: Path) -> bool:
        plan = self._installer.plan_install([adapter.name])
        refused = [f"{refusal.path} " for refusal in plan.refusals]
        return any(said.startswith(f"{path} ") for said in (*refused, *plan.remarks))

    def states(self) -> set[str]:
        found = report(self._records.load(), self._assistants, self._settings)
        return {file.state for one in found for file in one.files}


@pytest.fixture
def person(place: Path, scope: Scope, assistants: Assistants) -> Person:
    """Somebody who is about to install the adapter."""
    return Person(place, scope, assistants)


@pytest.mark.parametrize("style", STYLES)
def test_what_is_installed_is_taken_away_to_the_byte(adapter: Adapter, person: Person, style: str) -> None:
    person.has(adapter, style)
    before = person.files()
    person.install(adapter)
    installed = person.files()
    assert person.states() == ({"installed"} if installed != before else set())
    person.install(adapter)
    assert person.files() == installed, "installing twice changes nothing"
    person.uninstall(adapter)
    assert person.files() == before


def test_a_persons_file_in_the_place_of_ours_is_left_alone(adapter: Adapter, person: Person) -> None:
    declared = person._installer.content(adapter.name)
    whole = [path for path, parts in declared.items() if any(_is_ours_alone(part) for part in parts)]
    if not whole:
        pytest.skip("every file is shared with others")
    where = place_of(whole[0], person.home, person.home / "website")
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text("mine\n")
    assert person.is_told(adapter, where)
    assert where.read_text() == "mine\n"


def _makes_room(part: object) -> bool:
    return isinstance(part, OwnFile | JsonDefault | YamlDefault)


def _is_ours_alone(part: object) -> bool:
    return isinstance(part, OwnFile) and not part.refreshed


# Its calls.


class Client:
    """Somebody on this machine who calls a service."""

    def __init__(self, service: MemoryService) -> None:
        self._client = TestClient(create_app(service))

    def __call__(self, method: str, path: str, token: str = "") -> Result:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if method != "GET":
            headers["Content-Type"] = "application/json"
        return self._client.simulate_request(
            method, path, headers=headers, body=None if method == "GET" else "{}", host="localhost",
            remote_addr="127.0.0.1",
        )  # fmt: skip

    def calls(self, name: str) -> list[tuple[str, str]]:
        """An adapter's calls, as the document has them."""
        paths = self("GET", "/openapi.json").json["paths"]
        mine = {path: calls for path, calls in paths.items() if path.startswith(f"/adapters/{name}/")}
        return [(method.upper(), path) for path, calls in mine.items() for method in calls]


@pytest.fixture
def client_of(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Make a client of a service with settings, on a toy model."""
    services: list[MemoryService] = []

    def make(**given: str) -> Client:
        settings = _settings(data_dir=str(tmp_path / f"data{len(services)}"), **given)
        services.append(build_service(settings, lambda _: None, [("toy-model-of-the-checks", ToyModel())]))
        services[-1].start()
        return Client(services[-1])

    yield make
    for service in services:
        service.stop()


def test_its_calls_are_its_own_and_answer(adapter: Adapter, client_of: Callable[..., Client]) -> None:
    client = client_of()
    listed = {one["name"]: one["routes"] for one in client("GET", "/adapters").json["adapters"]}
    calls = client.calls(adapter.name)
    assert {path for _, path in calls} == set(listed[adapter.name]), (
        f"not all are under /adapters/{adapter.name}/"
    )
    for method, path in calls:
        answer = client(method, path)
        assert answer.status_code < 500, (method, path, answer.text)


def test_its_calls_ask_for_the_token(adapter: Adapter, client_of: Callable[..., Client]) -> None:
    calls, guarded = client_of().calls(adapter.name), client_of(token=TOKEN)
    for method, path in calls:
        answer = guarded(method, path)
        # A page without private detail may be open; what an assistant posts never is.
        assert answer.status_code == 401 or (method == "GET" and answer.status_code < 500), (method, path)
        assert guarded(method, path, TOKEN).status_code != 401, (method, path)
