"""The hook program, whole process, as an assistant runs it: installed as a wheel, in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench.measure import percentile, timed
from bench.service import Service

RUNS = 200
ROOT = Path(__file__).parent.parent
PROMPT = "How are amounts of money stored in the ledger?"


def measure(service: Service, folder: Path) -> list[tuple[str, str, str]]:
    """Fire prompts at a service that has something to say; the bare interpreter is the ground."""
    program = _installed(folder / "hook-environment")
    bare = [timed(lambda: _run([program.parent / "python", "-c", "pass"], b"")) for _ in range(40)]
    took = [timed(lambda n=n: _fire(program, service, n)) for n in range(RUNS)]
    return [
        ("bare interpreter, whole process, p50", f"{percentile(bare, 0.5):.0f} ms", ""),
        (
            f"hook, whole process, {RUNS} prompts, p50 / p99",
            f"{percentile(took, 0.5):.0f} / {percentile(took, 0.99):.0f} ms",
            "≤ 40 ms p50",
        ),
    ]


def _installed(environment: Path) -> Path:
    """Install a wheel into an environment that has nothing else: the program needs nothing else."""
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", ROOT], check=True)
    return environment / "bin" / "faiss-memory-hook"


def _fire(program: Path, service: Service, number: int) -> None:
    event = {"hook_event_name": "UserPromptSubmit", "prompt": PROMPT, "session_id": f"bench-{number}"}
    said = _run([program, "claude-code", "--url", service.url], json.dumps(event).encode())
    assert b"memory " in said, "each session is shown something"


def _run(command: list[object], given: bytes) -> bytes:
    bare = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    return subprocess.run(
        [str(part) for part in command], input=given, capture_output=True, env=bare, check=True
    ).stdout
