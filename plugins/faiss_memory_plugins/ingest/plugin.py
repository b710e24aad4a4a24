"""The plugin: its two calls, what it says of stale memories, and its end with the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from faiss_memory import Origin, Route, Service, hookimpl
from faiss_memory_plugins.ingest.builds import Builds
from faiss_memory_plugins.ingest.messages import BuildAnswer, BuildRequest, BuildsAnswer
from faiss_memory_plugins.ingest.outdated import outdated
from faiss_memory_plugins.ingest.settings import IngestSettings


class Ingest:
    """Joins builds to a service, which has a plugin of its own."""

    _builds: Builds | None = None

    @hookimpl
    def register_settings(self) -> type[IngestSettings]:
        """Hand in `plugins.ingest`."""
        return IngestSettings

    @hookimpl
    def register_routes(self, service: Service) -> Sequence[Route]:
        """Hand in the calls that begin and show builds."""
        builds = self._builds = Builds(service)
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
        )

    @hookimpl
    def find_outdated(self, service: Service, origins: Mapping[int, Origin]) -> Mapping[int, str]:
        """Return which memories their files do not say any more."""
        return outdated(service, origins)

    @hookimpl
    def service_stopping(self) -> None:
        """End what runs."""
        if self._builds is not None:
            self._builds.stop()
