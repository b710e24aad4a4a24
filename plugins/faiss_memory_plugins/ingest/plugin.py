"""The plugin: its calls, what it says of memories and their files, and its beginning and end with the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from faiss_memory import Change, Companion, Draft, Job, Origin, Route, Service, Settings, hookimpl
from faiss_memory_plugins.ingest.anchors import with_digests
from faiss_memory_plugins.ingest.builds import Builds
from faiss_memory_plugins.ingest.messages import BuildAnswer, BuildJob, BuildRequest, BuildsAnswer
from faiss_memory_plugins.ingest.outdated import outdated
from faiss_memory_plugins.ingest.settings import IngestSettings
from faiss_memory_plugins.ingest.watch.messages import (
    UnwatchAnswer,
    UnwatchRequest,
    WatchAnswer,
    WatchesAnswer,
    WatchRequest,
)
from faiss_memory_plugins.ingest.watch.watched import WatchedList
from faiss_memory_plugins.ingest.watch.watches import Watches


class Ingest:
    """Joins builds and watches to a service, which has a plugin of its own."""

    _builds: Builds | None = None
    _watches: Watches | None = None
    _watched: WatchedList | None = None
    _service: Service | None = None

    @hookimpl
    def register_settings(self) -> type[IngestSettings]:
        """Hand in `plugins.ingest`."""
        return IngestSettings

    @hookimpl
    def register_companions(self, settings: Settings) -> Sequence[Companion]:
        """Hand in the list of watched folders, so that it goes along with backups."""
        self._watched = WatchedList(settings)
        return (self._watched,)

    @hookimpl
    def register_routes(self, service: Service) -> Sequence[Route]:
        """Hand in the calls that begin and show builds and watches."""
        builds, watches = self._parts(service)
        return (
            Route(
                method="POST",
                path="/index/build",
                summary="Make memories of files and folders, or bring them up to date",
                group="Files",
                body=BuildRequest,
                answer=BuildAnswer,
                other_statuses={202: BuildAnswer},
                handler=builds.build,
            ),
            Route(
                method="GET",
                path="/index/build",
                summary="Show the builds that run, and the last one",
                group="Files",
                answer=BuildsAnswer,
                handler=builds.overview,
            ),
            *_of_watches(watches),
        )

    @hookimpl
    def find_outdated(self, service: Service, origins: Mapping[int, Origin]) -> Mapping[int, str]:
        """Return which memories their files do not say any more."""
        return outdated(service, origins)

    @hookimpl
    def before_add(self, drafts: list[Draft]) -> None:
        """Note what the files hold now that memories speak of."""
        if self._service is not None:
            settings = self._service.settings.of(IngestSettings)
            for place, draft in enumerate(drafts):
                prefix = "" if len(drafts) == 1 else f"memories[{place}]."
                drafts[place] = with_digests(draft, settings, prefix)

    @hookimpl
    def before_change(self, changes: dict[int, Change]) -> None:
        """Do the same for corrections."""
        if self._service is not None:
            settings = self._service.settings.of(IngestSettings)
            for memory_id, change in changes.items():
                changes[memory_id] = with_digests(change, settings)

    @hookimpl
    def register_jobs(self, service: Service) -> Sequence[Job]:
        """Hand in builds at set times."""
        builds = self._parts(service)[0]

        def build(options: BuildJob) -> str:
            request = BuildRequest(sources=options.sources, project=options.project, prune=options.prune)
            return builds.build(request)[1].message

        def check(options: BuildJob) -> None:
            for number, given in enumerate(options.sources):
                builds.source(given, f"options.sources[{number}]")

        summary = "Make memories of files and folders, or bring them up to date"
        return (Job(name="build", summary=summary, run=build, options=BuildJob, check=check),)

    @hookimpl
    def service_started(self, service: Service) -> None:
        """Begin to watch."""
        self._parts(service)[1].start()

    @hookimpl
    def service_stopping(self) -> None:
        """End what runs."""
        if self._builds is not None:
            self._builds.stop()
        if self._watches is not None:
            self._watches.stop()

    def _parts(self, service: Service) -> tuple[Builds, Watches]:
        if self._builds is None or self._watches is None:
            self._service = service
            self._builds = Builds(service)
            self._watches = Watches(service, self._builds, self._watched or WatchedList(service.settings))
        return self._builds, self._watches


def _of_watches(watches: Watches) -> Sequence[Route]:
    return (
        Route(
            method="POST",
            path="/index/watches",
            summary="Build a folder now, and whenever something in it changes",
            body=WatchRequest,
            answer=WatchAnswer,
            handler=watches.add,
        ),
        Route(
            method="GET",
            path="/index/watches",
            summary="Show the folders that build themselves",
            answer=WatchesAnswer,
            handler=watches.all,
        ),
        Route(
            method="DELETE",
            path="/index/watches",
            summary="Watch a folder no more",
            params=UnwatchRequest,
            answer=UnwatchAnswer,
            handler=watches.remove,
        ),
    )
