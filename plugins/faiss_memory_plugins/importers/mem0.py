"""mem0: its history, its vector stores on this machine (Qdrant, Chroma, FAISS), and what `get_all` has given."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from faiss_memory import Importer, LeftOut, Record, located, open_file
from faiss_memory_plugins.importers.reading.chroma import FILE as CHROMA, documents, is_chroma
from faiss_memory_plugins.importers.reading.databases import Row, has_table, opened, rows
from faiss_memory_plugins.importers.reading.json_items import first_item, items_of
from faiss_memory_plugins.importers.reading.pickled import faiss_documents, qdrant_points
from faiss_memory_plugins.importers.reading.values import as_json, end_of, filled, text_of, when, words

_ITS_OWN = "mem0migrations"
"""A collection in which it notes who uses it, and no memory."""
_INDEX = ".faiss"
_PATTERNS = (
    "*.db", "*/history.db", "chroma.sqlite3", "*/chroma.sqlite3", "collection/*/storage.sqlite",
    "*/collection/*/storage.sqlite", f"*{_INDEX}", f"*/*{_INDEX}",
)  # fmt: skip
_LISTS = ("results", "memories")
_KEPT = ("user_id", "agent_id", "run_id", "app_id", "actor_id", "role", "expiration_date", "attributed_to")
_OWN = {*_KEPT, "data", "memory", "hash", "created_at", "updated_at", "id", "text_lemmatized", "metadata", "score",
        "categories", "linked_memory_ids"}  # fmt: skip


class Mem0(Importer):
    """A memory has one id in the history, in each vector store and in what `get_all` gives, and is known by it."""

    name = "mem0"
    title = "mem0's history, vector store or `get_all` as JSON"
    places = ("~/.mem0", "/tmp/qdrant")

    def fits(self, path: Path) -> bool:
        """Return whether it is one of its files, or a folder that holds some."""
        if path.is_dir():
            return bool(_files(path))
        if path.suffix.lower() == ".json":
            return {"id", "memory"} <= first_item(path, *_LISTS).keys() or _is_faiss(path)
        return _is_store(path)

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the vector stores, and from the history what is in none of them and was not deleted."""
        files = _files(path) if path.is_dir() else [path]
        histories = [file for file in files if _is_history(file)]
        met: set[str] = set()
        for file in files:
            if file not in histories:
                for one in self._stored(file):
                    if one.key not in met:
                        met.add(one.key)
                        yield one
        for file in histories:
            yield from _history(file, met)

    def _stored(self, file: Path) -> Iterator[Record | LeftOut]:
        for number, found in enumerate(_payloads(file), 1):
            yield found if isinstance(found, LeftOut) else _record(found, f"memory {number}")


def _payloads(file: Path) -> Iterator[Any]:
    if _is_faiss(file):
        yield from faiss_documents(file)
    elif file.suffix.lower() == ".json":
        with open_file(located(file)) as listed:
            yield from items_of(listed, *_LISTS)
    elif _is_points(file):
        with opened(file) as connection:
            yield from qdrant_points(connection)
    else:
        with opened(file, embeddings=("embedding_id",)) as connection:
            for found in documents(connection):
                yield found if isinstance(found, LeftOut) else {**found.fields, "id": found.key}


def _files(folder: Path) -> list[Path]:
    """Return what is of mem0 in a folder; it is looked for where it may lie, since the folder may be anybody's."""
    found = {file for pattern in _PATTERNS for file in folder.glob(pattern) if _ITS_OWN not in file.parts}
    files = {_documents_of(file) if file.suffix == _INDEX else file for file in found}
    return sorted(file for file in files if not file.is_symlink() and _is_store(file))


def _is_store(file: Path) -> bool:
    return _is_history(file) or _is_points(file) or _holds_mem0(file) or _is_faiss(file)


def _documents_of(index: Path) -> Path:
    """Return where the documents of a FAISS index are; older versions have pickled them."""
    listed = index.with_suffix(".json")
    return listed if listed.is_file() else index.with_suffix(".pkl")


def _is_history(path: Path) -> bool:
    return has_table(path, "history", "memory_id", "old_memory", "new_memory", "event")


def _is_points(path: Path) -> bool:
    return path.name == "storage.sqlite" and has_table(path, "points", "id", "point")


def _holds_mem0(path: Path) -> bool:
    if path.name != CHROMA or not is_chroma(path):
        return False
    with opened(path) as connection:
        return any(not isinstance(one, LeftOut) and "data" in one.fields for one in documents(connection))


def _is_faiss(path: Path) -> bool:
    """Return whether it is a FAISS store's documents: they lie beside the index, and are called as it."""
    return path.suffix in (".json", ".pkl") and path.with_suffix(_INDEX).is_file()


def _record(found: Any, place: str) -> Record | LeftOut:
    fields: Mapping[str, Any] = found if isinstance(found, dict) else {}
    key, text = (
        text_of(fields.get("id")) or place,
        text_of(fields.get("data")) or text_of(fields.get("memory")),
    )
    if "entity_type" in fields and "linked_memory_ids" in fields:
        return LeftOut(key, "it is a name that memories are linked by, and no memory")
    if not text:
        return LeftOut(key, "it has no text")
    until = end_of(fields.get("expiration_date"))
    if until is not None and until <= datetime.now(UTC):
        return LeftOut(key, f"it has expired there ({fields['expiration_date']})")
    given = as_json(fields.get("metadata"), {})
    rest = {name: value for name, value in fields.items() if name not in _OWN}
    return Record(
        key=key,
        text=text,
        tags=words([*words(fields.get("categories")), *words(given.get("tags")), *words(rest.get("tags"))]),
        metadata={**rest, **given, **filled(fields, _KEPT)},
        timestamp=when(fields.get("created_at")),
        valid_until=until,
    )


def _history(file: Path, met: set[str]) -> Iterator[Record | LeftOut]:
    """Yield what became of each memory: by its last event it is what it is now."""
    latest: dict[str, Row] = {}
    damage = None
    with opened(file, history=("memory_id", "new_memory", "event")) as connection:
        try:
            for row in rows(connection, "history", "rowid"):
                latest[text_of(row["memory_id"])] = {**latest.get(text_of(row["memory_id"]), {}), **row}
        except sqlite3.Error as error:
            damage = error
    for key, row in latest.items():
        if key in met:
            continue
        if row.get("is_deleted") or text_of(row["event"]).upper() == "DELETE":
            yield LeftOut(key, "it is deleted there")
        else:
            yield _record({**filled(row, (*_KEPT, "created_at")), "id": key, "data": row["new_memory"]}, key)
    if damage:
        yield LeftOut("table history", f"the rest of it cannot be read ({damage})")
