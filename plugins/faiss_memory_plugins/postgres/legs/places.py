"""The memories of a project in one state of the database, and their postings: read, and brought to a later state."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from faiss_memory import Vectors
from faiss_memory_plugins.postgres.database import Transaction
from faiss_memory_plugins.postgres.legs.asking import Size
from faiss_memory_plugins.postgres.rows import to_numbers

SAMPLED = 512
"""How many memories tell how a query's similarity is spread over all."""
_MIXING = np.uint64(0x9E3779B97F4A7C15)
"""A multiplier that spreads numbers one after the other over all that there are."""
_bases = itertools.count(1)

Ids = npt.NDArray[np.int64]
Slots = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Order = tuple[int, int]
T = TypeVar("T", bound=np.generic)

_MEMORIES = """
select project, string_agg(int8send(memory), ''), string_agg(float4send(length), '')
from $.words where project = any(%(projects)s) group by project
"""
_POSTINGS = """
select q.project, q.term, p.memories, p.often
from unnest(%(project)s::int[], %(term)s::int[]) as q(project, term)
cross join lateral (
    select string_agg(int8send(p.memory), '') as memories, string_agg(float4send(p.often), '') as often
    from $.posting p where p.project = q.project and p.term = q.term
) p
"""
_NEW_POSTINGS = """
select string_agg(int4send(term), ''), string_agg(int8send(memory), ''), string_agg(float4send(often), '')
from $.posting where memory = any(%(ids)s::bigint[])
"""


class Postings(NamedTuple):
    """Which memories of a project hold a term, by their slots; how often it counts is below 0 if only beside them."""

    slots: Slots
    often: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """The memories of a project in one state of the database: each has a slot, also when it is gone."""

    state: str
    ids: Ids
    sorter: Slots
    """The slots in order of their ids."""
    lengths: Numbers
    """In words; 0 for those that are gone."""
    is_later: Mask
    """Which were written, or went, after what is kept of the terms: their postings are `later`."""
    is_gone: Mask
    sample: Ids
    """`SAMPLED` of those that are there, the same for every service; all where they are fewer."""
    later_terms: Slots = field(default_factory=lambda: np.zeros(0, np.int32))
    later: Postings = field(default_factory=lambda: Postings(np.zeros(0, np.int32), np.zeros(0, np.float32)))
    base: int = field(default_factory=lambda: next(_bases))
    """What is kept of the terms belongs to this; what was read later has a higher one."""

    @property
    def size(self) -> Size:
        """How many memories there are, and how long they are."""
        return Size(len(self.ids) - int(self.is_gone.sum()), float(self.lengths.sum(dtype=np.float64)))

    @property
    def order(self) -> Order:
        """What puts states in order of time."""
        return order_of(self.state)

    def slots_of(self, ids: Ids) -> tuple[Slots, Mask]:
        """Return the slots of memories, and which of them have one; of the others it is any."""
        at = np.minimum(np.searchsorted(self.ids, ids, sorter=self.sorter), len(self.ids) - 1)
        slots = self.sorter[at]
        return slots, self.ids[slots] == ids

    def settled(self) -> Place:
        """Return the same, for terms as they are now."""
        return replace(
            self,
            is_later=np.zeros_like(self.is_later),
            later_terms=self.later_terms[:0],
            later=Postings(self.later.slots[:0], self.later.often[:0]),
            base=next(_bases),
        )

    def is_written_later(self, ids: Ids) -> Mask:
        """Return which of some memories were written, or went, after what is kept of the project was read."""
        slots, is_known = self.slots_of(ids)
        return ~is_known | self.is_later[slots]

    def of_term(self, term: int, kept: Postings) -> Postings:
        """Return the postings of a term as they are now, from what is kept of it."""
        if not self.is_later.any():
            return kept
        stays, comes = ~self.is_later[kept.slots], self.later_terms == term
        return Postings(
            np.concatenate([kept.slots[stays], self.later.slots[comes]]),
            np.concatenate([kept.often[stays], self.later.often[comes]]),
        )


class Sample(NamedTuple):
    """The vectors of some memories by a model, one a row: passages and cues."""

    ids: Ids
    """The memory of each row."""
    vectors: Vectors


def order_of(state: str) -> Order:
    """Return what puts the states of one database in order of time: what is done there only grows."""
    _, below, at_work = state.split(":")
    return int(below), -len([one for one in at_work.split(",") if one])


def read_places(run: Transaction, projects: Sequence[int], state: str) -> dict[int, Place]:
    """Read the memories of projects, which have some."""
    if not projects:
        return {}
    rows = run.run(_MEMORIES, {"projects": list(projects)}, binary=True)
    return {row[0]: _place(state, _ids(row[1]), _reals(row[2])) for row in rows}


def _place(state: str, ids: Ids, lengths: Numbers) -> Place:
    nothing = np.zeros(len(ids), np.bool_)
    return Place(state, ids, _sorter(ids), lengths, nothing, nothing, _sampled(ids))


def read_postings(
    run: Transaction, places: Mapping[int, Place], pairs: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Postings]:
    """Read the postings of terms, each with its project, but for memories that were written later."""
    if not pairs:
        return {}
    values = {"project": [pair[0] for pair in pairs], "term": [pair[1] for pair in pairs]}
    found = {}
    with run.without("seqscan"):
        rows = run.run(_POSTINGS, values, binary=True)
    for project, term, ids, often in rows:
        slots, is_known = places[project].slots_of(_ids(ids))
        stays = is_known & ~places[project].is_later[slots]
        found[project, term] = Postings(slots[stays], _reals(often)[stays])
    return found


def written(run: Transaction, place: Place, ids: Ids, lengths: Sequence[float], gone: Ids) -> Place:
    """Return a project in a later state: some of its memories were written until then, and some are gone."""
    is_new = ~place.slots_of(ids)[1]
    more = int(is_new.sum())
    every = np.concatenate([place.ids, ids[is_new]])
    nothing, zeros = np.zeros(more, np.bool_), np.zeros(more, np.float32)
    place = replace(
        place,
        ids=every,
        sorter=_sorter(every),
        lengths=np.concatenate([place.lengths, zeros]),
        is_later=np.concatenate([place.is_later, nothing]),
        is_gone=np.concatenate([place.is_gone, nothing]),
    )
    slots, (left, is_known) = place.slots_of(ids)[0], place.slots_of(gone)
    left = left[is_known]
    place.is_later[slots] = place.is_later[left] = True
    place.is_gone[left], place.lengths[left] = True, 0
    place.is_gone[slots], place.lengths[slots] = False, lengths  # (one that is back again is not gone)
    terms, of, often = run.run(_NEW_POSTINGS, {"ids": to_numbers(ids.tolist())}, binary=True)[0]
    is_touched = np.zeros(len(every), np.bool_)
    is_touched[slots] = is_touched[left] = True
    stays = ~is_touched[place.later.slots]
    return replace(
        place,
        sample=_sampled(every[~place.is_gone]),
        later_terms=np.concatenate([place.later_terms[stays], _numbers(terms, ">i4", np.int32)]),
        later=Postings(
            np.concatenate([place.later.slots[stays], place.slots_of(_ids(of))[0]]),
            np.concatenate([place.later.often[stays], _reals(often)]),
        ),
    )


def _sampled(ids: Ids) -> Ids:
    """Return some of the ids, in no order: which these are, the ids alone decide."""
    if len(ids) <= SAMPLED:
        return ids
    mixed = ids.astype(np.uint64) * _MIXING
    return ids[np.argpartition(mixed, SAMPLED)[:SAMPLED]]


def _sorter(ids: Ids) -> Slots:
    return np.argsort(ids, kind="stable").astype(np.int32)  # (quick where they are nearly in order)


def _ids(written: bytes | None) -> Ids:
    return _numbers(written, ">i8", np.int64)


def _reals(written: bytes | None) -> Numbers:
    return _numbers(written, ">f4", np.float32)


def _numbers(written: bytes | None, kind: str, wanted: type[T]) -> npt.NDArray[T]:
    """Read numbers as the database sends them; none is what it says of none."""
    return np.frombuffer(written or b"", kind).astype(wanted)
