"""docs/CLI.md is what the commands say of themselves, and README's examples of the command line run."""

from __future__ import annotations

import importlib.util
import os
import subprocess

from tests.cli.conftest import environment
from tests.cli.terminals import CommandLine
from tests.docs.documents import ROOT, read, section
from tests.running import RunningService


def test_the_document_is_made_from_the_commands():
    spec = importlib.util.spec_from_file_location("make_cli", ROOT / "docs" / "make_cli.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert read("docs/CLI.md") == made.document(), "run `make docs`"


def test_the_examples_of_readme_run(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with RunningService(tmp_path / "data", fake=True):
        cli = CommandLine(folder, environment(tmp_path, tmp_path))
        git = ["git", "-c", "user.name=x", "-c", "user.email=x@y.z"]
        for command in (
            ["init", "-q"],
            ["commit", "-q", "--allow-empty", "-m", "Health checks use 127.0.0.1"],
        ):
            subprocess.run(
                [*git, *command], cwd=folder, env={**os.environ, "HOME": str(tmp_path)}, check=True
            )
        text = section("README.md", "## Command line").split("```bash\n")[1].split("```")[0]
        assert len(text.splitlines()) > 4
        for line in text.splitlines():
            ended = cli.shell(f"set -o pipefail; {line}")
            assert ended.code == 0, (line, ended.err)
            assert ended.out or "forget" in line
