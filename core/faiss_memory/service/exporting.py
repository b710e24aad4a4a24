"""Taking memories away as a file: which ones, in which order, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from faiss_memory.contracts.http import Download
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.memory import Filter
from faiss_memory.rights import PERSON, Rights
from faiss_memory.schema.export import ExportRequest
from faiss_memory.service.export_formats import FORMATS, Exported
from faiss_memory.service.selection import search_filter
from faiss_memory.service.vocabulary import Vocabulary
from faiss_memory.settings import Limits

PAGE = 500
"""Memories that are read at once."""


class Exporting:
    """Writes memories in a format, however many there are; raises what the service raises."""

    def __init__(self, limits: Limits, engine: MemoryEngine, vocabulary: Vocabulary) -> None:
        self._limits = limits
        self._engine = engine
        self._vocabulary = vocabulary

    def export(self, request: ExportRequest, rights: Rights = PERSON) -> Download:
        """Open the memories that are chosen as one file, the oldest first, those of the same time by id.

        Each is written as it is when its page is read.
        """
        pages = self._pages(search_filter(request, self._limits, rights, self._vocabulary))
        first = next(pages, [])  # what cannot be read is told before an answer is begun
        chosen = FORMATS[request.format]
        memories = (one for page in chain([first], pages) for one in page)
        return Download(
            pieces=chosen.write(memories),
            size=None,
            content_type=chosen.content_type,
            file_name=f"memories.{chosen.ending}",
        )

    def _pages(self, where: Filter) -> Iterator[list[Exported]]:
        store, after = self._engine.store, None
        while page := store.select(where, order="oldest", limit=PAGE, after=after):
            older = {one.supersedes for one in page if one.supersedes is not None}
            uids = {one.id: one.uid for one in store.get(sorted(older))}
            yield [Exported(one, uids.get(one.supersedes or 0)) for one in page]
            after = page[-1].timestamp, page[-1].id
