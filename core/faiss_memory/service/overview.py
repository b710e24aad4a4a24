"""What there is and how it is: health, counts, projects, tags."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from faiss_memory import schema
from faiss_memory.contracts.backups import Backups
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.errors import MemoryNotFound
from faiss_memory.memory import DEFAULT_PROJECT, Filter
from faiss_memory.service import messages
from faiss_memory.settings import Settings

PluginStats = Callable[[], Iterable[Mapping[str, Any]]]
"""Asks the plugins for figures of their own, each by the plugin's name."""


class Overview:
    """Tells of the service, as `MemoryService.overview`; raises what the service raises."""

    def __init__(self, settings: Settings, engine: MemoryEngine, plugin_stats: PluginStats) -> None:
        self._settings = settings
        self._engine = engine
        self._plugin_stats = plugin_stats
        self.version = version("faiss-memory")

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
        if (error := engine.store_error or engine.write_error) is not None:
            raise error
        return schema.HealthAnswer(
            status="ok" if engine.store_opened else "starting",
            version=self.version,
            model_ready=engine.model_ready,
            model_in_use=None if engine.model is None else engine.model.identity,
            rebuilding=[
                schema.RebuildingPart(project=part.project, what=part.what, progress=round(part.progress, 3))
                for part in engine.rebuilding()
            ],
            problems=[
                schema.ProblemEntry(part=problem.part, reason=problem.reason)
                for problem in engine.problems.all()
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
        wanted = None if project is None else messages.parse_projects(project)
        store, model = self._engine.store, self._engine.model
        facts = store.stats()
        sizes = facts.index_size_bytes
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
        for part in self._plugin_stats():
            plugins |= part
        return schema.StatsAnswer(
            total_memories=sum(one.memories for one in projects),
            dimension=None if model is None else model.dimension,
            model=self._settings.model_name,
            created_at=messages.time_text(facts.created_at),
            last_updated=messages.time_text(facts.last_updated),
            index_size_bytes=sum(one.index_size_bytes for one in projects),
            backup_count=len(store.backups()) if isinstance(store, Backups) else 0,
            backups_stand_alone=facts.backups_stand_alone,
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
        found = self._engine.store.tags(Filter(projects=messages.parse_projects(project)))
        counts = [schema.TagCount(tag=tag, count=count) for tag, count in found.items()]
        return schema.TagsAnswer(tags=counts, count=len(counts), project=project or DEFAULT_PROJECT)


def _not_writable(folder: Path) -> str | None:
    """Write a file for a moment, and say why that cannot be done; the rights alone do not tell of a read-only disk."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".diagnosis-"):
            return None
    except OSError as error:
        return error.strerror or str(error)
