"""What Gemini CLI is given has the form that it was seen to read, and what it says is understood."""

from __future__ import annotations

import json

import pytest

from faiss_memory import InstallContext
from faiss_memory.install import by_path, whole_file
from faiss_memory_adapters import gemini as module
from faiss_memory_adapters.gemini import adapter

HOOK = "/adapters/gemini/hook?project=shop"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder with a project in it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(module, "MANAGED", tmp_path / "managed.json")
    (tmp_path / "website" / ".gemini").mkdir(parents=True)
    (tmp_path / ".gemini").mkdir()
    return tmp_path


def given(home, scope="personal", **more):
    folder = "" if scope == "user" else str(home / "website")
    return InstallContext(
        **{"url": "http://127.0.0.1:8900", "project": "website", "scope": scope, "folder": folder, **more}
    )


def settings(home, scope, **more):
    files = by_path(adapter.files(given(home, scope, **more)))
    return next(json.loads(whole_file(parts)) for path, parts in files.items() if path.endswith(".json"))


@pytest.mark.parametrize("scope", ["personal", "shared", "user"])
def test_hooks_are_command_hooks_with_their_time_in_milliseconds(home, scope):
    hooks = settings(home, scope)["hooks"]
    assert set(hooks) == {"SessionStart", "BeforeAgent", "AfterTool"}
    for (group,) in hooks.values():
        (hook,) = group["hooks"]
        assert hook["type"] == "command"
        assert hook["timeout"] >= 1000
        assert hook["name"] == "faiss-memory"


def test_the_server_is_a_command_and_with_the_container_alone_an_address(home):
    server = settings(home, "personal")["mcpServers"]["faiss-memory"]
    assert (server["command"], server["args"]) == ("faiss-memory", ["mcp", "--project", "website"])
    assert settings(home, "user")["mcpServers"]["faiss-memory"]["args"] == ["mcp"]
    assert settings(home, "shared")["mcpServers"]["faiss-memory"] == server
    for scope in ("personal", "shared"):
        alone = {"command": "", "hook_command": "", "has_token": True}
        server = settings(home, scope, **alone)["mcpServers"]["faiss-memory"]
        assert server["httpUrl"] == "http://127.0.0.1:8900/mcp?project=website"
        assert server["headers"] == {"Authorization": "Bearer ${FAISS_MEMORY_TOKEN}"}


@pytest.mark.parametrize(
    ("file_name", "path"),
    [
        (None, "GEMINI.md"),
        ("AGENTS.md", "AGENTS.md"),
        (["AGENTS.md", "GEMINI.md"], "GEMINI.md"),
        (["docs/x.md", "NOTES.md"], "NOTES.md"),
        (["../x.md"], "GEMINI.md"),
        (7, "GEMINI.md"),
    ],
)
def test_the_rules_go_into_the_file_that_it_reads(home, file_name, path):
    said = {} if file_name is None else {"context": {"fileName": file_name}}
    (home / ".gemini/settings.json").write_text(json.dumps(said))
    assert path in by_path(adapter.files(given(home, "shared")))
    assert f"~/.gemini/{path}" in by_path(adapter.files(given(home, "user")))
    assert path not in by_path(adapter.files(given(home, "personal")))


@pytest.mark.parametrize(
    ("said", "trusted"),
    [
        ({}, False),
        ({"website": "TRUST_FOLDER"}, True),
        ({"website": "TRUST_PARENT"}, True),
        ({"other": "TRUST_PARENT"}, True),
        ({"other": "TRUST_FOLDER"}, False),
        ({"": "TRUST_FOLDER", "website": "DO_NOT_TRUST"}, False),
        ({"": "TRUST_FOLDER"}, True),
    ],
)
def test_a_folder_is_trusted_as_it_noted(home, said, trusted):
    noted = {str(home / name): level for name, level in said.items()}
    (home / ".gemini/trustedFolders.json").write_text(json.dumps(noted))
    assert any("trust" in one for one in adapter.obstacles(given(home))) is not trusted
    assert any("trust" in one for one in adapter.steps(given(home))) is not trusted
    assert adapter.steps(given(home, "user")) == []


def test_without_asking_for_trust_every_folder_is_trusted(home):
    (home / ".gemini/settings.json").write_text('{"security": {"folderTrust": {"enabled": false}}} // mine')
    assert adapter.obstacles(given(home)) == []


def test_what_its_hooks_have_answered_is_no_part_of_the_next_prompt(client):
    """Without a terminal it puts the answer of the first hook before the prompt that it hands to the second."""
    client.post(
        "/memory/add",
        {"text": "PINNED is to answer in British spelling", "project": "shop", "tags": ["pinned"]},
    )
    client.post("/memory/add", {"text": "Money is kept in integer cents", "project": "shop"})
    begun = client.post(HOOK, {"hook_event_name": "SessionStart", "session_id": "1", "source": "startup"})
    digest = begun.json["hookSpecificOutput"]["additionalContext"]
    prompt = f"<hook_context>{digest}</hook_context>\n\nMoney is kept in integer cents"
    event = {"hook_event_name": "BeforeAgent", "session_id": "1", "prompt": prompt}
    answer = client.post(HOOK, event).json["hookSpecificOutput"]
    assert answer["hookEventName"] == "BeforeAgent"
    assert "integer cents" in answer["additionalContext"]
    log = client.get("/recall/log").json["recalls"]
    assert log[0]["prompt"] == "Money is kept in integer cents"
