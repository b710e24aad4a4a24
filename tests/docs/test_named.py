"""What exists stands in its document, and what a document names exists."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import entry_points
from typing import get_args, get_origin

import click
import msgspec
import pytest

from faiss_memory import Adapter
from faiss_memory.app import STATUS, create_app
from faiss_memory.cli import main
from faiss_memory.contracts import hooks
from faiss_memory.http.metrics import Requests, metrics_route
from faiss_memory.http.routes import core_routes
from faiss_memory.http.sessions import Sessions, session_routes
from faiss_memory.openapi import document
from faiss_memory.service.assistant_files import AssistantFiles
from faiss_memory.service.backups import Backups
from tests.docs.documents import NAMES, ROOT, anchors, commands, prose, read, rows, section

API = "docs/API.md"
NONE = "\N{EN DASH}"
HOOKS = sorted(name for name, value in vars(hooks).items() if hasattr(value, "faiss_memory_spec"))
GUESTS = {
    point.name: point.load()
    for point in entry_points(group="faiss_memory")
    if point.dist.name == "faiss-memory"
}


# Routes.


@pytest.fixture
def routes(service):
    brought = [route for more in service.plugins.hook.register_routes(service=service) for route in more]
    own = core_routes(service, Backups(service), AssistantFiles(service, brought))
    return [*own, metrics_route(service, Requests()), *session_routes(Sessions([])), *brought]


def test_the_api_document_lists_every_route_and_no_other(service, routes):
    app = create_app(service)
    pages = ["/", "/docs", "/openapi.json"]
    assert all(app._router.find(path) for path in pages)
    expected = {f"{route.method} {route.path}" for route in routes} | {f"GET {path}" for path in pages}
    headings = re.findall(r"^### `(.+)`$", read(API), re.MULTILINE)
    listed = [row[0].strip("`") for row in rows(section(API, "## Pages"))[1:]]
    assert sorted(headings + listed) == sorted(expected)


def test_the_openapi_document_and_the_api_document_agree_on_the_calls(service, routes):
    paths = document(routes, service.settings, "0")["paths"]
    assert sorted(f"{method.upper()} {path}" for path, calls in paths.items() for method in calls) == sorted(
        re.findall(r"^### `(.+)`$", read(API), re.MULTILINE)
    )


def _default(field):
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.json.encode(field.default_factory()).decode()
    if field.default is msgspec.NODEFAULT:
        return ""
    if field.default is None or field.default is msgspec.UNSET:
        return NONE
    return msgspec.json.encode(field.default).decode()


def _documented(text):
    """Field name → default, from the tables whose rows may hold several names."""
    found = {}
    for name_cell, default_cell, *_ in (row for row in rows(text) if len(row) == 3):
        names = re.findall(r"`(\w+)`", name_cell)
        defaults = [default.strip().strip("`") for default in default_cell.split(", ")]
        defaults = defaults if len(defaults) == len(names) else [default_cell.strip("`")] * len(names)
        found |= dict(zip(names, defaults, strict=True))
    return found


def test_every_request_field_is_documented_with_its_default(routes):
    for route in routes:
        text = section(API, f"### `{route.method} {route.path}`")
        in_path = re.findall(r"{(\w+)}", route.path)
        expected = {
            field.encode_name: _default(field)
            for message in (route.params, route.body)
            if message is not None
            for field in msgspec.structs.fields(message)
            if field.name not in in_path
        }
        found = _documented(text)
        assert found.keys() == expected.keys(), route.path
        for name, default in expected.items():
            # None stands for the shared project, which the document names.
            allowed = {default, default.strip('"'), *(('"default"', "default") if name == "project" else ())}
            assert found[name] in allowed, (route.path, name)


def test_every_answer_field_is_documented(routes):
    for route in (route for route in routes if route.answer is not None):
        here = section(API, f"### `{route.method} {route.path}`")
        one = get_args(route.answer)[0] if get_origin(route.answer) is list else route.answer
        for field in msgspec.structs.fields(one):
            named = f"`{field.encode_name}`" in here or f'"{field.encode_name}"' in here
            assert named or route.path == "/adapters/generic/tools", (route.path, field.name)


# Errors.


def _provoked(client, client_of, make_service, tmp_path):
    ok = {"text": "the ledger is in postgres"}
    client.post("/memory/add", ok, headers={"Idempotency-Key": "once"})
    locked = client_of(make_service(data_dir=str(tmp_path / "locked"), token="secret"))
    small = client_of(make_service(data_dir=str(tmp_path / "small"), **{"limits.body_bytes": 100}))
    return {
        400: client.post("/search", {"query": ""}),
        401: locked.get("/stats"),
        403: client.get("/health", headers={"Origin": "https://elsewhere.example"}),
        404: client.get("/memory/9"),
        405: client.get("/search"),
        409: client.post("/memory/add", {"text": "another"}, headers={"Idempotency-Key": "once"}),
        413: small.post("/search", {"query": "x" * 200}),
        415: client.post("/search"),
        421: client.get("/health", host="elsewhere.example"),
    }


def test_the_error_table_lists_what_the_service_answers(client, client_of, make_service, tmp_path):
    provoked = _provoked(client, client_of, make_service, tmp_path)
    assert {status: answer.status_code for status, answer in provoked.items()} == {
        status: status for status in provoked
    }
    assert all(answer.json.keys() >= {"title", "description"} for answer in provoked.values())
    listed = {int(row[0]) for row in rows(section(API, "## Errors"))[1:]}
    assert listed == {*provoked, *(int(status[:3]) for status in STATUS.values())}


def test_the_limits_table_holds_the_limits(service):
    table = {row[2].strip("`").split(".")[1]: row[1] for row in rows(section(API, "## Limits"))[1:]}
    units = {"KB": 1024, "MB": 1024**2, "GB": 1024**3}
    for name, most in msgspec.structs.asdict(service.settings.limits).items():
        number, _, unit = table.pop(name).partition(" ")
        assert int(number.replace(",", "")) * units.get(unit, 1) == most, name
    assert not table


# Hooks and guests.


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "ARCHITECTURE.md"])
@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented(hook, name):
    assert f"`{hook}`" in prose(name)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_an_example(hook):
    assert re.search(rf"@hookimpl\s+def {hook}\(", read("CONTRIBUTING.md"))


def test_the_hooks_table_names_no_hook_that_is_not_there():
    assert (
        sorted(row[0].strip("`") for row in rows(section("ARCHITECTURE.md", "## Which hooks are there?"))[1:])
        == HOOKS
    )


@pytest.mark.parametrize("guest", sorted(GUESTS))
def test_every_adapter_and_plugin_that_comes_along_is_documented(guest):
    where = ["README.md", API] if isinstance(GUESTS[guest], Adapter) else ["ARCHITECTURE.md", "CHANGELOG.md"]
    assert any(guest in read(name) for name in where)


# Modules, commands, links.


def test_readme_stays_short():
    assert len(read("README.md").splitlines()) <= 200


def test_the_architecture_and_the_packages_readmes_name_every_module():
    pages = (ROOT / "core/faiss_memory").rglob("README.md")
    assert len(read("ARCHITECTURE.md").splitlines()) <= 250
    text = read("ARCHITECTURE.md") + "".join(page.read_text(encoding="utf-8") for page in pages)
    modules = [path for path in (ROOT / "core/faiss_memory").rglob("*.py") if path.name != "__init__.py"]
    assert [path.stem for path in modules if f"`{path.stem}`" not in text] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_make_target_that_is_named_exists(name):
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    named = {command.split()[1] for command in commands(name) if re.match(r"make [a-z]", command)}
    assert named <= targets


@pytest.mark.parametrize("name", NAMES)
def test_every_command_that_is_named_exists(name):
    for command in commands(name):
        found = re.match(r"(?:\S*/)?faiss-memory (.+)", command)
        if not found or found[1] == "--help":
            continue
        words = found[1].split()
        words = words[: words.index("--")] if "--" in words else words  # what follows is another program's
        subcommand = main
        while isinstance(subcommand, click.Group):
            name = words.pop(0)
            subcommand = subcommand.get_command(click.Context(subcommand), name)
            assert subcommand is not None, command
        options = [
            option for part in subcommand.params if isinstance(part, click.Option) for option in part.opts
        ]
        assert [word for word in words if word.startswith("--") and word not in options] == [], command


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_leads_somewhere(name):
    here = ROOT / name
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(name)):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        there = (here.parent / path).resolve() if path else here
        assert there.exists(), target
        assert there.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(there.read_text(encoding="utf-8")), target


def test_the_front_door_is_what_the_examples_import():
    import_line = re.compile(r"^from faiss_memory(\S*) import (.+)$", re.MULTILINE)
    found = import_line.findall(read("CONTRIBUTING.md"))
    assert {deeper for deeper, _ in found} == {""}


def test_every_hook_says_what_it_is_for():
    assert [hook for hook in HOOKS if not inspect.getdoc(getattr(hooks, hook))] == []
