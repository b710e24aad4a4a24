"""The packages of CONTRIBUTING.md, written to a folder as pip would, take part in a running service."""

from __future__ import annotations

import ast
import http.client
import os
import tomllib
from collections import defaultdict

import pytest

from tests.docs.documents import NAMES, blocks, read
from tests.running import RunningService


@pytest.fixture(scope="module")
def packages():
    """Folder name → file name → text."""
    found = defaultdict(dict)
    for block in blocks("CONTRIBUTING.md", "toml", "python"):
        if block.path:
            folder, _, file = block.path.partition("/")
            found[folder][file] = block.text
    return dict(found)


@pytest.fixture(scope="module")
def running(packages, tmp_path_factory):
    """A service that finds all of them, on the toy model that one of them brings."""
    site = tmp_path_factory.mktemp("site")
    for files in packages.values():
        project = tomllib.loads(files["pyproject.toml"])
        modules = project["tool"]["setuptools"]["py-modules"]
        assert sorted(files) == sorted(["pyproject.toml", *(f"{module}.py" for module in modules)])
        _install(
            site, project["project"], {name: text for name, text in files.items() if name.endswith(".py")}
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")])))
        service = RunningService(tmp_path_factory.mktemp("guests") / "data", model_name="letters")
    with service:
        yield service


def _install(site, project, files):
    for name, text in files.items():
        (site / name).write_text(text, encoding="utf-8")
    described = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    described.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (described / "METADATA").write_text(head, encoding="utf-8")
    lines = [
        "[faiss_memory]",
        *(f"{name} = {value}" for name, value in project["entry-points"]["faiss_memory"].items()),
    ]
    (described / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_the_assistants_file_and_call_are_there(running):
    assert "zed" in [adapter["name"] for adapter in running.call("GET", "/adapters")[1]["adapters"]]
    status, answer = running.call("GET", "/adapters/zed/files?project=website")
    assert (status, answer["files"][0]["path"]) == (200, ".rules")
    assert '["website", "default"]' in answer["files"][0]["text"]
    status, answer = running.call("GET", "/adapters/zed/count")
    assert (status, answer.keys()) == (200, {"memories"})
    assert "/adapters/zed/count" in running.call("GET", "/openapi.json")[1]["paths"]


def test_the_plugin_refuses_keys(running):
    status, answer = running.call("POST", "/memory/add", {"text": "the key is sk-abcdefghijklmnopqrst"})
    assert (status, answer["field"]) == (400, "text")
    assert running.call("POST", "/memory/add", {"text": "the key is in the vault"})[0] == 201


def test_the_toy_model_answers(running):
    stats = running.call("GET", "/stats")[1]
    assert (stats["model"], stats["dimension"], stats["model_ready"]) == ("letters", 26, True)


def test_the_examples_call_figures_and_log_are_there(running):
    added = running.call("POST", "/memory/add", {"text": "four"})[1]["id"]
    assert running.call("GET", f"/example/length/{added}") == (200, {"characters": 4})
    assert running.call("GET", "/stats")[1]["plugins"]["example_calls"]["projects"] >= 1
    assert "count" in [job["name"] for job in running.call("GET", "/schedules")[1]["jobs"]]
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
    connection.request("GET", "/example/metrics")
    assert connection.getresponse().read().startswith(b"memories ")
    connection.close()
    assert "example_calls: version" in running.log.read_text()


def test_the_examples_see_memories_come_and_go(running):
    added = running.call("POST", "/memory/add", {"text": "seen", "tags": ["mine"]})[1]["id"]
    tags = running.call("GET", f"/memory/{added}")[1]["tags"]
    assert tags[0] == "mine"
    assert len(tags[1]) == 4
    assert running.call("PATCH", f"/memory/{added}", {"text": "seen again"})[0] == 200
    assert running.call("DELETE", f"/memory/{added}")[0] == 200
    assert running.call("GET", "/stats")[1]["plugins"]["example_memories"].keys() == {
        "added",
        "changed",
        "removed",
    }


def test_the_examples_rankings_take_part(running):
    memories = [
        {"text": f"zebra {n}", "project": "order", "tags": ["pinned"] if n == 1 else []} for n in range(4)
    ]
    running.call("POST", "/memory/add-batch", {"memories": memories})
    results = running.call("POST", "/search", {"query": "zebra", "project": "order"})[1]["results"]
    # The pinned one first, then the newest: words and letters say the same of all of them.
    assert [result["text"][-1] for result in results][:2] == ["1", "3"]


def test_the_example_says_which_files_say_no_more(running):
    file = running.data.parent / "style.rules"
    file.write_text("Tabs, not spaces.\n")
    status, answer = running.call("POST", "/index/build", {"sources": [str(file)], "project": "rules"})
    assert status == 200, answer
    file.write_text("")
    (told,) = running.call("GET", "/review/stale?project=rules")[1]["files"]
    assert (told["file"], told["reason"]) == (str(file), "changed")


def test_the_examples_file_is_there(running):
    status, answer = running.call("GET", "/adapters/example/files")
    assert (status, answer["files"][0]["kind"]) == (200, "marked block")


def test_the_examples_file_goes_along_with_backups(running):
    greeting = running.data / "example_greeting.txt"
    greeting.write_text("hello")
    backup = running.call("POST", "/backup", {"label": "greeted"})[1]["backup"]
    greeting.write_text("bye")
    status, answer = running.call("POST", "/restore", {"backup": backup})
    assert (status, answer["left_behind"], greeting.read_text()) == (200, [], "hello")


def test_the_service_stops_cleanly_with_them(running):
    assert running.stop() == 0
    log = running.log.read_text()
    assert "example_calls: the service stops" in log
    assert "failed in" not in log
    running.start()


@pytest.mark.parametrize("name", NAMES)
def test_every_python_example_is_python(name):
    for block in blocks(name, "python"):
        ast.parse(block.text)


def test_every_example_of_a_package_is_installed(packages):
    labelled = [block for block in blocks("CONTRIBUTING.md", "toml", "python") if block.path]
    assert len(labelled) == sum(len(files) for files in packages.values()) > 8
    assert "hookimpl" in read("CONTRIBUTING.md")
