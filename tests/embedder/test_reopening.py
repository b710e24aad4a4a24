"""A model that was in use before is opened again exactly as it was, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faiss_memory.embedder import compile as compiling, open_embedder, reopen_embedder
from faiss_memory.errors import EmbedderError

pytestmark = pytest.mark.long  # torch takes half a minute to be imported and to compile these models


@pytest.fixture
def model(build: Any, tmp_path: Path) -> Path:
    folder: Path = build(tmp_path / "tiny")
    return folder


def test_it_answers_as_before_though_its_files_are_those_of_another_model_now(
    model: Path, build: Any, tmp_path: Path, compiles: list[str]
) -> None:
    before = open_embedder(str(model), tmp_path / "cache")
    build(model, seed=1)
    assert open_embedder(str(model), tmp_path / "cache").identity != before.identity
    again = reopen_embedder(before.identity, "tiny", tmp_path / "cache")
    assert (again.identity, again.name) == (before.identity, "tiny")
    np.testing.assert_array_equal(again.embed_queries(["dog"]), before.embed_queries(["dog"]))
    assert len(compiles) == 2


@pytest.mark.parametrize("identity", ["tiny@0123456789abcdef", "no identity", "*@*"])
def test_one_that_was_never_compiled_here_is_refused(identity: str, tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="not among the compiled models"):
        reopen_embedder(identity, "tiny", tmp_path / "cache")


def test_a_damaged_one_is_refused_and_not_compiled_again(
    model: Path, tmp_path: Path, compiles: list[str]
) -> None:
    before = open_embedder(str(model), tmp_path / "cache")
    (entry,) = (tmp_path / "cache" / "models").iterdir()
    (entry / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(EmbedderError, match="not among the compiled models"):
        reopen_embedder(before.identity, "tiny", tmp_path / "cache")
    assert len(compiles) == 1


@pytest.mark.parametrize("fate", ["kept", "changed", "gone"])
def test_one_that_sentence_transformers_answers_for_needs_its_files_as_they_were(
    fate: str, model: Path, tmp_path: Path, compiles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("cannot be exported")

    monkeypatch.setattr(compiling, "_export", fails)
    before = open_embedder(str(model), tmp_path / "cache")
    before.close()
    if fate == "changed":
        (model / "added.txt").write_text("more")
    elif fate == "gone":
        shutil.rmtree(model)
    if fate == "kept":
        again = reopen_embedder(before.identity, str(model), tmp_path / "cache")
        again.close()
        assert again.identity == before.identity
    else:
        with pytest.raises(EmbedderError, match="are gone or were changed"):
            reopen_embedder(before.identity, str(model), tmp_path / "cache")
