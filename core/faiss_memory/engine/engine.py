"""The mechanism: texts become passages and vectors, queries become ranked results. No rules, no HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Thread
from typing import BinaryIO, NamedTuple

import numpy as np

from faiss_memory.contracts.backups import Backups, Restored
from faiss_memory.contracts.embedder import Embedder, Embedding, Vectors
from faiss_memory.contracts.store import (
    Added,
    Closest,
    Legs,
    Progress,
    Purged,
    Retry,
    Rewritten,
    Search,
    Store,
)
from faiss_memory.contracts.store import Found as FoundInStore
from faiss_memory.embedder import EmbeddingLanes
from faiss_memory.engine import ranking
from faiss_memory.engine.models import ModelOpening, Models, ModelsInUse, embed
from faiss_memory.engine.passages import split
from faiss_memory.engine.ranking import KEYWORD, SEMANTIC, Leg
from faiss_memory.errors import EmbedderError, MemoryServiceError, NotReady, NotSupported, StoreError
from faiss_memory.memory import Change, Draft, Filter, Match, Memory, Query, Ranking, SearchResult

log = logging.getLogger("faiss_memory.engine")

CANDIDATES = 100
"""How many memories each leg hands to the fusion, at least."""
QUERY_PASSAGES = 8
MOMENT = 1.0
"""Seconds."""

RankMemories = Callable[[Query, int], Mapping[str, Ranking]]
"""Asks the plugins for rankings of their own, by the plugin's name."""
RerankResults = Callable[[Query, list[SearchResult]], list[SearchResult]]


def _no_rankings(query: Query, k: int) -> Mapping[str, Ranking]:
    return {}


def _as_they_are(query: Query, results: list[SearchResult]) -> list[SearchResult]:
    return results


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

    def __init__(
        self,
        store: Store,
        opening: ModelOpening,
        startup_wait: float,
        rank_memories: RankMemories = _no_rankings,
        rerank_results: RerankResults = _as_they_are,
    ) -> None:
        self._store = store
        self._models = Models(store, opening)
        self._wait = startup_wait
        self._store_opened = Event()
        self._closing = False
        self.store_error: MemoryServiceError | None = None
        self._rank_memories = rank_memories
        self._rerank_results = rerank_results
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
        return self._follow(self.backups.restore(wanted))

    def restore_archive(self, archive: BinaryIO) -> Restored:
        """Restore an archive, as `restore` does a backup."""
        return self._follow(self.backups.restore_archive(archive))

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

    @property
    def backups(self) -> Backups:
        """The copies that the opened store keeps of itself. Raises NotSupported for one that keeps none."""
        if not isinstance(self.store, Backups):
            raise NotSupported("the store keeps no backups of its own; back up the database that it lies in")
        return self.store

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

    def closest(self, text: str, where: Filter) -> Closest | None:
        """Find the memory that a text's least known passage is most like, with the similarity.

        Raises EmbedderError or NotReady without a model.
        """
        with self._lent_models(needed=True) as models:
            assert models is not None
            return self.store.closest(embed(models.answering, [text])[0], where)

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
            choice = _Choice(query, self._guests(query, depth))
            found = self.store.search(_asked(query, meaning, depth, choice.named), choice)
            if len(choice.kept) >= query.k or not _reaches_on(query, found.legs, depth):
                break
            depth *= 4
        results = _results(choice.kept, found)
        results = self._rerank_results(query, results)
        relevant = [result for result in results if _relevant(query, result)]
        return Found(relevant, len(results) - len(relevant), (*degraded, *self._incomplete(query)))

    def _guests(self, query: Query, depth: int) -> Mapping[str, Ranking]:
        """Ask plugins for rankings of their own. Before the store is: nothing slow is done while it holds its state."""
        if query.mode != "hybrid":
            return {}
        return {name: given for name, given in self._rank_memories(query, depth).items() if given}

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


class _Choice:
    """Chooses from the legs of a search what answers: `kept`, best first."""

    def __init__(self, query: Query, guests: Mapping[str, Ranking]) -> None:
        self._query = query
        self._guests = guests
        self.named = {memory_id for given in guests.values() for memory_id, score in given if score > 0}
        self.kept: Ranking = []

    def __call__(self, legs: Legs) -> list[int]:
        scores = ranking.score(self._query, self._legs(legs))
        self.kept = [
            pair for pair in ranking.best_first(scores) if _passes(self._query, legs.matches.get(pair[0]))
        ]
        return [memory_id for memory_id, _ in self.kept[: self._query.k]]

    def _legs(self, legs: Legs) -> list[Leg]:
        """Name each leg. What a plugin names counts if the filter lets it through and it has a score at all."""
        others = [Leg(KEYWORD, dict(legs.words))]
        for name, given in self._guests.items():
            others.append(Leg(name, {key: score for key, score in given if key in legs.named and score > 0}))
        # A memory that only another leg has met is as near as it is.
        return [Leg(SEMANTIC, ranking.semantic_scores(legs.matches.values())), *others]


def _asked(query: Query, meaning: _Meaning | None, depth: int, named: Collection[int]) -> Search:
    return Search(
        where=query.where,
        depth=depth,
        vector=None if meaning is None else meaning.vector,
        model=None if meaning is None else meaning.model,
        nearest=query.mode != "keyword",
        text=None if query.mode == "semantic" else query.text,
        named=named,
    )


def _results(kept: Ranking, found: FoundInStore) -> list[SearchResult]:
    scores, matches = dict(kept), found.legs.matches
    results = []
    for memory in found.memories:
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


def _passes(query: Query, match: Match | None) -> bool:
    if query.threshold is None:
        return True
    return match is not None and round(match.similarity, 4) >= query.threshold


def _reaches_on(query: Query, legs: Legs, depth: int) -> bool:
    """Say whether a deeper search could bring more: by meaning it meets the most similar memories first."""
    if query.mode == "keyword":
        return len(legs.words) >= depth
    least = legs.nearest[-1].similarity if legs.nearest else 0.0
    return len(legs.nearest) >= depth and (query.threshold is None or least >= query.threshold)


def _relevant(query: Query, result: SearchResult) -> bool:
    return query.min_relevance is None or (
        result.relevance is not None and result.relevance >= query.min_relevance
    )
