"""Answering a hook: what it asks about, what is shown, what is counted."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock
from typing import Any, NamedTuple

from faiss_memory import (
    MOST_CHARACTERS,
    TRIAL_SESSION,
    HookDialect,
    InvalidRequest,
    MemoryNotFound,
    Note,
    NotReady,
    Rights,
    SearchAnswer,
    SearchRequest,
    Service,
    Use,
    bucket_of,
    count_tokens,
    framed,
    masked,
)
from faiss_memory_plugins.recall.choosing import digest_of, project_for
from faiss_memory_plugins.recall.database import Database
from faiss_memory_plugins.recall.events import Event, HookParams, HookRequest, read_event
from faiss_memory_plugins.recall.finding import Brought, brought_by
from faiss_memory_plugins.recall.log import RecallLog
from faiss_memory_plugins.recall.messages import (
    LoggedMemory,
    RecallLogAnswer,
    RecallLogEntry,
    RecallLogRequest,
)
from faiss_memory_plugins.recall.sessions import COUNTS, Sessions
from faiss_memory_plugins.recall.settings import RecallSettings
from faiss_memory_plugins.recall.suggesting import settled_in
from faiss_memory_plugins.recall.summaries import keep_summary

SESSIONS_REMEMBERED = 200
DIGEST = "kept for every session of this project"


class PreviousPrompts:
    """What was asked last in each session: in memory, and only of the latest sessions."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._prompts: OrderedDict[tuple[str, str], str] = OrderedDict()

    def get(self, key: tuple[str, str]) -> str:
        """Return what was asked last, empty where nothing is known."""
        with self._lock:
            return self._prompts.get(key, "")

    def put(self, key: tuple[str, str], prompt: str) -> None:
        """Remember what is asked now."""
        with self._lock:
            self._prompts[key] = prompt
            self._prompts.move_to_end(key)
            while len(self._prompts) > SESSIONS_REMEMBERED:
                self._prompts.popitem(last=False)

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._prompts.clear()


class _Kept(NamedTuple):
    """What `recall.db` holds."""

    database: Database
    sessions: Sessions
    log: RecallLog


class Recall:
    """Answers the hooks of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._opening = Lock()
        self._opened: _Kept | None = None
        self._previous = PreviousPrompts()
        self._settings = service.settings.of(RecallSettings)
        if not self._settings.log and self._exists():
            _ = self._kept  # which empties the log

    @property
    def _kept(self) -> _Kept:
        # Opened when it is first needed: by then the data folder is there, and is ours.
        with self._opening:
            if self._opened is None:
                database = Database(self._service.settings.data_folder / "recall.db")
                log = RecallLog(database, self._settings.log, self._service.settings.own_tokens)
                self._opened = _Kept(database, Sessions(database), log)
            return self._opened

    def answer(
        self, assistant: str, dialect: HookDialect, params: HookParams, request: HookRequest, rights: Rights
    ) -> Mapping[str, Any]:
        """Return what the assistant adds to its context, in its own form; an empty object when nothing helps."""
        began = time.monotonic()
        event = read_event(request, dialect)
        # A hook is never worth waiting for: what is not ready yet is no help now.
        if event is not None and event.moment == "stop":
            return self._suggested(dialect, event)
        if event is None or not (self._service.model_ready or event.moment == "session start"):
            return {}
        try:
            project = project_for(self._service, params.project, event.folder, rights)
            if masked(project) != project and self._service.settings.secrets != "off":
                raise InvalidRequest("`project` is what looks like a secret; give another one", "project")
            # (Nobody has a part in another one's session.)
            session = f"{event.session} {rights.actor}" if event.session and rights.actor else event.session
            event = replace(event, session=session, rights=rights)
            if event.moment == "compacted":
                self._keep(assistant, project, event)
                return {}
            return self._show(assistant, dialect, project, event, began, params)
        except NotReady:
            return {}

    def _suggested(self, dialect: HookDialect, event: Event) -> Mapping[str, Any]:
        """Return a word to the person about what of the last words could be stored; nothing is stopped or stored."""
        settled = settled_in(event.text) if self._settings.suggest and dialect.notice else ""
        return {dialect.notice: f"Worth keeping? {dialect.remember} {settled}"} if settled else {}

    def _show(
        self, assistant: str, dialect: HookDialect, project: str, event: Event, began: float, params: HookParams,
    ) -> Mapping[str, Any]:  # fmt: skip
        database, sessions, log = self._kept
        is_trial = event.session.startswith(TRIAL_SESSION)
        is_start = event.moment == "session start"
        # What was shown before is not in this context.
        is_apart = event.moment == "task" or (is_start and dialect.digest_stands_apart)
        with database.lock:
            if is_start:
                sessions.forget_old()
                if event.forgotten:
                    sessions.forget(assistant, event.session)
            known = frozenset() if is_apart else sessions.shown(assistant, event.session)
            begins = params.missed_start and event.moment == "prompt"
            begins = begins and not (is_trial or sessions.has_begun(assistant, event.session))
        brought = self._brought(assistant, project, event, known, begins)
        with database.lock:
            # Another hook of the same session may have shown some of it meanwhile.
            meanwhile = frozenset() if is_apart else sessions.shown(assistant, event.session)
            text, shown = _news(brought, meanwhile, project)
            seconds = time.monotonic() - began
            late = bool(shown) and seconds > params.within_ms / 1000
            if not late and event.moment != "task":
                sessions.note_shown(assistant, event.session, [note.id for note in shown])
            if not late and not is_trial and (begins or is_start):
                sessions.begin(assistant, event.session)
            if not is_trial:
                self._count(assistant, project, event, text, shown, late)
                self._note(assistant, project, event, brought[-1], [] if late else shown, seconds, late)
                log.note(_entry(assistant, project, event, brought[-1], shown, seconds, late))
        if late or not shown:
            return {}
        told = self._settings.tell and event.moment in ("prompt", "failure") and dialect.notice
        said = {dialect.notice: f"{counted(len(shown))} recalled"} if told else {}
        return {**_answered(dialect, event, text), **said}

    def _brought(
        self, assistant: str, project: str, event: Event, known: Collection[int], begins: bool
    ) -> Sequence[Brought]:
        """Find what an event brings; where a session `begins` with a prompt, first what any session begins with."""
        if event.moment == "session start":
            return [self._digest(project, event, known)]
        if event.moment != "prompt":
            return [brought_by(self._service, project, event.text, known=known, rights=event.rights)]
        first = [self._digest(project, event, known)] if begins else []
        known = {*known, *(note.id for one in first for note in one.notes)}
        key = (assistant, event.session)
        previous = self._previous.get(key) if event.session else ""
        brought = brought_by(self._service, project, event.text, previous, known, rights=event.rights)
        self._previous.put(key, brought.asked)
        return [*first, brought]

    def _digest(self, project: str, event: Event, known: Collection[int]) -> Brought:
        chosen = digest_of(self._service, project, event.session, known, event.forgotten, event.rights)
        tokens = self._settings.digest_tokens
        text, notes = framed(chosen, DIGEST, tokens, here=project)
        return Brought(notes=notes, text=text, why=DIGEST, tokens=tokens)

    def _note(
        self,
        assistant: str,
        project: str,
        event: Event,
        brought: Brought,
        shown: Sequence[Note],
        seconds: float,
        late: bool,
    ) -> None:
        """Count the hook, each memory that it has shown, and what it has not, in the ledger of the records."""
        each = [
            Use(
                assistant=assistant,
                project=note.project,
                event="shown",
                memory=note.id,
                tokens=count_tokens(note.text),
            )
            for note in shown
        ]
        hook = Use(
            assistant=assistant, project=project, event=event.name, latency=bucket_of(seconds),
            tokens=sum(use.tokens for use in each),
        )  # fmt: skip
        told = {
            "withheld": len(brought.withheld),
            "late": int(late),
            "nothing found": int(event.moment != "session start" and not (shown or late)),
        }
        beside = [
            Use(assistant=assistant, project=project, event=name, count=count)
            for name, count in told.items()
            if count
        ]
        self._service.note_uses([hook, *each, *beside])

    def _count(
        self, assistant: str, project: str, event: Event, text: str, shown: Sequence[Note], late: bool
    ) -> None:
        injected = bool(shown) and not late
        self._kept.sessions.count(
            assistant,
            project,
            event.name,
            fired=1,
            injected=int(injected),
            nothing=int(not shown),
            late=int(late),
            memories=len(shown) if injected else 0,
            tokens=count_tokens(text) if injected else 0,
        )

    def _keep(self, assistant: str, project: str, event: Event) -> None:
        database, sessions, _ = self._kept
        with database.lock:
            known = sessions.shown(assistant, event.session)
            sessions.count(assistant, project, event.name, fired=1)
        if self._settings.keep_summaries:
            shown = []
            for memory_id in known:
                try:
                    shown.append(self._service.get(memory_id, event.rights).text)
                except MemoryNotFound:
                    continue  # forgotten since
            keep_summary(self._service, project, event.session, event.text, shown, event.rights)

    def ledger(self) -> Mapping[str, Any]:
        """Return every count, by assistant, project and event."""
        found: dict[str, Any] = {}
        for row in self._read_ledger() if self._exists() else []:
            counts = {name: row[name] for name in COUNTS}
            counts["last_fired"] = datetime.fromtimestamp(row["last_fired"], UTC).isoformat()
            found.setdefault(row["assistant"], {}).setdefault(row["project"], {})[row["event"]] = counts
        return found

    def forget_memories(self, ids: Sequence[int]) -> None:
        """Forget that memories were shown: they were corrected, or are gone."""
        if self._exists():
            with self._kept.database.lock:
                self._kept.sessions.forget_memories(ids)

    def purge(self, ids: Collection[int], texts: Collection[str]) -> None:
        """Let go of prompts that hold a part of what is purged, and of what is known of these memories."""
        self._previous.clear()
        if self._exists():
            with self._kept.database.lock:
                self._kept.log.purge(ids, texts)

    def log(self, request: RecallLogRequest) -> RecallLogAnswer:
        """Show the last recalls, and searches that found nothing."""
        found: list[RecallLogEntry] = []
        if self._exists():
            with self._kept.database.lock:
                found = self._kept.log.entries(
                    request.limit, request.project, request.assistant, request.only
                )
        return RecallLogAnswer(recalls=found, count=len(found))

    def note_search(self, request: SearchRequest, answer: SearchAnswer, by: str) -> None:
        """Keep a search that has found nothing."""
        if answer.count or not self._settings.log:
            return
        entry = RecallLogEntry(
            assistant=by,
            project=answer.project if isinstance(answer.project, str) else next(iter(answer.project), "*"),
            event="search",
            prompt=request.query,
            shown=[],
            withheld=[],
            nothing=f"{answer.withheld} found were not relevant enough"
            if answer.withheld
            else "nothing was found",
            took_ms=answer.took_ms,
            late=False,
        )
        with self._kept.database.lock:
            self._kept.log.note(entry)

    def _exists(self) -> bool:
        return self._opened is not None or (self._service.settings.data_folder / "recall.db").exists()

    def _read_ledger(self) -> list[dict[str, Any]]:
        with self._kept.database.lock:
            return self._kept.sessions.ledger()

    def close(self) -> None:
        """Close the file."""
        with self._opening:
            if self._opened is not None:
                self._opened.database.close()
                self._opened = None


def counted(notes: int) -> str:
    """Return how many notes, in words."""
    return "1 note" if notes == 1 else f"{notes} notes"


def _news(brought: Sequence[Brought], shown: Collection[int], here: str) -> tuple[str, list[Note]]:
    """Return what was brought and not shown meanwhile, as one text that no assistant cuts, and its notes."""
    texts: list[str] = []
    notes: list[Note] = []
    for one in reversed(brought):  # the prompt's own before what any session begins with
        room = MOST_CHARACTERS - sum(len(text) + 1 for text in texts)
        left = [note for note in one.notes if note.id not in shown]
        text, fitted = framed(left, one.why, one.tokens, room, here=here)
        if text:
            texts.insert(0, text)
            notes = [*fitted, *notes]
    return "\n".join(texts), notes


def _answered(dialect: HookDialect, event: Event, text: str) -> Mapping[str, Any]:
    """Put a text where the assistant adds it to its context, or a subagent's task to its own."""
    if event.moment != "task" or dialect.tools is None:
        return dialect.context(event.name, text)
    return dialect.tools.changed(event.name, {**event.given, dialect.tools.task: f"{text}\n\n{event.text}"})


def _entry(
    assistant: str,
    project: str,
    event: Event,
    brought: Brought,
    shown: Sequence[Note],
    seconds: float,
    late: bool,
) -> RecallLogEntry:
    """Return what the log keeps of an answered hook."""
    withheld = [one for one in brought.found.values() if one.id in brought.withheld]
    return RecallLogEntry(
        assistant=assistant,
        project=project,
        event=event.name,
        prompt=event.text,
        shown=[LoggedMemory(id=note.id, relevance=_relevance(brought, note.id)) for note in shown],
        withheld=[
            LoggedMemory(id=one.id, relevance=one.relevance, why=brought.withheld[one.id]) for one in withheld
        ],
        nothing=brought.nothing,
        took_ms=round(1000 * seconds, 2),
        late=late,
    )


def _relevance(brought: Brought, memory_id: int) -> float | None:
    found = brought.found.get(memory_id)
    return None if found is None else found.relevance
