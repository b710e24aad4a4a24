"""What assistants' own settings hold against us is read, and variables that say where they keep them are followed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from faiss_memory import InstallContext
from faiss_memory_adapters import (
    claude_code as claude_code_module,
    codex as codex_module,
    gemini as gemini_module,
)
from faiss_memory_adapters.claude_code import adapter as claude_code
from faiss_memory_adapters.codex import adapter as codex
from faiss_memory_adapters.continue_dev import adapter as continue_dev
from faiss_memory_adapters.copilot import adapter as copilot
from faiss_memory_adapters.cursor import adapter as cursor
from faiss_memory_adapters.gemini import adapter as gemini
from faiss_memory_adapters.kiro import adapter as kiro
from faiss_memory_adapters.opencode import adapter as opencode
from faiss_memory_adapters.qwen import adapter as qwen
from faiss_memory_adapters.vscode import adapter as vscode

US = "faiss-memory"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder with a project in it, and an administrator's files besides."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(claude_code_module, "MANAGED", tmp_path / "managed.json")
    monkeypatch.setattr(codex_module, "REQUIREMENTS", tmp_path / "requirements.toml")
    monkeypatch.setattr(gemini_module, "MANAGED", tmp_path / "gemini.json")
    (tmp_path / "website").mkdir()
    return tmp_path


def context(home, scope="personal", **given):
    folder = "" if scope == "user" else str(home / "website")
    return InstallContext(
        **{"url": "http://127.0.0.1:8900", "project": "website", "scope": scope, "folder": folder, **given}
    )


def written(home, path, content):
    file = home / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.mark.parametrize(
    ("adapter", "path", "content", "said"),
    [
        (gemini, ".gemini/settings.json", '{"mcp": {"allowed": ["github"]}} // mine', "`mcp.allowed`"),
        (gemini, "gemini.json", {"mcp": {"excluded": [US]}}, "`mcp.excluded`"),
        (gemini, "website/.gemini/settings.json", {"allowMCPServers": []}, "`allowMCPServers`"),
        (gemini, ".gemini/settings.json", {"mcpServers": {US: {"excludeTools": ["memory_search"]}}}, "excludeTools"),
        (gemini, ".gemini/settings.json", {"hooksConfig": {"enabled": False}}, "`hooksConfig.enabled`"),
        (gemini, "website/.gemini/settings.json", {"hooksConfig": {"disabled": [US]}}, "`hooksConfig.disabled`"),
        (qwen, ".qwen/settings.json", {"mcp": {"excluded": ["faiss-*"]}}, "`mcp.excluded`"),
        (qwen, "website/.qwen/settings.json", {"disableAllHooks": True}, "`disableAllHooks`"),
        (kiro, ".kiro/settings/mcp.json", {"mcpServers": {US: {"disabled": True}}}, "`disabled`"),
        (kiro, "website/.kiro/settings/mcp.json", {"mcpServers": {US: {"disabledTools": ["memory_search"]}}}, "Tools`"),
        (opencode, "website/opencode.jsonc", '{"tools": {"faiss-memory*": false,}} // no', "`faiss-memory*`"),
        (opencode, ".config/opencode/opencode.json", {"permission": {"*": "deny"}}, "`*` in `permission`"),
        (opencode, "website/opencode.json", {"mcp": {US: {"enabled": False}}}, "`enabled`"),
        (vscode, "website/.vscode/settings.json", '{"chat.mcp.access": "none"} // no', "`chat.mcp.access`"),
        (claude_code, ".claude/settings.json", {"permissions": {"deny": ["mcp__faiss-memory"]}}, "`permissions.deny`"),
        (claude_code, "website/.claude/settings.local.json", {"permissions": {"deny": ["mcp__*"]}}, "`mcp__*`"),
        (claude_code, "managed.json", {"deniedMcpServers": [{"serverName": US}]}, "`deniedMcpServers`"),
        (claude_code, "managed.json", {"allowedMcpServers": [{"serverName": "github"}]}, "`allowedMcpServers`"),
        (claude_code, "managed.json", {"allowedHttpHookUrls": ["https://example.com/*"]}, "HttpHookUrls`"),
        (claude_code, ".claude/settings.json", {"env": {"HTTP_PROXY": "http://proxy:3128"}}, "(`HTTP_PROXY`)"),
        (claude_code, ".claude/settings.json", {"env": {"FAISS_MEMORY_URL": "http://x:1"}}, "another address"),
        (codex, ".codex/config.toml", '[mcp_servers.faiss-memory]\nenabled = false\n', "`enabled`"),
        (codex, "website/.codex/config.toml", "[mcp_servers.faiss-memory]\nenabled_tools = ['x']\n", "`enabled_tools`"),
        (codex, "requirements.toml", "[mcp_servers.github]\n", "allows other MCP servers only"),
        (copilot, ".copilot/config.json", {"disabledMcpServers": [US]}, "`disabledMcpServers`"),
        (cursor, "website/.cursor/cli.json", {"permissions": {"deny": ["Mcp(faiss-memory:*)"]}}, "`permissions.deny`"),
        (cursor, ".cursor/mcp.json", {"mcpServers": {US: {"disabled": True}}}, "`disabled`"),
        (continue_dev, ".continue/permissions.yaml", "exclude:\n  - memory_*\n", "`memory_*` in `exclude`"),
    ],
)  # fmt: skip
def test_lists_of_what_is_allowed_and_denied_are_read(home, adapter, path, content, said):
    # (Where only the container runs, prompts are asked about by HTTP.)
    given = context(home, command="", hook_command="") if said == "HttpHookUrls`" else context(home)
    before = adapter.obstacles(given)
    assert not any(said in one for one in before)
    written(home, path, content)
    (found,) = [one for one in adapter.obstacles(given) if one not in before]
    assert said in found
    assert found.endswith(".")


@pytest.mark.parametrize(
    ("adapter", "path", "content"),
    [
        (gemini, ".gemini/settings.json", {"mcp": {"allowed": [US, "x"], "excluded": ["x"]}}),
        (opencode, "website/opencode.json", {"tools": {"github*": False}, "permission": {"bash": "deny"}}),
        (claude_code, ".claude/settings.json", {"permissions": {"deny": ["Bash(curl:*)", "mcp__github"]}}),
        (
            claude_code,
            "managed.json",
            {"allowedMcpServers": [{"serverUrl": "http://127.0.0.1:8900/*"}], "allowedHttpHookUrls": ["*"]},
        ),
        (
            claude_code,
            ".claude/settings.json",
            {"env": {"HTTP_PROXY": "http://p:1", "NO_PROXY": "127.0.0.0/8"}},
        ),
        (claude_code, ".claude/settings.json", {"env": {"HTTPS_PROXY": "http://p:1"}}),
        (codex, ".codex/config.toml", "[mcp_servers.github]\nenabled = false\n"),
        (cursor, ".cursor/cli-config.json", {"permissions": {"deny": ["Mcp(github:*)", "Shell(rm)"]}}),
    ],
)
def test_lists_that_are_about_others_say_nothing(home, adapter, path, content):
    before = adapter.obstacles(context(home))
    written(home, path, content)
    assert adapter.obstacles(context(home)) == before


def test_a_proxy_of_vs_code_is_in_the_way_of_an_address_alone(home):
    written(home, "website/.vscode/settings.json", {"http.proxy": "http://proxy:3128"})
    assert not any("proxy" in said for said in vscode.obstacles(context(home)))
    (said,) = vscode.obstacles(context(home, command=""))
    assert "add 127.0.0.1 to NO_PROXY" in said
    written(
        home, "website/.vscode/settings.json", {"http.proxy": "http://p:1", "http.noProxy": ["127.0.0.1"]}
    )
    assert vscode.obstacles(context(home, command="")) == []


# Where they keep their files.


def paths(adapter, given):
    return {file.path for file in adapter.files(given) if hasattr(file, "path")}


@pytest.mark.parametrize(
    ("adapter", "variable", "usual", "moved"),
    [
        (codex, "CODEX_HOME", "~/.codex/config.toml", "config.toml"),
        (codex, "CODEX_HOME", "~/.codex/skills/recall/SKILL.md", "skills/recall/SKILL.md"),
        (claude_code, "CLAUDE_CONFIG_DIR", "~/.claude/settings.json", "settings.json"),
        (claude_code, "CLAUDE_CONFIG_DIR", "~/.claude.json", ".claude.json"),
        (opencode, "XDG_CONFIG_HOME", "~/.config/opencode/opencode.json", "opencode/opencode.json"),
        (gemini, "GEMINI_CLI_HOME", "~/.gemini/settings.json", ".gemini/settings.json"),
        (qwen, "QWEN_HOME", "~/.qwen/settings.json", "settings.json"),
        (kiro, "KIRO_HOME", "~/.kiro/hooks/faiss-memory.json", "hooks/faiss-memory.json"),
        (copilot, "COPILOT_HOME", "~/.copilot/mcp-config.json", "mcp-config.json"),
        (continue_dev, "CONTINUE_GLOBAL_DIR", "~/.continue/config.yaml", "config.yaml"),
    ],
)
def test_a_variable_that_names_an_assistants_folder_is_followed(home, adapter, variable, usual, moved):
    chosen = str(home / "elsewhere")
    assert usual in paths(adapter, context(home, "user"))
    found = paths(adapter, context(home, "user", environment={variable: chosen}))
    assert f"{chosen}/{moved}" in found
    assert usual not in found
    assert usual in paths(adapter, context(home, "user", environment={variable: ""}))


def test_a_personal_server_of_claude_code_goes_into_the_folder_that_was_chosen(home):
    found = paths(claude_code, context(home, environment={"CLAUDE_CONFIG_DIR": "/srv/claude"}))
    assert "/srv/claude/.claude.json" in found
    assert ".claude/settings.local.json" in found


def test_what_is_trusted_is_looked_up_in_the_folder_that_was_chosen(home):
    given = {"CLAUDE_CONFIG_DIR": str(home / "c"), "CODEX_HOME": str(home / "x")}
    website = str(home / "website")
    written(home, "c/.claude.json", {"projects": {website: {"hasTrustDialogAccepted": True}}})
    written(home, "x/config.toml", f'[projects."{website}"]\ntrust_level = "trusted"\n')
    for adapter in (claude_code, codex):
        assert any("does not trust" in one for one in adapter.obstacles(context(home)))
        assert any("trust it" in step for step in adapter.steps(context(home)))
        chosen = context(home, environment=given)
        assert not any("does not trust" in one for one in adapter.obstacles(chosen))
        assert not any("trust it" in step for step in adapter.steps(chosen))


def test_a_token_that_is_set_is_no_step_any_more(home):
    for adapter in (claude_code, codex, cursor, gemini):
        wanted = context(home, has_token=True)
        assert any("FAISS_MEMORY_TOKEN" in step for step in adapter.steps(wanted))
        wanted = context(home, has_token=True, environment={"FAISS_MEMORY_TOKEN": "x"})
        assert not any("FAISS_MEMORY_TOKEN" in step for step in adapter.steps(wanted))


@pytest.mark.parametrize("scope", ["personal", "user"])
def test_the_opencode_file_with_comments_is_used_where_there_is_one(home, scope):
    folder = Path("website") if scope == "personal" else Path(".config/opencode")
    assert "opencode.json" in {path.rsplit("/", 1)[-1] for path in paths(opencode, context(home, scope))}
    written(home, folder / "opencode.jsonc", "{} // mine")
    found = {path.rsplit("/", 1)[-1] for path in paths(opencode, context(home, scope))}
    assert "opencode.jsonc" in found
    assert "opencode.json" not in found
