"""Any other assistant: tool schemas, a block for AGENTS.md, and entries for clients that speak MCP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from faiss_memory import (
    Adapter,
    AddRequest,
    Answer,
    ConfigFile,
    Detection,
    ForgetRequest,
    InstallContext,
    JsonDefault,
    JsonItems,
    JsonMember,
    MarkdownBlock,
    MemoryService,
    NovelRequest,
    PromptTemplate,
    Route,
    SearchRequest,
    Snippet,
    endpoint_address,
    message_schema,
)
from faiss_memory_adapters.texts import filled, template

PROMPT = PromptTemplate("generic", template("generic/agents.md"))
NAME = "faiss-memory"
VSCODE = ".vscode/mcp.json"

TOOLS = (
    (
        "memory_search",
        "/search",
        SearchRequest,
        "Search what was remembered about this project: decisions, conventions, fixes, notes. "
        "Use it before answering about earlier work.",
    ),
    (
        "memory_add",
        "/memory/add",
        AddRequest,
        "Remember one lasting fact: a decision with its reason, a convention, a fix. One or two sentences.",
    ),
    (
        "memory_is_novel",
        "/memory/is-novel",
        NovelRequest,
        "Ask whether something is already remembered, before adding it.",
    ),
    (
        "memory_forget",
        "/memory/forget",
        ForgetRequest,
        "Forget memories that are wrong or no longer hold, by id or by a filter.",
    ),
)


class ToolCall(Answer):
    """Where a tool's arguments are sent, as they are."""

    name: str
    method: str
    path: str


class ToolsAnswer(Answer):
    """The tools as OpenAI and Anthropic models take them, and the calls behind them."""

    openai: list[dict[str, Any]]
    anthropic: list[dict[str, Any]]
    calls: list[ToolCall]


def _tools(service: MemoryService) -> ToolsAnswer:
    described = [
        (name, path, text, message_schema(message, service.settings.limits))
        for name, path, message, text in TOOLS
    ]
    return ToolsAnswer(
        openai=[
            {"type": "function", "function": {"name": name, "description": text, "parameters": parameters}}
            for name, _, text, parameters in described
        ],
        anthropic=[
            {"name": name, "description": text, "input_schema": parameters}
            for name, _, text, parameters in described
        ],
        calls=[ToolCall(name=name, method="POST", path=path) for name, path, _, _ in described],
    )


def _routes(service: MemoryService) -> Sequence[Route]:
    return (
        Route(
            method="GET", path="/adapters/generic/tools", summary="Tool schemas for any model that calls tools",
            answer=ToolsAnswer, handler=lambda: _tools(service),
        ),
    )  # fmt: skip


def _files(context: InstallContext) -> Sequence[ConfigFile]:
    text = filled(PROMPT.text, context)
    if context.has_token:
        text += f'\nThe service wants a token: add -H "Authorization: Bearer ${context.token_variable}" to each call.\n'
    instructions = () if context.scope == "user" else (MarkdownBlock("AGENTS.md", text),)
    return (*instructions, *_written(context), *_shown(context))


def _written(context: InstallContext) -> Sequence[ConfigFile]:
    """Give the entries of clients whose files we know from the clients themselves."""
    url, variable = endpoint_address(context, "/mcp"), context.token_variable
    gemini = {"httpUrl": url, "timeout": 10_000, **_headers(context, f"${{{variable}}}")}
    opencode = {"type": "remote", "url": url, "enabled": True, **_headers(context, f"{{env:{variable}}}")}
    if context.scope == "user":
        return (
            JsonMember("~/.gemini/settings.json", ("mcpServers", NAME), gemini, comments=True),
            *_opencode("~/.config/opencode/opencode.json", opencode),
        )
    asked = f"{NAME}-token"
    token = {"type": "promptString", "id": asked, "description": "Token of FAISS Memory", "password": True}
    inputs = (JsonItems(VSCODE, ("inputs",), (token,), comments=True),) if context.has_token else ()
    return (
        JsonMember(VSCODE, ("servers", NAME), _vscode(context, f"${{input:{asked}}}"), comments=True),
        *inputs,
        JsonMember(".gemini/settings.json", ("mcpServers", NAME), gemini, comments=True),
        *_opencode("opencode.json", opencode),
    )


def _opencode(path: str, entry: dict[str, Any]) -> Sequence[ConfigFile]:
    # OpenCode writes the schema's address into a file without one, which we would then take for the person's.
    schema = JsonDefault(path, ("$schema",), "https://opencode.ai/config.json", comments=True)
    return (schema, JsonMember(path, ("mcp", NAME), entry, comments=True))


def _shown(context: InstallContext) -> Sequence[ConfigFile]:
    """Give the entries of clients that we have not seen read them, or whose file is in another place everywhere."""
    url, bearer = endpoint_address(context, "/mcp"), _headers(context, "YOUR-TOKEN")
    zed: dict[str, Any] = {"url": url, **bearer}
    if context.command:
        project = [] if context.scope == "user" else ["--project", context.project]
        zed = {"source": "custom", "command": context.command, "args": ["mcp", *project]}
    cline = {
        "type": "streamableHttp",
        "url": url,
        "alwaysAllow": ["memory_search"],
        "disabled": False,
        **bearer,
    }
    snippets = [
        _snippet(
            "~/.codeium/windsurf/mcp_config.json", "mcpServers", {"serverUrl": url, **bearer}, "Windsurf"
        ),
        _snippet("settings.json", "context_servers", zed, "Zed"),
        _snippet("cline_mcp_settings.json", "mcpServers", cline, "Cline"),
    ]
    if context.scope == "user":
        vscode = _vscode(context, "YOUR-TOKEN")
        snippets.insert(0, _snippet("mcp.json", "servers", vscode, "VS Code (MCP: Open User Configuration)"))
    return snippets


def _snippet(path: str, key: str, entry: dict[str, Any], client: str) -> Snippet:
    text = json.dumps({key: {NAME: entry}}, indent=2)
    return Snippet(path, f"{text}\n", f"For {client}: merge it into that file, if you use it.")


def _vscode(context: InstallContext, token: str) -> dict[str, Any]:
    return {"type": "http", "url": endpoint_address(context, "/mcp"), **_headers(context, token)}


def _headers(context: InstallContext, token: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {token}"}} if context.has_token else {}


def _steps(context: InstallContext) -> Sequence[str]:
    trust = "Trust the folder, or the server, when your assistant asks for it: until then it leaves the entry out."
    token = (
        f"Set {context.token_variable} where your assistant starts: the entries name it, and do not hold it."
    )
    return (trust, *((token,) if context.has_token else ()))


adapter = Adapter(
    name="generic",
    title="Any assistant",
    prompt=PROMPT,
    files=_files,
    routes=_routes,
    steps=_steps,
    detection=Detection(
        paths=(
            "AGENTS.md",
            ".vscode",
            ".gemini",
            "opencode.json",
            "opencode.jsonc",
            "~/.gemini",
            "~/.config/opencode",
        ),
        commands=("gemini", "opencode", "code", "zed", "windsurf"),
    ),
)
