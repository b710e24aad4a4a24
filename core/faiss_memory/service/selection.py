"""Which memories a request names, to search, to forget or to purge them."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec import UNSET

from faiss_memory import schema
from faiss_memory.contracts.store import Store
from faiss_memory.errors import InvalidRequest
from faiss_memory.memory import Filter
from faiss_memory.rights import PERSON, Rights
from faiss_memory.schema.export import ExportRequest
from faiss_memory.schema.limits import check_metadata, check_tags, check_time
from faiss_memory.schema.tending import FacetsRequest
from faiss_memory.service.vocabulary import Vocabulary
from faiss_memory.settings import Limits


class Selection(NamedTuple):
    """The ids that were named, if any were; what the others must meet; and the memories that are there and do."""

    asked: AbstractSet[int] | None
    where: Filter
    ids: list[int]


def select_memories(
    request: schema.ForgetRequest,
    limits: Limits,
    store: Store,
    vocabulary: Vocabulary,
    rights: Rights = PERSON,
) -> Selection:
    """Return the memories that meet every condition, of those that may be changed.

    Raises InvalidRequest when no condition is given, or one is not allowed.
    """
    if all(getattr(request, name) is UNSET for name in schema.FORGET_CONDITIONS):
        what = "purge" if isinstance(request, schema.PurgeRequest) else "forget"
        raise InvalidRequest(
            f"say what to {what}: give at least one of {', '.join(schema.FORGET_CONDITIONS)}"
        )
    asked = None if request.ids is UNSET else set(request.ids)
    if asked is not None and len(asked) > limits.batch:
        raise InvalidRequest(
            f"`ids` holds {len(asked)}; the most is {limits.batch} (setting limits.batch)", "ids"
        )
    where = _filter(request, limits, vocabulary, rights)
    ids = store.matching_ids(where)
    return Selection(asked, where, ids if asked is None else [one for one in ids if one in asked])


def search_filter(
    request: schema.SearchRequest | ExportRequest, limits: Limits, rights: Rights, vocabulary: Vocabulary
) -> Filter:
    """Return which memories a search or an export is about. Raises InvalidRequest and NotAllowed."""
    check_metadata(request.metadata, limits.metadata_bytes, "metadata")
    projects = rights.to_read(request.project)
    return Filter(
        projects=projects,
        tags=check_tags(vocabulary.tags(request.tags, projects, rights), limits.tags, "tags"),
        tags_mode=request.tags_mode,
        source=request.source,
        by=tuple(dict.fromkeys(request.by)),
        actors=tuple(dict.fromkeys(request.actor)),
        metadata=request.metadata,
        after=check_time(request.after, "after"),
        before=check_time(request.before, "before"),
        include_superseded=request.include_superseded,
        expired_by=_now(request.expired),
    )


def list_filter(
    request: schema.ListRequest | FacetsRequest, rights: Rights, vocabulary: Vocabulary
) -> Filter:
    """Return which memories a list is about. Raises InvalidRequest and NotAllowed."""
    projects = rights.to_read(request.project)
    tags = [] if request.tag is None else [request.tag.strip()]
    return Filter(
        projects=projects,
        tags=tuple(vocabulary.tags(tags, projects, rights)),
        source=request.source,
        by=tuple(dict.fromkeys(request.by)),
        actors=tuple(dict.fromkeys(request.actor)),
        after=check_time(request.after, "after"),
        before=check_time(request.before, "before"),
        include_superseded=request.include_superseded,
        expired_by=_now(request.expired),
        without_cues=request.without_cues,
    )


def _now(expired: bool) -> datetime | None:
    """Return by when memories have to be expired, if they have to."""
    return datetime.now(UTC) if expired else None


def named_alone(request: schema.ForgetRequest) -> bool:
    """Return whether ids are the only condition: then no other could leave one of them out."""
    return all(getattr(request, name) is UNSET for name in schema.FORGET_CONDITIONS if name != "ids")


def _filter(request: schema.ForgetRequest, limits: Limits, vocabulary: Vocabulary, rights: Rights) -> Filter:
    metadata = {} if request.metadata is UNSET else request.metadata
    check_metadata(metadata, limits.metadata_bytes, "metadata")
    # An id says by itself which project it is in.
    named = None if request.project is UNSET else request.project
    anywhere = named is None and request.ids is not UNSET
    projects = rights.changes if anywhere else (rights.to_change(named),)
    tags = [] if request.tags is UNSET else vocabulary.tags(request.tags, projects, rights)
    return Filter(
        projects=projects,
        tags=check_tags(tags, limits.tags, "tags"),
        tags_mode=request.tags_mode,
        source=None if request.source is UNSET else request.source,
        metadata=metadata,
        after=check_time(None if request.after is UNSET else request.after, "after"),
        before=check_time(None if request.before is UNSET else request.before, "before"),
        include_superseded=True,
    )
