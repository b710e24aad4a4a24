"""What a filter means in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from faiss_memory.errors import InvalidRequest
from faiss_memory.globs import Glob, InvalidGlob
from faiss_memory.memory import OWNER, UNKNOWN_WAY, Filter
from faiss_memory.store.records.rows import NO_CUES, comparable, to_microseconds


def condition(where: Filter) -> tuple[str, list[Any]]:
    """Return a condition on the catalogue's memories, with its values. Raises InvalidRequest."""
    parts = list(_conditions(where))
    values = [value for _, given in parts for value in given]
    return " AND ".join(part for part, _ in parts) or "1", values


def _conditions(where: Filter) -> Iterator[tuple[str, Sequence[Any]]]:
    if where.projects is not None:
        yield f"project IN ({','.join('?' * len(where.projects))})", where.projects
    if not where.include_superseded:
        yield "superseded_by IS NULL", ()
    if where.without_cues:
        yield "cues = ?", (NO_CUES,)
    yield from _writer_conditions(where)
    if where.source is not None:
        yield from _source_conditions(where.source)
    for compared, time in (
        ("timestamp >=", where.after),
        ("timestamp <", where.before),
        ("valid_until <=", where.expired_by),
    ):
        if time is not None:
            yield f"{compared} ?", (to_microseconds(time),)
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


def _writer_conditions(where: Filter) -> Iterator[tuple[str, Sequence[Any]]]:
    if where.by:
        fitting = " OR ".join(["fits(coalesce(written_by, ?), ?)"] * len(where.by))
        yield f"({fitting})", [value for way in where.by for value in (UNKNOWN_WAY, way)]
    if where.actors:
        yield f"coalesce(actor, '{OWNER}') IN ({','.join('?' * len(where.actors))})", where.actors


def fits(source: str, glob: str) -> bool:
    """Return whether a source is spelt as a glob, or fits it.

    The SQL function of this name, in place of GLOB, which tries all ways.
    """
    return source == glob or _glob(glob).fits(source)


def _source_conditions(written: str) -> Iterator[tuple[str, Sequence[Any]]]:
    try:
        prefix = _glob(written).prefix
    except InvalidGlob as error:
        raise InvalidRequest(f"`source` is not a glob that can be looked for: {error}", "source") from None
    if prefix:  # which the index by source finds
        yield "source >= ?", (prefix,)
        if (after := _first_after(prefix)) is not None:
            yield "source < ?", (after,)
    yield "fits(source, ?)", (written,)


_glob = lru_cache(maxsize=64)(Glob)


def _first_after(prefix: str) -> str | None:
    """Return the first text behind all that begin with a prefix, as SQLite orders them; None if there is none."""
    code = ord(prefix[-1]) + 1
    if code > 0x10FFFF:
        return None
    return prefix[:-1] + ("\ue000" if 0xD800 <= code <= 0xDFFF else chr(code))
