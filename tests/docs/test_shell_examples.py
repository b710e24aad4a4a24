"""The examples with curl in the documents, run in their order against a real service, with the answers shown there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.documents import NAMES, blocks, commands, read
from tests.running import RunningService

# Instead of the programs: curl also tells the status, and jq lets everything through.
PRELUDE = "curl() { command curl -sS -w '\\n@@%{http_code}\\n' \"$@\"; }\njq() { cat; }\n"
CHANGING = {
    "timestamp",
    "uid",
    "started_at",
    "created_at",
    "last_updated",
    "took_ms",
    "size_bytes",
    "index_size_bytes",
    "backup",
    "backup_count",
    "version",
    "rewritten",
    "files_searched",
    "time",
    "data_folder",
    "free_bytes",
    "bytes_searched",
}
PAGES = [f"docs/{name}.md" for name in ("API", "TROUBLESHOOTING", "backups", "building", "connecting")]
TOKEN = "a-token-for-this-machine"
NEAR = {"similarity", "relevance", "score"}

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")


@pytest.fixture
def running(tmp_path, model_cache):
    """A service whose data folder is where README says that it is on Linux."""
    (tmp_path / ".local/share").mkdir(parents=True)
    data = tmp_path / ".local/share/faiss-memory"
    with RunningService(data, cache=model_cache, home=tmp_path) as service:
        yield service


@pytest.fixture
def public(tmp_path):
    """A service with a public address, which asks for a token."""
    settings = {
        "public_url": "https://memory.example.com",
        "public_token": "a-token-of-its-own",
        "token": TOKEN,
    }
    with RunningService(tmp_path / "public", fake=True, **settings) as service:
        yield service


def _run(script: str, port: int, folder: Path) -> list[tuple[int, str]]:
    """Run a block; gives (status, body) of each curl."""
    done = subprocess.run(
        ["bash", "-euc", PRELUDE + script.replace("localhost:8900", f"127.0.0.1:{port}")],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "FAISS_MEMORY_TOKEN": TOKEN},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{script}\n{done.stderr}"
    return [
        (int(status), body.strip())
        for body, status in re.findall(r"(.*?)\n@@(\d+)\n", done.stdout, re.DOTALL)
    ]


def _differences(shown: object, real: object, at: str = "answer") -> list[str]:
    name = re.split(r"[.\[]", at)[-1]
    if name in CHANGING or (isinstance(shown, str) and "…" in shown):
        return [] if type(shown) is type(real) else [f"{at} is {real!r}"]
    if name in NEAR and shown is not None:
        return [] if shown == pytest.approx(real, abs=0.02) else [f"{at} is {real!r}"]
    if name == "backups" and isinstance(shown, list) and isinstance(real, list):
        shown, real = shown[-1:], real[-1:]  # how many automatic ones came before depends on the second
    if isinstance(shown, dict) and isinstance(real, dict):
        if "backups" in shown:
            shown, real = ({**each, "count": 0} for each in (shown, real))
        wrong = [f"{at}.{key} is {real.get(key, 'not there')!r}" for key in shown.keys() ^ real.keys()]
        pairs = [(shown[key], real[key], f"{at}.{key}") for key in shown.keys() & real.keys()]
        return wrong + [part for pair in pairs for part in _differences(*pair)]
    if isinstance(shown, list) and isinstance(real, list) and len(shown) == len(real):
        pairs = [(*pair, f"{at}[{n}]") for n, pair in enumerate(zip(shown, real, strict=True))]
        return [part for pair in pairs for part in _differences(*pair)]
    is_backup = at.endswith("name") and str(shown).startswith("manual_")
    return [] if shown == real or is_backup else [f"{at} is {real!r}"]


@pytest.mark.parametrize("name", ["README.md", *PAGES])
def test_every_shell_example_succeeds_and_answers_as_shown(name, running, tmp_path, request):
    found = blocks(name)
    tried = 0
    for block, following in zip(found, [*found[1:], None], strict=True):
        if block.language != "bash" or "localhost:8900" not in block.text:
            continue
        asked = request.getfixturevalue("public") if "FAISS_MEMORY_TOKEN" in block.text else running
        answers = _run(block.text, asked.port, tmp_path)
        assert answers, block.text
        assert all(200 <= status < 300 for status, _ in answers), answers
        if following is not None and following.language == "json" and following.heading == block.heading:
            wrong = _differences(json.loads(following.text), json.loads(answers[-1][1]))
            assert not wrong, f"{name}:{following.line}: {wrong}"
        tried += 1
    assert tried == sum("localhost:8900" in block.text for block in blocks(name, "bash"))


def test_the_documents_with_calls_are_all_tried():
    names = {name for name in NAMES if any("localhost:8900" in block.text for block in blocks(name, "bash"))}
    assert {name for name in names if not name.startswith("docs/integrations/")} == {"README.md", *PAGES}


def test_a_backup_is_restored_by_readmes_command(running, tmp_path):
    running.call("POST", "/memory/add", {"text": "kept"})
    backup = running.call("POST", "/backup")[1]["backup"]
    running.call("DELETE", "/memory/1")
    assert running.stop() == 0
    command = next(line for line in commands("docs/backups.md") if line.startswith("cp "))
    _run(re.sub(r"manual_\w+", backup, command), 0, tmp_path)
    running.start(ready=False)
    assert running.call("GET", "/memory/1")[1]["text"] == "kept"


def test_every_call_of_the_api_document_has_an_example():
    shown = " ".join(block.text for block in blocks("docs/API.md", "bash"))
    for method, path in re.findall(r"^### `(\w+) (.+)`$", read("docs/API.md"), re.MULTILINE):
        place = re.sub(r"\\{\w+\\}", r"[\\w-]+", re.escape(path))
        before = "" if method == "GET" else rf"-X {method} "
        assert re.search(rf"{before}\"?http://localhost:8900{place}[\s\"?]", shown), f"{method} {path}"


@pytest.mark.parametrize("name", ["README.md", "docs/API.md"])
def test_every_json_example_is_json(name):
    for block in blocks(name, "json"):
        json.loads(block.text)
