"""What a prompt would bring now, at the beginning of a session: for people, and counted nowhere."""

from __future__ import annotations

import time
from typing import Any

from msgspec import UNSET

from faiss_memory import DEFAULT_PROJECT, FoundMemory, Note, Rights, Service
from faiss_memory_plugins.recall.choosing import note
from faiss_memory_plugins.recall.finding import Brought, brought_by
from faiss_memory_plugins.recall.messages import PreviewAnswer, PreviewRequest, RecalledMemory, WithheldMemory

MOST_WITHHELD = 20


def preview(service: Service, request: PreviewRequest, rights: Rights) -> PreviewAnswer:
    """Show what a prompt would bring, what is withheld and why."""
    began = time.monotonic()
    project = request.project or DEFAULT_PROJECT
    bar = service.settings.min_relevance if request.min_relevance is None else request.min_relevance
    brought = Brought(nothing="the model is not ready yet")
    if service.model_ready:
        brought = brought_by(
            service, project, request.prompt, request.previous, most=request.k, bar=bar, rights=rights
        )
    withheld = [one for one in brought.found.values() if one.id in brought.withheld]
    return PreviewAnswer(
        project=project,
        queries=list(brought.queries),
        bar=bar,
        shown=[RecalledMemory(**_told(one, brought.found[one.id])) for one in brought.notes],
        withheld=[
            WithheldMemory(**_told(note(one, rights, passage=True), one), why=brought.withheld[one.id])
            for one in withheld[:MOST_WITHHELD]
        ],
        text=brought.text if brought.notes else "",
        nothing=brought.nothing,
        took_ms=round(1000 * (time.monotonic() - began), 2),
    )


def _told(shown: Note, found: FoundMemory) -> dict[str, Any]:
    return {
        "id": shown.id,
        "text": shown.text,
        "date": shown.date,
        "source": shown.source,
        "project": shown.project,
        "tags": found.tags,
        "relevance": found.relevance,
        "evidence": None if found.evidence is UNSET else found.evidence,
    }
