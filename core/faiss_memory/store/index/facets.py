"""How many memories there are of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from faiss_memory.memory import Facets


def counting(condition: str) -> str:
    """Return the query that counts the memories that meet a condition by kind.

    Its last value is whether superseded ones count. SQLite does all of it: nothing becomes an object of Python's but
    the numbers.
    """
    return f"""
        WITH every AS (
            SELECT id, project, source, written_by, superseded_by IS NOT NULL AS superseded FROM memories
            WHERE {condition}
        ), counted AS (SELECT * FROM every WHERE ? OR NOT superseded)
        SELECT 'project', project, count(*) FROM counted GROUP BY project
        UNION ALL SELECT 'source', source, count(*) FROM counted GROUP BY source
        UNION ALL SELECT 'by', written_by, count(*) FROM counted GROUP BY written_by
        UNION ALL SELECT 'tag', tag, count(*) FROM counted JOIN tags ON tags.memory = counted.id GROUP BY tag
        UNION ALL SELECT 'state', superseded, count(*) FROM every GROUP BY superseded
    """


def facets_of(rows: Iterable[tuple[str, Any, int]]) -> Facets:
    """Return what such a query has counted: rows of kind, value and how many."""
    counted: dict[str, Counter[Any]] = {
        kind: Counter() for kind in ("project", "source", "by", "tag", "state")
    }
    for kind, value, count in rows:
        counted[kind][value] = count
    return Facets(
        projects=counted["project"],
        tags=counted["tag"],
        sources=counted["source"],
        by=counted["by"],
        current=counted["state"][0],
        superseded=counted["state"][1],
    )
