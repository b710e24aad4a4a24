"""What there is and how it is: health, counts, projects, tags."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from faiss_memory import schema
from faiss_memory.contracts.backups import Backups
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.errors import MemoryNotFound
from faiss_memory.memory import DEFAULT_PROJECT, Filter, ProjectCount, StoreStats
from faiss_memory.rights import PERSON, Rights
from faiss_memory.service import messages
from faiss_memory.settings import Settings

PluginStats = Callable[[], Iterable[Mapping[str, Any]]]
"""Asks the plugins for figures of their own, each by the plugin's name."""


@cache
def _version() -> str:
    return version("faiss-memory")


class Overview:
    """Tells of the service, as `MemoryService.overview`; raises what the service raises."""

    def __init__(self, settings: Settings, engine: MemoryEngine, plugin_stats: PluginStats) -> None:
        self._settings = settings
        self._engine = engine
        self._plugin_stats = plugin_stats
        self.version = _version()

    def health(self, rights: Rights = PERSON) -> schema.HealthAnswer:
        """Return whether the service answers. Raises what keeps the records from being read or written."""
        self._engine.wait_a_moment()
        busy = self._engine.busy()
        if busy is not None and self._engine.store_error is None:
            raise busy
        engine = self._engine
        if (error := engine.store_error or engine.write_error) is not None:
            raise error
        return schema.HealthAnswer(
            status="ok" if engine.store_opened else "starting",
            version=self.version,
            model_ready=engine.model_ready,
            model_in_use=None if engine.model is None else engine.model.identity,
            metric=None if engine.model is None else engine.model.metric,
            rebuilding=[
                schema.RebuildingPart(project=part.project, what=part.what, progress=round(part.progress, 3))
                for part in engine.rebuilding()
                if rights.may_read(part.project)
            ],
            problems=[
                schema.ProblemEntry(
                    part=problem.part,
                    # A reason may name a file of the person's.
                    reason=problem.reason if rights.is_person else "the service's log says why",
                )
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

    def stats(self, project: str | Sequence[str] | None, rights: Rights = PERSON) -> schema.StatsAnswer:
        """Return counts and sizes of some projects, or of all that may be read.

        What is of the machine and not of these projects is told to the person alone. Raises MemoryNotFound for an
        unknown project.
        """
        wanted = rights.reads if project is None else rights.to_read(project)
        store, model = self._engine.store, self._engine.model
        facts = store.stats()
        sizes = facts.index_size_bytes
        counts = [one for one in store.projects() if wanted is None or one.name in wanted]
        if not counts and project not in (None, "*", DEFAULT_PROJECT):
            raise MemoryNotFound(f"there is no project `{project}`")
        projects = [_project_stats(one, sizes.get(one.name, 0)) for one in counts]
        created: datetime | None
        updated: datetime | None
        created, updated = facts.created_at, facts.last_updated
        if not rights.is_person:
            created = min((one.created_at for one in counts), default=None)
            updated = max((one.last_updated for one in counts), default=None)
        answer = schema.StatsAnswer(
            total_memories=sum(one.memories for one in projects),
            dimension=None if model is None else model.dimension,
            model=self._settings.model_name,
            created_at=None if created is None else messages.time_text(created),
            last_updated=None if updated is None else messages.time_text(updated),
            index_size_bytes=sum(one.index_size_bytes for one in projects),
            model_ready=self._engine.model_ready,
            model_in_use=None if model is None else model.identity,
            metric=None if model is None else model.metric,
            projects=projects,
        )
        if rights.is_person:
            self._add_facts_of_the_machine(answer, facts)
        return answer

    def _add_facts_of_the_machine(self, answer: schema.StatsAnswer, facts: StoreStats) -> None:
        store, error = self._engine.store, self._engine.model_error
        answer.backup_count = len(store.backups()) if isinstance(store, Backups) else 0
        answer.backups_stand_alone = facts.backups_stand_alone
        answer.model_error = None if error is None else str(error)
        answer.plugins = {}
        for part in self._plugin_stats():
            answer.plugins |= part

    def projects(self, rights: Rights = PERSON) -> schema.ProjectsAnswer:
        """List every project that may be read."""
        found = [
            schema.ProjectAnswer(
                name=one.name,
                memories=one.memories,
                created_at=messages.time_text(one.created_at),
                last_updated=messages.time_text(one.last_updated),
            )
            for one in self._engine.store.projects()
            if rights.may_read(one.name)
        ]
        return schema.ProjectsAnswer(projects=found, count=len(found))

    def tags(self, project: str | None, rights: Rights = PERSON) -> schema.TagsAnswer:
        """List the tags in use, the most frequent first."""
        projects = rights.to_read(project)
        found = self._engine.store.tags(Filter(projects=projects))
        counts = [schema.TagCount(tag=tag, count=count) for tag, count in found.items()]
        return schema.TagsAnswer(
            tags=counts, count=len(counts), project=messages.format_projects(projects, project)
        )


def _project_stats(count: ProjectCount, index_size: int) -> schema.ProjectStats:
    return schema.ProjectStats(
        name=count.name,
        memories=count.memories,
        created_at=messages.time_text(count.created_at),
        last_updated=messages.time_text(count.last_updated),
        index_size_bytes=index_size,
    )


def _not_writable(folder: Path) -> str | None:
    """Write a file for a moment, and say why that cannot be done; the rights alone do not tell of a read-only disk."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".diagnosis-"):
            return None
    except OSError as error:
        return error.strerror or str(error)
