"""The checks for adapters pass on those that come along and on CONTRIBUTING's, and find what is wrong with others."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from faiss_memory import Adapter
from faiss_memory_conformance.plugin import CHECKS
from tests.docs.documents import ROOT, blocks

FIRST = {"claude-code", "chatgpt"}
"""What is tried in every run; `make long` tries the others as well."""
GUIDED = sorted(
    point.name
    for point in entry_points(group="faiss_memory")
    if point.dist.name == "faiss-memory"
    and isinstance(point.load(), Adapter)
    and (ROOT / "docs/integrations" / f"{point.name}.md").exists()
)

PATHS = "its_paths_lead_into_the_project_or_the_home_folder"
GOOD = """
from itertools import count

from faiss_memory import Adapter, Answer, JsonItems, JsonMember, OwnFile, PromptTemplate, Route

TEXT = "Search $url for what is known about $project, and store there what was decided, with the reason for it. " * 2

ticks = count()

def made(name, **given):
    return Adapter(**{"name": name, "title": name.title(), "prompt": PromptTemplate(name, TEXT),
                      "scopes": ("personal", "shared"), **given})

def server(context, path="tool.json", keys=("servers", "faiss-memory"), value=None):
    value = value or {"url": context.url + "/mcp?project=" + context.project}
    return JsonMember(path, keys, value)

class Said(Answer):
    said: str = ""

def route(path, handler):
    return Route(method="GET", path=path, summary="Say something", answer=Said, handler=handler)

def crash():
    raise RuntimeError("crash")
"""
BROKEN = {
    "unknown": ("", "it_has_a_name_and_a_title"),
    "wordy": ("prompt=PromptTemplate('wordy', TEXT * 60)", "its_prompt_says_when_to_search_and_when_to_store"),
    "mute": ("prompt=PromptTemplate('mute', 'Be nice. ' * 20)", "its_prompt_says_when_to_search_and_when_to_store"),
    "unguided": ("", "it_has_a_guide"),
    "unfinished": ("steps=lambda context: ['trust the folder.']", "its_steps_are_sentences-personal"),
    "random": (
        "files=lambda context: [OwnFile('a', str(next(ticks)))]",
        "the_same_context_gives_the_same_files-personal",
    ),
    "outside": ("files=lambda context: [OwnFile('../x', '')]", f"{PATHS}-shared"),
    "everywhere": ("files=lambda context: [server(context, '~/tool.json')]", f"{PATHS}-personal"),
    "anonymous": (
        "files=lambda context: [server(context, keys=('servers', 'x'), value={'a': 1})]",
        "its_entries_are_recognised_as_ours-personal",
    ),
    "unmarked": (
        "files=lambda context: [JsonItems('a.json', ('hooks',), ({'x': 1},))]",
        "its_entries_are_recognised_as_ours-personal",
    ),
    "leaking": (
        "files=lambda context: [OwnFile('x', '/home/someone/website')]",
        "what_is_shared_says_nothing_of_this_machine",
    ),
    "homeless": (
        "files=lambda context: [server(context, value={'url': context.url + '/mcp'})]",
        "the_projects_name_goes_with_every_address_of_a_project-personal",
    ),
    "dependent": (
        "files=lambda context: [server(context, value={'command': 'faiss-memory'})]",
        "with_the_container_alone_none_of_our_commands_is_needed-personal",
    ),
    "linuxish": ("files=lambda context: [{'linux': 0}[context.system]]", "it_gives_files_on_every_system-personal"),
    "clumsy": (
        "files=lambda context: [server(context, 'servers.json', ('mcpServers',), {'faiss-memory': {}})]",
        "what_is_installed_is_taken_away_to_the_byte-personal-windows",
    ),
    "stray": ("routes=lambda service: [route('/stray/x', Said)]", "its_calls_are_its_own_and_answer"),
    "crashing": ("routes=lambda service: [route('/adapters/crashing/x', crash)]", "its_calls_are_its_own_and_answer"),
}  # fmt: skip
"""What is wrong with an adapter, and the check that finds it, with its parameters; the first is not installed."""


def _checked(folder, names, *options, **packages):
    """Run the checks in a folder that packages lie in: file name → text. Gives what failed, and the output."""
    for file, text in packages.items():
        (folder / f"{file}.py").write_text(text, encoding="utf-8")
        described = folder / f"{file}-1.dist-info"
        described.mkdir()
        (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {file}\nVersion: 1\n")
        made = re.findall(r"^(\w+) = (?:made|Adapter)\(", text, re.MULTILINE)
        lines = [f"{file}.{name} = {file}:{name}" for name in made]
        (described / "entry_points.txt").write_text("\n".join(["[faiss_memory]", *lines]) + "\n")
    named = [f"--faiss-memory-adapter={name}" for name in names]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "-rfE", *named, *options],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True,
    )  # fmt: skip
    output = ended.stdout + ended.stderr
    return re.findall(r"^(?:FAILED|ERROR) \S*::test_(\w+)\[(\w+)", output, re.MULTILINE), output


@pytest.mark.skipif(sys.platform == "win32", reason="the sandbox is POSIX's")
@pytest.mark.parametrize(
    "names",
    [FIRST, pytest.param(sorted({*GUIDED} - FIRST), marks=pytest.mark.long)],
    ids=["the first ones", "the others"],
)
def test_every_adapter_with_a_guide_passes(names):
    assert set(names) <= set(GUIDED)
    failed, output = _checked(ROOT, names)
    assert failed == [], output
    assert re.search(r"^\d{2,} passed", output, re.MULTILINE), output


def test_the_assistant_of_contributing_passes(tmp_path):
    (text,) = (
        block.text for block in blocks("CONTRIBUTING.md") if block.path.endswith("faiss_memory_zed.py")
    )
    (guide,) = (
        block.text for block in blocks("CONTRIBUTING.md") if block.path == "faiss-memory-zed/README.md"
    )
    (tmp_path / "README.md").write_text(guide, encoding="utf-8")
    failed, output = _checked(tmp_path, ["zed"], faiss_memory_zed=text)
    assert failed == [], output
    assert " passed" in output


def test_each_check_finds_what_is_wrong(tmp_path):
    adapters = [
        f"{name} = made({name!r}, {given})" for name, (given, _) in BROKEN.items() if name != "unknown"
    ]
    (tmp_path / "README.md").write_text("# Broken\n")
    wanted = {name: check.partition("-") for name, (_, check) in BROKEN.items()}
    nodes = [f"{CHECKS}::test_{check}[{name}{dash}{more}]" for name, (check, dash, more) in wanted.items()]
    failed, output = _checked(tmp_path, BROKEN, *nodes, broken=GOOD + "\n".join(adapters) + "\n")
    assert sorted(failed) == sorted((check, name) for name, (check, _, _) in wanted.items()), output


@pytest.mark.long
def test_tests_of_ones_own_are_run_beside_the_checks(tmp_path):
    (tmp_path / "test_own.py").write_text("def test_own():\n    pass\n")
    _, output = _checked(tmp_path, ["cursor"], "test_own.py", "-k", "test_own or a_name_and_a_title")
    assert "2 passed" in output, output
