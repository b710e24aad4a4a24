"""Configuration files as people have them: hundreds of shapes, each with what a real assistant puts into it."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from typing import Any

from faiss_memory import ConfigFile, InstallContext
from faiss_memory_adapters.aider import adapter as aider
from faiss_memory_adapters.claude_code import adapter as claude
from faiss_memory_adapters.codex import adapter as codex
from faiss_memory_adapters.continue_dev import adapter as continue_dev
from faiss_memory_adapters.cursor import adapter as cursor
from faiss_memory_adapters.gemini import adapter as gemini
from faiss_memory_adapters.generic import adapter as generic
from faiss_memory_adapters.opencode import adapter as opencode
from faiss_memory_adapters.vscode import adapter as vscode

PROJECT = {
    "url": "http://127.0.0.1:8900",
    "project": "acme.website",
    "folder": "/home/jo/website",
    "command": "/home/jo/.venv/bin/faiss-memory",
    "hook_command": "/home/jo/.venv/bin/faiss-memory-hook",
}
FOR = [
    (claude, ".claude/settings.local.json", {"scope": "personal"}),
    (claude, "~/.claude.json", {"scope": "personal"}),
    (claude, ".mcp.json", {"scope": "shared"}),
    (cursor, ".cursor/mcp.json", {"scope": "shared"}),
    (cursor, ".cursor/hooks.json", {"scope": "personal"}),
    (codex, ".codex/hooks.json", {"scope": "personal"}),
    (vscode, ".vscode/mcp.json", {"scope": "shared", "has_token": True}),
    (gemini, ".gemini/settings.json", {"scope": "personal"}),
    (opencode, "opencode.json", {"scope": "shared", "folder": ""}),
    (codex, ".codex/config.toml", {"scope": "personal", "has_token": True}),
    (codex, "~/.codex/config.toml", {"scope": "user", "folder": ""}),
    (continue_dev, "~/.continue/config.yaml", {"scope": "user", "folder": ""}),
    (aider, ".aider.conf.yml", {"scope": "shared"}),
    (codex, "AGENTS.md", {"scope": "shared"}),
    (generic, "AGENTS.md", {"scope": "personal"}),
]


@dataclass(frozen=True)
class Shape:
    """A file as it is before us, and what is put into it."""

    name: str
    raw: bytes
    parts: tuple[ConfigFile, ...]

    @property
    def suffix(self) -> str:
        """The kind of file: json, jsonc, toml, yaml or md."""
        return self.name.rsplit(".", 1)[1]


def shapes(each: int) -> list[Shape]:
    """Make so many files for every file that an assistant has; always the same ones."""
    found = []
    for number, (adapter, path, given) in enumerate(FOR):
        parts = tuple(
            file for file in adapter.files(InstallContext(**{**PROJECT, **given})) if file.path == path
        )
        assert parts, path
        kind = _kind(path, parts)
        for one in range(each):
            draw = random.Random(1000 * number + one)
            raw = _WRITERS[kind](draw, path)
            found.append(Shape(f"{number:02}-{one:02}.{kind}", raw, parts))
    return found


def _kind(path: str, parts: tuple[ConfigFile, ...]) -> str:
    kind = {"yml": "yaml"}.get(path.rsplit(".", 1)[1], path.rsplit(".", 1)[1])
    return "jsonc" if getattr(parts[0], "comments", False) else kind


def _some(draw: random.Random, things: list[Any], least: int = 0) -> list[Any]:
    return draw.sample(things, draw.randint(least, len(things)))


def _encoded(draw: random.Random, text: str) -> bytes:
    text = text.rstrip("\n") + draw.choice(["\n", "\n", "", "\n\n"])
    text = text.replace("\n", "\r\n") if draw.random() < 0.2 else text
    return (b"\xef\xbb\xbf" if draw.random() < 0.1 else b"") + text.encode()


# JSON.

SERVERS = {
    "github": {
        "type": "http",
        "url": "https://api.githubcopilot.com/mcp/",
        "headers": {"Authorization": "Bearer ${GH}"},
    },
    "files": {
        "command": "npx",
        "args": ["-y", "@modelcontextprotocol/server-filesystem", "C:\\src"],
        "env": {},
    },
    "späti": {"command": "uvx", "args": ["späti-mcp", "--größe=3"], "timeout": 1e3},
    "faiss-memory-2": {"url": "http://localhost:9000/mcp", "disabled": False},
    "empty": {},
}
HOOK = {
    "matcher": "Edit|Write",
    "hooks": [{"type": "command", "command": 'jq -r ".tool_input" | xargs prettier'}],
}
TOP = {
    "permissions": {
        "allow": ["Bash(git diff:*)", "Read(~/x/**)"],
        "deny": ["Read(.env)"],
        "defaultMode": "plan",
    },
    "model": "opus",
    "env": {"A": "1", "EMPTY": ""},
    "numStartups": 12345678901234567890,
    "ratio": 0.1,
    "big": 1.0,
    "$schema": "https://json.schemastore.org/claude-code-settings.json",
    "null": None,
    "nested": [[], {}, [[1, [2]]]],
    "projects": {
        "/home/jo/other": {"hasTrustDialogAccepted": True, "history": [{"display": "fix 'it' // now"}]}
    },
    "security": {"auth": {"selectedType": "oauth"}},
    "theme": "GitHub",
    "unicode": "\u2028 é \\u0041 \U0001f600",
}


def _json(draw: random.Random, path: str) -> bytes:
    data: dict[str, Any] = {key: TOP[key] for key in _some(draw, list(TOP))}
    for key in ("mcpServers", "servers", "mcp"):
        if draw.random() < 0.6:
            data[key] = {name: SERVERS[name] for name in _some(draw, list(SERVERS))}
    if draw.random() < 0.6:
        data["hooks"] = {
            name: [HOOK] * draw.randint(0, 2) for name in _some(draw, ["PreToolUse", "SessionStart", "Stop"])
        }
    if "cursor/hooks" in path:
        data = (
            {"version": 1, "hooks": {"afterFileEdit": [{"command": "./fmt.sh"}]}}
            if draw.random() < 0.5
            else {}
        )
    if draw.random() < 0.05:
        return draw.choice([b"", b"{}", b"{\n}\n", b"\n"])
    indent = draw.choice([2, 2, 4, "\t", None, 3])
    separators = draw.choice([(",", ":"), (", ", ": ")]) if indent is None else None
    text = json.dumps(data, indent=indent, ensure_ascii=draw.random() < 0.3, separators=separators)
    return _encoded(draw, text)


COMMENTS = [
    "// what we use",
    "/* see https://example.com/a,b */",
    "// { not this }",
    '// "servers": {}',
    "// größer",
]


def _jsonc(draw: random.Random, path: str) -> bytes:
    raw = _json(draw, path).removeprefix(b"\xef\xbb\xbf").decode()
    newline = "\r\n" if "\r\n" in raw else "\n"
    lines = raw.split(newline)
    for at in range(len(lines) - 1, 0, -1):
        if draw.random() < 0.12:
            lines.insert(at, re.match(r"\s*", lines[at])[0] + draw.choice(COMMENTS))
        if draw.random() < 0.3 and re.match(r"\s*[]}]", lines[at]) and re.search(r'["\w\]}]$', lines[at - 1]):
            lines[at - 1] += ","
    if draw.random() < 0.4:
        lines.insert(0, draw.choice(COMMENTS))
    return newline.join(lines).encode()


# TOML.

TOML_TOP = [
    'model = "gpt-5.1-codex"',
    "approval_policy = 'on-request'",
    "# my settings",
    "notify = [\n  'python3', # 3.12\n  'n.py',\n]",
    'developer_instructions = """\n[mcp_servers.faiss-memory]\nnot = "ours"\n"""',
    "tui.notifications = true",
    "",
]
TOML_TABLES = [
    '[mcp_servers.docs]\ncommand = "npx"\nargs = ["-y"]\n\n[mcp_servers.docs.env]\nTOKEN = "x" # not this one',
    "[mcp_servers.'späti']\nurl = 'https://example.com/mcp'\nstartup_timeout_sec = 20.5\nenabled = false",
    '[projects."/home/jo/website"]\ntrust_level = "trusted"',
    "[profiles.fast]\nmodel = 'mini'\n\n  [profiles.fast.features]\n  web_search = true",
    "[features]\n# nothing yet",
    "[[rules]]\nprefix = ['git', 'push']\ndecision = 'prompt'\n\n[[rules]]\nprefix = [ 'rm' ]",
    "[history]\nmax_bytes = 1_000_000\nsince = 2025-01-01T10:00:00Z",
]
TOML_SERVERS = [
    'mcp_servers = { docs = { command = "npx", args = ["-y"] }, x = {} } # inline',
    "mcp_servers.docs.url = 'https://example.com/mcp'\nmcp_servers.docs.enabled = true",
]


def _toml(draw: random.Random, path: str) -> bytes:
    if draw.random() < 0.05:
        return draw.choice([b"", b"# nothing yet\n", b"# nothing yet"])
    top, tables = _some(draw, TOML_TOP), _some(draw, TOML_TABLES)
    if draw.random() < 0.25:
        top.append(draw.choice(TOML_SERVERS))
        tables = [table for table in tables if "[mcp_servers" not in table]
        top = [line for line in top if line or draw.random() < 0.5]
    if draw.random() < 0.15 and not any("mcp_servers" in text for text in (*top, *tables)):
        tables.append("[mcp_servers]\nother = { url = 'https://example.com/mcp' }\nmore.command = 'x'")
    return _encoded(draw, draw.choice(["\n", "\n\n"]).join(["\n".join(top), *tables]))


# YAML.

YAML_PIECES = [
    "model: sonnet # the best",
    "name: My agent\nversion: 2.0.0\nschema: v1",
    "dark-mode: true",
    "read: CONVENTIONS.md",
    "read:\n  - CONVENTIONS.md\n  # and\n  - 'docs/a b.md'",
    "read: [ a.md, b.md ]",
    "lint-cmd:\n- 'python: ruff check'",
    "mcpServers:\n  - name: sqlite\n    command: npx\n    args: [-y, 'sqlite']\n    env:\n      A: ${{ secrets.A }}",
    "context:\n- provider: code\n- provider: docs\n  params: {n: 3}",
    "models: &models\n  - name: Llama\n    provider: ollama",
    "rules:\n  - |\n    Use tabs.\n\n      Never spaces.\n  - >-\n    folded\n    text",
    "more: *models",
    "# the end",
    "empty:",
    "prompts:\n  - name: p\n    prompt: |\n      Say it",
]


def _yaml(draw: random.Random, path: str) -> bytes:
    if draw.random() < 0.05:
        return draw.choice([b"", b"# nothing yet\n", b"---\n", b"# nothing yet"])
    pieces, keys = [], set[str]()
    for piece in _some(draw, YAML_PIECES, 1):
        named = set(re.findall(r"^([\w-]+):", piece, re.MULTILINE))
        if not named & keys and ("*models" not in piece or any("&models" in one for one in pieces)):
            pieces.append(piece)
            keys |= named
    text = draw.choice(["\n", "\n\n"]).join(pieces)
    return _encoded(draw, draw.choice(["", "---\n", "# yaml-language-server: $schema=x\n"]) + text)


# Markdown.

MARKDOWN = [
    "# Website",
    "Use tabs.\nNever spaces.",
    "* one\n* two\n  - three\n\n    more",
    "1) first\n1) second",
    "```sh\nnpm  test\n```",
    "| a | b |\n|---|:-:|\n| 1 | *2* |",
    "Setext\n======",
    "<details>\n<summary>More</summary>\n\ntext\n\n</details>",
    "___",
    "> quoted\nlazy",
    f"A very long line that a formatter may want to wrap, because it goes on and on, {'and on, ' * 8}and ends.",
    "<!-- prettier-ignore-start -->\na  b\n<!-- prettier-ignore-end -->",
    "`<!-- faiss-memory:start -->` marks a block",
    "- [ ] todo\n- [x] done",
]


def _markdown(draw: random.Random, path: str) -> bytes:
    if draw.random() < 0.05:
        return draw.choice([b"", b"\n", b"# Website"])
    front = "---\ntitle: 'x'\n---\n\n" if draw.random() < 0.2 else ""
    return _encoded(draw, front + draw.choice(["\n\n", "\n\n\n"]).join(_some(draw, MARKDOWN, 1)))


_WRITERS = {"json": _json, "jsonc": _jsonc, "toml": _toml, "yaml": _yaml, "md": _markdown}
