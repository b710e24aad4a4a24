"""What the calls about schedules are asked, and what they answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from faiss_memory import Answer, Message, Time

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}(?!\n)$")]


class ScheduleRequest(Message):
    """Do a job again and again; a schedule of the same name is replaced."""

    job: Annotated[str, Meta(min_length=1, max_length=64, examples=["backup"])]
    cron: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=200,
            description="Minute, hour, day of the month, month and day of the week; or @hourly, @daily, @weekly.",
            examples=["30 3 * * *"],
        ),
    ]
    name: Annotated[Name | None, Meta(description="Its own name; otherwise the job's.")] = None
    zone: Annotated[
        str,
        Meta(max_length=64, description="A time zone, such as Europe/Berlin; empty: as the settings say."),
    ] = ""
    options: Annotated[dict[str, Any], Meta(description="What the job takes.")] = msgspec.field(
        default_factory=dict
    )


class OneSchedule(Message):
    """Names a schedule."""

    name: Name


class LastRun(Answer):
    """How a job ended the last time."""

    started_at: Time
    took_ms: float
    state: Literal["done", "failed"]
    message: str


class ScheduleAnswer(Answer):
    """What is done, when, and how it ended the last time."""

    name: str
    job: str
    cron: str
    in_words: str
    zone: str
    options: dict[str, Any]
    by: Literal["add", "settings"]
    running: bool
    next_at: Time
    last: LastRun | None


class JobAnswer(Answer):
    """What can be scheduled, and the names of its options."""

    name: str
    summary: str
    options: list[str]


class SchedulesAnswer(Answer):
    """What is scheduled, and what can be."""

    schedules: list[ScheduleAnswer]
    count: int
    jobs: list[JobAnswer]


class UnscheduleAnswer(Answer):
    """What is done no more."""

    success: bool
    name: str
    message: str
