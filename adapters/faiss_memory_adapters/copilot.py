"""GitHub Copilot CLI: the MCP server, two hooks, instructions and skills, most of it in files of our own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faiss_memory import (
    Adapter,
    ConfigFile,
    Detection,
    HookDialect,
    InstallContext,
    JsonMember,
    MarkdownBlock,
    OwnFile,
    PromptTemplate,
    endpoint_address,
    hook_line,
)
from faiss_memory_adapters.client_files import items, place_of, read_json
from faiss_memory_adapters.hindrances import SERVER, hooks_off, not_trusted
from faiss_memory_adapters.mcp_entry import arguments, headers, starts_us, token_steps
from faiss_memory_adapters.texts import INSTRUCTIONS, RULES, skill_files

NAME = "copilot"
PROMPT = PromptTemplate(NAME, RULES)
HOOK = HookDialect(
    session_start="SessionStart",
    prompt="UserPromptSubmit",
    # What Claude Code has it in, Copilot passes over.
    context=lambda event, text: {"additionalContext": text},
)
"""Events by these names are told as Claude Code tells them, by its own names (`sessionStart`) otherwise."""


def _files(context: InstallContext) -> Sequence[ConfigFile]:
    home = _home(context)
    own = context.scope == "user"
    folder = home if own else ".github"
    servers = f"{home}/mcp-config.json" if own else ".github/mcp.json"
    hook = {"type": "command", "command": hook_line(context, NAME, HOOK), "timeout": 5}
    hooks = {"version": 1, "hooks": {HOOK.session_start: [hook], HOOK.prompt: [hook]}}
    # It tells the model nothing of what the server says of itself.
    rules = MarkdownBlock(f"{home}/copilot-instructions.md", RULES) if own else INSTRUCTIONS
    return (
        JsonMember(servers, ("mcpServers", SERVER), _server(context)),
        OwnFile(f"{folder}/hooks/{SERVER}.json", json.dumps(hooks, indent=2) + "\n"),
        rules,
        *skill_files(f"{home}/skills" if own else ".agents/skills", context),
    )


def _server(context: InstallContext) -> dict[str, Any]:
    if starts_us(context):
        return {"type": "local", "command": context.command, "args": arguments(context), "tools": ["*"]}
    token = headers(context, f"${{{context.token_variable}}}")
    return {"type": "http", "url": endpoint_address(context, "/mcp"), **token, "tools": ["*"]}


def _home(context: InstallContext) -> str:
    return context.kept_in("COPILOT_HOME", "~/.copilot")


def _steps(context: InstallContext) -> Sequence[str]:
    steps = [*token_steps(context, "Copilot CLI")]
    if context.scope != "user" and not _is_trusted(context):
        steps.append(
            "Start Copilot CLI in the project's folder and trust it: until then it leaves out the hooks."
        )
    return steps


def _obstacles(context: InstallContext) -> Sequence[str]:
    """Look whether it trusts the folder, and whether the server or all hooks are switched off."""
    found: list[str] = []
    for name in ("config.json", "settings.json"):
        path = place_of(f"{_home(context)}/{name}")
        settings = read_json(path, comments=True)
        if SERVER in items(settings, "disabledMcpServers"):
            found.append(f"{path} switches the server `{SERVER}` off (`disabledMcpServers`).")
        found += hooks_off(path, settings, "disableAllHooks")
    if context.folder and not _is_trusted(context):
        found.append(not_trusted(context, "Copilot CLI"))
    return found


def _is_trusted(context: InstallContext) -> bool:
    """Return whether the folder, or one above it, is among those that were trusted."""
    noted = read_json(place_of(f"{_home(context)}/config.json"), comments=True)
    trusted = [*items(noted, "trustedFolders"), *items(noted, "trusted_folders")]
    return bool(context.folder) and any(
        isinstance(one, str) and Path(context.folder).is_relative_to(one) for one in trusted
    )


adapter = Adapter(
    name=NAME,
    title="GitHub Copilot CLI",
    prompt=PROMPT,
    files=_files,
    hook=HOOK,
    steps=_steps,
    reload="Start Copilot CLI again where it runs already.",
    obstacles=_obstacles,
    detection=Detection(("~/.copilot",), ("copilot",), ("COPILOT_HOME",)),
)
