"""The ledger: how often memories were of use, by day. It is counted here, and written some at a time."""

from __future__ import annotations

from datetime import UTC, datetime

from faiss_memory import USES_KEPT, Use, UseCounts
from faiss_memory_plugins.postgres.database import Transaction


def write(run: Transaction, counts: UseCounts) -> None:
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
    run.run("delete from $.used where day < %(day)s", {"day": f"{datetime.now(UTC) - USES_KEPT:%Y-%m-%d}"})


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
