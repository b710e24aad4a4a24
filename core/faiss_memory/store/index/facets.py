"""How many memories there are of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from faiss_memory.memory import Facets


def facets_of(
    rows: Sequence[Sequence[Any]], tags: Sequence[Sequence[Any]], *, include_superseded: bool
) -> Facets:
    """Count rows (id, project, source, way, what supersedes it) and the pairs (tag, id) of those that count."""
    counted = [row for row in rows if include_superseded or row[4] is None]
    ids = {row[0] for row in counted}
    superseded = sum(row[4] is not None for row in rows)
    return Facets(
        projects=Counter(row[1] for row in counted),
        tags=Counter(tag for tag, memory in tags if memory in ids),
        sources=Counter(row[2] for row in counted),
        by=Counter(row[3] for row in counted),
        current=len(rows) - superseded,
        superseded=superseded,
    )
