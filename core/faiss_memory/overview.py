"""What there is and how it is: health, counts, projects, tags, backups, adapters."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from msgspec import UNSET

from faiss_memory import messages, schema
from faiss_memory.config_files import ConfigFile, InstallContext, Scope
from faiss_memory.engine import MemoryEngine
from faiss_memory.errors import InvalidRequest, MemoryNotFound
from faiss_memory.limits import check_time
from faiss_memory.memory import DEFAULT_PROJECT, Filter
from faiss_memory.packages import package_files, zipped
from faiss_memory.parts import Download, Page, Restored
from faiss_memory.plugin_host import PluginHost
from faiss_memory.settings import Settings

if TYPE_CHECKING:
    from faiss_memory.service import MemoryService


class Overview:
    """Tells of the service, as `MemoryService.overview`; raises what the service raises."""

    def __init__(
        self, settings: Settings, engine: MemoryEngine, plugins: PluginHost, service: MemoryService
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._plugins = plugins
        self._service = service
        self.version = version("faiss-memory")
        self.paths: tuple[str, ...] = ()
        """Where the application answers, once it is wired."""

    def health(self) -> schema.HealthAnswer:
        """Say whether the service answers. Raises what keeps the records from being read or written."""
        self._engine.wait_a_moment()
        busy = self._engine.busy()
        if busy is not None and self._engine.store_error is None:
            raise busy
        return self.state()

    def state(self) -> schema.HealthAnswer:
        """Say how the service is, also while it starts. Raises what keeps it from starting."""
        engine = self._engine
        if engine.store_error is not None:
            raise engine.store_error
        return schema.HealthAnswer(
            status="ok" if engine.store_opened else "starting",
            version=self.version,
            model_ready=engine.model_ready,
            model_in_use=None if engine.model is None else engine.model.identity,
            rebuilding=[
                schema.RebuildingPart(project=part.project, what=part.what, progress=round(part.progress, 3))
                for part in engine.rebuilding()
            ],
        )

    def diagnosis(self) -> schema.DiagnosisAnswer:
        """Look at the data folder, the disk and the clock, for a person who wonders what is wrong."""
        folder = self._settings.data_folder
        try:
            free = shutil.disk_usage(folder).free
        except OSError:
            free = 0
        return schema.DiagnosisAnswer(
            version=self.version,
            time=messages.time_text(datetime.now(UTC)),
            data_folder=str(folder),
            not_writable=_not_writable(folder),
            free_bytes=free,
        )

    def stats(self, project: str | Sequence[str] | None) -> schema.StatsAnswer:
        """Tell counts and sizes, of some projects or of all. Raises MemoryNotFound for an unknown one."""
        wanted = None if project is None else messages.scope(project)
        store, model = self._engine.store, self._engine.model
        facts = store.stats()
        sizes = facts["index_size_bytes"]
        projects = [
            schema.ProjectStats(
                name=one.name,
                memories=one.memories,
                created_at=messages.time_text(one.created_at),
                last_updated=messages.time_text(one.last_updated),
                index_size_bytes=sizes.get(one.name, 0),
            )
            for one in store.projects()
            if wanted is None or one.name in wanted
        ]
        if not projects and wanted not in (None, (DEFAULT_PROJECT,)):
            raise MemoryNotFound(f"there is no project `{project}`")
        plugins: dict[str, Any] = {}
        for part in self._plugins.ask("register_stats", service=self._service):
            plugins |= part
        return schema.StatsAnswer(
            total_memories=sum(one.memories for one in projects),
            dimension=None if model is None else model.dimension,
            model=self._settings.model_name,
            created_at=messages.time_text(facts["created_at"]),
            last_updated=messages.time_text(facts["last_updated"]),
            index_size_bytes=sum(one.index_size_bytes for one in projects),
            backup_count=len(store.backups()),
            backups_stand_alone=facts.get("backups_stand_alone", True),
            model_ready=self._engine.model_ready,
            model_in_use=None if model is None else model.identity,
            model_error=None if self._engine.model_error is None else str(self._engine.model_error),
            projects=projects,
            plugins=plugins,
        )

    def projects(self) -> schema.ProjectsAnswer:
        """List every project."""
        found = [
            schema.ProjectAnswer(
                name=one.name,
                memories=one.memories,
                created_at=messages.time_text(one.created_at),
                last_updated=messages.time_text(one.last_updated),
            )
            for one in self._engine.store.projects()
        ]
        return schema.ProjectsAnswer(projects=found, count=len(found))

    def tags(self, project: str | None) -> schema.TagsAnswer:
        """List the tags in use, the most frequent first."""
        found = self._engine.store.tags(Filter(projects=messages.scope(project)))
        counts = [schema.TagCount(tag=tag, count=count) for tag, count in found.items()]
        return schema.TagsAnswer(tags=counts, count=len(counts), project=project or DEFAULT_PROJECT)

    def backup(self, request: schema.BackupRequest) -> schema.BackupAnswer:
        """Make a consistent copy that can be restored."""
        made = self._engine.store.backup(request.label)
        return schema.BackupAnswer(
            success=True,
            backup=made.name,
            memories=made.memories,
            size_bytes=made.size_bytes,
            message="Backup made; to restore it, stop the service, copy the backup's files into the data folder, "
            "and start the service",
        )

    def backups(self) -> schema.BackupsAnswer:
        """List every backup, oldest first."""
        found = [
            schema.BackupEntry(
                name=one.name,
                created_at=messages.time_text(one.created_at),
                memories=one.memories,
                size_bytes=one.size_bytes,
                label=one.label,
            )
            for one in self._engine.store.backups()
        ]
        return schema.BackupsAnswer(backups=found, count=len(found))

    def restore(self, request: schema.RestoreRequest) -> schema.RestoreAnswer:
        """Go back to a backup or a time. Raises MemoryNotFound for one that is not there."""
        if (request.backup is UNSET) == (request.time is UNSET):
            raise InvalidRequest("say what to restore: give either `backup`, a name, or `time`", "backup")
        time = None if request.time is UNSET else check_time(request.time, "time")
        return _restored(self._engine.restore(time or str(request.backup)))

    def archive(self, request: schema.ArchiveRequest) -> Download:
        """Give a backup, or the present, as one file to take away. Raises MemoryNotFound for one that is not there."""
        return self._engine.store.archive(request.backup, request.label)

    def restore_archive(self, archive: BinaryIO) -> schema.RestoreAnswer:
        """Go to the state in an archive, of this store or another."""
        return _restored(self._engine.restore_archive(archive))

    def adapters(self) -> schema.AdaptersAnswer:
        """List the assistants' adapters."""
        found = [
            schema.AdapterEntry(
                name=adapter.name,
                title=adapter.title,
                routes=list(
                    dict.fromkeys(
                        [
                            *(route.path for route in adapter.routes(self._service)),
                            *(path for path in self.paths if path.startswith(f"/adapters/{adapter.name}/")),
                        ]
                    )
                ),
            )
            for adapter in self._plugins.adapters.values()
        ]
        return schema.AdaptersAnswer(adapters=found, count=len(found))

    def adapter_files(self, request: schema.FilesRequest) -> schema.FilesAnswer | Page:
        """Give the files that connect an assistant, as JSON or a zip. Raises MemoryNotFound for an unknown adapter."""
        project = request.project or DEFAULT_PROJECT
        context = self._context(project, request.scope)
        files = self._config_files(request.name, context)
        if request.format == "zip":
            return messages.config_archive(files)
        entries = [messages.config_file(file) for file in files]
        return schema.FilesAnswer(
            adapter=request.name, files=entries, count=len(entries), project=project, scope=request.scope
        )

    def _config_files(self, name: str, context: InstallContext) -> Sequence[ConfigFile]:
        adapter = self._plugins.adapters.get(name)
        if adapter is not None:
            if context.scope not in adapter.scopes:
                offered = ", ".join(adapter.scopes)
                raise MemoryNotFound(f"`scope`: {name} has no such files; there are {offered}", "scope")
            return adapter.files(context)
        for given in self._plugins.hook.register_config_files(context=context):
            if name in given:
                found: Sequence[ConfigFile] = given[name]
                return found
        known = ", ".join(adapter.name for adapter in self.adapters().adapters)
        raise MemoryNotFound(f"there is no adapter `{name}`; there are {known}")

    def adapter_package(self, name: str) -> Page:
        """Give an assistant's package, zipped. Raises MemoryNotFound for an adapter that has none."""
        files = package_files(self._plugins, name, self._context(DEFAULT_PROJECT, "user"))
        return Page(zipped(files), "application/zip")

    def _context(self, project: str, scope: Scope) -> InstallContext:
        """Whoever asks may have the service in a container, and our package nowhere: no command of ours is named."""
        port = self._settings.published_port or self._settings.port
        return InstallContext(
            url=f"http://127.0.0.1:{port}",
            project=project,
            scope=scope,
            command="",
            hook_command="",
            has_token=bool(self._settings.token),
            public_url=self._settings.public_url,
        )


def _not_writable(folder: Path) -> str | None:
    """Write a file for a moment, and say why that cannot be done; the rights alone do not tell of a read-only disk."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".diagnosis-"):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _restored(done: Restored) -> schema.RestoreAnswer:
    message = f"Restored; the state before was set aside as {done.set_aside} in the data folder"
    if done.left_out:
        message += f". Left out: {messages.left_out(done.left_out)}"
    return schema.RestoreAnswer(
        success=True,
        restored=done.name,
        memories=done.memories,
        set_aside=done.set_aside,
        left_out=[schema.LeftOutMemory(id=one.id, uid=one.uid, reason=one.reason) for one in done.left_out],
        message=message,
    )
