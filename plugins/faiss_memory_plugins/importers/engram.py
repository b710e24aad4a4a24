"""engram: the table `observations` of `~/.engram/engram.db`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from faiss_memory import Importer, LeftOut, Record
from faiss_memory_plugins.importers.reading.databases import Row, has_table, opened, records_of, rows
from faiss_memory_plugins.importers.reading.values import paragraphs, text_of, when, words


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
        with opened(path, observations=("id", "title", "content", "created_at")) as connection:
            yield from records_of(rows(connection, "observations", "id"), "observations", _record)


def _record(row: Row) -> Record | LeftOut:
    title, content = text_of(row["title"]), text_of(row["content"])
    key = f"{row.get('session_id')}/{row['created_at']}/{row['id']}"
    text = content if content.startswith(title) else paragraphs(title, content)
    if row.get("deleted_at") is not None:
        return LeftOut(key, "it is deleted there")
    if not text:
        return LeftOut(key, "it has no text")
    return Record(
        key=key,
        text=text,
        project=text_of(row.get("project")) or None,
        tags=words([row.get("type"), row.get("topic_key")]),
        timestamp=when(row["created_at"]),
    )
