"""From nothing to a recalled note in one command: in a bare container, and beside one, with nothing else installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.cli.terminals import Ended, Terminal
from tests.docker import engine
from tests.docs.documents import blocks

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("default_image")]

ASSISTANTS = "claude-code codex gemini"
OURS = re.compile(r"\.(local|cache)/|\.faiss")
"""What the program keeps for itself in a home, and no assistant reads."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """The home of somebody with three assistants and a project; what containers have written there goes with it."""
    home = tmp_path / "home"
    for path, text in {
        ".claude/settings.json": '{\n  "model": "opus"\n}\n',
        ".codex/config.toml": '# mine\nmodel = "gpt-5"\n',
        ".gemini/settings.json": '{\n  // mine\n  "ui": {"theme": "ANSI"}\n}\n',
        "work/notes.txt": "mine\n",
    }.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text)
    yield home
    engine.in_folder(home, f"chown -R {os.getuid()}:{os.getgid()} /folder")


def seen(home: Path) -> dict[str, bytes]:
    """Every file of a home, but what the program keeps for itself."""
    files = [path for path in sorted(home.rglob("*")) if path.is_file()]
    found = {str(path.relative_to(home)): path.read_bytes() for path in files}
    return {path: raw for path, raw in found.items() if not OURS.match(path)}


def answered(command: Sequence[str], home: Path, questions: dict[str, str]) -> Ended:
    """Run a command at a pseudo-terminal, and answer what it asks, in order."""
    docker = {
        name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("DOCKER_")
    }
    program = str(shutil.which(command[0]))
    terminal = Terminal([program, *command[1:]], home / "work", {**docker, "HOME": str(home)}, 120, 300)
    for question, answer in questions.items():
        terminal.until(question)
        terminal.type(f"{answer}\n")
    return terminal.ended()


QUESTIONS = {"Which ones?": ASSISTANTS, "For all your projects?": "y", "Write this?": "y"}


def test_in_a_bare_container_one_command_leads_to_a_recalled_note_and_its_undo_to_the_same_bytes(home):
    user = f"{os.getuid()}:{os.getgid()}"
    name = engine.docker(
        "run", "-d", "--label", engine.LABEL, "--network", "none", "--user", user, "-v", f"{home}:{home}",
        "-e", f"HOME={home}", "-e", "FAISS_MEMORY_CONFIG=", "-w", f"{home}/work",
        "--entrypoint", "sleep", engine.IMAGE, "infinity",
    )  # fmt: skip
    before = seen(home)
    within = ["docker", "exec", "-it", name, "faiss-memory"]
    ended = answered([*within, "setup"], home, QUESTIONS)
    assert ended.code == 0, ended.shown
    assert "is remembered" in ended.shown
    assert "comes back by itself" in ended.shown
    assert engine.docker("exec", name, "faiss-memory", "health")
    assert seen(home) != before
    undone = answered([*within, "setup", "--undo"], home, {})
    assert (undone.code, "The service is stopped" in undone.shown) == (0, True), undone.shown
    assert seen(home) == before


def test_beside_the_container_that_runs_one_line_connects_by_http_and_curl_and_its_undo_takes_it_back(home):
    served = engine.start("-p", "127.0.0.1::8000")
    engine.wait(lambda: engine.is_ready(served), "get ready", served)
    url = f"http://{engine.docker('port', served, '8000').splitlines()[0]}"
    (line,) = (one.text for one in blocks("docs/docker.md", "bash") if "faiss-memory setup" in one.text)
    line = line.replace("http://127.0.0.1:8900", url).replace("--rm", f"--rm --label {engine.LABEL}")
    before = seen(home)
    ended = answered(["bash", "-c", line], home, QUESTIONS)
    assert ended.code == 0, ended.shown
    assert "comes back by itself" in ended.shown
    written = {path: raw.decode() for path, raw in seen(home).items() if raw != before.get(path)}
    assert json.loads(written[".claude.json"])["mcpServers"]["faiss-memory"]["url"] == f"{url}/mcp"
    for path in (".codex/config.toml", ".gemini/settings.json"):
        assert f"{url}/mcp" in written[path]
    hooks = "".join(
        written[path] for path in (".claude/settings.json", ".codex/hooks.json", ".gemini/settings.json")
    )
    assert hooks.count(f"{url}/adapters/") > 5
    assert "curl" in hooks
    assert "faiss-memory-hook" not in "".join(written.values())
    assert {path.stat().st_uid for path in home.rglob("*")} == {os.getuid()}

    # As an assistant would, with nothing but what this machine has.
    (hook,) = json.loads(written[".codex/hooks.json"])["hooks"]["UserPromptSubmit"][0]["hooks"]
    text = "We keep amounts of money in integer cents"
    assert engine.ask("POST", "/memory/add", {"text": text}, served)["success"] is True
    event = {"hook_event_name": "UserPromptSubmit", "session_id": "s", "cwd": str(home / "work")}
    event["prompt"] = "How do we keep amounts of money?"
    fired = subprocess.run(
        ["sh", "-c", hook["command"]], input=json.dumps(event), capture_output=True, text=True
    )
    assert text in fired.stdout

    undone = answered(
        ["bash", "-c", line.replace("faiss-memory setup", "faiss-memory setup --undo")], home, {}
    )
    assert undone.code == 0, undone.shown
    assert seen(home) == before
    assert engine.is_ready(served), "it is the person's own"
