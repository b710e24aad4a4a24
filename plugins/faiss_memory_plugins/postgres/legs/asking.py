"""What a query asks for in a project, and what is found of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from typing import NamedTuple

from faiss_memory import MOST_QUERY_TERMS, Ranking, analyze_query
from faiss_memory_plugins.postgres.words import number_of


class Size(NamedTuple):
    """How many memories a project has, and how long they are together, in words."""

    memories: int
    length: float

    @property
    def average(self) -> float:
        """How long they are on average, at least 1."""
        return max(1.0, self.length / self.memories)


@dataclass(frozen=True, slots=True)
class Query:
    """The terms of a query, in the order of their names."""

    names: Sequence[str]
    numbers: Sequence[int]
    often: Sequence[int]

    @classmethod
    def of(cls, text: str) -> Query:
        """Return the terms of a text."""
        terms: Counter[str] = analyze_query(text)
        names = sorted(terms)
        return cls(names, [number_of(name) for name in names], [terms[name] for name in names])


class Asked(NamedTuple):
    """A term of a query in one project."""

    project: int
    term: int
    place: int
    """Which of the query's terms it is."""
    idf: float
    average: float
    """How long the project's memories are on average, in words."""
    holders: int


def asked_in(project: int, size: Size, query: Query, holders: Mapping[int, int]) -> tuple[list[Asked], float]:
    """Return the terms that are asked for in a project, the rarest first, and how much all of the query says there.

    `holders` says how many of its memories hold a term themselves; one that none holds need not be there.
    """
    held = sorted(
        (count, place) for place, term in enumerate(query.numbers) if (count := holders.get(term, 0))
    )
    lacking = sum(query.often) - sum(query.often[place] for _, place in held)
    asked = [
        Asked(
            project, query.numbers[place], place, query.often[place] * _idf(size.memories, count),
            size.average, count,
        )
        for count, place in held[:MOST_QUERY_TERMS]
    ]  # fmt: skip
    return asked, max(lacking * _idf(size.memories, 0) + sum(one.idf for one in asked), 1e-9)


def _idf(memories: int, holders: int) -> float:
    """Return how much a term says that so many of the memories hold."""
    return log(1 + (memories - holders + 0.5) / (holders + 0.5))


@dataclass(frozen=True, slots=True)
class ByWords:
    """What a search by words finds."""

    ranking: Ranking = field(default_factory=list)
    """Best first, ties by id; then those that were wanted however low."""
    held: Mapping[int, frozenset[str]] = field(default_factory=dict)
    """Which terms of the query each memory of the ranking holds itself."""
    coverage: float = 0.0
    """The largest share of the query that one memory holds, in [0, 1]."""
    holders: Sequence[int] = ()
    """Those that hold as much of it as any; none where they are too many."""


def joined(parts: Sequence[ByWords], depth: int, also: Collection[int]) -> ByWords:
    """Join what was found in some projects with what was found in others."""
    every = sorted((pair for part in parts for pair in part.ranking), key=lambda pair: (-pair[1], pair[0]))
    ranking = every[:depth] + [pair for pair in every[depth:] if pair[0] in also]
    held = {key: terms for part in parts for key, terms in part.held.items()}
    return ByWords(
        ranking=ranking,
        held={key: held[key] for key, _ in ranking},
        coverage=max((part.coverage for part in parts), default=0.0),
        holders=[key for part in parts for key in part.holders],
    )
