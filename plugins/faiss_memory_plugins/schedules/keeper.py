"""Keeps the time: one thread that does what is due, one job after the other."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from threading import Condition
from typing import Any, Literal

import msgspec

from faiss_memory import (
    BackgroundThread,
    Conflict,
    InvalidRequest,
    Job,
    MemoryNotFound,
    MemoryServiceError,
    NotAllowed,
    NotReady,
    Service,
    StoreError,
)
from faiss_memory_plugins.schedules.entries import MOST, Entry, EntryList, merged
from faiss_memory_plugins.schedules.messages import (
    JobAnswer,
    LastRun,
    OneSchedule,
    ScheduleAnswer,
    ScheduleRequest,
    SchedulesAnswer,
    UnscheduleAnswer,
)
from faiss_memory_plugins.schedules.settings import SchedulesSettings
from faiss_memory_plugins.schedules.times import in_words, next_after, zone_named

log = logging.getLogger("faiss_memory.schedules")

LONGEST_WAIT = 30.0
"""Seconds after which the clock is looked at again: it may have been set, or the machine have slept."""
STOP_SECONDS = 2.0
PATIENCE = 600.0
"""Seconds that a job may wait for what it needs, such as a model that is still being loaded."""
ELSEWHERE = "another service over the same store was doing it"
CUT_SHORT = "it was cut short: the service ended meanwhile"


class Keeper:
    """The schedules of a running service. Raises InvalidRequest when those of the settings are not understood."""

    def __init__(self, service: Service, entries: EntryList) -> None:
        self._service = service
        self._settings = service.settings.of(SchedulesSettings)
        self._list = entries
        self._named = _of_settings(self._settings)
        self._changed = Condition()
        self._entries: dict[str, Entry] = {}
        self._not_before: dict[str, datetime] = {}
        """When what was missed is made up for."""
        self._asked: set[str] = set()
        """What somebody wants done now."""
        self._running = ""
        self._problem: StoreError | None = None
        self._thread = BackgroundThread("schedules", self._work, self._fail)
        self._is_stopping = False

    def start(self) -> None:
        """Begin with what is in the list and in the settings; what was missed is done once, a little later."""
        with self._changed:
            try:
                known = {entry.name: entry for entry in self._list.load()}
            except StoreError as error:
                log.error("%s", error)
                self._problem = error
                return
            now = _now()
            for entry in known.values():
                entry.settled = min(entry.settled, now)  # the clock may have been wrong
            self._entries = {name: entry for name, entry in known.items() if entry.by == "add"}
            for name, entry in self._named.items():
                before = known.get(name)
                kept = before is not None and before.by == "settings" and before.asks_the_same_as(entry)
                self._entries[name] = before if kept and before is not None else entry
            for said in self._let_go_of_foreign():
                log.warning("not restored: %s", said)
            if self._entries != known:
                self._save()
            for name, entry in self._entries.items():
                if self._due(entry) <= now:
                    late = random.uniform(0, self._settings.late_seconds)
                    self._not_before[name] = now + timedelta(seconds=late)
            self._list.in_use = self._take_over
            self._begin()

    def _take_over(self, restored: Sequence[Entry], is_own: bool) -> Sequence[str]:
        with self._changed:
            self._check_list()
            before = self._entries
            self._entries, left = merged(before, restored, _now(), self._settings.zone, is_own=is_own)
            left += self._let_go_of_foreign()
            try:
                self._list.save([*self._entries.values()])
            except StoreError:
                self._entries = before
                raise
            self._begin()
        return left

    def _let_go_of_foreign(self) -> list[str]:
        """Leave out what came from another machine and cannot be done on this one; returns why."""
        left = []
        for entry in [each for each in self._entries.values() if each.is_foreign]:
            try:
                job = self._job(entry.job)
                job.check(self._options(job, entry.options))
                entry.is_foreign = False
            except (InvalidRequest, NotAllowed) as error:
                del self._entries[entry.name]
                left.append(f"schedule `{entry.name}`: {error}")
        return left

    def stop(self) -> None:
        """Begin nothing more; what runs is waited for a moment."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        self._thread.join(STOP_SECONDS)

    # The calls.

    def add(self, request: ScheduleRequest) -> ScheduleAnswer:
        """Schedule a job. Raises InvalidRequest, naming the field, Conflict and StoreError."""
        entry = Entry(
            name=request.name or request.job, job=request.job, cron=request.cron, zone=request.zone,
            options=request.options, settled=_now(),
        )  # fmt: skip
        self._options(self._job(entry.job), entry.options)
        self._due(entry)
        with self._changed:
            self._check_list()
            before = self._entries.get(entry.name)
            if before is not None and before.by == "settings":
                raise Conflict(_OF_SETTINGS.format(name=entry.name), "name")
            if before is None and len(self._entries) >= MOST:
                raise Conflict(f"there are {MOST} schedules, which is the most; remove one", "name")
            entry.last = None if before is None else before.last
            self._replace({**self._entries, entry.name: entry})
            self._not_before.pop(entry.name, None)
            self._begin()
            return self._answer(entry)

    def remove(self, request: OneSchedule) -> UnscheduleAnswer:
        """Do a job no more. Raises MemoryNotFound, Conflict and StoreError."""
        with self._changed:
            entry = self._entry(request.name)
            if entry.by == "settings":
                raise Conflict(_OF_SETTINGS.format(name=entry.name), "name")
            self._replace({name: each for name, each in self._entries.items() if each is not entry})
        return UnscheduleAnswer(success=True, name=entry.name, message="It is done no more")

    def run_now(self, request: OneSchedule) -> ScheduleAnswer:
        """Do a job as soon as no other runs; its times stay. Raises MemoryNotFound and StoreError."""
        with self._changed:
            entry = self._entry(request.name)
            self._asked.add(entry.name)
            self._changed.notify_all()
            return self._answer(entry)

    def all(self) -> SchedulesAnswer:
        """Return what is scheduled, the next first, and what can be. Raises StoreError if the list cannot be read."""
        jobs = [
            JobAnswer(name=job.name, summary=job.summary, options=list(job.options.__struct_fields__))
            for job in self._service.jobs
        ]
        with self._changed:
            self._check_list()
            found = [self._answer(entry) for entry in self._entries.values()]
        found.sort(key=lambda each: (datetime.fromisoformat(each.next_at), each.name))
        return SchedulesAnswer(schedules=found, count=len(found), jobs=jobs)

    def _check_list(self) -> None:
        if self._problem is not None:
            raise self._problem

    def _entry(self, name: str) -> Entry:
        self._check_list()
        if name not in self._entries:
            known = ", ".join(self._entries) or "none"
            raise MemoryNotFound(f"there is no schedule `{name}`; there are {known}", "name")
        return self._entries[name]

    def _replace(self, entries: dict[str, Entry]) -> None:
        self._list.save([*entries.values()])
        self._entries = entries
        self._changed.notify_all()

    def _answer(self, entry: Entry) -> ScheduleAnswer:
        due = max(self._due(entry), self._not_before.get(entry.name, self._due(entry)))
        return ScheduleAnswer(
            name=entry.name, job=entry.job, cron=entry.cron, in_words=in_words(entry.cron),
            zone=str(zone_named(entry.zone or self._settings.zone)), options=entry.options, by=entry.by,
            running=self._running == entry.name, next_at=due.astimezone(UTC).isoformat(), last=entry.last,
        )  # fmt: skip

    def _job(self, name: str) -> Job:
        jobs = {job.name: job for job in self._service.jobs}
        if name not in jobs:
            raise InvalidRequest(f"`job`: there is no job `{name}`; there are {', '.join(jobs)}", "job")
        return jobs[name]

    @staticmethod
    def _options(job: Job, given: Mapping[str, Any]) -> Any:
        try:
            return msgspec.convert(dict(given), job.options)
        except msgspec.ValidationError as error:
            said, _, place = str(error).partition(" - at `$")
            field = f"options{place.removesuffix('`')}"
            known = ", ".join(job.options.__struct_fields__) or "none"
            raise InvalidRequest(f"`{field}`: {said}; options of {job.name} are: {known}", field) from None

    # The time.

    def _due(self, entry: Entry) -> datetime:
        zone = zone_named(entry.zone or self._settings.zone)
        return next_after(entry.cron, entry.settled.astimezone(zone))

    def _begin(self) -> None:
        if self._entries and not self._thread.was_started and not self._is_stopping:
            self._thread.start()
        self._changed.notify_all()

    def _work(self) -> None:
        while (entry := self._next()) is not None:
            self._do(entry)

    def _next(self) -> Entry | None:
        """Wait until something is due, and return it; None when there is to be nothing more."""
        with self._changed:
            while not self._is_stopping:
                now = _now()
                times = {
                    entry.name: now
                    if entry.name in self._asked
                    else max(due, self._not_before.get(entry.name, due))
                    for entry in self._entries.values()
                    for due in (self._due(entry),)
                }
                name = min(times, key=lambda each: times[each], default="")
                if name and times[name] <= now:
                    return self._entries[name]
                left = (times[name] - now).total_seconds() if name else LONGEST_WAIT
                self._changed.wait(min(LONGEST_WAIT, left))
        return None

    def _do(self, entry: Entry) -> None:
        began, started = time.monotonic(), _now()
        with self._changed:
            self._running = entry.name
            entry.settled = started
            self._asked.discard(entry.name)
            self._not_before.pop(entry.name, None)
            entry.last = LastRun(started_at=started.isoformat(), took_ms=0, state="failed", message=CUT_SHORT)
            self._save()
        state, message = self._outcome(entry)
        log.log(logging.INFO if state == "done" else logging.WARNING, "schedule %s: %s", entry.name, message)
        with self._changed:
            self._running = ""
            took = round((time.monotonic() - began) * 1000, 1)
            entry.last = LastRun(started_at=started.isoformat(), took_ms=took, state=state, message=message)
            entry.settled = _now()  # what came due meanwhile is made up for by this run
            self._save()

    def _outcome(self, entry: Entry) -> tuple[Literal["done", "failed"], str]:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                job = self._job(entry.job)
                options = self._options(job, entry.options)
                asked = msgspec.json.encode(entry.options, order="sorted").decode()
                with self._service.lease(("job", entry.job, asked)) as is_mine:
                    return "done", job.run(options) if is_mine else ELSEWHERE
            except NotReady as error:
                with self._changed:
                    if self._is_stopping or time.monotonic() > end:
                        return "failed", str(error)
                    self._changed.wait(error.retry_after)
            except MemoryServiceError as error:
                return "failed", str(error)
            except Exception as error:  # a plugin's job must not end the others
                log.exception("schedule %s failed", entry.name)
                return "failed", f"{type(error).__name__}: {error}"

    def _save(self) -> None:
        try:
            self._list.save([*self._entries.values()])
        except StoreError as error:
            log.warning("%s", error)

    def _fail(self, error: BaseException) -> None:
        self._problem = StoreError(
            f"the schedules have stopped: {type(error).__name__}: {error}; see the log"
        )


_OF_SETTINGS = (
    "schedule `{name}` is in the configuration (plugins.schedules.entries): change it there, and start the service "
    "again"
)


def _of_settings(settings: SchedulesSettings) -> dict[str, Entry]:
    zone_named(settings.zone, "plugins.schedules.zone")
    found: dict[str, Entry] = {}
    for number, given in enumerate(settings.entries):
        place = f"plugins.schedules.entries[{number}]"
        name = given.name or given.job
        if name in found:
            raise InvalidRequest(
                f"{place}: there is a schedule `{name}` already; give it a `name` of its own", place
            )
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name):
            raise InvalidRequest(
                f"{place}.name: at most 64 characters out of a-z, 0-9, `.`, `_` and `-`", place
            )
        zone = zone_named(given.zone or settings.zone, f"{place}.zone")
        next_after(given.cron, _now().astimezone(zone), f"{place}.cron")
        found[name] = Entry(
            name=name, job=given.job, cron=given.cron, zone=given.zone, options=given.options, by="settings",
            settled=_now(),
        )  # fmt: skip
    return found


def _now() -> datetime:
    return datetime.now(UTC)
