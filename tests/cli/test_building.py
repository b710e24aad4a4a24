"""The command `build`, against a stand-in that keeps to the service's contract."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from faiss_memory_plugins.ingest.command import absolute
from tests.cli.stub import stub

FILES = [
    *(
        {"file": f"/notes/added{n}.md", "outcome": "added", "added": 2, "kept": 0, "removed": 0}
        for n in range(25)
    ),
    {"file": "/notes/changed.md", "outcome": "changed", "added": 1, "kept": 4, "removed": 1},
    {"file": "/notes/kept.md", "outcome": "kept", "added": 0, "kept": 3, "removed": 0},
    {"file": "/notes/gone.md", "outcome": "removed", "added": 0, "kept": 0, "removed": 2},
    {"file": "/notes/a.png", "outcome": "skipped", "reason": "not text", "added": 0, "kept": 0, "removed": 0},
    {"file": "/notes/b.png", "outcome": "skipped", "reason": "not text", "added": 0, "kept": 0, "removed": 0},
    {
        "file": "/notes/c.env",
        "outcome": "skipped",
        "reason": "holds secrets",
        "added": 0,
        "kept": 0,
        "removed": 0,
    },
]


def build(state="done", **changes):
    """An answer of the service."""
    counts = {outcome: sum(each["outcome"] == outcome for each in FILES) for outcome in
              ("added", "kept", "changed", "removed", "skipped")}  # fmt: skip
    return {
        "success": state in ("running", "done"), "state": state, "project": "default", "sources": ["/notes"],
        "dry_run": False, "started_at": "2026-02-12T10:30:00+00:00", "took_ms": 1234.5, "files": FILES, **counts,
        "memories": {"added": 51, "kept": 7, "removed": 3}, "embedded": 52,
        "progress": {"phase": "done", "done": 31, "total": 31, "file": ""}, "message": "", **changes,
    }  # fmt: skip


def status(running=(), last=None):
    return {"running": list(running), "last": last}


@pytest.fixture
def service():
    """Answers every build with the summary above."""
    with stub(_answer) as made:
        yield made


def _answer(method, path, body):
    if path == "/projects/claim":
        return 200, {"project": body["name"], "owned_by": None}
    return 200, build() if method == "POST" else status()


def sent(service):
    """The bodies of the builds that were asked for."""
    return [body for method, path, body, _ in service.asked if (method, path) == ("POST", "/index/build")]


# What is sent.


def test_the_request_says_what_was_asked(alone, service):
    alone("build", "a", "b", "--url", service.url)
    alone("build", "a", "--no-prune", "--dry-run", "--no-wait", "-p", "website", "--url", service.url)
    alone("build", "a", "--force-prune", "--url", service.url)
    folder = str(alone.folder)
    assert sent(service) == [
        {"sources": [f"{folder}/a", f"{folder}/b"], "prune": True, "dry_run": False, "wait": True},
        {"sources": [f"{folder}/a"], "prune": False, "dry_run": True, "wait": False, "project": "website"},
        {"sources": [f"{folder}/a"], "prune": "force", "dry_run": False, "wait": True},
    ]


def test_inside_a_repository_it_is_built_into_its_project(repository, service):
    repository("build", "a", "--url", service.url)
    assert sent(service)[0]["project"].startswith("owner.test-")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.md", "{here}/a.md"),
        ("./x/../a.md", "{here}/a.md"),
        ("*.md", "{here}/*.md"),
        ("docs/**/[ab].md", "{here}/docs/**/[ab].md"),
        ("/abs/*.md", "/abs/*.md"),
        ("~/notes", "{home}/notes"),
        ("~/notes/*.md", "{home}/notes/*.md"),
        ("odd[1].md", "{here}/odd[[]1].md"),
        ("..", "{above}"),
    ],
)
def test_paths_become_absolute_and_globs_stay(tmp_path, monkeypatch, path, expected):
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    (here / "odd[1].md").write_text("")
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    assert absolute(path) == expected.format(here=here, home=home, above=tmp_path)


def test_a_folder_whose_own_name_looks_like_a_glob_is_meant_literally(tmp_path, monkeypatch):
    here = tmp_path / "[x]"
    here.mkdir()
    (here / "a.md").write_text("")
    monkeypatch.chdir(here)
    assert absolute("*.md") == f"{tmp_path}/[[]x]/*.md"
    assert list(Path("/").glob(absolute("*.md")[1:])) == [here / "a.md"]
    assert list(Path("/").glob(absolute("a.md")[1:])) == [here / "a.md"]


# What is shown.


def test_through_a_pipe_each_file_is_a_line(alone, service):
    ended = alone("build", "notes", "--url", service.url)
    assert ended.code == 0
    head, *rest = ended.out.splitlines()
    assert head == "Done in project default: 25 added, 1 changed, 1 kept, 1 removed, 3 skipped (1.2 s)"
    assert len(rest) == len(FILES)
    assert "changed\t/notes/changed.md\t1\t4\t1\t" in rest
    assert "skipped\t/notes/a.png\t0\t0\t0\tnot text" in rest
    assert "51 added, 7 kept, 3 removed, 52 passages embedded" in ended.err
    assert json.loads(alone("build", "x", "--json", "--url", service.url).out) == build()


def test_at_a_terminal_the_files_are_grouped_and_limited(alone, service):
    shown = alone.seen("build", "notes", "--url", service.url).shown
    assert "Done in project default: 25 added" in shown
    assert "skipped: not text (2)" in shown
    assert "skipped: holds secrets (1)" in shown
    assert "changed (1)" in shown
    assert "/notes/added19.md" in shown
    assert "/notes/added20.md" not in shown
    assert "/notes/kept.md" not in shown
    assert "… and 5 more files; --verbose shows all" in shown
    every = alone.seen("build", "notes", "--verbose", "--url", service.url).shown
    assert all(each["file"] in every for each in FILES)
    assert "--verbose" not in every


def test_a_dry_run_is_told_as_such(alone):
    with stub(lambda *_: (200, build(dry_run=True))) as service:
        assert "Dry run for project default" in alone("build", "x", "--dry-run", "--url", service.url).out


def test_without_waiting_it_is_said_how_to_look(alone):
    running = {key: value for key, value in build("running").items() if key != "files"}
    with stub(lambda *_: (202, running)) as service:
        ended = alone("build", "x", "--no-wait", "--url", service.url)
        assert (ended.code, "has begun" in ended.out, "build --status" in ended.out) == (0, True, True)


@pytest.mark.parametrize(
    ("state", "says"), [("failed", "failed: the disk"), ("stopped", "was stopped: the disk")]
)
def test_a_build_that_did_not_end_well_is_an_error(alone, state, says):
    with stub(lambda *_: (200, build(state, message="the disk\nis full"))) as service:
        ended = alone("build", "x", "--url", service.url)
        assert (ended.code, says in ended.err) == (1, True)
        assert alone("build", "x", "--json", "--url", service.url).code == 1


def test_the_status_shows_what_runs_and_the_last(alone):
    progress = {"phase": "embedding", "done": 5, "total": 20, "file": "/notes/x.md"}
    answer = status([build("running", progress=progress)], build("failed", message="the disk is full"))
    with stub(lambda *_: (200, answer)) as service:
        ended = alone("build", "--status", "--url", service.url)
        assert ["progress", "embedding, 5 of 20"] in [line.split("\t") for line in ended.out.splitlines()]
        assert "message\tthe disk is full" in ended.out
        shown = alone.seen("build", "--status", "--url", service.url).shown
        assert "embedding, 5 of 20" in shown
        assert "The last one:" in shown
        assert json.loads(alone("build", "--status", "--json", "--url", service.url).out) == answer
    with stub(lambda *_: (200, status())) as service:
        ended = alone("build", "--status", "--url", service.url)
        assert "No build is running" in ended.err
        assert "None has run" in ended.err


# Progress and interruption.


def in_progress(look, answered):
    """Answers a build when it was looked for, and says how far it is until then."""

    def answer(method, path, body):
        if method == "POST":
            answered.wait()
            return 200, build()
        look.set()
        progress = {
            "phase": "embedding",
            "done": 3,
            "total": 17,
            "file": "/notes/" + "long" * 20 + "/tail.md",
        }
        return 200, status([build("running", sources=["/else"]), build("running", progress=progress)])

    return answer


def test_at_a_terminal_a_bar_shows_how_far_it_is(alone):
    look, answered = threading.Event(), threading.Event()
    with stub(in_progress(look, answered)) as service:
        terminal = alone.at_terminal("build", "/notes", "--url", service.url, width=140)
        shown = terminal.until("3/17")
        assert "embedding" in shown
        assert "long/tail.md" in shown
        answered.set()
        ended = terminal.ended()
    assert (ended.code, "Done in project default" in ended.shown) == (0, True)


def test_through_a_pipe_nobody_looks_how_far_it_is(alone, service):
    ended = alone("build", "x", "--url", service.url)
    assert [method for method, *_ in service.asked] == ["POST"]
    assert "embedding" not in ended.out


def test_a_build_is_waited_for_longer_than_other_answers(alone):
    def answer(*_):
        time.sleep(0.5)
        return 200, build()

    with stub(answer) as service:
        assert alone("build", "x", "--timeout", "0.2", "--url", service.url).code == 0


def test_an_interrupted_build_goes_on_and_that_is_said(alone):
    look, answered = threading.Event(), threading.Event()
    with stub(in_progress(look, answered)) as service:
        terminal = alone.at_terminal("build", "/notes", "--url", service.url)
        terminal.until("3/17")
        terminal.type("\x03")
        ended = terminal.ended()
        answered.set()
    assert ended.code == 130
    assert (
        "The build goes on in the service; `faiss-memory build --status` shows how far it is." in ended.shown
    )
    assert "Traceback" not in ended.shown


# What the service refuses.


def test_a_mass_removal_names_the_files_and_the_way_out(alone):
    refused = {
        "title": "Conflict",
        "description": "it would remove most",
        "details": [f"/n/{n}.md" for n in range(25)],
    }
    with stub(lambda *_: (409, refused)) as service:
        ended = alone("build", "x", "--url", service.url)
    lines = ended.err.splitlines()
    assert (ended.code, lines[0]) == (1, "faiss-memory: it would remove most")
    assert lines[1:21] == [f"  /n/{n}.md" for n in range(20)]
    assert lines[21] == "  … and 5 more"
    assert "--force-prune" in lines[22]


def test_other_refusals_are_passed_on(alone):
    for status_code in (400, 403, 409):
        refused = {"title": "No", "description": "a source matches no file", "field": "sources"}
        with stub(lambda *_, code=status_code, said=refused: (code, said)) as service:
            ended = alone("build", "x", "--url", service.url)
        assert (ended.code, ended.err) == (1, "faiss-memory: PATH: a source matches no file\n")


@pytest.mark.parametrize("arguments", [["x"], ["x", "--no-wait"], ["--status"]])
def test_a_service_that_does_not_read_folders_says_how_it_would(alone, arguments):
    nothing = {
        "title": "Not Found",
        "description": "there is nothing at this address; /docs lists what there is",
    }
    with stub(lambda *_: (404, nothing)) as service:
        ended = alone("build", *arguments, "--url", service.url)
    assert ended.code == 1
    assert "plugin `ingest` is disabled" in ended.err
    assert "plugins.disabled" in ended.err
