"""What assistants' own settings may hold against us: lists of what is allowed and denied, and proxies."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from faiss_memory import InstallContext
from faiss_memory_adapters.client_files import items, table

SERVER = "faiss-memory"
TOOL = "memory_search"
"""The tool without which the memory is of no use."""


def matching(patterns: Iterable[Any], *names: str) -> str:
    """Return the first pattern that means one of some names, or an empty text."""
    texts = [pattern for pattern in patterns if isinstance(pattern, str)]
    return next((text for text in texts if any(fnmatchcase(name, text) for name in names)), "")


def unlisted(path: Path, settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield how settings in the form of Gemini CLI, at a path, leave out the server or the tool, by patterns."""
    entry = table(settings, "mcpServers", SERVER)
    for keys, old in ((("mcp", "allowed"), "allowMCPServers"), (("mcp", "excluded"), "excludeMCPServers")):
        for holder, name, called in (
            (table(settings, keys[0]), keys[1], ".".join(keys)),
            (settings, old, old),
        ):
            is_named = bool(matching(items(holder, name), SERVER))
            if keys[1] == "excluded" and is_named:
                yield f"{path} leaves the server `{SERVER}` out (`{called}`)."
            elif keys[1] == "allowed" and isinstance(holder.get(name), list) and not is_named:
                yield f"{path} allows other MCP servers only (`{called}`): add `{SERVER}` to it."
    if isinstance(entry.get("includeTools"), list) and TOOL not in items(entry, "includeTools"):
        yield f"{path} leaves out the tool `{TOOL}` (`includeTools` of `{SERVER}`)."
    if TOOL in items(entry, "excludeTools"):
        yield f"{path} leaves out the tool `{TOOL}` (`excludeTools` of `{SERVER}`)."


def denied(path: Path, settings: Mapping[str, Any], *names: str) -> Iterator[str]:
    """Yield that settings, at a path, deny a tool of one of these names."""
    if pattern := matching(items(table(settings, "permissions"), "deny"), *names):
        yield f"{path} denies our tools (`{pattern}` in `permissions.deny`)."


def hooks_off(path: Path, settings: Mapping[str, Any], *switches: str) -> Iterator[str]:
    """Yield which of these switches, in settings at a path, turns all hooks off."""
    for name in switches:
        if settings.get(name) is True:
            yield f"{path} switches all hooks off (`{name}`)."


def not_trusted(context: InstallContext, title: str) -> str:
    """Return that an assistant leaves our files out until the folder is trusted."""
    return f"{title} does not trust {context.folder} yet: start it there and trust the folder."


def proxied(context: InstallContext, given: Mapping[str, Any], where: str) -> Iterator[str]:
    """Yield that an assistant's own settings send requests to us through a proxy; `given` are its variables."""
    address = urlsplit(context.url)
    kinds = (f"{address.scheme}_proxy", "all_proxy")
    name = next((name for name, value in given.items() if name.lower() in kinds and value), "")
    variables = {**context.environment, **given}
    excepted = [str(variables[name]) for name in ("NO_PROXY", "no_proxy") if name in variables]
    if name and address.hostname and not any(_is_excepted(address.hostname, text) for text in excepted):
        yield (
            f"{where} sends requests through a proxy (`{name}`), those to the service too: "
            f"add {address.hostname} to NO_PROXY there."
        )


def _is_excepted(host: str, hosts: str) -> bool:
    for entry in re.split(r"[\s,]+", hosts.lower()):
        name = re.sub(r":\d+$", "", entry).removeprefix("*").removeprefix(".")
        if entry == "*" or (name and (host == name or host.endswith(f".{name}"))):
            return True
        try:
            if "/" in entry and ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            continue
    return False
