"""Stores that exchange their states in any order come to the same: on the small store, which is quick to make."""

from __future__ import annotations

import itertools
import random
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from faiss_memory import Arrival, Change, Conflict, Draft, Filter, MemoryNotFound, arrival_of
from tests.contracts.shelf_store import SHELVES, ShelfStore

EVERYTHING = Filter(projects=None, include_superseded=True)
PROJECTS = ("alpha", "beta")
_places = itertools.count()

actions = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(
            [
                "add",
                "edit",
                "tag",
                "forget",
                "purge",
                "supersede",
                "join",
                "part",
                "move",
                "back",
                "send",
                "send",
            ]
        ),
        st.integers(0, 1_000),
        st.integers(0, 1_000),
    ),
    max_size=60,
)


class Machine:
    """A store, and how it changes."""

    def __init__(self):
        self.place = f"merging {next(_places)}"
        self.store = ShelfStore(self.place)
        self.store.open()
        self.lost = []
        """What was forgotten here, as it was."""

    def do(self, what, one, other, machines):
        ids = self.store.matching_ids(EVERYTHING)
        if what == "send":
            machines[other % len(machines)].take(self.bundle(), random.Random(one))
        elif what == "back" and self.lost:
            self._bring_back(self.lost[one % len(self.lost)])
        elif what == "add" or not ids:
            self.store.add([Draft(text=f"text {one}", project=PROJECTS[one % 2])], [None])
        else:
            memory, second = (self.store.get([ids[number % len(ids)]])[0] for number in (one, other))
            with suppress(Conflict, MemoryNotFound):  # of what would be a circle, or in two projects
                self._change(what, memory, second, other)

    def _change(self, what, memory, second, other):
        changes = {
            "edit": Change(text=f"text {other % 5}"),
            "tag": Change(tags=(f"tag {other % 3}",)),
            "join": Change(supersedes=second.id if second.project == memory.project else 0),
            "part": Change(supersedes=0),
            "move": Change(project=PROJECTS[other % 2]),
        }
        if what in changes:
            self.store.change(memory.id, changes[what], None)
        elif what == "forget":
            self.lost.append(memory)
            self.store.forget([memory.id])
        elif what == "purge":
            self.store.purge([memory.id])
        elif what == "supersede":
            draft = Draft(text=f"instead {other}", project=memory.project, supersedes=memory.id)
            self.store.add([draft], [None])

    def _bring_back(self, memory):
        standing = self.store.known([memory.uid])[memory.uid]
        if standing.state == "forgotten":
            (grave,) = [one for one in self.store.tombstones() if one.uid == memory.uid]
            self.take([replace(arrival_of(memory), revision=grave.revision + 1)], random.Random(0))

    def bundle(self):
        """All states, as they arrive elsewhere."""
        return [
            *(arrival_of(one) for one in self.store.get(self.store.matching_ids(EVERYTHING))),
            *(
                Arrival(uid=one.uid, revision=one.revision, changed=one.changed, purged=one.purged, project=one.project)
                for one in self.store.tombstones()
            ),
        ]  # fmt: skip

    def take(self, arrivals, chance):
        """Merge, some at a time and in any order, and purge what is to be purged."""
        arrivals = list(arrivals)
        chance.shuffle(arrivals)
        while arrivals:
            some, arrivals = arrivals[:3], arrivals[3:]
            preview = self.store.merge(some, dry_run=True)
            merged = self.store.merge(some)
            assert [one.outcome for one in preview] == [one.outcome for one in merged]
            self.store.purge([one.memory_id for one in merged if one.outcome == "purge"])

    def state(self):
        memories = self.store.get(self.store.matching_ids(EVERYTHING))
        uids = {one.id: one.uid for one in memories}
        there = {
            one.uid: (
                *(one.text, one.project, one.tags, one.revision, one.changed, one.supersedes_uid),
                *(uids.get(one.supersedes), one.superseded_by is not None),
            )
            for one in memories
        }  # fmt: skip
        return there, self.store.tombstones()


@pytest.fixture(autouse=True)
def _cleared():
    yield
    for place in [place for place in SHELVES if place.startswith("merging ")]:
        del SHELVES[place]


@given(actions, st.randoms(use_true_random=False))
def test_stores_that_exchange_their_states_come_to_the_same(does, chance):
    machines = [Machine() for _ in range(3)]
    purged, latest = set(), {}
    for number, what, one, other in does:
        machines[number].do(what, one, other, machines)
        for machine in machines:
            there, graves = machine.state()
            purged |= {grave.uid for grave in graves if grave.purged}
            for uid, said in there.items():
                latest[uid] = max(latest.get(uid, (0, False)), (said[3], False))
            for grave in graves:
                latest[grave.uid] = max(latest.get(grave.uid, (0, False)), (grave.revision, True))
    pairs = [(one, other) for one in machines for other in machines if one is not other]
    for _ in range(2):
        chance.shuffle(pairs)
        for one, other in pairs:
            other.take(one.bundle(), chance)
    states = [machine.state() for machine in machines]
    assert states[0] == states[1] == states[2]
    there, graves = states[0]
    forgotten = {uid for uid, (_, is_gone) in latest.items() if is_gone} - purged
    assert {grave.uid for grave in graves if grave.purged} == purged
    assert {grave.uid for grave in graves if not grave.purged} == forgotten, (
        "nothing has risen, nothing is lost"
    )
    assert there.keys() == latest.keys() - forgotten - purged
    named = {said[5] for said in there.values()}
    assert all(uid in named for uid, said in there.items() if said[7])
    for machine in machines:
        for one in there:
            machine.store.history(machine.store.known([one])[one].memory_id)  # (which ends)
        machine.take(machines[0].bundle(), chance)
        assert machine.state() == states[0]
