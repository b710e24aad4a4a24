"""OpenCode: the MCP server, a plugin that brings memories, and skills."""

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
    JsonDefault,
    JsonMember,
    OwnFile,
    PromptTemplate,
    endpoint_address,
    hook_address,
    hook_arguments,
)
from faiss_memory_adapters.client_files import place_of, read_json, table
from faiss_memory_adapters.hindrances import SERVER, TOOL, matching
from faiss_memory_adapters.mcp_entry import arguments, headers, starts_us, token_steps
from faiss_memory_adapters.texts import RULES, skill_files, template

NAME = "opencode"
PROMPT = PromptTemplate(NAME, RULES)
HOOK = HookDialect(
    session_start="session.created",
    prompt="chat.message",
    digest_stands_apart=True,
    context=lambda event, text: {"context": text},
)
"""Events as our plugin names them, which asks for both and puts them where OpenCode has a place for each."""


def _files(context: InstallContext) -> Sequence[ConfigFile]:
    home = _home(context) if context.scope == "user" else ""
    folder = home or ".opencode"
    # The file with comments stands above the other.
    settings = next((path for path in _settings(home) if _exists(path, context)), _settings(home)[1])
    return (
        # OpenCode writes the schema's address into a file without one, which we would then take for the person's.
        JsonDefault(settings, ("$schema",), "https://opencode.ai/config.json", comments=True),
        JsonMember(settings, ("mcp", SERVER), _server(context), comments=True),
        OwnFile(f"{folder}/plugins/{SERVER}.js", _plugin(context)),
        *skill_files(f"{folder}/skills" if home else ".agents/skills", context),
    )


def _server(context: InstallContext) -> dict[str, Any]:
    if starts_us(context):
        return {"type": "local", "command": [context.command, *arguments(context)], "enabled": True}
    token = headers(context, f"{{env:{context.token_variable}}}")
    return {"type": "remote", "url": endpoint_address(context, "/mcp"), "enabled": True, **token}


def _plugin(context: InstallContext) -> str:
    """Return the plugin: it starts the hook program, or asks the service itself where only that can be reached."""
    if context.hook_command:
        command = [context.hook_command, *hook_arguments(context, NAME, HOOK)]
        ask = template("opencode/program.js").replace("@command@", json.dumps(command))
    else:
        variable = json.dumps(f"{context.token_variable}")
        token = f', Authorization: "Bearer " + process.env[{variable}]' if context.has_token else ""
        ask = template("opencode/address.js").replace("@token@", token)
        ask = ask.replace("@address@", json.dumps(hook_address(context, NAME)))
    return template("opencode/plugin.js").replace("/* ask */\n", f"{ask}\n")


def _home(context: InstallContext) -> str:
    return f"{context.kept_in('XDG_CONFIG_HOME', '~/.config')}/opencode"


def _settings(home: str) -> tuple[str, str]:
    folder = f"{home}/" if home else ""
    return f"{folder}opencode.jsonc", f"{folder}opencode.json"


def _exists(path: str, context: InstallContext) -> bool:
    return (context.scope == "user" or bool(context.folder)) and place_of(path, context.folder).exists()


def _obstacles(context: InstallContext) -> Sequence[str]:
    """OpenCode can switch a server off, and tools by patterns of their names."""
    folders = [place_of(_home(context)), *([Path(context.folder)] if context.folder else [])]
    tool, found = f"{SERVER}_{TOOL}", []
    for path in (folder / name for folder in folders for name in ("opencode.json", "opencode.jsonc")):
        settings = read_json(path, comments=True)
        if table(settings, "mcp", SERVER).get("enabled") is False:
            found.append(f"{path} switches the server `{SERVER}` off (`enabled`).")
        for name, denied in (("tools", False), ("permission", "deny")):
            patterns = [key for key, value in table(settings, name).items() if value == denied]
            if pattern := matching(patterns, tool):
                found.append(f"{path} denies our tools (`{pattern}` in `{name}`).")
    return found


adapter = Adapter(
    name=NAME,
    title="OpenCode",
    marks=(".opencode", "opencode.json", "opencode.jsonc"),
    prompt=PROMPT,
    files=_files,
    hook=HOOK,
    steps=lambda context: token_steps(context, "OpenCode"),
    reload="Start OpenCode again where it runs already.",
    obstacles=_obstacles,
    detection=Detection(("opencode.json", "opencode.jsonc", "~/.config/opencode"), ("opencode",)),
)
