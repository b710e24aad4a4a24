"""The queues in front of an embedder: searches first, and together; bulk work in turns.

Nobody waits for company: a query that finds nothing running starts at once, and those that arrive meanwhile
are embedded together by the next of them (group commit, as databases do with their logs). No thread is
started: the callers themselves do the work, each leading for a while.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from faiss_memory.contracts.comparing import metric_of, unit, with_metric
from faiss_memory.contracts.embedder import Embedder, Vectors
from faiss_memory.errors import EmbedderError
from faiss_memory.memory import COSINE, Metric

QUERIES_PER_BATCH = 16
CACHED_QUERIES = 1_000
CHUNK_TOKENS = 1536
"""How many tokens, as guessed, a chunk of bulk work has at most (or one text, if that is longer).

Measured with all-MiniLM-L6-v2 on 2 cores, share of the embedder's own batch rate: 128 → 67 %, 512 → 88 %, 1024 →
91 %, 1536 → 95 %; a chunk then takes about 0.1 s, which is what a short add waits behind a long one.

Queries run beside a chunk instead of waiting for its end. Their median while bulk work runs, against 3 ms alone:
beside chunks of 512 tokens 4.8 ms, waiting for them 10.0 ms; waiting for chunks of 128 takes 5.1 ms, but costs
bulk work a third of its rate. The size of the chunks hardly matters to a query beside them (1536: 6-8 ms),
because the embedder runs them in pieces.
"""
QUERY_BATCHES_PER_CHUNK = 4
"""How many batches of queries go before a waiting chunk of bulk work, at most: it must not starve."""

_LONGEST_CACHED = 2_000
_BYTES_PER_TOKEN = 4
_CHUNKS_BEFORE_RELEASE = 8


@runtime_checkable
class ReleasesMemory(Protocol):
    """An embedder that can give back the working memory of large batches."""

    def release_memory(self) -> None:
        """Return working memory that is not in use to the system."""


@dataclass(eq=False, slots=True)
class _Query:
    """One caller's texts, waiting for a leader."""

    texts: list[str]
    found: list[Vectors] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return self.error is not None or len(self.found) == len(self.texts)


@dataclass(eq=False, slots=True)
class _Bulk:
    """One caller's documents, cut into chunks (positions in `texts`)."""

    texts: Sequence[str]
    chunks: deque[list[int]]
    vectors: Vectors
    error: BaseException | None = None
    chunks_running: int = 0

    @property
    def is_done(self) -> bool:
        return self.error is not None or not (self.chunks or self.chunks_running)


class EmbeddingLanes:
    """An Embedder that queues for another one. Every method may be called from several threads at once.

    Its vectors are compared by `metric`, which is the other one's if none is given; its identity names it.
    """

    def __init__(self, embedder: Embedder, metric: Metric | None = None) -> None:
        self._embedder = embedder
        own = metric_of(embedder)
        self.metric: Metric = metric or own
        self._identity = with_metric(embedder.identity, self.metric)
        self._makes_unit = self.metric == COSINE and own != COSINE
        self._cache = _QueryCache()
        lock = threading.Lock()  # over everything below; never held while the model runs
        self._query_change = threading.Condition(lock)
        self._bulk_change = threading.Condition(lock)
        self._queries: deque[_Query] = deque()
        self._query_running = False
        self._query_batches = 0
        self._bulks: deque[_Bulk] = deque()
        self._chunk_running = False
        self._chunks_in_a_row = 0

    @property
    def name(self) -> str:
        """The model's name as the settings give it."""
        return self._embedder.name

    @property
    def identity(self) -> str:
        """The name and a digest of the model's content, and the metric if it is not the cosine."""
        return self._identity

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        return self._embedder.dimension

    @property
    def window(self) -> int:
        """How many tokens of a text one vector can stand for."""
        return self._embedder.window

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Return where each token of the whole text lies, as (start, end) in characters."""
        return self._embedder.token_offsets(text)

    def close(self) -> None:
        """Close the embedder behind the queues."""
        self._embedder.close()

    def clear_cache(self) -> None:
        """Forget the vectors of past queries."""
        self._cache.clear()

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Embed queries, at once or with the next batch: vectors, shape (len(texts), dimension).

        Waits for the running batch and those ahead in the queue. Raises EmbedderError, also if another
        caller's text in the same batch is what failed.
        """
        known = {text: self._cache.get(text) for text in texts}
        missing = [text for text, vector in known.items() if vector is None]
        if missing:
            known.update(zip(missing, self._embed_missing(missing), strict=True))
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        return np.stack([vector for vector in (known[text] for text in texts) if vector is not None])

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Embed what is stored, a chunk at a time: vectors, shape (len(texts), dimension).

        Callers take turns chunk by chunk, and queries go first. Raises EmbedderError.
        """
        vectors = np.empty((len(texts), self.dimension), np.float32)
        bulk = _Bulk(texts, deque(_chunks(texts, self.window)), vectors)
        with self._bulk_change:
            if bulk.chunks:
                self._bulks.append(bulk)
            try:
                while not bulk.is_done:
                    if self._chunk_running:
                        self._bulk_change.wait()
                    else:
                        self._lead_chunk()
            finally:  # an interrupted caller must not leave its work to the others
                if bulk in self._bulks:
                    self._bulks.remove(bulk)
        _raise_for(bulk.error)
        return vectors

    def _fitting(self, vectors: Vectors) -> Vectors:
        return unit(vectors) if self._makes_unit else vectors

    # --- queries

    def _embed_missing(self, texts: list[str]) -> list[Vectors]:
        generation = self._cache.generation
        query = _Query(texts)
        with self._query_change:
            self._queries.append(query)
            try:
                while not query.is_done:
                    if self._query_running:
                        self._query_change.wait()
                    else:
                        self._lead_queries()
            finally:  # an interrupted caller must not leave its work to the others
                if query in self._queries:
                    self._queries.remove(query)
        _raise_for(query.error)
        self._cache.put(zip(texts, query.found, strict=True), generation)
        return query.found

    def _lead_queries(self) -> None:
        """Embed the next batch of queries for all who wait in it. Called and returns with the lock held."""
        batch = self._next_queries()
        unique = list(dict.fromkeys(text for _, texts in batch for text in texts))
        error: BaseException | None = None
        self._query_running = True
        self._query_change.release()
        try:
            rows = dict(zip(unique, self._fitting(self._embedder.embed_queries(unique)), strict=True))
        except EmbedderError as failure:
            error = failure  # for those in the batch, which need not include the leader
        except BaseException as failure:
            error = failure
            raise
        finally:
            self._query_change.acquire()
            for query, texts in batch:
                if error is None:
                    query.found += [rows[text].copy() for text in texts]
                query.error = error
            self._query_running = False
            self._query_batches += 1
            self._queries = deque(query for query in self._queries if not query.is_done)
            self._query_change.notify_all()
            self._bulk_change.notify_all()

    def _next_queries(self) -> list[tuple[_Query, list[str]]]:
        """Choose whose texts come next, first come, first served, up to a full batch."""
        room = QUERIES_PER_BATCH
        batch = []
        for query in self._queries:
            texts = query.texts[len(query.found) :][:room]
            batch.append((query, texts))
            room -= len(texts)
            if not room:
                break
        return batch

    # --- bulk work

    def _lead_chunk(self) -> None:
        """Embed the next chunk, whoever's it is. Called and returns with the lock held."""
        self._chunk_running = True
        try:
            self._let_queries_go_first()
            batch = self._next_chunks()
            self._bulk_change.release()
            try:
                self._embed_chunks(batch)
                self._release_after_many()
            finally:
                self._bulk_change.acquire()
                self._take_turns([bulk for bulk, _ in batch])
        finally:
            self._chunk_running = False
            self._bulk_change.notify_all()

    def _embed_chunks(self, batch: list[tuple[_Bulk, list[int]]]) -> None:
        """Embed chunks of several callers in one go; a failure is noted for each of them."""
        texts = [bulk.texts[place] for bulk, chunk in batch for place in chunk]
        try:
            vectors = self._fitting(self._embedder.embed_documents(texts))
        except EmbedderError as error:
            for bulk, _ in batch:
                bulk.error = error  # not raised: the leader need not be one of them
            return
        except BaseException as error:
            for bulk, _ in batch:
                bulk.error = error
            raise
        start = 0
        for bulk, chunk in batch:
            bulk.vectors[chunk] = vectors[start : start + len(chunk)]
            start += len(chunk)

    def _let_queries_go_first(self) -> None:
        """Wait until no query is waiting or running, or enough of them have had their turn."""
        last = self._query_batches + QUERY_BATCHES_PER_CHUNK
        while (self._query_running or self._queries) and self._query_batches < last:
            self._bulk_change.wait()

    def _next_chunks(self) -> list[tuple[_Bulk, list[int]]]:
        """Take the next chunk of whose turn it is, and of those behind what still fits into one run."""
        batch: list[tuple[_Bulk, list[int]]] = []
        size = 0
        for bulk in self._bulks:
            tokens = sum(_tokens(bulk.texts[place], self.window) for place in bulk.chunks[0])
            if batch and size + tokens > CHUNK_TOKENS:
                break
            size += tokens
            batch.append((bulk, bulk.chunks.popleft()))
            bulk.chunks_running += 1
        return batch

    def _take_turns(self, served: list[_Bulk]) -> None:
        """Move those just served behind everybody else."""
        for bulk in served:
            bulk.chunks_running -= 1
            if bulk in self._bulks:
                self._bulks.remove(bulk)
                if not bulk.is_done:
                    self._bulks.append(bulk)

    def _release_after_many(self) -> None:
        """When the last chunk of much work is done, give its memory back. Only the leader gets here."""
        self._chunks_in_a_row += 1
        if any(bulk.chunks for bulk in self._bulks.copy()):
            return
        if self._chunks_in_a_row > _CHUNKS_BEFORE_RELEASE and isinstance(self._embedder, ReleasesMemory):
            self._embedder.release_memory()
        self._chunks_in_a_row = 0


class _QueryCache:
    """The vectors of the latest queries, least recently used out first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._vectors: OrderedDict[str, Vectors] = OrderedDict()
        self.generation = 0
        """Counts the clearings: what was asked before one must not be remembered after it."""

    def get(self, text: str) -> Vectors | None:
        with self._lock:
            if text not in self._vectors:
                return None
            self._vectors.move_to_end(text)
            return self._vectors[text]

    def put(self, found: Iterable[tuple[str, Vectors]], generation: int) -> None:
        with self._lock:
            if generation != self.generation:
                return
            for text, vector in found:
                if len(text) <= _LONGEST_CACHED:
                    self._vectors[text] = vector
                    self._vectors.move_to_end(text)
            while len(self._vectors) > CACHED_QUERIES:
                self._vectors.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._vectors.clear()
            self.generation += 1


def _tokens(text: str, window: int) -> int:
    """Guess a text's tokens without tokenizing it: four bytes each, in any script, and two special ones."""
    return min(len(text.encode(errors="replace")) // _BYTES_PER_TOKEN, window) + 2


def _chunks(texts: Sequence[str], window: int) -> list[list[int]]:
    """Cut texts into chunks of similar length, longest first; returns positions."""
    sizes = [_tokens(text, window) for text in texts]
    order = sorted(range(len(texts)), key=lambda place: -sizes[place])
    chunks = []
    start = 0
    while start < len(order):
        count = max(1, CHUNK_TOKENS // sizes[order[start]])
        chunks.append(order[start : start + count])
        start += count
    return chunks


def _raise_for(error: BaseException | None) -> None:
    """Raise what made a batch fail, in every thread that had a part in it. Raises EmbedderError."""
    if error is not None:
        # Not the same object in several threads: each would write its own traceback into it.
        raise EmbedderError(str(error) or type(error).__name__) from error
