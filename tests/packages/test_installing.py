"""README's ways to install it, each in a fresh home from a clean copy of the checkout: `make packages-check`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.documents import ROOT, blocks
from tests.running import closed_port

pytestmark = pytest.mark.packages

HEADING = "# Install it without make"
LIGHT = [
    block.text
    for block in blocks("docs/install.md", "bash")
    if block.heading == HEADING and block.text.rstrip().endswith("faiss-memory serve")
]
MOST_MB = 550
"""With the model: its package, and what a start makes of it."""
LEFT_OUT = ("torch", "sentence_transformers", "transformers", "onnx")


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Print a measured figure."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n  {line}", end="", flush=True)

    return say


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a clone of the checkout would have, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / "clone" / name)
    return tmp_path / "clone"


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where uv and build are."""
    folder = tmp_path_factory.mktemp("tools")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "-q", "uv", "build"], check=True)
    return folder / "bin"


class Home:
    """A person's home, where nothing is installed or cached yet."""

    def __init__(self, folder: Path, tools: Path) -> None:
        self.folder = folder
        folder.mkdir()
        ours = ("FAISS_MEMORY_", "XDG_", "VIRTUAL_ENV", "PYTHONPATH", "MAKE", "MFLAGS", "MODEL_NAME")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.environment = {
            **kept,
            "HOME": str(folder),
            "PATH": f"{folder}/.local/bin:{tools}:{os.environ['PATH']}",
            "UV_PYTHON": sys.executable,
        }

    def run(self, script: str, clone: Path) -> str:
        done = subprocess.run(
            ["bash", "-ec", script], cwd=clone, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout + done.stderr

    @contextlib.contextmanager
    def serve(self, command: str, clone: Path) -> Iterator[str]:
        """Run the service for as long as the caller wants; gives its address when the model answers."""
        with closed_port() as port:
            pass
        options = f"--port {port} --data-dir {self.folder}/data"
        process = subprocess.Popen(
            ["bash", "-ec", f"exec {command.replace('OPTIONS', options)}"],
            cwd=clone, env=self.environment, start_new_session=True,
        )  # fmt: skip
        try:
            while not _ask(f"http://127.0.0.1:{port}/health").get("model_ready"):
                assert process.poll() is None, "it has ended"
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


@pytest.fixture
def home(tmp_path: Path, tools: Path) -> Home:
    return Home(tmp_path / "home", tools)


def _ask(url: str, body: Any = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
    except OSError:
        return {}
    return found


def _finds_by_meaning(url: str) -> bool:
    _ask(f"{url}/memory/add", {"text": "whales sing"})
    return _ask(f"{url}/search", {"query": "music of the sea", "mode": "semantic"}).get("count") == 1


def _megabytes(*folders: Path) -> float:
    files = {
        path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
    }
    once = {(stat.st_dev, stat.st_ino): stat.st_blocks * 512 for stat in (path.stat() for path in files)}
    return sum(once.values()) / 1e6


def _packages(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("site-packages/*") if path.is_dir()}


@pytest.mark.parametrize("script", LIGHT, ids=["pip", "uv"])
def test_a_light_installation(script: str, clone: Path, home: Home, say: Callable[[str], None]) -> None:
    *install, command = script.replace("~", str(home.folder)).splitlines()
    began = time.monotonic()
    home.run("\n".join(install), clone)
    installed = time.monotonic() - began
    with home.serve(f"{command} OPTIONS", clone) as url:
        assert _finds_by_meaning(url)
        doctor = home.run(f"{command.removesuffix('serve')}doctor --url {url}", clone)
        assert "torch, sentence-transformers, onnx not installed here" in doctor
    places = [home.folder / ".faiss-memory", home.folder / ".local", home.folder / ".cache" / "faiss-memory"]
    size = _megabytes(*(place for place in places if place.is_dir()))
    say(f"{install[-1].split('/')[-1].split()[0]}: {installed:.0f} s, {size:.0f} MB with the model")
    assert size <= MOST_MB
    assert not _packages(home.folder) & set(LEFT_OUT)


def test_pip_check_says_what_readme_says(clone: Path, home: Home) -> None:
    (pip, *_) = (text for text in LIGHT if "bin/pip" in text)
    *install, _ = pip.replace("~", str(home.folder)).splitlines()
    home.run("\n".join(install), clone)
    said = home.run(f"{home.folder}/.faiss-memory/bin/pip check || true", clone)
    readme = re.sub(r"\s+", " ", (ROOT / "docs/install.md").read_text(encoding="utf-8"))
    for name in ("torch", "sentence-transformers", "onnx"):
        assert re.search(rf"faiss-memory \S+ requires {name}, which is not installed", said)
    assert "faiss-memory *requires torch, which is not installed*" in readme


def test_make_serve(clone: Path, home: Home, say: Callable[[str], None]) -> None:
    began = time.monotonic()
    with home.serve('make serve PYTHON="$UV_PYTHON" ARGS="OPTIONS"', clone) as url:
        took = time.monotonic() - began
        assert _finds_by_meaning(url)
    size = _megabytes(clone / ".venv", home.folder / ".cache" / "faiss-memory")
    say(f"make serve, from nothing to an answer: {took:.0f} s, {size:.0f} MB with the model")
    assert size <= MOST_MB
    assert not _packages(clone / ".venv") & set(LEFT_OUT)


def test_wheel_and_source_distribution_have_all_that_is_needed(
    clone: Path, home: Home, say: Callable[[str], None]
) -> None:
    home.run("pyproject-build", clone)  # the wheel is built of the source distribution
    (wheel,) = (clone / "dist").glob("*.whl")
    (source,) = (clone / "dist").glob("*.tar.gz")
    say(
        f"the wheel: {wheel.stat().st_size / 1e6:.1f} MB, the source distribution: {source.stat().st_size / 1e6:.1f} MB"
    )
    with zipfile.ZipFile(wheel) as packed:
        found = {name for name in packed.namelist() if ".dist-info/" not in name and ".data/" not in name}
    roots = {"core": "", "plugins": "", "adapters": ""}
    wanted = {
        path.relative_to(clone / root).as_posix()
        for root in roots
        for path in (clone / root).rglob("*")
        if path.is_file()
        and path.suffix != ".md"
        and path.name != "tsconfig.json"  # how the page's types are checked
        and "egg-info" not in str(path)
        and "__pycache__" not in path.parts
    }
    assert found - {name for name in found if name.endswith(".md")} == wanted
    with tarfile.open(source) as packed_source:
        names = packed_source.getnames()
    assert any(name.endswith("/config/faiss-memory.yaml") for name in names)
