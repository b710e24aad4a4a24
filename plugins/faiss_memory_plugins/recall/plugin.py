"""The plugin: a call for each assistant that has hooks, those for the person, and refusing what was recalled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from faiss_memory import (
    Change,
    Draft,
    InvalidRequest,
    Memory,
    Rights,
    Route,
    SearchAnswer,
    SearchRequest,
    Service,
    holds_recalled,
    hookimpl,
)
from faiss_memory_plugins.recall.answering import Recall
from faiss_memory_plugins.recall.events import HookParams, HookRequest
from faiss_memory_plugins.recall.messages import (
    NeverAnswer,
    NeverFor,
    NeverRequest,
    OneMemory,
    PinAnswer,
    PinRequest,
    PreviewAnswer,
    PreviewRequest,
    RecallLogAnswer,
    RecallLogRequest,
)
from faiss_memory_plugins.recall.preview import preview
from faiss_memory_plugins.recall.settings import RecallSettings
from faiss_memory_plugins.recall.wishes import never, pin

REFUSED = "`{field}` holds notes that were recalled from this memory; store only what is new"


class RecallPlugin:
    """Joins recall to a service, which has a plugin of its own."""

    _recall: Recall | None = None

    @hookimpl
    def register_settings(self) -> type[RecallSettings]:
        """Hand in `plugins.recall`."""
        return RecallSettings

    @hookimpl
    def register_routes(self, service: Service) -> Sequence[Route]:
        """Hand in the calls that answer hooks, and those for the person."""
        recall = self._recall = Recall(service)
        hooks = [
            Route(
                method="POST",
                path=f"/adapters/{adapter.name}/hook",
                summary=f"Answer a hook of {adapter.title}",
                group="Assistants",
                params=HookParams,
                body=HookRequest,
                handler=partial(recall.answer, adapter.name, adapter.hook),
            )
            for adapter in service.assistants
            if adapter.hook is not None
        ]
        own = [*_of_prompts(service, recall), *_of_memories(service)]
        return [*hooks, *(replace(route, group="Recall") for route in own)]

    @hookimpl
    def before_add(self, drafts: list[Draft]) -> None:
        """Refuse what is in the memory already, in the form in which it was shown."""
        for number, draft in enumerate(drafts):
            if draft.origin is None and holds_recalled(draft.text):
                field = "text" if len(drafts) == 1 else f"memories[{number}].text"
                raise InvalidRequest(REFUSED.format(field=field), field)

    @hookimpl
    def before_change(self, changes: dict[int, Change]) -> None:
        """Refuse the same when it comes as a correction."""
        if any(change.text is not None and holds_recalled(change.text) for change in changes.values()):
            raise InvalidRequest(REFUSED.format(field="text"), "text")

    @hookimpl
    def memories_changed(self, memories: Sequence[Memory]) -> None:
        """Let what was corrected be shown again."""
        self._forget([memory.id for memory in memories])

    @hookimpl
    def memories_removed(self, ids: Sequence[int]) -> None:
        """Keep nothing of what is gone."""
        self._forget(ids)

    @hookimpl
    def memories_purged(self, ids: Sequence[int], texts: Collection[str]) -> None:
        """Let the log keep nothing of it."""
        if self._recall is not None:
            self._recall.purge(frozenset(ids), texts)

    @hookimpl
    def search_answered(self, request: SearchRequest, answer: SearchAnswer, rights: Rights) -> None:
        """Keep in the log what found nothing."""
        if self._recall is not None:
            self._recall.note_search(request, answer, rights.way or rights.by)

    def _forget(self, ids: Sequence[int]) -> None:
        if self._recall is not None:
            self._recall.forget_memories(ids)

    @hookimpl
    def register_stats(self) -> Mapping[str, Any]:
        """Show how often each hook was answered, and with how much."""
        ledger = {} if self._recall is None else self._recall.ledger()
        return {"recall": ledger} if ledger else {}

    @hookimpl
    def service_stopping(self) -> None:
        """Close the file."""
        if self._recall is not None:
            self._recall.close()


def _of_prompts(service: Service, recall: Recall) -> list[Route]:
    """Return the calls by which a person asks what prompts bring, and says what they are to bring."""
    return [
        Route(
            method="POST", path="/recall/preview", summary="Show what a prompt would bring, and what not",
            body=PreviewRequest, answer=PreviewAnswer, handler=partial(preview, service),
        ),
        Route(
            method="GET", path="/recall/log", summary="Show the last recalls, and searches that found nothing",
            params=RecallLogRequest, answer=RecallLogAnswer, handler=recall.log,
        ),
        Route(
            method="POST", path="/recall/pin", summary="Show a memory whenever a session begins, or no more",
            body=PinRequest, answer=PinAnswer, handler=partial(pin, service),
        ),
        Route(
            method="POST", path="/recall/never", summary="Do not show a memory for prompts like this one",
            body=NeverRequest, answer=NeverAnswer, handler=partial(never, service),
        ),
    ]  # fmt: skip


def _of_memories(service: Service) -> list[Route]:
    """Return the calls by which a person says the same of one memory, by its id."""
    return [
        Route(
            method="POST", path="/memory/{id}/pin", summary="Show a memory whenever a session begins",
            params=OneMemory, answer=PinAnswer,
            handler=lambda params, rights: pin(service, PinRequest(id=params.id), rights),
        ),
        Route(
            method="POST", path="/memory/{id}/unpin", summary="Show it no more whenever a session begins",
            params=OneMemory, answer=PinAnswer,
            handler=lambda params, rights: pin(service, PinRequest(id=params.id, pinned=False), rights),
        ),
        Route(
            method="POST", path="/memory/{id}/never", summary="Do not show it for prompts like this one",
            params=OneMemory, body=NeverFor, answer=NeverAnswer,
            handler=lambda params, body, rights: never(
                service, NeverRequest(id=params.id, prompt=body.prompt, forget=body.forget), rights
            ),
        ),
    ]  # fmt: skip
