"""A folder of Markdown files with front matter: ours, basic-memory's, and those of assistants' own memories."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

from faiss_memory import Importer, LeftOut, Record, is_uid, located, read_file
from faiss_memory_plugins.importers.values import as_json, when, words

_FENCE = "---\n"
_OURS = ("type", "title", "tags", "timestamp", "status", "generated", "sources", "supersedes", "cues", "metadata",
         "project", "uid")  # fmt: skip


class Notes(Importer):
    """Each file becomes one memory. To follow files as they change, `faiss-memory build` is the better way."""

    name = "markdown"
    title = "Markdown files, each a memory"
    places = ("~/.codex/memories", "~/basic-memory")

    def fits(self, path: Path) -> bool:
        """Return whether it is such a file, or a folder that holds one."""
        return path.suffix.lower() == ".md" if path.is_file() else next(_files(path), None) is not None

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the files, by their names."""
        folder = path.parent if path.is_file() else path
        for file in [path] if path.is_file() else _files(path):
            name = file.relative_to(folder).as_posix()
            try:
                text = read_file(located(file, folder)).decode("utf-8-sig", "replace").replace("\r\n", "\n")
            except OSError as error:
                yield LeftOut(name, str(error.strerror or error))
                continue
            yield _record(name, text)


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if name.lower().endswith(".md"))


def _record(name: str, whole: str) -> Record | LeftOut:
    front, text = _apart(whole)
    if not text.strip():
        return LeftOut(name, "it has no text")
    uid = front.get("uid") if is_uid(front.get("uid")) else None
    older, sources = front.get("supersedes"), as_json(front.get("sources"), [])
    rest = {key: _plain(value) for key, value in front.items() if key not in _OURS}
    return Record(
        key=uid or json.dumps([name, text]),
        uid=uid,
        text=text if uid else text.strip(),
        project=str(front["project"]) if front.get("project") else None,
        source=str(sources[0]) if sources else "" if uid else name,
        tags=words(front.get("tags")),
        cues=tuple(str(cue) for cue in as_json(front.get("cues"), [])),
        metadata={**as_json(front.get("metadata"), {}), **rest},
        timestamp=_time(front),
        supersedes=older if is_uid(older) else None,
    )


def _apart(whole: str) -> tuple[Mapping[str, Any], str]:
    """Return front matter and text; a file whose front matter is none is text from its beginning."""
    if whole.startswith(_FENCE):
        front, fence, text = whole.removeprefix(_FENCE).partition(f"\n{_FENCE}")
        try:
            read = yaml.safe_load(front) if fence else None
        except (yaml.YAMLError, ValueError, RecursionError):
            read = None
        if isinstance(read, dict):
            return {str(key): value for key, value in read.items()}, text.removeprefix("\n").removesuffix(
                "\n"
            )
    return {}, whole


def _time(front: Mapping[str, Any]) -> datetime | None:
    given = next(
        (front[name] for name in ("timestamp", "created", "created_at", "date") if front.get(name)), None
    )
    if isinstance(given, datetime):
        return given if given.tzinfo else given.replace(tzinfo=UTC)
    return (
        datetime(given.year, given.month, given.day, tzinfo=UTC) if isinstance(given, date) else when(given)
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
