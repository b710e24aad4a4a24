"""The plugin: its calls, and its beginning and end with the service."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory import Companion, Route, Service, Settings, hookimpl
from faiss_memory_plugins.schedules.entries import EntryList
from faiss_memory_plugins.schedules.keeper import Keeper
from faiss_memory_plugins.schedules.messages import (
    OneSchedule,
    ScheduleAnswer,
    ScheduleRequest,
    SchedulesAnswer,
    UnscheduleAnswer,
)
from faiss_memory_plugins.schedules.settings import SchedulesSettings


class Schedules:
    """Joins schedules to a service, which has a plugin of its own."""

    _keeper: Keeper | None = None
    _entries: EntryList | None = None

    @hookimpl
    def register_settings(self) -> type[SchedulesSettings]:
        """Hand in `plugins.schedules`."""
        return SchedulesSettings

    @hookimpl
    def register_companions(self, settings: Settings) -> Sequence[Companion]:
        """Hand in the list, so that it goes along with backups."""
        self._entries = EntryList(settings)
        return (self._entries,)

    @hookimpl
    def register_routes(self, service: Service) -> Sequence[Route]:
        """Hand in the calls that schedule jobs."""
        keeper = self._kept(service)
        return (
            Route(
                method="POST", path="/schedules", summary="Do a job again and again, at set times",
                body=ScheduleRequest, answer=ScheduleAnswer, handler=keeper.add,
            ),
            Route(
                method="GET", path="/schedules", summary="Show what is done when, and how it ended the last time",
                answer=SchedulesAnswer, handler=keeper.all,
            ),
            Route(
                method="DELETE", path="/schedules/{name}", summary="Do a job no more",
                params=OneSchedule, answer=UnscheduleAnswer, handler=keeper.remove,
            ),
            Route(
                method="POST", path="/schedules/{name}/run", summary="Do a scheduled job now",
                params=OneSchedule, answer=ScheduleAnswer, handler=keeper.run_now,
            ),
        )  # fmt: skip

    @hookimpl
    def service_started(self, service: Service) -> None:
        """Begin to keep the time."""
        self._kept(service).start()

    @hookimpl
    def service_stopping(self) -> None:
        """Begin nothing more."""
        if self._keeper is not None:
            self._keeper.stop()

    def _kept(self, service: Service) -> Keeper:
        if self._keeper is None:
            self._keeper = Keeper(service, self._entries or EntryList(service.settings))
        return self._keeper
