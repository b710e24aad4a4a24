"""The summary that an assistant makes of a session anyway, kept as a note for the session that it is of."""

from __future__ import annotations

import re
from collections.abc import Collection

from faiss_memory import AddRequest, ForgetRequest, Service, without_frames
from faiss_memory_plugins.recall.choosing import SESSION_NOTE, SESSION_NOTES_KEPT, newest

_SENTENCE = re.compile(r"[^\n.!?]+[.!?]*\s*|\n+|[.!?]+\s*")


def keep_summary(service: Service, project: str, session: str, summary: str, shown: Collection[str]) -> None:
    """Keep a summary, without what only repeats the texts that were shown; the oldest notes of the project go."""
    text = news_of(summary, shown)[: service.settings.limits.text_bytes // 4]
    if not text or not session:
        return
    service.add(
        AddRequest(
            text=text,
            source="session summary",
            project=project,
            tags=[SESSION_NOTE],
            metadata={"session": session},
        )
    )
    kept = newest(service, project, SESSION_NOTE, 10 * SESSION_NOTES_KEPT)
    if gone := [memory.id for memory in kept[SESSION_NOTES_KEPT:]]:
        service.forget(ForgetRequest(ids=gone))


def news_of(summary: str, shown: Collection[str]) -> str:
    """Leave out the sentences that say what one of the texts says."""
    known = [_plain(text) for text in shown]
    kept = []
    for sentence in _SENTENCE.findall(without_frames(summary)):
        plain = _plain(sentence)
        if not plain or not any(plain in text for text in known):
            kept.append(sentence)
    return re.sub(r"\n{3,}", "\n\n", "".join(kept)).strip()


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
