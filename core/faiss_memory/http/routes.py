"""The host's own calls, each as a value: HTTP names on one side, service methods on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from faiss_memory import schema
from faiss_memory.contracts.http import Route
from faiss_memory.http.teaming import team_routes
from faiss_memory.http.tending import tending_routes
from faiss_memory.rights import Rights
from faiss_memory.schema.export import ExportRequest
from faiss_memory.schema.importing import ImportAnswer, ImportRequest
from faiss_memory.service.assistant_files import AssistantFiles
from faiss_memory.service.backups import Backups
from faiss_memory.service.memories import MemoryService
from faiss_memory.service.overview import Overview


def core_routes(service: MemoryService, backups: Backups, assistants: AssistantFiles) -> Sequence[Route]:
    """Return the calls that exist without any plugin."""
    groups = {
        "Finding": _finding(service),
        "Keeping": _keeping(service),
        "Forgetting": _forgetting(service),
        "Overview": _overview(service.overview),
        "Looking after memories": tending_routes(service),
        "Backups": _backups(backups),
        "Assistants": _adapters(service, assistants),
        "Team": team_routes(service.teaming),
    }
    return [replace(route, group=group) for group, routes in groups.items() for route in routes]


def _reached(params: schema.ById, rights: Rights) -> Rights:
    """Return the rights of who asks, in the projects alone that are named beside the id."""
    named = [params.project] if isinstance(params.project, str) else params.project
    return rights if named == ["*"] else rights.within(named)


def _finding(service: MemoryService) -> Sequence[Route]:
    return (
        Route(
            method="POST", path="/search", summary="Search memories with a question in plain words",
            body=schema.SearchRequest, answer=schema.SearchAnswer, handler=service.search, public=True,
        ),
        Route(
            method="POST", path="/memory/is-novel", summary="Say whether a text says something new",
            body=schema.NovelRequest, answer=schema.NovelAnswer, handler=service.is_novel, public=True,
        ),
        Route(
            method="GET", path="/memory/{id}", summary="Read one memory",
            params=schema.ById, answer=schema.MemoryAnswer,
            handler=lambda params, rights: service.get(params.id, _reached(params, rights)),
        ),
        Route(
            method="GET", path="/memory/{id}/history", summary="Read a memory and what it superseded",
            params=schema.ById, answer=schema.HistoryAnswer,
            handler=lambda params, rights: service.history(params.id, _reached(params, rights)),
        ),
        Route(
            method="POST", path="/scan", summary="Look for secrets in what is stored",
            body=schema.ScanRequest, answer=schema.ScanAnswer, handler=service.secrets.scan,
        ),
        Route(
            method="GET", path="/export", summary="Take memories away as a file, in a format that others read",
            params=ExportRequest, handler=service.exporting.export,
        ),
        Route(
            method="GET", path="/memories", summary="List memories by time",
            params=schema.ListRequest, answer=schema.ListAnswer, handler=service.list_memories,
        ),
    )  # fmt: skip


def _keeping(service: MemoryService) -> Sequence[Route]:
    def add(request: schema.AddRequest, rights: Rights) -> tuple[int, schema.AddAnswer]:
        answer = service.add(request, rights)
        return (201 if answer.success else 200), answer

    return (
        Route(
            method="POST", path="/memory/add", summary="Store one memory", status=201,
            other_statuses={200: schema.AddAnswer},
            body=schema.AddRequest, answer=schema.AddAnswer, handler=add, public=True,
        ),
        Route(
            method="POST", path="/memory/add-batch", summary="Store several memories, all or none", status=201,
            body=schema.AddBatchRequest, answer=schema.AddBatchAnswer, handler=service.add_batch,
        ),
        Route(
            method="POST", path="/import", summary="Take over memories from elsewhere, each once",
            body=ImportRequest, answer=ImportAnswer, handler=service.importing.take_over,
        ),
        Route(
            method="PATCH", path="/memory/{id}", summary="Correct one memory",
            params=schema.ById, body=schema.PatchRequest, answer=schema.PatchAnswer,
            handler=lambda params, body, rights: service.patch(params.id, body, _reached(params, rights)),
        ),
    )  # fmt: skip


def _forgetting(service: MemoryService) -> Sequence[Route]:
    return (
        Route(
            method="DELETE", path="/memory/{id}", summary="Forget one memory",
            params=schema.ById, answer=schema.ForgetOneAnswer,
            handler=lambda params, rights: service.forget_one(params.id, _reached(params, rights)),
        ),
        Route(
            method="POST", path="/memory/forget", summary="Forget memories by id or by a filter",
            body=schema.ForgetRequest, answer=schema.ForgetAnswer, handler=service.forget,
        ),
        Route(
            method="POST", path="/memory/purge", summary="Purge memories: from every file as well",
            body=schema.PurgeRequest, answer=schema.PurgeAnswer, handler=service.purge,
        ),
        Route(
            method="POST", path="/memory/mask", summary="Mask the secrets in what is stored, in every file",
            body=schema.MaskRequest, answer=schema.MaskAnswer, handler=service.secrets.mask,
        ),
        Route(
            method="POST", path="/projects/claim", summary="Give a folder or a repository a project of its own",
            body=schema.ClaimRequest, answer=schema.ClaimAnswer, handler=service.claims.answer,
        ),
        Route(
            method="DELETE", path="/projects/{name}", summary="Forget a project with all its memories",
            params=schema.ByProject, answer=schema.DropProjectAnswer,
            handler=lambda params, rights: service.tending.arranging.drop_project(params.name, rights),
        ),
    )  # fmt: skip


def _overview(overview: Overview) -> Sequence[Route]:
    return (
        Route(
            method="GET", path="/health", summary="Say whether the service answers",
            answer=schema.HealthAnswer, handler=overview.health, open=True,
        ),
        Route(
            method="GET", path="/diagnosis", summary="Tell how the service finds its surroundings",
            answer=schema.DiagnosisAnswer, handler=overview.diagnosis,
        ),
        Route(
            method="GET", path="/stats", summary="Tell counts and sizes",
            params=schema.ScopeRequest, answer=schema.StatsAnswer, public=True,
            handler=lambda params, rights: overview.stats(params.project, rights),
        ),
        Route(
            method="GET", path="/projects", summary="List the projects",
            answer=schema.ProjectsAnswer, handler=overview.projects,
        ),
        Route(
            method="GET", path="/tags", summary="List the tags in use",
            params=schema.ScopeRequest, answer=schema.TagsAnswer,
            handler=lambda params, rights: overview.tags(params.project, rights),
        ),
    )  # fmt: skip


def _adapters(service: MemoryService, assistants: AssistantFiles) -> Sequence[Route]:
    return (
        Route(
            method="GET", path="/adapters", summary="List the assistants' adapters",
            answer=schema.AdaptersAnswer, handler=lambda rights: assistants.adapters(),
        ),
        Route(
            method="GET", path="/adapters/{name}/files", summary="Give the files that connect an assistant",
            params=schema.FilesRequest, answer=schema.FilesAnswer, other_content=("application/zip",),
            handler=assistants.files,
        ),
        Route(
            method="GET", path="/adapters/{name}/prompt", summary="Give what an assistant is told of the memory",
            params=schema.PromptRequest, answer=schema.PromptAnswer,
            handler=lambda params, rights: service.prompt(params),
        ),
        Route(
            method="GET", path="/adapters/{name}/package", params=schema.PackageRequest,
            summary="Give a package for an assistant's own plugin system, as a zip archive",
            handler=lambda params: assistants.package(params.name),
        ),
    )  # fmt: skip


def _backups(backups: Backups) -> Sequence[Route]:
    return (
        Route(
            method="POST", path="/backup", summary="Make a backup now",
            body=schema.BackupRequest, answer=schema.BackupAnswer, handler=backups.backup,
        ),
        Route(
            method="GET", path="/backups", summary="List the backups",
            answer=schema.BackupsAnswer, handler=backups.backups,
        ),
        Route(
            method="POST", path="/restore", summary="Go back to a backup or a time",
            body=schema.RestoreRequest, answer=schema.RestoreAnswer, handler=backups.restore,
        ),
        Route(
            method="GET", path="/restore/changes", summary="Tell what going back to a backup or a time would change",
            params=schema.RestoreChangesRequest, answer=schema.RestoreChangesAnswer, handler=backups.changes,
        ),
        Route(
            method="GET", path="/archive", summary="Take a backup, or the present, away as one file",
            params=schema.ArchiveRequest, handler=backups.archive,
        ),
        Route(
            method="POST", path="/restore/archive", summary="Go to the state in an archive",
            upload="application/x-tar", answer=schema.RestoreAnswer, handler=backups.restore_archive,
        ),
    )  # fmt: skip
