"""The front matter of Markdown files, as people, their programs and assistants write it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import yaml

from faiss_memory import YAML_ERRORS
from faiss_memory_plugins.importers.reading.values import plain, when

_FRONT = re.compile(r"---[ \t]*\n(.*?\n)??---[ \t]*(?:\n|\Z)", re.DOTALL)
_LINE = re.compile(r"([A-Za-z_][\w-]*):[ \t]*(.*)")
_TIMES = ("timestamp", "created", "created_at", "date")
_MOST_CHARACTERS = 1 << 16
"""No memory has so many properties; and YAML takes the longer for each line the more there are."""


def apart(whole: str) -> tuple[Mapping[str, Any], str]:
    """Return front matter, as JSON can hold it, and text; one that cannot be read is text as the rest."""
    found = _FRONT.match(whole)
    front = None if found is None or len(found[1] or "") > _MOST_CHARACTERS else _read(found[1] or "")
    return ({}, whole) if found is None or front is None else (front, whole[found.end() :])


def time_of(front: Mapping[str, Any]) -> datetime | None:
    """Return when front matter says that the file was written; None if it does not."""
    return next((time for name in _TIMES if (time := when(front.get(name)))), None)


def _read(text: str) -> dict[str, Any] | None:
    try:
        read = yaml.safe_load(text)
    except YAML_ERRORS:
        return _by_line(text)
    try:
        return plain(read) if isinstance(read, dict) else None
    except ValueError:
        return None


def _by_line(text: str) -> dict[str, Any] | None:
    """Read lines that look like YAML and are none, such as `globs: *.ts`; None if they do not look so."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [_LINE.fullmatch(line) for line in lines]
    return {one[1]: one[2].strip("'\"") for one in found if one} if lines and all(found) else None
