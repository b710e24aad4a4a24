"""mcp-memory-service: the table `memories` of `sqlite_vec.db`, and what it exports as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from faiss_memory import Importer, LeftOut, Record, located, open_file
from faiss_memory_plugins.importers.reading.databases import has_table, opened, records_of, rows
from faiss_memory_plugins.importers.reading.json_items import first_item, items_of
from faiss_memory_plugins.importers.reading.values import as_json, filled, text_of, when, words

_UNTAGGED = "untagged"
"""What it writes where nobody has given a tag."""
_DEFAULT = "default"


class McpMemoryService(Importer):
    """What it has deleted stays away, and so does what a newer memory has replaced. Each of its stores is a project."""

    name = "mcp-memory-service"
    title = "mcp-memory-service's database or export"
    places = (
        "~/.local/share/mcp-memory/sqlite_vec.db",
        "~/Library/Application Support/mcp-memory/sqlite_vec.db",
    )

    def fits(self, path: Path) -> bool:
        """Return whether it has its table, or memories named by their hash."""
        if path.suffix.lower() == ".json":
            return {"content", "content_hash"} <= first_item(path, "memories").keys()
        return has_table(path, "memories", "content_hash", "content", "memory_type", "created_at")

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the memories in the order in which they were stored."""
        if path.suffix.lower() == ".json":
            with open_file(located(path)) as file:
                for number, item in enumerate(items_of(file, "memories"), 1):
                    yield (
                        item if isinstance(item, LeftOut) else _record(as_json(item, {}), f"memory {number}")
                    )
        else:
            with opened(path, memories=("content_hash", "content", "created_at")) as connection:
                yield from records_of(rows(connection, "memories", "id"), "memories", _record)


def _record(fields: Mapping[str, Any], place: str = "a memory") -> Record | LeftOut:
    key = text_of(fields.get("content_hash")) or place
    if fields.get("deleted_at") is not None:
        return LeftOut(key, "it is deleted there")
    if text_of(fields.get("superseded_by")):
        return LeftOut(key, "a newer memory replaces it there")
    if not text_of(fields.get("content")):
        return LeftOut(key, "it has no text")
    store = text_of(fields.get("store"))
    return Record(
        key=key,
        text=fields["content"] if isinstance(fields["content"], str) else text_of(fields["content"]),
        project=store if store != _DEFAULT else None,
        tags=tuple(tag for tag in words(fields.get("tags")) if tag != _UNTAGGED),
        metadata={**as_json(fields.get("metadata"), {}), **filled(fields, ("memory_type",))},
        timestamp=when(fields.get("created_at")) or when(fields.get("created_at_iso")),
    )
