"""A shelf of real documentation, built by the command line at a terminal. It takes minutes: run it by `make shelf`.

The packages are downloaded from the package index and kept where TEST_SHELF says.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
import yaml

from tests.cli.terminals import CommandLine
from tests.running import RunningService

pytestmark = pytest.mark.shelf
SHELF = yaml.safe_load((Path(__file__).parent / "shelf.yaml").read_text(encoding="utf-8"))
FOUND_AT_LEAST = 17
EDITED = 10


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    """The source packages, as they lie on the package index."""
    folder = Path(os.environ.get("TEST_SHELF") or tmp_path_factory.mktemp("downloads"))
    folder.mkdir(parents=True, exist_ok=True)
    for package in SHELF["packages"]:
        name, _, version = package.partition("==")
        if not list(folder.glob(f"[{name[0]}{name[0].upper()}]{name[1:]}-{version}.tar.gz")):
            command = ["download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(folder), package]
            subprocess.run([sys.executable, "-m", "pip", *command], check=True)
    return folder


@pytest.fixture(scope="module")
def shelf(downloads, tmp_path_factory):
    """Their documentation, unpacked."""
    folder = tmp_path_factory.mktemp("home") / "shelf"
    for archive in sorted(downloads.glob("*.tar.gz")):
        with tarfile.open(archive) as packed:
            documents = [part for part in packed if re.match(r"[^/]+/docs?/", part.name)]
            packed.extractall(folder, documents, filter="data")
    texts = [path for path in folder.rglob("*") if path.suffix in (".txt", ".rst", ".md")]
    assert len(texts) >= 1000
    return folder


@pytest.fixture(scope="module")
def running(shelf, model_cache):
    """A service with the real model that may read the shelf."""
    with RunningService(shelf.parent / "data", cache=model_cache) as service:
        yield service


def _build(running, shelf):
    """Build at a terminal; gives what was shown and the exit code."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(shelf.parent), "LANG": "C.UTF-8"}
    environment |= {"FAISS_MEMORY_URL": f"http://127.0.0.1:{running.port}"}
    ended = CommandLine(shelf.parent, environment).seen("build", shelf, most_seconds=3600)
    return ended.shown, ended.code


def _last(running):
    return running.call("GET", "/index/build")[1]["last"]


def _answers(running, question):
    return running.call("POST", "/search", {"query": question, "k": 5})[1]["results"]


def test_a_shelf_is_built_and_followed(running, shelf, capsys):
    began = time.monotonic()
    shown, status = _build(running, shelf)
    first, took = _last(running), time.monotonic() - began
    assert (status, first["state"]) == (0, "done")
    assert re.search(r"embedding", shown)
    assert re.search(r"\d+/\d+|\d+%", shown)
    assert first["added"] >= 1000

    found = {
        entry["ask"]: any(entry["file"] in result["source"] for result in _answers(running, entry["ask"]))
        for entry in SHELF["questions"]
    }
    with capsys.disabled():
        print(f"\n{first['message']}: {took:.0f} s; {sum(found.values())} of {len(found)} questions answered")
        print("\n".join(f"not found: {ask}" for ask, hit in found.items() if not hit))
    assert sum(found.values()) >= FOUND_AT_LEAST

    began = time.monotonic()
    assert _build(running, shelf)[1] == 0
    second = _last(running)
    assert (second["embedded"], second["added"], second["changed"]) == (0, 0, 0)
    assert second["kept"] == first["added"]
    with capsys.disabled():
        print(f"again, unchanged: {time.monotonic() - began:.1f} s")

    edited = sorted((shelf / "Django-5.2/docs/topics").rglob("*.txt"))[:EDITED]
    for path in edited:
        lines = path.read_text(encoding="utf-8").split("\n")
        middle = next(n for n in range(len(lines) // 2, len(lines)) if not lines[n].strip())
        lines.insert(middle, f"\nThe heron of {path.stem} wears a purple hat.")
        path.write_text("\n".join(lines), encoding="utf-8")
    assert _build(running, shelf)[1] == 0
    third = _last(running)
    assert third["changed"] == EDITED
    assert EDITED <= third["memories"]["added"] <= 4 * EDITED
    assert "purple hat" in _answers(running, f"What does the heron of {edited[3].stem} wear?")[0]["text"]

    gone = shelf / SHELF["questions"][2]["file"]
    gone.unlink()
    assert _build(running, shelf)[1] == 0
    assert _last(running)["removed"] == 1
    assert not any(
        str(gone) in result["source"] for result in _answers(running, SHELF["questions"][2]["ask"])
    )

    before = running.call("GET", "/stats")[1]["total_memories"]
    shelf.rename(shelf.parent / "moved")
    shown, status = _build(running, shelf)
    assert status == 1
    assert running.call("GET", "/stats")[1]["total_memories"] == before
    shutil.move(shelf.parent / "moved", shelf)
    assert _build(running, shelf)[1] == 0
    assert (_last(running)["embedded"], _last(running)["removed"]) == (0, 0)
