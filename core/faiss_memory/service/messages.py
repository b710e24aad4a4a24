"""Between records and messages: how a memory, a time and a place in a list are written in an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from msgspec import UNSET

from faiss_memory import schema
from faiss_memory.contracts.backups import LeftOut
from faiss_memory.contracts.store import Added, Purged
from faiss_memory.engine.engine import Found
from faiss_memory.memory import Draft, Filter, Memory, SearchResult

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def memory(record: Memory) -> schema.MemoryAnswer:
    """Write a memory."""
    return schema.MemoryAnswer(
        id=record.id,
        text=record.text,
        source=record.source,
        timestamp=time_text(record.timestamp),
        project=record.project,
        tags=list(record.tags),
        metadata=dict(record.metadata),
        supersedes=record.supersedes,
        superseded_by=record.superseded_by,
        uid=record.uid,
        by=record.by,
    )


def found_memory(result: SearchResult) -> schema.FoundMemory:
    """Write a search result; similarities are rounded to 4 places."""
    record, passage = result.memory, result.passage
    return schema.FoundMemory(
        id=record.id,
        text=record.text,
        source=record.source,
        similarity=None if result.similarity is None else round(result.similarity, 4),
        timestamp=time_text(record.timestamp),
        score=round(result.score, 6),
        relevance=None if result.relevance is None else round(result.relevance, 4),
        project=record.project,
        tags=list(record.tags),
        metadata=dict(record.metadata),
        uid=record.uid,
        by=record.by,
        passage=UNSET
        if passage is None
        else schema.PassageText(
            text=record.text[passage.start : passage.end], start=passage.start, end=passage.end
        ),
        superseded_by=UNSET if record.superseded_by is None else record.superseded_by,
    )


def search_answer(
    request: schema.SearchRequest, found: Found, where: Filter, seconds: float
) -> schema.SearchAnswer:
    """Write what a search has found."""
    return schema.SearchAnswer(
        query=request.query,
        results=[found_memory(result) for result in found.results],
        count=len(found.results),
        mode=request.mode,
        project=format_projects(where.projects),
        took_ms=round(seconds * 1000, 2),
        withheld=found.withheld,
        degraded=list(found.degraded) or UNSET,
    )


def closest_match(record: Memory, similarity: float) -> schema.ClosestMatch:
    """Write the nearest memory."""
    return schema.ClosestMatch(
        id=record.id, text=record.text, source=record.source, similarity=round(similarity, 4)
    )


def add_answer(added: Added, draft: Draft, twins: Sequence[Memory]) -> schema.AddAnswer:
    """Write what became of a draft; `twins` holds the memory that made it nothing new, if it may be shown."""
    if added.id is not None:
        return schema.AddAnswer(
            success=True, id=added.id, message="Memory added successfully", project=draft.project
        )
    which = f"Memory {twins[0].id}" if twins else "Another memory"
    similarity = added.twin[1] if added.twin else 0.0
    return schema.AddAnswer(
        success=False,
        id=None,
        message=f"{which} says nearly the same; nothing was added",
        project=draft.project,
        closest_match=closest_match(twins[0], similarity) if twins else UNSET,
    )


def purge_answer(done: Purged, missing: list[int], where: Filter, dry_run: bool) -> schema.PurgeAnswer:
    """Write what was purged."""
    proof = done.proof
    return schema.PurgeAnswer(
        success=True,
        ids=done.ids,
        count=len(done.ids),
        missing=missing,
        rewritten=done.rewritten,
        removed=done.removed,
        dry_run=dry_run,
        project=format_projects(where.projects),
        proof=UNSET if proof is None else schema.PurgeProof(**asdict(proof)),
    )


def left_out(ones: Sequence[LeftOut]) -> str:
    """Say in words what a restore does not bring back."""
    reasons = Counter(one.reason for one in ones)
    return ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))


def time_text(time: datetime) -> str:
    """Write a time as ISO 8601 in UTC, with its offset."""
    return time.astimezone(UTC).isoformat()


def format_projects(projects: Sequence[str] | None) -> str | list[str]:
    """Write which projects an answer is about."""
    if projects is None:
        return "*"
    return projects[0] if len(projects) == 1 else list(projects)


def to_cursor(record: Memory) -> str:
    """Write a memory's place in a list ordered by time: its microseconds since 1970 and its id."""
    return f"{(record.timestamp - _EPOCH) // _MICROSECOND}.{record.id}"


def from_cursor(cursor: str) -> tuple[datetime, int]:
    """Read a place in a list, in the form that the schema prescribes."""
    microseconds, memory_id = (int(part) for part in cursor.split("."))
    return _EPOCH + max(_FIRST, min(_LAST, microseconds)) * _MICROSECOND, memory_id
