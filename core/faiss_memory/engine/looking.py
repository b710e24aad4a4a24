"""One wording of a query, looked for deeper and deeper until enough is found; plugins have their say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from faiss_memory.contracts.store import Progress, Store
from faiss_memory.engine.duplicates import distinct, newer_first
from faiss_memory.engine.found import Found
from faiss_memory.engine.ranking import legs_of
from faiss_memory.engine.relevance import Judge
from faiss_memory.engine.searching import (
    Choice,
    Meaning,
    asked,
    is_relevant,
    question,
    reaches_on,
    results_of,
)
from faiss_memory.memory import Query, Ranking, SearchResult

CANDIDATES = 100
"""How many memories each leg hands to the fusion, at least."""
ALSO_JUDGED = 10
"""How many more than asked for are judged where only the relevant are wanted: the best of them may rank lower."""

RankMemories = Callable[[Query, int], Mapping[str, Ranking]]
"""Asks the plugins for rankings of their own, by the plugin's name."""
RerankResults = Callable[[Query, list[SearchResult]], list[SearchResult]]


def _no_rankings(query: Query, k: int) -> Mapping[str, Ranking]:
    return {}


def _as_they_are(query: Query, results: list[SearchResult]) -> list[SearchResult]:
    return results


class Looking:
    """Searches by each wording of a query; plugins rank with it, and reorder the results."""

    def __init__(
        self,
        rank_memories: RankMemories | None,
        rerank_results: RerankResults | None,
        rebuilding: Callable[[], Sequence[Progress]],
        store: Callable[[], Store],
    ) -> None:
        """`rebuilding` tells which legs lack something, `store` gives the store once it is open."""
        self._rank, self._rerank = rank_memories or _no_rankings, rerank_results or _as_they_are
        self._rebuilding, self._store = rebuilding, store

    def search(
        self,
        query: Query,
        meaning: Meaning | None,
        judge: Judge | None,
        degraded: tuple[str, ...],
    ) -> Found:
        """Find what answers one wording; `degraded` are the legs that are not asked. Waits for the store."""
        wanted = query.k + (ALSO_JUDGED if query.distinct else 0)
        most = wanted
        depth = max(CANDIDATES, 4 * most)
        asks = question(query, meaning, judge)
        store = self._store()  # before it is open nobody knows what it lacks
        while True:
            # Asked first: a leg that is whole only by now was not when it was asked.
            lacked = self._incomplete(query)
            choice = Choice(query, self._guests(query, depth), lacked, asks.known_share, most)
            found = store.search(asked(query, meaning, depth, choice.named), choice)
            if len(choice.kept) < most and reaches_on(query, found.legs, depth):
                depth *= 4
                continue
            results = results_of(asks, choice.kept, found)
            if query.distinct:
                results = distinct(results)[:wanted]
            if len(results) >= wanted or len(choice.kept) <= most:
                break
            most *= 2  # what says the same has taken the place of others
            depth = max(depth, 4 * most)
        if query.mode == "hybrid":
            results[: query.k] = newer_first(results[: query.k], asks.words.share)
        results = self._rerank(query, results)
        relevant = [result for result in results if is_relevant(query, result)][: query.k]
        withheld = min(len(results), query.k) - len(relevant)
        lacking = {*degraded, *lacked, *found.legs.partial, *self._incomplete(query)}
        return Found(relevant, withheld, tuple(leg for leg in legs_of(query) if leg in lacking))

    def _guests(self, query: Query, depth: int) -> Mapping[str, Ranking]:
        """Ask plugins for rankings of their own. Before the store is: nothing slow is done while it holds its state."""
        if query.mode != "hybrid":
            return {}
        return {name: given for name, given in self._rank(query, depth).items() if given}

    def _incomplete(self, query: Query) -> tuple[str, ...]:
        """Name the legs of this search that are still being rebuilt."""
        wanted = query.where.projects
        missing = {part.what for part in self._rebuilding() if wanted is None or part.project in wanted}
        return tuple(leg for leg in legs_of(query) if leg in missing)
