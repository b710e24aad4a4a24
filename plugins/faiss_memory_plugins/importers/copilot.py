"""GitHub Copilot in VS Code: the files of its memory tool, the person's and those of a workspace."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from faiss_memory import Importer, LeftOut, Record, located, project_of, read_file
from faiss_memory_plugins.importers.reading.folders import files_in, is_markdown, read_each, written
from faiss_memory_plugins.importers.reading.front import apart, time_of
from faiss_memory_plugins.importers.reading.values import as_json, filled, text_of, words

_PLACE = ("memory-tool", "memories")
_SESSION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Copilot(Importer):
    """Each file becomes a memory. What it notes for one conversation alone stays away."""

    name = "copilot"
    title = "GitHub Copilot's memory files"
    places = (
        "~/.config/Code/User/globalStorage/github.copilot-chat/memory-tool/memories",
        "~/Library/Application Support/Code/User/globalStorage/github.copilot-chat/memory-tool/memories",
        "~/AppData/Roaming/Code/User/globalStorage/github.copilot-chat/memory-tool/memories",
    )

    def fits(self, path: Path) -> bool:
        """Return whether it is in the folder of its memory tool, or that is in it."""
        return next(_files(path), None) is not None

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the files, by their names."""
        yield from read_each(_files(path), path.parent if path.is_file() else path, _records)


def _files(path: Path) -> Iterator[Path]:
    files = iter([path]) if path.is_file() else files_in(path, lambda name: True)
    return (file for file in files if _within(file) and (is_markdown(file.name) or file.suffix == ".jsonl"))


def _within(file: Path) -> tuple[str, ...]:
    """Return the path of a file in the folder of the memory tool; empty if it is not in one."""
    parts = file.absolute().parts
    starts = [at + 2 for at in range(len(parts) - 1) if parts[at : at + 2] == _PLACE]
    return parts[starts[-1] :] if starts else ()


def _records(name: str, whole: str, file: Path) -> Iterator[Record | LeftOut]:
    within = _within(file)
    if len(within) > 1 and _is_session(within[0]):
        yield LeftOut(name, "it is of one conversation")
        return
    key, project = "/".join(within), _project(file)
    if file.suffix == ".jsonl":
        yield from _facts(name, whole, key, project)
        return
    front, text = apart(whole)
    if not text.strip():
        yield LeftOut(name, "it has no text")
        return
    yield Record(
        key=json.dumps([key, project, text.strip()]),
        text=text.strip(),
        project=project,
        source=key,
        tags=words(front.get("tags")),
        metadata={field: value for field, value in front.items() if field != "tags"},
        timestamp=time_of(front) or written(file),
    )


def _facts(name: str, whole: str, key: str, project: str | None) -> Iterator[Record | LeftOut]:
    for number, line in enumerate(whole.split("\n"), 1):
        if line.strip():
            fields: dict[str, Any] = as_json(line, {})
            fact = text_of(fields.get("fact"))
            yield (
                Record(
                    key=json.dumps([key, project, fact]),
                    text=fact,
                    project=project,
                    source=key,
                    tags=words([fields.get("subject"), fields.get("category")]),
                    metadata=filled(fields, ("citations", "reason")),
                )
                if fact
                else LeftOut(f"{name}, line {number}", "it holds no fact")
            )


def _is_session(folder: str) -> bool:
    """Return whether a folder is named by a conversation: its id, in base 64."""
    if folder == "session":
        return True
    try:
        return _SESSION.fullmatch(base64.b64decode(folder, validate=True).decode()) is not None
    except (binascii.Error, ValueError):
        return False


def _project(file: Path) -> str | None:
    """Name the project of the workspace that a file is kept for; None for what is the person's."""
    for above in file.absolute().parents:
        if above.parent.name == "workspaceStorage":
            try:
                said = as_json(
                    read_file(located(above / "workspace.json", above)).decode("utf-8", "replace"), {}
                )
                folder = unquote(urlsplit(text_of(said.get("folder"))).path)
            except (OSError, ValueError):  # (the latter where the address is none)
                return None
            found = project_of(Path(folder or "/"))
            return found if found != "default" else None
    return None
