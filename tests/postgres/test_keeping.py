"""What a service keeps for searches by words is kept up, whoever writes: scores stay the embedded store's."""

from __future__ import annotations

import pytest

from faiss_memory import Change, Draft, Filter
from faiss_memory.rights import set_seen
from faiss_memory.store import EmbeddedStore
from faiss_memory_conformance.store_home import Home
from faiss_memory_conformance.store_oracle import EPOCH
from faiss_memory_plugins.postgres.database import Transaction
from faiss_memory_plugins.postgres.legs import keeping, places
from faiss_memory_plugins.postgres.settings import PostgresSettings
from faiss_memory_plugins.postgres.store import PostgresStore

QUERY = "ledger cache token nowhere"


@pytest.fixture
def kept(monkeypatch):
    """Every project is kept, also one of a single memory."""
    monkeypatch.setattr(keeping, "KEPT_FROM", 1)


@pytest.fixture
def counted(monkeypatch):
    """What is read anew."""
    asked, run_it = [], Transaction.run

    def noted(run, sql, values=None, **options):
        if sql in (places._MEMORIES, places._POSTINGS):
            asked.append(sql)
        return run_it(run, sql, values, **options)

    monkeypatch.setattr(Transaction, "run", noted)
    return asked


@pytest.fixture
def three(server, schema, tmp_path):
    """Two services over one database, and the embedded store beside them."""
    settings = PostgresSettings(schema=schema, connections=3)
    homes = [
        Home(lambda: PostgresStore(server.uri, settings)),
        Home(lambda: PostgresStore(server.uri, settings)),
        Home(lambda: EmbeddedStore(tmp_path, lambda _: None)),
    ]
    yield homes
    for home in homes:
        home.close()


def _draft(text, project="alpha", **fields):
    return Draft(text=text, project=project, timestamp=EPOCH, **fields)


def _scores(home, where):
    return [score for _, score in home.legs(QUERY, where).legs.words]


def _add(*args, **fields):
    return lambda store, _: store.add([_draft(*args, **fields)], [None])


WRITES = {
    "some": lambda store, _: store.add([_draft(text) for text in ("a ledger", "a cache", "x token")], [None] * 3),
    "one more": _add("ledger and cache"),
    "in another project": _add("a ledger here", "beta"),
    "a part": _add("part one, a token", source="notes/a.md#1"),
    "another part": _add("part two, a cache", source="notes/a.md#2"),
    "changed": lambda store, ids: store.change(ids["a ledger"], Change(text="cache, cache, cache"), None),
    "moved": lambda store, ids: store.change(ids["ledger and cache"], Change(project="beta"), None),
    "replaced": lambda store, ids: store.add([_draft("a newer cache", supersedes=ids["a cache"])], [None]),
    "forgotten": lambda store, ids: store.forget([ids["x token"]]),
    "a part forgotten": lambda store, ids: store.forget([ids["part one, a token"]]),
    "rewritten": lambda store, ids: store.rewrite([_draft("all of the ledger")], [None], {}, [ids["a newer cache"]]),
    "dropped": lambda store, _: store.drop_project("beta"),
    "and again": _add("another ledger", "beta"),
    "purged": lambda store, ids: store.purge([ids["another ledger"]]),
}  # fmt: skip


LIMITS = {"ample": (1000, 100), "few changes": (1, 100), "little room": (1000, 0)}
"""The most changes that are followed, and the room."""


def test_scores_are_right_after_every_kind_of_write_by_whichever_service(three, kept, monkeypatch):
    one, other, embedded = three
    shelves = {name: keeping.Keeping(room) for name, (_, room) in LIMITS.items()}
    everything = Filter(projects=None, include_superseded=True)
    for number, (kind, write) in enumerate(WRITES.items()):
        for home in (three[number % 2], embedded):
            write(home.store, {memory.text: memory.id for memory in home.store.select(everything)})
        for where in (Filter(projects=("alpha",)), Filter(projects=None)):
            wanted = _scores(embedded, where)
            assert _scores(other, where) == pytest.approx(wanted, rel=1e-5), kind
            for name, (most_new, _) in LIMITS.items():
                with monkeypatch.context() as limited:
                    limited.setattr(keeping, "MOST_NEW", most_new)
                    one.store._keeping = shelves[name]
                    assert _scores(one, where) == pytest.approx(wanted, rel=1e-5), (kind, name)


def test_what_was_counted_is_not_counted_again(three, kept, counted):
    one, other, _ = three
    where = Filter(projects=("alpha",))
    one.add(*(_draft(f"ledger {number}, a cache and a token") for number in range(7)))
    other.add(_draft("the cache of another", "beta"))
    _scores(one, where)
    assert counted
    counted.clear()
    _scores(one, where)
    other.add(_draft("a ledger more"))
    other.add(_draft("something elsewhere", "beta"))
    set_seen(("alpha",))
    try:
        assert len(_scores(one, where)) == 8
    finally:
        set_seen(None)
    assert not counted


def test_a_search_that_began_before_does_not_see_later_postings(three, kept):
    """As where a search waits for the processor, while another that began after it is done."""
    one, other, _ = three
    where, words = Filter(projects=("alpha",)), keeping.Keeping(1)
    one.add(*(_draft(f"ledger {number}") for number in range(3)))
    terms = [number for (number,) in one.store._database.read(lambda run: run.run(
        "select distinct term from $.posting"))]  # fmt: skip

    def count(run):
        projects = [
            row[0]
            for row in run.run(
                "select id from $.project where name = any(%(n)s)", {"n": list(where.projects)}
            )
        ]
        places = words.of(run, projects).places
        return [len(found.slots) for found in words.postings(run, places, terms).values()]

    def early(run):
        run.one("select 1 from $.state")  # (the state is that of now)
        other.add(_draft("ledger 3"))
        assert max(other.store._database.read(count)) == 4
        return count(run)

    assert max(one.store._database.read(early)) == 3
    assert max(one.store._database.read(count)) == 4


def test_what_is_committed_late_is_found(three, kept):
    """A memory with a lower id than others that are kept already."""
    one, other, _ = three
    where = Filter(projects=("alpha",))
    one.add(_draft("a ledger"))

    def late(run):
        (added,) = one.store._writer.add(run, [_draft("a late ledger, a cache")], [None], None)
        other.add(_draft("a ledger in time"))
        assert len(_scores(other, where)) == 2
        return added.id

    key = one.store._database.write(late)
    found = dict(other.legs(QUERY, where).legs.words)
    assert len(found) == 3
    assert found[key] == max(found.values())


def test_nothing_is_kept_of_what_is_purged(three, kept):
    one, other, _ = three
    where = Filter(projects=("alpha",))
    keys = one.add(*(_draft(f"ledger {number}") for number in range(3)))
    assert len(_scores(one, where)) == len(_scores(other, where)) == 3
    one.store.purge([keys[1]])
    for home in (one, other):
        assert len(_scores(home, where)) == 2
        kept_ids = [
            place.ids.tolist() for shelf in home.store._keeping._shelves.values() for place in shelf.places
        ]
        assert kept_ids
        assert not any(keys[1] in ids for ids in kept_ids)
