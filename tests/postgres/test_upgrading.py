"""A database of an earlier version is brought to the present tables, with everything in it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from faiss_memory import Change, Draft, Filter, Search

EVERYTHING = Filter(projects=None, include_superseded=True)
STATES = ("valid_until", "revision", "changed", "older")


DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"


def _without_team(schema):
    tables = ("member", "token", "grant", "subject", "log")
    return [f"drop table {schema}.team_{name} cascade" for name in tables]


def _short(number):
    digits = ""
    while number:
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits


def _before_postings(server, schema):
    """Make what memories are found by what it was before: their terms and weights in one row each, or in two."""
    postings = server.run(f"select project, term, memory, often, length from {schema}.posting order by 3, 2")
    server.run(
        f"drop table {schema}.posting, {schema}.words cascade",
        f"drop index {schema}.memory_current",
        f"create table {schema}.words (project int not null, memory bigint not null, part int not null, length real"
        " not null, terms tsvector not null, counts sparsevec(1000000000) not null, primary key (memory, part))",
        f"create index words_length on {schema}.words (project) include (memory, length) where part = 0",
        f"create index words_terms on {schema}.words using gin (terms)",
    )
    for memory in {row[2] for row in postings}:
        rows = [row for row in postings if row[2] == memory]
        for part, some in enumerate((rows[:3], rows[3:])):
            terms = " ".join(
                f"''{_short(project)}.{_short(term)}'':1{'A' if often > 0 else ''}"
                for project, term, _, often, _ in some
            )
            counts = ",".join(f"{term}:{abs(often)}" for _, term, _, often, _ in some)
            server.run(
                f"insert into {schema}.words values ({rows[0][0]}, {memory}, {part}, {rows[0][4]}, '{terms}',"
                f" '{{{counts}}}/1000000000')"
            )


def _found_by_words(store):
    return [
        store.search(
            Search(where=EVERYTHING, depth=10, text=text), lambda legs: [key for key, _ in legs.words]
        )
        for text in ("redis", "cache queue", "tokens", "nobody")
    ]


def test_memories_are_found_by_the_same_words(make_store, schema, server):
    store = make_store()
    store.open()
    texts = ["redis and its cache", "a queue of tokens", "a queue, and no redis: 東京 v2.1.0", "cache"]
    drafts = [Draft(text=text, source=f"notes/a.md#{number}") for number, text in enumerate(texts)]
    store.add([*drafts, Draft(text="another cache", project="else"), Draft(text="!")], [None] * 6)
    before, postings = _found_by_words(store), server.run(f"select * from {schema}.posting order by 3, 2")
    sizes = server.run(f"select memory, project, length from {schema}.words order by 1")
    store.close()
    _before_postings(server, schema)
    server.run(f"update {schema}.state set version = 4")
    store = make_store()
    store.open()
    assert server.run(f"select * from {schema}.posting order by 3, 2") == postings
    assert server.run(f"select memory, project, length from {schema}.words order by 1") == sizes
    assert _found_by_words(store) == before
    assert [len(found.legs.words) for found in before] == [4, 5, 3, 0]


def test_what_a_service_of_before_writes_is_noted_as_well(make_store, schema, server):
    store = make_store()
    store.open()
    store.add([Draft(text="redis and its cache")], [None])
    store.close()
    server.run(
        f"alter table {schema}.words drop column xid",
        f"drop index {schema}.memory_replaced",
        f"create index words_length on {schema}.words (project) include (length)",
        f"update {schema}.state set version = 6",
    )
    store = make_store()
    store.open()
    server.run(f"insert into {schema}.words (memory, project, length) values (-1, 1, 2)")
    written = server.run(f"select memory, xid::text::bigint > 3 from {schema}.words order by 1")
    assert written == [(-1, True), (1, False)]
    assert [len(found.legs.words) for found in _found_by_words(store)] == [1, 1, 0, 0]


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
    _before_postings(server, schema)
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
    _before_postings(server, schema)
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
