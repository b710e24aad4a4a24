"""All watched folders of a running service: those that somebody has added, and those of the settings."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from threading import Lock

from faiss_memory import DEFAULT_PROJECT, Conflict, InvalidRequest, MemoryNotFound, Service, StoreError
from faiss_memory_plugins.ingest.builds import Builds
from faiss_memory_plugins.ingest.settings import IngestSettings
from faiss_memory_plugins.ingest.sources import check_form
from faiss_memory_plugins.ingest.watch.messages import (
    UnwatchAnswer,
    UnwatchRequest,
    WatchAnswer,
    WatchesAnswer,
    WatchRequest,
)
from faiss_memory_plugins.ingest.watch.mounts import mount_of, mounted_in
from faiss_memory_plugins.ingest.watch.watched import MOST, Watched, WatchedList, merged
from faiss_memory_plugins.ingest.watch.watcher import Watcher

log = logging.getLogger("faiss_memory.ingest")

STOP_SECONDS = 2.0


class Watches:
    """Begins and ends watches; they run from `start` to `stop`."""

    def __init__(self, service: Service, builds: Builds, watched: WatchedList) -> None:
        self._service, self._builds, self._list = service, builds, watched
        self._turn = Lock()
        self._lock = Lock()
        self._watchers: list[Watcher] = []
        self._problem: StoreError | None = None
        self._is_stopping = False

    def start(self) -> None:
        """Begin with what is in the list and in the settings."""
        with self._lock:
            try:
                known = self._list.load()
            except StoreError as error:
                log.error("%s", error)
                known, self._problem = [], error
            asked = [os.path.realpath(os.path.expanduser(path)) for path in self._settings.watch.folders]
            by_settings = {each.path: each for each in known if each.by == "settings"}
            watched = [each for each in known if each.by == "add"]
            watched += [by_settings.get(path) or _named(path) for path in dict.fromkeys(asked)]
            if watched != known and self._problem is None:
                self._list.save(watched)
            self._watchers = [self._watcher(each) for each in watched]
            for watcher in self._watchers:
                watcher.start()
            self._list.in_use = self._take_over

    def _take_over(self, restored: Sequence[Watched], is_own: bool) -> Sequence[str]:
        with self._lock:
            if self._problem is not None:
                raise self._problem
            present = [each.watched for each in self._watchers]
            found, left = merged(present, restored, self._builds.roots, is_own=is_own)
            self._list.save(found)
            fresh = [self._watcher(each) for each in found[len(present) :]]
            self._watchers += fresh
            if not self._is_stopping:
                for watcher in fresh:
                    watcher.start()
        return left

    def stop(self) -> None:
        """End all of them; the list stays."""
        with self._lock:
            self._is_stopping = True
            for watcher in self._watchers:
                watcher.stop()
        for watcher in self._watchers:
            watcher.join(STOP_SECONDS)

    def add(self, request: WatchRequest) -> WatchAnswer:
        """Watch a folder, beginning with a build; one that is watched is begun anew, on whatever it lies on now.

        Raises InvalidRequest, NotAllowed, Conflict and StoreError.
        """
        source = self._builds.source(request.path, "path")
        if source.pattern or not os.path.isdir(source.root):
            raise InvalidRequest(
                f"`path`: {request.path} is no folder; watch the folder that holds what you mean", "path"
            )
        project = request.project or DEFAULT_PROJECT
        watched = Watched(
            path=source.root,
            project=project,
            volume=mount_of(source.root).identity,
            inside=mounted_in(source.root),
        )
        with self._lock:
            if self._problem is not None:
                raise self._problem
            before = [each for each in self._watchers if _is(each, source.root, project)]
            if any(each.watched.by == "settings" for each in before):
                watched.by = "settings"
            others = [each for each in self._watchers if each not in before]
            if len(others) >= MOST:
                raise Conflict(f"{MOST} folders are watched, which is the most; watch one above them", "path")
            self._list.save([*(each.watched for each in others), watched])
            for each in before:
                each.stop()
            watcher = self._watcher(watched)
            self._watchers = [*others, watcher]
            answer = watcher.answer()  # before it begins, so that it is the same each time
            if not self._is_stopping:
                watcher.start()
        return answer

    def remove(self, request: UnwatchRequest) -> UnwatchAnswer:
        """Watch a folder no more. Raises MemoryNotFound, Conflict and StoreError."""
        path = os.path.expanduser(request.path)
        check_form(request.path, path, "path")
        path = os.path.realpath(path)
        with self._lock:
            found = [each for each in self._watchers if _is(each, path, request.project)]
            if not found:
                known = ", ".join(each.watched.path for each in self._watchers) or "none"
                raise MemoryNotFound(f"{request.path} is not watched; watched are {known}", "path")
            if any(each.watched.by == "settings" for each in found):
                raise Conflict(
                    f"{path} is watched because the configuration says so: take it out of plugins.ingest.watch.folders "
                    "and start the service again",
                    "path",
                )
            left = [each for each in self._watchers if each not in found]
            self._list.save([each.watched for each in left])
            self._watchers = left
            for each in found:
                each.stop()
        return UnwatchAnswer(
            success=True,
            path=path,
            projects=[each.watched.project or "" for each in found],
            message="It is watched no more; what was built of it stays",
        )

    def all(self) -> WatchesAnswer:
        """Return how each of them is. Raises StoreError if the list cannot be read."""
        with self._lock:
            if self._problem is not None:
                raise self._problem
            answers = [watcher.answer() for watcher in self._watchers]
        return WatchesAnswer(watches=sorted(answers, key=lambda each: each.path), count=len(answers))

    @property
    def _settings(self) -> IngestSettings:
        return self._service.settings.of(IngestSettings)

    def _watcher(self, watched: Watched) -> Watcher:
        return Watcher(self._service, self._builds, watched, self._turn, self._save)

    def _save(self) -> None:
        with self._lock:
            if self._problem is None:
                self._list.save([each.watched for each in self._watchers])


def _named(path: str) -> Watched:
    """Return what the settings name for the first time."""
    return Watched(path=path, by="settings", volume=mount_of(path).identity if os.path.isdir(path) else "")


def _is(watcher: Watcher, path: str, project: str | None) -> bool:
    return watcher.watched.path == path and project in (None, watcher.watched.project)
