"""The commands `watch …`, against a stand-in that keeps to the service's contract."""

from __future__ import annotations

import json

import pytest

from tests.cli.stub import stub

WATCHED = {
    "path": "/notes", "project": "website", "by": "add", "state": "refused", "message": "say so", "how": "events",
    "files": 3, "folders": 1, "unreadable": ["/notes/x/: closed"],
    "last_build": {"ended_at": "2026-02-12T10:30:00+00:00", "state": "done", "message": "Files: 3 added"},
}  # fmt: skip


@pytest.fixture
def service():
    answers = {
        "POST": WATCHED,
        "GET": {"watches": [WATCHED, {**WATCHED, "last_build": None}], "count": 2},
        "DELETE": {"success": True, "path": "/notes", "projects": ["website"], "message": ""},
    }
    with stub(lambda method, *_: (200, answers[method])) as made:
        yield made


def test_folders_are_added_absolute(alone, service):
    ended = alone("watch", "add", "a", "../b", "-p", "website", "--url", service.url)
    assert (ended.code, len(ended.out.splitlines())) == (0, 2)
    (first, second) = (body for method, _, body, _ in service.asked if body and "path" in body)
    assert first == {"path": f"{alone.folder}/a", "project": "website"}
    assert second["path"] == f"{alone.folder.parent}/b"


def test_inside_a_repository_a_folder_is_watched_for_its_project(repository, service):
    repository("watch", "add", "a", "--url", service.url)
    (project,) = (body["project"] for _, _, body, _ in service.asked if body and "path" in body)
    assert project == "website"  # as the service has answered the claim


def test_through_a_pipe_each_watch_is_a_line(alone, service):
    ended = alone("watch", "list", "--url", service.url)
    assert [line.split("\t") for line in ended.out.splitlines()] == [
        ["refused", "/notes", "website", "events", "3", built, result, "say so; /notes/x/: closed"]
        for built, result in (("2026-02-12T10:30:00+00:00", "Files: 3 added"), ("", ""))
    ]
    assert json.loads(alone("watch", "list", "--json", "--url", service.url).out)["count"] == 2


def test_at_a_terminal_what_is_wrong_stands_whole_below_the_list(alone, service):
    shown = alone.seen("watch", "list", "--url", service.url).shown
    assert "/notes: refused" in shown
    assert "/notes/x/: closed" in shown


def test_a_folder_is_removed_by_its_path(alone, service):
    ended = alone("watch", "remove", "a", "--url", service.url)
    assert "is watched no more" in ended.out
    (path,) = (path for method, path, _, _ in service.asked if method == "DELETE")
    assert path.startswith("/index/watches?path=")


def test_without_the_plugin_the_way_out_is_named(alone):
    with stub(
        lambda *_: (
            404,
            {"title": "404", "description": "there is nothing at this address; /docs lists what there is"},
        )
    ) as service:
        ended = alone("watch", "list", "--url", service.url)
    assert ended.code != 0
    assert "plugin `ingest` is disabled" in ended.err
