"""Answering a hook: what it asks about, what is shown, what is counted."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from faiss_memory import (
    TRIAL_SESSION,
    HookDialect,
    MemoryNotFound,
    Note,
    NotReady,
    Service,
    Use,
    bucket_of,
    count_tokens,
    framed,
)
from faiss_memory_plugins.recall.choosing import digest_of, found_for, project_for
from faiss_memory_plugins.recall.events import Event, HookParams, HookRequest, read_event
from faiss_memory_plugins.recall.sessions import COUNTS, Sessions
from faiss_memory_plugins.recall.settings import RecallSettings
from faiss_memory_plugins.recall.summaries import keep_summary

SESSIONS_REMEMBERED = 200
FOUND = "found for this prompt"
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


class Recall:
    """Answers the hooks of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._opening = Lock()
        self._opened: Sessions | None = None
        self._previous = PreviousPrompts()

    @property
    def _sessions(self) -> Sessions:
        # Opened when it is first needed: by then the data folder is there, and is ours.
        with self._opening:
            if self._opened is None:
                self._opened = Sessions(self._service.settings.data_folder / "recall.db")
            return self._opened

    def answer(
        self, assistant: str, dialect: HookDialect, params: HookParams, request: HookRequest
    ) -> Mapping[str, Any]:
        """Give what the assistant adds to its context, in its own form; an empty object when nothing helps."""
        began = time.monotonic()
        event = read_event(request, dialect)
        # A hook is never worth waiting for: what is not ready yet is no help now.
        if event is None or not self._service.model_ready:
            return {}
        project = project_for(params.project, event.folder)
        try:
            if event.moment == "compacted":
                self._keep(assistant, project, event)
                return {}
            return self._show(assistant, dialect, project, event, began, params.within_ms / 1000)
        except NotReady:
            return {}

    def _show(
        self, assistant: str, dialect: HookDialect, project: str, event: Event, began: float, within: float
    ) -> Mapping[str, Any]:
        sessions, settings = self._sessions, self._service.settings.of(RecallSettings)
        with sessions.lock:
            if event.moment == "session start":
                sessions.forget_old()
                if event.forgotten:
                    sessions.forget(assistant, event.session)
            known = sessions.shown(assistant, event.session)
        if event.moment == "prompt":
            why, tokens = FOUND, settings.tokens
            key = (assistant, event.session)
            previous = self._previous.get(key) if event.session else ""
            notes, asked = found_for(self._service, project, event.text, previous, known)
            self._previous.put(key, asked)
        else:
            why, tokens = DIGEST, settings.digest_tokens
            notes = digest_of(self._service, project, event.session, known, event.forgotten)
        with sessions.lock:
            # Another hook of the same session may have shown some of it meanwhile.
            known = sessions.shown(assistant, event.session)
            notes = [note for note in notes if note.id not in known]
            text, shown = framed(notes, why, tokens, here=project)
            late = bool(shown) and time.monotonic() > began + within
            if not late:
                sessions.note_shown(assistant, event.session, [note.id for note in shown])
            if not event.session.startswith(TRIAL_SESSION):
                self._count(assistant, project, event, text, shown, late)
                self._note(assistant, project, event, [] if late else shown, began)
        return dialect.context(event.name, text) if shown and not late else {}

    def _note(self, assistant: str, project: str, event: Event, shown: Sequence[Note], began: float) -> None:
        """Count the hook, and each memory that it has shown, in the ledger of the records."""
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
            assistant=assistant, project=project, event=event.name, latency=bucket_of(time.monotonic() - began),
            tokens=sum(use.tokens for use in each),
        )  # fmt: skip
        self._service.note_uses([hook, *each])

    def _count(
        self, assistant: str, project: str, event: Event, text: str, shown: Sequence[Note], late: bool
    ) -> None:
        injected = bool(shown) and not late
        self._sessions.count(
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
        with self._sessions.lock:
            known = self._sessions.shown(assistant, event.session)
            self._sessions.count(assistant, project, event.name, fired=1)
        if self._service.settings.of(RecallSettings).keep_summaries:
            shown = []
            for memory_id in known:
                try:
                    shown.append(self._service.get(memory_id).text)
                except MemoryNotFound:
                    continue  # forgotten since
            keep_summary(self._service, project, event.session, event.text, shown)

    def ledger(self) -> Mapping[str, Any]:
        """Give every count, by assistant, project and event."""
        found: dict[str, Any] = {}
        for row in self._read_ledger() if self._exists() else []:
            counts = {name: row[name] for name in COUNTS}
            counts["last_fired"] = datetime.fromtimestamp(row["last_fired"], UTC).isoformat()
            found.setdefault(row["assistant"], {}).setdefault(row["project"], {})[row["event"]] = counts
        return found

    def forget_memories(self, ids: Sequence[int]) -> None:
        """Forget that memories were shown: they were corrected, or are gone."""
        if self._exists():
            with self._sessions.lock:
                self._sessions.forget_memories(ids)

    def _exists(self) -> bool:
        return self._opened is not None or (self._service.settings.data_folder / "recall.db").exists()

    def _read_ledger(self) -> list[dict[str, Any]]:
        with self._sessions.lock:
            return self._sessions.ledger()

    def close(self) -> None:
        """Close the file."""
        with self._opening:
            if self._opened is not None:
                self._opened.close()
                self._opened = None
