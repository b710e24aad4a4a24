"""A real Docker engine, driven by its own commands."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tests.docs.documents import ROOT

IMAGE, FULL, NAME = "faiss-memory:latest", "faiss-memory:full", "faiss-memory"
PORT = 8900
LABEL = "faiss-memory.check"
"""On every container that the checks start without compose, so that none is left behind."""

OPTIONS = shlex.split(os.environ.get("DOCKER_BUILD_OPTIONS", ""))
"""For `docker build`, such as `--network host`."""


_STATED = re.search(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
assert _STATED
PINNED = _STATED[1]
TAG = PINNED.partition("@")[0]


def run(
    *command: str, folder: Path | None = None, check: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command. Standard output and standard error are kept apart."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**_without_ours(), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, (
        f"{shlex.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    )
    return done


def _without_ours() -> dict[str, str]:
    """The environment of somebody who has nothing set."""
    return {key: value for key, value in os.environ.items() if not key.startswith("FAISS_MEMORY_")}


def docker(*arguments: str, check: bool = True) -> str:
    return run("docker", *arguments, check=check).stdout.strip()


def compose_command() -> list[str]:
    """`docker compose` where it is there, else `docker-compose`."""
    for command in (["docker", "compose"], ["docker-compose"]):
        try:
            if run(*command, "version", check=False).returncode == 0:
                return command
        except FileNotFoundError:
            continue
    raise AssertionError("neither `docker compose` nor `docker-compose` is there; install one of them")


@cache
def base() -> str:
    """The base of the images: the pinned one, or what is here under its tag where no registry can be reached."""
    for tried in (("image", "inspect", PINNED), ("pull", "-q", PINNED)):
        if run("docker", *tried, check=False).returncode == 0:
            return PINNED
    assert run("docker", "image", "inspect", TAG, check=False).returncode == 0, f"{PINNED} cannot be pulled"
    return TAG


def inspect(name: str, what: str) -> Any:
    return json.loads(docker("inspect", "-f", f"{{{{json {what}}}}}", name))


def logs(name: str = NAME) -> str:
    done = run("docker", "logs", name)
    return done.stdout + done.stderr


def wait(condition: Callable[[], Any], what: str, name: str = NAME, seconds: float = 60) -> float:
    """Wait until something is so; gives the seconds it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"it did not {what}:\n{logs(name)}")
        time.sleep(0.1)
    return time.monotonic() - began


def is_healthy(name: str = NAME) -> bool:
    return bool(inspect(name, ".State.Health.Status") == "healthy")


def ask(method: str, path: str, body: Any = None, name: str = NAME, *, token: str = "") -> dict[str, Any]:
    """Ask the service from within its container, by the curl in it."""
    more = ["-d", json.dumps(body), "-H", "Content-Type: application/json"] if body is not None else []
    more += ["-H", f"Authorization: Bearer {token}"] if token else []
    said = docker(
        "exec", name, "curl", "-sS", "-X", method, *more, f"http://localhost:8000{path}", check=False
    )
    answer: dict[str, Any] = json.loads(said) if said.startswith("{") else {}
    return answer


def is_ready(name: str = NAME) -> bool:
    return bool(ask("GET", "/health", name=name).get("model_ready"))


def start(*arguments: str, image: str = IMAGE, command: tuple[str, ...] = ()) -> str:
    """Start a container without compose, published on this machine as far as it knows; gives its name."""
    given = ["-e", "FAISS_MEMORY_PUBLISHED_ON=127.0.0.1", *arguments]
    return docker("run", "-d", "--label", LABEL, *given, image, *command)


def remove(*names: str) -> None:
    if names:
        docker("rm", "-f", "-v", *names)


def in_folder(folder: Path, script: str) -> str:
    """Run a shell as root with a folder as /folder: for what belongs to others."""
    return docker("run", "--rm", "--entrypoint", "sh", "-v", f"{folder}:/folder", IMAGE, "-ec", script)
