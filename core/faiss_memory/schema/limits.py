"""Checks that a type cannot express: sizes bounded by settings, times that exist in UTC."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from faiss_memory.errors import InvalidRequest
from faiss_memory.schema.fields import LONGEST_CUE

DEEPEST = 32
_SHOWN_AS_NOTHING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
"""Letters and marks that Unicode lets nobody see (Default_Ignorable_Code_Point), and the Braille blank."""


def is_blank(text: str) -> bool:
    """Return whether a text shows nothing: it is empty, or all white space, control or invisible characters."""
    return all(
        unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp")
        or _SHOWN_AS_NOTHING.match(letter)
        for letter in text
    )


def check_text(text: str, most: int, field: str, limit: str) -> None:
    """Refuse a text that shows nothing, or has more bytes than a setting allows."""
    if is_blank(text):
        raise InvalidRequest(f"`{field}` holds no visible character; say something", field)
    check_size(text, most, field, limit)


def check_size(text: str, most: int, field: str, limit: str) -> None:
    """Refuse a text of more bytes than a setting allows. (A question may show nothing: it only finds nothing.)"""
    size = len(text.encode())
    if size > most:
        raise InvalidRequest(
            f"`{field}` is {size:,} bytes long; the most is {most:,} (setting limits.{limit})", field
        )


def check_metadata(metadata: Mapping[str, Any], most: int, field: str) -> None:
    """Refuse metadata that is too large or nested too deeply."""
    if _is_deeper(metadata, DEEPEST):
        raise InvalidRequest(f"`{field}` is nested more than {DEEPEST} levels deep", field)
    size = len(msgspec.json.encode(metadata))
    if size > most:
        raise InvalidRequest(
            f"`{field}` is {size:,} bytes long; the most is {most:,} (setting limits.metadata_bytes)", field
        )


def check_tags(tags: Sequence[str], most: int, field: str) -> tuple[str, ...]:
    """Trim tags and drop repeated ones; refuse too many."""
    trimmed = tuple(dict.fromkeys(tag.strip() or tag for tag in tags))
    if any(is_blank(tag) for tag in trimmed):
        raise InvalidRequest(f"`{field}` holds a tag without a visible character", field)
    if len(trimmed) > most:
        raise InvalidRequest(
            f"`{field}` holds {len(trimmed)} tags; the most is {most} (setting limits.tags)", field
        )
    return trimmed


def check_cues(cues: Sequence[str], most: int, field: str) -> tuple[str, ...]:
    """Trim cues and drop repeated ones; refuse one that is too long or shows nothing, and too many."""
    trimmed = [cue.strip() or cue for cue in cues]
    for number, cue in enumerate(trimmed):
        if is_blank(cue):
            raise InvalidRequest(f"`{field}[{number}]` holds no visible character", f"{field}[{number}]")
        if len(cue) > LONGEST_CUE:
            raise InvalidRequest(
                f"`{field}[{number}]` has {len(cue)} characters; the most is {LONGEST_CUE}",
                f"{field}[{number}]",
            )
    if len(trimmed) > most:
        raise InvalidRequest(
            f"`{field}` holds {len(trimmed)} cues; the most is {most} (setting limits.cues)", field
        )
    return tuple(dict.fromkeys(trimmed))


def check_time(time: datetime | None, field: str) -> datetime | None:
    """Bring a time to UTC; one without an offset is taken as UTC."""
    if time is None or time.tzinfo is None:
        return time if time is None else time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise InvalidRequest(f"`{field}` lies outside the years 1 to 9999 in UTC", field) from None


def _is_deeper(value: object, levels: int) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_is_deeper(inner, levels - 1) for inner in value)
