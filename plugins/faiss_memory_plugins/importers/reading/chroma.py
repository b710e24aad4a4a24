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
from faiss_memory_plugins.importers.reading.values import as_json, text_of

FILE = "chroma.sqlite3"
_NONE: tuple[Any, Any] = (None, ())
_DOCUMENT = "chroma:document"
_ADD, _UPDATE, _UPSERT, _DELETE = range(4)
_EMBEDDINGS = "SELECT id, segment_id, embedding_id FROM embeddings WHERE typeof(id) = 'integer' ORDER BY id"
_FIELDS = """
    SELECT id, key, string_value, int_value, float_value, bool_value FROM embedding_metadata
    WHERE typeof(id) = 'integer' ORDER BY id, key
"""
_WAITING = "SELECT seq_id, topic, id, operation, metadata FROM embeddings_queue ORDER BY seq_id"


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
    queue: dict[tuple[str, str], list[Any]] = {}
    try:
        if columns_of(connection, "max_seq_id"):
            for collection, row in _waiting(connection):
                queue.setdefault((collection, row["id"]), []).append(row)
    except sqlite3.Error as error:
        queue = {}
        yield LeftOut("what Chroma has not yet stored", f"it cannot be read ({error})")
    try:
        for stored in _stored(connection):
            changed = _changed(stored, queue.pop((stored.collection, stored.key), ()))
            if changed is not None:
                yield changed
    except sqlite3.Error as error:
        yield LeftOut("Chroma's documents", f"the rest of them cannot be read ({error})")
    for (collection, key), changes in queue.items():
        added = _changed(None, changes, collection, key)
        if added is not None:
            yield added


def _collections(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the names of the collections, by their ids; one whose name is no text has an empty one."""
    found = connection.execute("SELECT id, name FROM collections").fetchall()
    return {key: text_of(name) for key, name in found}


def _stored(connection: sqlite3.Connection) -> Iterator[Document]:
    """Yield what is stored: documents and their fields lie in two tables, which are gone through side by side."""
    names = _collections(connection)
    segments = dict(connection.execute("SELECT id, collection FROM segments").fetchall())
    fields = groupby(connection.execute(_FIELDS), lambda row: row["id"])
    number, of_number = next(fields, _NONE)
    for row in connection.execute(_EMBEDDINGS):
        collection = names.get(segments.get(row["segment_id"], ""))
        if collection is None:
            continue
        document = Document(collection, row["embedding_id"])
        while number is not None and number < row["id"]:
            number, of_number = next(fields, _NONE)
        if number == row["id"]:
            for field_row in of_number:
                _set(document, field_row["key"], _value(field_row))
        yield document


def _waiting(connection: sqlite3.Connection) -> Iterator[tuple[str, sqlite3.Row]]:
    """Yield what no segment has taken in yet, with its collection; a topic ends with a collection's id."""
    names = _collections(connection)
    taken_in = {
        key: _number(value) for key, value in connection.execute("SELECT segment_id, seq_id FROM max_seq_id")
    }
    until = {
        collection: taken_in.get(segment, 0)
        for segment, collection in connection.execute(
            "SELECT id, collection FROM segments WHERE scope = 'METADATA'"
        )
    }
    for row in connection.execute(_WAITING):
        collection = str(row["topic"]).rsplit("/", 1)[-1]
        if collection in names and collection in until and _number(row["seq_id"]) > until[collection]:
            yield names[collection], row


def _number(value: Any) -> int:
    """Return a number in the queue, which older versions have written as bytes."""
    if isinstance(value, bytes):
        return int.from_bytes(value[:8], "big")
    return value if isinstance(value, int) else 0


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
