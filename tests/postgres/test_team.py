"""A team over a database: for every service at once, and with a wall in the database itself."""

from __future__ import annotations

import time
import urllib.parse

import psycopg
import pytest

from faiss_memory.rights import Rights
from faiss_memory_plugins.postgres.settings import PostgresSettings
from faiss_memory_plugins.postgres.store import PostgresStore
from tests.test_rights import KNOWN, SECRET
from tests.test_team import OWNER, Member
from tests.test_team_importing import check_a_members_bundle, check_that_nothing_tells, two_that_differ


@pytest.fixture
def two(make_service, client_of, server, tmp_path):
    """Two services over one database, with a memory in each of two projects."""
    address = server.database()
    clients = [
        client_of(make_service(store=address, token="tok-3f9a1c", data_dir=str(tmp_path / name)))
        for name in "ab"
    ]
    for body in (KNOWN, SECRET):
        assert clients[0].post("/memory/add", body, headers=OWNER).status_code == 201
    return address, clients


def test_a_token_counts_in_every_service_and_is_out_within_a_second(two):
    _, (one, other) = two
    ana = Member(one, "ana", work="write")
    there = lambda: other.get("/me", headers={"Authorization": f"Bearer {ana.token}"}).status_code  # noqa: E731
    assert there() == 200
    assert other.post(
        "/memory/add", {**KNOWN, "text": "x"}, headers={"Authorization": f"Bearer {ana.token}"}
    ).json["id"]
    one.post("/team/ana/revoke", {}, headers=OWNER)
    assert ana.ask("GET", "/me").status_code == 401
    time.sleep(0.6)
    assert there() == 401
    told = other.get("/team/log", headers=OWNER).json["entries"]
    assert ("ana", "added", ["work"]) in [
        (entry["actor"], entry["action"], entry["projects"]) for entry in told
    ]


def test_a_member_reads_and_is_named(two):
    _, (one, _) = two
    ana = Member(one, "ana", work="admin")
    added = ana.ask("POST", "/memory/add", {**KNOWN, "text": "the cache lives in redis"}).json["id"]
    found = ana.ask("POST", "/search", {"query": "cache redis", "project": "*"}).json["results"]
    assert {result["project"] for result in found} == {"work"}
    assert [result["actor"] for result in found if result["id"] == added] == ["ana"]
    by_ana = one.get("/memories", params={"project": "*", "actor": "ana"}, headers=OWNER).json["memories"]
    assert [memory["id"] for memory in by_ana] == [added]
    assert ana.ask("GET", "/memory/2").status_code == 404
    assert ana.ask("GET", "/stats").json["total_memories"] == 2
    taken = one.get("/memory/2", headers=OWNER).json["uid"]
    imported = ana.ask("POST", "/import", {"memories": [{"uid": taken, "text": "mine", "project": "work"}]})
    assert imported.json["results"][0]["outcome"] == "new"
    assert ana.ask("POST", "/memory/purge", {"ids": [added, 2]}).json["ids"] == [added]
    assert one.get("/memory/2", headers=OWNER).status_code == 200


def test_the_role_of_members_sees_no_row_of_another_project(two):
    address, (one, _) = two
    one.post("/memory/add", {**SECRET, "text": "again", "supersedes": 2}, headers=OWNER)
    with psycopg.connect(address, autocommit=True) as raw:
        raw.execute("set search_path = faiss_memory, public")
        (work,) = raw.execute("select id from project where name = 'work'").fetchone()
        with raw.transaction():
            raw.execute("set local role faiss_memory_member")
            for table in ("memory", "passage", "words", "project"):
                assert raw.execute(f"select count(*) from {table}").fetchone() == (0,), table
            raw.execute("select set_config('faiss_memory.projects', %s, true)", (str(work),))
            assert raw.execute("select text from memory").fetchall() == [(KNOWN["text"],)]
            assert raw.execute("select name from project").fetchall() == [("work",)]
            for table in ("passage", "words"):
                assert raw.execute(f"select distinct memory from {table}").fetchall() == [(1,)], table
        for statement in (
            "select * from team_token", "select * from team_log", "select * from retry", "delete from memory",
            "update memory set text = 'x'",
        ):  # fmt: skip
            raw.execute("begin")
            raw.execute("set local role faiss_memory_member")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                raw.execute(statement)
            raw.execute("rollback")


def test_whether_a_row_is_seen_is_worked_out_once_for_a_statement(two):
    address, _ = two
    with psycopg.connect(address) as raw:
        rules = raw.execute("select tablename, policyname, qual from pg_policies").fetchall()
        assert {name for name, *_ in rules} >= {"memory", "passage", "posting", "words"}
        for table, policy, rule in rules:
            assert "SELECT" in rule, (table, policy)


def test_where_the_rights_fail_the_wall_stands(two, monkeypatch):
    """As if a call had forgotten to go by the rights: the database itself shows nothing."""
    _, (one, _) = two
    ana = Member(one, "ana", work="read")
    monkeypatch.setattr(Rights, "may_read", lambda self, project: True)
    monkeypatch.setattr(Rights, "to_read", lambda self, asked: None)
    assert [memory["id"] for memory in ana.ask("GET", "/memories").json["memories"]] == [1]
    assert {
        result["id"] for result in ana.ask("POST", "/search", {"query": "vault key"}).json["results"]
    } <= {1}
    assert ana.ask("GET", "/memory/2").status_code == 404
    assert [project["name"] for project in ana.ask("GET", "/projects").json["projects"]] == ["work"]


def test_what_a_member_brings_and_takes_along_goes_by_the_same_rights(
    make_service, client_of, server, tmp_path
):
    def make(name):
        folder = str(tmp_path / name)
        return client_of(make_service(store=server.database(), token="tok-3f9a1c", data_dir=folder))

    pair = two_that_differ(make)
    check_a_members_bundle(pair[1])
    pair[1].request("DELETE", "/team/ana", headers=OWNER)
    check_that_nothing_tells(pair, briefly=True)


def test_a_user_who_may_make_no_role_and_owns_nothing_works_without_the_wall(server):
    address = server.database()
    server_of = urllib.parse.urlsplit(address)
    with psycopg.connect(address, autocommit=True) as raw:
        raw.execute("create role plain login password 'x'")
        raw.execute("create extension vector")
        raw.execute(f"grant create on database {server_of.path.lstrip('/')} to plain")
        raw.execute("grant pg_read_all_settings, pg_monitor to plain")
        raw.execute("grant execute on function pg_control_system, pg_control_checkpoint to plain")
    plain = f"{address}{'&' if '?' in address else '?'}user=plain&password=x"
    store = PostgresStore(plain, PostgresSettings())
    try:
        store.open()
        assert store.projects() == []
    finally:
        store.close()
        with psycopg.connect(address, autocommit=True) as raw:
            raw.execute("drop owned by plain cascade")
            raw.execute("drop role plain")
