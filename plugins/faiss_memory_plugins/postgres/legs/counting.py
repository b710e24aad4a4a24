"""How many memories a project has, how long they are, and how many hold a term: counted once, and kept up afterwards.

What is kept of a project is that of one state of the database. A search in a later one counts what was stored between
the two and adds it; where anything else was written, everything is counted anew. So a search counts what it would have
counted itself, to the last memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import NamedTuple

from faiss_memory_plugins.postgres.database import Transaction

KEPT_FROM = 100
"""A term that fewer memories hold is counted by each search, and so is a project that has fewer: that costs nothing."""
MOST_NEW = 1000
"""If more memories were stored since, everything is counted anew."""
MOST_PROJECTS = 1000

_NOW = "select line::text, pg_current_snapshot()::text from $.state"
_NEWS = f"""
select q.project, n.ids, coalesce(n.are_parts, false),
       coalesce(n.are_changed, false) or j.id is null or not pg_visible_in_snapshot(coalesce(j.left_by, '3'), q.state)
       or exists (select from $.removed r where r.project = q.project and r.xid >= pg_snapshot_xmin(q.state)
                  and not pg_visible_in_snapshot(r.xid, q.state))
from unnest(%(projects)s::int[], %(states)s::pg_snapshot[]) q(project, state)
left join $.project j on j.id = q.project
cross join lateral (
    select coalesce(array_agg(w.id), '{{}}') as ids, bool_or(w.sequence <> 0) as are_parts,
           bool_or(pg_visible_in_snapshot(w.born, q.state)) as are_changed
    from (select m.id, m.sequence, m.born from $.memory m
          where m.project = q.project and m.xid >= pg_snapshot_xmin(q.state)
          and not pg_visible_in_snapshot(m.xid, q.state) limit {MOST_NEW + 1}) w
) n
"""
"""What was written to projects since a state of each."""
_SIZES = """
select project, count(*), sum(length::float8) from $.words where project = any(%(projects)s) group by project
"""
_NEW_SIZE = "select count(*), coalesce(sum(length::float8), 0) from $.words where memory = any(%(ids)s)"
_HOLDERS = """
select q.project, q.term,
       (select count(*) from $.posting p where p.project = q.project and p.term = q.term and p.often > 0)
from unnest(%(project)s::int[], %(term)s::int[]) as q(project, term)
"""
_NEW_HOLDERS = """
select term, count(*) from $.posting where memory = any(%(ids)s) and term = any(%(terms)s) and often > 0 group by term
"""


class Size(NamedTuple):
    """How many memories a project has, and how long they are together, in words."""

    memories: int
    length: float

    @property
    def average(self) -> float:
        """How long they are on average, at least 1."""
        return max(1.0, self.length / self.memories)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a project in one state of the database."""

    state: str
    size: Size
    holders: Mapping[int, int] = field(default_factory=dict)
    """By term, of frequent ones."""


class Counts:
    """What one service has counted. Safe to use from several threads at once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._line = ""
        self._known: OrderedDict[int, _Known] = OrderedDict()

    def of(
        self, run: Transaction, projects: Sequence[int], terms: Collection[int]
    ) -> tuple[dict[int, Size], dict[tuple[int, int], int]]:
        """Return the sizes of projects, empty ones left out, and how many memories hold a term, by project and term."""
        line, state = run.one(_NOW)
        known = _brought_up(run, self._kept(line, state, projects), state)
        for project, size in _sizes(run, [one for one in projects if one not in known]).items():
            known[project] = _Known(state, size)
        lacking = [
            (project, term) for project, one in known.items() for term in terms if term not in one.holders
        ]
        holders = {
            (project, term): one.holders.get(term, 0) for project, one in known.items() for term in terms
        }
        holders |= _holders(run, lacking)
        self._keep(line, known, holders)
        return {project: known[project].size for project in projects if project in known}, holders

    def _kept(self, line: str, state: str, projects: Iterable[int]) -> dict[int, _Known]:
        """Return what is known of projects in this state or an earlier one."""
        with self._lock:
            if line != self._line:  # (transactions have other numbers there)
                self._known.clear()
                self._line = line
            found = {project: self._known[project] for project in projects if project in self._known}
        return {project: one for project, one in found.items() if _order(one.state) <= _order(state)}

    def _keep(self, line: str, known: Mapping[int, _Known], holders: Mapping[tuple[int, int], int]) -> None:
        frequent: dict[int, dict[int, int]] = {}
        for (project, term), count in holders.items():
            if count >= KEPT_FROM:
                frequent.setdefault(project, {})[term] = count
        with self._lock:
            if line != self._line:
                return
            for project, one in known.items():
                there = self._known.get(project)
                if one.size.memories < KEPT_FROM or (there and _order(there.state) > _order(one.state)):
                    continue
                before = there.holders if there and there.state == one.state else {}
                kept = {**before, **one.holders, **frequent.get(project, {})}
                self._known[project] = replace(one, holders=kept)
                self._known.move_to_end(project)
            while len(self._known) > MOST_PROJECTS:
                self._known.popitem(last=False)


def _order(state: str) -> tuple[int, int]:
    """Return what puts the states of one database in order of time: what is done there only grows."""
    _, below, at_work = state.split(":")
    return int(below), -len([one for one in at_work.split(",") if one])


def _brought_up(run: Transaction, known: Mapping[int, _Known], state: str) -> dict[int, _Known]:
    """Bring what was known in earlier states to this one; projects that are to be counted anew are left out."""
    brought = {project: one for project, one in known.items() if one.state == state}
    older = {project: one for project, one in known.items() if one.state != state}
    if not older:
        return brought
    values = {"projects": list(older), "states": [one.state for one in older.values()]}
    for project, ids, are_parts, is_other in run.run(_NEWS, values):
        if is_other or len(ids) > MOST_NEW:
            continue
        one = older[project]
        size, holders = one.size, dict(one.holders)
        if ids:
            for term, count in run.run(_NEW_HOLDERS, {"ids": ids, "terms": list(holders)}):
                holders[term] += count
            # (What is part of a file makes its neighbours longer.)
            size = (
                _sizes(run, [project])[project]
                if are_parts
                else _grown(size, run.one(_NEW_SIZE, {"ids": ids}))
            )
        brought[project] = _Known(state, size, holders)
    return brought


def _grown(size: Size, more: Sequence[float]) -> Size:
    return Size(size.memories + int(more[0]), size.length + float(more[1]))


def _sizes(run: Transaction, projects: Sequence[int]) -> dict[int, Size]:
    if not projects:
        return {}
    rows = run.run(_SIZES, {"projects": list(projects)})
    return {row[0]: Size(int(row[1]), float(row[2])) for row in rows}


def _holders(run: Transaction, pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
    if not pairs:
        return {}
    rows = run.run(_HOLDERS, {"project": [pair[0] for pair in pairs], "term": [pair[1] for pair in pairs]})
    return {(row[0], row[1]): int(row[2]) for row in rows}
