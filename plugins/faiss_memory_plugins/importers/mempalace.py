"""MemPalace: the drawers of a palace, in Chroma or in its own database, its facts, and what it exports as Markdown."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from faiss_memory import Importer, LeftOut, Record
from faiss_memory_plugins.importers.mempalace_export import exported, is_export
from faiss_memory_plugins.importers.reading.chroma import FILE as CHROMA, Document, documents, is_chroma
from faiss_memory_plugins.importers.reading.databases import Row, has_table, opened, records_of, rows
from faiss_memory_plugins.importers.reading.values import (
    as_json,
    end_of,
    filled,
    name_of,
    text_of,
    when,
    words,
)

_OWN = "sqlite_exact.sqlite3"
_FACTS = "knowledge_graph.sqlite3"
_DERIVED = "_closets"
"""How the collection of what it makes from the drawers is called at its end."""
_SENTINEL = -1
"""The chunk that says that a file was read, and holds nothing of it."""


class MemPalace(Importer):
    """A drawer becomes a memory of the project that its wing is called by; one that was cut is joined again."""

    name = "mempalace"
    title = "a palace of MemPalace"
    places = ("~/.config/mempalace/palace", "~/.mempalace/palace", "~/.mempalace/knowledge_graph.sqlite3")

    def fits(self, path: Path) -> bool:
        """Return whether it is one of its databases, a folder that holds one, or an export."""
        return bool(_databases(path)) or (path.is_dir() and is_export(path))

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the drawers, and then the facts."""
        for file in _databases(path):
            yield from _facts(file) if _has_facts(file) else _stored(file)
        if path.is_dir() and is_export(path):
            yield from _drawers(exported(path))


def _databases(path: Path) -> list[Path]:
    found = [path] if path.is_file() else [path / name for name in (CHROMA, _OWN, _FACTS)]
    if path.is_dir():
        found += [path / "palace" / name for name in (CHROMA, _OWN, _FACTS)]
    return [file for file in found if file.is_file() and (_has_drawers(file) or _has_facts(file))]


def _has_facts(file: Path) -> bool:
    return has_table(file, "triples", "subject", "predicate", "object", "valid_to")


def _has_drawers(file: Path) -> bool:
    if has_table(file, "documents", "collection_id", "document", "metadata_json"):
        return True
    if not is_chroma(file):
        return False
    with opened(file) as connection:
        return any(isinstance(one, Document) and "wing" in one.fields for one in documents(connection))


@dataclass
class _Drawer:
    """A drawer that was cut, as far as it was met."""

    fields: Mapping[str, Any]
    pieces: dict[int, str] = field(default_factory=dict)


def _stored(file: Path) -> Iterator[Record | LeftOut]:
    with opened(file) as connection:
        yield from _drawers(documents(connection) if is_chroma(file) else _own(connection))


def _drawers(found: Iterator[Document | LeftOut]) -> Iterator[Record | LeftOut]:
    cut: dict[str, _Drawer] = {}
    for one in found:
        if isinstance(one, LeftOut):
            yield one
            continue
        whole, number = text_of(one.fields.get("parent_drawer_id")), one.fields.get("chunk_index")
        if one.collection.endswith(_DERIVED) or number == _SENTINEL or one.fields.get("room") == "_registry":
            continue
        if whole:
            drawer = cut.setdefault(whole, _Drawer(one.fields))
            # (A piece whose number another has, or that has none, comes behind all that were met.)
            if not isinstance(number, int) or number in drawer.pieces:
                number = max(drawer.pieces, default=-1) + 1
            drawer.pieces[number] = one.text
        else:
            yield _record(one.key, one.text, one.fields)
    for key, drawer in cut.items():
        yield _record(key, "".join(drawer.pieces[number] for number in sorted(drawer.pieces)), drawer.fields)


def _own(connection: sqlite3.Connection) -> Iterator[Document | LeftOut]:
    names = {row["id"]: row["name"] for row in connection.execute("SELECT id, name FROM collections")}
    try:
        for row in rows(connection, "documents", "rowid"):
            fields = as_json(row["metadata_json"], {})
            collection = text_of(names.get(row["collection_id"]))
            yield Document(collection, str(row["id"]), str(row["document"] or ""), fields)
    except sqlite3.Error as error:
        yield LeftOut("table documents", f"the rest of it cannot be read ({error})")


def _record(key: str, text: str, fields: Mapping[str, Any]) -> Record | LeftOut:
    if not text.strip():
        return LeftOut(key, "it has no text")
    return Record(
        key=key,
        text=text,
        project=text_of(fields.get("wing")) or None,
        source=text_of(fields.get("source_file")),
        tags=words([fields.get("room"), fields.get("hall"), fields.get("topic")]),
        metadata=filled(fields, ("added_by", "agent", "type", "date")),
        timestamp=when(fields.get("filed_at"), None),
    )


def _facts(file: Path) -> Iterator[Record | LeftOut]:
    with opened(
        file, triples=("id", "subject", "predicate", "object"), entities=("id", "name")
    ) as connection:
        names = {str(row["id"]): name_of(row["name"]) for row in rows(connection, "entities", "rowid")}
        yield from records_of(rows(connection, "triples", "rowid"), "triples", lambda row: _fact(row, names))


def _fact(row: Row, names: Mapping[str, str]) -> Record | LeftOut:
    parts = [
        names.get(str(row["subject"])) or text_of(row["subject"]),
        text_of(row["predicate"]).replace("_", " "),
        names.get(str(row["object"])) or text_of(row["object"]),
    ]
    key = f"fact/{row['id']}"
    if not all(parts):
        return LeftOut(key, "it says nothing")
    ended = end_of(row.get("valid_to"))
    if ended is not None and ended < datetime.now(UTC):
        return LeftOut(key, f"it is not true any more there (until {row['valid_to']})")
    return Record(
        key=key,
        text=" ".join(parts),
        source=text_of(row.get("source_file")),
        tags=("fact",),
        metadata=filled(row, ("valid_from", "valid_to", "confidence")),
        timestamp=when(row.get("valid_from")) or when(row.get("extracted_at")),
        valid_until=ended,
    )
