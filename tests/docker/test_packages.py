"""The default image goes without what only compiles models: the list fits pyproject, and what serves does without."""

from __future__ import annotations

import importlib.metadata
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from faiss_memory.embedder import packages
from tests.docs.documents import ROOT
from tests.running import RunningService

SCRIPT = ROOT / "docker" / "packages.py"
PARTS = runpy.run_path(str(SCRIPT))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def part(name: str) -> list[str]:
    done = subprocess.run([sys.executable, str(SCRIPT), name], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def test_serving_and_compiling_are_what_pyproject_states_and_nothing_twice():
    assert sorted(part("serving") + part("compiling")) == sorted(PROJECT["dependencies"])
    assert names(part("serving")) & names(part("compiling")) == set()


def test_what_is_left_out_is_named_and_stated_in_pyproject():
    assert names(part("compiling")) == set(PARTS["COMPILING"]) <= names(PROJECT["dependencies"])


def test_the_program_names_the_same_packages_when_they_are_missing():
    assert set(packages.COMPILING) == set(PARTS["COMPILING"])


def test_the_model_is_the_one_of_the_extra():
    assert part("model") == PROJECT["optional-dependencies"]["model"]


@pytest.mark.parametrize("name", ["light", "overrides"])
def test_the_files_of_a_light_installation_are_up_to_date(name):
    written = {"light": "requirements-light.txt", "overrides": "overrides-light.txt"}[name]
    assert (ROOT / written).read_text(encoding="utf-8").splitlines() == part(name), "run `make docs`"


@pytest.mark.parametrize(
    ("requirement", "name"),
    [("torch>=2.4", "torch"), ("PyStemmer >=2", "pystemmer"), ("a_b.c[x]~=1.0; python_version>'3'", "a-b-c")],
)
def test_names_are_read_as_pip_reads_them(requirement, name):
    assert PARTS["name_of"](requirement) == name == canonicalize_name(Requirement(requirement).name)


def test_nothing_that_serves_asks_for_what_is_left_out():
    seen: set[str] = set()
    waiting = names(part("serving"))
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting |= {canonicalize_name(requirement.name)} - seen
    assert seen & {*PARTS["COMPILING"], "transformers", "scipy", "sympy"} == set()


class WithoutThem(RunningService):
    """A service in a Python that does not find what is left out."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder / "data", **settings)
        modules = [name.replace("-", "_") for name in PARTS["COMPILING"]]
        hidden = "".join(f"sys.modules[{name!r}] = None\n" for name in modules)
        (folder / "sitecustomize.py").write_text(f"import sys\n{hidden}")
        self._environment["PYTHONPATH"] = str(folder)


@pytest.mark.long
def test_the_service_answers_without_what_is_left_out_from_its_first_start_on(tmp_path):
    with WithoutThem(tmp_path, cache=tmp_path / "cache") as running:
        assert running.call("POST", "/memory/add", {"text": "whales sing"})[0] == 201
        found = running.call("POST", "/search", {"query": "music of the sea", "mode": "semantic"})[1]
        assert found["count"] == 1


def test_a_model_that_cannot_be_compiled_here_leaves_keywords_and_says_what_to_do(tmp_path):
    running = WithoutThem(tmp_path, cache=tmp_path / "cache", model_name="another-model")
    try:
        running.start(ready=False)
        assert running.call("POST", "/memory/add", {"text": "whales sing"})[0] == 201
        found = running.call("POST", "/search", {"query": "whales", "mode": "keyword"})[1]
        assert [result["text"] for result in found["results"]] == ["whales sing"]
        error = running.call("GET", "/stats")[1]["model_error"]
        for word in ("another-model", "onnx", "make serve MODELS=1", "FAISS_MEMORY_IMAGE=full", "MODEL_NAME"):
            assert word in error
        assert running.stop() == 0
    finally:
        running.kill()


@pytest.mark.usefixtures("real_service")
@pytest.mark.long
def test_a_model_that_cannot_be_compiled_here_leaves_the_one_before_answering(tmp_path, model_cache):
    with WithoutThem(tmp_path, cache=model_cache) as running:
        assert running.call("POST", "/memory/add", {"text": "whales sing"})[0] == 201
    with WithoutThem(tmp_path, cache=model_cache, model_name="another-model") as running:
        assert running.call("POST", "/memory/add", {"text": "the ledger is kept in postgres"})[0] == 201
        found = running.call("POST", "/search", {"query": "music of the sea", "mode": "semantic", "k": 1})[1]
        assert [result["text"] for result in found["results"]] == ["whales sing"]
        assert "degraded" not in running.call("POST", "/search", {"query": "whales"})[1]
        stats = running.call("GET", "/stats")[1]
        assert stats["model_in_use"].startswith("all-MiniLM-L6-v2@")
        assert "MODEL_NAME" in stats["model_error"]
