"""What an embedder answers is what sentence-transformers answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faiss_memory.contracts.embedder import Embedder
from faiss_memory.embedder import open_embedder
from faiss_memory.embedder.model_source import find_source
from faiss_memory.embedder.onnx_embedder import OnnxEmbedder

REAL = "all-MiniLM-L6-v2"
TEXTS = [
    "the dog",
    "",
    "Where is Größe? 東京 🤖",
    "  spaced  out \n",
    "fox " * 100,
    "a",
    "search memories by meaning",
]
PROMPTS = {"query": "query: ", "document": "passage: "}
MODELS: dict[str, dict[str, Any]] = {
    "bert with CLS pooling": {"kind": "bert", "pooling": "cls"},
    "mpnet with mean pooling": {"kind": "mpnet", "pooling": "mean"},
    "roberta with prompts": {"kind": "roberta", "prompts": PROMPTS},
    "roberta with a default prompt": {
        "kind": "roberta",
        "prompts": {"passage": "passage: "},
        "default_prompt_name": "passage",
    },
    "bert that does not normalise": {"kind": "bert", "pooling": "max", "normalize": False},
}

pytestmark = pytest.mark.long  # torch takes half a minute to be imported and to compile these models


def cosines(a: Any, b: Any) -> Any:
    return (a * b).sum(axis=1)


def test_the_real_model_answers_like_sentence_transformers(real: Embedder, reference: Any) -> None:
    location = find_source(REAL).location
    texts = [*TEXTS, *(f"memory number {n} " * (n + 1) for n in range(0, 60, 4))]
    expected = reference(location, texts, queries=False)
    assert cosines(real.embed_documents(texts), expected).min() > 0.99999
    assert cosines(real.embed_queries(texts), expected).min() > 0.99999
    assert (real.name, real.dimension, real.window) == (REAL, 384, 254)


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_of_any_shape_answers_like_sentence_transformers(
    kind: str, build: Any, reference: Any, compiles: list[str], tmp_path: Path
) -> None:
    folder = build(tmp_path / "tiny", **MODELS[kind])
    embedder = open_embedder(str(folder), tmp_path / "cache")
    assert isinstance(embedder, OnnxEmbedder)
    for queries, embed in ((True, embedder.embed_queries), (False, embedder.embed_documents)):
        found = embed(TEXTS)
        assert found.shape == (len(TEXTS), embedder.dimension) == (len(TEXTS), 32)
        assert found.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        assert cosines(found, reference(folder, TEXTS, queries=queries)).min() > 0.9999


def test_prompts_make_queries_and_documents_differ_and_take_room_in_the_window(
    build: Any, compiles: list[str], tmp_path: Path
) -> None:
    plain = open_embedder(str(build(tmp_path / "plain", kind="roberta")), tmp_path / "cache")
    prompted = open_embedder(str(build(tmp_path / "p", kind="roberta", prompts=PROMPTS)), tmp_path / "cache")
    np.testing.assert_allclose(
        plain.embed_queries(["the dog"]), plain.embed_documents(["the dog"]), atol=1e-6
    )
    assert not np.allclose(
        prompted.embed_queries(["the dog"]), prompted.embed_documents(["the dog"]), atol=1e-2
    )
    assert plain.window == 22
    assert prompted.window == 22 - len(plain.token_offsets("passage: "))


def test_vectors_come_in_the_order_of_the_texts(real: Embedder) -> None:
    texts = [f"text {n} " * ((n * 7) % 23 + 1) for n in range(70)]
    together = real.embed_documents(texts)
    for place in (0, 1, 33, 69):
        np.testing.assert_allclose(together[place], real.embed_documents([texts[place]])[0], atol=1e-5)


def test_no_texts_give_an_empty_matrix(real: Embedder) -> None:
    assert real.embed_documents([]).shape == real.embed_queries([]).shape == (0, 384)


def test_token_offsets_are_characters_of_the_whole_text(real: Embedder) -> None:
    text = "ÜBER, 東京 🤖 unbelievable"
    pieces = [text[start:end] for start, end in real.token_offsets(text)]
    assert pieces[:5] == ["ÜBER", ",", "東", "京", "🤖"]
    assert "".join(pieces) == text.replace(" ", "")
    assert real.token_offsets("") == []
    long = real.token_offsets("word " * 1000)
    assert len(long) == 1000
    assert long[-1] == (4995, 4999)


def test_a_text_is_cut_at_the_window(real: Embedder) -> None:
    words = ["word"] * real.window
    whole, longer = real.embed_documents([" ".join(words), " ".join([*words, "unseen"])])
    np.testing.assert_allclose(whole, longer, atol=1e-6)
    shorter = real.embed_documents([" ".join([*words[:-1], "seen"])])[0]
    assert not np.allclose(whole, shorter, atol=1e-4)
