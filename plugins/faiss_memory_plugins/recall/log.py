"""What the last prompts brought, and which searches found nothing: so many rows, in `recall.db`."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Literal

from faiss_memory import PART, masked, parts_of
from faiss_memory_plugins.recall.database import Database
from faiss_memory_plugins.recall.messages import LoggedMemory, RecallLogEntry

LONGEST_PROMPT = 500
"""Characters of a prompt that are kept."""
MOST_WITHHELD = 5
"""How many of what was withheld are kept, the best ones."""

Only = Literal["nothing", "shown"]


class RecallLog:
    """Reads and writes it; whoever calls holds the lock of the database."""

    def __init__(self, database: Database, most: int, own_tokens: Collection[str] = ()) -> None:
        self._database = database
        self._most = most
        self._own = own_tokens
        self._cut()

    def note(self, entry: RecallLogEntry) -> None:
        """Keep a row; the oldest goes that is too many."""
        if not self._most:
            return
        row = (
            time.time(), entry.assistant, entry.project, entry.event, self._kept(entry.prompt), _json(entry.shown),
            _json(entry.withheld[:MOST_WITHHELD]), entry.nothing, entry.took_ms, entry.late,
        )  # fmt: skip
        self._database.write(f"INSERT INTO log VALUES (NULL, {', '.join('?' * len(row))})", [row])
        self._cut()

    def _cut(self) -> None:
        self._database.write("DELETE FROM log WHERE id <= (SELECT max(id) FROM log) - ?", [(self._most,)])

    def entries(
        self, limit: int, project: str | None = None, assistant: str | None = None, only: Only | None = None
    ) -> list[RecallLogEntry]:
        """Return the rows that meet each condition given, newest first."""
        rows = self._database.read(
            'SELECT at, assistant, project, event, prompt, shown, withheld, "nothing", took_ms, late FROM log'
            " WHERE (?1 IS NULL OR project = ?1) AND (?2 IS NULL OR assistant = ?2)"
            " AND (?3 IS NULL OR (shown = '[]' OR late) = (?3 = 'nothing')) ORDER BY id DESC LIMIT ?4",
            (project, assistant, only, limit),
        )
        return [
            RecallLogEntry(
                at=datetime.fromtimestamp(at, UTC).isoformat(),
                assistant=by,
                project=where,
                event=event,
                prompt=prompt,
                shown=_memories(shown),
                withheld=_memories(withheld),
                nothing=nothing,
                took_ms=took_ms,
                late=bool(late),
            )
            for at, by, where, event, prompt, shown, withheld, nothing, took_ms, late in rows
        ]

    def purge(self, ids: Collection[int], texts: Collection[str]) -> None:
        """Remove each row that shows one of the memories, or whose prompt holds a part of one of the texts.

        The parts are those that a purge's proof looks for, so that it finds none of them here.
        """
        parts = parts_of(texts)
        short = [part for part in parts if len(part) < PART]
        gone = []
        for row, prompt, shown in self._database.read("SELECT id, prompt, shown FROM log"):
            held = prompt.encode()
            if (
                any(one.id in ids for one in _memories(shown))
                or any(held[start : start + PART] in parts for start in range(len(held) - PART + 1))
                or any(part in held for part in short)
            ):
                gone.append((row,))
        self._database.write("DELETE FROM log WHERE id = ?", gone)

    def _kept(self, prompt: str) -> str:
        # (What is no text in UTF-8 could not be written.)
        return masked(prompt, self._own)[:LONGEST_PROMPT].encode("utf-8", "replace").decode()


def _json(memories: Sequence[LoggedMemory]) -> str:
    return json.dumps([[one.id, one.relevance, one.why] for one in memories])


def _memories(kept: str) -> list[LoggedMemory]:
    return [LoggedMemory(id=one, relevance=relevance, why=why) for one, relevance, why in json.loads(kept)]
