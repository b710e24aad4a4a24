"""FAISS Memory: all that a plugin or an adapter may import. Names are loaded when they are first used."""

from __future__ import annotations

import atexit
import gc
import importlib
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faiss_memory.adapter.adapter import (
        Adapter as Adapter,
    )
    from faiss_memory.adapter.connecting import (
        HOOK_SECONDS as HOOK_SECONDS,
    )
    from faiss_memory.adapter.connecting import (
        endpoint_address as endpoint_address,
    )
    from faiss_memory.adapter.connecting import (
        hook_address as hook_address,
    )
    from faiss_memory.adapter.connecting import (
        hook_arguments as hook_arguments,
    )
    from faiss_memory.adapter.connecting import (
        hook_line as hook_line,
    )
    from faiss_memory.background import (
        BackgroundThread as BackgroundThread,
    )
    from faiss_memory.cli.failures import (
        CommandFailed as CommandFailed,
    )
    from faiss_memory.cli.lazy import (
        ExampleCommand as ExampleCommand,
    )
    from faiss_memory.cli.session import (
        open_session as open_session,
    )
    from faiss_memory.contracts.config_files import (
        ConfigFile as ConfigFile,
    )
    from faiss_memory.contracts.config_files import (
        Detection as Detection,
    )
    from faiss_memory.contracts.config_files import (
        InstallContext as InstallContext,
    )
    from faiss_memory.contracts.config_files import (
        JsonDefault as JsonDefault,
    )
    from faiss_memory.contracts.config_files import (
        JsonItems as JsonItems,
    )
    from faiss_memory.contracts.config_files import (
        JsonMember as JsonMember,
    )
    from faiss_memory.contracts.config_files import (
        MarkdownBlock as MarkdownBlock,
    )
    from faiss_memory.contracts.config_files import (
        OwnFile as OwnFile,
    )
    from faiss_memory.contracts.config_files import (
        PromptTemplate as PromptTemplate,
    )
    from faiss_memory.contracts.config_files import (
        Snippet as Snippet,
    )
    from faiss_memory.contracts.config_files import (
        TomlTable as TomlTable,
    )
    from faiss_memory.contracts.config_files import (
        YamlDefault as YamlDefault,
    )
    from faiss_memory.contracts.config_files import (
        YamlItem as YamlItem,
    )
    from faiss_memory.contracts.config_files import (
        YamlMember as YamlMember,
    )
    from faiss_memory.contracts.dialect import (
        TRIAL_SESSION as TRIAL_SESSION,
    )
    from faiss_memory.contracts.dialect import (
        HookDialect as HookDialect,
    )
    from faiss_memory.contracts.dialect import (
        nested_context as nested_context,
    )
    from faiss_memory.contracts.embedder import (
        Embedder as Embedder,
    )
    from faiss_memory.contracts.hooks import (
        hookimpl as hookimpl,
    )
    from faiss_memory.contracts.http import (
        Download as Download,
    )
    from faiss_memory.contracts.http import (
        Mount as Mount,
    )
    from faiss_memory.contracts.http import (
        Page as Page,
    )
    from faiss_memory.contracts.http import (
        Route as Route,
    )
    from faiss_memory.contracts.service import (
        Service as Service,
    )
    from faiss_memory.contracts.store import (
        Store as Store,
    )
    from faiss_memory.errors import (
        ConfigError as ConfigError,
    )
    from faiss_memory.errors import (
        Conflict as Conflict,
    )
    from faiss_memory.errors import (
        EmbedderError as EmbedderError,
    )
    from faiss_memory.errors import (
        InvalidRequest as InvalidRequest,
    )
    from faiss_memory.errors import (
        MemoryNotFound as MemoryNotFound,
    )
    from faiss_memory.errors import (
        MemoryServiceError as MemoryServiceError,
    )
    from faiss_memory.errors import (
        NotAllowed as NotAllowed,
    )
    from faiss_memory.errors import (
        NotReady as NotReady,
    )
    from faiss_memory.errors import (
        StoreError as StoreError,
    )
    from faiss_memory.framing import (
        Note as Note,
    )
    from faiss_memory.framing import (
        clean_line as clean_line,
    )
    from faiss_memory.framing import (
        clean_text as clean_text,
    )
    from faiss_memory.framing import (
        frame as frame,
    )
    from faiss_memory.framing import (
        framed as framed,
    )
    from faiss_memory.framing import (
        holds_recalled as holds_recalled,
    )
    from faiss_memory.framing import (
        note_text as note_text,
    )
    from faiss_memory.framing import (
        without_frames as without_frames,
    )
    from faiss_memory.globs import (
        Glob as Glob,
    )
    from faiss_memory.globs import (
        InvalidGlob as InvalidGlob,
    )
    from faiss_memory.globs import (
        PathGlob as PathGlob,
    )
    from faiss_memory.http.public import (
        as_public as as_public,
    )
    from faiss_memory.http.public import (
        check_public_read as check_public_read,
    )
    from faiss_memory.memory import (
        DEFAULT_PROJECT as DEFAULT_PROJECT,
    )
    from faiss_memory.memory import (
        Change as Change,
    )
    from faiss_memory.memory import (
        Draft as Draft,
    )
    from faiss_memory.memory import (
        Filter as Filter,
    )
    from faiss_memory.memory import (
        Memory as Memory,
    )
    from faiss_memory.memory import (
        Origin as Origin,
    )
    from faiss_memory.memory import (
        Passage as Passage,
    )
    from faiss_memory.memory import (
        Query as Query,
    )
    from faiss_memory.memory import (
        Ranking as Ranking,
    )
    from faiss_memory.memory import (
        SearchResult as SearchResult,
    )
    from faiss_memory.openapi import (
        message_schema as message_schema,
    )
    from faiss_memory.project_name import (
        find_repository as find_repository,
    )
    from faiss_memory.project_name import (
        project_of as project_of,
    )
    from faiss_memory.safe_files import (
        NotAFile as NotAFile,
    )
    from faiss_memory.safe_files import (
        entries_of as entries_of,
    )
    from faiss_memory.safe_files import (
        is_file as is_file,
    )
    from faiss_memory.safe_files import (
        located as located,
    )
    from faiss_memory.safe_files import (
        open_file as open_file,
    )
    from faiss_memory.safe_files import (
        read_file as read_file,
    )
    from faiss_memory.safe_files import (
        write_file as write_file,
    )
    from faiss_memory.schema import (
        AddAnswer as AddAnswer,
    )
    from faiss_memory.schema import (
        AddRequest as AddRequest,
    )
    from faiss_memory.schema import (
        Answer as Answer,
    )
    from faiss_memory.schema import (
        ClosestMatch as ClosestMatch,
    )
    from faiss_memory.schema import (
        ErrorAnswer as ErrorAnswer,
    )
    from faiss_memory.schema import (
        ForgetAnswer as ForgetAnswer,
    )
    from faiss_memory.schema import (
        ForgetRequest as ForgetRequest,
    )
    from faiss_memory.schema import (
        FoundMemory as FoundMemory,
    )
    from faiss_memory.schema import (
        ListRequest as ListRequest,
    )
    from faiss_memory.schema import (
        MemoryAnswer as MemoryAnswer,
    )
    from faiss_memory.schema import (
        Message as Message,
    )
    from faiss_memory.schema import (
        NovelAnswer as NovelAnswer,
    )
    from faiss_memory.schema import (
        NovelRequest as NovelRequest,
    )
    from faiss_memory.schema import (
        PatchRequest as PatchRequest,
    )
    from faiss_memory.schema import (
        ProjectName as ProjectName,
    )
    from faiss_memory.schema import (
        ScopeRequest as ScopeRequest,
    )
    from faiss_memory.schema import (
        SearchAnswer as SearchAnswer,
    )
    from faiss_memory.schema import (
        SearchRequest as SearchRequest,
    )
    from faiss_memory.schema import (
        StatsAnswer as StatsAnswer,
    )
    from faiss_memory.schema import (
        Time as Time,
    )
    from faiss_memory.schema import (
        convert as convert,
    )
    from faiss_memory.service.limits import (
        is_blank as is_blank,
    )
    from faiss_memory.settings import (
        Limits as Limits,
    )
    from faiss_memory.settings import (
        Settings as Settings,
    )
    from faiss_memory.tokens import (
        count_tokens as count_tokens,
    )
    from faiss_memory.tokens import (
        within_tokens as within_tokens,
    )
    from faiss_memory.tools import (
        INSTRUCTIONS as INSTRUCTIONS,
    )
    from faiss_memory.tools import (
        TOOLS as TOOLS,
    )
    from faiss_memory.tools import (
        Tool as Tool,
    )


# msgspec may crash while the interpreter's last garbage collection takes its types apart (its issue 717), after all
# work is done. What is frozen is not collected: the process is about to end anyway.
atexit.register(gc.freeze)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module `faiss_memory` has no `{name}`")
    homes = _homes()
    if name not in homes:
        raise AttributeError(f"module `faiss_memory` has no `{name}`")
    found = globals()[name] = getattr(importlib.import_module(homes[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted(_homes())


@cache
def _homes() -> dict[str, str]:
    """Return the module of each name: as the imports above say, which are the only list of them."""
    import ast
    from pathlib import Path

    return {
        alias.name: str(node.module)
        for node in ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("faiss_memory.")
        for alias in node.names
    }
