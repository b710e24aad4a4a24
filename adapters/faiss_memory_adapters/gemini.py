"""Gemini CLI: the MCP server, three hooks, skills, and a block in the file that it reads as its context."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from faiss_memory import (
    Adapter,
    ConfigFile,
    Detection,
    HookDialect,
    InstallContext,
    JsonItems,
    JsonMember,
    MarkdownBlock,
    PromptTemplate,
    ToolEvents,
    hook_line,
    nested_context,
)
from faiss_memory_adapters.client_files import items, place_of, read_json, table
from faiss_memory_adapters.hindrances import SERVER, not_trusted, unlisted
from faiss_memory_adapters.mcp_entry import gemini_server, token_steps
from faiss_memory_adapters.texts import RULES, skill_files

NAME = "gemini"
CONTEXT_FILE = "GEMINI.md"
MANAGED = Path(
    {
        "darwin": "/Library/Application Support/GeminiCli/settings.json",
        "win32": "C:/ProgramData/gemini-cli/settings.json",
    }.get(sys.platform, "/etc/gemini-cli/settings.json")
)
"""An administrator's settings, which stand above all others."""
PROMPT = PromptTemplate(NAME, RULES)
HOOK = HookDialect(
    session_start="SessionStart",
    prompt="BeforeAgent",
    tools=ToolEvents(after="AfterTool", shells=("run_shell_command",)),
    echo="hook_context",
    notice="systemMessage",
    context=nested_context,
)


EVENTS: dict[str, dict[str, str]] = {
    "SessionStart": {},
    "BeforeAgent": {},
    "AfterTool": {"matcher": "run_shell_command"},
}


def _files(context: InstallContext) -> Sequence[ConfigFile]:
    folder = _home(context) if context.scope == "user" else ".gemini"
    settings = f"{folder}/settings.json"
    # The time is in milliseconds. By the name a person switches a hook off.
    hook = {"type": "command", "command": hook_line(context, NAME, HOOK), "name": SERVER, "timeout": 5000}
    # A project's file is everybody's: one person's own files leave it alone, and the skills say when to use them.
    rules = {
        "personal": (),
        "shared": (_context_file(context),),
        "user": (f"{folder}/{_context_file(context)}",),
    }[context.scope]
    return (
        JsonMember(settings, ("mcpServers", SERVER), gemini_server(context), comments=True),
        *(
            JsonItems(settings, ("hooks", event), ({**when, "hooks": [hook]},), comments=True)
            for event, when in EVENTS.items()
        ),
        *(MarkdownBlock(path, RULES) for path in rules),
        *skill_files(f"{folder}/skills" if context.scope == "user" else ".agents/skills", context),
    )


def _home(context: InstallContext) -> str:
    return f"{context.kept_in('GEMINI_CLI_HOME', '~')}/.gemini"


def _settings(context: InstallContext) -> Sequence[Path]:
    """Name the settings that count, from the weakest to the administrator's."""
    own = [place_of(f"{_home(context)}/settings.json")]
    folder = [Path(context.folder, ".gemini/settings.json")] if context.folder else []
    return [*own, *folder, MANAGED]


def _context_file(context: InstallContext) -> str:
    """Return the name of the file that it reads: the usual one, or the first of those that are set instead."""
    names = [CONTEXT_FILE]
    for path in _settings(context):
        given = table(read_json(path, comments=True), "context").get("fileName")
        given = [given] if isinstance(given, str) else given if isinstance(given, list) else []
        names = [name for name in given if isinstance(name, str) and name == Path(name).name] or names
    return CONTEXT_FILE if CONTEXT_FILE in names else names[0]


def _steps(context: InstallContext) -> Sequence[str]:
    steps = [*token_steps(context, "Gemini CLI")]
    if context.scope != "user" and not _is_trusted(context):
        steps.append(
            "Start Gemini CLI in the project's folder and trust it: until then it leaves out .gemini/."
        )
    return steps


def _obstacles(context: InstallContext) -> Sequence[str]:
    """Look through its lists of servers, hooks and skills, at every level, and at the folders that it trusts."""
    found = [said for path in _settings(context) for said in _switched_off(path)]
    if context.folder and not _is_trusted(context):
        found.append(not_trusted(context, "Gemini CLI"))
    return found


def _switched_off(path: Path) -> Iterator[str]:
    settings = read_json(path, comments=True)
    yield from unlisted(path, settings)
    if table(settings, "admin", "mcp").get("enabled") is False:
        yield f"{path} switches MCP servers off (`admin.mcp.enabled`)."
    hooks = table(settings, "hooksConfig")
    if hooks.get("enabled") is False:
        yield f"{path} switches all hooks off (`hooksConfig.enabled`)."
    if any(isinstance(name, str) and SERVER in name for name in items(hooks, "disabled")):
        yield f"{path} switches our hooks off (`hooksConfig.disabled`)."


def _is_trusted(context: InstallContext) -> bool:
    """Return whether it uses what is in the folder: trust is not asked for, or what it noted of the nearest says so."""
    if not context.folder:
        return False
    own = place_of(f"{_home(context)}/settings.json")
    for path in (MANAGED, own):
        if table(read_json(path, comments=True), "security", "folderTrust").get("enabled") is False:
            return True
    nearest, trusted = -1, False
    for noted, level in read_json(place_of(f"{_home(context)}/trustedFolders.json")).items():
        top = Path(noted).parent if level == "TRUST_PARENT" else Path(noted)
        if len(noted) > nearest and Path(context.folder).is_relative_to(top):
            nearest, trusted = len(noted), level in ("TRUST_FOLDER", "TRUST_PARENT")
    return trusted


adapter = Adapter(
    name=NAME,
    title="Gemini CLI",
    marks=(".gemini", CONTEXT_FILE),
    prompt=PROMPT,
    files=_files,
    hook=HOOK,
    steps=_steps,
    reload="Start Gemini CLI again where it runs already.",
    obstacles=_obstacles,
    detection=Detection((".gemini", "~/.gemini"), ("gemini",), ("GEMINI_CLI_HOME",)),
)
