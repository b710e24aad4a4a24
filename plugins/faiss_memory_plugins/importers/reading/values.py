"""Values as other programs write them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from faiss_memory import cut_before_secret

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_FROM = 1e11
"""Numbers from here on are milliseconds: as seconds they would be thousands of years away."""


MOST_OF_A_NAME = 1000
"""Characters of what many memories are to name; a longer name would be as much again in each of them."""
MOST_VALUES = 10_000
_MOST_OF_A_WORD = 128
_MOST_BITS = 1024


def text_of(value: Any) -> str:
    """Return a text without white space around it; empty for what is none."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value.strip() if isinstance(value, str) else ""


def name_of(value: Any) -> str:
    """Return a text that many memories may name, without white space around it; empty for one that is too long."""
    name = text_of(value)
    return name if len(name) <= MOST_OF_A_NAME else ""


def identity_of(value: Any) -> str:
    """Return by what something is known, in few characters however long it is; empty for what is no text."""
    text = text_of(value)
    if len(text) <= MOST_OF_A_NAME:
        return text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def words(value: Any) -> tuple[str, ...]:
    """Return a list of words, written as a list, as JSON, or with commas between; each once, and none empty."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        listed = as_json(value, [None])
        value = value if listed == [None] else listed
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else ()
    texts = (str(part).strip() for part in parts if isinstance(part, str | int | float))
    found = (cut_before_secret(text, _MOST_OF_A_WORD).strip() for text in texts)
    return tuple(dict.fromkeys(part for part in found if part))


def as_json(text: Any, otherwise: Any) -> Any:
    """Read JSON of the type that `otherwise` has; that one where it is none."""
    try:
        value = json.loads(text) if isinstance(text, str | bytes) else text
    except (ValueError, RecursionError):
        return otherwise
    return value if isinstance(value, type(otherwise)) else otherwise


def plain(value: Any, most: int = MOST_VALUES) -> Any:
    """Return a value as JSON can hold it. Raises ValueError where it has more parts than `most`, or too long a number.

    References inside a value can make very many parts out of few.
    """
    try:
        return _plain(value, iter(range(most)))
    except RecursionError:
        raise ValueError("it holds itself, or is too deep") from None


def _plain(value: Any, left: Iterator[int]) -> Any:
    if next(left, None) is None:
        raise ValueError("it holds too much")
    if isinstance(value, dict):
        return {_name(key): _plain(inner, left) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner, left) for inner in value]
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise ValueError("it holds a number that is too long")
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | None) else type(value).__name__


def _name(key: Any) -> str:
    if isinstance(key, tuple):  # (what is in it may have very many parts)
        raise ValueError("it holds a name that is no text")
    return str(_plain(key, iter(range(1))))


def when(value: Any, zone: tzinfo | None = UTC) -> datetime | None:
    """Read a time: ISO 8601, or seconds or milliseconds since 1970; None where it is none.

    A time without an offset is taken as one of the zone; None stands for that of this machine.
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
            return _EPOCH + timedelta(seconds=seconds)
        if not isinstance(value, str) or not value.strip():
            return None
        time = datetime.fromisoformat(value.strip())
        if time.tzinfo is None:
            time = time.astimezone() if zone is None else time.replace(tzinfo=zone)
        time.astimezone(UTC)  # which the last hours of the year 9999 cannot become
        return time
    except (ValueError, OverflowError, OSError):
        return None


def end_of(value: Any) -> datetime | None:
    """Read a time until which something holds: a day stands for its end; None where there is none."""
    time = when(value)
    is_day = isinstance(value, str) and len(value.strip()) == len("2026-01-02")
    try:
        return time + timedelta(days=1) if time is not None and is_day else time
    except OverflowError:  # the last day that there is stands for never
        return None


def paragraphs(*parts: Any) -> str:
    """Join what is there of some texts, with an empty line between."""
    return "\n\n".join(part for part in map(text_of, parts) if part)


def filled(fields: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return those of some fields that hold something."""
    return {name: fields[name] for name in names if fields.get(name) not in (None, "", [], {})}


def lines_of(lines: Any) -> Iterator[tuple[int, Any]]:
    """Read JSON from each line of a file that is not empty, with its number; None for what is no JSON."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                yield number, None
