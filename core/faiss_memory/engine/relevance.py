"""How likely a memory helps with what was asked: one judgement, by which everything that shows memories goes.

A cosine is a property of the model and says little by itself: "What did we decide about API calls, and why?" has .40
with the note that answers it, and "run the tests" more with one that does not. So meaning and words are weighed
together, against how general the question is and how many memories there are that could be near by accident, as a
logistic regression over prompts and notes such as people write. `python -m bench.relevance` makes it again;
docs/ranking.md shows its curve.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Collection, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from io import BytesIO
from operator import mul
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np

from faiss_memory.analyzer import Terms, analyze, analyze_query, forget_texts
from faiss_memory.contracts.comparing import cosines, metric_of
from faiss_memory.contracts.embedder import Embedder, Vectors
from faiss_memory.engine.scripts import KnownScripts
from faiss_memory.errors import MemoryServiceError
from faiss_memory.memory import Evidence, Memory, Passage
from faiss_memory.novelty.differences import forget_told
from faiss_memory.safe_files import located, read_file, write_file

log = logging.getLogger("faiss_memory.engine")

GENERIC = 0.9
"""From this cosine on a query is a generic prompt itself, such as "run the tests"."""
NEUTRAL = 0.3
"""The cosine that stands in where the model cannot tell a script apart: words decide."""


class Weights(NamedTuple):
    """What each value of the evidence counts, in the same order; see `python -m bench.relevance`."""

    similarity: float
    words: float
    generic: float
    specific: float
    memories: float
    cues: float
    constant: float


WEIGHTS = Weights(
    similarity=10.2, words=4.7, generic=-4.1, specific=0.63, memories=-0.08, cues=-0.45, constant=-8.0
)


def weighed(evidence: Evidence) -> Weights:
    """Return what is weighed of the evidence, in the order of the weights."""
    return Weights(
        similarity=evidence.similarity,
        words=math.sqrt(evidence.words),
        generic=evidence.generic,
        specific=math.log1p(evidence.specific),
        memories=math.log(max(1, evidence.memories) / 100),
        cues=float(evidence.has_cues),
        constant=1.0,
    )


def is_generic(generic: float, similarity: float) -> bool:
    """Return whether a query is a generic prompt, by which a memory so similar is not meant.

    One that is still more like the query is: somebody wrote it, or one of its cues, for just that prompt.
    """
    return generic >= GENERIC and similarity <= generic


def relevance_of(evidence: Evidence, weights: Weights = WEIGHTS) -> float:
    """Return the chance in [0, 1] that a memory helps."""
    if is_generic(evidence.generic, evidence.similarity):
        return 0.0
    return 1 / (1 + math.exp(-sum(map(mul, weights, weighed(evidence)))))


class Judge:
    """Judges results by one model, whose vectors of the generic prompts it keeps: in `folder`, for the next start."""

    def __init__(self, model: Embedder, folder: Path) -> None:
        self.identity = model.identity
        self._metric = metric_of(model)
        known = hashlib.sha256("\n".join([model.identity, *generic_prompts()]).encode()).hexdigest()
        self._file = folder / f"generic-{known[:32]}.npy"
        self._model = model
        self._scripts = KnownScripts(model.embed_queries, self._metric)
        self._lock = Lock()
        self._generic: Vectors | None = None

    def prepare(self) -> None:
        """Have the vectors of the generic prompts ready; embedding them takes seconds, once. Raises EmbedderError."""
        with self._lock:
            if self._generic is None:
                self._generic = self._kept()
            if self._generic is None:
                self._generic = self._model.embed_documents(generic_prompts())
                self._keep(self._generic)

    def _kept(self) -> Vectors | None:
        try:
            vectors = np.load(BytesIO(read_file(located(self._file))), allow_pickle=False)
        except (OSError, ValueError, MemoryServiceError):
            return None
        fits = (
            vectors.shape == (len(generic_prompts()), self._model.dimension) and vectors.dtype == np.float32
        )
        return vectors if fits and np.isfinite(vectors).all() else None

    def _keep(self, vectors: Vectors) -> None:
        content = BytesIO()
        np.save(content, np.asarray(vectors, np.float32))
        try:
            write_file(located(self._file), content.getvalue())
        except (OSError, MemoryServiceError) as error:
            log.info("%s cannot be kept for the next start: %s", self._file, error)

    def generic(self, vector: Vectors) -> float:
        """Return the cosine of a query's vector, shape (dimension,), with the nearest generic prompt.

        Raises EmbedderError.
        """
        self.prepare()
        assert self._generic is not None
        return float(cosines(self._metric, self._generic, vector[np.newaxis]).max())

    def known_share(self, text: str) -> float:
        """Return which share of a query the model can tell apart, in [0, 1]. Raises EmbedderError."""
        return self._scripts.share(text)


class QueryWords:
    """The words of a query, and how much each says."""

    def __init__(self, text: str) -> None:
        self._rarity = {term: rarity(term) for term in analyze_query(text) if " " not in term}
        self.specific = sum(self._rarity.values())

    def share(self, held: Collection[str]) -> float:
        """Return which share of the query these terms hold, in [0, 1]."""
        if not self.specific:
            return 0.0
        return sum(weight for term, weight in self._rarity.items() if term in held) / self.specific


def terms_of(memory: Memory, passage: Passage | None) -> Terms:
    """Return the terms that a memory can be found by; of a long one those of the passage that matched."""
    text = memory.text if passage is None else memory.text[passage.start : passage.end]
    return known_terms(f"{text}\n{memory.source}", "\n".join((*memory.tags, *memory.cues)))


# The wordings of one prompt find the same memories, and so do the next prompts.
known_terms = lru_cache(maxsize=2_000)(analyze)
known_words = lru_cache(maxsize=2_000)(QueryWords)


def forget_terms() -> None:
    """Keep nothing of texts that were judged, such as before a purge."""
    known_terms.cache_clear()
    known_words.cache_clear()
    forget_told()
    forget_texts()


def rarity(term: str) -> float:
    """Return how much a word says, in [0, 1]: by its place among the words of English text about software."""
    return _rarities().get(term, 1.0)


@cache
def _rarities() -> dict[str, float]:
    words = _lines("common_words.txt")
    return {
        word: (math.log(1 + place) / math.log(1 + len(words))) ** 2 for place, word in enumerate(words, 1)
    }


def generic_prompts() -> Sequence[str]:
    """Return prompts that no memory is meant by: small talk, orders, questions that anybody could ask."""
    return _lines("generic_prompts.txt")


@cache
def _lines(name: str) -> list[str]:
    return files("faiss_memory.engine").joinpath(name).read_text("utf-8").split("\n")[:-1]
