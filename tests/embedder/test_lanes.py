"""The queues: searches first and together, bulk work in turns, and nobody waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from faiss_memory.contracts.embedder import Vectors
from faiss_memory.embedder import EmbeddingLanes, batcher
from faiss_memory.errors import EmbedderError

PATIENCE = 120  # seconds until a test that hangs is called failed


def vector_of(text: str) -> list[float]:
    return [float(len(text)), float(sum(map(ord, text)) % 1000)]


class Gated:
    """An embedder that tells when it is called, and answers when it is let."""

    name = "gated"
    identity = "gated@1"
    dimension = 2
    window = 100

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        self.change = threading.Condition()
        self.allowed = 0
        self.open = False
        self.failing: set[str] = set()
        self.error: type[Exception] = EmbedderError
        self.closed = False

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed("query", texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self._embed("bulk", texts)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]

    def close(self) -> None:
        self.closed = True

    def _embed(self, kind: str, texts: Sequence[str]) -> Vectors:
        with self.change:
            self.calls.append((kind, list(texts)))
            mine = len(self.calls)
            self.change.notify_all()
            assert self.change.wait_for(lambda: self.open or self.allowed >= mine, PATIENCE)
        if self.failing & set(texts):
            raise self.error("the model is broken")
        return np.array([vector_of(text) for text in texts], np.float32)

    def wait_for_calls(self, count: int) -> None:
        with self.change:
            assert self.change.wait_for(lambda: len(self.calls) >= count, PATIENCE)

    def let(self, *, through: int | None = None) -> None:
        """Let calls finish: the first so many, or all from now on."""
        with self.change:
            self.allowed, self.open = through or 0, through is None
            self.change.notify_all()


@pytest.fixture
def model() -> Gated:
    return Gated()


@pytest.fixture
def queues(model: Gated) -> EmbeddingLanes:
    return EmbeddingLanes(model)


class Crowd:
    """Callers, each in a thread of its own."""

    def __init__(self, queues: EmbeddingLanes) -> None:
        self.queues = queues
        self.pool = ThreadPoolExecutor(64)

    def ask(self, *texts: str) -> Future[Vectors]:
        return self.pool.submit(self.queues.embed_queries, texts)

    def add(self, *texts: str) -> Future[Vectors]:
        return self.pool.submit(self.queues.embed_documents, texts)


@pytest.fixture
def crowd(queues: EmbeddingLanes, model: Gated) -> Iterator[Crowd]:
    crowd = Crowd(queues)
    yield crowd
    model.let()
    crowd.pool.shutdown(wait=True)


def settle(queues: EmbeddingLanes, *, queries: int = 0, bulks: int = 0) -> None:
    """Wait until so many callers are in the queues."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with queues._query_change:  # the lock of both queues
            if len(queues._queries) >= queries and len(queues._bulks) >= bulks:
                return
    pytest.fail("they never came")


def long(name: str) -> str:
    return f"{name} ".ljust(400, "x")


CHUNK = batcher.CHUNK_TOKENS // 102  # such long texts, with two special tokens each


def test_a_query_that_finds_nothing_running_starts_at_once(queues: EmbeddingLanes, model: Gated) -> None:
    model.let()
    assert queues.embed_queries(["cat"]).tolist() == [vector_of("cat")]
    assert model.calls == [("query", ["cat"])]


def test_queries_that_arrive_meanwhile_are_embedded_together(
    queues: EmbeddingLanes, model: Gated, crowd: Crowd
) -> None:
    first = crowd.ask("first")
    model.wait_for_calls(1)
    others = [crowd.ask(f"other {n}") for n in range(5)]
    settle(queues, queries=6)
    model.let()
    assert first.result(PATIENCE).tolist() == [vector_of("first")]
    assert [f.result(PATIENCE).tolist() for f in others] == [[vector_of(f"other {n}")] for n in range(5)]
    assert [sorted(texts) for _, texts in model.calls] == [["first"], [f"other {n}" for n in range(5)]]


def test_a_batch_of_queries_is_capped(queues: EmbeddingLanes, model: Gated, crowd: Crowd) -> None:
    crowd.ask("first")
    model.wait_for_calls(1)
    others = [crowd.ask(f"other {n}") for n in range(20)]
    settle(queues, queries=21)
    model.let()
    assert [f.result(PATIENCE).tolist() for f in others] == [[vector_of(f"other {n}")] for n in range(20)]
    assert [len(texts) for _, texts in model.calls] == [1, 16, 4]
    assert queues.embed_queries([f"many {n}" for n in range(40)]).shape == (40, 2)
    assert [len(texts) for _, texts in model.calls][3:] == [16, 16, 8]


def test_the_same_query_again_does_not_reach_the_model(queues: EmbeddingLanes, model: Gated) -> None:
    model.let()
    first = queues.embed_queries(["cat", "dog", "cat"])
    first[:] = 0  # what a caller does to its vectors is its own affair
    assert queues.embed_queries(["dog", "cat"]).tolist() == [vector_of("dog"), vector_of("cat")]
    assert len(model.calls) == 1
    queues.clear_cache()
    queues.embed_queries(["cat"])
    assert len(model.calls) == 2


def test_the_least_recently_asked_query_is_forgotten_first(queues: EmbeddingLanes, model: Gated) -> None:
    model.let()
    queues.embed_queries([f"text {n}" for n in range(batcher.CACHED_QUERIES)])
    queues.embed_queries(["text 0"])
    queues.embed_queries(["one too many"])
    calls = len(model.calls)
    queues.embed_queries(["text 0"])
    assert len(model.calls) == calls
    queues.embed_queries(["text 1"])
    assert len(model.calls) == calls + 1


def test_what_was_asked_before_a_clearing_is_not_remembered_after_it(
    queues: EmbeddingLanes, model: Gated, crowd: Crowd
) -> None:
    asked = crowd.ask("cat")
    model.wait_for_calls(1)
    queues.clear_cache()
    model.let()
    asked.result(PATIENCE)
    queues.embed_queries(["cat"])
    assert len(model.calls) == 2


def test_documents_come_back_in_the_callers_order(queues: EmbeddingLanes, model: Gated) -> None:
    model.let()
    texts = [f"{n} " * (n * 37 % 90) for n in range(200)]
    assert queues.embed_documents(texts).tolist() == [vector_of(text) for text in texts]
    assert len(model.calls) > 1
    assert queues.embed_documents([]).shape == queues.embed_queries([]).shape == (0, 2)


def test_a_short_add_waits_for_one_chunk_of_a_long_one(
    queues: EmbeddingLanes, model: Gated, crowd: Crowd
) -> None:
    bulk = crowd.add(*[long(f"bulk {n}") for n in range(5 * CHUNK)])
    model.wait_for_calls(1)
    short = crowd.add(long("short"))  # too long to share a run with a chunk of the others
    settle(queues, bulks=2)
    model.let(through=2)
    assert short.result(PATIENCE).tolist() == [vector_of(long("short"))]
    assert not bulk.done()
    model.let()
    assert len(bulk.result(PATIENCE)) == 5 * CHUNK


def test_short_adds_share_a_run(queues: EmbeddingLanes, model: Gated, crowd: Crowd) -> None:
    crowd.add("first")
    model.wait_for_calls(1)
    others = [crowd.add(f"other {n}") for n in range(3)]
    settle(queues, bulks=4)
    model.let()
    assert [f.result(PATIENCE).tolist() for f in others] == [[vector_of(f"other {n}")] for n in range(3)]
    assert len(model.calls) == 2


def test_a_query_does_not_wait_for_a_running_chunk(
    queues: EmbeddingLanes, model: Gated, crowd: Crowd
) -> None:
    crowd.add(long("bulk"))
    model.wait_for_calls(1)
    crowd.ask("cat")
    model.wait_for_calls(2)
    assert [kind for kind, _ in model.calls] == ["bulk", "query"]


def test_a_running_query_holds_back_the_next_chunk(
    queues: EmbeddingLanes, model: Gated, crowd: Crowd
) -> None:
    crowd.ask("first")
    model.wait_for_calls(1)
    bulk = crowd.add(long("bulk"))
    crowd.ask("second")
    settle(queues, queries=2, bulks=1)
    assert [kind for kind, _ in model.calls] == ["query"]
    model.let()
    bulk.result(PATIENCE)
    assert [kind for kind, _ in model.calls] == ["query", "query", "bulk"]


def test_queries_cannot_starve_bulk_work(queues: EmbeddingLanes, model: Gated, crowd: Crowd) -> None:
    crowd.ask("query 0")
    model.wait_for_calls(1)
    crowd.add(long("bulk"))
    settle(queues, bulks=1)
    for n in range(1, 50):  # there is always a next query, before the running one is done
        crowd.ask(f"query {n}")
        settle(queues, queries=2)
        model.let(through=n)
        model.wait_for_calls(n + 1)
        if any(kind == "bulk" for kind, _ in model.calls):
            break
    assert n <= batcher.QUERY_BATCHES_PER_CHUNK + 1


@pytest.mark.parametrize("error", [EmbedderError, ValueError])
def test_a_failing_batch_of_queries_fails_for_everyone_in_it_and_no_one_else(
    error: type[Exception], queues: EmbeddingLanes, model: Gated, crowd: Crowd
) -> None:
    model.failing, model.error = {"bad"}, error
    first = crowd.ask("first")
    model.wait_for_calls(1)
    together = [crowd.ask("bad"), crowd.ask("good")]
    settle(queues, queries=3)
    model.let()
    assert first.result(PATIENCE).tolist() == [vector_of("first")]
    for future in together:
        assert "the model is broken" in str(future.exception(PATIENCE))
    assert queues.embed_queries(["good"]).tolist() == [vector_of("good")]


@pytest.mark.parametrize("error", [EmbedderError, ValueError])
def test_a_failing_chunk_fails_for_its_callers_and_no_one_else(
    error: type[Exception], queues: EmbeddingLanes, model: Gated, crowd: Crowd
) -> None:
    bad = long("bad")  # too long to share a run with a chunk of the others
    model.failing, model.error = {bad}, error
    whole = crowd.add(*[long(f"bulk {n}") for n in range(3 * CHUNK)])
    model.wait_for_calls(1)
    failing = crowd.add(bad)
    settle(queues, bulks=2)
    model.let()
    assert "the model is broken" in str(failing.exception(PATIENCE))
    if error is EmbedderError:
        assert len(whole.result(PATIENCE)) == 3 * CHUNK
    assert queues.embed_documents(["good"]).tolist() == [vector_of("good")]


def test_everything_else_is_the_embedders_own(queues: EmbeddingLanes, model: Gated) -> None:
    assert (queues.name, queues.identity, queues.dimension, queues.window) == ("gated", "gated@1", 2, 100)
    assert queues.token_offsets("cat") == [(0, 3)]
    queues.close()
    assert model.closed
