"""What `faiss-memory import` says and does where a member may not write all of it.

A member asks through a proxy that speaks https: here its calls reach the application directly.
"""

from __future__ import annotations

import json

import pytest

from faiss_memory.cli.failures import Refused
from faiss_memory.cli.memories.taking_over import TakingOver
from faiss_memory.cli.output import PlainOutput
from faiss_memory.cli.session import Session
from faiss_memory.uids import named_uid
from faiss_memory_plugins.importers.ours import Ours
from tests.test_team import Member


class Calls:
    """The calls of the command line, as a member's."""

    def __init__(self, member):
        self._member = member

    def call(self, method, path, body=None, params=None, **_):
        answer = self._member.ask(method, path, body, params=params)
        if answer.status_code >= 400:
            raise Refused(answer.json["description"], answer.status_code)
        return answer.json


@pytest.fixture
def ana(make_service, client_of):
    return Member(client_of(make_service(token="tok-3f9a1c")), "ana", work="write", shared="read")


def _bundle(tmp_path):
    new, older = named_uid("new"), named_uid("older")
    lines = [
        {"uid": older, "text": "the old ledger", "project": "work", "revision": 1, "superseded_by": new},
        {"uid": new, "text": "the new ledger", "project": "shared", "revision": 1, "supersedes": older},
        *(
            {"uid": named_uid(f"note {one}"), "text": f"note {one}", "project": "shared", "revision": 1}
            for one in range(120)
        ),
        {"uid": named_uid("cache"), "text": "the cache", "project": "work", "revision": 1},
        {"uid": named_uid("gone"), "state": "purged"},
    ]
    path = tmp_path / "there.jsonl"
    head = {"format": "faiss-memory", "version": 1}
    path.write_text("\n".join(map(json.dumps, [head, *lines])))
    return path


def test_the_rest_goes_on_and_what_is_refused_is_counted_and_named(ana, tmp_path, capsys):
    session = Session(Calls(ana), PlainOutput(), as_json=False)
    taking = TakingOver(session, Ours(), _bundle(tmp_path), None, None, keep_secrets=False)
    _, _, preview = taking.preview()
    done = taking.apply()
    lacking = {("*", "admin"): 1, ("shared", "write"): 121}
    for report in (preview, done):
        assert +report.outcomes == {"new": 1, "superseded": 1, "refused": 122}
        assert report.refused == lacking
    listed = ana.ask("GET", "/memories", params={"project": "*"}).json["memories"]
    assert [memory["text"] for memory in listed] == ["the cache"]
    taking.tell(done, "0", dry_run=False)
    told = capsys.readouterr()
    assert "1 new, 1 replaced by what is not there, 122 refused" in told.out + told.err
    assert "121 refused: you need the right `write` in project `shared`" in told.out + told.err
    assert "1 refused: you need the right `admin` in every project" in told.out + told.err
