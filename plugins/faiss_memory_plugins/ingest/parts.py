"""What reading a file gives: parts, each of which becomes a memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a file, as it is remembered."""

    text: str
    """With what it needs to be understood alone: the headings above it, or the definition around it."""
    place: str
    """Where it is, written behind the file's path: `#Heading`, `:first-last` line, or `:cell` of a notebook."""
    tags: tuple[str, ...] = ()
    """Besides those of the whole file."""
    cues: tuple[str, ...] = ()
    uid: str | None = None
    """The uid of the memory that it is, where the file was made of one."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file's parts, and what it says of itself."""

    parts: tuple[Part, ...]
    tags: tuple[str, ...] = ()
    cues: tuple[str, ...] = ()
    """When the file should come up: they become those of its first part, which says what it is about."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    timestamp: datetime | None = None
    note: str = ""
    """What could not be understood, in words for the person."""
    by: str = "build"
    """By which way its memories come."""
