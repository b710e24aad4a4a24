"""A table with a heading, whose columns are called as the fields of a memory."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from faiss_memory import Importer, InvalidRequest, LeftOut, Record, is_uid, located, open_file
from faiss_memory_plugins.importers.ours import record_of
from faiss_memory_plugins.importers.values import as_json, when, words

KNOWN = (
    "uid",
    "project",
    "timestamp",
    "text",
    "source",
    "tags",
    "cues",
    "metadata",
    "by",
    "state",
    "supersedes",
    "hash",
)
_GUARDED = re.compile(r"'+[=+\-@\t\r]")
MOST_OF_A_CELL = 2**31 - 1


class Table(Importer):
    """A CSV file; it must have a column `text`."""

    name = "csv"
    title = "a table (CSV) with a column `text`"

    def fits(self, path: Path) -> bool:
        """Return whether it is called so."""
        return path.suffix.lower() == ".csv" and path.is_file()

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the rows. Columns that a memory has no field for become properties."""
        csv.field_size_limit(MOST_OF_A_CELL)
        with (
            open_file(located(path)) as file,
            io.TextIOWrapper(file, "utf-8-sig", "replace", newline="") as text,
        ):
            reader = csv.DictReader(text)
            if "text" not in (reader.fieldnames or ()):
                raise InvalidRequest(f"{path} has no column `text`", "path")
            for number, row in enumerate(reader, 1):
                yield _record({name: _plain(cell) for name, cell in row.items() if name and cell}, number)


def _plain(cell: str | list[str]) -> str:
    """Take away what keeps a spreadsheet from calculating."""
    written = cell if isinstance(cell, str) else ", ".join(cell)
    return written[1:] if _GUARDED.match(written) else written


def _record(row: Mapping[str, str], number: int) -> Record | LeftOut:
    if not row.get("text", "").strip():
        return LeftOut(f"row {number}", "it has no text")
    metadata = {**as_json(row.get("metadata"), {}), **{name: row[name] for name in row if name not in KNOWN}}
    fields = {**row, "metadata": metadata, "cues": as_json(row.get("cues"), [])}
    if is_uid(row.get("uid")):
        return record_of(fields, f"row {number}")
    return Record(
        key=json.dumps([row.get("source", ""), row["text"]]),
        text=row["text"],
        project=row.get("project"),
        source=row.get("source", ""),
        tags=words(row.get("tags")),
        cues=tuple(str(cue) for cue in fields["cues"]),
        metadata=metadata,
        timestamp=when(row.get("timestamp")),
    )
