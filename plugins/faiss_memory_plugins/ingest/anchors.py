"""The files that memories speak of: which may be named, what they held then, and whether they still do."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from faiss_memory import ANCHORS, MOST_ANCHORS, Change, Draft, InvalidRequest, NotAllowed, Origin, anchor_of
from faiss_memory_plugins.ingest.reading import Unreadable, read_bytes
from faiss_memory_plugins.ingest.settings import IngestSettings
from faiss_memory_plugins.ingest.sources import Roots, check_form

P = TypeVar("P", Draft, Change)
CHANGED = "a file that it speaks of has changed"


def with_digests(part: P, settings: IngestSettings, prefix: str = "") -> P:
    """Return a memory whose anchors that are bare paths have the digests of their files as they are now.

    What comes from elsewhere, an import or a file, keeps what it has. Raises InvalidRequest and NotAllowed.
    """
    is_from_elsewhere = part.origin is not None or (isinstance(part, Draft) and part.uid is not None)
    if part.metadata is None or ANCHORS not in part.metadata or is_from_elsewhere:
        return part
    field = f"{prefix}metadata.{ANCHORS}"
    given = part.metadata[ANCHORS]
    if not isinstance(given, list) or len(given) > MOST_ANCHORS:
        raise InvalidRequest(
            f"`{field}` must be a list of at most {MOST_ANCHORS} absolute paths of files that the memory speaks of",
            field,
        )
    roots = Roots.of(settings.roots)
    anchors = [
        _anchor(one, roots, settings.max_file_bytes, f"{field}[{place}]") for place, one in enumerate(given)
    ]
    return replace(part, metadata={**part.metadata, ANCHORS: anchors})


def _anchor(given: Any, roots: Roots, most_bytes: int, field: str) -> dict[str, str]:
    known = anchor_of(given)
    if known is None and not isinstance(given, str):
        raise InvalidRequest(
            f"`{field}` must be the absolute path of a file, or an object with `path` and `sha256` (64 hex digits)",
            field,
        )
    named = known.file if known else given
    path = os.path.expanduser(named)
    check_form(named, path, field)
    if not roots.hold(path):
        allowed = ", ".join(roots.folders)
        raise NotAllowed(
            f"`{field}`: {named} leads outside the folders that may be read: {allowed} (setting plugins.ingest.roots)",
            field,
        )
    try:
        digest = known.text if known else _digest(path, roots, most_bytes)
    except Unreadable as error:
        raise InvalidRequest(f"`{field}`: {named} cannot be named: {error}", field) from None
    return {"path": path, "sha256": digest}


def changed_anchors(anchors: Mapping[int, Origin], settings: IngestSettings) -> dict[int, str]:
    """Return which memories name a file that has changed; of one that cannot be read now the text is empty."""
    roots = Roots.of(settings.roots)
    found: dict[int, str] = {}
    for memory_id, anchor in anchors.items():
        try:
            if _digest(anchor.file, roots, settings.max_file_bytes) != anchor.text:
                found[memory_id] = CHANGED
        except Unreadable:
            found[memory_id] = ""
    return found


def _digest(path: str, roots: Roots, most_bytes: int) -> str:
    return hashlib.sha256(read_bytes(path, roots, most_bytes)[0]).hexdigest()
