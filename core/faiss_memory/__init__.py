"""FAISS Memory: all that a plugin or an adapter may import. Names are loaded when they are first used."""

from __future__ import annotations

import atexit
import gc
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faiss_memory.adapter import Adapter
    from faiss_memory.cli.failures import CommandFailed
    from faiss_memory.cli.lazy import ExampleCommand
    from faiss_memory.cli.session import open_session
    from faiss_memory.config_files import (
        ConfigFile,
        Detection,
        InstallContext,
        JsonDefault,
        JsonItems,
        JsonMember,
        MarkdownBlock,
        OwnFile,
        PromptTemplate,
        Snippet,
        TomlTable,
        YamlDefault,
        YamlItem,
        YamlMember,
    )
    from faiss_memory.connecting import (
        HOOK_SECONDS,
        endpoint_address,
        hook_address,
        hook_arguments,
        hook_line,
    )
    from faiss_memory.errors import (
        ConfigError,
        Conflict,
        EmbedderError,
        InvalidRequest,
        MemoryNotFound,
        MemoryServiceError,
        NotAllowed,
        NotReady,
        StoreError,
    )
    from faiss_memory.hook_dialect import TRIAL_SESSION, HookDialect, nested_context
    from faiss_memory.hookspecs import hookimpl
    from faiss_memory.memory import (
        DEFAULT_PROJECT,
        Change,
        Draft,
        Filter,
        Memory,
        Origin,
        Passage,
        Query,
        Ranking,
        SearchResult,
    )
    from faiss_memory.mount import Mount
    from faiss_memory.openapi import message_schema
    from faiss_memory.parts import Download, Embedder, Page, Route, Store
    from faiss_memory.project_name import find_repository, project_of
    from faiss_memory.public import as_public, check_public_read
    from faiss_memory.schema import (
        AddAnswer,
        AddRequest,
        Answer,
        ErrorAnswer,
        ForgetAnswer,
        ForgetRequest,
        FoundMemory,
        ListRequest,
        MemoryAnswer,
        Message,
        NovelAnswer,
        NovelRequest,
        PatchRequest,
        ProjectName,
        ScopeRequest,
        SearchAnswer,
        SearchRequest,
        StatsAnswer,
        Time,
        convert,
    )
    from faiss_memory.service import MemoryService
    from faiss_memory.settings import Limits, Positive, Secret, Settings
    from faiss_memory.tokens import count_tokens, within_tokens
    from faiss_memory.tools import INSTRUCTIONS, TOOLS, Tool

_HOMES = {
    "adapter": ("Adapter",),
    "cli.failures": ("CommandFailed",),
    "cli.lazy": ("ExampleCommand",),
    "cli.session": ("open_session",),
    "config_files": (
        "ConfigFile",
        "Detection",
        "InstallContext",
        "JsonDefault",
        "JsonItems",
        "JsonMember",
        "MarkdownBlock",
        "OwnFile",
        "PromptTemplate",
        "Snippet",
        "TomlTable",
        "YamlDefault",
        "YamlItem",
        "YamlMember",
    ),
    "connecting": (
        "HOOK_SECONDS",
        "hook_address",
        "hook_arguments",
        "hook_line",
        "endpoint_address",
    ),
    "errors": (
        "ConfigError",
        "Conflict",
        "EmbedderError",
        "InvalidRequest",
        "MemoryNotFound",
        "MemoryServiceError",
        "NotAllowed",
        "NotReady",
        "StoreError",
    ),
    "hook_dialect": (
        "TRIAL_SESSION",
        "HookDialect",
        "nested_context",
    ),
    "hookspecs": ("hookimpl",),
    "memory": (
        "DEFAULT_PROJECT",
        "Change",
        "Draft",
        "Filter",
        "Memory",
        "Origin",
        "Passage",
        "Query",
        "Ranking",
        "SearchResult",
    ),
    "mount": ("Mount",),
    "openapi": ("message_schema",),
    "parts": (
        "Download",
        "Embedder",
        "Page",
        "Route",
        "Store",
    ),
    "project_name": (
        "find_repository",
        "project_of",
    ),
    "public": (
        "as_public",
        "check_public_read",
    ),
    "schema": (
        "AddAnswer",
        "AddRequest",
        "Answer",
        "ErrorAnswer",
        "ForgetAnswer",
        "ForgetRequest",
        "FoundMemory",
        "ListRequest",
        "MemoryAnswer",
        "Message",
        "NovelAnswer",
        "NovelRequest",
        "PatchRequest",
        "ProjectName",
        "ScopeRequest",
        "SearchAnswer",
        "SearchRequest",
        "StatsAnswer",
        "Time",
        "convert",
    ),
    "service": ("MemoryService",),
    "settings": (
        "Limits",
        "Positive",
        "Secret",
        "Settings",
    ),
    "tokens": (
        "count_tokens",
        "within_tokens",
    ),
    "tools": (
        "INSTRUCTIONS",
        "TOOLS",
        "Tool",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "DEFAULT_PROJECT",
    "HOOK_SECONDS",
    "INSTRUCTIONS",
    "TOOLS",
    "TRIAL_SESSION",
    "Adapter",
    "AddAnswer",
    "AddRequest",
    "Answer",
    "Change",
    "CommandFailed",
    "ConfigError",
    "ConfigFile",
    "Conflict",
    "Detection",
    "Download",
    "Draft",
    "Embedder",
    "EmbedderError",
    "ErrorAnswer",
    "ExampleCommand",
    "Filter",
    "ForgetAnswer",
    "ForgetRequest",
    "FoundMemory",
    "HookDialect",
    "InstallContext",
    "InvalidRequest",
    "JsonDefault",
    "JsonItems",
    "JsonMember",
    "Limits",
    "ListRequest",
    "MarkdownBlock",
    "Memory",
    "MemoryAnswer",
    "MemoryNotFound",
    "MemoryService",
    "MemoryServiceError",
    "Message",
    "Mount",
    "NotAllowed",
    "NotReady",
    "NovelAnswer",
    "NovelRequest",
    "Origin",
    "OwnFile",
    "Page",
    "Passage",
    "PatchRequest",
    "Positive",
    "ProjectName",
    "PromptTemplate",
    "Query",
    "Ranking",
    "Route",
    "ScopeRequest",
    "SearchAnswer",
    "SearchRequest",
    "SearchResult",
    "Secret",
    "Settings",
    "Snippet",
    "StatsAnswer",
    "Store",
    "StoreError",
    "Time",
    "TomlTable",
    "Tool",
    "YamlDefault",
    "YamlItem",
    "YamlMember",
    "as_public",
    "check_public_read",
    "convert",
    "count_tokens",
    "endpoint_address",
    "find_repository",
    "hook_address",
    "hook_arguments",
    "hook_line",
    "hookimpl",
    "message_schema",
    "nested_context",
    "open_session",
    "project_of",
    "within_tokens",
]


# msgspec may crash while the interpreter's last garbage collection takes its types apart (its issue 717), after all
# work is done. What is frozen is not collected: the process is about to end anyway.
atexit.register(gc.freeze)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module `faiss_memory` has no `{name}`")
    return getattr(importlib.import_module(f"faiss_memory.{_HOME[name]}"), name)
