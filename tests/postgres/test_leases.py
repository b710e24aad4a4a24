"""What only one of the services over a database does at a time: a scheduled job, and the build of a folder."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from faiss_memory import Job, Message, hookimpl
from tests.postgres.test_service import until


class Slow:
    """A job that takes as long as it is let, and memories that are stored as late."""

    def __init__(self):
        self.begun, self.let = Event(), Event()
        self.runs = 0

    def _wait(self):
        self.runs += 1
        self.begun.set()
        assert self.let.wait(20)

    @hookimpl
    def register_jobs(self):
        class Tidy(Message):
            what: str = "all"

        def tidy(options):
            self._wait()
            return f"tidied {options.what}"

        return [Job(name="tidy", summary="Tidy", run=tidy, options=Tidy)]

    @hookimpl
    def before_add(self, drafts):
        self._wait()


@pytest.fixture
def pair(make_service, client_of, server, tmp_path):
    """Two services over one database, each with a plugin that is slow."""
    address, slow = server.database(), [Slow(), Slow()]
    clients = [
        client_of(
            make_service(
                one,
                store=address,
                data_dir=str(tmp_path / f"data{number}"),
                **{"plugins.ingest.roots": [str(tmp_path)]},
            )
        )
        for number, one in enumerate(slow)
    ]
    yield clients, slow
    for one in slow:
        one.let.set()


def _ended(client, name):
    (found,) = (one for one in client.get("/schedules").json["schedules"] if one["name"] == name)
    return found["last"] and not found["running"] and found["last"]["message"]


def test_a_scheduled_job_is_done_by_one_service_at_a_time(pair):
    clients, (first, second) = pair
    for client in clients:
        for name, what in (("mine", "all"), ("other", "some")):
            body = {"name": name, "job": "tidy", "cron": "0 3 1 1 *", "options": {"what": what}}
            assert client.post("/schedules", body).status_code == 200
    clients[0].post("/schedules/mine/run")
    assert first.begun.wait(10)
    clients[1].post("/schedules/mine/run")
    until(lambda: _ended(clients[1], "mine"))
    assert "another service" in _ended(clients[1], "mine")
    assert (first.runs, second.runs) == (1, 0)
    # With other options it is another job.
    second.let.set()
    clients[1].post("/schedules/other/run")
    until(lambda: _ended(clients[1], "other") == "tidied some")
    first.let.set()
    until(lambda: _ended(clients[0], "mine") == "tidied all")
    clients[1].post("/schedules/mine/run")
    until(lambda: _ended(clients[1], "mine") == "tidied all")


def test_a_folder_is_built_by_one_service_at_a_time(pair, tmp_path):
    (one, other), (first, second) = pair
    for name in ("notes", "notes/inner", "elsewhere"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.md").write_text(f"the ledger of {name} lives in postgres")
    second.let.set()

    def build(client, folder, **more):
        return client.post("/index/build", {"sources": [str(tmp_path / folder)], **more})

    answers = []
    building = Thread(target=lambda: answers.append(build(one, "notes")))
    building.start()
    assert first.begun.wait(10)
    for folder in ("notes", "notes/inner"):
        refused = build(other, folder)
        assert (refused.status_code, refused.json["field"]) == (409, "sources")
        assert "another service" in refused.json["description"]
    assert build(other, "elsewhere").status_code == 200
    assert build(other, "notes", project="another").status_code == 200
    first.let.set()
    building.join()
    assert answers[0].json["added"] == 2
    again = build(other, "notes")
    assert (again.status_code, again.json["added"]) == (200, 0)


def test_a_connection_that_ends_lets_go_of_its_names(server, make_store):
    store, name = make_store(), ("build", "p", "/", "notes")
    store.open()
    with store.lease(name) as is_held:
        assert is_held
        for taken in (name, name[:2], (*name, "inner")):
            with store.lease(taken) as is_free:
                assert not is_free
        with store.lease(("build", "q"), ("build", "p", "/", "other")) as is_free:
            assert is_free
        server.run("select pg_terminate_backend(pid, 60000) from pg_locks where locktype = 'advisory'")
        with store.lease(name) as is_free:
            assert is_free
