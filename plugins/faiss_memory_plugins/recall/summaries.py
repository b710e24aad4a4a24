"""The summary that an assistant makes of a session anyway, kept as a note for the session that it is of."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from faiss_memory import AddRequest, ForgetRequest, Rights, Service, cut_before_secret, without_frames
from faiss_memory_plugins.recall.choosing import SESSION_NOTE, SESSION_NOTES_KEPT, newest

_RUN = 3
"""Words that are compared at a time."""
_SENTENCE = re.compile(r"[^\n.!?]+[.!?]*\s*|\n+|[.!?]+\s*")


def keep_summary(
    service: Service, project: str, session: str, summary: str, shown: Collection[str], rights: Rights
) -> None:
    """Keep a summary, without what only repeats the texts that were shown; the oldest notes of the project go."""
    text = cut_before_secret(news_of(summary, shown), service.settings.limits.text_bytes // 4)
    if not text or not session:
        return
    service.add(
        AddRequest(
            text=text,
            source="session summary",
            project=project,
            tags=[SESSION_NOTE],
            metadata={"session": session},
        ),
        replace(rights, by="hook"),
    )
    kept = newest(service, project, SESSION_NOTE, rights, 10 * SESSION_NOTES_KEPT)
    if gone := [memory.id for memory in kept[SESSION_NOTES_KEPT:]]:
        service.forget(ForgetRequest(ids=gone), rights)


def news_of(summary: str, shown: Collection[str]) -> str:
    """Return the sentences that say something which none of the texts says in the same words, in the same order.

    Words are compared three at a time, so that it takes no longer than reading both once.
    """
    known = {part for text in shown for size in range(1, _RUN + 1) for part in _runs(_words(text), size)}
    kept = []
    for sentence in _SENTENCE.findall(without_frames(summary)):
        words = _words(sentence)
        if not words or not known.issuperset(_runs(words, min(len(words), _RUN))):
            kept.append(sentence)
    return re.sub(r"\n{3,}", "\n\n", "".join(kept)).strip()


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _runs(words: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    """Yield each so many words that follow each other."""
    return zip(*(words[start:] for start in range(size)), strict=False)
