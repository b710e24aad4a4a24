"""The mechanism: texts become passages and vectors, queries become ranked results. No rules, no HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import BinaryIO

from faiss_memory.background import BackgroundThread, Problems, described
from faiss_memory.contracts.backups import Backups, Restored
from faiss_memory.contracts.comparing import cosines
from faiss_memory.contracts.shared import News, Shared
from faiss_memory.contracts.state import Numbered
from faiss_memory.contracts.store import Added, LetGo, Progress, Purged, Retry, Rewritten, Store
from faiss_memory.embedder import EmbeddingLanes
from faiss_memory.engine.answers import Answers, key_of, size_of, size_of_counts
from faiss_memory.engine.found import Found, merged
from faiss_memory.engine.looking import Looking, RankMemories, RerankResults
from faiss_memory.engine.models import ModelOpening, Models, ModelsInUse, embed, embedded
from faiss_memory.engine.searching import Meaning, check_threshold, embed_queries
from faiss_memory.errors import EmbedderError, MemoryServiceError, NotReady, NotSupported, StoreError
from faiss_memory.memory import Change, Draft, Facets, Filter, Memory, Query
from faiss_memory.novelty.known import LOOKED_AT, Known, nearest_known

log = logging.getLogger("faiss_memory.engine")

MOMENT = 0.5
"""Seconds that /health waits for a start, at most."""


def _nobody() -> bool:
    return False


class MemoryEngine:
    """Joins a store and an embedder. Starting is done in the background; calls wait a while for what they need."""

    def __init__(
        self,
        store: Store,
        opening: ModelOpening,
        startup_wait: float,
        cache_folder: Path,
        rank_memories: RankMemories | None = None,
        rerank_results: RerankResults | None = None,
        problems: Problems | None = None,
        guests_rank: Callable[[], bool] = _nobody,
    ) -> None:
        """Join a store and a model, without starting either.

        `guests_rank` returns whether a plugin ranks memories: then no answer is kept for the next time, because nobody
        here knows what its ranking depends on.
        """
        self._store = store
        self._answers, self._guests_rank = Answers(self._state, size_of), guests_rank
        self._counts = Answers(self._state_of_store, size_of_counts)
        self.problems = problems or Problems()
        self._models = Models(store, opening, self.problems, cache_folder)
        self._wait = startup_wait
        self._store_opened = Event()
        self._closing = False
        self.store_error: MemoryServiceError | None = None
        """Why the memories cannot be used."""
        self.write_error: StoreError | None = None
        """Why nothing more is written."""
        self._looking = Looking(rank_memories, rerank_results, self.rebuilding, lambda: self.store)
        self.on_news: Callable[[News], None] = lambda _: None
        """Told what other services have written to the same store."""
        self._starter = BackgroundThread("starter", self._start, self._cannot_start)

    # Starting and stopping.

    def start(self) -> None:
        """Open the store and load the model, without waiting for either."""
        self._starter.start()

    def _start(self) -> None:
        self._models.load()
        try:
            self._store.open()
            if isinstance(self._store, Shared):
                self._store.follow(self._hear)
        except MemoryServiceError as error:
            log.critical("%s", error)
            self._give_up(error)
            return
        self._store_opened.set()
        try:
            self._models.settle()
        except StoreError as error:
            if not self._closing:
                self._give_up(error)
        else:
            self._models.embed_backlog()
            self._models.prepare_judge()

    def _hear(self, news: News) -> None:
        self._models.embed_others([*news.added, *news.changed])
        self.on_news(news)

    def _give_up(self, error: MemoryServiceError) -> None:
        """Let nobody wait for memories that cannot be used."""
        self.store_error = error
        self._store_opened.set()
        self._models.give_up()

    def _cannot_start(self, error: BaseException) -> None:
        """Let nobody wait for a start that an error nobody foresaw has ended."""
        what = described(error)
        if self._store_opened.is_set():  # the memories are there: it is the model that is not
            self._models.cannot_settle(
                EmbedderError(
                    f"an error nobody foresaw ended the start ({what}); the log says more. Keywords still answer; "
                    "start the service again"
                )
            )
        else:
            self._give_up(
                StoreError(
                    f"an error nobody foresaw ended the start ({what}); the log says more. Start the service again; "
                    "`faiss-memory verify` looks into the files"
                )
            )

    def stop_writing(self, error: StoreError) -> None:
        """Note that writing has become unsafe; what is there is still read until the service ends."""
        self.write_error = error

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
        """Return what is being rebuilt: derived files, and vectors by a model that is new to older memories."""
        return [*(self._store.rebuilding() if self.store_opened else ()), *self._models.rebuilding()]

    def close(self) -> None:
        """Finish what was accepted and stop; a model that is still being compiled is not waited for."""
        if self._closing:
            return
        self._closing = True
        if self._starter.was_started:
            self._store_opened.wait()
        for step in (self._models.give_up, self._store.close, self._models.close):
            try:
                step()
            except Exception:  # the rest is to be closed all the same
                log.exception("an error nobody foresaw, while the service stops")

    @property
    def is_starting(self) -> bool:
        """Whether a thread is still at work on the start, such as on a model that `close` has not waited for."""
        return self._starter.is_alive

    @property
    def model_ready(self) -> bool:
        """Whether search by meaning answers."""
        return self.model is not None and self.store_error is None

    @property
    def model(self) -> EmbeddingLanes | None:
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
        """Return what keeps the records from being read and written just now, if anything does."""
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
    def lent_models(self, *, needed: bool) -> Iterator[ModelsInUse | None]:
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
        with self.lent_models(needed=asks_novelty) as models:
            return self.store.add(drafts, embedded(models, drafts), retry)

    def rewrite(
        self, drafts: Sequence[Draft], changes: Mapping[int, Change], gone: Sequence[int]
    ) -> tuple[Rewritten, int]:
        """Embed and store drafts, correct and forget others, all or nothing; also gives how many passages that took.

        `changes` leave the texts alone. Without a model the drafts are stored all the same, and embedded later.
        """
        with self.lent_models(needed=False) as models:
            embeddings = embedded(models, drafts)
            passages = sum(len(part.passages) for part in embeddings if part is not None)
            done = self.store.rewrite(drafts, embeddings, changes, gone)
            self.embed_anew(models, [key for key in done.changed if changes[key].cues is not None])
            return done, passages

    def purge(self, ids: Sequence[int], *, dry_run: bool, prove: bool, let_go: LetGo) -> Purged:
        """Purge memories; past queries, which may quote them, are forgotten too."""
        done = self.store.purge(ids, dry_run=dry_run, prove=prove, let_go=let_go)
        if not dry_run:
            self._answers.clear()
            self._counts.clear()
            self._models.clear_caches()
        return done

    def change(self, memory_id: int, change: Change) -> Memory:
        """Correct a memory; what has changed of its text and its cues is embedded again."""
        if change.text is None and change.cues is None:
            return self.store.change(memory_id, change, None)
        with self.lent_models(needed=False) as models:
            embedding = None
            if change.text is not None:
                cues = change.cues
                if cues is None:
                    cues = next((one.cues for one in self.store.get([memory_id])), ())
                embedding = embedded(models, [Draft(text=change.text, cues=cues)])[0]
            memory = self.store.change(memory_id, change, embedding)
            if embedding is None or embedding.cues != memory.cues:
                self.embed_anew(models, [memory_id])
            return memory

    def embed_anew(self, models: ModelsInUse | None, ids: Sequence[int]) -> None:
        """Embed memories whose cues have changed; without a model that is done later.

        Only now, as they are: what was read before the change, another call may have changed as well.
        """
        memories = self.store.get(ids) if ids and models is not None else []
        if memories:
            pairs = zip(memories, embedded(models, memories), strict=True)
            self.store.embed({memory.id: (memory.text, part) for memory, part in pairs if part is not None})

    def nearest_known(self, text: str, where: Filter, threshold: float) -> Known | None:
        """Find the memory by which a text is known, or most nearly; see `novelty`.

        Raises EmbedderError or NotReady without a model.
        """
        with self.lent_models(needed=True) as models:
            assert models is not None
            embedding = embed(models.answering, [Draft(text=text)])[0]
            near = self.store.closest(embedding, where, LOOKED_AT)
        return nearest_known(text, embedding.passages, near, threshold)

    def known_share(self, text: str) -> float:
        """Return which share of a text's letters the model can tell apart, in [0, 1]; 1 without a model."""
        with self.lent_models(needed=False) as models:
            return 1.0 if models is None else self._models.judge_of(models.answering).known_share(text)

    # Searching.

    def similarities(self, texts: Sequence[str], others: Sequence[str]) -> list[list[float]]:
        """Return the cosine of each text with each of the others. Raises EmbedderError or NotReady without a model."""
        with self.lent_models(needed=True) as models:
            assert models is not None
            given, compared = (models.answering.embed_queries(some) for some in (texts, others))
            return cosines(models.answering.metric, given, compared).tolist()  # type: ignore[no-any-return]

    def search(self, query: Query) -> Found:
        """Rank memories for a query. Raises EmbedderError or NotReady when the mode needs a model that is not there.

        Of a query with several wordings, a memory's best match counts, and relevance orders.
        """
        return self._answers.of(key_of(query), lambda: self._search_anew(query))

    def facets(self, where: Filter, contains: str | None = None) -> Facets:
        """Count the memories of each kind, among those that a filter lets through."""
        return self._counts.of(repr((where, contains)), lambda: self.store.facets(where, contains))

    def _state(self) -> Hashable | None:
        """Return the state that answers are of: that of the store, who answers by meaning and what still lacks
        something; None where that cannot be known.
        """
        state = self._state_of_store()
        if state is None or self._guests_rank():
            return None
        model = None if self.model is None else self.model.identity
        return state, model, tuple((part.project, part.what) for part in self.rebuilding())

    def _state_of_store(self) -> Hashable | None:
        if self._closing or not self.store_opened or not isinstance(self._store, Numbered):
            return None
        return self._store.state()

    def _search_anew(self, query: Query) -> Found:
        needs_model = query.mode == "semantic" or query.threshold is not None
        if query.mode == "keyword" and not needs_model and not self.model_ready:
            return self._looking.search(query, None, None, ())
        with self.lent_models(needed=needs_model) as models:
            check_threshold(query, None if models is None else models.answering.metric)
            texts = [query.text, *query.wordings]
            meanings: list[Meaning] | None = None
            try:
                if models is not None:
                    meanings = embed_queries(models.answering, texts)
            except EmbedderError:
                if needs_model:
                    raise
            judge = None if models is None or meanings is None else self._models.judge_of(models.answering)
            degraded = ("semantic",) if meanings is None and query.mode == "hybrid" else ()
            known: Sequence[Meaning | None] = meanings or [None] * len(texts)
            found = [
                self._looking.search(replace(query, text=text, wordings=()), meaning, judge, degraded)
                for text, meaning in zip(texts, known, strict=True)
            ]
        answer = merged(query, found, None if models is None else models.answering.metric)
        return replace(answer, lasts=models is None or meanings is not None)
