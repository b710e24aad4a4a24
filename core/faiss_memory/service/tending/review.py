"""What a person may want to look at again: memories that nothing needs any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from faiss_memory.contracts.anchors import anchors_of
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.memory import Filter, Memory
from faiss_memory.rights import PERSON
from faiss_memory.schema import MemoryAnswer, tending
from faiss_memory.service import messages
from faiss_memory.service.tending.built_files import SECONDS, BuiltFiles
from faiss_memory.service.tending.freshness import Freshness
from faiss_memory.service.tending.use_report import UseReport, first_day

RECALLS = ("found", "shown")
PAGE = 1000
"""Memories that are read at once."""
NAMED = {"changed": "a file that it speaks of has changed", "gone": "a file that it speaks of is gone"}


class Review:
    """Finds them, with work that is bounded; raises what the service raises."""

    def __init__(
        self, engine: MemoryEngine, uses: UseReport, files: BuiltFiles, freshness: Freshness
    ) -> None:
        self._engine = engine
        self._uses = uses
        self._files = files
        self._freshness = freshness

    def stale(self, request: tending.StaleRequest) -> tending.StaleAnswer:
        """Look after the files of memories that were built, and for what is over or nothing has found for so long."""
        projects = PERSON.to_read(request.project)
        since = first_day(request.days)
        files, left = self._files.stale(projects, request.limit)
        named, unseen = self._anchored(projects, request.limit)
        return tending.StaleAnswer(
            files=[*files, *named][: request.limit],
            files_left=left + unseen,
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

    def _anchored(self, projects: tuple[str, ...] | None, most: int) -> tuple[list[tending.StaleFile], int]:
        """Return memories that speak of a file that is not as it was, and how many files were not looked at."""
        ends = time.monotonic() + SECONDS
        found: list[tending.StaleFile] = []
        left = 0
        for memory in self._oldest_first(Filter(projects=projects)):
            anchors = anchors_of(memory.metadata)
            if len(found) == most or time.monotonic() >= ends:
                left += len(anchors)
                continue
            for anchor in anchors:
                state = self._freshness.state(memory.id, anchor)
                if state == "changed" or state == "gone":
                    told, why = messages.memory(memory), NAMED[state]
                    found.append(tending.StaleFile(memory=told, file=anchor.file, reason=state, why=why))
                    break
        return found, left

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
