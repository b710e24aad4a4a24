"""What was written since a position, in order of commit.

A transaction has its number when it begins to write, and another with a higher one may be done first. So only what
lies below the oldest that is still at work is told: nothing can come to be below that any more. A position is the line
of the database's history and a number of a transaction.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

from faiss_memory import Feed
from faiss_memory_plugins.postgres.database import Database, Transaction

LONGEST_WAIT = 1.0
"""Seconds that are waited for a transaction which holds back what was written after it."""
_WRITTEN = (
    "(select id as memory, xid, true as there, born, writer from $.memory union all"
    " select memory, xid, false, xid, writer from $.removed) w"
)


def awaited(database: Database, after: str | None, limit: int) -> Feed:
    """Return what was written after a position; what an older transaction holds back is waited for a little."""
    end = time.monotonic() + LONGEST_WAIT
    while True:
        told, held_back = database.read(lambda run: (read(run, after, limit), is_held_back(run)))
        if not held_back or told.more or time.monotonic() >= end:
            return told
        time.sleep(0.01)


def read(run: Transaction, after: str | None, limit: int) -> Feed:
    """Return what was written after a position; what one transaction wrote is told together."""
    line, below = run.one(
        "select line::text, pg_snapshot_xmin(pg_current_snapshot())::text::bigint from $.state"
    )
    of_line, _, number = (after or "").partition(":")
    known = of_line == line and number.isdecimal() and len(number) < 19
    values = {"since": number if known else "0", "below": str(below), "skipped": max(1, limit) - 1}
    until, more = below - 1, False
    last = run.run(
        f"select xid::text::bigint from {_WRITTEN} where xid > %(since)s::text::xid8 and xid < %(below)s::text::xid8"
        " order by xid limit 1 offset %(skipped)s",
        values,
    )
    if last:
        until = int(last[0][0])
    rows = run.run(
        f"select memory, there from {_WRITTEN} where xid > %(since)s::text::xid8 and xid <= %(until)s::text::xid8"
        " order by xid, memory",
        {**values, "until": str(until)},
    )
    if last:
        more = bool(
            run.run(
                f"select 1 from {_WRITTEN} where xid > %(until)s::text::xid8 and xid < %(below)s::text::xid8 limit 1",
                {**values, "until": str(until)},
            )
        )
    return Feed(
        position=f"{line}:{until}",
        stored=[memory for memory, there in rows if there],
        removed=[memory for memory, there in rows if not there],
        anew=after is not None and not known,
        more=more,
    )


def is_held_back(run: Transaction) -> bool:
    """Return whether something was written that is not told yet, because an older transaction is still at work."""
    return bool(
        run.run(f"select 1 from {_WRITTEN} where xid >= pg_snapshot_xmin(pg_current_snapshot()) limit 1")
    )


@dataclass(frozen=True, slots=True)
class Step:
    """What other services have written, by id, and where to go on."""

    position: int
    line: str
    added: list[int]
    changed: list[int]
    removed: list[int]


def of_others(run: Transaction, service: uuid.UUID, line: str, since: int, limit: int) -> Step:
    """Return what others than a service wrote after a transaction's number, up to about `limit` ids.

    On another line than the one named, only where to begin is told.
    """
    now, below = run.one(
        "select line::text, pg_snapshot_xmin(pg_current_snapshot())::text::bigint from $.state"
    )
    if now != line:
        return Step(below - 1, now, [], [], [])
    values = {"since": str(since), "below": str(below), "service": service, "skipped": limit - 1}
    mine = "writer <> %(service)s and xid > %(since)s::text::xid8 and xid < %(below)s::text::xid8"
    last = run.run(
        f"select xid::text::bigint from {_WRITTEN} where {mine} order by xid limit 1 offset %(skipped)s",
        values,
    )
    until = int(last[0][0]) if last else below - 1
    rows = run.run(
        f"select memory, there, born > %(since)s::text::xid8 from {_WRITTEN} where {mine}"
        " and xid <= %(until)s::text::xid8 order by xid, memory",
        {**values, "until": str(until)},
    )
    return Step(
        until,
        now,
        added=[memory for memory, there, is_new in rows if there and is_new],
        changed=[memory for memory, there, is_new in rows if there and not is_new],
        removed=[memory for memory, there, _ in rows if not there],
    )
