"""Which model answers: the wanted one; or, until that has embedded everything anew, the one that was in use before."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Condition, Event, Lock

import numpy as np

from faiss_memory.background import BackgroundThread, Problems, described
from faiss_memory.contracts.comparing import metric_in
from faiss_memory.contracts.embedder import Embedder, Embedding
from faiss_memory.contracts.shared import Shared
from faiss_memory.contracts.store import KnownModel, Progress, Store
from faiss_memory.embedder import EmbeddingLanes
from faiss_memory.engine.passages import split
from faiss_memory.engine.relevance import Judge, forget_terms
from faiss_memory.errors import EmbedderError, MemoryServiceError, NotReady
from faiss_memory.memory import Draft, Memory, Metric

log = logging.getLogger("faiss_memory.engine")

EMBEDDED_AT_ONCE = 32
SECONDS_TO_END = 2.0
"""What is embedded in the background while the service stops may take so long."""


@dataclass(frozen=True, slots=True)
class ModelOpening:
    """How models are opened. Both calls may take long, and raise EmbedderError."""

    name: str
    """The wanted model's name, as the settings give it."""
    wanted: Callable[[], Embedder]
    again: Callable[[KnownModel], Embedder]
    """Opens one that was in use before, exactly as it was then."""
    metric: Metric | None = None
    """By what the wanted model's vectors are to be compared; None: by its own metric."""


@dataclass(frozen=True, slots=True)
class ModelsInUse:
    """What a call works with from its beginning to its end."""

    answering: EmbeddingLanes
    coming: EmbeddingLanes | None = None
    """What is to take its place, once it has embedded everything."""

    def embed(self, memories: Sequence[Draft | Memory]) -> list[Embedding]:
        """Embed what memories say and their cues, by each model. Raises EmbedderError."""
        embeddings = embed(self.answering, memories)
        if self.coming is None:
            return embeddings
        try:
            coming = embed(self.coming, memories)
        except EmbedderError:
            return embeddings  # what it lacks it is given again, in the background
        pairs = zip(embeddings, coming, strict=True)
        return [replace(one, coming=other) for one, other in pairs]


def embed(model: EmbeddingLanes, memories: Sequence[Draft | Memory]) -> list[Embedding]:
    """Cut texts into passages of a model's window, and embed these and the cues. Raises EmbedderError."""
    passages = [split(one.text, model.token_offsets(one.text), model.window) for one in memories]
    pieces = [
        [*(one.text[passage.start : passage.end] for passage in parts), *one.cues]
        for one, parts in zip(memories, passages, strict=True)
    ]
    vectors = model.embed_documents([piece for some in pieces for piece in some])
    ends = np.cumsum([len(some) for some in pieces])
    return [
        Embedding(parts, vectors[end - len(some) : end], model.identity, cues=one.cues)
        for one, parts, some, end in zip(memories, passages, pieces, ends, strict=True)
    ]


def embedded(models: ModelsInUse | None, memories: Sequence[Draft | Memory]) -> Sequence[Embedding | None]:
    """Embed what is to be stored; without a model it stays without. Raises EmbedderError."""
    return [None] * len(memories) if models is None else models.embed(memories)


class _Lent:
    """What is lent to callers and may be replaced: whoever began with the old one ends with it."""

    def __init__(self) -> None:
        self.models: ModelsInUse | None = None
        self._number = 0
        self._borrowers: Counter[int] = Counter()
        self._change = Condition()

    @contextmanager
    def lend(self) -> Iterator[ModelsInUse | None]:
        with self._change:
            number, models = self._number, self.models
            self._borrowers[number] += 1
        try:
            yield models
        finally:
            with self._change:
                self._borrowers[number] -= 1
                self._change.notify_all()

    def replace(self, models: ModelsInUse) -> None:
        """Lend these from now on; returns when nobody works with earlier ones any more."""
        with self._change:
            self.models = models
            self._number += 1
            self._change.wait_for(lambda: not any(self._borrowers[n] for n in self._early()))
            for number in self._early():
                del self._borrowers[number]

    def _early(self) -> list[int]:
        return [number for number in self._borrowers if number < self._number]


class Models:
    """The models of one engine. `load`, then `settle` when the store is open, then `embed_backlog`."""

    def __init__(self, store: Store, opening: ModelOpening, problems: Problems, cache_folder: Path) -> None:
        self._store = store
        self._opening = opening
        self._problems = problems
        self._cache_folder = cache_folder
        self._judge: Judge | None = None
        self._lent = _Lent()
        self._wanted: EmbeddingLanes | None = None
        self._loader = BackgroundThread("model loader", self._load, self._cannot_load)
        self._settled = Event()
        self._closing = False
        self._embedding = Lock()
        self._recounts = 0
        self._backlog: dict[tuple[str, str], tuple[int, int]] = {}
        self.error: EmbedderError | None = None
        """Why the wanted model is not there."""

    def load(self) -> None:
        """Begin to load the wanted model."""
        self._loader.start()

    def _load(self) -> None:
        try:
            self._wanted = EmbeddingLanes(self._opening.wanted(), self._opening.metric)
        except EmbedderError as error:
            self._lack(error)

    def _cannot_load(self, error: BaseException) -> None:
        self._lack(
            EmbedderError(
                f"the model {self._opening.name} cannot be opened: an error nobody foresaw ({described(error)}); "
                "the log says more"
            )
        )

    def _lack(self, error: EmbedderError) -> None:
        self.error = error
        self._problems.note("model", str(error))

    def cannot_settle(self, error: EmbedderError) -> None:
        """Let nobody wait for a model that is not put in use; one that answers already goes on."""
        self._lack(error)
        self._settled.set()

    @property
    def in_use(self) -> ModelsInUse | None:
        """What is lent at the moment."""
        return self._lent.models

    @property
    def are_settled(self) -> bool:
        """Whether it is known which model answers, or that none does."""
        return self._settled.is_set()

    @contextmanager
    def lend(self, wait: float) -> Iterator[ModelsInUse | None]:
        """Lend the models in use, None if there are none. Raises NotReady if that is not known after `wait` seconds."""
        if not self._settled.wait(wait):
            raise NotReady(
                "the model is still being loaded; try again in a moment, or search with mode=keyword"
            )
        with self._lent.lend() as models:
            yield models

    # Who answers.

    def settle(self) -> None:
        """Put a model in use; returns when the wanted one is loaded, or cannot be. Raises StoreError.

        An older one answers if it has embedded more than the wanted one has.
        """
        last = self._store.model_in_use()
        if last is not None and last.name != self._opening.name:
            # The wanted one may have to be compiled first, and that takes a while.
            if (older := self._again(last)) is not None:
                self._use(older)
            last = None
        self._loader.join()
        if not self._closing:
            self._settle_for(self._wanted, last)
        self._settled.set()

    def _settle_for(self, wanted: EmbeddingLanes | None, last: KnownModel | None) -> None:
        """Choose between the wanted model, the one that answers already, and the last one, which has its name."""
        answering = None if self.in_use is None else self.in_use.answering
        if answering is None and last is not None and self._is_better(last, wanted):
            answering = self._again(last)
            if answering is not None:
                self._use(answering)
        if wanted is None and answering is None:
            log.error("search by meaning is off, keywords still answer: %s", self.error)
        elif wanted is None:
            log.error("the model that was in use before still answers: %s", self.error)
        elif answering is None:
            self._use(wanted)
        elif answering.identity == wanted.identity:
            wanted.close()
        else:
            self._store.prepare_model(wanted.identity, wanted.name, wanted.dimension)
            self._count(wanted, "model")
            self._lent.replace(ModelsInUse(answering, wanted))
            log.info("model %s embeds everything; until then %s answers", wanted.identity, answering.identity)

    def _is_better(self, last: KnownModel, wanted: EmbeddingLanes | None) -> bool:
        if wanted is None:
            return True
        return last.identity != wanted.identity and self._lacks(last.identity) < self._lacks(wanted.identity)

    def _lacks(self, model: str) -> int:
        return sum(self._store.count_unembedded(model).values())

    def _again(self, last: KnownModel) -> EmbeddingLanes | None:
        try:
            return EmbeddingLanes(self._opening.again(last), metric_in(last.identity)[1])
        except Exception as error:  # noqa: BLE001  (a plugin may fail in its own way)
            log.warning("the model that was in use before cannot answer meanwhile: %s", error)
            return None

    def _use(self, model: EmbeddingLanes) -> None:
        """Let a model answer, alone."""
        # First of all it is told what the model lacks: an answer that may be short says so.
        self._backlog = {}
        self._count(model, "semantic")
        # Not before those who work with another one are done: the store lets go of its vectors.
        if (before := self.in_use) is not None:
            self._lent.replace(ModelsInUse(model))
        self._store.use_model(model.identity, model.name, model.dimension)
        if before is None:
            self._lent.replace(ModelsInUse(model))
        self._settled.set()
        log.info("model %s answers", model.identity)

    # What relevance is judged by.

    def judge_of(self, model: EmbeddingLanes) -> Judge:
        """Return the judge of relevance by a model that answers."""
        judge = self._judge
        if judge is None or judge.identity != model.identity:
            judge = self._judge = Judge(model, self._cache_folder)
        return judge

    def prepare_judge(self) -> None:
        """Load what relevance is judged by, so that the first search need not wait for it."""
        if (models := self.in_use) is not None:
            try:
                self.judge_of(models.answering).prepare()
            except EmbedderError as error:
                log.warning(
                    "what relevance is judged by could not be embedded, and is tried again: %s", error
                )

    # What is still to be embedded.

    def clear_caches(self) -> None:
        """Forget the texts that were embedded."""
        forget_terms()
        models = self.in_use
        for model in () if models is None else (models.answering, models.coming):
            if model is not None:
                model.clear_cache()

    def recount(self) -> None:
        """Embed in the background what the models lack after the memories have become others."""
        models = self.in_use
        if models is None:
            return
        self._recounts += 1
        self._backlog = {}
        self._count(models.answering, "semantic")
        if models.coming is not None:
            self._count(models.coming, "model")
        self.embed_backlog()

    def embed_others(self, ids: Sequence[int]) -> None:
        """Embed of some memories, which another service has stored, those that the models here have not embedded."""
        if not isinstance(self._store, Shared):
            return
        try:
            with self._lent.lend() as models:
                for model in () if models is None else (models.answering, models.coming):
                    if model is not None:
                        self._embed_lacking(self._store.lacking(ids, model.identity), model)
        except EmbedderError as error:
            log.error("what another service has stored is not embedded by the model here: %s", error)

    def _embed_lacking(self, ids: Sequence[int], model: EmbeddingLanes) -> None:
        for start in range(0, len(ids), EMBEDDED_AT_ONCE):
            self._embed(model, self._store.get(ids[start : start + EMBEDDED_AT_ONCE]))

    def _count(self, model: EmbeddingLanes, what: str) -> None:
        counts = self._store.count_unembedded(model.identity)
        self._backlog |= {(what, project): (count, count) for project, count in counts.items()}

    def embed_backlog(self) -> None:
        """Embed in the background what was stored without the model, or by another one; then let the coming one
        answer."""
        BackgroundThread("embedder", self._embed_all, self._cannot_embed).start()

    def _embed_all(self) -> None:
        try:
            with self._embedding:
                self._embed_backlog()
        except MemoryServiceError as error:
            if not self._closing:
                log.error("embedding older memories stopped: %s; it goes on at the next start", error)
                self._cannot_embed(error)
        else:
            self._problems.settle("embedder")

    def _cannot_embed(self, error: BaseException) -> None:
        self._problems.note("embedder", error)

    def _embed_backlog(self) -> None:
        while (models := self.in_use) is not None and not self._closing:
            recounts = self._recounts
            if models.coming is not None:
                self._fill(models.coming, "model")
            elif self._backlog:
                self._fill(models.answering, "semantic")
            if recounts != self._recounts or self._closing:
                continue
            if models.coming is None:
                return
            self._use(models.coming)
            models.answering.close()
            # So going back is soon done, and trying one model after the other does not fill the disk.
            self._store.keep_models((models.coming.identity, models.answering.identity))

    def _fill(self, model: EmbeddingLanes, what: str) -> None:
        """Embed what one model lacks, oldest first, in one pass over all projects."""
        after = recounts = 0
        while not self._closing:
            if recounts != self._recounts:
                after, recounts = 0, self._recounts
            memories = self._store.unembedded(EMBEDDED_AT_ONCE, model.identity, after)
            if not memories:
                break
            self._embed(model, memories)
            for memory in memories:
                left, all_of_it = self._backlog.get((what, memory.project), (1, 1))
                self._backlog[what, memory.project] = (max(0, left - 1), all_of_it)
            after = memories[-1].id
        self._backlog = {key: count for key, count in self._backlog.items() if key[0] != what}

    def _embed(self, model: EmbeddingLanes, memories: Sequence[Memory]) -> None:
        pairs = zip(memories, embed(model, memories), strict=True)
        self._store.embed({memory.id: (memory.text, part) for memory, part in pairs})

    def rebuilding(self) -> list[Progress]:
        """Return how far a model is that is new to older memories: `semantic` if it answers, `model` if it will."""
        return [
            Progress(project, what, 1 - left / all_of_it)
            for (what, project), (left, all_of_it) in sorted(self._backlog.copy().items())
            if left
        ]

    # The end.

    def give_up(self) -> None:
        """Let nobody wait for a model, and embed no more in the background; what is at work is given a moment."""
        self._closing = True
        self._settled.set()
        if self._embedding.acquire(timeout=SECONDS_TO_END):
            self._embedding.release()

    def close(self) -> None:
        """Close the models."""
        if self.in_use is not None:
            self.in_use.answering.close()
            if self.in_use.coming is not None:
                self.in_use.coming.close()
