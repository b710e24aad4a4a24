"""The time, asked for in one place."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Give the present in UTC."""
    return datetime.now(UTC)
