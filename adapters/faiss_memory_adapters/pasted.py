"""Entries to paste, for clients that speak MCP and that we have not seen read them; each by its own documentation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from faiss_memory import InstallContext, Snippet, endpoint_address
from faiss_memory_adapters.hindrances import SERVER, TOOL
from faiss_memory_adapters.mcp_entry import arguments, headers, starts_us


def pasted(context: InstallContext) -> list[Snippet]:
    """Return an entry for each: our command, or with the container alone the service's address."""
    found = []
    for client, path, keys, entry in _entries(context):
        value: Any = {SERVER: entry}
        for key in reversed(keys):
            value = {key: value}
        text = _yaml(value) if path.endswith(".yaml") else json.dumps(value, indent=2) + "\n"
        found.append(Snippet(path, text, f"For {client}: merge it into that file, if you use it."))
    return found


def _entries(context: InstallContext) -> Iterator[tuple[str, str, tuple[str, ...], Mapping[str, Any]]]:
    """Yield each client, its file, the keys above the entry, and the entry."""
    url, token = endpoint_address(context, "/mcp"), headers(context, "YOUR-TOKEN")
    begun = {"command": context.command, "args": arguments(context)}
    named = {"url": url, **token}
    is_ours = starts_us(context)
    home = "~/" if context.scope == "user" else ""
    mcp = ("mcpServers",)
    plain = begun if is_ours else named
    # docs.windsurf.com: MCP. An address is called `serverUrl`.
    yield (
        "Windsurf",
        "~/.codeium/windsurf/mcp_config.json",
        mcp,
        begun if is_ours else {"serverUrl": url, **token},
    )
    # zed.dev/docs/ai/mcp: also in `.zed/settings.json`.
    yield "Zed", "settings.json", ("context_servers",), {"source": "custom", **begun} if is_ours else named
    # jetbrains.com/help/junie: MCP settings.
    yield "Junie", f"{home}.junie/mcp/mcp.json", mcp, plain
    # ampcode.com/manual: a key with a dot in it.
    amp = "~/.config/amp/settings.json" if home else ".amp/settings.json"
    yield "Amp", amp, ("amp.mcpServers",), plain
    yield from _by_other_names(context, named)


def _by_other_names(
    context: InstallContext, named: Mapping[str, Any]
) -> Iterator[tuple[str, str, tuple[str, ...], Mapping[str, Any]]]:
    """Yield those that call a command or the way to an address by names of their own."""
    begun = {"command": context.command, "args": arguments(context)}
    is_ours, home = starts_us(context), context.scope == "user"
    # docs.roocode.com/features/mcp/using-mcp-in-roo; for all projects the file is VS Code's to find.
    roo = "mcp_settings.json" if home else ".roo/mcp.json"
    yield (
        "Roo Code",
        roo,
        ("mcpServers",),
        {**(begun if is_ours else {"type": "streamable-http", **named}), "alwaysAllow": [TOOL]},
    )
    # kilo.ai/docs/automate/mcp: as OpenCode has it, which it is made of.
    kilo = "~/.config/kilo/kilo.jsonc" if home else ".kilo/kilo.jsonc"
    started = {"type": "local", "command": [context.command, *arguments(context)], "enabled": True}
    yield "Kilo Code", kilo, ("mcp",), started if is_ours else {"type": "remote", **named, "enabled": True}
    # goose-docs.ai: extensions.
    goose = {"type": "stdio", "cmd": context.command, "args": arguments(context)}
    reached = {
        "type": "streamable_http",
        "uri": named["url"],
        **{key: named[key] for key in named if key != "url"},
    }
    about = {"name": "FAISS Memory", "enabled": True, "timeout": 30}
    yield (
        "Goose",
        "~/.config/goose/config.yaml",
        ("extensions",),
        {**about, **(goose if is_ours else reached)},
    )


def _yaml(value: Any) -> str:
    written: str = yaml.safe_dump(value, sort_keys=False)
    return written
