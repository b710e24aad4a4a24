"""What a filter means in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from faiss_memory.errors import InvalidRequest
from faiss_memory.memory import Filter
from faiss_memory.store.records.rows import comparable, to_microseconds

LONGEST_GLOB = 10_000
"""A glob longer than any source; SQLite itself refuses one of 50,000 bytes."""


def condition(where: Filter) -> tuple[str, list[Any]]:
    """Give a condition on the catalogue's memories, with its values. Raises InvalidRequest."""
    parts = list(_conditions(where))
    values = [value for _, given in parts for value in given]
    return " AND ".join(part for part, _ in parts) or "1", values


def _conditions(where: Filter) -> Iterator[tuple[str, Sequence[Any]]]:
    if where.projects is not None:
        yield f"project IN ({','.join('?' * len(where.projects))})", where.projects
    if not where.include_superseded:
        yield "superseded_by IS NULL", ()
    if where.source is not None:
        if len(where.source) > LONGEST_GLOB:
            raise InvalidRequest(f"`source` is longer than {LONGEST_GLOB:,} characters", "source")
        # SQLite knows the negation of regular expressions only, and people know the shell's.
        yield "source GLOB ?", (where.source.replace("[!", "[^"),)
    if where.after is not None:
        yield "timestamp >= ?", (to_microseconds(where.after),)
    if where.before is not None:
        yield "timestamp < ?", (to_microseconds(where.before),)
    if where.tags:
        chosen = f"SELECT memory FROM tags WHERE tag IN ({','.join('?' * len(where.tags))})"
        if where.tags_mode == "all":
            yield f"id IN ({chosen} GROUP BY memory HAVING count(*) = ?)", (*where.tags, len(set(where.tags)))
        else:
            yield f"id IN ({chosen})", where.tags
    if where.metadata:
        # One condition for all keys: SQLite refuses an expression of a thousand of them.
        marks = ",".join(["(?, ?)"] * len(where.metadata))
        pairs = [part for key, value in where.metadata.items() for part in (key, comparable(value))]
        yield (
            f"id IN (SELECT memory FROM metadata WHERE (key, value) IN (VALUES {marks})"
            " GROUP BY memory HAVING count(*) = ?)",
            (*pairs, len(where.metadata)),
        )
