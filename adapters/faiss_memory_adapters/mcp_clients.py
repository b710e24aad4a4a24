"""VS Code, Gemini CLI, OpenCode and GitHub Copilot CLI: an entry each for the MCP server, in each one's own form."""

from __future__ import annotations

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
    endpoint_address,
)
from faiss_memory_adapters.client_files import items, place_of, read_json
from faiss_memory_adapters.hindrances import SERVER, proxied
from faiss_memory_adapters.mcp_entry import headers
from faiss_memory_adapters.texts import RULES

VSCODE = ".vscode/mcp.json"


def _starts_us(context: InstallContext) -> bool:
    """An address alone would not say which project is worked on; a process is started in its folder."""
    return context.scope == "user" and bool(context.command)


# VS Code.


def vscode_entry(context: InstallContext, token: str) -> dict[str, Any]:
    """Return VS Code's entry."""
    return {"type": "http", "url": endpoint_address(context, "/mcp"), **headers(context, token)}


def vscode_files(context: InstallContext) -> Sequence[ConfigFile]:
    """Return VS Code's file; its user's own lies elsewhere on each system, and is only shown."""
    asked = f"{SERVER}-token"
    token = {"type": "promptString", "id": asked, "description": "Token of FAISS Memory", "password": True}
    return (
        JsonMember(VSCODE, ("servers", SERVER), vscode_entry(context, f"${{input:{asked}}}"), comments=True),
        *((JsonItems(VSCODE, ("inputs",), (token,), comments=True),) if context.has_token else ()),
    )


def vscode_obstacles(context: InstallContext) -> Iterator[str]:
    """VS Code can switch MCP off as a whole."""
    for path in (Path(context.folder, ".vscode/settings.json"), *_vscode_settings(context)):
        settings = read_json(path, comments=True)
        for name, off in (("chat.mcp.access", "none"), ("chat.mcp.enabled", False)):
            if settings.get(name) == off:
                yield f"{path} switches MCP servers off (`{name}`)."
        if isinstance(proxy := settings.get("http.proxy"), str) and proxy:
            no_proxy = {"NO_PROXY": ",".join(map(str, items(settings, "http.noProxy")))}
            yield from proxied(context, {"http_proxy": proxy, **no_proxy}, str(path))


def _vscode_settings(context: InstallContext) -> Sequence[Path]:
    folder = {
        "darwin": "~/Library/Application Support",
        "windows": context.kept_in("APPDATA", "~/AppData/Roaming"),
    }.get(context.system, context.kept_in("XDG_CONFIG_HOME", "~/.config"))
    return [place_of(f"{folder}/Code/User/settings.json")]


# GitHub Copilot CLI.


def copilot_files(context: InstallContext) -> Sequence[ConfigFile]:
    """Return the file of GitHub Copilot CLI; that of VS Code's Copilot is VS Code's."""
    url = endpoint_address(context, "/mcp")
    token = headers(context, f"${{{context.token_variable}}}")
    entry: dict[str, Any] = {"type": "http", "url": url, **token, "tools": ["*"]}
    if _starts_us(context):
        entry = {"type": "local", "command": context.command, "args": ["mcp"], "tools": ["*"]}
    path = ".github/mcp.json"
    if context.scope == "user":
        path = f"{context.kept_in('COPILOT_HOME', '~/.copilot')}/mcp-config.json"
    return (JsonMember(path, ("mcpServers", SERVER), entry),)


def client_steps(context: InstallContext) -> Sequence[str]:
    """Return what is left to do for any of them."""
    trust = "Trust the folder, or the server, when your assistant asks for it: until then it leaves the entry out."
    token = (
        f"Set {context.token_variable} where your assistant starts: the entries name it, and do not hold it."
    )
    is_set = context.token_variable in context.environment
    return (trust, *((token,) if context.has_token and not is_set else ()))


vscode = Adapter(
    name="vscode",
    title="VS Code",
    prompt=PromptTemplate("vscode", RULES),
    files=vscode_files,
    scopes=("personal", "shared"),
    steps=client_steps,
    obstacles=lambda context: [*vscode_obstacles(context)],
    detection=Detection((".vscode",), ("code",)),
)
copilot = Adapter(
    name="copilot",
    title="GitHub Copilot CLI",
    prompt=PromptTemplate("copilot", RULES),
    files=copilot_files,
    steps=client_steps,
    detection=Detection(("~/.copilot",), ("copilot",), ("COPILOT_HOME",)),
)
