"""`docker compose up -d` in a clean clone, with a real engine: `make docker-check`."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker import engine
from tests.docs.documents import blocks

pytestmark = pytest.mark.docker

TEXT = "FAISS Memory is a local semantic search system"
FOLDERS = {
    "absent": "true",
    "owned by root": "mkdir -m 755 /folder/data",
    "owned by another user": "mkdir -m 700 /folder/data && chown 4321:4321 /folder/data",
    "with a file of root's in another user's": "mkdir -p /folder/data/backups && touch /folder/data/backups/x "
    "&& chmod 600 /folder/data/backups/x && chown 4321:4321 /folder/data",
}


class Composed:
    """The service that compose.yaml describes, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._command = engine.compose_command()

    def __call__(self, *arguments: str, **environment: str) -> None:
        engine.run(*self._command, *arguments, folder=self.folder, **environment)

    def up(self, seconds: float = 60, **environment: str) -> None:
        self("up", "-d", **environment)
        engine.wait(engine.is_ready, "get ready", seconds=seconds)

    def folder_is(self, script: str) -> None:
        engine.in_folder(self.folder, f"rm -rf /folder/data /folder/sources; {script}")


@pytest.fixture
def compose(images: None, clone: Path) -> Iterator[Composed]:
    composed = Composed(clone)
    composed.folder_is("true")
    yield composed
    composed("down", "-v")
    composed.folder_is("true")


def curl(path: str, body: Any = None, *more: str) -> tuple[int, dict[str, Any]]:
    """Ask on the published port, as the brief does."""
    sent = ["-d", json.dumps(body), "-H", "Content-Type: application/json"] if body is not None else []
    url = f"http://localhost:{engine.PORT}{path}"
    done = engine.run("curl", "-sS", "-w", "\n%{http_code}", *sent, *more, url)
    said, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(said)


def texts() -> list[str]:
    return [result["text"] for result in curl("/search", {"query": "What is FAISS Memory?"})[1]["results"]]


def test_it_is_healthy_within_ten_seconds_and_answers_the_calls_of_the_quick_start(compose, report):
    began = time.monotonic()
    compose("up", "-d")
    engine.wait(engine.is_healthy, "get healthy")
    took = time.monotonic() - began
    report(f"`up -d` until healthy: {took:.1f} s")
    assert took <= 10

    assert curl("/health")[1]["status"] == "ok"
    assert curl("/memory/add", {"text": TEXT, "source": "readme.md"})[0] == 201
    assert texts() == [TEXT]
    assert curl("/memory/is-novel", {"text": TEXT, "threshold": 0.85})[1]["is_novel"] is False
    assert curl("/stats")[1]["total_memories"] == 1
    assert curl("/backup", {})[1]["success"] is True
    files = curl("/adapters/generic/files")[1]["files"]
    assert "http://127.0.0.1:8900" in files[0]["text"]


def test_the_commands_of_the_quick_start_run_as_they_are_written(compose):
    compose.up()
    found = [block.text for block in blocks("README.md", "bash") if "localhost:8900" in block.text]
    for text in found[:3]:
        done = subprocess.run(["bash", "-ec", f"jq() {{ cat; }}\n{text}"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "{" in done.stdout


def test_the_commands_for_troubleshooting_run(compose):
    compose("up", "-d")
    engine.wait(engine.is_healthy, "get healthy")
    assert "answers on" in engine.logs()
    assert '"Status":"healthy"' in engine.docker("inspect", "-f", "{{json .State.Health}}", "faiss-memory")
    said = engine.docker("exec", "faiss-memory", "curl", "-f", "http://localhost:8000/health")
    assert json.loads(said)["status"] == "ok"
    assert "faiss-memory" in engine.docker("stats", "--no-stream", "faiss-memory")
    compose("restart", "faiss-memory")
    engine.wait(engine.is_healthy, "get healthy again")


@pytest.mark.parametrize("folder", FOLDERS)
def test_it_starts_with_the_data_folder(compose, folder):
    compose.folder_is(FOLDERS[folder])
    compose.up()
    assert curl("/memory/add", {"text": TEXT})[0] == 201
    owners = set(engine.in_folder(compose.folder, "find /folder/data -exec stat -c %u {} +").split())
    assert owners == {"4321" if "another" in folder else "1000"}


def test_memories_are_kept_over_down_and_up_kill_and_restart(compose):
    compose.up()
    curl("/memory/add", {"text": TEXT})
    compose("down")
    compose.up()
    assert texts() == [TEXT]
    curl("/memory/add", {"text": "acknowledged just before it was killed"})
    engine.docker("kill", "faiss-memory")
    compose.up()
    assert len(texts()) == 2
    compose("restart")
    engine.wait(engine.is_ready, "get ready again")
    assert len(texts()) == 2


def test_it_stops_within_five_seconds_and_in_order(compose, report):
    compose.up()
    curl("/memory/add", {"text": TEXT})
    began = time.monotonic()
    compose("stop")
    took = time.monotonic() - began
    report(f"stopping: {took:.1f} s")
    assert took <= 5
    assert engine.inspect("faiss-memory", ".State.ExitCode") == 0
    assert "stopping" in engine.logs()


def test_the_sources_are_built_and_nothing_else_is_read(compose):
    compose.folder_is(
        "mkdir /folder/sources && printf '# Whales\\n\\nWhales sing.\\n' >/folder/sources/whales.md"
    )
    compose.up()
    engine.docker("exec", "faiss-memory", "faiss-memory", "build", "/sources")
    assert "Whales sing." in texts()[0]
    assert curl("/index/build", {"sources": ["/etc"]})[0] == 403


def test_it_is_not_published_elsewhere_without_a_token(compose):
    compose("up", "-d", FAISS_MEMORY_BIND="0.0.0.0")
    engine.wait(
        lambda: "so a token is required: set `token` (or FAISS_MEMORY_TOKEN)" in engine.logs(), "refuse"
    )
    assert "answers on" not in engine.logs()


def test_it_is_published_elsewhere_with_a_token_that_every_caller_needs(compose):
    compose.up(
        FAISS_MEMORY_BIND="0.0.0.0", FAISS_MEMORY_TOKEN="a-secret", FAISS_MEMORY_ALLOWED_HOSTS="box.local"
    )
    assert curl("/stats")[0] == 401
    assert curl("/stats", None, "-H", "Authorization: Bearer a-secret")[0] == 200
    by_name = ("-H", "Authorization: Bearer a-secret", "-H", "Host: box.local:8900")
    assert curl("/stats", None, *by_name)[0] == 200
    engine.wait(engine.is_healthy, "get healthy")


def test_the_memories_lie_in_a_volume_as_readme_has_it_for_macos(compose):
    written = next(
        block.text for block in blocks("docs/docker.md", "yaml") if "faiss-memory-data" in block.text
    )
    override = compose.folder / "compose.override.yaml"
    override.write_text(written)
    try:
        compose.up()
        mounts = {mount["Destination"]: mount for mount in engine.inspect("faiss-memory", ".Mounts")}
        assert mounts["/data"]["Type"] == "volume"
        assert mounts["/data"]["Name"].endswith("faiss-memory-data")
        curl("/memory/add", {"text": TEXT})
        compose("down")
        compose.up()
        assert texts() == [TEXT]
        compose("down", "-v")
    finally:
        override.unlink()


def test_another_model_is_answered_by_the_full_image_and_then_by_the_default_one(
    compose: Composed, clone: Path, report: Callable[[str], None]
) -> None:
    """As README has it; a small model in a folder stands in for one of the hub."""
    settings = clone / ".env"
    lines = [line for block in blocks("docs/docker.md", "bash") for line in block.text.splitlines()]
    written = [line for line in lines if line.startswith(('echo "MODEL_NAME', 'echo "FAISS_MEMORY_IMAGE'))]
    assert len(written) == 2
    compose.folder_is("mkdir /folder/data")
    script = (Path(__file__).parent / "small_model.py").read_text(encoding="utf-8")
    mounted = ("-v", f"{clone}/data:/data", "--network", "none", "--entrypoint", "python")
    engine.docker("run", "--rm", *mounted, engine.FULL, "-W", "ignore", "-c", script, "/data/small")
    script = "\n".join(written).replace("all-mpnet-base-v2", "/data/small")
    engine.run("bash", "-ec", script, folder=clone)
    try:
        began = time.monotonic()
        compose.up(seconds=600)
        report(
            f"compiling a small model in the full image, from start to ready: {time.monotonic() - began:.0f} s"
        )
        assert engine.inspect("faiss-memory", ".Config.Image") == engine.FULL
        curl("/memory/add", {"text": TEXT})
        settings.write_text("MODEL_NAME=/data/small\n")
        compose.up()
        assert engine.inspect("faiss-memory", ".Config.Image") == engine.IMAGE
        assert curl("/search", {"query": "search", "mode": "semantic"})[1]["count"] == 1
        assert curl("/stats")[1]["model"] == "/data/small"
    finally:
        settings.unlink()
