"""What a build has done so far, file by file; written by its threads, read by whoever asks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from threading import Lock
from typing import Literal

from msgspec import UNSET

from faiss_memory import DEFAULT_PROJECT, Rewriting
from faiss_memory_plugins.ingest.messages import (
    BuildAnswer,
    BuildProgress,
    BuildRequest,
    BuiltFile,
    MemoryCounts,
)

State = Literal["running", "done", "failed", "stopped"]
Phase = Literal["reading", "embedding", "done"]


class Report:
    """The state of one build."""

    def __init__(self, request: BuildRequest) -> None:
        self._request = request
        self._lock = Lock()
        self._files: dict[str, BuiltFile] = {}
        self._progress: tuple[Phase, int, int, str] = ("reading", 0, 0, "")
        self._began, self._started_at = time.monotonic(), datetime.now(UTC)
        self._took: float | None = None
        self._state: State = "running"
        self._message = "it runs"
        self._embedded = 0
        self._masked: set[str] = set()

    @property
    def project(self) -> str:
        """The project that is built."""
        return self._request.project or DEFAULT_PROJECT

    def note(self, file: BuiltFile) -> None:
        """Keep what became of a file."""
        with self._lock:
            self._files[file.file] = file

    def skip(self, file: str, reason: str) -> None:
        """Keep that a file was left out; the memories made of it before stay."""
        self.note(BuiltFile(file=file, outcome="skipped", reason=reason))

    def enter(self, phase: Phase, total: int) -> None:
        """Begin to count anew: so many files to read, or memories to embed."""
        with self._lock:
            self._progress = (phase, 0, total, "")

    def advance(self, count: int, file: str) -> None:
        """Count what is done, and say of which file."""
        with self._lock:
            phase, done, total, _ = self._progress
            self._progress = (phase, min(total, done + count), total, file)

    def note_rewriting(self, done: Rewriting) -> None:
        """Count passages that were embedded, and note which secrets were masked."""
        with self._lock:
            self._embedded += done.embedded
            self._masked.update(done.masked)

    def end(self, state: State, message: str = "") -> None:
        """Close the report; without a message its counts are told."""
        with self._lock:
            self._state, self._took = state, time.monotonic() - self._began
            self._message = message or self._summary()
            if state == "done":
                total = self._progress[2]
                self._progress = ("done", total, total, "")

    def _summary(self) -> str:
        counts: Counter[str] = Counter(file.outcome for file in self._files.values())
        outcomes = ("added", "changed", "kept", "removed", "skipped")
        files = ", ".join(f"{counts[outcome]} {outcome}" for outcome in outcomes)
        if self._request.dry_run:
            return f"Files that would be: {files}. Nothing was changed"
        masked = f"; masked: {', '.join(sorted(self._masked))}" if self._masked else ""
        return f"Files: {files}. {self._embedded} passages were embedded{masked}"

    def answer(self, *, with_files: bool) -> BuildAnswer:
        """Return how it stands."""
        with self._lock:
            files = self._files.values()
            outcomes = Counter(file.outcome for file in files)
            phase, done, total, file = self._progress
            took = time.monotonic() - self._began if self._took is None else self._took
            return BuildAnswer(
                success=self._state in ("running", "done"),
                state=self._state,
                message=self._message,
                project=self.project,
                sources=list(self._request.sources),
                dry_run=self._request.dry_run,
                started_at=self._started_at.isoformat(),
                took_ms=round(took * 1000, 1),
                added=outcomes["added"],
                kept=outcomes["kept"],
                changed=outcomes["changed"],
                removed=outcomes["removed"],
                skipped=outcomes["skipped"],
                memories=_memories(files),
                embedded=self._embedded,
                masked=sorted(self._masked) or UNSET,
                progress=BuildProgress(phase=phase, done=done, total=total, file=file),
                files=sorted(files, key=lambda each: each.file) if with_files else [],
            )


def _memories(files: Iterable[BuiltFile]) -> MemoryCounts:
    counts = MemoryCounts()
    for file in files:
        counts.added += file.added
        counts.kept += file.kept
        counts.removed += file.removed
    return counts
