"""The examples run, twice, against a real service, and find what they say; their READMEs show what they do."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from faiss_memory_plugins.importers.plugin import register_importers
from tests.cli.conftest import environment
from tests.cli.terminals import CommandLine
from tests.docs.documents import ROOT, blocks, commands, read, rows, section
from tests.running import RunningService

EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/README.md"))

FOUND_FIRST = {
    "project-decisions": {
        "Ask in other words": "Money is kept in integer cents",
        "Only what is accepted, and about the frontend": "API calls go through React Query",
        "The new decision is found, the old one is history": "kept in Postgres, no longer in Redis",
    },
    "bug-history": {
        "Somebody tells of the first one again, in other words": "Health checks of a container",
        "Search by the symptom": "Deadlocks in the nightly import",
        "Search among the fixes of one area": "CERTIFICATE_VERIFY_FAILED",
    },
    "personal-notes": {
        "What did a meeting decide?": "last an hour at most",
        "What did meetings say since March?": "Meeting about the team",
        "And the garden?": "Coffee grounds around the lettuce",
    },
}
"""Example → heading of its output → what the first memory below it says."""


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the examples, so that none of them writes into the repository."""
    return Path(shutil.copytree(ROOT / "examples", tmp_path_factory.mktemp("examples") / "examples"))


@pytest.fixture(scope="module")
def running(tmp_path_factory, model_cache, copies):
    data = tmp_path_factory.mktemp("service") / "data"
    with RunningService(data, cache=model_cache, **{"plugins.ingest.roots": str(copies)}) as service:
        yield service


@pytest.fixture
def cli(running: RunningService, tmp_path: Path) -> CommandLine:
    """Somebody in another folder, whose command line finds the service."""
    return CommandLine(tmp_path, environment(tmp_path, running.data.parent))


def _outputs(shown: str) -> dict[str, list[list[str]]]:
    """The records below each heading."""
    sections = re.split(r"^== (.+)\n", shown, flags=re.MULTILINE)[1:]
    return {
        heading: [line.split("\t") for line in text.splitlines() if "\t" in line]
        for heading, text in zip(sections[::2], sections[1::2], strict=True)
    }


def _build_of_notes(outputs):
    """The second build of the notes reads only the change."""
    built = outputs["Edit one, and build again: only the change is embedded"]
    changed = [(Path(row[1]).name, *row[2:4]) for row in built if row[0] != "kept"]
    assert changed == [("garden.md", "1", "2")]


KNOWN_AGAIN = {"bug-history": 6, "project-decisions": 1, "personal-notes": 0}
"""How many fixes or decisions the second run knows already."""


@pytest.mark.parametrize(
    "name",
    [
        name if name == "project-decisions" else pytest.param(name, marks=pytest.mark.long)
        for name in EXAMPLES
    ],
)
def test_an_example_runs_twice_and_finds_what_it_says(name, cli, copies, running):
    for _ in range(2):
        ended = cli.shell(f"'{copies}/{name}/run.sh'")
        assert ended.code == 0, ended.err
        outputs = _outputs(ended.out)
        for heading, words in FOUND_FIRST[name].items():
            assert words in outputs[heading][0][-1], heading
        if name == "personal-notes":
            _build_of_notes(outputs)
    assert len(re.findall(r"^Known: |this is known", ended.out, re.MULTILINE)) == KNOWN_AGAIN[name]

    project = re.search(r"--project (\S+)", (copies / name / "run.sh").read_text())[1]
    assert {each["name"] for each in running.call("GET", "/projects")[1]["projects"]} >= {project}
    assert running.call("GET", f"/stats?project={project}")[1]["total_memories"] > 4
    assert cli.shell(f"'{copies}/{name}/run.sh' clean").code == 0
    assert running.call("GET", f"/stats?project={project}")[1]["total_memories"] == 0


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_examples_readme_shows_its_commands(name):
    script = _joined((ROOT / "examples" / name / "run.sh").read_text(encoding="utf-8"))
    shown = "\n".join(block.text for block in blocks(f"examples/{name}/README.md", "bash"))
    told = [line for line in _joined(shown).splitlines() if line.startswith("faiss-memory")]
    assert len(told) > 3
    at = 0
    for line in told:
        assert line in script[at:], line
        at = script.index(line, at)


def _joined(text: str) -> str:
    """A script with each command in one line."""
    return re.sub(r" *\\\n *", " ", text)


def test_every_example_is_tested_and_named_in_readme():
    assert sorted(FOUND_FIRST) == EXAMPLES
    text = section("README.md", "## What to keep in it")
    assert [name for name in EXAMPLES if f"(examples/{name}/README.md)" not in text] == []


def test_the_builds_of_the_document_run(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "ledger.md").write_text("# Ledger\n\nThe ledger lies in Postgres.\n")
    text = read("docs/building.md")
    tried = [
        line
        for line in commands("docs/building.md")
        if line.startswith("faiss-memory build") and line in text
    ]
    assert len(tried) > 1
    with RunningService(tmp_path / "data", fake=True, home=tmp_path) as service:
        cli = CommandLine(tmp_path, environment(tmp_path, tmp_path))
        for line in tried:
            ended = cli.shell(line)
            assert ended.code == 0, (line, ended.err)
        assert service.call("GET", "/stats")[1]["total_memories"] == 1


def test_the_imports_of_the_document_run(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "ledger.md").write_text("# Ledger\n\nThe ledger lies in Postgres.\n")
    message = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["Plant tulips"]}}
    conversations = [{"title": title, "mapping": {"a": {"message": message}}} for title in ("Garden", "Tax")]
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("conversations.json", json.dumps(conversations))
    tried = [line for block in blocks("docs/importing.md", "bash") for line in block.text.splitlines()]
    assert len(tried) > 2
    with RunningService(tmp_path / "data", fake=True, home=tmp_path) as service:
        cli = CommandLine(tmp_path, environment(tmp_path, tmp_path))
        for line in tried:
            ended = cli.shell(line)
            assert ended.code == 0, (line, ended.err)
        assert service.call("GET", "/stats")[1]["total_memories"] == 2


def test_the_document_names_every_importer_that_finds_out_for_itself():
    listed = [row[0].strip("`") for row in rows(section("docs/importing.md", "## What is read"))[1:]]
    assert sorted(listed) == sorted(
        one.name for one in register_importers() if not one.name.endswith("-conversations")
    )
