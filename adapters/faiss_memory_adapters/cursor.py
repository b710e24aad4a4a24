"""Cursor: the MCP server, two hooks, a rule and skills."""

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
    JsonDefault,
    JsonItems,
    JsonMember,
    MarkdownBlock,
    OwnFile,
    PromptTemplate,
    endpoint_address,
    hook_line,
)
from faiss_memory_adapters.client_files import items, read_json, table
from faiss_memory_adapters.hindrances import SERVER, TOOL, denied
from faiss_memory_adapters.mcp_entry import arguments, headers, starts_us, token_steps
from faiss_memory_adapters.texts import RULES, skill_files

NAME = "cursor"
EVENTS = ("sessionStart", "beforeSubmitPrompt")
PROMPT = PromptTemplate(NAME, RULES)
HOOK = HookDialect(
    session_start="sessionStart",
    prompt="beforeSubmitPrompt",
    fires_others=True,
    notice="user_message",
    context=lambda event, text: {"additional_context": text},
)
RULE = f"""---
description: When to search the project's memory, and what to store in it
alwaysApply: true
---

{RULES}"""


def _server(context: InstallContext) -> dict[str, Any]:
    if starts_us(context):
        return {"command": context.command, "args": arguments(context)}
    token = headers(context, f"${{env:{context.token_variable}}}")
    return {"url": endpoint_address(context, "/mcp"), **token}


def _files(context: InstallContext) -> Sequence[ConfigFile]:
    folder = "~/.cursor" if context.scope == "user" else ".cursor"
    hooks = f"{folder}/hooks.json"
    hook = {"command": hook_line(context, NAME, HOOK), "timeout": 5}
    # The user's own rules are kept in Cursor's settings, not in a file. It reads AGENTS.md, which others read too.
    rules: dict[str, tuple[ConfigFile, ...]] = {
        "personal": (OwnFile(f"{folder}/rules/faiss-memory.mdc", RULE),),
        "shared": (MarkdownBlock("AGENTS.md", RULES),),
        "user": (),
    }
    return (
        JsonMember(f"{folder}/mcp.json", ("mcpServers", SERVER), _server(context)),
        JsonDefault(hooks, ("version",), 1),
        *(JsonItems(hooks, ("hooks", event), (hook,)) for event in EVENTS),
        *rules[context.scope],
        *skill_files(f"{folder}/skills" if context.scope == "user" else ".agents/skills", context),
    )


def _steps(context: InstallContext) -> Sequence[str]:
    return (
        *token_steps(context, "Cursor"),
        "Turn on the server `faiss-memory` in Cursor's settings, under MCP, if it is not on.",
    )


def _obstacles(context: InstallContext) -> Sequence[str]:
    """Look through what Cursor's agent is denied, and whether the server is switched off."""
    folders = [Path.home() / ".cursor", *([Path(context.folder, ".cursor")] if context.folder else [])]
    found: list[str] = []
    for path in (folder / name for folder in folders for name in ("cli-config.json", "cli.json")):
        found += denied(path, read_json(path), f"Mcp({SERVER}:{TOOL})")
    for path in (folder / "mcp.json" for folder in folders):
        entry = table(read_json(path), "mcpServers", SERVER)
        if entry.get("disabled") is True:
            found.append(f"{path} switches the server `{SERVER}` off (`disabled`).")
        if isinstance(entry.get("enabledTools"), list) and TOOL not in items(entry, "enabledTools"):
            found.append(f"{path} leaves out the tool `{TOOL}` (`enabledTools`).")
    return found


adapter = Adapter(
    name=NAME,
    title="Cursor",
    marks=(".cursor", ".cursorrules"),
    prompt=PROMPT,
    files=_files,
    hook=HOOK,
    steps=_steps,
    reload="Reload Cursor's window (Developer: Reload Window), and trust the folder if it asks.",
    obstacles=_obstacles,
    detection=Detection(("~/.cursor",), ("cursor", "cursor-agent")),
)
