"""Jobs at set times: what is due is done, once, by the wall clock; how it ended is told; a restart forgets none."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from threading import Event
from zoneinfo import ZoneInfo

import pytest

from faiss_memory import InvalidRequest, Job, Message, NotReady, hookimpl
from faiss_memory_plugins.schedules.times import next_after

BERLIN = ZoneInfo("Europe/Berlin")


class Jobs:
    """A plugin with jobs of its own."""

    def __init__(self):
        self.done, self.unready = [], 0
        self.hold = Event()

    @hookimpl
    def register_jobs(self):
        class Note(Message):
            text: str = "noted"

        def note(options):
            if self.unready:
                self.unready -= 1
                raise NotReady("not yet", 0)
            self.done.append(options.text)
            return f"It says {options.text}"

        def fail(options):
            raise KeyError("nobody foresaw it")

        def hold(options):
            self.hold.wait(10)
            return "held"

        return [
            Job(name="note", summary="Note something", run=note, options=Note),
            Job(name="fail", summary="Fail", run=fail, options=Note),
            Job(name="hold", summary="Take long", run=hold, options=Note),
            Job(name="backup", summary="Not the host's", run=fail, options=Note),
        ]


@pytest.fixture
def jobs():
    made = Jobs()
    yield made
    made.hold.set()


@pytest.fixture
def scheduled(make_service, client_of, jobs, tmp_path):
    """Make clients of services on one data folder, one after the other."""
    services = []

    def make(missed=(), **settings):
        for service in services:
            service.stop()
        if missed:
            (tmp_path / "data").mkdir(exist_ok=True)
            (tmp_path / "data" / "schedules.json").write_text(json.dumps(list(missed)))
        given = {"plugins.schedules.late_seconds": 0, "plugins.ingest.roots": [str(tmp_path)], **settings}
        services.append(make_service(jobs, **given))
        return client_of(services[-1])

    return make


def add(client, job, cron="0 3 * * *", **request):
    return client.post("/schedules", {"job": job, "cron": cron, **request})


def ended(client, name):
    """Wait until a job has ended, and give how."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        for each in client.get("/schedules").json["schedules"]:
            if each["name"] == name and each["last"] and not each["running"]:
                return each["last"]
        time.sleep(0.01)
    raise AssertionError(client.get("/schedules").json)


def missed(job="note", cron="@hourly", hours=30, **more):
    settled = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    return {"name": job, "job": job, "cron": cron, "settled": settled, **more}


# When.


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("30 3 * * *", "2026-06-01T03:30:00", "2026-06-02T03:30:00+02:00"),
        ("30 3 * * *", "2026-01-01T03:29:59", "2026-01-01T03:30:00+01:00"),
        # Clocks go from 2:00 to 3:00: what lies between is taken right after.
        ("30 2 * * *", "2026-03-28T12:00:00", "2026-03-29T03:00:00+02:00"),
        ("30 2 * * *", "2026-03-29T12:00:00", "2026-03-30T02:30:00+02:00"),
        ("0 * * * *", "2026-03-29T01:00:00", "2026-03-29T03:00:00+02:00"),
        # Clocks go back from 3:00 to 2:00: once for a set time, evenly for each hour.
        ("30 2 * * *", "2026-10-24T12:00:00", "2026-10-25T02:30:00+02:00"),
        ("30 2 * * *", "2026-10-25T02:30:00", "2026-10-26T02:30:00+01:00"),
        ("0 * * * *", "2026-10-25T02:00:00", "2026-10-25T02:00:00+01:00"),
        ("@weekly", "2026-03-25T12:00:00", "2026-03-29T00:00:00+01:00"),
        ("0 0 29 2 *", "2026-03-25T12:00:00", "2028-02-29T00:00:00+01:00"),
    ],
)
def test_a_schedule_comes_by_the_wall_clock_where_clocks_change_too(cron, after, expected):
    moment = datetime.fromisoformat(after).replace(tzinfo=BERLIN)
    assert next_after(cron, moment).isoformat() == expected


@pytest.mark.parametrize(
    "cron", ["", "* * * *", "* * * * * *", "61 * * * *", "0 0 30 2 *", "@noon", "a b c d e"]
)
def test_what_is_no_expression_is_refused_by_its_field(scheduled, cron):
    with pytest.raises(InvalidRequest, match="cron"):
        next_after(cron, datetime.now(UTC))
    refused = add(scheduled(), "note", cron or "x")
    assert (refused.status_code, refused.json["field"]) == (400, "cron")


# What.


def test_a_job_of_a_plugin_is_scheduled_and_done(scheduled, jobs):
    client = scheduled()
    answer = add(client, "note", "30 3 * * 1-5", zone="Europe/Berlin", options={"text": "hello"}).json
    assert (answer["name"], answer["zone"], answer["last"]) == ("note", "Europe/Berlin", None)
    assert answer["in_words"] == "At 03:30 on Monday through Friday"
    assert datetime.fromisoformat(answer["next_at"]).astimezone(BERLIN).strftime("%H:%M") == "03:30"
    assert client.post("/schedules/note/run").status_code == 200
    assert (ended(client, "note")["state"], ended(client, "note")["message"]) == ("done", "It says hello")
    assert jobs.done == ["hello"]


def test_the_jobs_that_there_are_are_told_and_the_hosts_own_count(scheduled):
    told = {job["name"]: job for job in scheduled().get("/schedules").json["jobs"]}
    assert told["backup"]["options"] == ["label"]
    assert told["build"]["options"] == ["sources", "project", "prune"]
    assert {"verify", "note"} < told.keys()


def test_backups_and_trials_of_them_are_jobs(scheduled, tmp_path):
    client = scheduled()
    client.post("/memory/add", {"text": "the ledger lies in postgres"})
    add(client, "backup", options={"label": "nightly"})
    client.post("/schedules/backup/run")
    assert ended(client, "backup")["state"] == "done"
    made = [each for each in client.get("/backups").json["backups"] if each["label"] == "nightly"]
    assert len(made) == 1
    add(client, "verify")
    client.post("/schedules/verify/run")
    whole = ended(client, "verify")
    assert whole["state"] == "done", whole
    assert "are whole" in whole["message"]
    base = tmp_path / "data" / "backups" / made[0]["name"] / "base.db"
    raw = bytearray(base.read_bytes())
    raw[-100] ^= 255
    base.write_bytes(raw)
    add(client, "verify", name="again")
    client.post("/schedules/again/run")
    broken = ended(client, "again")
    assert broken["state"] == "failed"
    assert made[0]["name"] in broken["message"]
    assert "faiss-memory verify" in broken["message"]
    assert not (tmp_path / "data" / ".verifying").exists()


def test_builds_are_jobs(scheduled, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("# A\n\none")
    client = scheduled()
    add(client, "build", name="notes", options={"sources": [f"{tmp_path}/notes"], "project": "n"})
    client.post("/schedules/notes/run")
    assert "1 added" in ended(client, "notes")["message"]
    assert client.get("/memories", params={"project": "n"}).json["count"] == 1


def test_what_fails_is_told_and_ends_no_other(scheduled, jobs):
    client = scheduled()
    add(client, "fail")
    add(client, "note")
    client.post("/schedules/fail/run")
    failed = ended(client, "fail")
    assert (failed["state"], failed["message"]) == ("failed", "KeyError: 'nobody foresaw it'")
    client.post("/schedules/note/run")
    assert ended(client, "note")["state"] == "done"


def test_what_is_not_ready_yet_is_waited_for(scheduled, jobs):
    jobs.unready = 3
    client = scheduled()
    add(client, "note")
    client.post("/schedules/note/run")
    assert ended(client, "note")["state"] == "done"


def test_two_jobs_never_run_at_once(scheduled, jobs):
    client = scheduled()
    add(client, "hold")
    add(client, "note")
    client.post("/schedules/hold/run")
    while not any(each["running"] for each in client.get("/schedules").json["schedules"]):
        time.sleep(0.01)
    client.post("/schedules/note/run")
    time.sleep(0.1)
    assert jobs.done == []
    jobs.hold.set()
    assert ended(client, "note")["state"] == "done"


# What outlives a restart.


def test_what_was_missed_is_done_once_at_the_start(scheduled, jobs):
    client = scheduled([missed(), missed("fail", hours=0)])
    assert ended(client, "note")["state"] == "done"
    time.sleep(0.1)
    assert jobs.done == ["noted"]
    (other,) = (each for each in client.get("/schedules").json["schedules"] if each["name"] == "fail")
    assert other["last"] is None
    again = scheduled()
    time.sleep(0.1)
    assert jobs.done == ["noted"]
    assert ended(again, "note")["state"] == "done"


def test_what_was_missed_waits_a_little_so_that_a_start_is_not_slowed(scheduled, jobs):
    client = scheduled([missed()], **{"plugins.schedules.late_seconds": 3600})
    (told,) = client.get("/schedules").json["schedules"]
    left = datetime.fromisoformat(told["next_at"]) - datetime.now(UTC)
    assert timedelta(0) < left <= timedelta(hours=1)
    assert jobs.done == []


def test_a_job_that_a_kill_cut_short_says_so(scheduled):
    cut = {
        "started_at": datetime.now(UTC).isoformat(),
        "took_ms": 0,
        "state": "failed",
        "message": "it was cut short",
    }
    (told,) = scheduled([missed(hours=0, last=cut)]).get("/schedules").json["schedules"]
    assert told["last"]["message"] == "it was cut short"


def test_those_of_the_settings_are_changed_there(scheduled, jobs):
    entries = [
        {"job": "note", "cron": "@daily", "zone": "UTC"},
        {"job": "note", "cron": "@weekly", "name": "w"},
    ]
    client = scheduled(**{"plugins.schedules.entries": entries})
    assert {each["name"]: each["by"] for each in client.get("/schedules").json["schedules"]} == {
        "note": "settings",
        "w": "settings",
    }
    for refused in (add(client, "note"), client.request("DELETE", "/schedules/w")):
        assert refused.status_code == 409
        assert "plugins.schedules.entries" in refused.json["description"]
    client.post("/schedules/note/run")
    ended(client, "note")
    again = scheduled(**{"plugins.schedules.entries": entries[:1]})
    (left,) = again.get("/schedules").json["schedules"]
    assert (left["name"], left["last"]["state"]) == ("note", "done")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{"job": "note", "cron": "x"}], r"entries\[0\].cron"),
        ([{"job": "note", "cron": "@daily", "zone": "Mars"}], r"entries\[0\].zone"),
        ([{"job": "note", "cron": "@daily"}] * 2, r"entries\[1\]"),
        ([{"job": "note", "cron": "@daily", "name": "A b"}], r"entries\[0\].name"),
    ],
)
def test_settings_that_mean_nothing_are_refused_by_their_place(scheduled, entries, words):
    with pytest.raises(InvalidRequest, match=words):
        scheduled(**{"plugins.schedules.entries": entries})


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"job": "none", "cron": "@daily"}, "job"),
        ({"job": "note", "cron": "@daily", "zone": "Mars/Base"}, "zone"),
        ({"job": "note", "cron": "@daily", "options": {"txt": 1}}, "options"),
        ({"job": "note", "cron": "@daily", "options": {"text": 1}}, "options.text"),
        ({"job": "build", "cron": "@daily", "options": {}}, "options"),
    ],
)
def test_what_cannot_be_scheduled_is_refused_by_its_field(scheduled, request_, field):
    refused = scheduled().post("/schedules", request_)
    assert (refused.status_code, refused.json.get("field")) == (400, field), refused.json


def test_one_of_the_same_name_is_replaced_and_one_that_is_not_there_is_said(scheduled):
    client = scheduled()
    add(client, "note")
    add(client, "note", "@daily")
    assert [each["cron"] for each in client.get("/schedules").json["schedules"]] == ["@daily"]
    assert client.request("DELETE", "/schedules/note").json["success"]
    for gone in (client.request("DELETE", "/schedules/note"), client.post("/schedules/note/run")):
        assert gone.status_code == 404
    assert client.get("/schedules").json["count"] == 0
