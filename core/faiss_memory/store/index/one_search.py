"""One search over the indexes, while they stand still: its legs, and the texts of what was chosen from them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from faiss_memory.contracts.comparing import unit_of
from faiss_memory.contracts.store import Choose, Found, Legs, Progress, Scope, Search
from faiss_memory.memory import Match
from faiss_memory.store.index.by_words import ByWords, joined
from faiss_memory.store.index.catalogue import Catalogue
from faiss_memory.store.index.inverted_index import KeywordIndex
from faiss_memory.store.index.vector_index import VectorIndex
from faiss_memory.store.index.vector_segment import Near, QueryVector

Ids = npt.NDArray[np.int64]
SAMPLE = 512
"""How many passages tell how a query's cosine is spread over all."""
MOST_HOLDERS = 12
"""How many texts are looked into for what a query quotes."""
_NO_NUMBERS = np.zeros(0, np.float32)


class OneSearch:
    """Lives no longer than its caller holds the lock of the indexes."""

    def __init__(
        self,
        asked: Search,
        catalogue: Catalogue,
        vectors: Mapping[str, VectorIndex],
        keywords: Mapping[str, KeywordIndex],
        counting: Callable[[str], tuple[Ids | None, Ids]],
        *,
        lacking: Collection[Progress] = (),
    ) -> None:
        """Prepare a search.

        `counting` returns, for a project, the ids that alone count (None: all) and those that do not. `lacking` names
        the indexes that do not know every memory of their projects.
        """
        self._is_analyzed = not any(part.what == "keyword" for part in lacking)
        wanted = asked.where.projects
        self._partial = {part.what for part in lacking if wanted is None or part.project in wanted}
        self._asked = asked
        self._query = None if asked.vector is None else QueryVector(asked.vector)
        self._catalogue = catalogue
        self._vectors = {name: vectors[name] for name in self._projects(vectors)}
        self._keywords = {name: keywords[name] for name in self._projects(keywords)}
        self._counting = counting
        self._terms: Mapping[int, str] = {}

    def _projects(self, known: Mapping[str, object]) -> list[str]:
        wanted = self._asked.where.projects
        return [name for name in (sorted(known) if wanted is None else wanted) if name in known]

    def found(self, choose: Choose) -> Found:
        """Find memories by meaning and by words, and read the chosen ones."""
        asked = self._asked
        nearest = self._nearest(cues=True) if asked.nearest else []
        words = self._words([match.memory_id for match in nearest])
        named = self._catalogue.allowed(asked.named, asked.where) if asked.named else set()
        matches = {match.memory_id: match for match in nearest}
        unknown = ({memory_id for memory_id, _ in words.ranking} | named) - matches.keys()
        matches |= self._similarities(sorted(unknown))
        legs = Legs(
            nearest, words.ranking, matches, named, self._scope(words), self._verbatim(words), self._partial
        )
        chosen = choose(legs)
        return Found(legs, self._catalogue.get(chosen), self._held(chosen, words, matches.keys() - named))

    def _held(
        self, chosen: Sequence[int], words: ByWords, looked_at: Collection[int]
    ) -> dict[int, frozenset[str]]:
        """Return which terms the chosen memories hold; one that was `looked_at` and stands in no ranking holds none."""
        if self._asked.text is None or not self._is_analyzed:
            return {}
        held = {memory_id: place for (memory_id, _), place in zip(words.ranking, words.places, strict=True)}
        known = held.keys() | looked_at
        return {
            key: frozenset(self._terms[number] for number in (held[key].terms if key in held else ()))
            for key in chosen
            if key in known
        }

    def by_passages(self) -> list[Match]:
        """Find memories by the angle alone, of their passages and not of their cues."""
        return self._nearest(cues=False, by_angle=True)

    def _nearest(self, *, cues: bool, by_angle: bool = False) -> list[Match]:
        asked, found = self._asked, list[Match]()
        if self._query is None:
            return []
        for project, vectors in self._vectors.items():
            found += vectors.nearest(
                self._query, *self._counting(project), asked.depth, cues=cues, by_angle=by_angle
            )
        return sorted(found, key=lambda match: (-match.similarity, match.memory_id))[: asked.depth]

    def _similarities(self, ids: Sequence[int]) -> dict[int, Match]:
        """Compare the query with chosen memories."""
        if self._query is None or not ids:
            return {}
        matches = [
            match for index in self._vectors.values() for match in index.similarities(self._query, ids)
        ]
        return {match.memory_id: match for match in matches}

    def _words(self, near: Sequence[int]) -> ByWords:
        """Find memories by words; those that are near by meaning are ranked however low."""
        asked = self._asked
        if asked.text is None:
            return ByWords()
        terms, self._terms = self._catalogue.query_terms(asked.text)
        query = {number: terms[term] for number, term in self._terms.items()}
        unknown = terms.total() - sum(query.values())
        also = np.array(near, np.int64)
        most_holders = MOST_HOLDERS if asked.phrases else 0
        parts = [
            keywords.search(
                query, *self._counting(project), asked.depth, unknown=unknown, also=also, most_holders=most_holders
            )
            for project, keywords in self._keywords.items()
        ]  # fmt: skip
        return parts[0] if len(parts) == 1 else joined(parts, asked.depth, set(near))

    def _scope(self, words: ByWords) -> Scope:
        """Measure how all that a filter lets through lies to the query."""
        every, vectors_there = list[Near](), 0
        if self._query is not None and self._asked.nearest:
            count = SAMPLE // max(1, len(self._vectors)) + 1
            for project, vectors in self._vectors.items():
                allowed, hidden = self._counting(project)
                every += vectors.sample(self._query, allowed, hidden, count)
                vectors_there += len(vectors) if allowed is None else len(allowed)
        near = np.concatenate([part.similarities for part in every] or [_NO_NUMBERS])
        cosines = np.concatenate([part.cosines for part in every] or [_NO_NUMBERS])
        spread = float(near.std()) if len(near) else 0.0
        return Scope(
            memories=words.memories or vectors_there,
            mean=float(near.mean()) if len(near) else 0.0,
            spread=spread,
            coverage=words.coverage,
            unit=unit_of(spread, float(cosines.std()) if len(cosines) else 0.0),
        )

    def _verbatim(self, words: ByWords) -> list[int]:
        """Return which memories hold one of the phrases word for word."""
        folded = [phrase.casefold() for phrase in self._asked.phrases]
        holders = words.holders if folded and len(words.holders) <= MOST_HOLDERS else ()
        memories = self._catalogue.get(holders)
        return [one.id for one in memories if any(phrase in one.text.casefold() for phrase in folded)]
