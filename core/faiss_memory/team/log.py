"""The log of what was done: who did what to which memories of which projects. It holds no texts, and is bounded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from faiss_memory.contracts.team import MOST_IDS, Entry, TeamRun
from faiss_memory.uids import new_uid

KEPT, REFUSED_KEPT = 100_000, 1_000
"""So many entries are kept, and apart from them so many refused sign-ins: nobody can push the others out."""
REFUSED = "sign-in refused"
_CLEARED_EVERY = 200


class Log:
    """Writes and reads the entries of one place, each in the caller's transaction."""

    def __init__(self) -> None:
        self._written = 0

    def write(
        self, run: TeamRun, actor: str, action: str, projects: Sequence[str], ids: Sequence[int], about: str
    ) -> None:
        """Write an entry; now and then those that are too many go."""
        run(
            "insert into $.team_log (id, at, actor, action, projects, ids, count, about, refused)"
            " values (:id, :at, :actor, :action, :projects, :ids, :count, :about, :refused)",
            {
                "id": new_uid(),
                "at": _now(),
                "actor": actor,
                "action": action,
                "projects": json.dumps(sorted(set(projects))),
                "ids": json.dumps(list(ids)[:MOST_IDS]),
                "count": len(ids),
                "about": about[:500],
                "refused": int(action == REFUSED),
            },
        )
        self._written += 1
        if self._written % _CLEARED_EVERY == 1 % _CLEARED_EVERY:
            for refused, most in ((0, KEPT), (1, REFUSED_KEPT)):
                run(
                    "delete from $.team_log where refused = :refused and id <= (select id from $.team_log"
                    " where refused = :refused order by id desc limit 1 offset :most)",
                    {"refused": refused, "most": most},
                )

    def read(self, run: TeamRun, limit: int, actor: str | None, before: str | None) -> list[Entry]:
        """Return entries, the newest first; of one actor, or before the one with an id."""
        conditions, values = ["1 = 1"], {"limit": limit}
        given = {"actor": actor, "before": before}
        if actor is not None:
            conditions.append("actor = :actor")
        if before is not None:
            conditions.append("id < :before")
        rows = run(
            "select id, at, actor, action, projects, ids, count, about from $.team_log"
            f" where {' and '.join(conditions)} order by id desc limit :limit",
            {**values, **{name: value for name, value in given.items() if value is not None}},
        )
        return [
            Entry(
                row[0],
                to_time(row[1]),
                row[2],
                row[3],
                json.loads(row[4]),
                json.loads(row[5]),
                row[6],
                row[7],
            )
            for row in rows
        ]


def _now() -> int:
    return to_number(datetime.now(UTC))


def to_number(time: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return round(time.timestamp() * 1_000_000)


def to_time(number: int) -> datetime:
    """Undo `to_number`."""
    return datetime.fromtimestamp(number / 1_000_000, UTC)
