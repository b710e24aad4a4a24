"""What a service keeps of the postings of projects: read once, and kept up afterwards.

What is kept of a project is that of one state of the database. A search in a later one asks which memories were written
between the two, and reads the postings of these alone; what it knows then is what it would have read itself, to the
last memory. Postings of a term are read when they are first asked for. What is kept is bounded, least recently used
first out, and is no more than the database has: a service that starts begins with nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import NamedTuple

import numpy as np

from faiss_memory_plugins.postgres.database import Transaction
from faiss_memory_plugins.postgres.legs.asking import Size
from faiss_memory_plugins.postgres.legs.places import (
    Order,
    Place,
    Postings,
    Sample,
    order_of,
    read_places,
    read_postings,
    written,
)

KEPT_FROM = 100
"""Of a project with fewer memories nothing is kept: reading it each time costs little."""
MOST_NEW = 1000
"""If more memories were written since, or an eighth of all, what was kept is left and read anew."""
VERSIONS = 4
"""So many states of a project are kept: a search may have begun before another that is done already."""
_EACH = 400
"""About how many bytes anything takes beside its numbers."""


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


class _Term(NamedTuple):
    """The postings of a term of memories that were not written since: up to some state."""

    order: Order
    postings: Postings


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
        for project, place in read_places(run, large, state).items():
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
        read = read_postings(run, places, lacking)
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
        now = order_of(state)
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
                place = written(run, place, np.array(ids, np.int64), lengths, np.array(gone, np.int64))
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
        settled = place.settled()
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


def _bytes_of(postings: Postings) -> int:
    return _EACH + postings.slots.nbytes + postings.often.nbytes


def _sizes(run: Transaction, projects: Sequence[int]) -> dict[int, Size]:
    if not projects:
        return {}
    rows = run.run(_SIZES, {"projects": list(projects)})
    return {row[0]: Size(int(row[1]), float(row[2])) for row in rows}
