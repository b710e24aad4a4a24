"""What can be set: `plugins.schedules` in the configuration file."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct


class Scheduled(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A job, and when it is done."""

    job: str
    cron: str
    name: str = ""
    zone: str = ""
    options: dict[str, Any] = {}


class SchedulesSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is done at which times."""

    entries: tuple[Scheduled, ...] = ()
    zone: str = ""
    late_seconds: Annotated[float, Meta(ge=0, le=3600)] = 60.0
