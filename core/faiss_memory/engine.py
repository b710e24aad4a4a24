"""The mechanism: texts become passages and vectors, queries become ranked results. No rules, no HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Thread
from typing import BinaryIO, NamedTuple

import numpy as np

from faiss_memory import ranking
from faiss_memory.embedder import EmbeddingLanes
from faiss_memory.errors import EmbedderError, MemoryServiceError, NotReady, StoreError
from faiss_memory.memory import Change, Draft, Filter, Match, Memory, Query, Ranking, SearchResult
from faiss_memory.models import ModelOpening, Models, ModelsInUse, embed
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
MOMENT = 0.5
"""Seconds that /health waits for a start, at most."""

RankMemories = Callable[[Query, int], Sequence[Ranking]]
RerankResults = Callable[[Query, list[SearchResult]], list[SearchResult]]


@dataclass(frozen=True, slots=True)
class Found:
    """The results of a search, with what was held back and which legs could not answer fully."""

    results: list[SearchResult]
    withheld: int = 0
    degraded: tuple[str, ...] = ()


class _Meaning(NamedTuple):
    """A query's vector, shape (dimension,), and the identity of the model that made it."""

    vector: Vectors
    model: str


class MemoryEngine:
    """Joins a store and an embedder. Starting is done in the background; calls wait a while for what they need."""

    def __init__(self, store: Store, opening: ModelOpening, startup_wait: float) -> None:
        self._store = store
        self._models = Models(store, opening)
        self._wait = startup_wait
        self._store_opened = Event()
        self._closing = False
        self.store_error: MemoryServiceError | None = None
        self.rank_memories: RankMemories = lambda _query, _k: ()
        self.rerank_results: RerankResults = lambda _query, results: results
        self._starter = Thread(target=self._start, name="starter", daemon=True)

    # Starting and stopping.

    def start(self) -> None:
        """Open the store and load the model, without waiting for either."""
        self._starter.start()

    def _start(self) -> None:
        self._models.load()
        try:
            self._store.open()
        except MemoryServiceError as error:
            self.store_error = error
            log.critical("%s", error)
        self._store_opened.set()
        if self.store_error is not None:
            self._models.give_up()
            return
        try:
            self._models.settle()
        except StoreError as error:
            if not self._closing:
                self.store_error = error
        else:
            self._models.embed_backlog()

    def restore(self, wanted: str | datetime) -> Restored:
        """Restore a backup or a time; what the model in use has not embedded is embedded in the background."""
        return self._follow(self.store.restore(wanted))

    def restore_archive(self, archive: BinaryIO) -> Restored:
        """Restore an archive, as `restore` does a backup."""
        return self._follow(self.store.restore_archive(archive))

    def _follow(self, restored: Restored) -> Restored:
        self._models.recount()
        return restored

    def rebuilding(self) -> list[Progress]:
        """Tell what is being rebuilt: derived files, and vectors by a model that is new to older memories."""
        return [*(self._store.rebuilding() if self.store_opened else ()), *self._models.rebuilding()]

    def close(self) -> None:
        """Finish what was accepted and stop; a model that is still being compiled is not waited for."""
        if self._closing:
            return
        self._closing = True
        if self._starter.ident is not None:
            self._store_opened.wait()
            self._models.give_up()
        self._store.close()
        self._models.close()

    @property
    def is_starting(self) -> bool:
        """Whether a thread is still at work on the start, such as on a model that `close` has not waited for."""
        return self._starter.is_alive()

    @property
    def model_ready(self) -> bool:
        """Whether search by meaning answers."""
        return self.model is not None and self.store_error is None

    @property
    def model(self) -> Embedder | None:
        """The model that answers; None until one does."""
        models = self._models.in_use
        return None if models is None else models.answering

    @property
    def model_error(self) -> EmbedderError | None:
        """Why the wanted model is not there."""
        return self._models.error

    @property
    def store_opened(self) -> bool:
        """Whether the records can be read and written."""
        return self._store_opened.is_set() and self.store_error is None

    def wait_a_moment(self) -> None:
        """Wait for the end of an ordinary start, which takes no longer than an ordinary answer may."""
        self._store_opened.wait(min(self._wait, MOMENT))

    def busy(self) -> NotReady | None:
        """Say what keeps the records from being read and written just now, if anything does."""
        going = self._store.busy()
        if going is not None:
            far = f": {going.progress:.0%} is done" if going.progress else ""
            return NotReady(f"{going.what}{far}; try again in a moment")
        if self._store_opened.is_set():
            return None
        return NotReady("the memories are being read; try again in a moment")

    @property
    def store(self) -> Store:
        """The opened store. Raises NotReady while it is opening, and what kept it from opening."""
        if not self._store_opened.wait(self._wait):
            raise self.busy() or NotReady("the memories have just been read; try again in a moment")
        if self.store_error is not None:
            raise self.store_error
        return self._store

    @contextmanager
    def _lent_models(self, *, needed: bool) -> Iterator[ModelsInUse | None]:
        """Lend the models in use for one call, waiting a while for them; None if there is none.

        Raises NotReady, and EmbedderError if one is `needed`.
        """
        with self._models.lend(self._wait) as models:
            if self.store_error is not None:
                raise self.store_error
            if models is None and needed:
                raise self.model_error or EmbedderError("the model is not there")
            yield models

    # Writing.

    def add(self, drafts: Sequence[Draft], retry: Retry | None) -> list[Added]:
        """Embed drafts and store them. Without a model they are stored all the same, and embedded later.

        Raises EmbedderError when novelty is asked about and there is no model.
        """
        asks_novelty = any(draft.if_novel is not None for draft in drafts)
        with self._lent_models(needed=asks_novelty) as models:
            return self.store.add(drafts, _embed(models, [draft.text for draft in drafts]), retry)

    def rewrite(
        self, drafts: Sequence[Draft], changes: Mapping[int, Change], gone: Sequence[int]
    ) -> tuple[Rewritten, int]:
        """Embed and store drafts, correct and forget others, all or nothing; also gives how many passages that took.

        `changes` leave the texts alone. Without a model the drafts are stored all the same, and embedded later.
        """
        with self._lent_models(needed=False) as models:
            embeddings = _embed(models, [draft.text for draft in drafts])
            passages = sum(len(part.passages) for part in embeddings if part is not None)
            return self.store.rewrite(drafts, embeddings, changes, gone), passages

    def purge(self, ids: Sequence[int], *, dry_run: bool, prove: bool) -> Purged:
        """Purge memories; past queries, which may quote them, are forgotten too."""
        done = self.store.purge(ids, dry_run=dry_run, prove=prove)
        if not dry_run:
            self._models.clear_caches()
        return done

    def change(self, memory_id: int, change: Change) -> Memory:
        """Correct a memory; a changed text is embedded again."""
        if change.text is None:
            return self.store.change(memory_id, change, None)
        with self._lent_models(needed=False) as models:
            return self.store.change(memory_id, change, _embed(models, [change.text])[0])

    def closest(self, text: str, where: Filter) -> tuple[Memory, float] | None:
        """Find the memory that a text's least known passage is most like, with the similarity.

        Raises EmbedderError or NotReady without a model.
        """
        with self._lent_models(needed=True) as models:
            assert models is not None
            closest = self.store.closest(embed(models.answering, [text])[0], where)
        if closest is None:
            return None
        found = self.store.get([closest[0]])
        return (found[0], closest[1]) if found else None

    # Searching.

    def search(self, query: Query) -> Found:
        """Rank memories for a query. Raises EmbedderError or NotReady when the mode needs a model that is not there."""
        needs_model = (
            query.mode == "semantic" or query.threshold is not None or query.min_relevance is not None
        )
        if query.mode == "keyword" and not needs_model and not self.model_ready:
            return self._search(query, None, ())
        with self._lent_models(needed=needs_model) as models:
            meaning = None
            try:
                meaning = None if models is None else _embed_query(models.answering, query.text)
            except EmbedderError:
                if needs_model:
                    raise
            degraded = ("semantic",) if meaning is None and query.mode == "hybrid" else ()
            return self._search(query, meaning, degraded)

    def _search(self, query: Query, meaning: _Meaning | None, degraded: tuple[str, ...]) -> Found:
        depth = max(CANDIDATES, 4 * query.k)
        while True:
            scores, matches, more = self._rank(query, meaning, depth)
            kept = [pair for pair in ranking.best_first(scores) if _passes(query, matches.get(pair[0]))]
            if len(kept) >= query.k or not more:
                break
            depth *= 4
        results = self._results(kept[: query.k], matches)
        results = self.rerank_results(query, results)
        relevant = [result for result in results if _relevant(query, result)]
        return Found(relevant, len(results) - len(relevant), (*degraded, *self._incomplete(query)))

    def _rank(
        self, query: Query, meaning: _Meaning | None, depth: int
    ) -> tuple[dict[int, float], dict[int, Match], bool]:
        """Score candidates in the query's mode; the last value says whether deeper rankings would hold more."""
        matches: dict[int, Match] = {}
        words: Ranking = []
        if meaning is not None and query.mode != "keyword":
            nearest = self.store.nearest(meaning.vector, query.where, depth, meaning.model)
            matches = {match.memory_id: match for match in nearest}
        if query.mode != "semantic":
            words = self.store.matching(query.text, query.where, depth)
        more = len(words) >= depth if query.mode == "keyword" else _reaches_on(query, matches, depth)
        if query.mode == "semantic":
            return ranking.semantic_scores(matches.values()), matches, more
        others = [dict(words)]
        if query.mode == "hybrid":
            others += self._guests(query, depth)
        if meaning is not None:
            unknown = {memory_id for leg in others for memory_id in leg} - matches.keys()
            matches |= self.store.similarities(meaning.vector, sorted(unknown), meaning.model)
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


def _embed(models: ModelsInUse | None, texts: Sequence[str]) -> Sequence[Embedding | None]:
    """Embed what is to be stored; without a model it stays without."""
    return [None] * len(texts) if models is None else models.embed(texts)


def _embed_query(model: EmbeddingLanes, text: str) -> _Meaning:
    """Embed a query; an overlong one as the mean of passages spread over it."""
    if len(text) <= model.window:  # a token is at least a character
        return _Meaning(np.asarray(model.embed_queries([text])[0]), model.identity)
    passages = split(text, model.token_offsets(text), model.window)
    chosen = np.unique(np.linspace(0, len(passages) - 1, QUERY_PASSAGES).astype(int))
    vectors = model.embed_queries([text[passages[n].start : passages[n].end] for n in chosen])
    mean = vectors.mean(axis=0)
    unit = np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)
    return _Meaning(unit, model.identity)


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
