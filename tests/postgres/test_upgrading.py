"""A database of an earlier version is brought to the present tables, with everything in it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from faiss_memory import Change, Draft, Filter

EVERYTHING = Filter(projects=None, include_superseded=True)
STATES = ("valid_until", "revision", "changed", "older")


def _without_team(schema):
    tables = ("member", "token", "grant", "subject", "log")
    return [f"drop table {schema}.team_{name} cascade" for name in tables]


@pytest.fixture
def older(make_store, schema, server):
    """A store whose database was made before states were counted: three memories, and one that was forgotten."""
    store = make_store()
    store.open()
    first, second, third = (one.id for one in store.add([Draft(text=text) for text in "abc"], [None] * 3))
    store.add([Draft(text="d", supersedes=second)], [None])
    store.forget([third])
    store.close()
    columns = ", ".join(f"drop column {name}" for name in (*STATES, "actor"))
    server.run(
        f"alter table {schema}.memory {columns}",
        f"alter table {schema}.removed drop column revision, drop column changed, drop column place cascade",
        *_without_team(schema),
        f"update {schema}.state set version = 2",
    )
    return make_store(), first, second, third


def test_memories_begin_to_be_counted(older):
    store, first, second, third = older
    store.open()
    found = {one.text: one for one in store.get(store.matching_ids(EVERYTHING))}
    assert {text: one.revision for text, one in found.items()} == {"a": 1, "b": 1, "d": 1}
    assert (found["d"].supersedes, found["d"].supersedes_uid) == (second, found["b"].uid)
    (grave,) = store.tombstones()
    assert (grave.revision, grave.project, store.known([grave.uid])[grave.uid].memory_id) == (
        2,
        "default",
        third,
    )
    changed = store.change(first, Change(valid_until=datetime(2031, 1, 1, tzinfo=UTC)), None)
    assert (changed.revision, changed.valid_until) == (2, datetime(2031, 1, 1, tzinfo=UTC))


def test_memories_of_before_the_team_are_the_owners(make_store, schema, server):
    store = make_store()
    store.open()
    (first,) = (one.id for one in store.add([Draft(text="a")], [None]))
    store.change(first, Change(tags=("x",)), None)
    store.close()
    server.run(
        f"alter table {schema}.memory drop column actor",
        *_without_team(schema),
        f"update {schema}.state set version = 3",
    )
    store = make_store()
    store.open()
    assert not store.team.exist()
    (second,) = (one.id for one in store.add([Draft(text="b", actor="ana")], [None]))
    assert {one.text: (one.actor, one.revision) for one in store.get([first, second])} == {
        "a": (None, 2), "b": ("ana", 1),
    }  # fmt: skip
