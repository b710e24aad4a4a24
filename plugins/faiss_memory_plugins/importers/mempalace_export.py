"""What MemPalace exports: a folder for each wing, in it a file for each room, in that a section for each drawer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faiss_memory import LeftOut
from faiss_memory_plugins.importers.reading.chroma import Document
from faiss_memory_plugins.importers.reading.folders import files_in
from faiss_memory_plugins.importers.reading.texts import text_in

_INDEX = "index.md"
_ROOM = re.compile(r"# (.+) / (.+)")
_DRAWER = re.compile(r"## (\S+)")
_CHUNK = re.compile(r"(.+)_chunk_(\d{6})")
_CELL = re.compile(r"\| (Source|Filed|Added by) \| (.*) \|")
_FIELDS = {"Source": "source_file", "Filed": "filed_at", "Added by": "added_by"}
_UNKNOWN = "unknown"


def is_export(folder: Path) -> bool:
    """Return whether a folder is what it exports, by its table of contents."""
    try:
        return text_in(folder / _INDEX, folder).startswith("# Palace Export")
    except (OSError, ValueError):
        return False


def exported(folder: Path) -> Iterator[Document | LeftOut]:
    """Yield the drawers of an export, by the names of its files."""
    for file in files_in(folder):
        name = file.relative_to(folder).as_posix()
        try:
            lines = text_in(file, folder).split("\n")
        except (OSError, ValueError) as error:
            yield LeftOut(name, str(error))
            continue
        room = _ROOM.fullmatch(lines[0])
        if room is not None:
            yield from _drawers(lines, room[1], room[2])
        elif name != _INDEX:
            yield LeftOut(name, "it is no room")


def _drawers(lines: list[str], wing: str, room: str) -> Iterator[Document]:
    drawer: Document | None = None
    for line in lines:
        if begun := _DRAWER.fullmatch(line):
            if drawer is not None:
                yield drawer
            drawer = Document("", begun[1], fields={"wing": wing, "room": room, **_chunk(begun[1])})
        elif drawer is not None and line.startswith(">"):
            drawer.text += ("\n" if drawer.fields.get("quoted") else "") + line.removeprefix(
                ">"
            ).removeprefix(" ")
            drawer.fields["quoted"] = True
        elif drawer is not None and (cell := _CELL.fullmatch(line)) and cell[2] != _UNKNOWN:
            drawer.fields[_FIELDS[cell[1]]] = cell[2]
    if drawer is not None:
        yield drawer


def _chunk(key: str) -> dict[str, Any]:
    found = _CHUNK.fullmatch(key)
    return {"parent_drawer_id": found[1], "chunk_index": int(found[2])} if found else {}
