"""VS Code with Copilot: the MCP server, instructions and skills."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from faiss_memory import (
    Adapter,
    ConfigFile,
    Detection,
    InstallContext,
    JsonItems,
    JsonMember,
    PromptTemplate,
    Snippet,
    endpoint_address,
)
from faiss_memory_adapters.client_files import items, place_of, read_json
from faiss_memory_adapters.hindrances import SERVER, proxied
from faiss_memory_adapters.mcp_entry import arguments, headers, starts_us
from faiss_memory_adapters.texts import INSTRUCTIONS, RULES, skill_files

NAME = "vscode"
SETTINGS = ".vscode/mcp.json"
PROMPT = PromptTemplate(NAME, RULES)
TRUST = "Trust the folder, and start the server `faiss-memory` when VS Code asks for it."


def _files(context: InstallContext) -> Sequence[ConfigFile]:
    if context.scope == "user":
        # Its user's own file lies elsewhere in each profile, and on each system.
        text = json.dumps({"servers": {SERVER: _server(context, "YOUR-TOKEN")}}, indent=2)
        note = "For VS Code (MCP: Open User Configuration): merge it into that file."
        return (Snippet("mcp.json", f"{text}\n", note),)
    asked = f"{SERVER}-token"
    token = {"type": "promptString", "id": asked, "description": "Token of FAISS Memory", "password": True}
    entry = _server(context, f"${{input:{asked}}}")
    inputs = (JsonItems(SETTINGS, ("inputs",), (token,), comments=True),) if "headers" in entry else ()
    return (
        JsonMember(SETTINGS, ("servers", SERVER), entry, comments=True),
        *inputs,
        INSTRUCTIONS,
        *skill_files(".agents/skills", context),
    )


def _server(context: InstallContext, token: str) -> dict[str, Any]:
    if starts_us(context):
        return {"type": "stdio", "command": context.command, "args": arguments(context)}
    return {"type": "http", "url": endpoint_address(context, "/mcp"), **headers(context, token)}


def _obstacles(context: InstallContext) -> Iterator[str]:
    """VS Code can switch MCP off as a whole."""
    for path in (Path(context.folder, ".vscode/settings.json"), *_user_settings(context)):
        settings = read_json(path, comments=True)
        for name, off in (("chat.mcp.access", "none"), ("chat.mcp.enabled", False)):
            if settings.get(name) == off:
                yield f"{path} switches MCP servers off (`{name}`)."
        if isinstance(proxy := settings.get("http.proxy"), str) and proxy and not starts_us(context):
            no_proxy = {"NO_PROXY": ",".join(map(str, items(settings, "http.noProxy")))}
            yield from proxied(context, {"http_proxy": proxy, **no_proxy}, str(path))


def _user_settings(context: InstallContext) -> Sequence[Path]:
    folder = {
        "darwin": "~/Library/Application Support",
        "windows": context.kept_in("APPDATA", "~/AppData/Roaming"),
    }.get(context.system, context.kept_in("XDG_CONFIG_HOME", "~/.config"))
    return [place_of(f"{folder}/Code/User/settings.json")]


adapter = Adapter(
    name=NAME,
    title="VS Code",
    prompt=PROMPT,
    files=_files,
    steps=lambda context: (TRUST,),
    reload="Reload VS Code's window (Developer: Reload Window).",
    obstacles=lambda context: [*_obstacles(context)],
    detection=Detection((".vscode",), ("code",)),
)
