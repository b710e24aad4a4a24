"""What a person may want to look at again: memories that say the same, and those that nothing needs any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from faiss_memory.contracts.store import Closest
from faiss_memory.engine.duplicates import is_same_text
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.engine.whole_memories import near
from faiss_memory.memory import Filter, Memory
from faiss_memory.novelty.differences import differences
from faiss_memory.rights import PERSON
from faiss_memory.schema import MemoryAnswer, tending
from faiss_memory.service import messages
from faiss_memory.service.built_files import BuiltFiles
from faiss_memory.service.use_report import UseReport, first_day

NEIGHBOURS = 5
"""So many others each memory is compared with."""
RECALLS = ("found", "shown")


class Review:
    """Finds them, with work that is bounded; raises what the service raises."""

    def __init__(self, engine: MemoryEngine, uses: UseReport, files: BuiltFiles) -> None:
        self._engine = engine
        self._uses = uses
        self._files = files

    def duplicates(self, request: tending.DuplicatesRequest) -> tending.DuplicatesAnswer:
        """Compare the newest memories with what is most like them in their own project.

        Raises EmbedderError or NotReady without a model.
        """
        projects = PERSON.to_read(request.project)
        newest = self._engine.store.select(Filter(projects=projects), limit=request.newest)
        pairs: dict[tuple[int, int], tending.DuplicatePair] = {}
        for project in sorted({memory.project for memory in newest}):
            here = [memory for memory in newest if memory.project == project]
            found = near(self._engine, here, Filter(projects=(project,)), NEIGHBOURS)
            for memory, others in zip(here, found, strict=True):
                for other in others:
                    if other.similarity >= request.threshold:
                        one, two = sorted((memory, other.memory), key=lambda each: each.id, reverse=True)
                        pairs.setdefault((one.id, two.id), _pair(one, two, other))
        best = sorted(pairs.values(), key=lambda pair: (-pair.similarity, -pair.one.id))[: request.limit]
        return tending.DuplicatesAnswer(
            pairs=best, count=len(best), compared=len(newest), project=messages.format_projects(projects)
        )

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


def _pair(one: Memory, other: Memory, met: Closest) -> tending.DuplicatePair:
    differs_in = [] if is_same_text(one.text, other.text) else differences(one.text, other.text)
    kind: Literal["identical", "differs", "similar"] = "differs" if differs_in else "similar"
    if is_same_text(one.text, other.text):
        kind = "identical"
    return tending.DuplicatePair(
        one=messages.memory(one),
        other=messages.memory(other),
        similarity=round(met.similarity, 4),
        kind=kind,
        differs_in=differs_in,
    )
