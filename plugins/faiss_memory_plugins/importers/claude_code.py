"""Claude Code: what it has noted by itself for each project, in `~/.claude/projects/*/memory`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from faiss_memory import Importer, LeftOut, Record, located, open_file, project_of
from faiss_memory_plugins.importers.reading.folders import files_in, is_markdown, read_each, written
from faiss_memory_plugins.importers.reading.front import apart, time_of
from faiss_memory_plugins.importers.reading.sections import sections_of
from faiss_memory_plugins.importers.reading.values import text_of, words

_INDEX = "MEMORY.md"
_MOST_LINES = 50
"""Lines of a session's log that are looked at for the folder in which it was."""
_LONGEST_PATH = 4096
_MOST_OF_A_LINE = 1 << 20
_LONGEST_CUE = 200


class ClaudeCode(Importer):
    """Each file becomes a memory of its project, and of an index each section that is more than links to the files."""

    name = "claude-code"
    title = "Claude Code's own memories"
    places = ("~/.claude/projects",)

    def fits(self, path: Path) -> bool:
        """Return whether it is such a folder or file, or a folder above some: `~/.claude`, or `projects` in it."""
        if path.is_file():
            return is_markdown(path.name) and _project_folder(path.absolute()) is not None
        return next(_files(path), None) is not None

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the files, by their names."""
        folder = path.parent if path.is_file() else path
        yield from read_each(iter([path]) if path.is_file() else _files(path), folder, _records)


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in files_in(folder) if _project_folder(file.absolute()) is not None)


def _project_folder(file: Path) -> Path | None:
    """Return the folder of the project that a memory is of, or None if it is no memory."""
    for above in file.parents:
        if above.name == "memory" and above.parent.parent.name == "projects":
            return above.parent
    return None


def _records(name: str, whole: str, file: Path) -> Iterator[Record | LeftOut]:
    folder = _project_folder(file.absolute())
    slug = folder.name if folder is not None else ""
    front, text = apart(whole)
    kept = {key: value for key, value in front.items() if key not in ("tags", "metadata") and value}
    kind = text_of(front.get("type"))
    described = text_of(front.get("description"))
    sections = _said(text) if file.name == _INDEX else [("", text.strip())]
    if not any(said for _, said in sections):
        yield LeftOut(name, "it only lists the other files" if file.name == _INDEX else "it has no text")
        return
    for section, said in sections:
        yield Record(
            key=json.dumps([slug, file.name, section, *([said] if section else [])]),
            text=said,
            project=_project(folder) if folder is not None else None,
            source=f"{file.name}#{section}" if section else file.name,
            tags=words([kind, *words(front.get("tags"))]),
            cues=(described,) if 0 < len(described) <= _LONGEST_CUE else (),
            metadata=kept,
            timestamp=time_of(front) or written(file),
        )


def _said(text: str) -> list[tuple[str, str]]:
    """Return the sections of an index that are more than links to other files."""
    return [
        (section or _INDEX, said)
        for section, said in sections_of(text)
        if any(line.strip() and not line.startswith("#") and "](" not in line for line in said.split("\n"))
    ]


@cache
def _project(folder: Path) -> str | None:
    """Name the project by the folder that a session's log says it was in; None where none says so."""
    for log in sorted(folder.glob("*.jsonl")):
        try:
            with open_file(located(log)) as file:
                lines = [file.readline(_MOST_OF_A_LINE) for _ in range(_MOST_LINES)]
        except OSError:
            continue
        for line in lines:
            try:
                said = json.loads(line)
            except (ValueError, RecursionError):
                continue
            where = text_of(said.get("cwd")) if isinstance(said, dict) else ""
            if os.path.isabs(where) and len(where) <= _LONGEST_PATH and where.isprintable():
                found = project_of(Path(where))
                return found if found != "default" else None
    return None
