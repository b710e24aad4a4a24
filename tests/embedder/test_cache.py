"""The compiled model is found again, and nothing that lies in its folder can break a start."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faiss_memory.contracts.embedder import Embedder
from faiss_memory.embedder import compile as compiling, open_embedder, opening
from faiss_memory.embedder.child import ChildEmbedder
from faiss_memory.embedder.model_source import MODEL_PACKAGES
from faiss_memory.errors import EmbedderError
from tests.sampling import matrix

pytestmark = pytest.mark.long  # torch takes half a minute to be imported and to compile these models

REAL = "all-MiniLM-L6-v2"


@pytest.fixture
def model(build: Any, tmp_path: Path) -> Path:
    folder: Path = build(tmp_path / "tiny")
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


HARMED = matrix(
    ["model.onnx", "weights.bin", "tokenizer.json", "compiled.json"], ["truncated", "missing", "overwritten"]
)


def entry(cache: Path) -> Path:
    (only,) = (path for path in (cache / "models").iterdir() if path.name != "temporary")
    return only


def test_a_model_is_compiled_once(model: Path, cache: Path, compiles: list[str]) -> None:
    first = open_embedder(str(model), cache)
    second = open_embedder(str(model), cache)
    assert len(compiles) == 1
    assert first.identity == second.identity
    np.testing.assert_array_equal(first.embed_queries(["dog"]), second.embed_queries(["dog"]))


def test_an_unchanged_model_is_not_read_again(
    model: Path, cache: Path, compiles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_embedder(str(model), cache)
    monkeypatch.setattr("faiss_memory.embedder.compiled.describe", lambda _: pytest.fail("read the source"))
    open_embedder(str(model), cache)


@pytest.mark.parametrize(("name", "harm"), HARMED)
def test_a_damaged_entry_is_compiled_again(
    name: str, harm: str, model: Path, cache: Path, compiles: list[str]
) -> None:
    healthy = open_embedder(str(model), cache).embed_queries(["dog"])
    file = entry(cache) / name
    if harm == "truncated":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif harm == "missing":
        file.unlink()
    else:
        file.write_bytes(b"\xff" * file.stat().st_size)
    np.testing.assert_array_equal(open_embedder(str(model), cache).embed_queries(["dog"]), healthy)
    assert len(compiles) == 2
    open_embedder(str(model), cache)
    assert len(compiles) == 2


def test_an_entry_of_an_older_format_is_compiled_again(model: Path, cache: Path, compiles: list[str]) -> None:
    open_embedder(str(model), cache)
    facts = entry(cache) / "compiled.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "format": 0}))
    open_embedder(str(model), cache)
    assert len(compiles) == 2


def test_changed_weights_are_noticed(model: Path, build: Any, cache: Path, compiles: list[str]) -> None:
    before = open_embedder(str(model), cache)
    build(model, seed=1)
    after = open_embedder(str(model), cache)
    assert len(compiles) == 2
    assert before.identity != after.identity
    assert not np.allclose(before.embed_queries(["dog"]), after.embed_queries(["dog"]), atol=1e-3)


@pytest.mark.parametrize("place", ["source", "compiled"])
def test_weights_that_were_changed_without_a_later_time_are_noticed(
    model: Path, cache: Path, compiles: list[str], place: str
) -> None:
    first = open_embedder(str(model), cache)
    path = model / "model.safetensors" if place == "source" else entry(cache) / "weights.bin"
    before, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-8] + b"\x00\x00\x80\x3f\x00\x00\x80\xbf")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = open_embedder(str(model), cache)
    assert len(compiles) == 2
    assert (second.identity == first.identity) == (place == "compiled")


def test_touched_but_equal_files_are_not_compiled_again(
    model: Path, cache: Path, compiles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_embedder(str(model), cache)
    for file in [model / "model.safetensors", entry(cache) / "weights.bin"]:
        os.utime(file, (1, 1))
    open_embedder(str(model), cache)
    monkeypatch.setattr("faiss_memory.embedder.compiled.describe", lambda _: pytest.fail("read the source"))
    open_embedder(str(model), cache)
    assert len(compiles) == 1


def test_a_compiled_model_outlives_its_source(model: Path, cache: Path, compiles: list[str]) -> None:
    before = open_embedder(str(model), cache)
    shutil.rmtree(model)
    after = open_embedder(str(model), cache)
    assert before.identity == after.identity
    np.testing.assert_array_equal(before.embed_queries(["dog"]), after.embed_queries(["dog"]))


def test_a_compiled_model_is_served_from_a_cache_that_cannot_be_written(
    model: Path, cache: Path, compiles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_embedder(str(model), cache)
    os.utime(entry(cache) / "weights.bin", (1, 1))

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr("faiss_memory.embedder.compiled.tempfile.mkstemp", refuse)
    open_embedder(str(model), cache).embed_queries(["dog"])
    assert len(compiles) == 1


def test_a_model_that_came_compiled_with_the_installation_is_served(
    model: Path, cache: Path, tmp_path: Path, compiles: list[str]
) -> None:
    shipped = tmp_path / "share"
    made = open_embedder(str(model), shipped)
    shutil.rmtree(model)
    found = open_embedder(str(model), cache, shipped)
    assert found.identity == made.identity
    np.testing.assert_array_equal(found.embed_queries(["dog"]), made.embed_queries(["dog"]))
    assert len(compiles) == 1
    assert not cache.exists()


def test_a_damaged_one_that_came_with_the_installation_is_left_alone_and_compiled_again(
    model: Path, cache: Path, tmp_path: Path, compiles: list[str]
) -> None:
    shipped = tmp_path / "share"
    made = open_embedder(str(model), shipped)
    (entry(shipped) / "model.onnx").write_bytes(b"damaged")
    assert open_embedder(str(model), cache, shipped).identity == made.identity
    assert len(compiles) == 2
    assert (entry(shipped) / "model.onnx").read_bytes() == b"damaged"
    assert open_embedder(str(model), cache, shipped).identity == made.identity
    assert len(compiles) == 2


def test_without_what_compiles_it_is_said_at_once_what_to_do(
    model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setattr(opening, "subprocess", None)  # no child may even start
    with pytest.raises(
        EmbedderError,
        match=r"cannot be compiled: onnx not installed here.*FAISS_MEMORY_IMAGE=full.*MODEL_NAME",
    ):
        open_embedder(str(model), cache)


def test_a_folder_without_a_model_is_refused(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(EmbedderError, match=r"no model in the folder .*nowhere"):
        open_embedder(str(tmp_path / "nowhere"), cache)


def test_what_killed_compilations_left_is_cleared(model: Path, cache: Path, compiles: list[str]) -> None:
    leftover = cache / "models" / ".compiling-killed"
    leftover.mkdir(parents=True)
    (leftover / ".lock").touch()
    (leftover / "model.onnx").write_bytes(b"half")
    open_embedder(str(model), cache)
    assert not leftover.exists()


def test_both_spellings_of_a_hub_name_are_one_model(real: Embedder, cache_dir: Path) -> None:
    assert open_embedder(f"sentence-transformers/{REAL}", cache_dir).identity == real.identity


def test_a_package_with_other_weights_is_refused(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = MODEL_PACKAGES[REAL]
    folder = tmp_path / "site" / package.module
    (folder / package.folder).mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('a model package must not be imported')")
    (folder / package.folder / package.weights).write_bytes(b"not the model")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(opening, "subprocess", None)  # no child may even start
    with pytest.raises(EmbedderError, match=rf"{package.distribution} is not {REAL}: .*Reinstall"):
        open_embedder(REAL, cache)


def test_a_downloaded_hub_model_needs_no_network(
    hub: Path, build: Any, tmp_path: Path, cache: Path, compiles: list[str]
) -> None:
    repository = hub / "models--sentence-transformers--tiny-hub"
    build(tmp_path / "made")
    shutil.copytree(tmp_path / "made", repository / "snapshots" / "abc123")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc123")
    found = open_embedder("tiny-hub", cache)
    expected = open_embedder(str(tmp_path / "made"), cache)
    np.testing.assert_allclose(found.embed_queries(["dog"]), expected.embed_queries(["dog"]), atol=1e-6)
    shutil.rmtree(repository)
    assert open_embedder("sentence-transformers/tiny-hub", cache).identity == found.identity
    assert len(compiles) == 2


def test_an_unknown_hub_model_is_an_error_that_says_what_to_do(
    cache: Path, hub: Path, compiles: list[str]
) -> None:
    with pytest.raises(EmbedderError, match=r"nobody/nothing cannot be compiled: .* Check the name"):
        open_embedder("nobody/nothing", cache)
    assert list((cache / "models").iterdir()) == []


def test_a_model_that_cannot_be_exported_is_not_tried_again(
    model: Path, cache: Path, compiles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(compiling, "_export", fail)
    for _ in range(2):
        embedder = open_embedder(str(model), cache)
        embedder.close()
        assert isinstance(embedder, ChildEmbedder)
        assert embedder.dimension == 32
    assert len(compiles) == 1


def test_an_export_that_answers_otherwise_is_not_used(
    build: Any, tmp_path: Path, cache: Path, compiles: list[str]
) -> None:
    # Pooling that leaves the prompt out knows the prompt's length, which the exported graph does not.
    folder = build(tmp_path / "tiny", kind="roberta", include_prompt=False, prompts={"query": "query: "})
    embedder = open_embedder(str(folder), cache)
    embedder.close()
    assert isinstance(embedder, ChildEmbedder)


def test_a_warm_start_loads_neither_torch_nor_sentence_transformers(real: Embedder, cache_dir: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from faiss_memory.embedder import open_embedder\n"
        f"vectors = open_embedder({REAL!r}, Path(sys.argv[1])).embed_queries(['hello'])\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'huggingface_hub', 'onnx'}\n"
        "print(vectors.shape, sorted(heavy & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(cache_dir)],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert done.stdout == "(1, 384) []\n"
    assert done.stderr == ""
