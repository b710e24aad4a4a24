"""What a declared part speaks of: the commands it starts, and whether it holds what it must not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from faiss_memory.contracts.config_files import JsonItems, MarkdownBlock, OwnFile, YamlItem
from faiss_memory.install.formats import Part
from faiss_memory.install.marked_text import IgnoredPaths

_LONG = 12
"""Characters that make a token unlike a word."""


def starts(part: Part, command: str) -> bool:
    """Return whether a part starts a command, whose name alone may also be a word in a text."""
    if isinstance(part, OwnFile | MarkdownBlock | IgnoredPaths):
        text = "" if isinstance(part, IgnoredPaths) else part.text
        written = re.escape(command.replace("\\", "\\\\"))
        return re.search(rf"command[\"']?\s*[:=]\s*\[?\s*[\"']{written}[\"'\s]", text) is not None
    quoted = (command, f'"{command}"', f"'{command}'")
    return any(
        text == form or text.startswith(f"{form} ") for text in _texts(_value(part)) for form in quoted
    )


def counted(parts: Iterable[Part]) -> tuple[int, int]:
    """Count the hooks and the MCP servers among some parts."""
    hooks = servers = 0
    for part in parts:
        keys = getattr(part, "keys", ())
        if isinstance(part, JsonItems) and keys[:1] == ("hooks",):
            hooks += len(part.items)
        elif isinstance(part, OwnFile):
            servers += "/mcpServers/" in part.path
        else:
            servers += _SERVERS.isdisjoint(keys) is False and not isinstance(part, JsonItems)
    return hooks, servers


_SERVERS = frozenset({"mcpServers", "mcp_servers", "servers", "mcp"})
"""Under what assistants keep them."""


def holds(part: Part, secret: str) -> bool:
    """Return whether a secret stands in a part: as a value, after `Bearer`, or anywhere if it is no mere word."""
    if isinstance(part, IgnoredPaths):
        return False
    texts = [part.text] if isinstance(part, OwnFile | MarkdownBlock) else [*_texts(_value(part))]
    found = re.escape(secret)
    pattern = rf"(?<!\w){found}(?!\w)" if len(secret) >= _LONG else rf"^{found}$|Bearer {found}(?!\w)"
    return any(re.search(pattern, text) for text in texts)


def _value(part: Part) -> Any:
    if isinstance(part, JsonItems):
        return [item for item in part.items if not isinstance(item, str)]  # a name in a list is no command
    return part.item if isinstance(part, YamlItem) else getattr(part, "value", None)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
