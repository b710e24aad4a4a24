"""Qwen Code: the MCP server, hooks and skills. When to search and to store is said by the server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faiss_memory import (
    Adapter,
    ConfigFile,
    Detection,
    HookDialect,
    InstallContext,
    JsonItems,
    JsonMember,
    PromptTemplate,
    ToolEvents,
    changed_input,
    hook_line,
    nested_context,
)
from faiss_memory_adapters.client_files import place_of, read_json
from faiss_memory_adapters.hindrances import SERVER, hooks_off, unlisted
from faiss_memory_adapters.mcp_entry import gemini_server, token_steps
from faiss_memory_adapters.texts import RULES, skill_files

NAME = "qwen"
PROMPT = PromptTemplate(NAME, RULES)
HOOK = HookDialect(
    session_start="SessionStart",
    prompt="UserPromptSubmit",
    subagent="SubagentStart",
    tools=ToolEvents(
        before="PreToolUse",
        after="PostToolUseFailure",
        delegating=("agent",),
        shells=("run_shell_command",),
        changed=changed_input,
    ),
    notice="systemMessage",
    context=nested_context,
)
"""As Claude Code speaks, with other names for the tools."""
EVENTS: dict[str, dict[str, str]] = {
    "SessionStart": {},
    "UserPromptSubmit": {},
    "SubagentStart": {},
    "PreToolUse": {"matcher": "agent"},
    "PostToolUseFailure": {"matcher": "run_shell_command"},
}


def _files(context: InstallContext) -> Sequence[ConfigFile]:
    folder = _home(context) if context.scope == "user" else ".qwen"
    settings = f"{folder}/settings.json"
    return (
        JsonMember(settings, ("mcpServers", SERVER), gemini_server(context), comments=True),
        *(
            JsonItems(
                settings, ("hooks", event), ({**when, "hooks": [_hook(context, event)]},), comments=True
            )
            for event, when in EVENTS.items()
        ),
        *skill_files(f"{folder}/skills", context),
    )


def _hook(context: InstallContext, event: str) -> dict[str, Any]:
    command = hook_line(context, NAME, HOOK, event)
    return {"type": "command", "command": command, "name": SERVER, "timeout": 5}


def _home(context: InstallContext) -> str:
    return context.kept_in("QWEN_HOME", "~/.qwen")


def _obstacles(context: InstallContext) -> Sequence[str]:
    """Look through its lists of servers at every level, and whether hooks are switched off."""
    own = [place_of(f"{_home(context)}/settings.json")]
    folder = [Path(context.folder, ".qwen/settings.json")] if context.folder else []
    found: list[str] = []
    for path in (*own, *folder):
        settings = read_json(path, comments=True)
        found += unlisted(path, settings)
        found += hooks_off(path, settings, "disableAllHooks")
    return found


adapter = Adapter(
    name=NAME,
    title="Qwen Code",
    marks=(".qwen", "QWEN.md"),
    prompt=PROMPT,
    files=_files,
    hook=HOOK,
    steps=lambda context: token_steps(context, "Qwen Code"),
    reload="Start Qwen Code again where it runs already.",
    obstacles=_obstacles,
    detection=Detection((".qwen", "~/.qwen"), ("qwen",), ("QWEN_HOME",)),
)
