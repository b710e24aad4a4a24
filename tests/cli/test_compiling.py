"""What only compiling needs is installed by the command that compiles, where it may; elsewhere it says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from faiss_memory.cli import main
from faiss_memory.cli.failures import CommandFailed
from faiss_memory.cli.host import packages


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a model, where nothing is installed that could compile it."""
    monkeypatch.setenv("FAISS_MEMORY_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("torch", "sentence_transformers", "onnx"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    return tmp_path / "model"


def installed(monkeypatch: pytest.MonkeyPatch, *results: int) -> list[list[str]]:
    """Stand in for pip, which ends with the results one after the other; gives what it was asked for."""
    asked: list[list[str]] = []
    ends = iter(results)

    def pip(*arguments: str) -> int:
        asked.append(list(arguments))
        return next(ends)

    monkeypatch.setattr(packages, "_pip", pip)
    monkeypatch.setattr(packages, "can_install", lambda: True)
    monkeypatch.setattr(packages.sys, "platform", "linux")
    return asked


def test_it_says_what_it_installs_and_takes_torch_from_the_index_of_cpu_builds(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = installed(monkeypatch, 0, 0)
    with pytest.raises(CommandFailed, match="torch, sentence-transformers, onnx not installed here"):
        main(["compile", str(model)], standalone_mode=False)  # pip only says that it has installed them
    assert "needs torch, sentence-transformers, onnx: installing them into" in capsys.readouterr().err
    (torch, others) = asked
    assert torch[0].startswith("torch>=")
    assert torch[1:] == ["--index-url", packages.TORCH_CPU_INDEX]
    assert [each.split(">=")[0] for each in others] == ["sentence-transformers", "onnx"]


def test_where_that_index_cannot_be_reached_the_usual_one_is_asked(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = installed(monkeypatch, 1, 1)
    with pytest.raises(CommandFailed, match=r"could not be installed into .*: pip ended with status 1"):
        main(["compile", str(model)], standalone_mode=False)
    assert [each.split(">=")[0] for each in asked[1]] == ["torch", "sentence-transformers", "onnx"]


def test_where_it_may_not_install_it_names_the_ways(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "can_install", lambda: False)
    monkeypatch.setattr(subprocess, "run", None)
    with pytest.raises(CommandFailed, match=r"make serve MODELS=1.*FAISS_MEMORY_IMAGE=full"):
        main(["compile", str(model)], standalone_mode=False)


def test_nothing_is_installed_into_the_systems_own_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.sys, "prefix", sys.base_prefix)
    assert not packages.can_install()
