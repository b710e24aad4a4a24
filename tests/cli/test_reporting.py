"""`faiss-memory report`: what a store finds, what it shows unasked, and what should not be in it."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from faiss_memory_plugins.report.questions import questions_of
from tests.cli.conftest import environment
from tests.cli.terminals import CommandLine
from tests.importing_stores import MCP_MEMORY_SERVICE, database

TEXTS = (
    "# Orders\n\nOrders live in Postgres because the ledger needs transactions there.",
    "Tests of the billing service run in parallel with eight workers on every push.",
    "Dates are written as ISO 8601 in UTC wherever an export leaves the service.",
    "The staging cluster is restarted every Sunday night by the platform team.",
)


@pytest.fixture(scope="module")
def real(real_service, tmp_path_factory):
    """The command line of somebody whose service has the real model, and two projects."""
    folder = tmp_path_factory.mktemp("report")
    for text in TEXTS:
        real_service.call("POST", "/memory/add", {"text": text, "project": "report-a"})
    strange = {"text": "Whales sing in the sea for hours when they look for company.", "project": "report-b"}
    real_service.call("POST", "/memory/add", strange)
    return CommandLine(folder, environment(folder, real_service.data.parent))


def test_memories_are_found_by_questions_made_of_them_and_foreign_ones_bring_nothing(real):
    card = json.loads(real("report", "--project", "report-a", "--sample", "12", "--json").out)
    assert (card["memories"], card["sampled"]) == (4, 4)
    by = {(one["rule"], one["mode"]): one for one in card["found"]}
    assert {rule for rule, _ in by} == {"heading", "sentence"}
    assert by["sentence", "hybrid"]["questions"] == 4
    assert by["sentence", "hybrid"]["first"] == by["sentence", "semantic"]["first"] == 1
    generic, *others = card["foreign"]
    assert (generic["kind"], generic["asked"], generic["shown"]) == ("generic prompts", 12, 0)
    assert [one["kind"] for one in others] == ["questions of other projects"]
    assert others[0]["shown"] < others[0]["asked"]


def test_nothing_of_it_counts_as_use(repository, running):
    one = repository.added("Orders live in Postgres because the ledger needs transactions.")
    before = running.call("GET", f"/memory/{one}/uses")
    log = running.call("GET", "/recall/log")[1]
    assert repository("report", "-p", repository.project, "--sample", 5).code == 0
    assert running.call("GET", f"/memory/{one}/uses") == before
    assert running.call("GET", "/recall/log")[1] == log


def test_what_should_not_be_there_is_counted(repository, running, tmp_path):
    token = "ghp_" + "aB3dE5fG7hI9jK1mN3pQ5rS7tU9vW1xY3zA5"
    repository.added("the ledger listens on port 8080", "--cue", "which port has the ledger?")
    repository.added("the ledger listens on port 8081")
    repository.added("the ledger listens on port 8080")
    repository.added(f"the token of the mirror is {token}", "--keep-secrets")
    file = tmp_path / "report.html"
    words = ("report", "-p", repository.project, "--sample", "5", "--html", str(file))
    card = json.loads(repository(*words, "--json").out)
    assert card["duplicates"]["identical"] == 1
    assert card["duplicates"]["differs"] == 2
    assert card["secrets"] == {"GitHub token": 1}
    assert {one["rule"] for one in card["found"]} == {"cue", "sentence"}
    assert card["session_start"]["tokens"] >= 0
    rows = repository("report", "-p", repository.project, "--sample", 5).rows
    assert ["secrets", "GitHub token", "1"] in rows
    assert {row[0] for row in rows} == {
        "finds", "foreign questions", "duplicates", "stale", "secrets", "start of a session",
    }  # fmt: skip
    assert "is there" in repository(*words).failure(1)
    assert repository(*words, "--force").code == 0
    _check_page(file.read_text())


def _check_page(page):
    tags, links = set(), []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.add(tag)
            links.extend(value for name, value in attrs if name in ("src", "href"))

    Reader().feed(page)
    assert {"meter", "table", "style"} <= tags
    assert not tags & {"script", "link", "img"}
    assert links == []
    assert "color-scheme: light dark" in page


def test_a_store_without_memories_is_told(cli):
    assert "no memories" in cli("report", "-p", "nobody-has-this").failure(1)


def test_questions_are_made_by_rule():
    memory = {
        "cues": ["where do orders live?"],
        "text": "## Orders ##\n\nThey live in Postgres databases now. Short.",
    }
    assert [(one.rule, one.text) for one in questions_of(memory)] == [
        ("cue", "where do orders live?"),
        ("heading", "Orders"),
        ("sentence", "They live in Postgres now."),
    ]
    assert list(questions_of({"cues": [], "text": "# A heading alone"})) == []


def test_another_programs_store_is_reported_on_and_only_read(tmp_path, model_cache):
    """Without a service, and with nothing written: neither there nor where ours would be."""
    theirs = database(tmp_path / "theirs.db", MCP_MEMORY_SERVICE)
    (tmp_path / "empty").mkdir()
    given = {**environment(tmp_path, tmp_path), "FAISS_MEMORY_CACHE_DIR": str(model_cache)}
    alone = CommandLine(tmp_path, given)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    page = tmp_path / "card.html"
    card = json.loads(alone("report", "--of", theirs, "--sample", 5, "--html", page, "--json").out)
    assert (card["of"], card["memories"], card["stale"]["never_recalled"]) == (str(theirs), 2, None)
    assert card["secrets"] == {"GitHub token": 1}
    assert {one["mode"] for one in card["found"]} == {"hybrid", "semantic", "keyword"}
    assert str(theirs) in page.read_text()
    page.unlink()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert "knows what" in alone("report", "--of", tmp_path / "empty").failure(1)
