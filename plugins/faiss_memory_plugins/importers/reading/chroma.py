"""Chroma's database, in which several other programs keep their memories."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from faiss_memory import LeftOut
from faiss_memory_plugins.importers.reading.databases import columns_of, has_table
from faiss_memory_plugins.importers.reading.values import as_json

FILE = "chroma.sqlite3"
_DOCUMENT = "chroma:document"
_ADD, _UPDATE, _UPSERT, _DELETE = range(4)
_STORED = """
    SELECT c.name AS collection, e.embedding_id AS id, m.key, m.string_value, m.int_value, m.float_value, m.bool_value
    FROM embeddings e JOIN segments s ON s.id = e.segment_id JOIN collections c ON c.id = s.collection
    LEFT JOIN embedding_metadata m ON m.id = e.id
    ORDER BY e.id, m.key
"""
_WAITING = """
    SELECT c.name AS collection, q.id, q.operation, q.metadata FROM embeddings_queue q
    JOIN collections c ON q.topic LIKE '%/' || c.id
    JOIN segments s ON s.collection = c.id AND s.scope = 'METADATA'
    LEFT JOIN max_seq_id m ON m.segment_id = s.id
    WHERE m.seq_id IS NULL OR q.seq_id > m.seq_id
    ORDER BY q.seq_id
"""


@dataclass
class Document:
    """A document of a collection, with its fields."""

    collection: str
    key: str
    text: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


def is_chroma(path: Path) -> bool:
    """Return whether it is a database of Chroma's."""
    return has_table(path, "embedding_metadata", "id", "key", "string_value") and has_table(
        path, "embeddings", "segment_id", "embedding_id"
    )


def documents(connection: sqlite3.Connection) -> Iterator[Document | LeftOut]:
    """Yield the documents of all collections: those that are stored, as what waits in the queue has changed them."""
    try:
        waiting = list(connection.execute(_WAITING)) if columns_of(connection, "max_seq_id") else []
    except sqlite3.Error as error:
        waiting = []
        yield LeftOut("what Chroma has not yet stored", f"it cannot be read ({error})")
    queue: dict[tuple[str, str], list[Any]] = {}
    for row in waiting:
        queue.setdefault((row["collection"], row["id"]), []).append(row)
    try:
        for (collection, key), found in groupby(
            connection.execute(_STORED), lambda row: (row["collection"], row["id"])
        ):
            stored = Document(collection, key)
            for row in found:
                _set(stored, row["key"], _value(row))
            changed = _changed(stored, queue.pop((collection, key), ()))
            if changed is not None:
                yield changed
    except sqlite3.Error as error:
        yield LeftOut("Chroma's documents", f"the rest of them cannot be read ({error})")
    for (collection, key), changes in queue.items():
        added = _changed(None, changes, collection, key)
        if added is not None:
            yield added


def _changed(document: Document | None, changes: Any, collection: str = "", key: str = "") -> Document | None:
    """Return a document as some changes have left it; None if it is deleted."""
    for row in changes:
        if row["operation"] == _DELETE:
            document = None
        elif document is not None or row["operation"] in (_ADD, _UPSERT):
            document = document or Document(collection, key)
            for name, value in as_json(row["metadata"], {}).items():
                _set(document, name, value)
    return document


def _set(document: Document, name: str | None, value: Any) -> None:
    if name == _DOCUMENT:
        document.text = value if isinstance(value, str) else ""
    elif name is not None and value is not None:
        document.fields[name] = value
    elif name is not None:
        document.fields.pop(name, None)


def _value(row: sqlite3.Row) -> Any:
    if row["bool_value"] is not None:
        return bool(row["bool_value"])
    return next(
        (row[name] for name in ("string_value", "int_value", "float_value") if row[name] is not None), None
    )
