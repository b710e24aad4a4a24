"""The ledger: how often memories were of use, by day. It is counted here, and written some at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from threading import Lock

from faiss_memory import Use
from faiss_memory_plugins.postgres.database import Transaction

KEPT = timedelta(days=366)
MOST_WAITING = 500
LONGEST_WAITING = 30.0
"""Seconds."""

Counts = dict[tuple[str, str, str, int, str, int], tuple[int, int]]


class WaitingUses:
    """Uses that are not written yet, the same ones counted together. Any thread may add some."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counts = {}
        self._first = 0.0

    def add(self, uses: Iterable[Use]) -> None:
        """Add uses."""
        with self._lock:
            if not self._counts:
                self._first = time.monotonic()
            for use in uses:
                key = (use.day, use.assistant, use.project, use.memory or 0, use.event, use.latency)
                count, tokens = self._counts.get(key, (0, 0))
                self._counts[key] = (count + use.count, tokens + use.tokens)

    @property
    def are_due(self) -> bool:
        """Whether enough of them wait, or have waited long enough."""
        with self._lock:
            age = time.monotonic() - self._first
            return bool(self._counts) and (len(self._counts) >= MOST_WAITING or age >= LONGEST_WAITING)

    def take(self) -> Counts:
        """Take what waits, to be written."""
        with self._lock:
            taken, self._counts = self._counts, {}
        return taken

    def put_back(self, counts: Counts) -> None:
        """Keep what could not be written, to be tried again."""
        with self._lock:
            for key, (count, tokens) in counts.items():
                more, others = self._counts.get(key, (0, 0))
                self._counts[key] = (count + more, tokens + others)


def write(run: Transaction, counts: Counts) -> None:
    """Add to what was counted. A use of a memory that is gone meanwhile counts for none; what is old is dropped."""
    columns = list(zip(*((*key, *value) for key, value in counts.items()), strict=True))
    names = ("day", "assistant", "project", "memory", "event", "latency", "count", "tokens")
    run.run(
        "insert into $.used select n.day, n.assistant, n.project, coalesce(m.id, 0), n.event, n.latency,"
        " sum(n.count), sum(n.tokens)"
        " from unnest(%(day)s::text[], %(assistant)s::text[], %(project)s::text[], %(memory)s::bigint[],"
        " %(event)s::text[], %(latency)s::int[], %(count)s::bigint[], %(tokens)s::bigint[])"
        " as n(day, assistant, project, memory, event, latency, count, tokens)"
        " left join $.memory m on m.id = n.memory group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6"
        " on conflict (day, assistant, project, memory, event, latency)"
        " do update set count = used.count + excluded.count, tokens = used.tokens + excluded.tokens",
        {name: list(column) for name, column in zip(names, columns, strict=True)},
    )
    run.run("delete from $.used where day < %(day)s", {"day": f"{datetime.now(UTC) - KEPT:%Y-%m-%d}"})


def read(run: Transaction, since: str) -> list[Use]:
    """Return what was counted since a day, the oldest first."""
    rows = run.run(
        "select day, assistant, project, memory, event, latency, count, tokens from $.used where day >= %(since)s"
        ' order by day, assistant collate "C", project collate "C", memory, event collate "C", latency',
        {"since": since},
    )
    return [
        Use(
            day=day, assistant=assistant, project=project, memory=memory or None, event=event, latency=latency,
            count=count, tokens=tokens,
        )
        for day, assistant, project, memory, event, latency, count, tokens in rows
    ]  # fmt: skip
