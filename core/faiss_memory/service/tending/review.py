"""What a person may want to look at again: memories that nothing needs any more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.memory import Filter, Memory
from faiss_memory.rights import PERSON
from faiss_memory.schema import MemoryAnswer, tending
from faiss_memory.service import messages
from faiss_memory.service.tending.built_files import BuiltFiles
from faiss_memory.service.tending.use_report import UseReport, first_day

RECALLS = ("found", "shown")
PAGE = 1000
"""Memories that are read at once."""


class Review:
    """Finds them, with work that is bounded; raises what the service raises."""

    def __init__(self, engine: MemoryEngine, uses: UseReport, files: BuiltFiles) -> None:
        self._engine = engine
        self._uses = uses
        self._files = files

    def stale(self, request: tending.StaleRequest) -> tending.StaleAnswer:
        """Look after the files of memories that were built, and for what is over or nothing has found for so long."""
        projects = PERSON.to_read(request.project)
        since = first_day(request.days)
        files, left = self._files.stale(projects, request.limit)
        return tending.StaleAnswer(
            files=files,
            files_left=left,
            expired=self._expired(projects, request.limit),
            never_recalled=self._never_recalled(projects, since, request),
            since=since,
            project=messages.format_projects(projects),
        )

    def _never_recalled(
        self, projects: tuple[str, ...] | None, since: str, request: tending.StaleRequest
    ) -> list[MemoryAnswer]:
        used = {use.memory for use in self._uses.since(since) if use.event in RECALLS}
        before = datetime.now(UTC) - timedelta(days=request.days)
        unused = (
            memory
            for memory in self._oldest_first(Filter(projects=projects, before=before))
            if memory.id not in used
        )
        return [messages.memory(memory) for memory in islice(unused, request.limit)]

    def _expired(self, projects: tuple[str, ...] | None, most: int) -> list[MemoryAnswer]:
        now = datetime.now(UTC)
        over = (
            memory
            for memory in self._oldest_first(Filter(projects=projects))
            if memory.valid_until is not None and memory.valid_until <= now
        )
        return [messages.memory(memory) for memory in islice(over, most)]

    def _oldest_first(self, where: Filter) -> Iterator[Memory]:
        """Yield all of them, a page at a time."""
        after = None
        while True:
            page = self._engine.store.select(where, order="oldest", limit=PAGE, after=after)
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].timestamp, page[-1].id
