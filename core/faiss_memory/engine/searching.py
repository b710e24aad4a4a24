"""One search: what is asked of the store, what is chosen from its legs, and the results."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from faiss_memory.contracts.comparing import unit
from faiss_memory.contracts.embedder import Vectors
from faiss_memory.contracts.store import Found, Legs, Search
from faiss_memory.embedder import EmbeddingLanes
from faiss_memory.engine import ranking
from faiss_memory.engine.passages import split
from faiss_memory.engine.ranking import KEYWORD, SEMANTIC, Leg
from faiss_memory.engine.relevance import NEUTRAL, Judge, QueryWords, relevance_of, terms_of
from faiss_memory.errors import InvalidRequest
from faiss_memory.memory import (
    COSINE,
    DOT,
    Evidence,
    Match,
    Memory,
    Metric,
    Passage,
    Query,
    Ranking,
    SearchResult,
)

QUERY_PASSAGES = 8
LONGEST_PHRASE = 200
"""Characters of what is looked for word for word."""
_QUOTED = re.compile('["\u201c`\u00ab]([^"\u201d`\u00bb\\n]{2,120})["\u201d`\u00bb]')


class Meaning(NamedTuple):
    """A query's vector, shape (dimension,), and the identity of the model that made it."""

    vector: Vectors
    model: str


@dataclass(frozen=True, slots=True)
class Question:
    """What is known of a query before anything is found: how general it is, and how far the model understands it."""

    text: str
    words: QueryWords
    generic: float = 0.0
    known_share: float = 0.0
    """0 where there is no model."""


def question(query: Query, meaning: Meaning | None, judge: Judge | None) -> Question:
    """Look at a query. Raises EmbedderError."""
    words = QueryWords(query.text)
    if meaning is None or judge is None:
        return Question(query.text, words)
    return Question(query.text, words, judge.generic(meaning.vector), judge.known_share(query.text))


def embed_queries(model: EmbeddingLanes, texts: Sequence[str]) -> list[Meaning]:
    """Embed queries together; an overlong one as the mean of passages spread over it. Raises EmbedderError."""
    parts = [_passages(model, text) for text in texts]
    vectors = model.embed_queries([part for passages in parts for part in passages])
    ends = np.cumsum([len(passages) for passages in parts])
    found = []
    for end, passages in zip(ends, parts, strict=True):
        mean = vectors[end - len(passages) : end].mean(axis=0)
        if len(passages) > 1 and model.metric == COSINE:
            (mean,) = unit(mean[np.newaxis])
        found.append(Meaning(np.asarray(mean, np.float32), model.identity))
    return found


def _passages(model: EmbeddingLanes, text: str) -> list[str]:
    if len(text) <= model.window:  # a token is at least a character
        return [text]
    passages = split(text, model.token_offsets(text), model.window)
    chosen = np.unique(np.linspace(0, len(passages) - 1, QUERY_PASSAGES).astype(int))
    return [text[passages[n].start : passages[n].end] for n in chosen]


class Choice:
    """Chooses from the legs of a search what answers: `kept`, best first."""

    def __init__(
        self,
        query: Query,
        guests: Mapping[str, Ranking],
        partial: Collection[str],
        known_share: float,
        most: int,
    ) -> None:
        self._query = query
        self._most = most
        self._known_share = known_share
        self._partial = partial
        self._guests = guests
        self.named = {memory_id for given in guests.values() for memory_id, score in given if score > 0}
        self.kept: Ranking = []

    def __call__(self, legs: Legs) -> list[int]:
        """Choose the memories whose texts are wanted."""
        scores = ranking.score(self._query, self._legs(legs), legs.scope, self._known_share)
        ranking.put_first(scores, legs.verbatim)
        self.kept = ranking.best_first(scores)
        if self._query.threshold is not None:
            self.kept = [pair for pair in self.kept if _passes(self._query, legs.matches.get(pair[0]))]
        return [memory_id for memory_id, _ in self.kept[: self._most]]

    def _legs(self, legs: Legs) -> list[Leg]:
        """Name each leg. What a plugin names counts if the filter lets it through and it has a score at all."""
        partial = {*self._partial, *legs.partial}
        others = [Leg(KEYWORD, dict(legs.words), KEYWORD in partial)]
        for name, given in self._guests.items():
            others.append(Leg(name, {key: score for key, score in given if key in legs.named and score > 0}))
        # A memory that only another leg has met is as near as it is.
        meaning = ranking.semantic_scores(legs.matches.values(), legs.scope.unit)
        return [Leg(SEMANTIC, meaning, SEMANTIC in partial), *others]


def asked(query: Query, meaning: Meaning | None, depth: int, named: Collection[int]) -> Search:
    """Return what the store is asked for: the legs of the query's mode, so many memories deep."""
    return Search(
        where=query.where,
        depth=depth,
        vector=None if meaning is None else meaning.vector,
        model=None if meaning is None else meaning.model,
        nearest=query.mode != "keyword",
        text=None if query.mode == "semantic" else query.text,
        named=named,
        phrases=() if query.mode == "semantic" else phrases_of(query.text),
    )


def phrases_of(text: str) -> list[str]:
    """Return what a query asks for word for word: itself if it is short, and what it quotes."""
    whole = " ".join(text.split())
    quoted = [found[1] for found in _QUOTED.finditer(text[:LONGEST_PHRASE])]
    return [phrase for phrase in ([whole] if len(whole) <= LONGEST_PHRASE else []) + quoted if phrase.strip()]


def results_of(asked: Question, kept: Ranking, found: Found) -> list[SearchResult]:
    """Put the memories that were found together with their scores and their relevance."""
    scores, matches, by_words = dict(kept), found.legs.matches, dict(found.legs.words)
    results = []
    for memory in found.memories:
        match = matches.get(memory.id)
        passage = None if match is None else _passage(match, memory)
        evidence = evidence_of(asked, memory, match, found.legs.scope.memories, found.held.get(memory.id))
        results.append(
            SearchResult(
                memory=memory,
                similarity=None if match is None else match.similarity,
                score=scores[memory.id],
                relevance=relevance_of(evidence),
                passage=passage,
                matched=None if match is None else "passage" if match.cue is None else "cue",
                evidence=evidence,
                cue=None if match is None else match.cue,
                semantic=None if match is None else ranking.corrected(match, found.legs.scope.unit),
                keyword=by_words.get(memory.id),
            )
        )
    return results


def evidence_of(
    asked: Question, memory: Memory, match: Match | None, memories: int, held: Collection[str] | None = None
) -> Evidence:
    """Return the evidence by which the relevance of a found memory is judged; `memories` is how many were searched.

    `held` are the terms of the query that it holds as a whole, where they are known.
    """
    near = NEUTRAL
    if match is not None:
        near += asked.known_share * (ranking.corrected_cosine(match) - NEUTRAL)
    passage = None if match is None else _passage(match, memory)
    return Evidence(
        similarity=near,
        words=asked.words.share(
            terms_of(memory, passage).counts if held is None or passage is not None else held
        ),
        generic=asked.generic,
        specific=asked.words.specific,
        memories=memories,
        has_cues=bool(memory.cues),
        query=asked.text,
    )


def _passage(match: Match, memory: Memory) -> Passage | None:
    """Return which stretch of a memory stands for it; None if that is all of it."""
    is_part = match.passages > 1 if match.cue is None else match.passage.end < len(memory.text)
    return match.passage if is_part else None


def _passes(query: Query, match: Match | None) -> bool:
    if query.threshold is None:
        return True
    return match is not None and round(match.similarity, 4) >= query.threshold


def reaches_on(query: Query, legs: Legs, depth: int) -> bool:
    """Return whether a deeper search could bring more: by meaning it meets the most similar memories first."""
    if query.mode == "keyword":
        return len(legs.words) >= depth
    least = legs.nearest[-1].similarity if legs.nearest else 0.0
    return len(legs.nearest) >= depth and (query.threshold is None or least >= query.threshold)


def is_relevant(query: Query, result: SearchResult) -> bool:
    """Return whether a result is as likely an answer as the query demands."""
    return query.min_relevance is None or result.relevance >= query.min_relevance


def check_threshold(query: Query, metric: Metric | None) -> None:
    """Raise InvalidRequest for a threshold that no similarity by the model's metric can have."""
    if query.threshold is None or metric == DOT:
        return
    if not 0 <= query.threshold <= 1:
        raise InvalidRequest(
            f"`threshold` is {query.threshold:g}; give a number from 0 to 1, as similarities are. (Only a model whose "
            "metric is `dot` has others)",
            "threshold",
        )
