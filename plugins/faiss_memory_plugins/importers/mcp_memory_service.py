"""mcp-memory-service: the table `memories` of `sqlite_vec.db`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from faiss_memory import Importer, LeftOut, Record
from faiss_memory_plugins.importers.databases import has_table, opened, rows
from faiss_memory_plugins.importers.values import as_json, when, words


class McpMemoryService(Importer):
    """What it has deleted stays away."""

    name = "mcp-memory-service"
    title = "mcp-memory-service's database"
    places = (
        "~/.local/share/mcp-memory/sqlite_vec.db",
        "~/Library/Application Support/mcp-memory/sqlite_vec.db",
    )

    def fits(self, path: Path) -> bool:
        """Return whether it has its table."""
        return has_table(path, "memories", "content_hash", "content", "memory_type", "created_at")

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the memories in the order in which they were stored."""
        with opened(path) as connection:
            for row in rows(connection, "memories", "id"):
                key = str(row["content_hash"])
                if row.get("deleted_at") is not None:
                    yield LeftOut(key, "it is deleted there")
                elif not str(row["content"] or "").strip():
                    yield LeftOut(key, "it has no text")
                else:
                    metadata = as_json(row.get("metadata"), {})
                    if row.get("memory_type"):
                        metadata["memory_type"] = row["memory_type"]
                    yield Record(
                        key=key,
                        text=row["content"],
                        tags=words(row.get("tags")),
                        metadata=metadata,
                        timestamp=when(row["created_at"]) or when(row.get("created_at_iso")),
                    )
