"""The commands `schedule …`, against a stand-in that keeps to the service's contract."""

from __future__ import annotations

import json

import pytest

from tests.cli.stub import stub

SCHEDULE = {
    "name": "notes", "job": "build", "cron": "@daily", "in_words": "At 00:00 every day", "zone": "UTC", "options": {},
    "by": "add", "running": False, "next_at": "2026-02-13T00:00:00+00:00",
    "last": {"started_at": "2026-02-12T00:00:00+00:00", "took_ms": 1.0, "state": "failed", "message": "no such folder"},
}  # fmt: skip
LIST = {
    "schedules": [SCHEDULE, {**SCHEDULE, "name": "b", "last": None, "running": True}],
    "count": 2,
    "jobs": [{"name": "backup", "summary": "Make a backup", "options": ["label"]}],
}


@pytest.fixture
def service():
    with stub(lambda method, path, *_: (200, LIST if method == "GET" else SCHEDULE)) as made:
        yield made


def test_what_is_asked_is_sent(alone, service):
    alone("schedule", "add", "backup", "30 3 * * *", "--set", "label=nightly", "--url", service.url)
    ended = alone(
        "schedule", "add", "build", "@daily", "a", "--name", "notes", "--zone", "UTC", "--set", "prune=false",
        "--url", service.url,
    )  # fmt: skip
    assert "Schedule notes: At 00:00 every day (UTC), next at 2026-02-13T00:00:00+00:00" in ended.out
    assert [body for method, path, body, _ in service.asked if path == "/schedules"] == [
        {"job": "backup", "cron": "30 3 * * *", "options": {"label": "nightly"}},
        {
            "job": "build",
            "cron": "@daily",
            "options": {"prune": False, "sources": [f"{alone.folder}/a"]},
            "name": "notes",
            "zone": "UTC",
        },
    ]


def test_through_a_pipe_each_schedule_is_a_line(alone, service):
    ended = alone("schedule", "list", "--url", service.url)
    first, second = (line.split("\t") for line in ended.out.splitlines())
    assert first == [
        "notes", "build", "@daily", "UTC", "2026-02-13T00:00:00+00:00", "2026-02-12T00:00:00+00:00", "failed",
        "no such folder",
    ]  # fmt: skip
    assert second[5:] == ["", "running", ""]
    assert "backup: Make a backup" in ended.err
    assert json.loads(alone("schedule", "list", "--json", "--url", service.url).out) == LIST


def test_one_is_done_now_or_no_more(alone, service):
    assert "begins" in alone("schedule", "run", "notes", "--url", service.url).out
    assert "removed" in alone("schedule", "remove", "notes", "--url", service.url).out
    asked = [(method, path) for method, path, _, _ in service.asked if path.startswith("/schedules")]
    assert asked == [("POST", "/schedules/notes/run"), ("DELETE", "/schedules/notes")]


def test_an_option_without_a_value_is_refused(alone):
    ended = alone("schedule", "add", "backup", "@daily", "--set", "label")
    assert ended.code == 2
    assert "NAME=VALUE" in ended.err
