"""What a member of the team reaches: what may not be seen is as if it did not exist, by whatever call and field.

The calls and their fields are taken from the routes. Each is asked of two services that differ only in what a project
holds that the member may not see: whatever is asked, they must answer alike.
"""

from __future__ import annotations

import io
import re
import time
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from faiss_memory.http.routes import core_routes
from faiss_memory.rights import member_rights
from faiss_memory.schema import fields_of
from faiss_memory.service.assistant_files import AssistantFiles
from faiss_memory.service.backups import Backups
from faiss_memory.team import log, team
from tests.mcp.conftest import ACCEPT
from tests.test_rights import KNOWN, SECRET, TEXT, plain, requests_of

OWNER = {"Authorization": "Bearer tok-3f9a1c"}
PEER = "192.168.1.7"


class Member:
    """One who has a token, on another machine."""

    def __init__(self, client: Any, name: str, **grants: str) -> None:
        assert client.post("/team", {"name": name}, headers=OWNER).status_code == 201
        self.client, self.name = client, name
        self.token = client.post(f"/team/{name}/token", {}, headers=OWNER).json["token"]
        for project, can in grants.items():
            self.grant(project, can)

    def grant(self, project: str, can: str | None) -> None:
        body = {"project": project, "can": can}
        assert self.client.post(f"/team/{self.name}/grant", body, headers=OWNER).status_code == 200

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return self.client.request(method, path, body, headers=headers, remote_addr=PEER, **options)


@pytest.fixture
def owned(make_service, client_of):
    """A service with a token, and its client."""
    service = make_service(token="tok-3f9a1c")
    return service, client_of(service)


@pytest.fixture
def pair(make_service, client_of, tmp_path):
    """Two services, the second of which holds memories in a project that the member may not see."""
    found = []
    for name in ("without", "with"):
        service = make_service(token="tok-3f9a1c", data_dir=str(tmp_path / name))
        client = client_of(service)
        for body in (KNOWN, SECRET, {**SECRET, "text": f"{TEXT}, still", "supersedes": 2}):
            assert client.post("/memory/add", body, headers=OWNER).status_code == 201
        if name == "without":  # (so that the next memory has the same id in both)
            client.request("DELETE", "/projects/private", headers=OWNER)
        found.append((service, client))
    return found


def calls_of(service: Any) -> list[tuple[str, str, Any, dict[str, Any]]]:
    """Every call, with what to send: each field with each value, and each name and id in its path."""
    brought = [route for more in service.plugins.hook.register_routes(service=service) for route in more]
    routes = [*core_routes(service, Backups(service), AssistantFiles(service, brought)), *brought]
    found = []
    for route in routes:
        if route.upload or route.open or route.path.startswith(("/adapters/", "/team")):
            continue
        variables = re.findall(r"{(\w+)}", route.path)
        kept = {"id": [1, 2, 3, 99], "name": ["private", "work", "nowhere"]}
        params = (
            {} if route.params is None else {name: one.type for name, one in fields_of(route.params).items()}
        )
        body = None if route.body is None else {name: one.type for name, one in fields_of(route.body).items()}
        asked = {name: kind for name, kind in (body or params).items() if name not in variables}
        for value in kept[variables[0]] if variables else [None]:
            path = route.path if value is None else re.sub(r"{\w+}", str(value), route.path)
            if "rights" not in route.wanted:  # the owner's alone: whatever is asked
                found.append((route.method, path, None if body is None else {}, {}))
                continue
            for given in required(asked, requests_of(asked, ["private"])) or [{}]:
                found.append(
                    (
                        route.method,
                        path,
                        given if body is not None else None,
                        {} if body is not None else given,
                    )
                )
    return found


def required(fields: dict[str, Any], requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with what cannot be left out, about what may not be seen."""
    always = {
        "prompt": TEXT, "ids": [2], "keep": 1, "from": "vault", "to": "private", "uid": "x",
    }  # fmt: skip
    base = {name: value for name, value in always.items() if name in fields}
    if "memories" in fields:
        secret = {"text": TEXT, "project": "private"}
        memories = [[secret], [{"text": TEXT}], [{"text": TEXT, "project": "work", "supersedes": 2}]]
        return [{"memories": one} for one in memories]
    return [{**base, **one} for one in requests] + [{**base, "keep": 2, "ids": [1]}] * ("keep" in fields)


ONCE = re.compile(
    r"\d{4}-\d\d-\d\d[T ][\d:.]+(\+00:00|Z)?|[0-9a-f]{8}-[0-9a-f-]{27}|-[0-9a-f]{12}(?=\.md)"
    r'|"p(50|95)_ms":\d+'
)


def answered(member: Member, call: tuple[str, str, Any, dict[str, Any]]) -> tuple[int, str]:
    method, path, body, params = call
    answer = member.ask(method, path, body, params=params, headers=ACCEPT)
    return answer.status_code, plain(ONCE.sub("-", text_of(answer.content)))


def text_of(content: bytes) -> str:
    if not content.startswith(b"PK"):
        return content.decode()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return "\n".join(f"{name} {archive.read(name).decode()}" for name in archive.namelist())


def held(client: Any) -> Any:
    query = {"project": "private", "include_superseded": "true"}
    return client.get("/memories", params=query, headers=OWNER).json["memories"]


def set_right(client: Any) -> None:
    """Leave in the member's project what was there: each call meets the same."""
    query = {"project": "work", "include_superseded": "true"}
    there = client.get("/memories", params=query, headers=OWNER).json["memories"]
    if [(one["text"], one["superseded_by"], one["tags"]) for one in there] != [
        (KNOWN["text"], None, KNOWN["tags"])
    ]:
        if there:
            client.post("/memory/forget", {"ids": [one["id"] for one in there]}, headers=OWNER)
        client.post("/memory/add", KNOWN, headers=OWNER)


def test_what_may_not_be_seen_changes_no_answer_whatever_call_and_field_is_used(pair):
    (service, without), (_, with_it) = pair
    one, other = (Member(client, "ana", work="admin") for client in (without, with_it))
    before, statuses, met = held(with_it), set(), set()
    assert len(before) == 2
    for call in calls_of(service):
        answers = answered(one, call), answered(other, call)
        assert answers[0] == answers[1], call
        statuses.add(answers[0][0])
        if answers[0][0] < 300:
            met.add(call[:2])
            if call[0] != "GET":
                set_right(without)
                set_right(with_it)
    assert held(with_it) == before
    assert statuses >= {200, 201, 400, 403, 404}
    assert met >= {
        ("GET", "/memories"), ("POST", "/search"), ("GET", "/export"), ("POST", "/memory/add"), ("GET", "/facets"),
        ("POST", "/memory/forget"), ("POST", "/memory/purge"), ("GET", "/uses"), ("GET", "/duplicates"),
        ("POST", "/recall/preview"), ("GET", "/projects"), ("GET", "/stats"),
    }  # fmt: skip


def test_tools_and_hooks_go_by_the_same_rights(pair):
    (_, without), (_, with_it) = pair
    members = [Member(client, "ana", work="write") for client in (without, with_it)]
    asked = lambda method, params: {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}  # noqa: E731
    listed = members[0].ask("POST", "/mcp", asked("tools/list", {}), headers=ACCEPT).json["result"]["tools"]
    assert {tool["name"] for tool in listed} >= {
        "memory_search",
        "memory_add",
        "memory_update",
        "memory_forget",
    }
    before = held(with_it)
    kinds = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list, "object": dict}
    for tool in listed:
        fields = {
            name: kinds.get(one.get("type", "string"), str)
            for name, one in tool["inputSchema"]["properties"].items()
        }
        for number, given in enumerate(required(fields, requests_of(fields, []))):
            address = ("/mcp", "/mcp?project=private")[number % 2]
            arguments = {"id": 2, **given} if "id" in fields else given
            call = ("POST", address, asked("tools/call", {"name": tool["name"], "arguments": arguments}), {})
            answers = [answered(member, call) for member in members]
            assert answers[0] == answers[1], call
            if not tool["annotations"].get("readOnlyHint"):
                set_right(without)
                set_right(with_it)
    for method, params in (
        ("resources/list", {}), ("resources/read", {"uri": "faiss-memory://memory/2"}),
        ("prompts/get", {"name": "recall", "arguments": {"question": TEXT}}),
    ):  # fmt: skip
        answers = [
            answered(member, ("POST", "/mcp?project=private", asked(method, params), {}))
            for member in members
        ]
        assert answers[0] == answers[1], method
    for event in ("SessionStart", "UserPromptSubmit"):
        body = {"hook_event_name": event, "session_id": "s1", "cwd": "/", "prompt": TEXT, "source": "startup"}
        for params in ({}, {"project": "private"}):
            call = ("POST", "/adapters/claude-code/hook", body, params)
            answers = [answered(member, call) for member in members]
            assert answers[0] == answers[1]
            assert answers[0][0] == 200
            assert "vault" not in answers[1][1]
    assert held(with_it) == before


def test_levels_read_write_admin(owned):
    _, client = owned
    client.post("/memory/add", KNOWN, headers=OWNER)
    ana = Member(client, "ana", work="read")
    assert ana.ask("GET", "/me").json == {"name": "ana", "read": "work", "write": [], "admin": []}
    assert ana.ask("GET", "/memory/1").json["text"] == KNOWN["text"]
    for call in (
        ("PATCH", "/memory/1", {"text": "x"}), ("DELETE", "/memory/1", None), ("POST", "/memory/add", KNOWN),
        ("DELETE", "/projects/work", None), ("POST", "/memory/move", {"ids": [1], "project": "work"}),
        ("POST", "/team/ana/grant", {"project": "work", "can": "admin"}),
    ):  # fmt: skip
        answer = ana.ask(*call)
        assert answer.status_code == 403, call
    ana.grant("work", "write")
    assert ana.ask("PATCH", "/memory/1", {"text": "the ledger is in sqlite"}).status_code == 200
    assert ana.ask("DELETE", "/projects/work").status_code == 403
    assert ana.ask("POST", "/memory/purge", {"ids": [1]}).json["ids"] == []
    ana.grant("work", "admin")
    ben = Member(client, "ben")
    assert ana.ask("POST", "/team/ben/grant", {"project": "work", "can": "read"}).status_code == 200
    assert ana.ask("POST", "/team/ben/grant", {"project": "private", "can": "read"}).status_code == 404
    assert ana.ask("GET", "/team").status_code == 403
    assert ben.ask("GET", "/memory/1").status_code == 200
    assert ana.ask("DELETE", "/projects/work").status_code == 200
    ana.grant("*", "admin")
    assert ana.ask("POST", "/team", {"name": "cleo"}).status_code == 201
    assert ana.ask("POST", "/backup", {}).status_code == 403


def test_a_grant_of_everything_and_more_of_one():
    rights = member_rights("ana", {"*": "read", "work": "write"})
    assert (rights.reads, rights.writes, rights.admins) == (None, ("work",), ())
    assert (rights.usual_reads, rights.usual_write) == (("default",), "work")


def test_a_token_is_shown_once_kept_hashed_and_ends(owned):
    service, client = owned
    ana = Member(client, "ana", work="read")
    folder = service.settings.data_folder
    for path in folder.glob("team.db*"):
        assert ana.token.encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0
    soon = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
    short = client.post("/team/ana/token", {"expires": soon}, headers=OWNER).json["token"]
    good = ana.token
    ana.token = short
    assert ana.ask("GET", "/me").status_code == 200
    time.sleep(0.35)
    assert ana.ask("GET", "/me").status_code == 401
    past = client.post("/team/ana/token", {"expires": "2020-01-01T00:00:00Z"}, headers=OWNER)
    assert (past.status_code, past.json["field"]) == (400, "expires")
    ana.token = good
    (fact, _) = client.get("/team", headers=OWNER).json["members"][0]["tokens"]
    assert client.post("/team/ana/revoke", {"token": fact["id"]}, headers=OWNER).json["revoked"] == 1
    assert ana.ask("GET", "/me").status_code == 401
    for bad in (good[:-1], f"{good}x", good.upper(), "fmt_", "fmt_" + "A" * 43):
        ana.token = bad
        assert ana.ask("GET", "/me").status_code == 401


def test_a_revoked_member_is_nobody_on_this_machine_either(make_service, client_of):
    client = client_of(make_service())
    ana = Member(client, "ana", work="read")
    local = {"Authorization": f"Bearer {ana.token}"}
    assert client.get("/me", headers=local).json["name"] == "ana"
    assert client.get("/me").json["name"] is None
    client.request("DELETE", "/team/ana")
    assert client.get("/me", headers=local).status_code == 401


def test_a_session_in_a_browser_ends_with_its_token(owned):
    _, client = owned
    ana = Member(client, "ana", work="write")
    begun = client.post("/login", {"token": ana.token}, remote_addr=PEER)
    cookie = {"Cookie": begun.headers["set-cookie"].partition(";")[0], "X-FAISS-Memory": "page"}
    assert client.get("/me", headers=cookie, remote_addr=PEER).json["name"] == "ana"
    assert client.post("/memory/add", KNOWN, headers=cookie, remote_addr=PEER).status_code == 201
    assert client.get("/backups", headers=cookie, remote_addr=PEER).status_code == 403
    client.post("/team/ana/revoke", {}, headers=OWNER)
    assert client.get("/me", headers=cookie, remote_addr=PEER).status_code == 401


def test_no_restore_brings_a_revoked_token_back(owned):
    service, client = owned
    ana = Member(client, "ana", work="read")
    client.post("/memory/add", KNOWN, headers=OWNER)
    name = client.post("/backup", {}, headers=OWNER).json["backup"]
    client.post("/team/ana/revoke", {}, headers=OWNER)
    assert client.post("/restore", {"backup": name}, headers=OWNER).status_code == 200
    assert ana.ask("GET", "/me").status_code == 401
    # Nor does an older state of the table itself, such as of a database that was restored.
    service.team._tables.write(lambda run: run("update $.team_token set revoked = null"))
    assert ana.ask("GET", "/me").status_code == 401


def test_the_log_says_who_did_what_and_no_text(owned):
    _, client = owned
    ana = Member(client, "ana", work="admin")
    ana.ask("POST", "/memory/add", KNOWN)
    ana.ask(
        "POST",
        "/memory/add-batch",
        {"memories": [{**KNOWN, "text": "a second"}, {**KNOWN, "text": "a third"}]},
    )
    ana.ask("PATCH", "/memory/1", {"text": "corrected"})
    ana.ask("DELETE", "/memory/2")
    ana.ask("POST", "/memory/purge", {"ids": [3]})
    ana.ask("POST", "/tags/rename", {"from": "decision", "to": "choice"})
    ana.token = "fmt_" + "A" * 43
    ana.ask("GET", "/me")
    answer = client.get("/team/log", headers=OWNER)
    told = [(one["actor"], one["action"], one["ids"]) for one in reversed(answer.json["entries"])]
    assert told == [
        ("owner", "member added", []), ("owner", "token made", []), ("owner", "granted", []),
        ("ana", "added", [1]), ("ana", "added", [2, 3]), ("ana", "changed", [1]), ("ana", "forgotten", [2]),
        ("ana", "purged", [3]), ("ana", "tag renamed", [1]), (PEER, "sign-in refused", []),
    ]  # fmt: skip
    assert {tuple(one["projects"]) for one in answer.json["entries"] if one["ids"]} == {("work",)}
    assert "ledger" not in answer.text
    assert "corrected" not in answer.text
    of_owner = client.get("/team/log", params={"actor": "owner", "limit": 2}, headers=OWNER).json["entries"]
    assert [one["action"] for one in of_owner] == ["granted", "token made"]
    older = client.get("/team/log", params={"before": of_owner[-1]["id"]}, headers=OWNER).json["entries"]
    assert [one["action"] for one in older] == ["member added"]


def test_the_log_is_bounded_and_refused_sign_ins_push_nothing_out(owned, monkeypatch):
    monkeypatch.setattr(log, "KEPT", 3)
    monkeypatch.setattr(log, "REFUSED_KEPT", 2)
    monkeypatch.setattr(log, "_CLEARED_EVERY", 1)
    monkeypatch.setattr(team, "_SECONDS_BETWEEN_REFUSED", 0)
    log_clears = lambda entries: [one["action"] for one in entries]  # noqa: E731
    service, client = owned
    monkeypatch.setattr(service.team._log, "_written", 0)
    Member(client, "ana")
    for _ in range(6):
        client.get("/me", headers={"Authorization": "Bearer fmt_x"}, remote_addr=PEER)
    entries = client.get("/team/log", headers=OWNER).json["entries"]
    assert log_clears(entries).count("sign-in refused") <= 3
    assert log_clears(entries).count("member added") == 1


def test_nothing_is_kept_where_there_is_no_team(make_service, client_of):
    service = make_service()
    client = client_of(service)
    client.post("/memory/add", KNOWN)
    assert client.get("/team").json == {"members": [], "count": 0}
    assert client.get("/team/log").json == {"entries": [], "count": 0}
    assert not (service.settings.data_folder / "team.db").exists()


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/team", {"name": ""}, 400, "name"), ("/team", {"name": "owner"}, 400, "name"),
        ("/team", {"name": "ana"}, 409, "name"), ("/team/nobody/token", {}, 404, "name"),
        ("/team/nobody/grant", {"project": "work", "can": "read"}, 404, "name"),
        ("/team/ana/grant", {"project": "work", "can": "own"}, 400, "can"),
        ("/team/ana/revoke", {"token": "0" * 12}, 404, "token"),
    ],
)  # fmt: skip
def test_bad_input_names_the_field(make_service, client_of, path, body, status, field):
    client = client_of(make_service())
    client.post("/team", {"name": "ana"})
    answer = client.post(path, body)
    assert (answer.status_code, answer.json["field"]) == (status, field)
