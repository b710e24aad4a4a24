"""The mechanism: texts become passages and vectors, queries become ranked results. No rules, no HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Thread

import numpy as np

from faiss_memory import ranking
from faiss_memory.embedder import EmbeddingLanes
from faiss_memory.errors import EmbedderError, MemoryServiceError, NotReady, StoreError
from faiss_memory.memory import Change, Draft, Filter, Match, Memory, Query, Ranking, SearchResult
from faiss_memory.parts import (
    Added,
    Embedder,
    Embedding,
    Progress,
    Purged,
    Restored,
    Retry,
    Rewritten,
    Store,
    Vectors,
)
from faiss_memory.passages import split

log = logging.getLogger("faiss_memory.engine")

CANDIDATES = 100
"""How many memories each leg hands to the fusion, at least."""
QUERY_PASSAGES = 8
EMBEDDED_AT_ONCE = 32

RankMemories = Callable[[Query, int], Sequence[Ranking]]
RerankResults = Callable[[Query, list[SearchResult]], list[SearchResult]]


@dataclass(frozen=True, slots=True)
class Found:
    """The results of a search, with what was held back and which legs could not answer fully."""

    results: list[SearchResult]
    withheld: int = 0
    degraded: tuple[str, ...] = ()


class MemoryEngine:
    """Joins a store and an embedder. Starting is done in the background; calls wait a while for what they need."""

    def __init__(self, store: Store, open_embedder: Callable[[], Embedder], startup_wait: float) -> None:
        self._store = store
        self._open_embedder = open_embedder
        self._wait = startup_wait
        self._lanes: EmbeddingLanes | None = None
        self._store_opened, self._model_settled = Event(), Event()
        self._closing = False
        self._backlog: dict[str, tuple[int, int]] = {}
        self.store_error: MemoryServiceError | None = None
        self.model_error: EmbedderError | None = None
        self.rank_memories: RankMemories = lambda _query, _k: ()
        self.rerank_results: RerankResults = lambda _query, results: results
        self._starter = Thread(target=self._start, name="starter", daemon=True)

    # Starting and stopping.

    def start(self) -> None:
        """Open the store and load the model, without waiting for either."""
        self._starter.start()

    def _start(self) -> None:
        loader = Thread(target=self._load_model, name="model loader", daemon=True)
        loader.start()
        try:
            self._store.open()
        except MemoryServiceError as error:
            self.store_error = error
            log.critical("%s", error)
        self._store_opened.set()
        loader.join()
        try:
            if self.store_error is None and self._lanes is not None and not self._closing:
                self._use_model(self._lanes)
        except StoreError as error:
            self.store_error = error
        self._model_settled.set()
        try:
            self._embed_backlog()
        except MemoryServiceError as error:
            log.error("embedding older memories stopped: %s; it goes on at the next start", error)

    def _use_model(self, model: EmbeddingLanes) -> None:
        self._store.use_model(model.identity, model.name, model.dimension)
        self._backlog = {name: (count, count) for name, count in self._store.count_unembedded().items()}
        log.info("model %s answers", model.identity)

    def _load_model(self) -> None:
        try:
            self._lanes = EmbeddingLanes(self._open_embedder())
        except EmbedderError as error:
            self.model_error = error
            log.error("search by meaning is off, keywords still answer: %s", error)

    def _embed_backlog(self) -> None:
        """Embed what was stored without this model: while it was missing, or by another one."""
        while self._backlog and not self._closing:
            memories = self._store.unembedded(EMBEDDED_AT_ONCE)
            if not memories:
                self._backlog = {}
                return
            embeddings = self._embed([memory.text for memory in memories])
            pairs = zip(memories, embeddings, strict=True)
            self._store.embed({memory.id: (memory.text, part) for memory, part in pairs if part is not None})
            for memory in memories:
                left, all_of_it = self._backlog.get(memory.project, (1, 1))
                self._backlog[memory.project] = (max(0, left - 1), all_of_it)

    def restore(self, wanted: str | datetime) -> Restored:
        """Restore a backup or a time; what the model in use has not embedded is embedded in the background."""
        restored = self.store.restore(wanted)
        if self.model_ready:
            self._backlog = {name: (count, count) for name, count in self.store.count_unembedded().items()}
            Thread(target=self._embed_backlog, name="embedder of the restored", daemon=True).start()
        return restored

    def rebuilding(self) -> list[Progress]:
        """Tell what is being rebuilt: derived files, and vectors by a model that is new to older memories."""
        older = [
            Progress(project, "semantic", 1 - left / all_of_it)
            for project, (left, all_of_it) in sorted(self._backlog.copy().items())
            if left
        ]
        return [*(self._store.rebuilding() if self.store_opened else ()), *older]

    def close(self) -> None:
        """Finish what was accepted and stop; a model that is still being compiled is not waited for."""
        if self._closing:
            return
        self._closing = True
        if self._starter.ident is not None:
            self._store_opened.wait()
            if self._model_settled.is_set():
                self._starter.join()
        self._store.close()
        if self._lanes is not None:
            self._lanes.close()

    @property
    def is_starting(self) -> bool:
        """Whether a thread is still at work on the start, such as on a model that `close` has not waited for."""
        return self._starter.is_alive()

    @property
    def model_ready(self) -> bool:
        """Whether search by meaning answers."""
        return self._model_settled.is_set() and self._lanes is not None and self.store_error is None

    @property
    def dimension(self) -> int | None:
        """The length of a vector; None until the model is loaded."""
        return None if self._lanes is None else self._lanes.dimension

    @property
    def store_opened(self) -> bool:
        """Whether the records can be read and written."""
        return self._store_opened.is_set() and self.store_error is None

    @property
    def store(self) -> Store:
        """The opened store. Raises NotReady while it is opening, and what kept it from opening."""
        if not self._store_opened.wait(self._wait):
            raise NotReady("the memories are still being read; try again in a moment")
        if self.store_error is not None:
            raise self.store_error
        return self._store

    def _model(self) -> EmbeddingLanes:
        """Give the model, waiting a while for it. Raises NotReady, or EmbedderError when there is none."""
        if not self._model_settled.wait(self._wait):
            raise NotReady(
                "the model is still being loaded; try again in a moment, or search with mode=keyword"
            )
        if self._lanes is None:
            raise self.model_error or EmbedderError("the model is not there")
        return self._lanes

    # Writing.

    def add(self, drafts: Sequence[Draft], retry: Retry | None) -> list[Added]:
        """Embed drafts and store them. Without a model they are stored all the same, and embedded later.

        Raises EmbedderError when novelty is asked about and there is no model.
        """
        if any(draft.if_novel is not None for draft in drafts):
            self._model()
        return self.store.add(drafts, self._embed([draft.text for draft in drafts]), retry)

    def rewrite(
        self, drafts: Sequence[Draft], changes: Mapping[int, Change], gone: Sequence[int]
    ) -> tuple[Rewritten, int]:
        """Embed and store drafts, correct and forget others, all or nothing; also gives how many passages that took.

        `changes` leave the texts alone. Without a model the drafts are stored all the same, and embedded later.
        """
        embeddings = self._embed([draft.text for draft in drafts])
        passages = sum(len(part.passages) for part in embeddings if part is not None)
        return self.store.rewrite(drafts, embeddings, changes, gone), passages

    def purge(self, ids: Sequence[int], *, dry_run: bool, prove: bool) -> Purged:
        """Purge memories; past queries, which may quote them, are forgotten too."""
        done = self.store.purge(ids, dry_run=dry_run, prove=prove)
        if self._lanes is not None and not dry_run:
            self._lanes.clear_cache()
        return done

    def change(self, memory_id: int, change: Change) -> Memory:
        """Correct a memory; a changed text is embedded again."""
        embedding = None if change.text is None else self._embed([change.text])[0]
        return self.store.change(memory_id, change, embedding)

    def _embed(self, texts: Sequence[str]) -> list[Embedding | None]:
        try:
            model = self._model()
        except EmbedderError:
            return [None] * len(texts)
        passages = [split(text, model.token_offsets(text), model.window) for text in texts]
        pieces = [
            text[passage.start : passage.end]
            for text, parts in zip(texts, passages, strict=True)
            for passage in parts
        ]
        vectors = model.embed_documents(pieces)
        ends = np.cumsum([len(parts) for parts in passages])
        return [
            Embedding(parts, vectors[end - len(parts) : end])
            for parts, end in zip(passages, ends, strict=True)
        ]

    def closest(self, text: str, where: Filter) -> tuple[Memory, float] | None:
        """Find the memory that a text's least known passage is most like, with the similarity.

        Raises EmbedderError or NotReady without a model.
        """
        self._model()
        embedding = self._embed([text])[0]
        closest = None if embedding is None else self.store.closest(embedding, where)
        if closest is None:
            return None
        found = self.store.get([closest[0]])
        return (found[0], closest[1]) if found else None

    # Searching.

    def search(self, query: Query) -> Found:
        """Rank memories for a query. Raises EmbedderError or NotReady when the mode needs a model that is not there."""
        vector, degraded = self._query_vector(query)
        depth = max(CANDIDATES, 4 * query.k)
        while True:
            scores, matches, more = self._rank(query, vector, depth)
            kept = [pair for pair in ranking.best_first(scores) if _passes(query, matches.get(pair[0]))]
            if len(kept) >= query.k or not more:
                break
            depth *= 4
        results = self._results(kept[: query.k], matches)
        results = self.rerank_results(query, results)
        relevant = [result for result in results if _relevant(query, result)]
        return Found(relevant, len(results) - len(relevant), (*degraded, *self._incomplete(query)))

    def _query_vector(self, query: Query) -> tuple[Vectors | None, tuple[str, ...]]:
        needs_model = (
            query.mode == "semantic" or query.threshold is not None or query.min_relevance is not None
        )
        if query.mode == "keyword" and not needs_model and not self.model_ready:
            return None, ()
        try:
            return self._embed_query(query.text), ()
        except EmbedderError:
            if needs_model:
                raise
            return None, ("semantic",) if query.mode == "hybrid" else ()

    def _embed_query(self, text: str) -> Vectors:
        """Embed a query, shape (dimension,); an overlong one as the mean of passages spread over it."""
        model = self._model()
        if len(text) <= model.window:  # a token is at least a character
            return np.asarray(model.embed_queries([text])[0])
        passages = split(text, model.token_offsets(text), model.window)
        chosen = np.unique(np.linspace(0, len(passages) - 1, QUERY_PASSAGES).astype(int))
        vectors = model.embed_queries([text[passages[n].start : passages[n].end] for n in chosen])
        mean = vectors.mean(axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)

    def _rank(
        self, query: Query, vector: Vectors | None, depth: int
    ) -> tuple[dict[int, float], dict[int, Match], bool]:
        """Score candidates in the query's mode; the last value says whether deeper rankings would hold more."""
        matches: dict[int, Match] = {}
        words: Ranking = []
        if vector is not None and query.mode != "keyword":
            matches = {match.memory_id: match for match in self.store.nearest(vector, query.where, depth)}
        if query.mode != "semantic":
            words = self.store.matching(query.text, query.where, depth)
        more = len(words) >= depth if query.mode == "keyword" else _reaches_on(query, matches, depth)
        if query.mode == "semantic":
            return ranking.semantic_scores(matches.values()), matches, more
        others = [dict(words)]
        if query.mode == "hybrid":
            others += self._guests(query, depth)
        if vector is not None:
            unknown = {memory_id for leg in others for memory_id in leg} - matches.keys()
            matches |= self.store.similarities(vector, sorted(unknown))
        if query.mode == "keyword":
            return others[0], matches, more
        return ranking.fuse(ranking.semantic_scores(matches.values()), others), matches, more

    def _guests(self, query: Query, depth: int) -> list[dict[int, float]]:
        """Ask plugins for rankings of their own, and keep what the filter lets through and has a score at all."""
        rankings = [given for given in self.rank_memories(query, depth) if given]
        if not rankings:
            return []
        allowed = set(self.store.matching_ids(query.where))
        return [{key: score for key, score in given if key in allowed and score > 0} for given in rankings]

    def _results(self, ranked: Ranking, matches: Mapping[int, Match]) -> list[SearchResult]:
        scores = dict(ranked)
        results = []
        for memory in self.store.get([memory_id for memory_id, _ in ranked]):
            match = matches.get(memory.id)
            results.append(
                SearchResult(
                    memory=memory,
                    similarity=None if match is None else match.similarity,
                    score=scores[memory.id],
                    relevance=None if match is None else ranking.relevance(match.similarity),
                    passage=match.passage if match is not None and match.passages > 1 else None,
                )
            )
        return results

    def _incomplete(self, query: Query) -> tuple[str, ...]:
        """Name the legs of this search that are still being rebuilt."""
        legs = {"hybrid": ("semantic", "keyword")}.get(query.mode, (query.mode,))
        wanted = query.where.projects
        missing = {part.what for part in self.rebuilding() if wanted is None or part.project in wanted}
        return tuple(leg for leg in legs if leg in missing)


def _passes(query: Query, match: Match | None) -> bool:
    if query.threshold is None:
        return True
    return match is not None and round(match.similarity, 4) >= query.threshold


def _reaches_on(query: Query, matches: Mapping[int, Match], depth: int) -> bool:
    """Say whether a deeper search by meaning could bring more: it meets the most similar memories first."""
    least = min((match.similarity for match in matches.values()), default=0.0)
    return len(matches) >= depth and (query.threshold is None or least >= query.threshold)


def _relevant(query: Query, result: SearchResult) -> bool:
    return query.min_relevance is None or (
        result.relevance is not None and result.relevance >= query.min_relevance
    )
