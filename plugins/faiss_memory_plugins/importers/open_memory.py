"""OpenMemory: its database `openmemory.db`, and the zip, JSON or lines that it exports."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from faiss_memory import Importer, LeftOut, Record, located, open_file
from faiss_memory_plugins.importers.reading.databases import has_table, opened, records_of, rows
from faiss_memory_plugins.importers.reading.json_items import first_item, items_of
from faiss_memory_plugins.importers.reading.texts import json_lines
from faiss_memory_plugins.importers.reading.values import as_json, filled, name_of, text_of, when, words
from faiss_memory_plugins.importers.reading.zips import UNPACKED, is_zip

_FIELDS = {"id", "content", "state"}
_MEMBER = "memories.jsonl.gz"


class OpenMemory(Importer):
    """What is deleted, archived or paused there stays away."""

    name = "openmemory"
    title = "OpenMemory's database or export"
    places = ("~/openmemory/api/openmemory.db",)

    def fits(self, path: Path) -> bool:
        """Return whether it has OpenMemory's table, or is called and made as its exports are."""
        if is_zip(path):
            return _member(path) is not None
        if path.suffix.lower() == ".json":
            return first_item(path, "memories").keys() >= _FIELDS
        if path.name.endswith(".jsonl.gz"):
            return _first_line(path).keys() >= _FIELDS
        return has_table(path, "memories", "id", "app_id", "content", "state")

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the memories with their categories as tags."""
        if is_zip(path):
            yield from _zipped(path)
        elif path.name.endswith(".gz"):
            with open_file(located(path)) as file:
                yield from _lines(file)
        elif path.suffix.lower() == ".json":
            yield from _document(path)
        else:
            yield from _database(path)


def _member(path: Path) -> str | None:
    try:
        with open_file(located(path)) as file, zipfile.ZipFile(file) as archive:
            return next((name for name in archive.namelist() if name.split("/")[-1] == _MEMBER), None)
    except UNPACKED:
        return None


def _zipped(path: Path) -> Iterator[Record | LeftOut]:
    name = _member(path)
    if name is None:
        yield LeftOut(path.name, f"it has no {_MEMBER}")
        return
    try:
        with open_file(located(path)) as file, zipfile.ZipFile(file) as archive, archive.open(name) as packed:
            yield from _lines(packed)
    except UNPACKED as error:
        yield LeftOut(name, f"it cannot be unpacked ({error})")


def _first_line(path: Path) -> dict[str, Any]:
    try:
        with open_file(located(path)) as file, gzip.open(file) as lines:
            return as_json(next(json_lines(lines), (0, {}))[1], {})  # type: ignore[arg-type, no-any-return]
    except UNPACKED:
        return {}


def _lines(packed: Any) -> Iterator[Record | LeftOut]:
    try:
        with gzip.open(packed) as file:
            for number, row in json_lines(file):  # type: ignore[arg-type]
                yield row if isinstance(row, LeftOut) else _record(as_json(row, {}), f"line {number}")
    except UNPACKED as error:
        yield LeftOut("the rest", f"it cannot be unpacked ({error})")


def _document(path: Path) -> Iterator[Record | LeftOut]:
    """Read `memories.json`: what the ids of categories and apps stand for is told before the memories."""
    with open_file(located(path)) as file:
        categories = _names(items_of(file, "categories"))
    with open_file(located(path)) as file:
        apps = _names(items_of(file, "apps"))
    with open_file(located(path)) as file:
        for number, item in enumerate(items_of(file, "memories"), 1):
            if isinstance(item, LeftOut) or not isinstance(item, dict):
                yield item if isinstance(item, LeftOut) else LeftOut(f"memory {number}", "it is no memory")
                continue
            named = [categories.get(str(one)) for one in as_json(item.get("category_ids"), [])]
            app = apps.get(str(item.get("app_id")))
            yield _record({**item, "categories": named, "app": app}, f"memory {number}")


def _names(items: Iterator[Any]) -> dict[str, str]:
    return {str(one.get("id")): name_of(one.get("name")) for one in items if isinstance(one, dict)}


def _database(path: Path) -> Iterator[Record | LeftOut]:
    with opened(path, memories=("id", "content", "state")) as connection:
        apps = {row["id"]: name_of(row["name"]) for row in connection.execute("SELECT id, name FROM apps")}
        categories = {
            row["id"]: name_of(row["name"]) for row in connection.execute("SELECT id, name FROM categories")
        }
        named: dict[Any, list[str]] = {}
        for key, category in connection.execute("SELECT memory_id, category_id FROM memory_categories"):
            if category in categories:
                named.setdefault(key, []).append(categories[category])
        yield from records_of(
            rows(connection, "memories", "rowid"),
            "memories",
            lambda row: _record(
                {**row, "categories": sorted(named.pop(row["id"], [])), "app": apps.get(row.get("app_id"))},
                "a memory",
            ),
        )


def _record(fields: Mapping[str, Any], place: str) -> Record | LeftOut:
    key, text = _one_way(fields.get("id")) or place, text_of(fields.get("content"))
    state = text_of(fields.get("state")) or "active"
    if state != "active" or fields.get("deleted_at"):
        return LeftOut(key, f"it is {state if state != 'active' else 'deleted'} there")
    if not text:
        return LeftOut(key, "it has no text")
    return Record(
        key=key,
        text=text,
        tags=words(fields.get("categories")),
        metadata={**as_json(fields.get("metadata"), {}), **filled(fields, ("app",))},
        timestamp=when(fields.get("created_at")),
    )


def _one_way(key: Any) -> str:
    """Write a UUID as its database does, which has no hyphens: its exports have some."""
    try:
        return UUID(text_of(key)).hex
    except ValueError:
        return text_of(key)
