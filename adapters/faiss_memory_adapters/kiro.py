"""Kiro, as an editor and in the terminal: the MCP server, two hooks, a steering file and skills.

Written by its documentation (kiro.dev/docs: hooks, mcp, steering, skills) and what others have measured of it; it comes
as an installer with a login of its own, so it was never run with this.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from faiss_memory import (
    Adapter,
    ConfigFile,
    Detection,
    HookDialect,
    InstallContext,
    JsonMember,
    OwnFile,
    PromptTemplate,
    endpoint_address,
    hook_line,
)
from faiss_memory_adapters.client_files import items, place_of, read_json, table
from faiss_memory_adapters.hindrances import SERVER, TOOL
from faiss_memory_adapters.mcp_entry import arguments, headers, starts_us, token_steps
from faiss_memory_adapters.texts import RULES, skill_files

NAME = "kiro"
PROMPT = PromptTemplate(NAME, RULES)
HOOK = HookDialect(
    session_start="SessionStart",
    prompt="UserPromptSubmit",
    prints_text=True,
    context=lambda event, text: {"context": text},
)
"""Events are told in Claude Code's form; of tools nothing that helps: what fails is not told from what does not."""
STEERING = f"---\ninclusion: always\n---\n\n{RULES}"
SECONDS = 5


def _files(context: InstallContext) -> Sequence[ConfigFile]:
    folder = _folder(context)
    return (
        JsonMember(f"{folder}/settings/mcp.json", ("mcpServers", SERVER), _server(context)),
        OwnFile(f"{folder}/hooks/{SERVER}.json", _hooks(context)),
        OwnFile(f"{folder}/steering/{SERVER}.md", STEERING),
        *skill_files(f"{folder}/skills", context),
    )


def _folder(context: InstallContext) -> str:
    return _home(context) if context.scope == "user" else ".kiro"


def _home(context: InstallContext) -> str:
    return context.kept_in("KIRO_HOME", "~/.kiro")


def _server(context: InstallContext) -> dict[str, Any]:
    """Return the entry, by which searching need not be allowed each time."""
    if starts_us(context):
        return {"command": context.command, "args": arguments(context), "autoApprove": [TOOL]}
    token = headers(context, f"${{{context.token_variable}}}")
    return {"url": endpoint_address(context, "/mcp"), **token, "autoApprove": [TOOL]}


def _hooks(context: InstallContext) -> str:
    action = {"type": "command", "command": hook_line(context, NAME, HOOK)}
    hooks = [
        {"name": f"{SERVER} {event}", "trigger": event, "action": action, "timeout": SECONDS}
        for event in (HOOK.session_start, HOOK.prompt)
    ]
    return json.dumps({"version": "v1", "hooks": hooks}, indent=2) + "\n"


def _obstacles(context: InstallContext) -> Iterator[str]:
    """Look whether the server or the tool is switched off, in the project or in the home folder."""
    own = [place_of(f"{_home(context)}/settings/mcp.json")]
    folder = [place_of(".kiro/settings/mcp.json", context.folder)] if context.folder else []
    for path in (*own, *folder):
        entry = table(read_json(path), "mcpServers", SERVER)
        if entry.get("disabled") is True:
            yield f"{path} switches the server `{SERVER}` off (`disabled`)."
        if TOOL in items(entry, "disabledTools"):
            yield f"{path} leaves out the tool `{TOOL}` (`disabledTools` of `{SERVER}`)."


adapter = Adapter(
    name=NAME,
    title="Kiro",
    marks=(".kiro",),
    prompt=PROMPT,
    files=_files,
    hook=HOOK,
    steps=lambda context: token_steps(context, "Kiro"),
    reload="Begin a new session in Kiro: hooks are read when one begins.",
    obstacles=lambda context: [*_obstacles(context)],
    detection=Detection((".kiro", "~/.kiro"), ("kiro", "kiro-cli"), ("KIRO_HOME",)),
)
