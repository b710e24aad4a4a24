"""What the doctor finds is read at a terminal, however narrow: every verdict, every word, and what to do."""

from __future__ import annotations

import json
import re
import sys

import pytest
from rich.cells import cell_len

from tests.cli.conftest import environment
from tests.cli.terminals import CommandLine, Terminal
from tests.running import ROOT, RunningService

WIDTHS = [60, 80, 120, 200]
SIGNS = {"ok": "✓", "note": "·", "failed": "✗", "skipped": "-"}
AGAIN = "Install it again: faiss-memory install"
FOLDER = "/home/somebody/work/clients/a-name-that-is-rather-long/and-a-folder-below-it"


def finding(about, check, state, said, advice="", milliseconds=None):
    return {
        "about": about, "check": check, "state": state, "said": said, "advice": advice,
        "milliseconds": milliseconds,
    }  # fmt: skip


def service(*others):
    """What is found of the service, besides what is wrong with it."""
    return [
        finding("service", "running", "ok", "version 0.1.0 at http://127.0.0.1:8900", milliseconds=2.4),
        finding("service", "model", "ok", "answers, 384 dimensions"),
        *others,
    ]


CODEX = f"codex (project {FOLDER})"
BROKEN = {
    "the disk is full": service(
        finding("service", "disk", "failed", "no room is left for a write", f"Make room in {FOLDER}")
    ),
    "the model is missing": [
        finding(
            "service", "model", "failed", "all-MiniLM-L6-v2 cannot be loaded: 404 Not Found", "Set MODEL_NAME"
        )
    ],
    "a hook is not found": service(
        finding(
            CODEX,
            "hook SessionStart",
            "failed",
            "it is not found where a desktop app looks",
            f"{AGAIN} --link",
        )
    ),
    "a hook is late": service(
        finding(
            CODEX,
            "hook UserPromptSubmit",
            "note",
            "answered 2 of 3 tries in time",
            "Nothing, on a busy machine",
        )
    ),
    "a file was edited": service(
        finding(CODEX, "files", "failed", f"{FOLDER}/.codex/hooks.json: outdated", AGAIN),
        finding(CODEX, "mcp", "skipped", "its files are not as they should be"),
    ),
    "another service has the port": [
        finding(
            "service",
            "running",
            "failed",
            "what answers does not prove that it is yours",
            "Look what runs there",
        )
    ],
    "the token is missing": service(
        finding(CODEX, "mcp", "failed", "http://127.0.0.1:8900/mcp answers 401", "Set FAISS_MEMORY_TOKEN")
    ),
    "a long name": service(
        finding(
            "新しい名前 \x1b[31m", "a check whose name is longer than any", "failed", "x" * 300, "do 変える"
        )
    ),
}
"""Set-ups as the other tests of the doctor find them; two more, and a good one, are real below."""


def squeezed(text):
    """A text without what the width of a terminal decides."""
    return re.sub(r"\s+", "", text)


def without_figures(text):
    """The same without figures: what is free, how long it took and what the clock says is another at each time."""
    return re.sub(r"\d[\d.,]*", "N", squeezed(text))


def read(shown, found):
    """Read what is drawn as a person does, column by column: for each finding sign, name, words, and what to do."""
    widest = {}
    for one in found:
        widest[one["about"]] = min(24, max(widest.get(one["about"], 0), len(one["check"])))
    verdicts, parts, told = [], {}, iter(found)
    for line in shown.splitlines():
        if re.match("[✓·✗-]  ", line):
            names = 3 + widest[next(told)["about"]]
            parts = {"sign": line[0], "name": line[3:names], "said": line[names + 2 :], "advice": ""}
            verdicts.append(parts)
        elif line.startswith("   → ") or (parts.get("advice") and line.startswith("     ")):
            parts["advice"] += line[5:]
        elif line.startswith("   "):
            parts["name"] += line[3:names]
            parts["said"] += line[names + 2 :]
        else:
            parts = {}
    return [{key: squeezed(text) for key, text in one.items()} for one in verdicts]


def assert_readable(shown, found, width):
    """Every line fits, and what is read is what was found."""
    assert all(cell_len(line) <= width for line in shown.splitlines()), shown
    verdicts = read(shown, found)
    assert len(verdicts) == len(found), shown
    for drawn, one in zip(verdicts, found, strict=True):
        assert drawn["sign"] == SIGNS[one["state"]]
        assert drawn["name"] == squeezed(one["check"])
        assert re.fullmatch(
            re.escape(without_figures(one["said"])) + r"(\(Nms\))?", without_figures(drawn["said"])
        ), shown
        assert drawn["advice"] == squeezed(one["advice"]), shown
        assert squeezed(one["about"].replace("\x1b", r"\x1b")) in squeezed(shown)


@pytest.mark.parametrize("width", WIDTHS)
def test_what_may_be_found_is_read_at_every_width(tmp_path, width):
    file = tmp_path / "found.json"
    file.write_text(json.dumps(BROKEN), encoding="utf-8")
    given = {**environment(tmp_path, tmp_path), "PYTHONPATH": str(ROOT)}
    terminal = Terminal([sys.executable, "-m", "tests.doctor.drawing", str(file)], ROOT, given, width, 120)
    ended = terminal.ended()
    assert ended.code == 0, ended.out
    parts = re.split(r"^== (.+)$", ended.shown, flags=re.MULTILINE)[1:]
    drawn = dict(zip(parts[::2], parts[1::2], strict=True))
    assert drawn.keys() == BROKEN.keys()
    for name, found in BROKEN.items():
        assert_readable(drawn[name], found, width)
    assert "\\x1b[31m" in drawn["a long name"]


# For real.


@pytest.fixture(scope="module")
def somebody(tmp_path_factory):
    """A person with a project and a service, for whom an assistant without hooks is installed."""
    home = tmp_path_factory.mktemp("doctor")
    project = home / "work" / "till"
    (project / ".git").mkdir(parents=True)
    (project / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    with RunningService(home / "data", fake=True) as running:
        cli = CommandLine(project, environment(home, running.data.parent))
        assert cli("install", "generic", "--yes").code == 0
        yield cli


def told(ended):
    """What is found, of a doctor that was asked for JSON."""
    return json.loads(ended.out)["findings"]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_good_set_up_and_two_broken_ones_are_read_at_every_width(somebody, tmp_path, width):
    broken = tmp_path / "broken.yaml"
    broken.write_text("plugins:\n  disabled: [recal]\n")
    for given in ({}, {"FAISS_MEMORY_URL": "http://127.0.0.1:9"}, {"FAISS_MEMORY_CONFIG": str(broken)}):
        found = told(somebody("doctor", "--json", **given))
        assert bool(given) == any(one["state"] == "failed" for one in found)
        ended = somebody.seen("doctor", width=width, **given)
        assert ended.code == bool(given)
        shown = ended.shown
        assert ("to be put right" in shown) == bool(given)
        assert_readable(shown, found, width)
