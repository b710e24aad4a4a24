"""Which metric a model's vectors are compared by, and that they are as the model makes them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faiss_memory.contracts.comparing import with_metric
from faiss_memory.embedder import open_embedder, reopen_embedder
from faiss_memory.errors import EmbedderError
from faiss_memory.memory import METRICS, Metric
from faiss_memory.store.index.vector_index import VectorIndex
from faiss_memory.store.index.vector_segment import QueryVector
from faiss_memory.store.records.reader import to_keys

pytestmark = pytest.mark.long  # torch takes half a minute to be imported and to compile these models

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog", "service", "keeps", "data", "home"]
QUERY = "where does the dog keep memories"


@pytest.fixture(scope="module")
def plain(build: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without a normalising layer."""
    return build(tmp_path_factory.mktemp("plain") / "tiny", normalize=False, pooling="mean")


def raw(folder: Path, texts: list[str]) -> Any:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    return SentenceTransformer(str(folder), device="cpu").encode(texts, show_progress_bar=False)


def state(folder: Path, **stated: object) -> None:
    file = folder / "config_sentence_transformers.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **stated}))


def by_numpy(metric: Metric, every: Any, query: Any) -> list[int]:
    found = every @ query
    if metric == "cosine":
        found = found / np.linalg.norm(every, axis=1)
    if metric == "euclidean":
        found = -np.linalg.norm(every - query, axis=1)
    return np.argsort(-found, kind="stable")[:10].tolist()


def test_the_first_ten_of_a_model_that_does_not_normalise_differ_by_metric(
    plain: Path, compiles: list[str], tmp_path: Path
) -> None:
    chance = random.Random(5)
    texts = [" ".join(chance.choices(WORDS, k=chance.randint(1, 12))) for _ in range(150)]
    expected = raw(plain, texts)
    # The tokenizer is trained anew in each run, and not always to the same: a query is taken by which metrics differ.
    asking, query = next(
        (text, vector)
        for text, vector in zip(texts, expected, strict=True)
        if len({tuple(by_numpy(metric, expected, vector)) for metric in METRICS}) == 3
    )
    assert np.ptp(np.linalg.norm(expected, axis=1)) > 0.1
    firsts = []
    for metric in METRICS:
        model = open_embedder(str(plain), tmp_path / "cache", metric=metric)
        vectors, (asked,) = model.embed_documents(texts), model.embed_queries([asking])
        if metric == "cosine":
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        else:
            np.testing.assert_allclose(vectors, expected, atol=1e-3)
        index = VectorIndex(model.dimension, metric)
        index.add(to_keys([(n, n, 0, 1) for n in range(len(texts))]), vectors)
        found = index.nearest(QueryVector(asked), None, np.zeros(0, np.int64), 10)
        firsts.append([match.memory_id for match in found])
        assert firsts[-1] == by_numpy(metric, expected, query)
    assert len({tuple(ids) for ids in firsts}) == 3
    assert len(compiles) == 1


def test_the_metric_is_that_of_the_models_files_unless_another_is_wanted(
    build: Any, compiles: list[str], tmp_path: Path
) -> None:
    folder, cache = build(tmp_path / "tiny", normalize=False), tmp_path / "cache"
    opened = []
    for stated, metric in [
        (None, "cosine"),
        ("dot", "dot"),
        ("euclidean", "euclidean"),
        ("cosine", "cosine"),
    ]:
        state(folder, similarity_fn_name=stated)
        opened.append(open_embedder(str(folder), cache))
        assert opened[-1].metric == metric  # type: ignore[attr-defined]
    assert open_embedder(str(folder), cache, metric="dot").metric == "dot"  # type: ignore[attr-defined]
    state(folder, similarity_fn_name="manhattan")
    with pytest.raises(EmbedderError, match=r"manhattan.*`metric`"):
        open_embedder(str(folder), cache)
    assert open_embedder(str(folder), cache, metric="cosine").metric == "cosine"  # type: ignore[attr-defined]


def test_what_was_compiled_to_normalise_is_compiled_anew_for_another_metric(
    plain: Path, compiles: list[str], tmp_path: Path
) -> None:
    before = open_embedder(str(plain), tmp_path / "cache")
    (facts,) = (tmp_path / "cache").glob("models/*/compiled.json")
    content = json.loads(facts.read_text())
    del content["shape"]["unit"]
    facts.write_text(json.dumps(content))
    open_embedder(str(plain), tmp_path / "cache")
    assert len(compiles) == 1
    dotted = with_metric(before.identity, "dot")
    with pytest.raises(EmbedderError, match="any more"):
        reopen_embedder(dotted, str(plain), tmp_path / "cache")
    after = open_embedder(str(plain), tmp_path / "cache", metric="dot")
    assert len(compiles) == 2
    assert not np.allclose(np.linalg.norm(after.embed_queries([QUERY])), 1, atol=1e-3)
    again = reopen_embedder(dotted, str(plain), tmp_path / "cache")
    np.testing.assert_array_equal(again.embed_queries([QUERY]), after.embed_queries([QUERY]))


def test_a_model_that_normalises_serves_every_metric_as_it_was_compiled(
    build: Any, compiles: list[str], tmp_path: Path
) -> None:
    folder = build(tmp_path / "tiny")
    open_embedder(str(folder), tmp_path / "cache")
    (facts,) = (tmp_path / "cache").glob("models/*/compiled.json")
    facts.write_text(facts.read_text().replace('"unit": true', '"unit": null'))
    assert open_embedder(str(folder), tmp_path / "cache", metric="dot").metric == "dot"  # type: ignore[attr-defined]
    assert len(compiles) == 1
