"""claude-mem: observations, and what was learnt in a session, in `~/.claude-mem/claude-mem.db`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from faiss_memory import Importer, LeftOut, Record
from faiss_memory_plugins.importers.databases import columns_of, has_table, opened, rows
from faiss_memory_plugins.importers.values import as_json, paragraphs, when, words

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
        with opened(path) as connection:
            for row in rows(connection, "observations", "id"):
                yield _record(
                    row, _key("observation", row), _observation(row), (row["type"], *words(row["concepts"]))
                )
            if columns_of(connection, "session_summaries"):
                for row in rows(connection, "session_summaries", "id"):
                    told = [
                        f"{name.replace('_', ' ').capitalize()}: {row[name]}"
                        for name in _SUMMARY
                        if row.get(name)
                    ]
                    yield _record(row, _key("summary", row), paragraphs(*told), ("session-summary",))


def _key(kind: str, row: Mapping[str, Any]) -> str:
    """Name a row so that no row of another machine's database has the same name."""
    return f"{kind}/{row['memory_session_id']}/{row['created_at_epoch']}/{row['id']}"


def _observation(row: Mapping[str, Any]) -> str:
    title = ": ".join(part for part in (row.get("title"), row.get("subtitle")) if part)
    facts = "\n".join(f"- {fact}" for fact in as_json(row.get("facts"), []))
    return paragraphs(title, row.get("narrative") or row.get("text"), facts)


def _record(row: Mapping[str, Any], key: str, text: str, tags: tuple[str, ...]) -> Record | LeftOut:
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
        project=row.get("merged_into_project") or row.get("project"),
        tags=words(list(tags)),
        metadata={"files": list(dict.fromkeys(files))} if files else {},
        timestamp=when(row.get("created_at_epoch")) or when(row.get("created_at")),
    )
