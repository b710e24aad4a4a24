"""docs/TROUBLESHOOTING.md quotes what the program says, leaves out no error, and its commands and advice work.

What the document sets in *italics*, and README's section of that name, is quoted and must be found in the sources. `…`
stands for what differs, or was left out.
"""

from __future__ import annotations

import ast
import re
import shutil
from functools import cache
from pathlib import Path

import pytest

from faiss_memory.plugin_host import section_types
from faiss_memory.settings import known_keys, load
from tests.cli.conftest import environment
from tests.cli.terminals import CommandLine
from tests.docs.documents import ROOT, blocks, commands, prose, section
from tests.every import every
from tests.running import RunningService

NAME = "docs/TROUBLESHOOTING.md"
SOURCES = sorted(
    [
        *(ROOT / "core/faiss_memory").rglob("*.py"),
        *(ROOT / "plugins").rglob("*.py"),
        *(ROOT / "adapters/faiss_memory_adapters").rglob("*.py"),
    ]
)
HOLE = "\0"
"""Stands in a message for what is put in when it is raised."""
FEWEST = 6
"""Letters that a quotation must have: fewer are found anywhere."""

ERRORS = {
    "AutostartError", "BackupCorrupt", "CannotMerge", "CommandFailed", "ConfigError", "Conflict", "DiskFull",
    "EmbedderError", "InstallError", "NotAFile", "NotAllowed", "NotReady", "NotSupported", "PluginError",
    "StoreCorrupt", "StoreError",
    "StoreLocked", "Unreachable", "Unreadable",
}  # fmt: skip
"""Those that tell of something outside the request; an InvalidRequest says itself what to write instead."""
LOOKED_AT = (ast.Constant, ast.JoinedStr, ast.Call)
LOGGED = {"critical", "error", "exception", "warning"}
WITHOUT_ENTRY = {
    f"the model {HOLE} is closed": "only while the service stops",
    f"the last uses of memories are not counted: {HOLE}": "while the service stops, and of counts alone",
    "this store does not look through its copies while it is open; leave past out": "it says what to do",
    "the model is not there": "the reason is told instead, unless a plugin gave none",
    f"{HOLE} was loaded, but its files are not in the hub's cache": "a reason why a model cannot be compiled",
    f"{HOLE}{HOLE}; try again in a moment": "what it begins with has an entry",
    f"its manifest is that of {HOLE}": "verify says beside it what is done about it",
    f"it holds {HOLE} memories, and its manifest says {HOLE}": "verify says beside it what is done about it",
    f"{HOLE} is shorter than it was when backup {HOLE} was made": "verify says beside it what is done about it",
}


def _quoted(text: str) -> list[str]:
    """What a text quotes, in one line each and without backticks."""
    text = re.sub(r"`[^`\n]*`", lambda code: code[0].replace("*", HOLE), text).replace("**", "")
    found = re.findall(r"(?<![*\w])\*([^*\s][^*]*)\*(?!\w)", text)
    return [" ".join(quoted.replace("`", "").replace(HOLE, "*").split()) for quoted in found]


@cache
def quotations() -> tuple[str, ...]:
    """What the document quotes."""
    return tuple(dict.fromkeys(_quoted(prose(NAME))))


@cache
def _pattern(quoted: str) -> re.Pattern[str]:
    pieces = [re.escape(piece.strip()) for piece in quoted.split("…")]
    return re.compile(".*?".join(pieces), re.DOTALL)


def _message(node: ast.AST) -> str | None:
    """The text of a literal, with holes for what is put in, and without backticks."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = re.sub(r"%[sd]", HOLE, node.value)
    elif isinstance(node, ast.JoinedStr):
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in node.values)
    else:
        return None
    return " ".join(text.replace("`", "").split(" "))


@cache
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    """The nodes that are looked at: every one but docstrings and the pieces of other literals."""
    nodes = tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    left_out: set[ast.AST] = set()
    for node in nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            left_out.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            left_out.update(node.values)
    return tuple(node for node in nodes if isinstance(node, LOOKED_AT) and node not in left_out)


@cache
def messages() -> tuple[str, ...]:
    """Every text in the sources, once."""
    return tuple(dict.fromkeys(text for path in SOURCES for node in _nodes(path) if (text := _message(node))))


def _is_said(quoted: str) -> bool:
    """Whether a text in the sources fits: of tens of thousands, few hold the longest piece that is quoted."""
    longest = max((piece.strip() for piece in quoted.split("…")), key=len)
    return any(_pattern(quoted).search(text) for text in messages() if longest in text)


@cache
def errors() -> tuple[str, ...]:
    """What the program says when something outside a request is wrong, and what it logs as a warning or worse."""
    found = []
    for path in SOURCES:
        for node in _nodes(path):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            function = node.func
            raised = isinstance(function, ast.Name) and function.id in ERRORS
            logged = (
                isinstance(function, ast.Attribute)
                and function.attr in LOGGED
                and isinstance(function.value, ast.Name)
                and function.value.id == "log"
            )
            if (raised or logged) and (text := _message(node.args[0])) and len(_letters(text)) >= FEWEST:
                found.append(text)
    return tuple(dict.fromkeys(found))


def _letters(text: str) -> str:
    return "".join(re.findall(r"[A-Za-z]", text))


# What it quotes.


@every(lambda: dict.fromkeys([*quotations(), *_quoted(section("README.md", "## Troubleshooting"))]))
def test_what_is_quoted_is_what_the_program_says(quoted):
    assert len(_letters(quoted)) >= FEWEST, "too short to be found in one place"
    assert _is_said(quoted)


def test_quotations_are_found():
    assert len(quotations()) > 80
    assert "port … is taken, perhaps by another FAISS Memory" in quotations()


@every(errors, lambda text: text.replace(HOLE, "…"))
def test_every_error_has_an_entry(text):
    explained = any(_pattern(quoted).search(text) for quoted in quotations())
    assert explained != (text in WITHOUT_ENTRY), "explain it, or say in WITHOUT_ENTRY why not"


def test_what_has_no_entry_is_still_said():
    assert set(WITHOUT_ENTRY) <= set(errors())


@pytest.mark.parametrize("name", ["listing.py", "reading.py"])
def test_every_reason_to_leave_a_file_out_has_an_entry(name):
    path = next(path for path in SOURCES if path.name == name)
    reasons = [text for node in _nodes(path) if (text := _message(node)) and text.count(" ") > 1]
    assert len(reasons) > 5
    missing = [text for text in reasons if not any(_pattern(quoted).search(text) for quoted in quotations())]
    assert missing == []


# What it tells to do.


def test_the_settings_that_it_names_exist():
    named = set(re.findall(r"`((?:limits|plugins)\.[a-z_.]*[a-z_])", prose(NAME)))
    assert named
    assert named <= set(known_keys(section_types(())))


def test_the_lines_for_the_configuration_file_are_settings(tmp_path):
    found = blocks(NAME, "yaml")
    assert len(found) > 1
    for number, block in enumerate(found):
        file = tmp_path / f"{number}.yaml"
        file.write_text(block.text, encoding="utf-8")
        load(file, {}, {}, section_types)


# They change the machine, wait for a person, or are run by other tests.
NOT_RUN = tuple(
    f"faiss-memory {command}" for command in ("serve", "service", "compile", "edit", "verify", "aider")
)


def test_its_commands_run(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "ledger.md").write_text("# Ledger\n\nThe ledger lies in postgres.\n")
    (tmp_path / "notes" / "nightly.log").write_text("The import took four minutes.\n")
    tried = [
        line for line in commands(NAME) if line.startswith("faiss-memory ") and not line.startswith(NOT_RUN)
    ]
    assert len(tried) > 10
    with RunningService(tmp_path / "data", fake=True, home=tmp_path) as running:
        cli = CommandLine(tmp_path, environment(tmp_path, tmp_path))
        for line in tried:
            ended = cli.shell(line.replace("127.0.0.1:8901", f"127.0.0.1:{running.port}"))
            assert ended.code == 0, (line, ended.err)
        assert running.call("GET", "/stats")[1]["total_memories"] == 2


@pytest.mark.long
def test_a_damaged_database_is_mended_as_it_says(tmp_path):
    data = tmp_path / ".local/share/faiss-memory"
    data.parent.mkdir(parents=True)
    with RunningService(data, fake=True, home=tmp_path) as running:
        cli = CommandLine(tmp_path, environment(tmp_path, data.parent))
        running.call("POST", "/memory/add", {"text": "kept"})
        backup = running.call("POST", "/backup")[1]["backup"]
        assert running.stop() == 0
        (data / "memory.db").write_bytes(b"no database " * 1000)
        shutil.rmtree(data / "backups" / ".store")
        running.start(ready=False)

        status, answer = running.call("GET", "/health")
        assert status == 503
        head = "Put the files of a backup from …"
        assert head in quotations()
        assert _pattern(head).search(answer["description"])
        assert cli("health").code == 1

        assert running.stop() == 0
        copy = next(line for line in commands(NAME) if line.startswith("cp "))
        assert cli.shell(re.sub(r"manual_\w+", backup, copy)).code == 0
        running.start()
        assert running.call("GET", "/memory/1")[1]["text"] == "kept"
        assert cli("health").code == 0
        aside = "restored from backup …; the database before was set aside"
        assert aside in quotations()
        assert _pattern(aside).search(running.log.read_text())
