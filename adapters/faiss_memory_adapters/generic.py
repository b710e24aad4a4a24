"""Any assistant that can make HTTP calls: tool schemas, and a block for AGENTS.md."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from string import Template
from typing import Any

from faiss_memory import (
    Adapter,
    AddRequest,
    Answer,
    ForgetRequest,
    InstallContext,
    MarkdownBlock,
    MemoryService,
    NovelRequest,
    PromptTemplate,
    Route,
    SearchRequest,
    message_schema,
)

PROMPT = PromptTemplate(
    "generic", files("faiss_memory_adapters").joinpath("templates/generic.md").read_text(encoding="utf-8")
)

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


def _files(context: InstallContext) -> Sequence[MarkdownBlock]:
    text = Template(PROMPT.text).substitute(url=context.url, project=context.project)
    return (MarkdownBlock("AGENTS.md", text),)


adapter = Adapter(name="generic", title="Any assistant", prompt=PROMPT, files=_files, routes=_routes)
