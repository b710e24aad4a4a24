"""Jupyter's notebooks: their cells as one Markdown text, code between fences, and nothing of what the code printed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from faiss_memory_plugins.ingest.formats import markdown, plain
from faiss_memory_plugins.ingest.formats.sections import Heading, parts_of
from faiss_memory_plugins.ingest.parts import Document

_BACKTICKS = re.compile(r"`{3,}")
_LANGUAGE = re.compile(r"[\w+#.-]{1,40}")


class _Cells:
    """The lines of the cells so far, with the headings in them and the number of each line's cell."""

    def __init__(self, language: str) -> None:
        self._language = language
        self.lines: list[str] = []
        self.headings: list[Heading] = []
        self._numbers: list[int] = []
        self.left_out: set[str] = set()

    def add(self, number: int, cell: Mapping[str, Any]) -> None:
        """Add a cell, as nbformat 4 has it, or 3."""
        kind, text = cell.get("cell_type"), _text(cell.get("source", cell.get("input")))
        first = len(self.lines)
        if kind == "markdown":
            for heading in markdown.headings_of(text):
                self.headings.append(heading._replace(first=first + heading.first, end=first + heading.end))
        elif kind == "heading":  # of nbformat 3
            level = cell.get("level")
            text = " ".join(text.split())
            self.headings.append(Heading(text, level if isinstance(level, int) else 1, first, first + 1))
        elif kind == "code" and text.strip():
            longest = max((len(found) for found in _BACKTICKS.findall(text)), default=2)
            fence = "`" * (longest + 1)
            text = f"{fence}{self._language}\n{text}\n{fence}"
        self.left_out |= {name for name in ("outputs", "attachments") if cell.get(name)}
        lines = [*text.split("\n"), ""]
        self.lines += lines
        self._numbers += [number] * len(lines)

    def place(self, first: int, last: int) -> str:
        """Return the place of what stands in some lines, counted from 1: `:cell-2`, or `:cell-2-4`."""
        cells = dict.fromkeys((self._numbers[first - 1], self._numbers[last - 1]))
        return f":cell-{'-'.join(map(str, cells))}"


def read(text: str) -> Document:
    """Cut a notebook into parts. What is none is kept as text, and the note says so."""
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        notebook = None
    given = _given(notebook)
    if given is None:
        return Document(
            plain.read(text).parts, note="it is not understood as a notebook and was kept as text"
        )
    cells = _Cells(_language(notebook.get("metadata")))
    for number, cell in enumerate(given, 1):
        cells.add(number, cell)
    note = f"{' and '.join(sorted(cells.left_out))} of its cells are left out" if cells.left_out else ""
    return Document(parts_of(cells.lines, cells.headings, place_of=cells.place), note=note)


def _given(notebook: Any) -> list[Mapping[str, Any]] | None:
    """Return the cells, or None where they are not what nbformat says."""
    if not isinstance(notebook, dict):
        return None
    sheets = notebook.get("worksheets", [notebook])  # of nbformat 3
    sheets = sheets if isinstance(sheets, list) else []
    found: list[Any] = []
    for sheet in sheets:
        cells = sheet.get("cells") if isinstance(sheet, dict) else None
        if not isinstance(cells, list):
            return None
        found += cells
    return found if sheets and all(isinstance(cell, dict) for cell in found) else None


def _text(source: Any) -> str:
    """Return what a cell says: a text, or a list of its lines."""
    lines = source if isinstance(source, list) else [source]
    text = "".join(line for line in lines if isinstance(line, str))
    return (
        text.encode("utf-8", "replace")
        .decode()
        .replace("\0", "\ufffd")
        .replace("\r\n", "\n")
        .replace("\r", "\n")
    )


def _language(metadata: Any) -> str:
    """Return what the code is written in, as the notebook says."""
    for path in (("language_info", "name"), ("kernelspec", "language"), ("language",)):
        found = metadata
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, str) and _LANGUAGE.fullmatch(found):
            return found
    return ""
