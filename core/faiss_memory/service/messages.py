"""Between records and messages: how a memory, a time and a place in a list are written in an answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from msgspec import UNSET, UnsetType

from faiss_memory import schema
from faiss_memory.analyzer import analyze_query
from faiss_memory.contracts.backups import LeftOut
from faiss_memory.contracts.store import Added, Purged
from faiss_memory.engine.found import Found
from faiss_memory.engine.relevance import terms_of
from faiss_memory.framing import clean_line, clean_text
from faiss_memory.memory import Draft, Evidence, Filter, Memory, Passage, SearchResult
from faiss_memory.novelty.differences import differences
from faiss_memory.novelty.known import Known
from faiss_memory.rights import Rights

T = TypeVar("T")
A = TypeVar("A", schema.AddAnswer, schema.AddBatchAnswer, schema.PatchAnswer)
_WORD = re.compile(r"[\w'.-]*\w")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def seen(record: Memory, rights: Rights) -> Memory:
    """Return a memory as one who asks is shown it: the person as it was stored, and one from outside made clean."""
    if not rights.is_outside:
        return record
    return replace(
        record,
        text=clean_text(record.text),
        source=clean_line(record.source),
        tags=tuple(clean_line(tag) for tag in record.tags),
        cues=tuple(clean_line(cue) for cue in record.cues),
        metadata=_clean(dict(record.metadata)),
    )


def seen_result(result: SearchResult, rights: Rights) -> SearchResult:
    """Return a search result as one who asks is shown it; its passage lies in the text that is shown."""
    passage, text = result.passage, result.memory.text
    if passage is not None and rights.is_outside:
        passage = Passage(*(len(clean_text(text[:place])) for place in passage))
    return replace(result, memory=seen(result.memory, rights), passage=passage)


def _clean(value: Any) -> Any:
    """Return a JSON value with every text in it made clean."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_line(name): _clean(part) for name, part in value.items()}
    return [_clean(part) for part in value] if isinstance(value, list | tuple) else value


def memory(record: Memory) -> schema.MemoryAnswer:
    """Write a memory."""
    return schema.MemoryAnswer(**memory_fields(record))


def memory_fields(record: Memory) -> dict[str, Any]:
    """Write what an answer that is about a memory has of it."""
    return {
        "id": record.id,
        "text": record.text,
        "source": record.source,
        "timestamp": time_text(record.timestamp),
        "project": record.project,
        "tags": list(record.tags),
        "cues": list(record.cues),
        "metadata": dict(record.metadata),
        "supersedes": record.supersedes,
        "superseded_by": record.superseded_by,
        "uid": record.uid,
        "by": record.by,
        "actor": record.actor,
        **_validity(record),
    }


def _validity(record: Memory) -> dict[str, Any]:
    """Write until when a memory is true, if anybody knows, and whether that is over."""
    ends = record.valid_until
    if ends is None:
        return {}
    return {"valid_until": time_text(ends), "state": "expired" if ends <= datetime.now(UTC) else UNSET}


def found_memory(result: SearchResult, explain: bool = False) -> schema.FoundMemory:
    """Write a search result, with what its relevance is judged by if asked; what is measured is rounded to 4 places."""
    record, passage, evidence = result.memory, result.passage, result.evidence
    return schema.FoundMemory(
        id=record.id,
        text=record.text,
        source=record.source,
        similarity=None if result.similarity is None else round(result.similarity, 4),
        timestamp=time_text(record.timestamp),
        score=round(result.score, 6),
        relevance=round(result.relevance, 4),
        project=record.project,
        tags=list(record.tags),
        cues=list(record.cues),
        metadata=dict(record.metadata),
        uid=record.uid,
        by=record.by,
        actor=record.actor,
        matched=result.matched or UNSET,
        passage=UNSET
        if passage is None
        else schema.PassageText(
            text=record.text[passage.start : passage.end], start=passage.start, end=passage.end
        ),
        superseded_by=UNSET if record.superseded_by is None else record.superseded_by,
        evidence=_evidence(evidence) if explain and evidence is not None else UNSET,
        why=_why(result) if explain else UNSET,
        **_validity(record),
    )


def _why(result: SearchResult) -> schema.WhyAnswer:
    record = result.memory
    held = terms_of(record, None).counts
    query = "" if result.evidence is None else result.evidence.query
    words = [word for word in _WORD.findall(query) if any(term in held for term in analyze_query(word))]
    start, end = result.passage or Passage(0, len(record.text))
    return schema.WhyAnswer(
        similarity=_rounded(result.similarity),
        words=list(dict.fromkeys(words)),
        passage=None
        if result.matched is None
        else schema.PassageText(text=record.text[start:end], start=start, end=end),
        cue=None if result.cue is None or result.cue >= len(record.cues) else record.cues[result.cue],
        legs=schema.LegScores(semantic=_rounded(result.semantic), keyword=_rounded(result.keyword)),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _evidence(given: Evidence) -> schema.EvidenceAnswer:
    return schema.EvidenceAnswer(
        query=given.query,
        similarity=round(given.similarity, 4),
        words=round(given.words, 4),
        generic=round(given.generic, 4),
        specific=round(given.specific, 4),
        memories=given.memories,
        has_cues=given.has_cues,
    )


def search_answer(
    request: schema.SearchRequest, found: Found, where: Filter, rights: Rights, seconds: float
) -> schema.SearchAnswer:
    """Write what a search has found."""
    return schema.SearchAnswer(
        query=request.query,
        results=[found_memory(seen_result(result, rights), request.explain) for result in found.results],
        count=len(found.results),
        mode=request.mode,
        project=format_projects(where.projects, request.project),
        took_ms=round(seconds * 1000, 2),
        metric=found.metric,
        withheld=found.withheld,
        degraded=list(found.degraded) or UNSET,
    )


def closest_match(record: Memory, similarity: float) -> schema.ClosestMatch:
    """Write the nearest memory."""
    return schema.ClosestMatch(
        id=record.id, text=record.text, source=record.source, similarity=round(similarity, 4)
    )


def novel_answer(
    found: Known | None, request: schema.NovelRequest, projects: Sequence[str] | None, rights: Rights
) -> schema.NovelAnswer:
    """Write how far a text is known."""
    match = found and closest_match(seen(found.closest.memory, rights), found.closest.similarity)
    is_near = match is not None and match.similarity >= request.threshold
    return schema.NovelAnswer(
        is_novel=not is_near,
        closest_match=match,
        project=format_projects(projects, request.project),
        differs_in=(found.differs_in if found and is_near else []) or UNSET,
    )


def with_masked(answer: A, kinds: Sequence[str]) -> A:
    """Return an answer that tells which kinds of secrets were masked, if any were."""
    if kinds:
        answer.masked = list(kinds)
    return answer


def add_answer(added: Added, draft: Draft, twins: Sequence[Memory]) -> schema.AddAnswer:
    """Write what became of a draft; `twins` holds the memory that it is nearly the same as, if it may be shown."""
    if added.id is not None and added.twin is not None and twins:
        (twin,) = twins
        differs_in = differences(draft.text, twin.text)
        return schema.AddAnswer(
            success=True,
            id=added.id,
            message=f"Memory added. It says nearly the same as memory {twin.id}, but: {'; '.join(differs_in)}. If it "
            f'replaces that one, forget memory {twin.id}; "supersedes": {twin.id} in an add keeps both and says so',
            project=draft.project,
            closest_match=closest_match(twin, added.twin[1]),
            differs_in=differs_in,
        )
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


def add_batch_answer(added: Sequence[Added], drafts: Sequence[Draft]) -> schema.AddBatchAnswer:
    """Write what became of several drafts."""
    ids = [one.id for one in added]
    count = sum(memory_id is not None for memory_id in ids)
    left_out = len(ids) - count
    message = f"{count} memories added successfully"
    if left_out:
        message += f"; {left_out} left out, because nearly the same is stored"
    return schema.AddBatchAnswer(
        success=True,
        ids=ids,
        count=count,
        message=message,
        project=format_projects(tuple(sorted({draft.project for draft in drafts}))),
    )


def history_answer(chain: Sequence[Memory], rights: Rights) -> schema.HistoryAnswer:
    """Describe a memory and what it superseded, the newest first, as one with such rights sees them."""
    shown = [memory(seen(one, rights)) for one in chain]
    return schema.HistoryAnswer(memories=shown, count=len(shown), project=chain[0].project)


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
    """Return in words what a restore does not bring back."""
    reasons = Counter(one.reason for one in ones)
    return ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))


def time_text(time: datetime) -> str:
    """Write a time as ISO 8601 in UTC, with its offset."""
    return time.astimezone(UTC).isoformat()


def format_projects(
    projects: Sequence[str] | None, asked: str | Sequence[str] | None = None
) -> str | list[str]:
    """Write which projects an answer is about; where it is about none that there is, those that were asked for."""
    if projects is None:
        return "*"
    if not projects and asked is not None:
        return asked if isinstance(asked, str) else list(asked)
    return projects[0] if len(projects) == 1 else list(projects)


def to_cursor(record: Memory) -> str:
    """Write a memory's place in a list ordered by time: its microseconds since 1970 and its id."""
    return f"{(record.timestamp - _EPOCH) // _MICROSECOND}.{record.id}"


def from_cursor(cursor: str) -> tuple[datetime, int]:
    """Read a place in a list, in the form that the schema prescribes."""
    microseconds, memory_id = (int(part) for part in cursor.split("."))
    return _EPOCH + max(_FIRST, min(_LAST, microseconds)) * _MICROSECOND, memory_id


def or_none(value: T | UnsetType) -> T | None:
    """Return what a field of a request was given; None if nothing."""
    return None if isinstance(value, UnsetType) else value
