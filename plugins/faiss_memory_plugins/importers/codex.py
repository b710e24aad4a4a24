"""Codex: the memories that it keeps as Markdown in `~/.codex/memories`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from faiss_memory import Importer, LeftOut, Record
from faiss_memory_plugins.importers.reading.folders import files_in, is_markdown, read_each, written
from faiss_memory_plugins.importers.reading.front import apart, time_of
from faiss_memory_plugins.importers.reading.sections import sections_of

_RAW = "raw_memories.md"
_SUMMARIES = "rollout_summaries"
_BY_SECTION = ("MEMORY.md", "memory_summary.md", _RAW)


class Codex(Importer):
    """Each section of its handbook becomes a memory, and each summary of a session."""

    name = "codex"
    title = "Codex' own memories"
    places = ("~/.codex/memories",)

    def fits(self, path: Path) -> bool:
        """Return whether it is the folder `memories` in Codex' own, or Codex' own with that in it."""
        if path.is_file():
            return (
                is_markdown(path.name)
                and path.absolute().parent.name == "memories"
                and (path.name in _BY_SECTION or ".codex" in path.absolute().parts)
            )
        folder = _folder(path)
        is_named = folder.absolute().parts[-2:] == (".codex", "memories")
        has_its_files = any((folder / name).exists() for name in (*_BY_SECTION[1:], _SUMMARIES))
        return (is_named or has_its_files) and next(files_in(folder), None) is not None

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the files, by their names."""
        folder = path.parent if path.is_file() else _folder(path)
        files = iter([path]) if path.is_file() else files_in(folder)
        yield from read_each(files, folder, _records)


def _folder(path: Path) -> Path:
    return path / "memories" if (path / "memories").is_dir() else path


def _within(file: Path) -> str:
    """Return the path of a file in the folder `memories`, by which it is known however it was given."""
    above = next(
        (folder for folder in file.absolute().parents if folder.name == "memories"), file.absolute().parent
    )
    return file.absolute().relative_to(above).as_posix()


def _records(_: str, whole: str, file: Path) -> Iterator[Record | LeftOut]:
    name = _within(file)
    if name.startswith("skills/"):
        yield LeftOut(name, "it is a skill, and no memory")
    elif name == _RAW and (file.parent / "MEMORY.md").exists():
        yield LeftOut(name, "it is what MEMORY.md was made of")
    else:
        front, text = apart(whole)
        sections = list(sections_of(text)) if file.name in _BY_SECTION else [("", text.strip())]
        for section, said in sections:
            if said:
                yield Record(
                    key=json.dumps([name, section, said]),
                    text=said,
                    source=f"{name}#{section}" if section else name,
                    tags=("session-summary",) if name.startswith(_SUMMARIES) else (),
                    metadata={key: value for key, value in front.items() if value},
                    timestamp=time_of(front) or written(file),
                )
        if not any(said for _, said in sections):
            yield LeftOut(name, "it has no text")
