"""The builds of a running service: no two of one source at once, and what the last one did."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from threading import Lock

from faiss_memory import Conflict, Service
from faiss_memory_plugins.ingest import sources
from faiss_memory_plugins.ingest.build import Build, Stopped
from faiss_memory_plugins.ingest.ignoring import Rules
from faiss_memory_plugins.ingest.messages import BuildAnswer, BuildRequest, BuildsAnswer
from faiss_memory_plugins.ingest.settings import IngestSettings


class Builds:
    """Begins builds, and ends them with the service. Raises InvalidRequest when the settings are not understood."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.rules = Rules.of(service.settings)
        self._lock = Lock()
        self._running: list[Build] = []
        self._last: Build | None = None
        self._stopping = False

    def build(self, request: BuildRequest) -> tuple[int, BuildAnswer]:
        """Build, and give the status and the answer: 200 when it is done, 202 when it goes on.

        Raises InvalidRequest, NotAllowed, Conflict, and what the service raises.
        """
        parsed = [self.source(given, f"sources[{n}]") for n, given in enumerate(request.sources)]
        build = Build(self._service, request, parsed, self.roots, self.rules)
        self._enter(build)
        lease = ExitStack()
        try:
            names = [("build", build.report.project, *Path(source.root).parts) for source in parsed]
            if not lease.enter_context(self._service.lease(*names)):
                raise Conflict(
                    "another service over the same store is building this; try again later", "sources"
                )
            build.collect()
            build.start(lambda: self._leave(build, lease, keep=True))
        except BaseException:
            self._leave(build, lease, keep=False)
            raise
        if request.wait:
            return 200, build.result()
        return 202, build.report.answer(with_files=False)

    @property
    def roots(self) -> sources.Roots:
        """The folders that may be read, their links as they are now."""
        return sources.Roots.of(self._service.settings.of(IngestSettings).roots)

    def source(self, given: str, field: str) -> sources.Source:
        """Read a source. Raises InvalidRequest, which names the field, and NotAllowed outside the roots."""
        return sources.parse(given, self.roots, field)

    def overview(self) -> BuildsAnswer:
        """Return the builds that run, and the one that ended last."""
        with self._lock:
            running, last = list(self._running), self._last
        return BuildsAnswer(
            running=[build.report.answer(with_files=False) for build in running],
            last=None if last is None else last.report.answer(with_files=True),
        )

    def stop(self) -> None:
        """End what runs; the same build, run again, goes on from there."""
        with self._lock:
            self._stopping = True
            running = list(self._running)
        for build in running:
            build.stop()

    def _enter(self, build: Build) -> None:
        with self._lock:
            if self._stopping:
                raise Stopped
            for other in self._running:
                both = ((one, two) for one in build.sources for two in other.sources if one.overlaps(two))
                if other.report.project == build.report.project and (met := next(both, None)) is not None:
                    raise Conflict(
                        f"{met[1].given} is being built already; GET /index/build shows how far it is",
                        "sources",
                    )
            self._running.append(build)

    def _leave(self, build: Build, lease: ExitStack, *, keep: bool) -> None:
        lease.close()
        with self._lock:
            self._running.remove(build)
            if keep:
                self._last = build
