"""What a member brings along from elsewhere: within its rights, and what may not be seen is as if it were not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from faiss_memory.schema import fields_of
from faiss_memory.schema.importing import ImportedMemory, ImportRequest
from faiss_memory.uids import named_uid
from tests.test_rights import TEXT, values_of
from tests.test_team import OWNER, Member, answered

MET, LEFT, SECRET, GONE, NEWER = (named_uid(name) for name in ("met", "left", "secret", "gone", "newer"))
THERE = [
    {"uid": MET, "text": "the ledger is in postgres", "project": "work", "revision": 2},
    {"uid": LEFT, "state": "forgotten", "project": "work", "revision": 2},
]
HIDDEN = [
    {"uid": SECRET, "text": TEXT, "project": "private", "revision": 2},
    {"uid": NEWER, "text": f"{TEXT}, still", "project": "private", "revision": 2, "supersedes": SECRET},
    {"uid": GONE, "state": "forgotten", "project": "private", "revision": 2},
]
GONE_STATES = ("forgotten", "purged")


def bring(client: Any, memories: Any) -> Any:
    answer = client.post("/import", {"memories": memories}, headers=OWNER)
    assert answer.status_code == 200, answer.text
    return answer.json["counts"]


def bundle(client: Any) -> list[dict[str, Any]]:
    lines = client.get("/export?format=jsonl", headers=OWNER).text.splitlines()
    return [json.loads(line) for line in lines[1:]]


@pytest.fixture
def owned(make_service, client_of):
    client = client_of(make_service(token="tok-3f9a1c"))
    bring(client, [*THERE, *HIDDEN])
    return client


def two_that_differ(make: Callable[[str], Any]) -> list[Any]:
    """Clients of two services, the second of which has met memories in a project that a member may not see."""
    clients = []
    for name in ("without", "with"):
        client = make(name)
        others = {one["uid"]: named_uid(f"{name} {one['uid']}") for one in HIDDEN}
        bring(client, THERE)
        bring(client, HIDDEN if name == "with" else [
            {key: others.get(value, value) if isinstance(value, str) else value for key, value in one.items()}
            for one in HIDDEN
        ])  # fmt: skip
        if name == "without":
            client.request("DELETE", "/projects/private", headers=OWNER)
        clients.append(client)
    return clients


def requests_about(uid: str) -> list[dict[str, Any]]:
    """A memory in each of the states that a line can tell, and each field of the schema about what is hidden."""
    found = [{"memories": [{"uid": uid, "state": "purged"}], "dry_run": True}]
    fields = {name: field.type for name, field in fields_of(ImportedMemory).items()}
    for state in values_of("state", fields.pop("state")):
        line = {"uid": uid, "state": state} | ({} if state in GONE_STATES else {"text": "brought along"})
        for revision in ({}, {"revision": 1}, {"revision": 2}, {"revision": 9}):
            for project in ({}, {"project": "work"}, {"project": "private"}):
                found += [{"memories": [line | revision | project], "dry_run": dry} for dry in (True, False)]
    line = {"uid": uid, "text": "brought along", "revision": 10, "project": "work"}
    for name, kind in fields.items():
        if name not in ("uid", "project"):
            values = [SECRET, GONE] if name.startswith("supersede") else values_of(name, kind)
            found += [{"memories": [line | {name: value}]} for value in values]
    return found


def check_that_nothing_tells(pair: list[Any], *, briefly: bool = False) -> None:
    """Bring everything to both as a member: they must answer alike, and what may not be seen stays as it is.

    `briefly` leaves out previews, other projects and most fields.
    """
    with_it = pair[1]
    members = [Member(client, "ana", work="admin") for client in pair]
    hidden = [line for line in bundle(with_it) if line["uid"] in (SECRET, GONE, NEWER)]
    assert len(hidden) == 3
    statuses, outcomes = set(), set()
    for uid in (
        (MET, LEFT, SECRET, GONE) if briefly else (MET, LEFT, SECRET, NEWER, GONE, named_uid("never met"))
    ):
        for request in requests_about(uid):
            if briefly and (request.get("dry_run") is not False or "project" not in request["memories"][0]):
                continue
            answers = [member.ask("POST", "/import", request) for member in members]
            assert answers[0].json == answers[1].json, request
            statuses.add(answers[1].status_code)
            outcomes |= answers[1].json.get("counts", {}).keys()
    for one, other in zip(*(_told(member) for member in members), strict=True):
        assert one == other
    assert [line for line in bundle(with_it) if line["uid"] in (SECRET, GONE, NEWER)] == hidden
    assert 200 in statuses
    assert outcomes >= {"new", "known", "changed", "kept", "forgotten", "forget", "purge", "back", "refused"}
    if not briefly:
        assert statuses >= {400, 409}
        assert "purged" in outcomes


def _told(member: Member) -> list[Any]:
    """What a member sees afterwards, by other calls."""
    calls = [
        ("GET", "/memories", None, {"project": "*", "include_superseded": "true", "limit": 1000}),
        ("GET", "/export", None, {"format": "json"}), ("GET", "/projects", None, {}),
    ]  # fmt: skip
    return [answered(member, call) for call in calls]


def check_a_members_bundle(client: Any) -> None:
    """What a member takes along: what it may read, and what was forgotten there."""
    ana = Member(client, "ana", work="read")
    for params in ({}, {"project": "*"}, {"project": "work"}):
        lines = ana.ask("GET", "/export", params={"format": "jsonl", **params}).text.splitlines()
        assert {json.loads(line)["uid"] for line in lines[1:]} == {MET, LEFT}, params
    lines = ana.ask("GET", "/export", params={"format": "jsonl", "project": "private"}).text.splitlines()
    assert len(lines) == 1


def test_what_may_not_be_seen_changes_no_answer_whatever_state_and_field_is_brought(
    make_service, client_of, tmp_path
):
    check_that_nothing_tells(
        two_that_differ(
            lambda name: client_of(make_service(token="tok-3f9a1c", data_dir=str(tmp_path / name)))
        )
    )


def test_a_member_takes_along_what_it_may_read_and_what_was_forgotten_there(owned):
    check_a_members_bundle(owned)


def test_a_preview_has_no_other_field_that_could_tell():
    assert set(fields_of(ImportRequest)) == {"memories", "dry_run", "secrets"}


def refusals(answer: Any) -> dict[tuple[str, str], int]:
    """The rights that were lacking, by project, with how many memories they were lacking for."""
    assert answer.status_code == 200, answer.text
    told = {(one["project"], one["can"]): one["memories"] for one in answer.json.get("refused", ())}
    refused = [one for one in answer.json["results"] if one["outcome"] == "refused"]
    assert all(one["reason"] and one["id"] is None for one in refused)
    assert sum(told.values()) == len(refused) == answer.json["counts"].get("refused", 0)
    return told


def test_each_state_needs_its_right_and_what_lacks_it_stops_nothing_else(owned):
    ana = Member(owned, "ana", work="read")
    new = {"uid": named_uid("new"), "text": "a new one", "project": "work", "revision": 1}
    changed = {"uid": MET, "text": "changed there", "project": "work", "revision": 3}
    gone = {"uid": MET, "state": "forgotten", "project": "work", "revision": 4}
    purged = {"uid": MET, "state": "purged"}
    take = lambda *lines: ana.ask("POST", "/import", {"memories": lines})  # noqa: E731
    for line in (new, changed, gone, purged):
        for dry_run in (True, False):
            refused = ana.ask("POST", "/import", {"memories": [line], "dry_run": dry_run})
            assert refusals(refused) == {("work", "admin" if line is purged else "write"): 1}, line
    before = bundle(owned)
    assert refusals(take(new, changed, gone, purged)) == {("work", "write"): 3, ("work", "admin"): 1}
    assert bundle(owned) == before
    ana.grant("work", "write")
    told = take(purged, new, {**new, "uid": named_uid("elsewhere"), "project": "private"}, changed)
    assert told.json["counts"] == {"refused": 2, "new": 1, "changed": 1}
    assert refusals(told) == {("private", "write"): 1, ("work", "admin"): 1}
    assert {line["uid"] for line in bundle(owned)} == {line["uid"] for line in [*before, new]}
    assert take(gone).json["counts"] == {"forget": 1}
    ana.grant("work", "admin")
    assert take(purged).json["counts"] == {"purge": 1}
    assert take(changed).json["counts"] == {"purged": 1}
    assert refusals(take({"uid": named_uid("unmet"), "state": "purged"})) == {("*", "admin"): 1}
    ana.grant("*", "admin")
    assert take({"uid": named_uid("unmet"), "state": "purged"}).json["counts"] == {"noted": 1}
    assert take({"uid": SECRET, "state": "purged"}).json["counts"] == {"purge": 1}


def test_nothing_is_changed_or_moved_out_of_a_project_that_may_only_be_read(owned):
    ana = Member(owned, "ana", work="write", private="read")
    moved = {"uid": SECRET, "text": TEXT, "project": "work", "revision": 9}
    for line in (moved, {"uid": SECRET, "state": "forgotten", "revision": 9}):
        before = bundle(owned)
        refused = ana.ask("POST", "/import", {"memories": [line]})
        assert (refusals(refused), bundle(owned)) == ({("private", "write"): 1}, before)


def test_what_a_refused_memory_replaces_does_not_count_again(owned):
    ana = Member(owned, "ana", work="write", private="read")
    oldest, older, newer = (named_uid(name) for name in ("the oldest", "the older", "the newer"))
    lines = [
        {"uid": newer, "text": "c", "project": "private", "revision": 1, "supersedes": older},
        {"uid": older, "text": "b", "project": "work", "revision": 1, "superseded_by": newer},
        {"uid": oldest, "text": "a", "project": "work", "revision": 1, "superseded_by": older},
    ]
    told = ana.ask("POST", "/import", {"memories": lines}).json
    assert [one["outcome"] for one in told["results"]] == ["refused", "superseded", "superseded"]


def test_a_preview_says_what_is_refused_and_holds_if_the_rights_are_as_before(owned):
    ana = Member(owned, "ana", work="write", private="read")
    lines = [
        {"uid": named_uid("one"), "text": "a", "project": "private"},
        {"uid": named_uid("two"), "text": "b", "project": "work"},
    ]
    told = ana.ask("POST", "/import", {"memories": lines, "dry_run": True}).json
    assert told["counts"] == {"refused": 1, "new": 1}
    expected = [line | {"expected": one["outcome"]} for line, one in zip(lines, told["results"], strict=True)]
    ana.grant("private", "write")
    answer = ana.ask("POST", "/import", {"memories": expected})
    assert (answer.status_code, "what you may do" in answer.json["description"]) == (409, True)
    ana.grant("private", "read")
    assert ana.ask("POST", "/import", {"memories": expected}).json["counts"] == {"refused": 1, "new": 1}


def test_who_wrote_it_is_the_members_own_word_and_the_owner_brings_it_along(
    owned, make_service, client_of, tmp_path
):
    ana, ben = Member(owned, "ana", work="write"), Member(owned, "ben", work="write")
    line = {"uid": named_uid("new"), "text": "a new one", "project": "work", "revision": 1, "actor": "ben"}
    (told,) = ana.ask("POST", "/import", {"memories": [line]}).json["results"]
    read = lambda client: client.get(f"/memory/{told['id']}", headers=OWNER).json["actor"]  # noqa: E731
    assert read(owned) == "ana"
    assert ben.ask("POST", "/import", {"memories": [line]}).json["counts"] == {"known": 1}
    assert ben.ask("POST", "/import", {"memories": [{**line, "text": "b", "revision": 2}]}).json[
        "counts"
    ] == {"changed": 1}
    assert read(owned) == "ana"
    other = client_of(make_service(token="tok-3f9a1c", data_dir=str(tmp_path / "other")))
    bring(other, bundle(owned))
    assert bundle(other) == bundle(owned)
    assert [one["actor"] for one in bundle(other) if one["uid"] == line["uid"]] == ["ana"]
    assert set(bring(owned, bundle(other))) == {"known"}


def test_the_log_tells_what_was_brought_forgotten_and_purged(owned):
    ana = Member(owned, "ana", work="admin")
    lines = [
        {"uid": named_uid("new"), "text": "a new one", "project": "work", "revision": 1},
        {"uid": named_uid("left there"), "state": "forgotten", "project": "work", "revision": 2},
        {"uid": MET, "state": "purged"},
    ]
    ana.ask("POST", "/import", {"memories": lines, "dry_run": True})
    answer = ana.ask("POST", "/import", {"memories": lines}).json
    assert answer["counts"] == {"new": 1, "noted": 1, "purge": 1}
    number = answer["results"][0]["id"]
    ana.ask(
        "POST",
        "/import",
        {"memories": [{"uid": lines[0]["uid"], "state": "forgotten", "project": "work", "revision": 2}]},
    )
    entries = owned.get("/team/log", params={"actor": "ana"}, headers=OWNER).json["entries"]
    assert [(one["action"], one["ids"], one["projects"]) for one in reversed(entries)] == [
        ("imported", [number], ["work"]), ("tombstones noted", [], ["work"]), ("purged", [1], ["work"]),
        ("forgotten", [number], ["work"]),
    ]  # fmt: skip


def test_a_file_of_the_machine_is_the_owners_affair(owned, tmp_path):
    file = tmp_path / "notes.md"
    file.write_text("a new one")
    origin = {"file": str(file), "place": "", "text": "x", "details": "y"}
    ana = Member(owned, "ana", work="write")
    line = {"uid": named_uid("new"), "text": "a new one", "project": "work", "origin": origin}
    assert ana.ask("POST", "/import", {"memories": [line]}).status_code == 200
    assert [one["origin"] for one in bundle(owned) if one["uid"] == line["uid"]] == [None]
    bring(owned, [{**line, "uid": named_uid("another")}])
    assert [one["origin"] for one in bundle(owned) if one["uid"] == named_uid("another")] == [origin]
    shown = ana.ask("GET", "/export", params={"format": "jsonl", "project": "work"}).text
    assert str(file) not in shown
