"""FAISS Memory: all that a plugin or an adapter may import. Names are loaded when they are first used."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
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
    from faiss_memory.framing import (
        Note,
        clean_line,
        clean_text,
        frame,
        framed,
        holds_recalled,
        note_text,
        without_frames,
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
    from faiss_memory.safe_files import (
        NotAFile,
        entries_of,
        is_file,
        located,
        open_file,
        read_file,
        write_file,
    )
    from faiss_memory.schema import (
        AddAnswer,
        AddRequest,
        Answer,
        ClosestMatch,
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
    from faiss_memory.settings import Limits, Settings
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
    "framing": (
        "Note",
        "clean_line",
        "clean_text",
        "frame",
        "framed",
        "holds_recalled",
        "note_text",
        "without_frames",
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
    "safe_files": (
        "NotAFile",
        "entries_of",
        "is_file",
        "located",
        "open_file",
        "read_file",
        "write_file",
    ),
    "schema": (
        "AddAnswer",
        "AddRequest",
        "Answer",
        "ClosestMatch",
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
    "ClosestMatch",
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
    "NotAFile",
    "NotAllowed",
    "NotReady",
    "Note",
    "NovelAnswer",
    "NovelRequest",
    "Origin",
    "OwnFile",
    "Page",
    "Passage",
    "PatchRequest",
    "ProjectName",
    "PromptTemplate",
    "Query",
    "Ranking",
    "Route",
    "ScopeRequest",
    "SearchAnswer",
    "SearchRequest",
    "SearchResult",
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
    "clean_line",
    "clean_text",
    "convert",
    "count_tokens",
    "endpoint_address",
    "entries_of",
    "find_repository",
    "frame",
    "framed",
    "holds_recalled",
    "hook_address",
    "hook_arguments",
    "hook_line",
    "hookimpl",
    "is_file",
    "located",
    "message_schema",
    "nested_context",
    "note_text",
    "open_file",
    "open_session",
    "project_of",
    "read_file",
    "within_tokens",
    "without_frames",
    "write_file",
]


# Nothing here talks to anybody. Libraries that would are told before any of them is imported; so it stands in the front
# door, which every way in leads through, that of a child process too. What the environment says is overruled.
os.environ.update(
    ORT_DISABLE_TELEMETRY="1",  # onnxruntime: sends what runs where, and keeps a device's id in the user's cache folder
    HF_HUB_DISABLE_TELEMETRY="1",  # huggingface_hub: names this machine's software to the hub
    HF_HUB_DISABLE_UPDATE_CHECK="1",  # huggingface_hub: asks whether it is the newest
    DISABLE_SAFETENSORS_CONVERSION="1",  # transformers: asks the hub for another form of a model that is here
    OTEL_SDK_DISABLED="true",  # OpenTelemetry, which the MCP SDK speaks to, where somebody has installed an exporter
    DO_NOT_TRACK="1",  # what plugins bring along
)

# msgspec may crash while the interpreter's last garbage collection takes its types apart (its issue 717), after all
# work is done. What is frozen is not collected: the process is about to end anyway.
atexit.register(gc.freeze)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module `faiss_memory` has no `{name}`")
    return getattr(importlib.import_module(f"faiss_memory.{_HOME[name]}"), name)
