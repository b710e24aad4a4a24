"""Where declared paths lead, and recorded files that are reached another way since: links come and go."""

from __future__ import annotations

import os
from pathlib import Path

from faiss_memory.errors import CannotMerge
from faiss_memory.install.disk import read_content
from faiss_memory.install.formats import state
from faiss_memory.install.marked_text import IgnoredPaths
from faiss_memory.install.record import Entry, FileRecord, Installed, Owner
from faiss_memory.safe_files import NotAFile, located


def locate(declared: str, folder: str) -> str:
    """Find the file that a declared path means, links followed. Raises CannotMerge if it leads out of the project."""
    if declared.startswith("~/"):
        return os.path.realpath(Path.home() / declared[2:])
    if os.path.isabs(declared):  # where a variable such as CODEX_HOME says that an assistant keeps its files
        return os.path.realpath(declared)
    if not folder:
        raise CannotMerge("it belongs to a project, and is not one of the user's own files")
    try:
        return str(located(Path(folder) / declared, within=folder))
    except NotAFile:
        found = os.path.realpath(Path(folder) / declared)
        raise CannotMerge(f"it leads out of the project, to {found}") from None


def followed(installed: Installed) -> Installed:
    """Look every recorded place up anew: a file may have become a link since, or a link a file. Gives the same record.

    Files that hold nothing of ours stay out of it, and a way out of the project is not followed.
    """
    for path, record in list(installed.files.items()):
        moved = False
        for place in sorted(
            {_place(entry.owner, part.path) for entry in record.entries for part in entry.read()}
        ):
            if place in ("", path):
                continue
            entries = [there for entry in record.entries if (there := _reached(entry, place)).parts]
            if _holds_any(place, entries):
                _add(installed, place, FileRecord(record.original, record.written, entries))
                moved = True
        if moved and (os.path.realpath(path) != path or not _holds_any(path, record.entries)):
            del installed.files[path]
    return installed


def _place(owner: Owner, declared: str) -> str:
    try:
        return locate(declared, owner.folder)
    except CannotMerge:
        return ""


def _reached(entry: Entry, place: str) -> Entry:
    """Return what an owner has at a place."""

    def here(parts: list[dict[str, object]]) -> list[dict[str, object]]:
        return [part for part in parts if _place(entry.owner, str(part["path"])) == place]

    return Entry(entry.owner, here(entry.parts), here(entry.edited), entry.kept)


def _holds_any(path: str, entries: list[Entry]) -> bool:
    try:
        content = read_content(Path(path))
        parts = [part for entry in entries for part in entry.read()]
        return content.raw is not None and any(
            state(content, part) != "absent" for part in parts if not isinstance(part, IgnoredPaths)
        )
    except CannotMerge:
        return False


def _add(installed: Installed, path: str, record: FileRecord) -> None:
    there = installed.files.setdefault(path, record)
    there.entries += [entry for entry in record.entries if there.entry(entry.owner) is None]
