"""Taking memories away as a file: which ones, in which order, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain

from faiss_memory.contracts.http import Download
from faiss_memory.contracts.merging import Merging, Tombstone
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.memory import Filter, Origin
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
        where = search_filter(request, self._limits, rights, self._vocabulary)
        chosen = FORMATS[request.format]
        pages = self._pages(where, with_origins=chosen.is_bundle and rights.is_person)
        first = next(pages, [])  # what cannot be read is told before an answer is begun
        memories = (one for page in chain([first], pages) for one in page)
        return Download(
            pieces=chosen.write(memories, self._gone(where) if chosen.is_bundle else ()),
            size=None,
            content_type=chosen.content_type,
            file_name=f"memories.{chosen.ending}",
        )

    def _pages(self, where: Filter, *, with_origins: bool) -> Iterator[list[Exported]]:
        store, after = self._engine.store, None
        origins_of: Callable[[str], dict[int, Origin]] = (
            cache(store.origins) if with_origins else lambda _: {}
        )
        while page := store.select(where, order="oldest", limit=PAGE, after=after):
            named = {other for one in page for other in (one.supersedes, one.superseded_by) if other}
            uids = {one.id: one.uid for one in store.get(sorted(named))}
            origins = {
                key: one for name in {one.project for one in page} for key, one in origins_of(name).items()
            }
            yield [
                Exported(
                    one, uids.get(one.supersedes or 0), uids.get(one.superseded_by or 0), origins.get(one.id)
                )
                for one in page
            ]
            after = page[-1].timestamp, page[-1].id

    def _gone(self, where: Filter) -> Iterator[Tombstone]:
        """Yield what was forgotten in the projects that are meant; of all of them, what was purged as well.

        What else a filter asks about, nobody knows of them any more: then there are none.
        """
        store, after = self._engine.store, ""
        if where.narrows or not isinstance(store, Merging):
            return
        while page := store.tombstones(where.projects, after, PAGE):
            yield from page
            after = page[-1].uid
