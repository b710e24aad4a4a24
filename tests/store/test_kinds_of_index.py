"""Kinds of index by size: chosen by themselves, in the background, and they find what an exact search finds."""

from __future__ import annotations

import logging
import time
from itertools import product

import faiss
import numpy as np
import pytest

from faiss_memory.contracts.comparing import cosines, similarities, unit, with_metric
from faiss_memory.contracts.embedder import Embedding
from faiss_memory.memory import Draft, Filter, Passage
from faiss_memory.store.index import vector_index, vector_kinds, vector_segment
from tests.sampling import matrix
from tests.store.asking import nearest
from tests.store.oracle import EmbeddedHome

MODEL = ("clustered@1", "clustered", 48)
COUNT, PART = 2_000, 400
EVEN, SEVENTH = (
    Filter(projects=("default",), tags=("even",)),
    Filter(projects=("default",), tags=("seventh",)),
)
EVERYTHING = Filter(projects=("default",))


@pytest.fixture
def small(monkeypatch):
    """Parts and bounds so small that a test meets every kind."""
    monkeypatch.setattr(vector_index, "PART", PART)
    monkeypatch.setattr(vector_kinds, "HALF_FROM", PART)
    monkeypatch.setattr(vector_kinds, "LISTS_FROM", 2 * PART)
    monkeypatch.setattr(vector_kinds, "IN_A_LIST", 16)
    monkeypatch.setattr(vector_segment, "SCANNED", 100)
    monkeypatch.setattr(vector_segment, "COMPACT_ABOVE", 20)


@pytest.fixture
def home(small, tmp_path):
    """A place for a store with the made-up model."""
    made = EmbeddedHome(tmp_path / "data")
    yield made
    made.close()


def clustered(count, seed):
    """Unit vectors in clusters of which some are large and most are small, as those of texts are."""
    known, chosen = np.random.default_rng(0), np.random.default_rng(seed)
    centres = known.standard_normal((60, MODEL[2]))
    shares = 1 / np.arange(1, 61)
    which = chosen.choice(60, count, p=shares / shares.sum())
    vectors = centres[which] + 0.6 * chosen.standard_normal((count, MODEL[2]))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def of_lengths(count, seed, metric, scale=3.0, middle=1.0):
    """Such vectors, for another metric than the cosine of different lengths."""
    lengths = np.random.default_rng(seed + 100).uniform(-1, 1, (count, 1))
    vectors = clustered(count, seed)
    return vectors if metric == "cosine" else np.asarray(vectors * middle * scale**lengths, np.float32)


def add(store, vectors, first=1, model=MODEL[0]):
    drafts = [
        Draft(text=f"number {n}", tags=("even",) * (n % 2 == 0) + ("seventh",) * (n % 7 == 0))
        for n in range(first, first + len(vectors))
    ]
    embeddings = [Embedding((Passage(0, 8),), vector.reshape(1, -1), model) for vector in vectors]
    return [one.id for one in store.add(drafts, embeddings)]


def opened(home, metric="cosine"):
    store = home.open(model=False)
    store.use_model(with_metric(MODEL[0], metric), *MODEL[1:])
    return store


def settled(store, least=1):
    """Wait until every full part is of the kind that fits; gives the parts."""
    end = time.monotonic() + 120
    while True:
        index = store._indexes._by_project()["default"]
        if index.to_remake() is None and len(index._parts) >= least:
            return index._parts
        assert time.monotonic() < end
        time.sleep(0.01)


def recall(store, vectors, ids, where, counts, k=10):
    """The share of the k nearest, by brute force, that the store finds."""
    kept = np.array([counts(n) for n in ids])
    found = 0
    queries = clustered(20, seed=9)
    for query in queries:
        best = np.array(ids)[kept][np.argsort(-(vectors[kept] @ query))[:k]]
        got = nearest(store, query, where, k)
        assert len(got) == k
        for match in got:  # each cosine is that of its memory, as half precision has it
            assert match.similarity == pytest.approx(
                float(vectors[ids.index(match.memory_id)] @ query), abs=5e-4
            )
        found += len({match.memory_id for match in got} & set(best.tolist()))
    return found / (k * len(queries))


def test_a_small_store_is_exact_and_stays_so(home):
    store, vectors = opened(home), clustered(PART - 1, seed=1)
    ids = add(store, vectors)
    assert [type(part._flat) for part in settled(store)] == [faiss.IndexFlatIP]
    assert recall(store, vectors, ids, EVERYTHING, lambda n: True) == 1.0


def test_half_precision_finds_the_same(home):
    store, vectors = opened(home), clustered(2 * PART - 1, seed=1)
    ids = add(store, vectors)
    assert [part.kind.name for part in settled(store)] == ["HALF", "EXACT"]
    assert store.stats().index_size_bytes == {"default": MODEL[2] * (2 * PART + 4 * (PART - 1))}
    assert recall(store, vectors, ids, EVERYTHING, lambda n: True) == 1.0


def test_lists_find_what_is_near_also_under_filters_and_after_a_start(home):
    store, vectors = opened(home), clustered(COUNT, seed=1)
    ids = add(store, vectors)
    kinds = [part.kind.name for part in settled(store)]
    assert set(kinds) == {"LISTS"}
    assert len(kinds) == COUNT // PART
    for _ in range(2):
        assert recall(store, vectors, ids, EVERYTHING, lambda n: True) >= 0.97
        assert recall(store, vectors, ids, EVEN, lambda n: n % 2 == 0) >= 0.97
        assert recall(store, vectors, ids, SEVENTH, lambda n: n % 7 == 0) == 1.0  # exact
        home.close()
        store = opened(home)
    assert [part.kind.name for part in settled(store)] == kinds


def test_what_is_added_and_removed_meanwhile_counts(home):
    store, vectors = opened(home), clustered(COUNT, seed=1)
    ids = add(store, vectors[: 3 * PART])
    gone = set(ids[::3])
    store.forget(sorted(gone))  # while the first parts are made anew
    ids += add(store, vectors[3 * PART :], first=3 * PART + 1)
    left = [n for n in ids if n not in gone]
    for _ in range(2):
        assert recall(store, vectors[np.array(left) - 1], left, EVERYTHING, lambda n: True) >= 0.97
        settled(store)
    assert len(nearest(store, vectors[0], EVERYTHING, COUNT)) == len(left)  # k means k


def test_parts_of_which_most_was_removed_give_the_room_back(home):
    store, vectors = opened(home), clustered(COUNT, seed=1)
    ids = add(store, vectors)
    settled(store)
    left = [n for n in ids if n % 4 == 0]
    store.forget(sorted(set(ids) - set(left)))
    assert sum(part.size for part in settled(store)) == len(left)
    assert recall(store, vectors[np.array(left) - 1], left, EVERYTHING, lambda n: True) >= 0.97


def test_a_part_in_lists_that_is_damaged_is_made_of_the_records_again(home, caplog):
    store, vectors = opened(home), clustered(COUNT, seed=1)
    ids = add(store, vectors)
    settled(store)
    home.close()
    path = home.folder / "index-1.faiss"
    path.write_bytes(path.read_bytes()[:-50] + bytes(50))
    with caplog.at_level(logging.WARNING, logger="faiss_memory.store"):
        store = opened(home)
    assert "index-1.faiss is made anew" in caplog.text
    settled(store)
    assert len(nearest(store, vectors[0], EVERYTHING, COUNT)) == COUNT
    assert recall(store, vectors, ids, EVERYTHING, lambda n: True) >= 0.97


@pytest.mark.parametrize(
    ("metric", "scale"), [("cosine", 1.0), *product(("dot", "euclidean"), (1.0, 3.0)), ("dot", 10.0)]
)
def test_lists_work_with_every_metric(small, metric, scale):
    lengths = np.random.default_rng(2).uniform(1 / scale, scale, (COUNT, 1)).astype(np.float32)
    vectors, queries = clustered(COUNT, seed=1) * lengths, clustered(20, seed=9)
    order, lists = vector_kinds.grouped(vectors, metric)
    near = queries @ vectors.T if metric != "euclidean" else -faiss.pairwise_distances(queries, vectors)
    found = scanned = 0
    for query, values in zip(queries, near, strict=True):
        mask = lists.nearest(query, None, COUNT // 6)
        looked_at = order[np.flatnonzero(mask)]
        scanned += len(looked_at)
        found += len(set(np.argsort(-values)[:10].tolist()) & set(looked_at.tolist()))
    assert scanned < len(queries) * COUNT / 4
    assert found >= 0.95 * 10 * len(queries)


KINDS = {
    "EXACT": (PART - 1, {"EXACT"}, 1.0),
    "HALF": (2 * PART - 1, {"HALF", "EXACT"}, 0.99),
    "LISTS": (3 * PART, {"LISTS"}, 0.95),
}


def share_found(store, vectors, metric, where=EVERYTHING, kept=slice(None), k=10):
    """The share of the k nearest by a metric, by brute force, that a store finds; ids count from 1."""
    ids, found, queries = np.arange(1, len(vectors) + 1)[kept], 0, of_lengths(20, 9, metric)
    for query in queries * np.linalg.norm(vectors, axis=1).mean():
        near = similarities(metric, vectors[kept], query)
        angles = cosines("dot", vectors[kept], query[np.newaxis])[:, 0]
        best, got = ids[np.argsort(-near)[:k]], nearest(store, query, where, k)
        assert len(got) == k
        for match in got:
            (at,) = np.flatnonzero(ids == match.memory_id)
            assert match.similarity == pytest.approx(float(near[at]), abs=2e-3 * float(np.abs(near).max()))
            if metric != "cosine":
                assert match.angle == pytest.approx(float(angles[at]), abs=2e-3)
        found += len({match.memory_id for match in got} & set(best.tolist()))
    return found / (k * len(queries))


@pytest.mark.parametrize(("metric", "kind"), matrix(("cosine", "dot", "euclidean"), list(KINDS)))
def test_every_kind_serves_every_metric(home, metric, kind):
    count, kinds, least = KINDS[kind]
    model, vectors = with_metric(MODEL[0], metric), of_lengths(count, 1, metric)
    store = opened(home, metric)
    add(store, vectors, model=model)
    for _ in range(2):
        assert {part.kind.name for part in settled(store)} == kinds
        assert share_found(store, vectors, metric) >= least
        assert share_found(store, vectors, metric, EVEN, slice(1, None, 2)) >= least
        assert share_found(store, vectors, metric, SEVENTH, slice(6, None, 7)) >= min(least, 0.99)
        home.close()
        store = opened(home, metric)
    # What a text is most like goes by the angle, exactly, whatever the lengths and the kind.
    asked = of_lengths(10, 4, metric)
    for query in asked:
        (best,) = store.closest(Embedding((Passage(0, 8),), query.reshape(1, -1), model), EVERYTHING)[0]
        angles = unit(vectors) @ unit(query[np.newaxis])[0]
        if metric != "cosine" or kind != "LISTS":
            assert angles[best.memory.id - 1] == pytest.approx(float(angles.max()), abs=1e-3)
        assert best.similarity == pytest.approx(float(angles[best.memory.id - 1]), abs=1e-3)


@pytest.mark.parametrize(("metric", "kind"), [*product(("dot", "euclidean"), ("HALF", "LISTS"))])
@pytest.mark.parametrize("middle", [1e6, 1e-6])
@pytest.mark.long
def test_vectors_that_half_precision_cannot_hold_stay_exact(home, metric, kind, middle):
    count = KINDS[kind][0]
    vectors, model = of_lengths(count, 1, metric, middle=middle), with_metric(MODEL[0], metric)
    store = opened(home, metric)
    add(store, vectors, model=model)
    for _ in range(2):
        parts = settled(store)
        assert {part.kind.name for part in parts} == ({"EXACT"} if kind == "HALF" else {"LISTS"})
        assert not any(isinstance(part._flat, faiss.IndexScalarQuantizer) for part in parts)
        if metric == "dot" or middle > 1:  # of very short ones the distances hardly differ from 0
            assert share_found(store, vectors, metric) >= 0.95
        home.close()
        store = opened(home, metric)


def test_a_saved_part_of_another_metric_is_made_again(home):
    vectors = of_lengths(3 * PART, 1, "dot")
    store = opened(home, "dot")
    add(store, vectors, model=with_metric(MODEL[0], "dot"))
    settled(store)
    saved = [part.serialize().tobytes() for part in store._indexes._by_project()["default"]._parts]
    for content in saved:
        part = vector_segment.VectorPart(0, MODEL[2], "euclidean")
        with pytest.raises(ValueError, match="another metric"):
            part.load(content, np.zeros((1, vector_segment.KEY), np.int64), np.ones(1, np.bool_))
