"""From a request to a memory that is not stored yet: what limits and rights allow of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from msgspec import UNSET

from faiss_memory import schema
from faiss_memory.contracts.anchors import ANCHORS
from faiss_memory.errors import InvalidRequest, NotAllowed
from faiss_memory.memory import FOREVER, Change, Draft, Metadata
from faiss_memory.rights import Rights
from faiss_memory.schema.letters import check_no_nul, whole
from faiss_memory.schema.limits import check_cues, check_metadata, check_tags, check_text, check_time
from faiss_memory.service.messages import or_none
from faiss_memory.service.vocabulary import Vocabulary
from faiss_memory.settings import Limits

P = TypeVar("P", Draft, Change)


def draft_of(memory: schema.NewMemory, prefix: str, rights: Rights, limits: Limits) -> Draft:
    """Return what is to be stored; `prefix` leads the names of fields in errors. Raises InvalidRequest."""
    project = rights.to_write(memory.project, f"{prefix}project")
    for field in ("if_novel", "supersedes"):
        if getattr(memory, field) is not None:
            rights.check_compared(project, f"{prefix}{field}")
    check_text(memory.text, limits.text_bytes, f"{prefix}text", "text_bytes")
    check_metadata(memory.metadata, limits.metadata_bytes, f"{prefix}metadata")
    _check_anchors(memory.metadata, f"{prefix}metadata", rights)
    _check_no_nul(memory, prefix)
    return Draft(
        text=memory.text,
        project=project,
        source=memory.source,
        tags=check_tags(memory.tags, limits.tags, f"{prefix}tags"),
        cues=check_cues(memory.cues, limits.cues, f"{prefix}cues"),
        metadata=memory.metadata,
        timestamp=check_time(memory.timestamp, f"{prefix}timestamp"),
        valid_until=check_time(memory.valid_until, f"{prefix}valid_until"),
        supersedes=memory.supersedes,
        if_novel=memory.if_novel,
        by=rights.by,
        actor=rights.actor or None,
    )


def change_of(
    request: schema.PatchRequest, project: str, vocabulary: Vocabulary, rights: Rights, limits: Limits
) -> Change:
    """Return what is to be corrected in a memory of a project. Raises InvalidRequest."""
    if request.forever and request.valid_until is not UNSET:
        raise InvalidRequest(
            "`forever` takes away what `valid_until` gives: leave one of them out", "forever"
        )
    _check_anchors(or_none(request.metadata) or {}, "metadata", rights)
    tags = None
    if request.tags is not UNSET:
        tags = check_tags(vocabulary.tags(request.tags, (project,), rights), limits.tags, "tags")
    return Change(
        text=or_none(request.text),
        source=or_none(request.source),
        tags=tags,
        cues=None if request.cues is UNSET else check_cues(request.cues, limits.cues, "cues"),
        metadata=or_none(request.metadata),
        timestamp=check_time(or_none(request.timestamp), "timestamp"),
        valid_until=FOREVER if request.forever else check_time(or_none(request.valid_until), "valid_until"),
    )


def _check_anchors(metadata: Metadata, field: str, rights: Rights) -> None:
    """Check that nobody but the person names files of this machine. Raises NotAllowed."""
    if ANCHORS in metadata and not rights.is_person:
        field = f"{field}.{ANCHORS}"
        raise NotAllowed(
            f"`{field}` names files of this machine, which only its person may: leave it out", field
        )


def check_limits(part: Draft | Change, limits: Limits) -> None:
    """Check what does not come by a request, such as a part of a file. Raises InvalidRequest."""
    if part.text is not None:
        check_text(part.text, limits.text_bytes, "text", "text_bytes")
    if part.metadata is not None:
        check_metadata(part.metadata, limits.metadata_bytes, "metadata")
    check_tags(part.tags or (), limits.tags, "tags")
    check_cues(part.cues or (), limits.cues, "cues")
    _check_no_nul(part)


_TEXTS = ("text", "source", "tags", "cues", "metadata")


def _check_no_nul(part: schema.NewMemory | Draft | Change, prefix: str = "") -> None:
    for name in _TEXTS:
        check_no_nul(getattr(part, name), f"{prefix}{name}")


def in_whole_letters(part: P) -> P:
    """Return a part of a file without halves of letters, as a request is read without them."""
    return replace(part, **{name: whole(getattr(part, name)) for name in _TEXTS})
