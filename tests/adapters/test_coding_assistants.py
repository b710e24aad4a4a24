"""What Claude Code, Cursor and Codex are given has the form their readers take, as far as we can judge without them."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import replace

import pytest
import yaml

import faiss_memory_hook
from faiss_memory import InstallContext
from faiss_memory.install import by_path, whole_file
from faiss_memory_adapters import claude_code as claude_code_module, codex as codex_module
from faiss_memory_adapters.claude_code import adapter as claude_code
from faiss_memory_adapters.codex import adapter as codex
from faiss_memory_adapters.copilot import adapter as copilot
from faiss_memory_adapters.cursor import adapter as cursor
from faiss_memory_adapters.gemini import adapter as gemini
from faiss_memory_adapters.kiro import adapter as kiro
from faiss_memory_adapters.opencode import adapter as opencode
from faiss_memory_adapters.qwen import adapter as qwen
from faiss_memory_adapters.vscode import adapter as vscode
from faiss_memory_plugins.recall.settings import RecallSettings

FOLDER = "/home/you/website"
CURSOR_SERVER = {"type", "command", "args", "env", "url", "headers", "cwd", "envFile", "auth", "enabledTools"}
CURSOR_EVENTS = {
    "sessionStart",
    "sessionEnd",
    "beforeSubmitPrompt",
    "stop",
    "preCompact",
    "preToolUse",
    "postToolUse",
}
CODEX_SERVER = {
    "command", "args", "env", "env_vars", "cwd", "url", "bearer_token_env_var", "http_headers", "env_http_headers",
    "enabled", "required", "startup_timeout_sec", "tool_timeout_sec", "enabled_tools", "disabled_tools",
    "default_tools_approval_mode", "tools",
}  # fmt: skip
CODEX_EVENTS = {
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PreCompact",
    "PostCompact",
    "Stop",
}
READ = {".json": json.loads, ".toml": tomllib.loads}


def files(adapter, scope="personal", **given):
    """Every file as it is where nothing else is in it, by path; what has a syntax is read."""
    folder = "" if scope == "user" else FOLDER
    context = InstallContext(
        **{"url": "http://127.0.0.1:8900", "project": "website", "scope": scope, "folder": folder, **given}
    )
    found = {path: whole_file(parts) for path, parts in by_path(adapter.files(context)).items()}
    return {path: READ.get(path[path.rfind(".") :], str)(text) for path, text in found.items()}


WITHOUT_US = {"command": "", "hook_command": ""}
FORM = "--context additional_context --notice sessionStart:user_message"


# Claude Code.


def claude(scope, **given):
    """Its server and its settings."""
    found = files(claude_code, scope, **given)
    (settings,) = (value for path, value in found.items() if "/settings" in path)
    if ".mcp.json" in found:
        return found[".mcp.json"]["mcpServers"]["faiss-memory"], settings
    inner = found["~/.claude.json"]
    inner = inner if scope == "user" else inner["projects"][FOLDER]
    return inner["mcpServers"]["faiss-memory"], settings


@pytest.mark.parametrize("scope", ["personal", "shared", "user"])
@pytest.mark.parametrize("given", [{}, WITHOUT_US, {"has_token": True}])
def test_claude_code_takes_the_server_and_the_hooks(scope, given):
    server, settings = claude(scope, **given)
    assert server["type"] == ("stdio" if "command" in server else "http")
    hooks = {event: group["hooks"][0] for event, (group,) in settings["hooks"].items()}
    assert hooks.keys() == {
        "SessionStart",
        "UserPromptSubmit",
        "SubagentStart",
        "PreToolUse",
        "PostToolUseFailure",
    }
    assert settings["hooks"]["PreToolUse"][0]["matcher"] == "Agent|Task"
    asked = hooks.pop("UserPromptSubmit")
    assert {hook["type"] for hook in hooks.values()} == {"command"}, (
        "others are left out, or say that they fail"
    )
    assert asked["type"] == ("http" if "hook_command" in given else "command")
    if "hook_command" in given:
        assert asked["url"].startswith("http://127.0.0.1:8900/adapters/claude-code/hook")
        assert asked["timeout"] <= 1
        assert asked["url"].endswith("within_ms=250"), "what comes later is not to be taken for shown"
    # Somebody whom it is shared with need not have the program.
    assert asked.get("command", "").endswith("|| exit 0") == (
        scope == "shared" and "hook_command" not in given
    )
    assert settings["permissions"]["allow"] == ["mcp__faiss-memory__memory_search"]


def test_claude_code_is_given_a_folder_that_it_looks_up():
    assert "~/.claude.json" in files(claude_code)
    for given in ({"stands_alone": False}, {"folder": ""}):
        found = files(claude_code, **given)
        assert "~/.claude.json" not in found
        assert found[".claude/settings.local.json"]["enabledMcpjsonServers"] == ["faiss-memory"]
    on_windows = files(claude_code, folder="C:\\you\\website", system="windows")["~/.claude.json"]
    assert list(on_windows["projects"]) == ["C:/you/website"]


def test_claude_codes_shared_address_lets_each_have_one_of_their_own():
    server, _ = claude("shared", has_token=True, **WITHOUT_US)
    assert server["url"] == "${FAISS_MEMORY_URL:-http://127.0.0.1:8900}/mcp?project=website"
    assert server["headers"] == {"Authorization": "Bearer ${FAISS_MEMORY_TOKEN}"}


def test_claude_codes_hook_may_read_the_variable_that_it_names():
    asked = claude("personal", has_token=True, **WITHOUT_US)[1]["hooks"]["UserPromptSubmit"][0]["hooks"][0]
    assert asked["headers"] == {"Authorization": "Bearer $FAISS_MEMORY_TOKEN"}
    assert asked["allowedEnvVars"] == ["FAISS_MEMORY_TOKEN"]


def test_a_subagents_task_is_changed_and_nothing_else_is_let_through():
    hooks = claude("personal")[1]["hooks"]
    places = {event: group[0]["hooks"][0]["args"][4] for event, group in hooks.items()}
    assert places.pop("PreToolUse") == "hookSpecificOutput.updatedInput.prompt"
    assert set(places.values()) == {"hookSpecificOutput.additionalContext"}


def test_a_summary_is_asked_for_only_where_it_is_kept():
    for keeps in (True, False):
        hooks = claude("personal", sections=(RecallSettings(keep_summaries=keeps),))[1]["hooks"]
        assert ("PostCompact" in hooks) is keeps


@pytest.mark.parametrize("scope", ["personal", "shared", "user"])
def test_last_words_are_handed_over_only_where_a_suggestion_is_wanted_and_for_oneself(scope):
    for wants in (True, False):
        sections = (RecallSettings(suggest=wants),)
        hooks = {**claude(scope, sections=sections)[1]["hooks"]}
        found = files(codex, scope, sections=sections)
        (path,) = (path for path in found if path.endswith("hooks.json"))
        for events in (hooks, found[path]["hooks"]):
            assert ("Stop" in events) is (wants and scope != "shared")
    if scope == "personal":
        hook = claude(scope, sections=(RecallSettings(suggest=True),))[1]["hooks"]["Stop"][0]["hooks"][0]
        _, options = faiss_memory_hook._arguments(hook["args"])
        assert faiss_memory_hook._is_context(options, {"systemMessage": "Worth keeping? /remember that"})
        for harmful in ({"decision": "block", "reason": "x"}, {"systemMessage": "x", "continue": False}):
            assert not faiss_memory_hook._is_context(options, harmful)


def test_qwen_code_is_told_as_claude_code_with_other_tools():
    hooks = files(qwen)[".qwen/settings.json"]["hooks"]
    assert {event: group[0].get("matcher") for event, group in hooks.items()} == {
        "SessionStart": None, "UserPromptSubmit": None, "SubagentStart": None, "PreToolUse": "agent",
        "PostToolUseFailure": "run_shell_command",
    }  # fmt: skip
    command = hooks["PreToolUse"][0]["hooks"][0]["command"]
    assert "--context hookSpecificOutput.updatedInput.prompt" in command


# Cursor.


@pytest.mark.parametrize("scope", ["personal", "shared", "user"])
@pytest.mark.parametrize("given", [{}, WITHOUT_US, {"has_token": True}])
def test_cursor_takes_the_server_the_hooks_and_the_rule(scope, given):
    found = files(cursor, scope, **given)
    home = "~/" if scope == "user" else ""
    server = found[f"{home}.cursor/mcp.json"]["mcpServers"]["faiss-memory"]
    assert server.keys() <= CURSOR_SERVER
    assert ("command" in server) != ("url" in server)
    if "headers" in server:
        assert server["headers"] == {"Authorization": "Bearer ${env:FAISS_MEMORY_TOKEN}"}
    hooks = found[f"{home}.cursor/hooks.json"]
    assert hooks["version"] == 1
    assert hooks["hooks"].keys() <= CURSOR_EVENTS, "one unknown event makes the whole file invalid"
    assert all(hook["command"] for event in hooks["hooks"].values() for hook in event)
    rule = found.get(".cursor/rules/faiss-memory.mdc")
    assert (rule is None) == (scope != "personal")
    assert ("AGENTS.md" in found) == (scope == "shared"), "which it reads, as others do"
    assert rule is None or yaml.safe_load(rule.split("---")[1])["alwaysApply"] is True


# Codex.


@pytest.mark.parametrize("scope", ["personal", "shared", "user"])
@pytest.mark.parametrize("given", [{}, WITHOUT_US, {"has_token": True}])
def test_codex_takes_the_server_and_the_hooks(scope, given):
    found = files(codex, scope, **given)
    home = "~/" if scope == "user" else ""
    server = found[f"{home}.codex/config.toml"]["mcp_servers"]["faiss-memory"]
    assert server.keys() <= CODEX_SERVER, "an unknown field is left out, or stops it under --strict-config"
    assert ("command" in server) != ("url" in server)
    assert server.get("bearer_token_env_var", "FAISS_MEMORY_TOKEN") == "FAISS_MEMORY_TOKEN"
    assert server["tools"]["memory_forget"] == {"approval_mode": "prompt"}
    hooks = found[f"{home}.codex/hooks.json"]["hooks"]
    assert hooks.keys() <= CODEX_EVENTS
    assert {hook["type"] for event in hooks.values() for hook in event[0]["hooks"]} == {"command"}
    assert any(path.endswith("AGENTS.md") for path in found) is (scope != "personal")


# What they have in common.


@pytest.mark.parametrize(
    "adapter", [claude_code, cursor, codex, gemini, qwen, kiro], ids=lambda adapter: adapter.name
)
def test_the_skills_are_in_the_form_that_all_agree_on(adapter):
    skills = {path: text for path, text in files(adapter).items() if path.endswith("SKILL.md")}
    assert {path.split("/")[-2] for path in skills} == {"recall", "remember", "forget"}
    for path, text in skills.items():
        head = yaml.safe_load(text.split("---\n")[1])
        assert head["name"] == path.split("/")[-2]
        assert 0 < len(head["description"]) <= 1024


@pytest.mark.parametrize("scope", ["personal", "shared", "user"])
@pytest.mark.parametrize(
    "adapter",
    [claude_code, cursor, codex, gemini, qwen, opencode, copilot, vscode, kiro],
    ids=lambda adapter: adapter.name,
)
def test_every_way_follows_the_service_and_with_the_container_alone_has_its_address(adapter, scope):
    context = InstallContext(url="http://127.0.0.1:8900", project="website", scope=scope)
    assert ":8900" not in str(adapter.files(context)), "it would not follow to another port"
    alone = str(adapter.files(replace(context, **WITHOUT_US)))
    assert re.search(r"127\.0\.0\.1:8900\}?/mcp", alone)


def test_a_team_gets_few_files_and_of_each_one():
    both = [files(adapter, "shared") for adapter in (claude_code, cursor, codex)]
    assert len({path for found in both for path in found}) <= 10
    skills = [path for found in both for path in found if path.endswith("SKILL.md")]
    assert sorted(set(skills)) == [
        ".agents/skills/project-memory/SKILL.md", ".claude/skills/project-memory/SKILL.md",
    ]  # fmt: skip
    for found in both:
        (text,) = (text for path, text in found.items() if path.endswith("SKILL.md"))
        assert yaml.safe_load(text.split("---\n")[1])["name"] == "project-memory"


def test_codex_hands_on_the_variables_that_say_where_the_service_is():
    server = files(codex, has_token=True)[".codex/config.toml"]["mcp_servers"]["faiss-memory"]
    assert {"FAISS_MEMORY_URL", "FAISS_MEMORY_TOKEN", "XDG_RUNTIME_DIR"} <= set(server["env_vars"])


@pytest.mark.parametrize("system", ["linux", "windows"])
def test_a_hook_command_with_a_space_in_its_path_stays_one_word(system):
    command = "/opt/my tools/faiss-memory-hook"
    for hook in files(cursor, hook_command=command, system=system)[".cursor/hooks.json"]["hooks"].values():
        quote = '"' if system == "windows" else "'"
        assert hook[0]["command"] == f"{quote}{command}{quote} cursor --project website {FORM}"


def test_curl_sends_the_token_and_never_fails():
    (hook, *_) = files(cursor, has_token=True, **WITHOUT_US)[".cursor/hooks.json"]["hooks"]["sessionStart"]
    assert '-H "Authorization: Bearer $FAISS_MEMORY_TOKEN"' in hook["command"]
    assert hook["command"].endswith("|| exit 0")


# The call that hooks make.


@pytest.mark.parametrize("name", ["claude-code", "cursor", "codex"])
def test_a_hook_may_send_whatever_its_version_sends(client, name):
    path = f"/adapters/{name}/hook"
    for body in ({}, {"prompt": None, "cwd": 3, "new": {"deep": [1]}}, {"hook_event_name": "Never heard of"}):
        answer = client.post(path, body, params={"project": "website"})
        assert (answer.status_code, answer.json) == (200, {})
    assert client.post(path, ["a list"]).status_code == 400
    assert client.post(path, {}, params={"projekt": "a"}).json["field"] == "projekt"


# The package.


def test_claude_codes_package_has_the_parts_of_a_plugin(client):
    answer = client.get("/adapters/claude-code/package")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    (listed,) = json.loads(archive.read(".claude-plugin/marketplace.json"))["plugins"]
    plugin = json.loads(archive.read("faiss-memory/.claude-plugin/plugin.json"))
    assert (listed["name"], listed["source"]) == (plugin["name"], "./faiss-memory")
    assert plugin["version"] == client.get("/health").json["version"]
    (name,) = json.loads(archive.read("faiss-memory/.mcp.json"))["mcpServers"]
    skill = archive.read("faiss-memory/skills/recall/SKILL.md").decode()
    assert f"allowed-tools: mcp__plugin_faiss-memory_{name}__memory_search\n" in skill
    assert json.loads(archive.read("faiss-memory/hooks/hooks.json"))["hooks"].keys() == {
        "SessionStart", "UserPromptSubmit", "SubagentStart", "PreToolUse", "PostToolUseFailure",
    }  # fmt: skip


def test_the_same_package_is_the_same_archive(client):
    first, second = (client.get("/adapters/claude-code/package").content for _ in range(2))
    assert first == second


def test_who_has_no_package_is_told_who_has(client):
    for name in ("cursor", "nobody"):
        answer = client.get(f"/adapters/{name}/package")
        assert answer.status_code == 404
        assert "claude-code has one" in answer.json["description"]


# What keeps them from using it.


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A subfolder of a repository, in the home of somebody who trusts the whole of it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(claude_code_module, "MANAGED", tmp_path / "managed.json")
    top = tmp_path / "website"
    (top / ".git").mkdir(parents=True)
    (top / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (top / "shop" / ".codex").mkdir(parents=True)
    hooks = {
        "hooks": {event: [{}, {"hooks": [{"command": "faiss-memory-hook"}]}] for event in codex_module.EVENTS}
    }
    (top / "shop" / ".codex" / "hooks.json").write_text(json.dumps(hooks))
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "config.toml").write_text(
        f'[projects."{top}"]\ntrust_level = "trusted"\n{reviewed(top)}'
    )
    (tmp_path / ".claude.json").write_text(
        json.dumps({"projects": {str(top): {"hasTrustDialogAccepted": True}}})
    )
    return top / "shop"


OFF = "enabled = false\n"


def reviewed(top, more=""):
    return "".join(
        f'[hooks.state."{top}/shop/.codex/hooks.json:{event}:1:0"]\ntrusted_hash = "x"\n{more}'
        for event in ("session_start", "user_prompt_submit", "post_tool_use")
    )


def obstacles(adapter, folder):
    context = InstallContext(url="", project="website", scope="personal", folder=str(folder))
    return "\n".join(adapter.obstacles(context))


def test_what_is_trusted_as_a_whole_is_trusted(folder):
    assert obstacles(claude_code, folder) == obstacles(codex, folder) == ""
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    assert "does not trust" in obstacles(claude_code, folder), "another repository inside it is not"


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("managed.json", '{"allowManagedHooksOnly": true}', "`allowManagedHooksOnly`"),
        ("website/shop/.claude/settings.json", '{"disableAllHooks": true}', "`disableAllHooks`"),
        (".claude/settings.json", '{"disabledMcpjsonServers": ["faiss-memory"]}', "`disabledMcpjsonServers`"),
        (".claude.json", '{"projects": []}', "does not trust"),
        (".claude.json", "{", "cannot be read"),
        (".claude.json", "[]", "holds no object"),
    ],
)
def test_what_switches_claude_code_off(folder, tmp_path, file, content, said):
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(content)
    assert said in obstacles(claude_code, folder)
    assert str(tmp_path / file) in obstacles(claude_code, folder) or said == "does not trust"


def test_a_server_that_is_switched_off_in_claude_code(folder, tmp_path):
    projects = {
        str(folder): {"disabledMcpServers": ["faiss-memory"]},
        str(folder.parent): {"hasTrustDialogAccepted": True},
    }
    (tmp_path / ".claude.json").write_text(json.dumps({"projects": projects}))
    assert obstacles(claude_code, folder).startswith("The server `faiss-memory` is switched off")


def test_what_switches_codex_off(folder, tmp_path):
    config = tmp_path / ".codex" / "config.toml"
    trusted = config.read_text().split("[hooks")[0]
    for content, said in (
        (f"{trusted}{reviewed(folder.parent)}[features]\nhooks = false\n", "`features.hooks`"),
        (f"{trusted}{reviewed(folder.parent, OFF)}", "are switched off"),
        (f"{trusted}{reviewed(folder.parent).replace(':1:0', ':0:0')}", "were not reviewed"),
        (reviewed(folder.parent), "does not trust"),
        ("[", "cannot be read"),
        ("hooks = 1\nprojects = []\n", "does not trust"),
    ):
        config.write_text(content)
        assert said in obstacles(codex, folder)


# Where the program is missing.


def hook_lines(value):
    """Every command of a hook, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from [inner] if key == "command" and "-hook" in str(inner) else hook_lines(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from hook_lines(inner)


@pytest.mark.skipif(sys.platform == "win32", reason="they are written for sh here")
@pytest.mark.parametrize(
    "adapter", [claude_code, cursor, codex, gemini, qwen, copilot, kiro], ids=lambda adapter: adapter.name
)
def test_committed_hooks_say_nothing_where_the_program_is_missing(adapter, tmp_path):
    lines = {line for value in files(adapter, "shared").values() for line in hook_lines(value)}
    assert lines
    for line in lines:
        ended = subprocess.run(
            ["/bin/sh", "-c", line], env={"PATH": ""}, cwd=tmp_path, input=b"{}", capture_output=True
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
