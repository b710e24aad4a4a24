"""What a filter means in SQL, on a memory `m`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from faiss_memory import OWNER, UNKNOWN_WAY, Filter, Glob, InvalidGlob, InvalidRequest, comparable
from faiss_memory_plugins.postgres.database import Transaction


class Condition(NamedTuple):
    """A condition with its values."""

    sql: str
    values: dict[str, Any]
    projects: list[int]
    """The numbers of the projects that count; none if nothing can match."""
    takes: Literal["all", "current", "some"]
    """Which of their memories: those that nothing has replaced are the current ones."""


def fields_of(metadata: Any) -> str:
    """Return metadata as it is compared: by key, each value as a text that is the same for equal values."""
    # (Both are texts of JSON: so they hold no NUL, which jsonb cannot.)
    return json.dumps({json.dumps(key): comparable(value) for key, value in metadata.items()})


def condition(run: Transaction, where: Filter) -> Condition:
    """Return a condition on `$.memory m`. Raises InvalidRequest."""
    projects = _projects(run, where.projects)
    parts = ["m.project = any(%(projects)s)"]
    values: dict[str, Any] = {"projects": projects}
    takes: Literal["all", "current", "some"] = "all"
    if not where.include_superseded:
        parts.append("m.superseded_by is null")
        takes = "current"
    whole = len(parts)
    if where.without_cues:
        parts.append("m.cues = '{}'")
    if where.by:
        parts.append(f"{_WAY} = any(%(ways)s)")
        values["ways"] = _ways(run, where.by, projects)
    if where.actors:
        parts.append(f"coalesce(m.actor, '{OWNER}') = any(%(actors)s)")
        values["actors"] = list(where.actors)
    if where.source is not None:
        sql, given = _source(run, where.source, projects)
        parts.append(sql)
        values |= given
    for name, compared, time in (
        ("after", "m.learnt >=", where.after),
        ("before", "m.learnt <", where.before),
        ("expired_by", "m.valid_until <=", where.expired_by),
    ):
        if time is not None:
            parts.append(f"{compared} %({name})s")
            values[name] = time
    if where.tags:
        parts.append(f"m.tags {'@>' if where.tags_mode == 'all' else '&&'} %(tags)s::text[]")
        values["tags"] = list(where.tags)
    if where.metadata:
        parts.append("m.fields @> %(fields)s::jsonb")
        values["fields"] = fields_of(where.metadata)
    return Condition(" and ".join(parts), values, projects, takes if len(parts) == whole else "some")


def _projects(run: Transaction, names: Sequence[str] | None) -> list[int]:
    if names is None:
        return [row[0] for row in run.run("select id from $.project order by name")]
    return [
        row[0]
        for row in run.run("select id from $.project where name = any(%(names)s)", {"names": list(names)})
    ]


_WAY = f"coalesce(m.written_by, '{UNKNOWN_WAY}')"


def _ways(run: Transaction, written: Sequence[str], projects: Sequence[int]) -> list[str]:
    """Return which of the ways that memories came by are meant: there are only a few."""
    rows = run.run(
        f"select distinct {_WAY} from $.memory m where m.project = any(%(projects)s)",
        {"projects": list(projects)},
    )
    globs = [_glob_of(one, "by") for one in written]
    return [way for (way,) in rows if way in written or any(glob.fits(way) for glob in globs)]


def _glob_of(written: str, field: str) -> Glob:
    try:
        return _glob(written)
    except InvalidGlob as error:
        raise InvalidRequest(f"`{field}` is not a glob that can be looked for: {error}", field) from None


def _source(run: Transaction, written: str, projects: Sequence[int]) -> tuple[str, dict[str, Any]]:
    glob = _glob_of(written, "source")
    if glob.like is not None:
        return "(m.source = %(source)s or m.source like %(like)s)", {"source": written, "like": glob.like}
    # A set is more than LIKE knows: the sources themselves are gone through.
    rows = run.run(
        "select distinct source from $.memory where project = any(%(projects)s) and starts_with(source, %(prefix)s)",
        {"projects": list(projects), "prefix": glob.prefix},
    )
    fitting = [source for (source,) in rows if glob.fits(source)]
    return "m.source = any(%(sources)s)", {"sources": [*fitting, written]}


_glob = lru_cache(maxsize=64)(Glob)
