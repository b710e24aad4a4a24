"""Nothing of ours talks to anybody, nothing is written outside our own folders, and what serves cannot train."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points

import pytest

from faiss_memory import cli
from tests.network.life import AFTERWARDS, COMMANDS, ITSELF, Life
from tests.network.tracing import Trace, bare_environment, makes, outside, reaches_out

SOME = ("install", "add", "search", "mcp", "hook", "doctor", "uninstall")
TRAINERS = ("/torch/", "libtorch", "/transformers/", "/sentence_transformers/", "/sklearn/", "/scipy/")


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    with Trace(tmp_path_factory.mktemp("traced") / "calls") as trace:
        yield trace


@pytest.fixture(scope="module")
def life(trace: Trace, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """A first start in an empty home, some commands, and the stop."""
    life = Life(tmp_path_factory.mktemp("life"), trace)
    life.lived(10, SOME)
    return life


def test_nobody_is_asked_and_nothing_is_written_elsewhere_from_the_first_start_to_the_stop(life):
    assert life.said() == {}


def test_the_home_has_our_folders_in_it_and_nothing_else(life):
    left = [path for path in life.home.rglob("*") if path.is_file()]
    assert left
    assert outside(left, life.own) == set()


def test_the_serving_process_carries_no_training_library(life):
    assert "onnxruntime" in life.maps
    assert "faiss" in life.maps
    assert [library for library in TRAINERS if library in life.maps] == []


def test_libraries_are_silenced_by_whatever_of_ours_is_imported_first_and_whatever_the_environment_says():
    silenced = {
        "ORT_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DISABLE_SAFETENSORS_CONVERSION": "1",
    }
    for module in ("faiss_memory.errors", "faiss_memory.serve", "faiss_memory_adapters.aider"):
        show = f"import os, {module}; print(*(os.environ[name] for name in {list(silenced)}))"
        done = subprocess.run(
            [sys.executable, "-c", show],
            env={**os.environ, **dict.fromkeys(silenced, "0")},
            capture_output=True,
            text=True,
        )
        assert done.stdout.split() == list(silenced.values()), module


def test_every_command_is_among_those_that_are_traced():
    brought = {
        entry.name for entry in entry_points(group="faiss_memory.commands") if "faiss_memory" in entry.value
    }
    assert {*COMMANDS, *AFTERWARDS, ITSELF} - {"hook"} == {*cli.COMMANDS, *brought}


LOUD = """
import socket, tempfile, pathlib, urllib.request
for address in ("http://192.0.2.1:9/", "http://telemetry.invalid/"):
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=0.1)
    except OSError:
        pass
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.7", 53))
socket.socket(socket.AF_INET6).bind(("::", 0))
pathlib.Path.home().joinpath("stray").mkdir()
pathlib.Path.home().joinpath(".cache", "Microsoft").mkdir(parents=True)
pathlib.Path("mine").write_text("x")
pathlib.Path("mine").rename(pathlib.Path.home() / "moved")
tempfile.TemporaryFile().close()
"""


def test_the_trace_would_have_seen_it(tmp_path):
    home = tmp_path / "home"
    with Trace(tmp_path / "calls") as trace:
        subprocess.run(
            [*trace.prefix("loud"), "sh", "-c", '"$0" -c "$1" & wait', sys.executable, LOUD],
            cwd=tmp_path, env=bare_environment(home), pass_fds=trace.descriptors, check=True,
        )  # fmt: skip
        calls = list(trace.calls())
    asked = {asked for call in calls if (asked := reaches_out(call))}
    assert asked >= {"192.0.2.1", "192.0.2.7", "::", "a look-up of a name"}
    made = outside(
        (path for call in calls if (path := makes(call, tmp_path))), [home / ".cache" / "faiss-memory"]
    )
    names = {str(path.relative_to(tmp_path)) for path in made if path.is_relative_to(tmp_path)}
    assert names >= {"home/stray", "home/.cache/Microsoft", "mine", "home/moved"}
    assert home / "temporary" / "a file without a name" in made
