"""The images, built once from a clean copy of the checkout, and what is cleared away at the end."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docker import engine
from tests.docs.documents import ROOT


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Print a measured figure."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n  {line}", end="", flush=True)

    return say


@pytest.fixture(scope="session")
def reachable() -> None:
    """Whether there is an engine, and whether it is free for us."""
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=60, check=False)
        said = done.stderr.strip() if done.returncode else ""
    except FileNotFoundError:
        said = "there is no `docker` command"
    if said:
        pytest.exit(f"no Docker engine can be reached: {said}. Install or start Docker, and try again.", 1)
    if engine.docker("ps", "-aq", "-f", f"name=^{engine.NAME}$"):
        pytest.exit(
            f"there is a container `{engine.NAME}` already, perhaps with your memories in use. Stop it first, with "
            "`docker compose down` where you started it.", 1,
        )  # fmt: skip
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", engine.PORT))
        except OSError as error:
            pytest.exit(f"port {engine.PORT} of this machine is needed, and cannot be had: {error}", 1)


@pytest.fixture(scope="session")
def clone(reachable: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What a clone of the checkout would have, as it is now."""
    folder = tmp_path_factory.mktemp("clone") / "faiss-memory-check"
    listed = engine.run(
        "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=ROOT
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    yield folder
    if engine.docker("images", "-q", engine.IMAGE):
        engine.in_folder(folder, "rm -rf /folder/data /folder/sources")


def _build(clone: Path, report: Callable[[str], None], target: str, tag: str) -> None:
    options = ["--build-arg", f"BASE={engine.base()}", *engine.OPTIONS, "--target", target, "-t", tag]
    began = time.monotonic()
    engine.run("docker", "build", *options, ".", folder=clone)
    report(f"building the image {target}: {time.monotonic() - began:.0f} s")


@pytest.fixture(scope="session")
def default_image(clone: Path, report: Callable[[str], None]) -> Iterator[None]:
    """The default image, built; it stays, and nothing else does."""
    before = set(engine.docker("images", "-q", "-f", "dangling=true").split())
    report(f"the base: {engine.base()}")
    _build(clone, report, "slim", engine.IMAGE)
    yield
    engine.remove(*engine.docker("ps", "-aq", "-f", f"label={engine.LABEL}").split())
    after = set(engine.docker("images", "-q", "-f", "dangling=true").split())
    engine.docker("rmi", engine.FULL, *(after - before), check=False)


@pytest.fixture(scope="session")
def images(default_image: None, clone: Path, report: Callable[[str], None]) -> None:
    """Both images, built."""
    _build(clone, report, "full", engine.FULL)


@pytest.fixture
def started(volume: str) -> Iterator[Callable[..., str]]:
    """Start containers that are gone after the test, before the volume that they may use."""
    names: list[str] = []

    def start(*arguments: str, image: str = engine.IMAGE, ready: bool = True) -> str:
        names.append(engine.start(*arguments, image=image))
        if ready:
            engine.wait(lambda: engine.is_ready(names[-1]), "get ready", names[-1])
        return names[-1]

    yield start
    engine.remove(*names)


@pytest.fixture
def volume(images: None) -> Iterator[str]:
    """A named volume that is gone after the test."""
    name = engine.docker("volume", "create", "--label", engine.LABEL)
    yield name
    engine.docker("volume", "rm", "-f", name)
