"""A table with a heading, whose columns are called as the fields of a memory."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

from faiss_memory import Importer, InvalidRequest, LeftOut, Record, is_uid, located, open_file
from faiss_memory_plugins.importers.ours import record_of
from faiss_memory_plugins.importers.reading.texts import NOT_UTF8, is_garbled, opened_text
from faiss_memory_plugins.importers.reading.values import as_json, when, words

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
    "actor",
    "valid_until",
    "state",
    "supersedes",
    "hash",
)
_SEPARATORS = ",;\t"
"""The one that the heading has most of; spreadsheets write what is usual in their country."""
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
        with open_file(located(path)) as file, opened_text(file) as text:
            lines = (line.replace("\0", "") for line in text)
            head = next(lines, "")
            separator = max(_SEPARATORS, key=head.count)
            reader = csv.reader(chain([head], lines), delimiter=separator)
            number = 0
            try:
                names = next(reader, [])
                if "text" not in names:
                    raise InvalidRequest(f"{path} has no column `text`", "path")
                if any(map(is_garbled, names)):
                    raise InvalidRequest(
                        f"the heading of {path} is not UTF-8; save the file as UTF-8", "path"
                    )
                for number, cells in enumerate(filter(None, reader), 1):
                    yield _record(dict(zip(names, cells, strict=False)), number)
            except csv.Error as error:
                yield LeftOut(f"row {number + 1}", f"from here on it is no table ({error})")


def _plain(cell: str) -> str:
    """Take away what keeps a spreadsheet from calculating."""
    return cell[1:] if _GUARDED.match(cell) else cell


def _record(cells: Mapping[str, str], number: int) -> Record | LeftOut:
    if any(map(is_garbled, cells.values())):
        return LeftOut(f"row {number}", NOT_UTF8)
    row = {name: _plain(cell) for name, cell in cells.items() if name and cell}
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
        valid_until=when(row.get("valid_until")),
    )
