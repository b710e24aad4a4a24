"""FAISS Memory: all that a plugin or an adapter may import. Names are loaded when they are first used."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faiss_memory.adapter.adapter import Adapter as Adapter
    from faiss_memory.adapter.connecting import (
        HOOK_SECONDS as HOOK_SECONDS,
        endpoint_address as endpoint_address,
        hook_address as hook_address,
        hook_arguments as hook_arguments,
        hook_line as hook_line,
    )
    from faiss_memory.analyzer import Terms as Terms, analyze as analyze, analyze_query as analyze_query
    from faiss_memory.background import BackgroundThread as BackgroundThread, Problems as Problems
    from faiss_memory.cli.client import Client as Client
    from faiss_memory.cli.failures import (
        CommandFailed as CommandFailed,
        NobodyThere as NobodyThere,
        Refused as Refused,
        Unreachable as Unreachable,
    )
    from faiss_memory.cli.here import project_here as project_here
    from faiss_memory.cli.lazy import CommandGroup as CommandGroup, ExampleCommand as ExampleCommand
    from faiss_memory.cli.memories.trial import trial_of as trial_of
    from faiss_memory.cli.options import (
        asks_service as asks_service,
        given_only as given_only,
        project_option as project_option,
        read_stdin as read_stdin,
    )
    from faiss_memory.cli.output import Output as Output
    from faiss_memory.cli.progress import Step as Step, shown_progress as shown_progress
    from faiss_memory.cli.records import Cell as Cell, Column as Column, time_cell as time_cell
    from faiss_memory.cli.session import (
        Session as Session,
        find_service as find_service,
        open_session as open_session,
    )
    from faiss_memory.cli.writing import counted as counted
    from faiss_memory.contracts.anchors import (
        ANCHORS as ANCHORS,
        MOST_ANCHORS as MOST_ANCHORS,
        WHOLE_FILE as WHOLE_FILE,
        anchor_of as anchor_of,
    )
    from faiss_memory.contracts.backups import (
        Backup as Backup,
        Backups as Backups,
        Companion as Companion,
        Difference as Difference,
        Differing as Differing,
        Forgotten as Forgotten,
        Restored as Restored,
        Tried as Tried,
    )
    from faiss_memory.contracts.comparing import (
        cosines as cosines,
        metric_in as metric_in,
        similarities as similarities,
        unit_of as unit_of,
        with_metric as with_metric,
    )
    from faiss_memory.contracts.config_files import (
        ConfigFile as ConfigFile,
        Detection as Detection,
        InstallContext as InstallContext,
        JsonDefault as JsonDefault,
        JsonItems as JsonItems,
        JsonMember as JsonMember,
        MarkdownBlock as MarkdownBlock,
        OwnFile as OwnFile,
        PromptTemplate as PromptTemplate,
        Snippet as Snippet,
        TomlTable as TomlTable,
        YamlDefault as YamlDefault,
        YamlItem as YamlItem,
        YamlMember as YamlMember,
    )
    from faiss_memory.contracts.dialect import (
        TRIAL_SESSION as TRIAL_SESSION,
        HookDialect as HookDialect,
        ToolEvents as ToolEvents,
        changed_input as changed_input,
        nested_context as nested_context,
    )
    from faiss_memory.contracts.embedder import (
        Embedder as Embedder,
        Embedding as Embedding,
        Vectors as Vectors,
    )
    from faiss_memory.contracts.hooks import hookimpl as hookimpl
    from faiss_memory.contracts.http import (
        Download as Download,
        Mount as Mount,
        Page as Page,
        Pieces as Pieces,
        Route as Route,
    )
    from faiss_memory.contracts.importing import Importer as Importer, LeftOut as LeftOut, Record as Record
    from faiss_memory.contracts.jobs import Job as Job
    from faiss_memory.contracts.kept_list import KeptList as KeptList
    from faiss_memory.contracts.ledger import (
        USES_KEPT as USES_KEPT,
        Ledger as Ledger,
        Use as Use,
        UseCounts as UseCounts,
        WaitingUses as WaitingUses,
        bucket_of as bucket_of,
    )
    from faiss_memory.contracts.merging import (
        FORGOTTEN_BEFORE as FORGOTTEN_BEFORE,
        LONG_AGO as LONG_AGO,
        WRITTEN as WRITTEN,
        Arrival as Arrival,
        Here as Here,
        Link as Link,
        Merged as Merged,
        Merging as Merging,
        Outcome as Outcome,
        Tombstone as Tombstone,
        arrival_of as arrival_of,
        judged as judged,
        memory_of as memory_of,
        merged_as as merged_as,
        relinked as relinked,
    )
    from faiss_memory.contracts.service import (
        Assistant as Assistant,
        Rewriting as Rewriting,
        Service as Service,
    )
    from faiss_memory.contracts.shared import News as News, Shared as Shared
    from faiss_memory.contracts.store import (
        Added as Added,
        Choose as Choose,
        Closest as Closest,
        Feed as Feed,
        Found as Found,
        KnownModel as KnownModel,
        Legs as Legs,
        LetGo as LetGo,
        Models as Models,
        Progress as Progress,
        Proof as Proof,
        Purged as Purged,
        Records as Records,
        Retry as Retry,
        Rewritten as Rewritten,
        Scope as Scope,
        Search as Search,
        Store as Store,
        keeps_nothing as keeps_nothing,
    )
    from faiss_memory.contracts.team import (
        KeepsTeam as KeepsTeam,
        TeamRun as TeamRun,
        TeamTables as TeamTables,
    )
    from faiss_memory.contracts.weighing import (
        BM25_K1 as BM25_K1,
        LENGTH_POWER as LENGTH_POWER,
        MOST_QUERY_TERMS as MOST_QUERY_TERMS,
        NO_SEQUENCE as NO_SEQUENCE,
        borrowed_share as borrowed_share,
        length_norms as length_norms,
        sequence_of as sequence_of,
        words_of as words_of,
    )
    from faiss_memory.engine.duplicates import (
        differ_by_a_value as differ_by_a_value,
        is_same_text as is_same_text,
    )
    from faiss_memory.engine.relevance import generic_prompts as generic_prompts, is_generic as is_generic
    from faiss_memory.errors import (
        ConfigError as ConfigError,
        Conflict as Conflict,
        DiskFull as DiskFull,
        EmbedderError as EmbedderError,
        InvalidRequest as InvalidRequest,
        MemoryNotFound as MemoryNotFound,
        MemoryServiceError as MemoryServiceError,
        NotAllowed as NotAllowed,
        NotReady as NotReady,
        NotSupported as NotSupported,
        PluginError as PluginError,
        StoreCorrupt as StoreCorrupt,
        StoreError as StoreError,
        StoreLocked as StoreLocked,
    )
    from faiss_memory.framing import (
        MOST_CHARACTERS as MOST_CHARACTERS,
        Note as Note,
        clean_line as clean_line,
        clean_text as clean_text,
        frame as frame,
        framed as framed,
        holds_recalled as holds_recalled,
        note_text as note_text,
        without_frames as without_frames,
    )
    from faiss_memory.globs import Glob as Glob, InvalidGlob as InvalidGlob, PathGlob as PathGlob
    from faiss_memory.memory import (
        COSINE as COSINE,
        DEFAULT_PROJECT as DEFAULT_PROJECT,
        DOT as DOT,
        EUCLIDEAN as EUCLIDEAN,
        FOREVER as FOREVER,
        METRICS as METRICS,
        OWNER as OWNER,
        SHARED as SHARED,
        SHARED_FOLDER as SHARED_FOLDER,
        UNKNOWN_WAY as UNKNOWN_WAY,
        Change as Change,
        Draft as Draft,
        Evidence as Evidence,
        Facets as Facets,
        Filter as Filter,
        Match as Match,
        Memory as Memory,
        Metadata as Metadata,
        Metric as Metric,
        Origin as Origin,
        Passage as Passage,
        ProjectCount as ProjectCount,
        Query as Query,
        Ranking as Ranking,
        SearchResult as SearchResult,
        Standing as Standing,
        StoreStats as StoreStats,
    )
    from faiss_memory.novelty.known import (
        LOOKED_AT as LOOKED_AT,
        Known as Known,
        is_known as is_known,
        nearest_known as nearest_known,
    )
    from faiss_memory.openapi import message_schema as message_schema
    from faiss_memory.project_name import find_repository as find_repository, project_of as project_of
    from faiss_memory.rights import (
        Rights as Rights,
        everything_seen as everything_seen,
        seen_now as seen_now,
        written_by_another as written_by_another,
    )
    from faiss_memory.safe_files import (
        NotAFile as NotAFile,
        entries_of as entries_of,
        is_file as is_file,
        located as located,
        open_file as open_file,
        read_file as read_file,
        remove_file as remove_file,
        write_file as write_file,
    )
    from faiss_memory.schema import (
        AddAnswer as AddAnswer,
        AddBatchAnswer as AddBatchAnswer,
        AddBatchRequest as AddBatchRequest,
        AddRequest as AddRequest,
        Answer as Answer,
        ClosestMatch as ClosestMatch,
        ErrorAnswer as ErrorAnswer,
        EvidenceAnswer as EvidenceAnswer,
        ForgetAnswer as ForgetAnswer,
        ForgetOneAnswer as ForgetOneAnswer,
        ForgetRequest as ForgetRequest,
        FoundMemory as FoundMemory,
        HistoryAnswer as HistoryAnswer,
        Id as Id,
        ListAnswer as ListAnswer,
        ListRequest as ListRequest,
        MemoryAnswer as MemoryAnswer,
        Message as Message,
        NovelAnswer as NovelAnswer,
        NovelRequest as NovelRequest,
        PatchRequest as PatchRequest,
        ProjectName as ProjectName,
        ProjectsAnswer as ProjectsAnswer,
        PromptAnswer as PromptAnswer,
        PromptRequest as PromptRequest,
        PurgeAnswer as PurgeAnswer,
        PurgeRequest as PurgeRequest,
        ScopeRequest as ScopeRequest,
        SearchAnswer as SearchAnswer,
        SearchRequest as SearchRequest,
        StatsAnswer as StatsAnswer,
        Time as Time,
        convert as convert,
        whole as whole,
    )
    from faiss_memory.schema.limits import is_blank as is_blank
    from faiss_memory.schema.strict_json import decode_strictly as decode_strictly
    from faiss_memory.secrets.cutting import (
        cut_before_secret as cut_before_secret,
        outside_secrets as outside_secrets,
    )
    from faiss_memory.secrets.masking import Masker as Masker, masked as masked
    from faiss_memory.service.export_formats import (
        Exported as Exported,
        file_name as file_name,
        markdown_of as markdown_of,
    )
    from faiss_memory.service.notes import (
        Notes as Notes,
        added_text as added_text,
        found_text as found_text,
        newest_notes as newest_notes,
        newest_text as newest_text,
        notes_of as notes_of,
        title_of as title_of,
        whole_notes as whole_notes,
    )
    from faiss_memory.settings import (
        Limits as Limits,
        Positive as Positive,
        Secret as Secret,
        Settings as Settings,
        load_settings as load_settings,
    )
    from faiss_memory.store.purge.proof import PART as PART, parts_of as parts_of
    from faiss_memory.store.records.rows import comparable as comparable
    from faiss_memory.team.tables import TEAM_TABLES as TEAM_TABLES
    from faiss_memory.tokens import count_tokens as count_tokens
    from faiss_memory.tools import INSTRUCTIONS as INSTRUCTIONS, TOOLS as TOOLS, Tool as Tool
    from faiss_memory.uids import is_uid as is_uid, named_uid as named_uid, new_uid as new_uid
    from faiss_memory.yaml_errors import YAML_ERRORS as YAML_ERRORS


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
