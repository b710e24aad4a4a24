"""FAISS Memory: all that a plugin or an adapter may import. Names are loaded when they are first used."""

from __future__ import annotations

import atexit
import gc
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faiss_memory.adapter import Adapter
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
    from faiss_memory.errors import (
        Conflict,
        EmbedderError,
        InvalidRequest,
        MemoryNotFound,
        MemoryServiceError,
        NotAllowed,
        NotReady,
        StoreError,
    )
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
    from faiss_memory.openapi import message_schema
    from faiss_memory.parts import Embedder, Page, Route, Store
    from faiss_memory.schema import (
        AddRequest,
        Answer,
        ForgetRequest,
        Message,
        NovelRequest,
        ProjectName,
        SearchRequest,
        Time,
    )
    from faiss_memory.service import MemoryService
    from faiss_memory.settings import Settings

_HOMES = {
    "adapter": ("Adapter",),
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
    "errors": (
        "Conflict",
        "EmbedderError",
        "InvalidRequest",
        "MemoryNotFound",
        "MemoryServiceError",
        "NotAllowed",
        "NotReady",
        "StoreError",
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
    "openapi": ("message_schema",),
    "parts": ("Embedder", "Page", "Route", "Store"),
    "schema": (
        "AddRequest",
        "Answer",
        "ForgetRequest",
        "Message",
        "NovelRequest",
        "ProjectName",
        "SearchRequest",
        "Time",
    ),
    "service": ("MemoryService",),
    "settings": ("Settings",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "DEFAULT_PROJECT",
    "Adapter",
    "AddRequest",
    "Answer",
    "Change",
    "ConfigFile",
    "Conflict",
    "Detection",
    "Draft",
    "Embedder",
    "EmbedderError",
    "Filter",
    "ForgetRequest",
    "InstallContext",
    "InvalidRequest",
    "JsonDefault",
    "JsonItems",
    "JsonMember",
    "MarkdownBlock",
    "Memory",
    "MemoryNotFound",
    "MemoryService",
    "MemoryServiceError",
    "Message",
    "NotAllowed",
    "NotReady",
    "NovelRequest",
    "Origin",
    "OwnFile",
    "Page",
    "Passage",
    "ProjectName",
    "PromptTemplate",
    "Query",
    "Ranking",
    "Route",
    "SearchRequest",
    "SearchResult",
    "Settings",
    "Snippet",
    "Store",
    "StoreError",
    "Time",
    "TomlTable",
    "YamlDefault",
    "YamlItem",
    "YamlMember",
    "hookimpl",
    "message_schema",
]


# msgspec may crash while the interpreter's last garbage collection takes its types apart (its issue 717), after all
# work is done. What is frozen is not collected: the process is about to end anyway.
atexit.register(gc.freeze)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module `faiss_memory` has no `{name}`")
    return getattr(importlib.import_module(f"faiss_memory.{_HOME[name]}"), name)
