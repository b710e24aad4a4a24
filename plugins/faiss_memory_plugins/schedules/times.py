"""When a schedule comes next: cron expressions, by the wall clock of a zone."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import tzlocal
from cronsim import CronSim, CronSimError

from faiss_memory import InvalidRequest

SHORT = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""What crontab(5) has for common expressions."""


def zone_named(name: str, field: str = "zone") -> tzinfo:
    """Return a zone by its name, that of this machine for an empty one. Raises InvalidRequest, naming the field."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name) if name else tzlocal.get_localzone()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequest(
            f"`{field}`: there is no time zone {name or 'of this machine that could be read'}; give a name such as "
            "Europe/Berlin, or UTC",
            field,
        ) from None


def next_after(cron: str, moment: datetime, field: str = "cron") -> datetime:
    """Return the first time after a moment, in that moment's zone. Raises InvalidRequest for what never comes."""
    try:
        return next(_parsed(cron, moment, field))
    except StopIteration:
        raise InvalidRequest(f"`{field}`: {cron} never comes", field) from None


def in_words(cron: str) -> str:
    """Return an expression in words."""
    return _parsed(cron, datetime.now(UTC), "cron").explain()


def _parsed(cron: str, moment: datetime, field: str) -> CronSim:
    expression = SHORT.get(cron.strip().lower(), cron)
    try:
        if len(expression.split()) != 5:
            raise CronSimError("it needs five fields")
        return CronSim(expression, moment)
    except CronSimError as error:
        raise InvalidRequest(
            f"`{field}`: {cron} is no cron expression ({error}). It has five fields: minute, hour, day of the month, "
            "month, day of the week, such as 30 3 * * * for each day at 3:30; or @hourly, @daily, @weekly, @monthly",
            field,
        ) from None
