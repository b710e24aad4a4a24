"""What a person may want to look at again: memories that nothing needs any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.memory import Filter
from faiss_memory.rights import PERSON
from faiss_memory.schema import MemoryAnswer, tending
from faiss_memory.service import messages
from faiss_memory.service.tending.built_files import BuiltFiles
from faiss_memory.service.tending.use_report import UseReport, first_day

RECALLS = ("found", "shown")


class Review:
    """Finds them, with work that is bounded; raises what the service raises."""

    def __init__(self, engine: MemoryEngine, uses: UseReport, files: BuiltFiles) -> None:
        self._engine = engine
        self._uses = uses
        self._files = files

    def stale(self, request: tending.StaleRequest) -> tending.StaleAnswer:
        """Look after the files of memories that were built, and for memories that nothing has found for so long."""
        projects = PERSON.to_read(request.project)
        since = first_day(request.days)
        files, left = self._files.stale(projects, request.limit)
        return tending.StaleAnswer(
            files=files,
            files_left=left,
            never_recalled=self._never_recalled(projects, since, request),
            since=since,
            project=messages.format_projects(projects),
        )

    def _never_recalled(
        self, projects: tuple[str, ...] | None, since: str, request: tending.StaleRequest
    ) -> list[MemoryAnswer]:
        used = {use.memory for use in self._uses.since(since) if use.event in RECALLS}
        before = datetime.now(UTC) - timedelta(days=request.days)
        found: list[MemoryAnswer] = []
        after = None
        while len(found) < request.limit:
            page = self._engine.store.select(
                Filter(projects=projects, before=before), order="oldest", limit=1000, after=after
            )
            found += [messages.memory(memory) for memory in page if memory.id not in used]
            if len(page) < 1000:
                break
            after = page[-1].timestamp, page[-1].id
        return found[: request.limit]
