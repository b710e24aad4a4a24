"""What was written since a position: by change, from the records themselves."""

from __future__ import annotations

from faiss_memory.contracts.store import Feed
from faiss_memory.store.records.database import Truth

_WRITTEN = "SELECT id AS memory, seq, 1 AS there FROM memories UNION ALL SELECT memory, seq, 0 FROM removed"


def position(truth: Truth, number: int | None = None) -> str:
    """Return a position: that of a change's number, or that of the last one."""
    return f"{truth.uuid}:{truth.seq if number is None else number}"


def read(truth: Truth, after: str | None, limit: int) -> Feed:
    """Return what was written after a position, which is the identity of the database and a change's number.

    A restore gives the records another identity: positions of before lead nowhere. What one change wrote is told
    together, so more than `limit` ids may come.
    """
    identity, _, number = (after or "").partition(":")
    known = identity == truth.uuid and number.isdecimal()
    since = int(number) if known else 0
    run = truth.connection.execute
    last = run(
        f"SELECT seq FROM ({_WRITTEN}) WHERE seq > ? ORDER BY seq LIMIT 1 OFFSET ?",
        (since, max(1, limit) - 1),
    ).fetchone()
    until = truth.seq if last is None else int(last[0])
    rows = run(
        f"SELECT memory, there FROM ({_WRITTEN}) WHERE seq > ? AND seq <= ? ORDER BY seq, memory",
        (since, until),
    ).fetchall()
    return Feed(
        position=position(truth, until),
        stored=[memory for memory, there in rows if there],
        removed=[memory for memory, there in rows if not there],
        anew=after is not None and not known,
        more=until < truth.seq,
    )
