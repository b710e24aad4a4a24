"""What the ledger has counted, put together for people. Looking at it counts for nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from faiss_memory.contracts.ledger import Ledger, Use
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.errors import NotSupported
from faiss_memory.rights import PERSON, Rights
from faiss_memory.schema import tending
from faiss_memory.service import messages


class UseReport:
    """Adds up uses by day, memory, assistant or project; raises what the service raises."""

    def __init__(self, engine: MemoryEngine) -> None:
        self._engine = engine

    def uses(self, request: tending.UsesRequest, rights: Rights = PERSON) -> tending.UsesAnswer:
        """Add up the uses of some projects; of all if none is named. Raises NotSupported where none are kept."""
        projects = rights.reads if request.project is None else rights.to_read(request.project)
        since = first_day(request.days)
        uses = [one for one in self.since(since) if projects is None or one.project in projects]
        if request.by == "memory":
            uses = [one for one in uses if one.memory is not None]
        of_memories = request.by == "memory"
        rows = _rows(uses, request.by, of_memories=of_memories)
        most = sorted(rows, key=lambda row: (-sum(row.events.values()), row.key))[: request.limit]
        return tending.UsesAnswer(
            since=since,
            by=request.by,
            rows=sorted(most, key=lambda row: row.key) if request.by == "day" else most,
            total=_row("", uses, of_memories=of_memories),
            project=messages.format_projects(projects),
        )

    def of_memory(self, request: tending.MemoryUsesRequest, rights: Rights = PERSON) -> tending.UsesAnswer:
        """Add up the uses of one memory by day. Raises MemoryNotFound."""
        memory = rights.seen(request.id, self._engine.store.get([request.id]))
        since = first_day(request.days)
        uses = [one for one in self.since(since) if one.memory == memory.id]
        return tending.UsesAnswer(
            since=since,
            by="day",
            rows=sorted(_rows(uses, "day", of_memories=True), key=lambda row: row.key),
            total=_row("", uses, of_memories=True),
            project=memory.project,
        )

    def since(self, day: str) -> Sequence[Use]:
        """Return what was counted since a day. Raises NotSupported where no ledger is kept."""
        store = self._engine.store
        if not isinstance(store, Ledger):
            raise NotSupported("the store counts no uses of its memories")
        return store.uses(day)


def first_day(days: int) -> str:
    """Return the first of so many days, the last of which is today, in UTC."""
    return str((datetime.now(UTC) - timedelta(days=days - 1)).date())


def _rows(uses: Iterable[Use], by: str, *, of_memories: bool) -> list[tending.UsesRow]:
    grouped: dict[str, list[Use]] = defaultdict(list)
    for use in uses:
        grouped[str(getattr(use, by))].append(use)
    return [_row(key, some, of_memories=of_memories) for key, some in grouped.items()]


def _row(key: str, uses: Iterable[Use], *, of_memories: bool = False) -> tending.UsesRow:
    """Add up uses. The tokens of a hook are those of the memories that it showed: one of the two counts, not both."""
    events: Counter[str] = Counter()
    latencies: Counter[int] = Counter()
    tokens = 0
    for use in uses:
        events[use.event] += use.count
        if (use.memory is not None) == of_memories:
            tokens += use.tokens
        if use.latency:
            latencies[use.latency] += use.count
    return tending.UsesRow(
        key=key,
        events=dict(sorted(events.items())),
        tokens=tokens,
        p50_ms=_quantile(latencies, 0.5),
        p95_ms=_quantile(latencies, 0.95),
    )


def _quantile(latencies: Counter[int], share: float) -> int | None:
    """Return the bucket that so many of the measured calls were no slower than."""
    left = share * latencies.total()
    for bucket, count in sorted(latencies.items()):
        left -= count
        if left <= 0:
            return bucket
    return None
