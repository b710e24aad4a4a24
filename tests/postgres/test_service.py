"""Services over a database: one, two over the same, and what they say when it does not answer."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from threading import Thread

import psycopg
import pytest

from faiss_memory import ConfigError, Draft, Filter, NotReady, Retry, Search, StoreError, hookimpl
from faiss_memory_conformance.store_home import MODEL, embed
from faiss_memory_plugins.postgres.settings import PostgresSettings
from faiss_memory_plugins.postgres.store import PostgresStore
from tests.fakes import WordsModels
from tests.postgres.wires import Wire

PASSWORD = "hunter2-is-secret"


@pytest.fixture
def wire(server):
    wire = Wire(server.database(), PASSWORD)
    yield wire
    wire.close()


def until(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.01)


class Listening:
    """Notes what a plugin is told."""

    def __init__(self):
        self.told = []

    @hookimpl
    def memories_added(self, memories):
        self.told += [("added", memory.text) for memory in memories]

    @hookimpl
    def memories_changed(self, memories):
        self.told += [("changed", memory.text) for memory in memories]

    @hookimpl
    def memories_removed(self, ids):
        self.told += [("removed", one) for one in ids]


def test_a_service_lives_on_a_database(make_service, client_of, server, tmp_path):
    settings = {"store": server.database(), "data_dir": str(tmp_path / "local")}
    service = make_service(**settings)
    client = client_of(service)
    ledger = client.post("/memory/add", {"text": "the ledger lives in postgres", "tags": ["db"]}).json["id"]
    cache = client.post("/memory/add", {"text": "the cache lives in redis"}).json["id"]
    assert client.post("/search", {"query": "ledger postgres", "k": 1}).json["results"][0]["id"] == ledger
    assert client.request("DELETE", f"/memory/{cache}").status_code == 200
    stats = client.get("/stats").json
    assert (stats["total_memories"], stats["plugins"]["postgres"]) == (1, {"indexes": []})
    for answer in (client.get("/backups"), client.post("/backup", {})):
        assert (answer.status_code, "database" in answer.json["description"]) == (501, True)
    told = client.get("/changes", params={"after": "the beginning"}).json
    assert (told["changed"], told["removed"]) == ([ledger], [cache])
    purged = client.post("/memory/purge", {"ids": [cache], "proof": True}).json
    assert (purged["ids"], purged["proof"]["found"]) == ([cache], [])
    assert any("write-ahead log" in sentence for sentence in purged["proof"]["not_covered"])
    assert client.get("/uses").json["total"]["events"]["found"] == 1
    service.stop()
    again = client_of(make_service(**settings))
    assert [
        one["id"] for one in again.post("/search", {"query": "cache", "mode": "keyword"}).json["results"]
    ] == []
    found = again.post("/search", {"query": "ledger"}).json["results"]
    assert [(one["id"], one["tags"]) for one in found] == [(ledger, ["db"])]
    assert not (tmp_path / "local" / "memory.db").exists()


def test_two_services_see_each_others_writes_and_tell_their_plugins_once(
    make_service, client_of, server, tmp_path
):
    uri, ears = server.database(), [Listening(), Listening()]
    one, two = (
        client_of(make_service(ear, store=uri, data_dir=str(tmp_path / str(number))))
        for number, ear in enumerate(ears)
    )
    number = one.post("/memory/add", {"text": "the ledger lives in postgres"}).json["id"]
    assert two.post("/search", {"query": "ledger"}).json["results"][0]["id"] == number
    until(lambda: ears[1].told)
    assert two.request("PATCH", f"/memory/{number}", {"text": "the ledger lives in redis"}).status_code == 200
    assert one.get(f"/memory/{number}").json["text"] == "the ledger lives in redis"
    until(lambda: len(ears[0].told) == 2)
    other = two.post("/memory/add", {"text": "cookies expire"}).json["id"]
    until(lambda: len(ears[0].told) == 3)
    assert one.request("DELETE", f"/memory/{number}").status_code == 200
    until(lambda: len(ears[1].told) == 4)
    time.sleep(0.1)
    told = [
        ("added", "the ledger lives in postgres"), ("changed", "the ledger lives in redis"),
        ("added", "cookies expire"), ("removed", number),
    ]  # fmt: skip
    assert [ear.told for ear in ears] == [told, told]
    assert one.post("/search", {"query": "cookies"}).json["results"][0]["id"] == other


def test_services_agree_on_what_is_news(server, schema):
    stores = [PostgresStore(server.uri, PostgresSettings(schema=schema)) for _ in range(2)]
    for store in stores:
        store.open()
        store.use_model(MODEL, MODEL, 48)
    text = "the ledger lives in postgres"
    added = []

    def add(store):
        added.extend(store.add([Draft(text=text, if_novel=0.9)], [embed(text)]))

    threads = [Thread(target=add, args=(store,)) for store in stores * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in added if one.id is not None]) == 1
    assert len(added) == 8
    for store in stores:
        store.close()


# What goes wrong.


def test_a_connection_that_is_lost_is_noticed_by_nobody(wire, make_service, client_of):
    client = client_of(make_service(store=wire.uri))
    client.post("/memory/add", {"text": "the ledger lives in postgres"})
    for _ in range(3):
        wire.drop()
        assert client.post("/search", {"query": "ledger", "k": 1}).json["count"] == 1
        wire.drop()
        assert client.post("/memory/add", {"text": "another"}).status_code == 201
    assert client.get("/projects").json["projects"][0]["memories"] == 4


def test_a_commit_whose_answer_is_lost_is_done_once(wire, make_service, client_of):
    client = client_of(make_service(store=wire.uri))
    for number in range(3):
        wire.lost_commits = 1
        answer = client.post("/memory/add", {"text": f"the ledger {number}"})
        assert (answer.status_code, wire.lost_commits) == (201, 0)
        assert client.get(f"/memory/{answer.json['id']}").json["text"] == f"the ledger {number}"
    assert client.get("/projects").json["projects"][0]["memories"] == 3


def test_health_says_that_the_database_cannot_be_reached_until_it_can(wire, make_service, client_of, caplog):
    given = {"plugins.postgres.connection_seconds": 0.5}
    client = client_of(make_service(store=wire.uri, **given))
    client.post("/memory/add", {"text": "the ledger"})
    assert client.get("/health").status_code == 200
    with caplog.at_level(logging.DEBUG):
        wire.cut()
        answer = client.post("/memory/add", {"text": "the cache"})
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
        until(lambda: client.get("/health").status_code == 503)
        said = [
            client.get("/health").text,
            answer.text,
            client.get("/settings").text,
            client.get("/overview").text,
        ]
    wire.mend()
    until(lambda: client.get("/health").status_code == 200)
    assert client.post("/search", {"query": "ledger"}).json["count"] == 1
    assert "database" in said[0]
    assert PASSWORD not in "".join(said) + caplog.text


def test_a_database_that_takes_no_writes_says_so(make_service, client_of, server):
    uri = server.database()
    client = client_of(make_service(store=uri))
    client.post("/memory/add", {"text": "the ledger"})
    with psycopg.connect(uri, autocommit=True) as connection:
        (name,) = connection.execute("select current_database()").fetchone()
        connection.execute(f"alter database {name} set default_transaction_read_only = on")
        (since,) = connection.execute("select clock_timestamp()").fetchone()
        for _ in range(3):  # one that was just being opened is not in the list at once
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
                " and pid <> pg_backend_pid() and backend_start <= %s",
                [since],
            )
            time.sleep(0.05)
    answer = client.post("/memory/add", {"text": "the cache"})
    assert (answer.status_code, "takes no writes" in answer.json["description"]) == (503, True)
    assert client.post("/search", {"query": "ledger"}).json["count"] == 1


def test_a_statement_that_takes_too_long_is_ended_and_changes_nothing(make_store, server, schema):
    store = make_store(statement_seconds=0.3)
    store.open()
    store.use_model(MODEL, MODEL, 48)
    with psycopg.connect(server.uri) as other:
        other.execute(f"lock table {schema}.memory in exclusive mode")
        with pytest.raises(StoreError, match=r"did not answer in time .*nothing was changed"):
            store.add([Draft(text="the ledger")], [embed("the ledger")])
    assert store.projects() == []
    assert store.add([Draft(text="the ledger")], [embed("the ledger")], Retry("key", b"x"))[0].id


def test_connections_that_are_all_in_use_are_told(server, schema):
    settings = PostgresSettings(schema=schema, connections=2, connection_seconds=0.2)
    store = PostgresStore(server.uri, settings)
    store.open()

    def ask(depth):
        def choose(_):
            if depth:
                ask(depth - 1)
            return ()

        store.search(Search(where=Filter(), depth=1), choose)

    with pytest.raises(NotReady, match=r"all connections .*plugins\.postgres\.connections"):
        ask(3)
    assert store.busy() is not None
    assert store.get([1]) == []
    assert store.busy() is None
    store.close()


def test_a_database_of_a_newer_version_is_refused(make_store, server, schema):
    store = make_store()
    store.open()
    server.run(f"update {schema}.state set version = 99")
    with pytest.raises(StoreError, match=r"newer FAISS Memory .*nothing was changed"):
        make_store().open()


def test_a_database_that_was_restored_gives_no_id_twice_and_no_old_position(make_store, server, schema):
    store = make_store()
    store.open()
    (before,) = store.add([Draft(text="one")], [None])
    position = store.changes().position
    store.close()
    server.run(
        f"update {schema}.state set timeline = timeline + 7",
        f"update {schema}.memory set xid = '99999999999'",
    )
    again = make_store()
    again.open()
    (after,) = again.add([Draft(text="two")], [None])
    assert after.id > before.id + 1_000_000
    told = again.changes(position)
    assert (told.anew, told.stored) == (True, [before.id, after.id])


@pytest.mark.parametrize(
    "address", [f"postgresql://user:{PASSWORD}@[x/db", f"postgresql://u:{PASSWORD}@h:port/db?x=y"]
)
def test_an_address_that_cannot_be_read_is_not_quoted(address):
    with pytest.raises(ConfigError, match="the address of the database") as raised:
        PostgresStore(address)
    assert PASSWORD not in str(raised.value)


def test_an_address_that_no_plugin_opens_is_refused(make_service):
    with pytest.raises(ConfigError, match=r"no plugin opens a store at `qdrant://…`") as raised:
        make_service(store=f"qdrant://:{PASSWORD}@x")
    assert PASSWORD not in str(raised.value)


_WITHOUT = """
import sys
{hidden}
from faiss_memory.app import build_service
from faiss_memory.settings import load
from faiss_memory.plugin_host import section_types
settings = load(None, {{"data_dir": sys.argv[1], "store": sys.argv[2]}}, {{}}, section_types).settings
build_service(settings, lambda _: None)
print(*(name for name in sys.modules if name.startswith(("psycopg", "faiss_memory_plugins.postgres."))))
"""


def _built(tmp_path, store="", hidden=""):
    command = [sys.executable, "-c", _WITHOUT.format(hidden=hidden), str(tmp_path), store]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_nothing_of_it_is_imported_where_no_store_is_on_a_database(tmp_path):
    ended = _built(tmp_path)
    assert ended.returncode == 0, ended.stderr
    names = ended.stdout.split()
    assert set(names) == {"faiss_memory_plugins.postgres.plugin", "faiss_memory_plugins.postgres.settings"}


def test_without_its_packages_it_says_what_to_install(tmp_path):
    ended = _built(tmp_path, "postgresql://x", "sys.modules['psycopg'] = None")
    assert "pip install 'faiss-memory[postgres]'" in ended.stderr


def test_services_with_two_models_find_each_others_memories(make_service, client_of, server, tmp_path):
    uri = server.database()
    one, two = (
        client_of(make_service(WordsModels(), store=uri, model_name=name, data_dir=str(tmp_path / name)))
        for name in ("words-64", "words-96")
    )
    # (Each has put its own in use by now: what either stores, the other lacks.)
    until(lambda: two.get("/health").json["model_in_use"] == "words-96@1")
    number = one.post("/memory/add", {"text": "the ledger lives in postgres"}).json["id"]

    def found(client):
        answer = client.post("/search", {"query": "ledger postgres", "mode": "semantic"}).json
        return answer["results"][:1] and answer["results"][0]["id"] == number

    until(lambda: found(one))
    until(lambda: found(two))
    number = two.post("/memory/add", {"text": "ledger postgres"}).json["id"]
    until(lambda: found(one))


def test_what_an_older_transaction_holds_back_is_told_when_it_has_ended(make_store, server, schema):
    store = make_store()
    store.open()
    with psycopg.connect(server.uri) as other:
        other.execute("select pg_current_xact_id()")
        (added,) = store.add([Draft(text="the ledger")], [None])
        first = store.changes()
        assert first.stored == []
        assert store.get([added.id])
    told = store.changes(first.position)
    assert (told.stored, told.anew) == ([added.id], False)
