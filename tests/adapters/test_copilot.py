"""What Copilot is given, in the terminal and in VS Code, has the form that it reads."""

from __future__ import annotations

import json

import pytest
import yaml

from faiss_memory import InstallContext, Snippet
from faiss_memory.install import by_path, whole_file
from faiss_memory_adapters.copilot import adapter as copilot
from faiss_memory_adapters.vscode import adapter as vscode

HOOK = "/adapters/copilot/hook?project=shop"
RULES = ".github/instructions/faiss-memory.instructions.md"


def files(adapter, scope="personal", **given):
    context = InstallContext(url="http://127.0.0.1:8900", project="shop", scope=scope, **given)
    written = [file for file in adapter.files(context) if not isinstance(file, Snippet)]
    found = {path: whole_file(parts) for path, parts in by_path(written).items()}
    return {path: json.loads(text) if path.endswith(".json") else text for path, text in found.items()}


@pytest.mark.parametrize("scope", ["personal", "shared", "user"])
@pytest.mark.parametrize("given", [{}, {"command": "", "hook_command": ""}])
def test_the_hooks_lie_in_a_file_of_our_own(scope, given):
    folder = "~/.copilot" if scope == "user" else ".github"
    hooks = files(copilot, scope, **given)[f"{folder}/hooks/faiss-memory.json"]
    assert hooks["version"] == 1
    assert set(hooks["hooks"]) == {"SessionStart", "UserPromptSubmit"}, (
        "by these names they are told as Claude's"
    )
    for (hook,) in hooks["hooks"].values():
        assert hook["type"] == "command"
        assert ("--context additionalContext" in hook["command"]) == (not given)


def test_the_server_is_a_command_and_with_the_container_alone_an_address():
    found = files(copilot)[".github/mcp.json"]["mcpServers"]["faiss-memory"]
    assert found == {
        "type": "local", "command": "faiss-memory", "args": ["mcp", "--project", "shop"], "tools": ["*"],
    }  # fmt: skip
    assert files(copilot, "shared")[".github/mcp.json"]["mcpServers"]["faiss-memory"] == found
    alone = files(copilot, "shared", has_token=True, command="")[".github/mcp.json"]["mcpServers"][
        "faiss-memory"
    ]
    assert alone["url"] == "http://127.0.0.1:8900/mcp?project=shop"
    assert alone["headers"] == {"Authorization": "Bearer ${FAISS_MEMORY_TOKEN}"}
    assert files(copilot, "user")["~/.copilot/mcp-config.json"]["mcpServers"]["faiss-memory"]["args"] == [
        "mcp"
    ]


def test_vs_code_is_asked_for_the_token_where_its_entry_needs_one():
    assert "inputs" not in files(vscode, has_token=True)[".vscode/mcp.json"]
    alone = files(vscode, "shared", has_token=True, command="")[".vscode/mcp.json"]
    assert alone["servers"]["faiss-memory"]["headers"] == {
        "Authorization": "Bearer ${input:faiss-memory-token}"
    }
    (asked,) = alone["inputs"]
    assert (asked["id"], asked["password"]) == ("faiss-memory-token", True)


def test_for_all_projects_vs_codes_entry_is_only_shown():
    context = InstallContext(url="http://127.0.0.1:8900", project="shop", scope="user")
    (shown,) = vscode.files(context)
    assert isinstance(shown, Snippet)
    assert json.loads(shown.text)["servers"]["faiss-memory"]["args"] == ["mcp"]


def test_both_read_the_same_instructions():
    assert files(copilot)[RULES] == files(vscode)[RULES]
    _, head, text = files(copilot)[RULES].split("---\n", 2)
    assert yaml.safe_load(head)["applyTo"] == "**"
    assert "memory_search" in text


@pytest.mark.parametrize("name", ["trustedFolders", "trusted_folders"])
def test_a_folder_is_trusted_as_it_noted(tmp_path, name):
    context = InstallContext(
        url="http://x",
        project="shop",
        folder=str(tmp_path / "shop"),
        environment={"COPILOT_HOME": str(tmp_path)},
    )
    assert any("trust" in one for one in copilot.obstacles(context))
    (tmp_path / "config.json").write_text("// Of its own.\n" + json.dumps({name: [str(tmp_path)]}))
    assert copilot.obstacles(context) == []
    assert copilot.steps(context) == []


def test_it_is_answered_where_it_looks(client):
    client.post("/memory/add", {"text": "Money is kept in integer cents", "project": "shop"})
    event = {
        "hook_event_name": "UserPromptSubmit",
        "session_id": "1",
        "prompt": "Money is kept in integer cents",
    }
    answer = client.post(HOOK, event).json
    assert list(answer) == ["additionalContext"]
    assert "integer cents" in answer["additionalContext"]
