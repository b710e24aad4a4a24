"""A large project has an approximate index, which finds what comparing everything finds; small ones need none."""

from __future__ import annotations

import random

import numpy as np
import psycopg
import pytest

from faiss_memory import Change, Draft, Filter, new_uid
from faiss_memory.rights import set_seen
from faiss_memory_conformance.store_home import Home, embed
from faiss_memory_conformance.store_oracle import WORDS
from faiss_memory_plugins.postgres.database import Transaction
from faiss_memory_plugins.postgres.large import EXACT_BELOW, _sizes
from faiss_memory_plugins.postgres.legs import places
from faiss_memory_plugins.postgres.rows import to_vector
from faiss_memory_plugins.postgres.settings import PostgresSettings
from faiss_memory_plugins.postgres.store import PostgresStore

pytestmark = pytest.mark.postgres
SIZE, FEW = EXACT_BELOW + 2000, 37
LARGE = Filter(projects=("large",))
SCHEMA = "largeplace"
RECALL = 0.98


class Place:
    def __init__(self, server) -> None:
        self.server = server
        self.home = Home(
            lambda: PostgresStore(server.uri, PostgresSettings(schema=SCHEMA, index_above=SIZE - 1000))
        )
        self.home.add("the first of the large ones")
        chance = random.Random(5)
        more = [f"rare{number}" for number in range(300)]
        self.texts = [
            " ".join(chance.choices([*WORDS, *more], k=chance.randint(3, 9))) for _ in range(SIZE + FEW)
        ]
        self.vectors = np.stack([embed(text).vectors[0] for text in self.texts])
        with psycopg.connect(server.uri) as connection:
            self._load(connection)
        server.run(f"analyze {SCHEMA}.memory", f"analyze {SCHEMA}.passage")

    def _load(self, connection: psycopg.Connection) -> None:
        connection.execute(f"set search_path = {SCHEMA}, public")
        connection.execute("insert into project (name) values ('large'), ('small')")
        projects = dict(connection.execute("select name, id from project").fetchall())
        into = (
            "copy memory (id, project, uid, text, source, tags, cues, metadata, fields, learnt, sequence, born, xid,"
            " writer) from stdin"
        )
        with connection.cursor().copy(into) as copy:
            for number, text in enumerate(self.texts):
                project = projects["large" if number < SIZE else "small"]
                tag = "{rare}" if number % 200 == 0 else "{half}" if number % 2 else "{}"
                copy.write_row(
                    (
                        number + 10,
                        project,
                        new_uid(),
                        text,
                        "",
                        tag,
                        "{}",
                        "{}",
                        "{}",
                        "2026-01-01Z",
                        0,
                        "3",
                        "3",
                        new_uid(),
                    )
                )
        connection.execute(
            "insert into words (memory, project, length) select id, project, 5 from memory where id >= 10"
        )
        with connection.cursor().copy("copy passage from stdin") as copy:
            for number, vector in enumerate(self.vectors):
                project = projects["large" if number < SIZE else "small"]
                copy.write_row(
                    (project, 1, number + 10, 0, None, 0, len(self.texts[number]), 1, to_vector(vector))
                )

    def recall(self, where: Filter, of: np.ndarray, queries: int = 20) -> float:
        """Of the ten truly nearest among some, how many are found."""
        found = 0
        for query in self.texts[: SIZE : SIZE // queries][:queries]:
            near = self.home.nearest(query, where, depth=10)
            assert len(near) == len(set(near)) == 10
            scores = self.vectors[of] @ embed(query).vectors[0]
            least = np.sort(scores)[-10]
            found += sum(
                bool(self.vectors[key - 10] @ embed(query).vectors[0] >= least - 1e-5) for key in near
            )
        return found / 10 / queries

    def scans(self) -> int:
        (row,) = self.server.run(
            "select coalesce(sum(idx_scan), -1) from pg_stat_user_indexes where indexrelname like 'passage_near%'"
        )
        return int(row[0])


@pytest.fixture(scope="module")
def place(server):
    place = Place(server)
    yield place
    place.home.close()


def test_a_large_project_has_an_index_that_finds_what_is_there(place):
    every = np.arange(SIZE)
    assert place.recall(LARGE, every) == 1.0
    exact = place.home.legs(place.texts[3], LARGE).legs
    assert place.home.store.tend() == ["built passage_near_2_1"]
    assert place.home.store.tend() == []
    before = place.scans()
    assert place.recall(LARGE, every) >= RECALL
    place.home.reopen()  # what a connection has counted is told when it ends
    assert place.scans() > before
    legs = place.home.legs(place.texts[3], LARGE).legs
    assert (legs.scope.mean, legs.scope.spread) == pytest.approx(
        (exact.scope.mean, exact.scope.spread), abs=0.03
    )
    assert legs.scope.memories == SIZE


def test_how_similarity_is_spread_is_kept_up(place, monkeypatch):
    """By every service, whoever writes: here the sample is all there is, and so what comparing everything tells."""
    monkeypatch.setattr(places, "SAMPLED", 2 * SIZE)
    place.home.store._keeping.clear()
    other = Home(lambda: PostgresStore(place.server.uri, PostgresSettings(schema=SCHEMA)))
    query = place.texts[3]

    def scopes():
        return [home.legs(query, LARGE).legs.scope for home in (place.home, other)]

    def check(texts):
        near = np.concatenate([place.vectors[:SIZE], *(embed(text).vectors for text in texts)]) @ vector
        for scope in scopes():
            assert (scope.memories, scope.mean, scope.spread) == (
                len(near), pytest.approx(near.mean(), abs=1e-4), pytest.approx(near.std(), abs=1e-4),
            )  # fmt: skip

    vector = embed(query).vectors[0]
    check([])
    first, second = place.home.add(Draft(text=query, project="large"), Draft(text="cache", project="large"))
    check([query, "cache"])
    other.store.change(second, Change(text=f"{query} too"), embed(f"{query} too"))
    check([query, f"{query} too"])
    (third,) = other.add(Draft(text="instead", project="large", supersedes=first))
    check(["instead", f"{query} too"])
    place.home.store.forget([third, second])
    check([query])
    other.store.forget([first])
    check([])
    other.close()


def test_only_projects_are_counted_that_may_be_large(place):
    """Which these are, the database has estimated: not every passage is gone through each time."""
    table = f"{SCHEMA}.passage"
    place.server.run(
        f"alter table {table} set (autovacuum_enabled = off)",
        f"analyze {table}",
        f"insert into {table} select 3, 1, -g, 0, null, 0, 1, 1, vec"
        f" from (select vec from {table} limit 1) v, generate_series(1, 1000) g",
    )
    with psycopg.connect(place.server.uri, autocommit=True) as connection:
        assert {one.project for one in _sizes(connection, SCHEMA, 900, ())} == {2}
        assert {one.project for one in _sizes(connection, SCHEMA, 900, ["passage_near_3_1"])} == {2, 3}
        place.server.run(f"analyze {table}")
        assert {one.project for one in _sizes(connection, SCHEMA, 900, ())} == {2, 3}
    place.server.run(
        f"delete from {table} where project = 3 and memory < 0",
        f"analyze {table}",
        f"alter table {table} reset (autovacuum_enabled)",
    )


@pytest.mark.parametrize("seen", [None, ("large", "small")], ids=["the owner", "a member"])
def test_a_search_goes_by_the_index_whoever_asks(place, seen, monkeypatch):
    plans, run_it = [], Transaction.run

    def explained(run, sql, values=None, **options):
        if "::halfvec" in sql:
            plans.extend(str(row[0]) for row in run_it(run, f"explain {sql}", values))
        return run_it(run, sql, values, **options)

    monkeypatch.setattr(Transaction, "run", explained)
    set_seen(seen)
    try:
        for where in (LARGE, Filter(projects=("large",), without_cues=True)):
            plans.clear()
            assert len(place.home.nearest(place.texts[0], where)) == 10
            assert any("Index Scan using passage_near_2_1" in line for line in plans), plans
            assert not any("Sort" in line for line in plans), plans
    finally:
        set_seen(None)


def test_what_is_indexed_is_told(place):
    (told,) = place.home.store.indexes()
    assert (told.project, told.model, told.state, told.phase) == ("large", "words@1", "ready", None)
    assert told.bytes > SIZE * 100
    name = f"{SCHEMA}.passage_near_2_1"
    # A build that was cut short leaves an index that is no good: nobody asks it, and it is built again.
    mark = f"update pg_index set indisvalid = false where indexrelid = '{name}'::regclass"
    place.server.run(mark)
    assert [one.state for one in place.home.store.indexes()] == ["unfinished"]
    place.home.reopen()
    before = place.scans()
    assert place.recall(LARGE, np.arange(SIZE), 2) == 1.0
    place.home.reopen()
    assert place.scans() == before
    assert place.home.store.tend() == ["dropped passage_near_2_1", "built passage_near_2_1"]
    assert [one.state for one in place.home.store.indexes()] == ["ready"]


def test_filters_and_small_projects_are_answered_in_full(place):
    rare, half = np.arange(0, SIZE, 200), np.arange(1, SIZE, 2)
    small = np.arange(SIZE, SIZE + FEW)
    assert place.recall(Filter(projects=("large",), tags=("rare",)), rare) == 1.0
    assert place.recall(Filter(projects=("large",), tags=("half",)), half) >= RECALL
    assert place.recall(Filter(projects=("small",)), small) == 1.0
    assert place.recall(Filter(projects=None), np.arange(SIZE + FEW)) >= RECALL


def test_k_is_k_however_many_are_asked_for(place):
    for depth in (1, 100, 700, SIZE + 5):
        assert len(place.home.nearest(place.texts[0], LARGE, depth)) == min(depth, SIZE)


def test_an_index_goes_when_its_project_has_shrunk(place):
    place.server.run(f"delete from {SCHEMA}.passage where project = 2 and memory > 2000")
    assert place.home.store.tend() == ["dropped passage_near_2_1"]
    assert place.home.store.tend() == []


def test_an_old_pgvector_has_no_index(place):
    place.server.run(f"insert into {SCHEMA}.passage select 2, 1, -g, 0, null, 0, 1, 1, vec from"
                     f" (select vec from {SCHEMA}.passage limit 1) v, generate_series(1, {SIZE}) g")  # fmt: skip
    ((version,),) = place.server.run("select extversion from pg_extension where extname = 'vector'")
    place.server.run("update pg_extension set extversion = '0.7.4' where extname = 'vector'")
    try:
        assert place.home.store.tend() == []  # (though it is large enough again)
    finally:
        place.server.run(f"update pg_extension set extversion = '{version}' where extname = 'vector'")
