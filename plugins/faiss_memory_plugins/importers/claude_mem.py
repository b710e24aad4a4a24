"""claude-mem: observations, and what was learnt in a session, in `~/.claude-mem/claude-mem.db`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from faiss_memory import Importer, LeftOut, Record
from faiss_memory_plugins.importers.reading.databases import (
    Row,
    columns_of,
    has_table,
    opened,
    records_of,
    rows,
)
from faiss_memory_plugins.importers.reading.values import as_json, paragraphs, text_of, when, words

_SUMMARY = ("request", "investigated", "learned", "completed", "next_steps", "notes")


class ClaudeMem(Importer):
    """Observations and summaries; prompts are what was asked, and stay away."""

    name = "claude-mem"
    title = "claude-mem's database"
    places = ("~/.claude-mem/claude-mem.db",)

    def fits(self, path: Path) -> bool:
        """Return whether it has claude-mem's table of observations."""
        return has_table(path, "observations", "memory_session_id", "narrative", "facts", "created_at_epoch")

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read observations, and then summaries."""
        with opened(path, observations=("id", "memory_session_id", "created_at_epoch")) as connection:
            yield from records_of(rows(connection, "observations", "id"), "observations", _observed)
            if columns_of(connection, "session_summaries"):
                yield from records_of(
                    rows(connection, "session_summaries", "id"), "session_summaries", _summed_up
                )


def _observed(row: Row) -> Record | LeftOut:
    tags = words([row.get("type"), *words(row.get("concepts"))])
    return _record(row, _key("observation", row), _observation(row), tags)


def _summed_up(row: Row) -> Record | LeftOut:
    told = [
        f"{name.replace('_', ' ').capitalize()}: {row[name]}" for name in _SUMMARY if text_of(row.get(name))
    ]
    return _record(row, _key("summary", row), paragraphs(*told), ("session-summary",))


def _key(kind: str, row: Row) -> str:
    """Name a row so that no other row has the same name, and the same row has one on each machine it is synced to."""
    number = row.get("origin_local_id") or row.get("id")
    return f"{kind}/{row.get('memory_session_id')}/{row.get('created_at_epoch')}/{number}"


def _observation(row: Row) -> str:
    title = ": ".join(part for part in map(text_of, (row.get("title"), row.get("subtitle"))) if part)
    facts = "\n".join(f"- {fact}" for fact in as_json(row.get("facts"), []))
    return paragraphs(title, text_of(row.get("narrative")) or row.get("text"), facts)


def _record(row: Row, key: str, text: str, tags: tuple[str, ...]) -> Record | LeftOut:
    if not text:
        return LeftOut(key, "it has no text")
    files = [
        *words(row.get("files_modified")),
        *words(row.get("files_edited")),
        *words(row.get("files_read")),
    ]
    return Record(
        key=key,
        text=text,
        project=text_of(row.get("merged_into_project")) or text_of(row.get("project")) or None,
        tags=tags,
        metadata={"files": list(dict.fromkeys(files))} if files else {},
        timestamp=when(row.get("created_at_epoch")) or when(row.get("created_at")),
    )
