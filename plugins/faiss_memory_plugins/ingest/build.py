"""One build: list, read and compare everything; then store what is new, a group of files at a time."""

from __future__ import annotations

import logging
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from threading import Event

from msgspec import UNSET

from faiss_memory import (
    BackgroundThread,
    Change,
    Conflict,
    Draft,
    InvalidRequest,
    MemoryServiceError,
    NotReady,
    Origin,
    Service,
    is_blank,
)
from faiss_memory_plugins.ingest.checkouts import Checkouts
from faiss_memory_plugins.ingest.documents import read_document
from faiss_memory_plugins.ingest.ignoring import Rules
from faiss_memory_plugins.ingest.listing import Entry, list_files
from faiss_memory_plugins.ingest.messages import BuildAnswer, BuildRequest, BuiltFile
from faiss_memory_plugins.ingest.planning import FilePlan, Orphans, plan_file
from faiss_memory_plugins.ingest.reading import Unreadable, read_text
from faiss_memory_plugins.ingest.report import Report
from faiss_memory_plugins.ingest.settings import IngestSettings
from faiss_memory_plugins.ingest.sources import Roots, Source

log = logging.getLogger("faiss_memory.ingest")

GROUP = 96
"""Memories that are embedded and stored at once."""
LANES = 2
"""Groups under way at once: while one is cut into passages or stored, the other keeps the model busy."""
SPARED = 20
"""So many memories may always be removed; more only if they are no more than half of a source's."""
FORGOTTEN_AT_ONCE = 500
MOST_DETAILS = 1000


class Stopped(NotReady):
    """The service stops before the build is done."""

    def __init__(self) -> None:
        super().__init__("the service is stopping; run the same build again, and it goes on where it is", 10)


class Build:
    """Brings the memories of some sources up to date. `start` begins it, `result` waits for its end."""

    def __init__(
        self,
        service: Service,
        request: BuildRequest,
        sources: Sequence[Source],
        roots: Roots,
        rules: Rules,
    ) -> None:
        self._service = service
        self._request = request
        self.sources = sources
        self._roots = roots
        self._rules = rules
        self.report = Report(request)
        self._stopping = Event()
        self._outcome: Future[None] = Future()
        self._entries: list[Entry] = []
        self._copies: dict[str, str] = {}
        """Files that are left out because they are read elsewhere, with the reason."""

    # Beginning and end.

    def collect(self) -> None:
        """List the files. Raises InvalidRequest when a source matches none: nothing has been changed then."""
        found: dict[str, Entry] = {}
        for number, source in enumerate(self.sources):
            entries = list(list_files(source, self._roots, self._rules, lambda _: self._go_on()))
            if not entries:
                field = f"sources[{number}]"
                raise InvalidRequest(
                    f"`{field}`: {source.given} matches no file; check the glob, and whether what should be in "
                    f"{source.root} is there. Nothing was changed.",
                    field,
                )
            for entry in entries:
                # What one source leaves out, another may name.
                if not entry.left_out or entry.path not in found:
                    found[entry.path] = entry
        self._copies = Checkouts().copies(path for path, entry in found.items() if not entry.left_out)
        self._entries = [
            Entry(path, self._copies[path]) if path in self._copies else entry
            for path, entry in found.items()
        ]

    def start(self, when_ended: Callable[[], None]) -> None:
        """Go on in the background; `when_ended` is called before `result` answers."""

        def run() -> None:
            try:
                self._build()
            except MemoryServiceError as error:
                self._end(when_ended, error)
            else:
                self._end(when_ended, None)

        BackgroundThread("build", run, lambda error: self._end(when_ended, error)).start()

    def result(self) -> BuildAnswer:
        """Wait until it has ended, and tell what it did. Raises what ended it."""
        self._outcome.result()
        return self.report.answer(with_files=True)

    def stop(self) -> None:
        """End it soon; what is stored stays."""
        self._stopping.set()

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise Stopped

    def _end(self, when_ended: Callable[[], None], error: BaseException | None) -> None:
        """Tell the outcome, to the report and to whoever waits for the result."""
        if error is None:
            self.report.end("done")
        else:
            self.report.end("stopped" if isinstance(error, Stopped) else "failed", str(error))
        when_ended()
        if error is None:
            self._outcome.set_result(None)
        else:
            self._outcome.set_exception(error)

    def _build(self) -> None:
        by_file, elsewhere = self._known()
        orphans = Orphans(self._orphans(by_file), elsewhere, cache(_is_elsewhere))
        plans = self._plans(by_file, orphans)
        gone = orphans.left if self._request.prune else {}
        self._check_removals(by_file, plans, gone)
        if self._request.dry_run:
            for plan in plans:
                self._note(plan)
        else:
            self._store_all(plans)
            self._forget([memory_id for ids in gone.values() for memory_id in ids])
        for file, ids in gone.items():
            reason = self._copies.get(file, UNSET)
            self.report.note(BuiltFile(file=file, outcome="removed", removed=len(ids), reason=reason))

    # What there is.

    def _known(self) -> tuple[dict[str, dict[int, Origin]], dict[int, Origin]]:
        """Return the memories that earlier builds made of these sources' files, by file, and those of other files."""
        by_file: dict[str, dict[int, Origin]] = {}
        elsewhere: dict[int, Origin] = {}
        covers = cache(lambda file: any(source.covers(file) for source in self.sources))
        for memory_id, origin in self._service.origins(self.report.project).items():
            if covers(origin.file):
                by_file.setdefault(origin.file, {})[memory_id] = origin
            else:
                elsewhere[memory_id] = origin
        return by_file, elsewhere

    def _orphans(self, by_file: Mapping[str, Mapping[int, Origin]]) -> dict[int, Origin]:
        """Find the memories whose file is gone, or left out as a copy. A file that cannot be seen is not gone."""
        listed = {entry.path for entry in self._entries} - self._copies.keys()
        orphans: dict[int, Origin] = {}
        for file, known in by_file.items():
            if file in listed:
                continue
            if file in self._copies or is_gone(file):
                orphans |= known
            else:
                self.report.skip(file, "it is there, but left out now; what was made of it before stays")
        return orphans

    # What is to be done.

    def _plans(self, by_file: Mapping[str, dict[int, Origin]], orphans: Orphans) -> list[FilePlan]:
        for entry in self._entries:
            if entry.left_out:
                self.report.skip(entry.path, entry.left_out)
        readable = [entry.path for entry in self._entries if not entry.left_out]
        self.report.enter("reading", len(readable))
        plans = []
        for path in readable:
            self._go_on()
            plan = self._plan(path, by_file.get(path, {}), orphans)
            if plan is not None:
                plan.forget_texts()
                plans.append(plan)
            self.report.advance(1, path)
        return plans

    def _plan(self, path: str, known: Mapping[int, Origin], orphans: Orphans) -> FilePlan | None:
        """Read a file and compare; None if it cannot be read, which the report then says."""
        try:
            found = read_text(path, self._roots, self._service.settings.of(IngestSettings).max_file_bytes)
        except Unreadable as error:
            self.report.skip(path, str(error))
            return None
        document = read_document(path, found.text)
        plan = plan_file(path, document, found.changed, self.report.project, known, orphans)
        self._leave_known(plan)
        if plan.is_empty:
            empty = "it is empty" if is_blank(found.text) else "it holds nothing but rules"
            self.report.skip(path, plan.note or empty)
            return None
        return plan

    def _leave_known(self, plan: FilePlan) -> None:
        """Leave out what is a memory here already, whichever way it came, and what was purged."""
        if named := [draft.uid for draft in plan.drafts if draft.uid is not None]:
            known = self._service.known(named)
            there = {
                uid: self._service.get(one.memory_id)
                for uid, one in known.items()
                if one.state == "there" and one.memory_id not in plan.gone
            }
            own = {uid: memory for uid, memory in there.items() if memory.project == self.report.project}
            plan.leave_known(known, own)

    def _check_removals(
        self,
        by_file: Mapping[str, Mapping[int, Origin]],
        plans: Iterable[FilePlan],
        gone: Mapping[str, Sequence[int]],
    ) -> None:
        """Raise Conflict when a source would lose most of its memories: its files may only be out of sight."""
        if self._request.prune == "force" or self._request.dry_run:
            return
        losses = {file: len(ids) for file, ids in gone.items() if file not in self._copies}
        losses |= {plan.file: plan.loss for plan in plans if plan.loss}
        for source in self.sources:
            total = sum(len(known) for file, known in by_file.items() if source.covers(file))
            lost = {file: count for file, count in losses.items() if source.covers(file)}
            if (count := sum(lost.values())) > SPARED and 2 * count > total:
                raise Conflict(
                    f"this would forget {count} of the {total} memories made of {source.given}, because what they "
                    "were made of is gone. Nothing was changed. If that is meant, build with prune: force",
                    "prune",
                    [f"{file} ({count})" for file, count in sorted(lost.items())][:MOST_DETAILS],
                )

    # Doing it.

    def _store_all(self, plans: Sequence[FilePlan]) -> None:
        for plan in plans:
            if plan.is_done:
                self._note(plan)
        waiting = [plan for plan in plans if not plan.is_done]
        self.report.enter("embedding", sum(plan.fresh for plan in waiting))
        running: deque[Future[None]] = deque()
        with ThreadPoolExecutor(LANES, "build") as pool:
            try:
                for group in _groups(waiting):
                    while len(running) >= LANES:
                        running.popleft().result()
                    self._go_on()
                    running.append(pool.submit(self._store, group))
                while running:
                    running.popleft().result()
            except BaseException:
                self._stopping.set()  # for the other lane
                raise

    def _store(self, group: Sequence[FilePlan]) -> None:
        """Read the files of a group again, and store what they say by now."""
        plans = [plan for old in group if (plan := self._plan(old.file, old.known, Orphans({}))) is not None]
        try:
            self._rewrite(plans)
        except InvalidRequest as error:
            # A limit or a plugin refuses one of them: the others must not suffer for it.
            if len(group) > 1:
                for plan in group:
                    self._store([plan])
                return
            self.report.skip(group[0].file, f"refused: {error}")
            return
        for plan in plans:
            self._note(plan)

    def _rewrite(self, plans: Sequence[FilePlan]) -> None:
        """Store what is new in pieces; with the last one everything that it replaces goes, in the same transaction."""
        drafts = [draft for plan in plans for draft in plan.drafts]
        changes = {memory_id: change for plan in plans for memory_id, change in plan.changes.items()}
        gone = [memory_id for plan in plans for memory_id in plan.gone]
        while len(drafts) > GROUP * 2:
            self._rewrite_now(drafts[:GROUP], {}, [])
            drafts = drafts[GROUP:]
        if drafts or changes or gone:
            self._rewrite_now(drafts, changes, gone)

    def _rewrite_now(self, drafts: list[Draft], changes: Mapping[int, Change], gone: Sequence[int]) -> None:
        while True:
            self._go_on()
            try:
                done = self._service.rewrite(list(drafts), changes, gone)
            except Stopped:
                raise
            except NotReady as error:
                # The model is still being loaded, or even compiled: a build has time.
                self._stopping.wait(error.retry_after)
            else:
                break
        self.report.note_rewriting(done)
        if drafts:
            self.report.advance(len(drafts), drafts[-1].origin.file if drafts[-1].origin else "")

    def _forget(self, ids: Sequence[int]) -> None:
        for start in range(0, len(ids), FORGOTTEN_AT_ONCE):
            self._rewrite_now([], {}, ids[start : start + FORGOTTEN_AT_ONCE])

    def _note(self, plan: FilePlan) -> None:
        self.report.note(
            BuiltFile(
                file=plan.file,
                outcome=plan.outcome,
                added=plan.fresh,
                kept=plan.kept,
                removed=len(plan.gone),
                reason=plan.note or UNSET,
            )
        )


def _groups(plans: Iterable[FilePlan]) -> Iterator[list[FilePlan]]:
    """Put files together until there is enough to embed at once."""
    group: list[FilePlan] = []
    size = 0
    for plan in plans:
        group.append(plan)
        size += plan.fresh
        if size >= GROUP or len(group) >= GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def _is_elsewhere(file: str) -> bool:
    """Return whether there is no such file any more, or only behind a link that was set in its place."""
    return is_gone(file) or os.path.realpath(file) != file


def is_gone(file: str) -> bool:
    """Return whether there is no such file any more, or a folder in its place; one that cannot be seen may be there."""
    try:
        return stat.S_ISDIR(os.lstat(file).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
