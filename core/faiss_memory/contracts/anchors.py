"""Files that a memory speaks of, and is to be checked against: `anchors` in its metadata, each with a digest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from faiss_memory.memory import Origin

ANCHORS = "anchors"
"""The property that holds them: a list of objects with `path` (absolute) and `sha256`."""
MOST_ANCHORS = 20
WHOLE_FILE = "the whole file"
"""The `Origin.place` of an anchor; the digest in `text` is the file's SHA-256, in hex."""
_DIGEST = re.compile("[0-9a-f]{64}")


def anchors_of(metadata: Mapping[str, Any]) -> list[Origin]:
    """Return the files that a memory speaks of; what else somebody keeps by that name is passed over."""
    given = metadata.get(ANCHORS)
    found = [anchor_of(one) for one in given[:MOST_ANCHORS]] if isinstance(given, list) else []
    return [one for one in found if one is not None]


def anchor_of(given: Any) -> Origin | None:
    """Return one of them; None if it has not the form of one."""
    if not isinstance(given, dict) or given.keys() != {"path", "sha256"}:
        return None
    path, digest = given["path"], given["sha256"]
    if not isinstance(path, str) or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        return None
    return Origin(file=path, place=WHOLE_FILE, text=digest, details="")
