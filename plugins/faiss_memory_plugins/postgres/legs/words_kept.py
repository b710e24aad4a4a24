"""A search by words in the projects whose postings are kept: scored here, and only the best are asked about."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from faiss_memory import BM25_K1, length_norms
from faiss_memory_plugins.postgres.database import Transaction
from faiss_memory_plugins.postgres.filters import Condition
from faiss_memory_plugins.postgres.legs.asking import Asked, ByWords, Query, asked_in
from faiss_memory_plugins.postgres.legs.places import Ids, Mask, Numbers, Place, Postings, Slots
from faiss_memory_plugins.postgres.rows import to_numbers

ASKED_ABOUT = 2
"""So many times the memories that are wanted are asked about at first: most filters let enough of them through."""
FULLEST = 64
"""Of each project so many memories are asked about that hold the most of the query."""
_SAME = 1e-5
"""Shares of a query that differ by less are the same."""
_LET_THROUGH = "select string_agg(int8send(m.id), '') from $.memory m where {among} {where}"

Rows = npt.NDArray[np.int64]


class _Part(NamedTuple):
    """A project, and what is asked for in it."""

    place: Place
    asked: Sequence[Asked]
    postings: Sequence[Postings]
    own: Sequence[Slots]
    """Beside the postings: the slots that hold the term themselves."""


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """The memories that a term leads to, those of each project together."""

    parts: Sequence[_Part]
    starts: Sequence[int]
    """Where those of each project begin; and the end."""
    slots: Rows
    ids: Ids
    scores: Numbers
    shares: Numbers
    """How much of the query each holds itself."""

    def best(self, rows: Rows, limit: int) -> Rows:
        """Return those that score best of some, best first, ties by id."""
        scores = self.scores[rows]
        if len(rows) > limit:
            # (What ties with the last place stays in: ties are broken by id.)
            bar = np.partition(scores, len(rows) - limit)[len(rows) - limit]
            rows, scores = rows[scores >= bar], scores[scores >= bar]
        return rows[np.lexsort((self.ids[rows], -scores))[:limit]]


class _Fullest(NamedTuple):
    """Those of a project that hold the most of the query."""

    share: float
    ids: Sequence[int]
    """None where they are too many."""


def words_kept(
    run: Transaction, places: Mapping[int, Place], postings: Mapping[tuple[int, int], Postings], query: Query,
    where: Condition, depth: int, also: Collection[int], most_holders: int,
) -> ByWords:  # fmt: skip
    """Rank the memories of projects whose postings are given; see `by_words`."""
    scored = _scored(places, postings, query)
    if not len(scored.ids):
        return ByWords()
    every, near = np.arange(len(scored.ids)), np.flatnonzero(np.isin(scored.ids, list(also)))
    top = scored.best(every, ASKED_ABOUT * depth)
    full = [_fullest_rows(scored, number) for number in range(len(scored.parts))]
    asked = np.unique(np.concatenate([top, near, *full]))
    let = asked[_is_let_through(run, where, scored.ids[asked], one_by_one=True)]
    is_let = np.zeros(len(every), np.bool_)
    is_let[let] = True
    fullest = [
        _fullest(scored, number, rows[is_let[rows]], rows, most_holders) for number, rows in enumerate(full)
    ]
    if (len(top) < len(every) and is_let[top].sum() < depth) or None in fullest:
        is_let = _is_let_through(run, where, scored.ids, one_by_one=False)
        rows = [np.arange(start, end) for start, end in zip(scored.starts, scored.starts[1:], strict=False)]
        fullest = [
            _fullest(scored, number, some[is_let[some]], some, most_holders)
            for number, some in enumerate(rows)
        ]
        top = every
    best = scored.best(top[is_let[top]], depth)
    chosen = np.concatenate([best, np.setdiff1d(near[is_let[near]], best)])
    known = [one for one in fullest if one is not None]
    return ByWords(
        ranking=list(zip(scored.ids[chosen].tolist(), scored.scores[chosen].tolist(), strict=True)),
        held=_held(scored, chosen, query),
        coverage=min(1.0, max((one.share for one in known), default=0.0)),
        holders=[key for one in known for key in one.ids],
    )


def _scored(
    places: Mapping[int, Place], postings: Mapping[tuple[int, int], Postings], query: Query
) -> _Scored:
    """Score the memories of all projects that a term leads to, by BM25."""
    parts, starts = list[_Part](), [0]
    slots, ids, scores, shares = [], [], [], []
    for project, place in places.items():
        found = {term: known for term in query.numbers if (known := postings.get((project, term)))}
        own = {
            term: slots if (often > 0).all() else slots[often > 0] for term, (slots, often) in found.items()
        }
        holders = {term: len(slots) for term, slots in own.items()}
        asked, wanted = asked_in(project, place.size, query, holders)
        part = _Part(place, asked, [found[one.term] for one in asked], [own[one.term] for one in asked])
        score, says = _sums(part)
        some = np.flatnonzero(score)
        parts.append(part)
        starts.append(starts[-1] + len(some))
        slots.append(some)
        ids.append(place.ids[some])
        scores.append(score[some])
        shares.append(says[some] / wanted)
    return _Scored(
        parts, starts, np.concatenate(slots), np.concatenate(ids), np.concatenate(scores),
        np.concatenate(shares),
    )  # fmt: skip


def _sums(part: _Part) -> tuple[Numbers, Numbers]:
    """Return what each slot scores, and how much of the query it says itself."""
    scores, says = np.zeros_like(part.place.lengths), np.zeros_like(part.place.lengths)
    norms = length_norms(part.place.lengths, part.place.size.average)
    for one, (slots, often), own in zip(part.asked, part.postings, part.own, strict=True):
        count = often if own is slots else np.abs(often)
        scores[slots] += count / (count + norms[slots]) * np.float32(one.idf * (BM25_K1 + 1))
        says[own] += np.float32(one.idf)  # (no slot is there twice)
    return scores, says


def _fullest_rows(scored: _Scored, number: int) -> Rows:
    """Return which of a project's memories hold the most of the query."""
    start, end = scored.starts[number : number + 2]
    if end - start <= FULLEST:
        return np.arange(start, end)
    return start + np.argpartition(-scored.shares[start:end], FULLEST)[:FULLEST]


def _fullest(scored: _Scored, number: int, let: Rows, asked: Rows, most_holders: int) -> _Fullest | None:
    """Return those of a project that hold the most of those let through; None if others may that nobody asked about.

    What was `asked` about holds more than all else of the project, or as much.
    """
    start, end = scored.starts[number : number + 2]
    is_whole = len(asked) == end - start
    if not len(let):
        return _Fullest(0.0, ()) if is_whole else None
    shares = scored.shares[let]
    share = float(shares.max())
    holders = scored.ids[let[shares >= share - _SAME]]
    if len(holders) > most_holders:
        return _Fullest(share, ())
    if not is_whole and scored.shares[asked].min() >= share - _SAME:
        return None
    return _Fullest(share, holders.tolist())


def _is_let_through(run: Transaction, where: Condition, ids: Ids, *, one_by_one: bool) -> Mask:
    """Return which of some memories a filter lets through: each is looked up, or all that it lets through are."""
    among = "m.id = any(%(among)s::bigint[]) and" if one_by_one else ""
    ((written,),) = run.run(
        _LET_THROUGH.format(among=among, where=where.sql),
        {**where.values, "among": to_numbers(ids.tolist()) if one_by_one else None},
        binary=True,
    )
    return np.isin(ids, np.frombuffer(written or b"", ">i8").astype(np.int64))


def _held(scored: _Scored, chosen: Rows, query: Query) -> dict[int, frozenset[str]]:
    """Return which terms of the query some memories hold themselves, by id."""
    held: dict[int, list[str]] = {int(key): [] for key in scored.ids[chosen]}
    for part, start, end in zip(scored.parts, scored.starts, scored.starts[1:], strict=False):
        rows = chosen[(chosen >= start) & (chosen < end)]
        for one, own in zip(part.asked if len(rows) else (), part.own, strict=False):
            holds = np.zeros(len(part.place.ids), np.bool_)
            holds[own] = True
            for key in scored.ids[rows[holds[scored.slots[rows]]]]:
                held[int(key)].append(query.names[one.place])
    return {key: frozenset(names) for key, names in held.items()}
