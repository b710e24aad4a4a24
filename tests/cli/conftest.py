"""A running service on the stand-in embedder, and command lines that find it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminals import CommandLine
from tests.running import RunningService


def environment(home: Path, runtime: Path) -> dict[str, str]:
    """The environment of a person with this home folder, whose service runs or does not."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(runtime),
        "LANG": "C.UTF-8",
        "PYTHONWARNINGS": "error",
    }


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One service for all tests that use a project of their own."""
    roots = {"plugins.ingest.roots": str(tmp_path_factory.getbasetemp())}
    with RunningService(tmp_path_factory.mktemp("running") / "data", fake=True, **roots) as service:
        yield service


@pytest.fixture
def cli(running: RunningService, tmp_path: Path) -> CommandLine:
    """The command line in an empty folder outside any repository; it finds `running` by itself."""
    folder = tmp_path / "folder"
    folder.mkdir()
    return CommandLine(folder, environment(tmp_path, running.data.parent))


@pytest.fixture
def repository(cli: CommandLine, request: pytest.FixtureRequest) -> CommandLine:
    """The command line inside a repository, whose project only this test uses."""
    git = cli.folder / ".git"
    git.mkdir()
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    name = f"test-{hashlib.blake2b(request.node.nodeid.encode(), digest_size=6).hexdigest()}"
    (git / "config").write_text(f'[remote "origin"]\n\turl = git@github.com:Owner/{name}.git\n')
    return cli


@pytest.fixture
def alone(tmp_path: Path) -> CommandLine:
    """The command line of somebody who has no service running."""
    folder = tmp_path / "folder"
    folder.mkdir(exist_ok=True)
    return CommandLine(folder, environment(tmp_path, tmp_path))
