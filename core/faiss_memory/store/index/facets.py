"""How many memories there are of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from faiss_memory.memory import Facets

Counted = tuple[str | None, str, str, str | None, int, int]
"""Tag, project, source, way, whether superseded, and how many; the middle three empty where there is a tag."""


def counting(condition: str) -> str:
    """Return the query that counts the memories that meet a condition, in rows as `facets_of` takes them.

    SQLite reads the memories once, and does all of it: nothing becomes an object of Python's but the numbers.
    """
    return f"""
        WITH every AS (
            SELECT id, project, source, written_by, superseded_by IS NOT NULL AS superseded FROM memories
            WHERE {condition}
        )
        SELECT NULL, project, source, written_by, superseded, count(*) FROM every
        GROUP BY project, source, written_by, superseded
        UNION ALL SELECT tag, '', '', NULL, superseded, count(*) FROM every JOIN tags ON tags.memory = every.id
        GROUP BY tag, superseded
    """


def facets_of(rows: Iterable[Counted], *, superseded_count: bool) -> Facets:
    """Return what such a query has counted; `superseded_count` says whether superseded memories count as others do."""
    projects: Counter[str] = Counter()
    tags: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    ways: Counter[str | None] = Counter()
    states: Counter[int] = Counter()
    for tag, project, source, way, superseded, count in rows:
        counts = superseded_count or not superseded
        if tag is None:
            states[superseded] += count
        if counts and tag is not None:
            tags[tag] += count
        elif counts:
            projects[project] += count
            sources[source] += count
            ways[way] += count
    return Facets(
        projects=projects, tags=tags, sources=sources, by=ways, current=states[0], superseded=states[1]
    )
