"""The folder `.memory/` of a repository. Nothing is read or written outside of it, and no link is followed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from faiss_memory import (
    SHARED_FOLDER,
    YAML_ERRORS,
    CommandFailed,
    NotAFile,
    clean_line,
    find_repository,
    is_uid,
    located,
    read_file,
    remove_file,
    write_file,
)

INDEX = "index.md"
_IGNORED = f"/{INDEX}\n"
_MOST_CHARACTERS = 1 << 16
_FRONT = re.compile(r"\A---\n(.*?\n)---\n", re.DOTALL)


class SharedFile(NamedTuple):
    """One file of the folder, with the uid of the memory that it was made of, if it was."""

    name: str
    uid: str | None
    title: str
    tags: tuple[str, ...]


class SharedFolder:
    """Knows the files. What cannot be read or written raises CommandFailed, which names it."""

    def __init__(self, top: Path) -> None:
        self.top = located(top)
        self.path = self.top / SHARED_FOLDER
        if os.path.lexists(self.path) and located(self.path) != self.path:
            raise CommandFailed(
                f"{self.path} is a link, to {located(self.path)}. What is shared lies in the repository itself: "
                "put a folder in its place."
            )

    @property
    def is_there(self) -> bool:
        """Whether anything was ever shared."""
        return self.path.is_dir()

    def files(self) -> list[SharedFile]:
        """Return the files that others read, by name."""
        names = sorted(os.listdir(self.path)) if self.is_there else []
        shown = (name for name in names if name.endswith(".md") and name != INDEX)
        return [_told(name, self._read(name)) for name in shown if not (self.path / name).is_symlink()]

    def write(self, files: Mapping[str, str]) -> list[str]:
        """Put files in place, and the list of all of them; returns the names of those that are not as before."""
        changed = [name for name, content in files.items() if self._write(name, content)]
        if not (self.path / ".gitignore").exists():
            self._write(".gitignore", _IGNORED)
        self.write_index()
        return changed

    def remove(self, name: str) -> None:
        """Remove a file."""
        try:
            remove_file(self._place(name))
        except OSError as error:
            raise _failed(self.path / name, "removed", error) from None

    def write_index(self) -> None:
        """Write the list of the files anew, from these."""
        if self.is_there:
            self._write(INDEX, _index(self.files()))

    def _write(self, name: str, content: str) -> bool:
        raw = content.encode()
        try:
            place = self._place(name)
            if os.path.lexists(place) and read_file(place) == raw:
                return False
            write_file(place, raw)
        except OSError as error:
            raise _failed(self.path / name, "written", error) from None
        return True

    def _read(self, name: str) -> str:
        try:
            return read_file(self._place(name)).decode("utf-8", "replace").replace("\r\n", "\n")
        except OSError as error:
            raise _failed(self.path / name, "read", error) from None

    def _place(self, name: str) -> Path:
        place = self.path / name
        if place.parent != self.path or located(place) != place:
            raise NotAFile("it is a link, or leads out of the folder", place)
        return place


def folder_here() -> SharedFolder:
    """Return the folder of the repository around the current folder."""
    repository = find_repository(Path.cwd())
    if repository is None:
        raise CommandFailed("This folder is in no git repository, and memories are shared by one.")
    return SharedFolder(repository.top)


def _told(name: str, content: str) -> SharedFile:
    found = _FRONT.match(content)
    try:
        front = yaml.safe_load(found[1]) if found and len(found[1]) <= _MOST_CHARACTERS else None
    except YAML_ERRORS:
        front = None
    said: Mapping[str, Any] = front if isinstance(front, dict) else {}
    uid, tags = said.get("uid"), said.get("tags")
    return SharedFile(
        name=name,
        uid=str(uid) if is_uid(uid) else None,
        title=clean_line(str(said.get("title") or name.removesuffix(".md"))),
        tags=tuple(map(str, tags)) if isinstance(tags, list) else (),
    )


def _index(files: list[SharedFile]) -> str:
    return "\n".join(_index_lines(files)) + "\n"


def _index_lines(files: list[SharedFile]) -> Iterator[str]:
    yield from ("# Shared memories", "", "Made of the files beside it by `faiss-memory share`.", "")
    for file in files:
        title = re.sub(r"([\\\[\]])", r"\\\1", file.title)
        tags = f" ({', '.join(map(clean_line, file.tags))})" if file.tags else ""
        yield f"- [{title}](<{file.name}>){tags}"


def _failed(place: Path, done: str, error: OSError) -> CommandFailed:
    return CommandFailed(f"{place} cannot be {done}: {error.strerror or error}.")
