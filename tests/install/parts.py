"""Parts of made-up assistants, one list for each kind of file."""

from __future__ import annotations

from faiss_memory import (
    JsonDefault,
    JsonItems,
    JsonMember,
    MarkdownBlock,
    TomlTable,
    YamlItem,
    YamlMember,
)

HOOK = {
    "matcher": "startup",
    "hooks": [{"type": "command", "command": "/opt/x/faiss-memory-hook one", "timeout": 10}],
}
SERVER = {
    "type": "http",
    "url": "http://127.0.0.1:8900/mcp",
    "headers": {"A": "${B:-c}"},
    "args": ["é", 'say "hi"'],
}


def json_parts(comments: bool, path: str = "settings.json"):
    return [
        JsonDefault(path, ("version",), 1, comments),
        JsonMember(path, ("mcpServers", "faiss-memory"), SERVER, comments),
        JsonItems(path, ("hooks", "SessionStart"), (HOOK,), comments),
        JsonItems(
            path, ("permissions", "allow"), ("mcp__faiss-memory__search", "mcp__faiss-memory__add"), comments
        ),
    ]


def toml_parts(path: str = "config.toml"):
    return [
        TomlTable(
            path,
            ("mcp_servers", "faiss-memory"),
            {"url": "http://127.0.0.1:8900/mcp", "args": ["C:\\x"], "tools": {"search": {"approve": True}}},
        )
    ]


def yaml_parts(path: str = "config.yaml"):
    return [
        YamlItem(path, ("read",), ".faiss-memory/context.md"),
        YamlMember(path, ("load",), ".faiss-memory/load file"),
        YamlMember(path, ("mcp", "faiss-memory"), {"url": "http://127.0.0.1:8900/mcp", "args": ["a", "b"]}),
    ]


def markdown_parts(path: str = "AGENTS.md"):
    return [MarkdownBlock(path, "## Memory\n\nSearch it first: `faiss-memory search`.\n")]
