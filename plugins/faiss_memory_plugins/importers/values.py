"""Values as other programs write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_FROM = 1e11
"""Numbers from here on are milliseconds: as seconds they would be thousands of years away."""


def words(value: Any) -> tuple[str, ...]:
    """Return a list of words, written as a list, as JSON, or with commas between; each once, and none empty."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = as_json(value, [])
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else ()
    found = (str(part).strip()[:128] for part in parts if part is not None)
    return tuple(dict.fromkeys(part for part in found if part))


def as_json(text: Any, otherwise: Any) -> Any:
    """Read JSON of the type that `otherwise` has; that one where it is none."""
    try:
        value = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return otherwise
    return value if isinstance(value, type(otherwise)) else otherwise


def when(value: Any) -> datetime | None:
    """Read a time: ISO 8601, or seconds or milliseconds since 1970; None where it is none."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
            return _EPOCH + timedelta(seconds=seconds)
        if not isinstance(value, str) or not value.strip():
            return None
        time = datetime.fromisoformat(value.strip())
    except (ValueError, OverflowError):
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def paragraphs(*parts: Any) -> str:
    """Join what is there of some texts, with an empty line between."""
    return "\n\n".join(part.strip() for part in parts if isinstance(part, str) and part.strip())


def lines_of(lines: Any) -> Iterator[tuple[int, Any]]:
    """Read JSON from each line of a file that is not empty, with its number; None for what is no JSON."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                yield number, None
