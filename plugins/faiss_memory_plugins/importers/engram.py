"""engram: the table `observations` of `~/.engram/engram.db`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from faiss_memory import Importer, LeftOut, Record
from faiss_memory_plugins.importers.databases import has_table, opened, rows
from faiss_memory_plugins.importers.values import paragraphs, when, words


class Engram(Importer):
    """What it has deleted stays away."""

    name = "engram"
    title = "engram's database"
    places = ("~/.engram/engram.db",)

    def fits(self, path: Path) -> bool:
        """Return whether it has its table."""
        return has_table(path, "observations", "session_id", "title", "content", "scope", "created_at")

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the observations in the order in which they were stored."""
        with opened(path) as connection:
            for row in rows(connection, "observations", "id"):
                title, content = str(row["title"] or ""), str(row["content"] or "")
                key = f"{row['session_id']}/{row['created_at']}/{row['id']}"
                text = content if content.lstrip().startswith(title) else paragraphs(title, content)
                if row.get("deleted_at") is not None:
                    yield LeftOut(key, "it is deleted there")
                elif not text.strip():
                    yield LeftOut(key, "it has no text")
                else:
                    yield Record(
                        key=key,
                        text=text,
                        project=row.get("project") or None,
                        tags=words([row.get("type"), row.get("topic_key")]),
                        timestamp=when(row["created_at"]),
                    )
