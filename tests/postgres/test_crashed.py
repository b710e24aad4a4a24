"""A server that has crashed gives numbers of transactions again: nobody takes another one for their own."""

from __future__ import annotations

import time

import psycopg
import pytest

from faiss_memory import Draft, Filter
from faiss_memory_conformance.store_home import Home
from faiss_memory_plugins.postgres.settings import PostgresSettings
from faiss_memory_plugins.postgres.store import PostgresStore
from tests.postgres.servers import running_server

TRIES = 5


@pytest.fixture
def crashing():
    """A server of its own, and a home whose next commit meets a crash after which its number is another's."""
    with running_server() as server:
        # (Any process that writes the log down saves the number.)
        server.run("alter system set wal_writer_delay = '10s'", "select pg_reload_conf()")
        home = Home(lambda: PostgresStore(server.uri, PostgresSettings(schema="crashed")))
        database = home.store._database
        written, alone = database._written, database.alone
        numbers = []

        def crash(connection, call):
            def call_and_kill(run):
                answer = call(run)
                if not numbers:
                    numbers.append(run.xid)
                    server.kill()
                return answer

            return written(connection, call_and_kill)

        def come_back():
            if len(numbers) == 1:
                server.start_again()
                with psycopg.connect(server.uri, autocommit=True) as other:
                    while not numbers[1:] or numbers[-1] < numbers[0]:
                        (number,) = other.execute("select pg_current_xact_id()::text::bigint").fetchone()
                        numbers.append(number)
            return alone()

        def begin():
            numbers.clear()
            time.sleep(0.5)  # until other services were told of what was written before
            database._written, database.alone = crash, come_back

        yield home, begin, numbers
        home.close()


def test_a_write_whose_number_another_has_committed_is_done_once(crashing):
    home, begin, numbers = crashing
    for _ in range(TRIES):
        (first,) = home.add(Draft(text="the ledger lies in postgres"))
        begin()
        assert home.store.forget([first]) == [first]
        assert home.store.get([first]) == []
        (second,) = home.add(Draft(text="the ledger lies in redis"))
        assert second > first
        assert home.store.forget([second]) == [second]
        assert home.store.count(Filter(projects=None)) == 0
        if numbers[0] in numbers[1:]:
            return
    pytest.skip("the server has written every number down before it was killed")


def test_what_was_noted_of_commits_is_kept_for_a_while(make_store):
    store = make_store()
    store.open()
    database = store._database
    count = lambda: database.read(lambda run: run.one("select count(*) from $.committed"))[0]  # noqa: E731
    database.write(lambda run: run.run("update $.committed set at = now() - interval '1 hour'"))
    assert count() > 0
    database._forget_commits_at = 0.0
    database.forget_commits()
    database.forget_commits()
    assert count() <= 2
