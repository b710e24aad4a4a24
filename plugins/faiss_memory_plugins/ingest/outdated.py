"""What a file says now, beside the memories that were built of it before: which of them it does not say any more.

And whether the files that memories speak of, their anchors, are still as they were.
"""

from __future__ import annotations

from collections.abc import Mapping

from faiss_memory import WHOLE_FILE, Origin, Service
from faiss_memory_plugins.ingest.anchors import changed_anchors
from faiss_memory_plugins.ingest.documents import read_document
from faiss_memory_plugins.ingest.planning import Orphans, plan_file
from faiss_memory_plugins.ingest.reading import Unreadable, read_text
from faiss_memory_plugins.ingest.settings import IngestSettings
from faiss_memory_plugins.ingest.sources import Roots

NOT_SAID = "its file has changed, and does not say this any more"
NOT_SO = "its file has changed, and gives it other tags, cues or properties"


def outdated(service: Service, origins: Mapping[int, Origin]) -> dict[int, str]:
    """Return which memories a build would forget or correct, with the reason.

    One that has only moved within its file says what holds, and is left out; one whose file cannot be read now, or lies
    outside the folders that may be, has an empty reason.
    """
    settings = service.settings.of(IngestSettings)
    anchors = {memory_id: origin for memory_id, origin in origins.items() if origin.place == WHOLE_FILE}
    found = changed_anchors(anchors, settings)
    roots = Roots.of(settings.roots)
    by_file: dict[str, dict[int, Origin]] = {}
    for memory_id, origin in origins.items():
        if memory_id in anchors:
            continue
        by_file.setdefault(origin.file, {})[memory_id] = origin
    for file, known in by_file.items():
        try:
            read = read_text(file, roots, settings.max_file_bytes)
        except Unreadable:
            found |= dict.fromkeys(known, "")
            continue
        plan = plan_file(file, read_document(file, read.text), read.changed, "", known, Orphans({}))
        found |= dict.fromkeys(plan.gone, NOT_SAID)
        found |= {
            memory_id: NOT_SO
            for memory_id, change in plan.changes.items()
            if change.origin is not None and change.origin.details != known[memory_id].details
        }
    return found
