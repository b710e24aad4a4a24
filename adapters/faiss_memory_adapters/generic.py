"""Any other assistant: tool schemas, a block for AGENTS.md, and entries to paste for clients that speak MCP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from faiss_memory import (
    TOOLS,
    Adapter,
    AddRequest,
    Answer,
    ConfigFile,
    InstallContext,
    MarkdownBlock,
    NovelRequest,
    Page,
    PromptTemplate,
    Route,
    SearchRequest,
    Service,
    Tool,
    added_text,
    found_text,
    notes_of,
)
from faiss_memory_adapters.pasted import pasted
from faiss_memory_adapters.texts import filled, template

PROMPT = PromptTemplate("generic", template("generic/agents.md"))
SEARCH, ADD = "/adapters/generic/search", "/adapters/generic/add"
TOKENS = 2000
"""What an answer for a model may cost, as by MCP."""
TEXT = "text/plain; charset=utf-8"


def _by_rest(path: str, differs: str, tool: Tool[Any], **says: str) -> tuple[str, Tool[Any]]:
    """Return a call, and the tool for it: with every field that the call has, and with no project of its own."""
    fields = msgspec.structs.fields(tool.message)
    described = replace(
        tool,
        description=f"{tool.description} {differs}",
        fields=tuple(field.name for field in fields),
        required=tuple(field.name for field in fields if field.required),
        says={**tool.says, **says},
    )
    return path, described


MCP = {tool.name: tool for tool in TOOLS}
NOVEL = Tool(
    name="memory_is_novel",
    title="Ask whether it is new",
    description="Ask whether something is already remembered, before adding it.",
    message=NovelRequest,
    fields=(),
    required=(),
)
READ = {"project": "This project's name and `default`, in a list; `*` for all projects."}
CALLS = (
    _by_rest(
        SEARCH,
        "Name this project and `default`, the shared one: without `project`, `default` alone is searched.",
        MCP["memory_search"],
        **READ,
    ),
    _by_rest(
        ADD,
        "Name this project: without `project` it is stored in `default`, the shared one.",
        MCP["memory_add"],
        project="This project's name; `default` for what holds in every project.",
    ),
    _by_rest(
        "/memory/is-novel",
        "Name this project and `default`: without `project`, `default` alone is looked through.",
        NOVEL,
        **READ,
    ),
    _by_rest(
        "/memory/forget",
        "Other conditions than `ids` forget every memory that meets all of them: look first with `dry_run`.",
        MCP["memory_forget"],
        project="Only memories of this project.",
    ),
)
"""Each call with its tool: MCP's, with what REST has it otherwise."""


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


def _tools(service: Service) -> ToolsAnswer:
    described = [
        (tool.name, path, tool.description, tool.input_schema(service.settings.limits))
        for path, tool in CALLS
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


def _search(service: Service, request: SearchRequest) -> Page:
    return _text(found_text(notes_of(service.find(request), TOKENS)))


def _add(service: Service, request: AddRequest) -> Page:
    return _text(added_text(service.add(request), TOKENS))


def _text(text: str) -> Page:
    return Page(f"{text}\n".encode(), TEXT)


def _routes(service: Service) -> Sequence[Route]:
    return (
        Route(
            group="Assistants",
            method="GET", path="/adapters/generic/tools", summary="Tool schemas for any model that calls tools",
            answer=ToolsAnswer, handler=lambda rights: _tools(service),
        ),
        Route(
            group="Assistants",
            method="POST", path=SEARCH, summary="Search memories, answered as text for a model to read",
            body=SearchRequest, other_content=(TEXT,), handler=partial(_search, service),
        ),
        Route(
            group="Assistants",
            method="POST", path=ADD, summary="Add a memory, answered as text for a model to read",
            body=AddRequest, other_content=(TEXT,), handler=partial(_add, service),
        ),
    )  # fmt: skip


def _files(context: InstallContext) -> Sequence[ConfigFile]:
    text = filled(PROMPT.text, context)
    if context.has_token:
        text += f'\nThe service wants a token: add -H "Authorization: Bearer ${context.token_variable}" to each call.\n'
    instructions = () if context.scope == "user" else (MarkdownBlock("AGENTS.md", text),)
    return (*instructions, *pasted(context))


def _steps(context: InstallContext) -> Sequence[str]:
    if not context.has_token or context.token_variable in context.environment:
        return ()
    return (
        f"Set {context.token_variable} where your assistant starts: the block names it, and does not hold it.",
    )


adapter = Adapter(
    name="generic",
    title="Any assistant",
    marks=(
        "AGENTS.md",
        ".windsurf",
        ".kilo",
        ".roo",
        ".junie",
    ),
    prompt=PROMPT,
    files=_files,
    routes=_routes,
    steps=_steps,
)
