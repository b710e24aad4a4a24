"""What a service keeps of the postings of projects: read once, and kept up afterwards.

What is kept of a project is that of one state of the database. A search in a later one asks which memories were written
between the two, and reads the postings of these alone; what it knows then is what it would have read itself, to the
last memory. Postings of a term are read when they are first asked for. What is kept is bounded, least recently used
first out, and is no more than the database has: a service that starts begins with nothing.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from faiss_memory import Vectors
from faiss_memory_plugins.postgres.database import Transaction
from faiss_memory_plugins.postgres.legs.asking import Size
from faiss_memory_plugins.postgres.rows import to_numbers

KEPT_FROM = 100
"""Of a project with fewer memories nothing is kept: reading it each time costs little."""
MOST_NEW = 1000
"""If more memories were written since, or an eighth of all, what was kept is left and read anew."""
VERSIONS = 4
"""So many states of a project are kept: a search may have begun before another that is done already."""
SAMPLED = 512
_MIXING = np.uint64(0x9E3779B97F4A7C15)
"""A multiplier that spreads numbers one after the other over all that there are."""
_EACH = 400
"""About how many bytes anything takes beside its numbers."""
_bases = itertools.count(1)

Ids = npt.NDArray[np.int64]
Slots = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Order = tuple[int, int]
T = TypeVar("T", bound=np.generic)

_NOW = "select line::text, pg_current_snapshot()::text from $.state"
_NEWS = """
select q.project, j.id is null or not pg_visible_in_snapshot(coalesce(j.left_by, '3'), q.state)
       or coalesce(r.are_purged, false), w.ids, w.lengths, r.ids
from unnest(%(projects)s::int[], %(states)s::pg_snapshot[], %(oldest)s::xid8[], %(most)s::bigint[])
     as q(project, state, oldest, most)
left join $.project j on j.id = q.project
cross join lateral (
    select coalesce(array_agg(n.memory), '{}') as ids, coalesce(array_agg(n.length), '{}') as lengths
    from (select w.memory, w.length from $.words w where w.project = q.project and w.xid >= q.oldest
          and not pg_visible_in_snapshot(w.xid, q.state) limit q.most + 1) n
) w
cross join lateral (
    select coalesce(array_agg(n.memory), '{}') as ids, bool_or(n.purged) as are_purged
    from (select r.memory, r.purged from $.removed r where r.project = q.project and r.xid >= q.oldest
          and not pg_visible_in_snapshot(r.xid, q.state) limit q.most + 1) n
) r
"""
"""What was written to projects since a state of each. (Of what is purged nothing is kept, not even to be skipped.)"""
_SIZES = "select project, count(*), sum(length::float8) from $.words where project = any(%(projects)s) group by project"
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
        return _order(self.state)

    def slots_of(self, ids: Ids) -> tuple[Slots, Mask]:
        """Return the slots of memories, and which of them have one; of the others it is any."""
        at = np.minimum(np.searchsorted(self.ids, ids, sorter=self.sorter), len(self.ids) - 1)
        slots = self.sorter[at]
        return slots, self.ids[slots] == ids

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


class _Term(NamedTuple):
    """The postings of a term of memories that were not written since: up to some state."""

    order: Order
    postings: Postings


class Known(NamedTuple):
    """Projects as they are in one state of the database, by number; empty ones are left out."""

    places: Mapping[int, Place]
    small: Mapping[int, Size]
    """Those of which nothing is kept."""

    @property
    def memories(self) -> int:
        """How many memories there are."""
        sizes = [*(place.size for place in self.places.values()), *self.small.values()]
        return sum(size.memories for size in sizes)


class Sample(NamedTuple):
    """The vectors of some memories by a model, one a row: passages and cues."""

    ids: Ids
    """The memory of each row."""
    vectors: Vectors


class _Shelf:
    """What is kept of one project: its last states, and terms, the one last asked for last; vectors, by their model."""

    def __init__(self, place: Place) -> None:
        self.places = [place]
        self.base = place.base
        self.terms: OrderedDict[int, _Term] = OrderedDict()
        self.samples: dict[int, tuple[Order, Sample]] = {}

    def put(self, place: Place) -> None:
        self.places = sorted([*self.places, place], key=lambda one: one.order)[-VERSIONS:]

    @property
    def bytes(self) -> int:
        """What it takes beside the terms."""
        vectors = sum(sample.vectors.nbytes for _, sample in self.samples.values())
        return _EACH + 18 * len(self.places[-1].ids) + vectors


class Keeping:
    """What one service has kept. Safe to use from several threads at once."""

    def __init__(self, megabytes: int) -> None:
        """So much is kept at most, but for the memories of the project that was asked last."""
        self._most_bytes = megabytes * 2**20
        self._lock = Lock()
        self._line = ""
        self._shelves: OrderedDict[int, _Shelf] = OrderedDict()
        self._bytes = 0

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._shelves.clear()
            self._bytes = 0

    def of(self, run: Transaction, projects: Sequence[int]) -> Known:
        """Return projects as they are now. Only for a transaction that reads: what it sees stays."""
        line, state = run.one(_NOW)
        places = self._brought_up(run, self._known(line, state, projects), state)
        small = _sizes(run, [one for one in projects if one not in places])
        large = [project for project, size in small.items() if size.memories >= KEPT_FROM]
        for project, place in _read(run, large, state).items():
            places[project] = place
            del small[project]
        with self._lock:
            if line == self._line:
                for project, place in places.items():
                    self._keep(project, place)
                self._shrink()
        return Known(places, small)

    def postings(
        self, run: Transaction, places: Mapping[int, Place], terms: Collection[int]
    ) -> dict[tuple[int, int], Postings]:
        """Return the postings of terms in projects, by project and term; those that have none are left out."""
        found = dict[tuple[int, int], Postings]()
        with self._lock:
            for project, place in places.items():
                shelf = self._shelves.get(project)
                if shelf is None or shelf.base != place.base:
                    continue
                for term in terms:
                    kept = shelf.terms.get(term)
                    if kept is not None and kept.order <= place.order:
                        found[project, term] = kept.postings
                        shelf.terms.move_to_end(term)
        lacking = [(project, term) for project in places for term in terms if (project, term) not in found]
        read = _read_postings(run, places, lacking)
        with self._lock:
            for (project, term), postings in read.items():
                shelf, place = self._shelves.get(project), places[project]
                if shelf is not None and shelf.base == place.base and term not in shelf.terms:
                    shelf.terms[term] = _Term(place.order, postings)
                    self._bytes += _bytes_of(postings)
            self._shrink()
        now = {key: places[key[0]].of_term(key[1], kept) for key, kept in (found | read).items()}
        return {key: postings for key, postings in now.items() if len(postings.slots)}

    def sample(self, project: int, place: Place, model: int) -> Sample | None:
        """Return the vectors that are kept of a project; those of memories that were written later do not count."""
        with self._lock:
            shelf = self._shelves.get(project)
            if shelf is None or shelf.base != place.base or model not in shelf.samples:
                return None
            order, sample = shelf.samples[model]
            return sample if order <= place.order else None

    def keep_sample(self, project: int, place: Place, model: int, sample: Sample) -> None:
        """Keep the vectors of a project."""
        with self._lock:
            shelf = self._shelves.get(project)
            if shelf is not None and shelf.base == place.base:
                self._bytes -= shelf.bytes
                shelf.samples[model] = (place.order, sample)
                self._bytes += shelf.bytes
                self._shrink()

    def _known(self, line: str, state: str, projects: Iterable[int]) -> dict[int, Place]:
        """Return projects as they are known in this state, or in an earlier one."""
        now = _order(state)
        with self._lock:
            if line != self._line:  # (transactions have other numbers there)
                self._shelves.clear()
                self._bytes, self._line = 0, line
            shelves = {project: self._shelves[project] for project in projects if project in self._shelves}
            for project in shelves:
                self._shelves.move_to_end(project)
            known = {
                project: [place for place in shelf.places if place.order <= now]
                for project, shelf in shelves.items()
            }
        return {project: places[-1] for project, places in known.items() if places}

    def _brought_up(self, run: Transaction, known: Mapping[int, Place], state: str) -> dict[int, Place]:
        """Bring what was known in earlier states to this one; projects that are to be read anew are left out."""
        brought = {project: place for project, place in known.items() if place.state == state}
        older = {project: place for project, place in known.items() if place.state != state}
        if not older:
            return brought
        limits = {project: max(MOST_NEW, len(place.ids) // 8) for project, place in older.items()}
        values = {
            "projects": list(older),
            "states": [place.state for place in older.values()],
            "oldest": [place.state.split(":")[0] for place in older.values()],
            "most": list(limits.values()),
        }
        for project, is_other, ids, lengths, gone in run.run(_NEWS, values):
            if is_other or max(len(ids), len(gone)) > limits[project]:
                continue
            place = replace(older[project], state=state)
            if ids or gone:
                place = _written(run, place, np.array(ids, np.int64), lengths, np.array(gone, np.int64))
            if place.is_gone.sum() > limits[project]:
                continue
            brought[project] = place
        return brought

    def _keep(self, project: int, place: Place) -> None:
        shelf = self._shelves.get(project)
        if shelf is None or (shelf.base < place.base and shelf.places[-1].order <= place.order):
            self._drop(project)
            shelf = self._shelves[project] = _Shelf(place)
            self._bytes += shelf.bytes
        elif shelf.base == place.base and all(one.state != place.state for one in shelf.places):
            self._bytes -= shelf.bytes
            shelf.put(place)
            self._bytes += shelf.bytes
            if int(shelf.places[-1].is_later.sum()) > max(MOST_NEW, len(place.ids) // 8):
                self._settle(shelf)

    def _settle(self, shelf: _Shelf) -> None:
        """Bring what is kept of the terms to the last state."""
        place = shelf.places[-1]
        settled = replace(
            place,
            is_later=np.zeros_like(place.is_later),
            later_terms=place.later_terms[:0],
            later=Postings(place.later.slots[:0], place.later.often[:0]),
            base=next(_bases),
        )
        for term, (order, postings) in list(shelf.terms.items()):
            self._bytes -= _bytes_of(postings)
            if order > place.order:
                del shelf.terms[term]
                continue
            now = place.of_term(term, postings)
            shelf.terms[term] = _Term(place.order, now)
            self._bytes += _bytes_of(now)
        self._bytes -= shelf.bytes
        shelf.places, shelf.base, shelf.samples = [settled], settled.base, {}
        self._bytes += shelf.bytes

    def _drop(self, project: int) -> None:
        if (shelf := self._shelves.pop(project, None)) is not None:
            self._bytes -= shelf.bytes + sum(_bytes_of(one.postings) for one in shelf.terms.values())

    def _shrink(self) -> None:
        while self._bytes > self._most_bytes:
            project, shelf = next(iter(self._shelves.items()))
            if shelf.terms:
                _, (_, postings) = shelf.terms.popitem(last=False)
                self._bytes -= _bytes_of(postings)
            elif len(self._shelves) > 1:
                self._drop(project)
            else:
                return


def _order(state: str) -> Order:
    """Return what puts the states of one database in order of time: what is done there only grows."""
    _, below, at_work = state.split(":")
    return int(below), -len([one for one in at_work.split(",") if one])


def _bytes_of(postings: Postings) -> int:
    return _EACH + postings.slots.nbytes + postings.often.nbytes


def _sizes(run: Transaction, projects: Sequence[int]) -> dict[int, Size]:
    if not projects:
        return {}
    rows = run.run(_SIZES, {"projects": list(projects)})
    return {row[0]: Size(int(row[1]), float(row[2])) for row in rows}


def _read(run: Transaction, projects: Sequence[int], state: str) -> dict[int, Place]:
    """Read the memories of projects, which have some."""
    if not projects:
        return {}
    rows = run.run(_MEMORIES, {"projects": list(projects)}, binary=True)
    return {row[0]: _place(state, _ids(row[1]), _reals(row[2])) for row in rows}


def _place(state: str, ids: Ids, lengths: Numbers) -> Place:
    nothing = np.zeros(len(ids), np.bool_)
    return Place(state, ids, _sorter(ids), lengths, nothing, nothing, _sampled(ids))


def _read_postings(
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


def _written(run: Transaction, place: Place, ids: Ids, lengths: Sequence[float], gone: Ids) -> Place:
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
