"""What can be done at set times, by whoever keeps the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something that may be done again and again, known by its name.

    `run` is called in a thread beside the calls, with the `options` that were given as the named struct, whose fields
    are checked when it is scheduled; it returns in a sentence what it has done, and raises when it could not.
    """

    name: str
    summary: str
    run: Callable[[Any], str]
    options: type[Struct]
    check: Callable[[Any], None] = lambda options: None
    """Raises InvalidRequest or NotAllowed for options that lead nowhere here; asked of what comes from elsewhere."""
