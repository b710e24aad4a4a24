"""The guides of assistants, followed literally: their commands are run in order, and the files they show are there.

What the assistants' own programs are asked to do goes to a stand-in that agrees to everything.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

from faiss_memory import Adapter, InstallContext, Snippet
from faiss_memory.install.commands import script
from faiss_memory.settings import load
from tests.cli.conftest import environment
from tests.cli.terminals import SCRIPT, CommandLine, plain_words
from tests.docs.documents import ROOT, anchors, blocks, read
from tests.running import RunningService

FIRST = {"claude-code", "codex", "continue"}
"""Those whose guides are followed in every run; `make long` follows the others as well."""
NAMES = [
    "claude-code",
    "cursor",
    "codex",
    "gemini",
    "qwen",
    "opencode",
    "copilot",
    "vscode",
    "cline",
    "kiro",
    "continue",
    "aider",
    "generic",
]
GUIDES = [*NAMES, "chatgpt"]
READ = {
    "json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load,
    "markdown": lambda text: text, "text": lambda text: text,
}  # fmt: skip
TOKEN = "a-token-for-this-machine"
PUBLIC = {"public_url": "https://memory.example.com", "public_token": "a-token-of-its-own", "token": TOKEN}
ADAPTERS = [
    plugin for point in entry_points(group="faiss_memory")
    if point.dist.name == "faiss-memory" and isinstance(plugin := point.load(), Adapter)
]  # fmt: skip
SECTIONS = {"set-up", "the-files-it-writes", "example-prompts", "best-practices", "limits", "uninstall"}

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with RunningService(tmp_path_factory.mktemp("guides") / "data", fake=True) as service:
        yield service


@pytest.fixture
def public(tmp_path):
    """A service with a public address."""
    with RunningService(tmp_path / "public", fake=True, **PUBLIC) as service:
        yield service


@pytest.fixture
def home(tmp_path):
    """The home of a person who works on a website, and has an assistant."""
    git = tmp_path / "home" / "website" / ".git"
    (git / "info").mkdir(parents=True)
    (git / "info" / "exclude").write_text("*.bak\n")
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "config").write_text('[remote "origin"]\n\turl = git@github.com:Acme/Website.git\n')
    return tmp_path / "home"


@pytest.fixture
def shell(tmp_path, home, running):
    """Run a block of shell commands."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("claude", "aider"):
        (programs / name).write_text("#!/bin/sh\nexit 0\n")
        (programs / name).chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(SCRIPT).parent), os.environ["PATH"]])
    environment = {"PATH": path, "HOME": str(home), "XDG_RUNTIME_DIR": str(running.data.parent)}

    def run(text):
        lines = text.strip().splitlines()
        if all(map(plain_words, lines)) and "localhost" not in text:
            for line in lines:
                ended = CommandLine(home, {**environment, "LANG": "C.UTF-8"}).shell(line)
                assert ended.code == 0, f"{line}\n{ended.out}\n{ended.err}"
            return ""
        ended = subprocess.run(
            ["bash", "-euc", text.replace("localhost:8900", f"127.0.0.1:{running.port}")],
            cwd=home, env={**environment, "LANG": "C.UTF-8"}, capture_output=True, text=True,
        )  # fmt: skip
        assert ended.returncode == 0, f"{text}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    return run


@pytest.fixture
def cli(home, running):
    """The command line in the folder of the website."""
    return CommandLine(home / "website", environment(home, running.data.parent))


def _there(home):
    """Every file but what FAISS Memory keeps for itself."""
    files = [path for path in home.rglob("*") if path.is_file() and ".local" not in path.parts]
    return {str(path.relative_to(home)): path.read_bytes() for path in files}


def _as_here(text, home, running):
    """A file of the guide as it must be on this machine."""
    text = re.sub(r"/home/you/\.local/bin/([\w-]+)", lambda found: script(found[1]), text)
    return text.replace("/home/you", str(home)).replace("127.0.0.1:8900", f"127.0.0.1:{running.port}")


@pytest.mark.parametrize(
    "name", [name if name in FIRST else pytest.param(name, marks=pytest.mark.long) for name in NAMES]
)
def test_a_guide_that_is_followed_writes_what_it_shows_and_takes_it_away_again(name, shell, home, running):
    before, shown = _there(home), []
    for block in blocks(f"docs/integrations/{name}.md"):
        if block.language == "bash":
            shell(block.text)
        elif block.path:
            path = home / block.path[2:] if block.path.startswith("~/") else home / "website" / block.path
            read_it = READ[block.language]
            assert read_it(path.read_text()) == read_it(_as_here(block.text, home, running)), block.path
            shown.append(block.path)
    assert shown
    left = {
        path: raw for path, raw in _there(home).items() if not path.startswith(("claude-plugin", "files.zip"))
    }
    assert left == before


@pytest.mark.parametrize("name", NAMES)
def test_a_guide_names_every_file_that_is_written(name, cli):
    shown = read(f"docs/integrations/{name}.md")
    for place in ([], ["--shared"]):
        printed = cli("install", name, *place, "--print").out
        for path in re.findall(r"^==> (.+)$", printed, re.MULTILINE):
            named = path in shown or (path.startswith(".claude/") and "| `.claude/` | `.claude/` |" in shown)
            named = named or any(f"`{part}/`" in shown for part in map(str, Path(path).parents))
            assert named, path


def test_the_guide_of_chatgpt_writes_nothing_and_its_settings_are_settings(shell, home, tmp_path, public):
    before = _there(home)
    answers = [
        shell(
            f"export FAISS_MEMORY_TOKEN={TOKEN}\n{block.text}".replace(
                "localhost:8900", f"127.0.0.1:{public.port}"
            )
        )
        for block in blocks("docs/integrations/chatgpt.md", "bash")
    ]
    assert _there(home) == before
    assert json.loads(answers[-1])["servers"] == [{"url": PUBLIC["public_url"]}]
    (block,) = blocks("docs/integrations/chatgpt.md", "yaml")
    (tmp_path / "settings.yaml").write_text(block.text)
    assert load(tmp_path / "settings.yaml", {}, {}).settings.public_url == PUBLIC["public_url"]


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_shows_what_there_is_to_paste(name, cli):
    shown = [block.text for block in blocks(f"docs/integrations/{name}.md")]
    service = InstallContext(url="http://127.0.0.1:8900", project="acme.website")
    adapter = next(adapter for adapter in ADAPTERS if adapter.name == name)
    pasted = [file for file in adapter.files(service) if isinstance(file, Snippet)]
    assert bool(pasted) == (name in ("generic", "chatgpt"))
    for snippet in pasted:
        assert snippet.text in shown, snippet.path
        assert f"=== to paste: {snippet.path}" in cli("install", name, "--print").out


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_has_every_part_and_is_linked(name):
    assert anchors(read(f"docs/integrations/{name}.md")) >= SECTIONS
    assert f"(docs/integrations/{name}.md)" in read("README.md")


def test_the_files_of_this_folder_are_the_guides_of_adapters():
    guides = {path.stem for path in (ROOT / "docs/integrations").glob("*.md")}
    assert guides == {adapter.name for adapter in ADAPTERS}
    assert guides == set(GUIDES)
