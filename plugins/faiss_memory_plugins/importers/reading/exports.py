"""What assistants on the web give as an export: a zip, its folder, or one document of it."""

from __future__ import annotations

import json
import re
import zipfile
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from faiss_memory import Importer, LeftOut, Record, located, open_file
from faiss_memory_plugins.importers.reading.json_items import items_of
from faiss_memory_plugins.importers.reading.values import as_json, identity_of, name_of, when
from faiss_memory_plugins.importers.reading.zips import UNPACKED

_DEPTHS = ("*.json", "*/*.json", "*.zip")
_DOCUMENT = re.compile(
    r"(?:.*/)?(?:(?:conversations[^/]*|memories|projects|custom_instructions)\.json|(?:memories|projects)/[^/]+\.json)",
    re.IGNORECASE,
)
"""How what is read is called in a zip or folder, which may hold anything besides."""


def items_in(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the items of each JSON document of an export with the document's name, in the order of the names."""
    yield from _each(path, lambda file: items_of(file))


def looks_like(path: Path, *names: str) -> bool:
    """Return whether the first item of a document of an export has one of these fields. Never raises."""
    if not path.is_dir() and path.suffix.lower() not in (".json", ".zip"):
        return False
    first = _each(path, lambda file: (item for _, item in zip(range(1), items_of(file), strict=False)))
    return any(isinstance(item, dict) and not item.keys().isdisjoint(names) for _, item in first)


class WrittenInConversations(Importer):
    """What the person wrote in conversations, each message a memory; it has to be asked for by name."""

    title_field: str
    """The field of a conversation that has its title."""

    def fits(self, path: Path) -> bool:
        """Return False: whole conversations are nobody's memories unless they say so."""
        return False

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the messages of each conversation, without what was attached to them."""
        for document, item in items_in(path):
            if isinstance(item, LeftOut):
                yield LeftOut(f"{document}, {item.key}", item.reason)
                continue
            conversation = as_json(item, {})
            title = name_of(conversation.get(self.title_field))
            for key, text, time in self.written(conversation):
                if text:
                    yield Record(
                        key=identity_of(key) or json.dumps([title, text]),
                        text=text,
                        source=title,
                        tags=("conversation",),
                        timestamp=when(time),
                    )

    @abstractmethod
    def written(self, conversation: Mapping[str, Any]) -> Iterator[tuple[Any, str, Any]]:
        """Yield what the person wrote in a conversation: each message's key, text and time, as they stand there."""


def _each(path: Path, read: Callable[[BinaryIO], Iterator[Any]]) -> Iterator[tuple[str, Any]]:
    files = [path]
    if path.is_dir():
        found = {file for depth in _DEPTHS for file in path.glob(depth) if file.is_file()}
        files = sorted(
            file
            for file in found
            if file.suffix == ".zip" or _DOCUMENT.fullmatch(file.relative_to(path).as_posix())
        )
    for file in files:
        name = file.relative_to(path).as_posix() if file != path else file.name
        try:
            with open_file(located(file)) as opened:
                if zipfile.is_zipfile(opened):
                    yield from _members(opened, read)
                else:
                    opened.seek(0)
                    yield from ((name, item) for item in read(opened))
        except UNPACKED as error:
            yield name, LeftOut(name, f"it cannot be read ({error})")


def _members(file: BinaryIO, read: Callable[[BinaryIO], Iterator[Any]]) -> Iterator[tuple[str, Any]]:
    with zipfile.ZipFile(file) as archive:
        for name in sorted(archive.namelist()):
            if _DOCUMENT.fullmatch(name):
                try:
                    with archive.open(name) as member:
                        yield from ((name, item) for item in read(member))  # type: ignore[arg-type]
                except UNPACKED as error:
                    yield name, LeftOut(name, f"the rest of it cannot be read ({error})")


def conversations_left(count: int, other: str) -> Iterator[LeftOut]:
    """Yield that conversations were met, and who takes over what the person wrote in them."""
    if count:
        yield LeftOut(
            f"{count:,} conversations",
            f"they are no memories; --from {other} takes over what you wrote in them",
        )
